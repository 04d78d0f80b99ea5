# SPDX-License-Identifier: Apache-2.0
"""What it costs to know who mail is from: SPF, DKIM and DMARC against a name server on this machine, cold and warm.

    .venv/bin/python bench/origin.py [--messages N] [--sessions N]

One worker of Genkan with the settings of `genkan init` and `delivery.paused`, on 127.0.0.1. Clients come from 192.0.2.77 by the
PROXY protocol, one message after the other on connections that are used again. Each message has a DKIM signature (RSA, 2048 bits)
over 1 KiB. "warm": all from one domain, "cold": each from another one.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from accounting import TICKS
from genkan.dkim.key_pair import make_key_pair, read_private_key
from genkan.dkim.message_signer import signed
from genkan.dkim.signing import Signer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HERE: Final = Path(__file__).parent
GENKAN: Final = Path(sys.executable).with_name("genkan")
SETTINGS: Final = {
    "nothing is asked": {"spf.mode": '"off"', "dkim.verify": "false", "dmarc.mode": '"off"', "dns.reverse": "false"},
    "SPF": {"dkim.verify": "false", "dmarc.mode": '"off"', "dns.reverse": "false"},
    "DKIM": {"spf.mode": '"off"', "dmarc.mode": '"off"', "dns.reverse": "false"},
    "SPF, DKIM and DMARC": {"dns.reverse": "false"},
    "all, and the client's name": {},
}


class Result(NamedTuple):
    """Messages a second, and the worker's processor time a message in microseconds."""

    rate: float
    cpu: float


def main() -> None:
    """Measure every combination and print a table."""
    parser = argparse.ArgumentParser(description="What SPF, DKIM and DMARC cost a message.")
    parser.add_argument("--messages", type=int, default=3000)
    parser.add_argument("--sessions", type=int, default=20)
    options = parser.parse_args()
    key = make_key_pair("rsa")
    messages = [_message(number, key.private_pem) for number in range(options.messages)]
    print("| asked | DNS | messages a second | CPU us a message |\n| --- | --- | ---: | ---: |")
    with tempfile.TemporaryDirectory(dir=HERE.parent) as folder, ExitStack() as stack:
        server = stack.enter_context(_zone_server(Path(folder) / "zone", len(messages), key.record))
        for asked, settings in SETTINGS.items():
            for state in ("warm",) if asked == "nothing is asked" else ("warm", "cold"):
                chosen = messages if state == "cold" else messages[:1] * len(messages)
                with _genkan(Path(folder) / "home", {**settings, "dns.servers": f'["127.0.0.1:{server}"]'}) as (
                    port,
                    pid,
                ):
                    asyncio.run(_load(port, messages[:1] * 50, options.sessions))
                    result = _measured(port, pid, chosen, options.sessions)
                print(f"| {asked} | {state} | {result.rate:.0f} | {result.cpu:.0f} |", flush=True)


def _message(number: int, key: bytes) -> tuple[bytes, bytes]:
    """A reverse-path, and a signed message of about 1 KiB of the same domain."""
    domain = f"d{number}.example"
    header = (
        f"From: <a@{domain}>\r\nTo: <load@in.example>\r\nSubject: {number}\r\nDate: Thu, 26 Nov 2026 00:00:00 +0000\r\n"
    )
    body = b"A line of a message that says nothing in seventy characters or so.\r\n" * 10
    signer = Signer(domain, "s", read_private_key(key))
    return f"a@{domain}".encode(), signed(header.encode() + b"\r\n" + body, [signer], int(time.time()))


@contextmanager
def _zone_server(file: Path, domains: int, record: str) -> Iterator[int]:
    lines = []
    for number in range(domains):
        name = f"d{number}.example"
        lines += [f"{name} v=spf1 ip4:192.0.2.0/24 -all", f"_dmarc.{name} v=DMARC1; p=reject"]
        lines.append(f"s._domainkey.{name} {record}")
    file.write_text("\n".join(lines) + "\n")
    command = [sys.executable, str(HERE / "zone_server.py"), str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()


@contextmanager
def _genkan(home: Path, settings: dict[str, str]) -> Iterator[tuple[int, int]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    init = [
        "init",
        str(home),
        "--domain",
        "in.example",
        "--hostname",
        "mx.in.example",
        "--listen",
        f"smtp=127.0.0.1:{port}",
    ]
    _run(*init)
    file = home / "genkan.toml"
    text = file.read_text()
    for key, value in {**settings, "delivery.paused": "true"}.items():
        table, _, name = key.partition(".")
        text = _with(text, table, name, value)
    file.write_text(re.sub(r"(?m)^proxy_protocol = .*$", 'proxy_protocol = ["127.0.0.0/8"]', text))
    _run("-c", str(file), "account", "add", "load@in.example", "--no-auth")
    with (
        (home / "log").open("wb") as log,
        subprocess.Popen([str(GENKAN), "-c", str(file), "serve"], stdout=log) as process,
    ):
        try:
            asyncio.run(_until_greeted(port))
            yield port, process.pid
        finally:
            process.send_signal(signal.SIGTERM)
    shutil.rmtree(home)


def _with(text: str, table: str, key: str, value: str) -> str:
    head, begin, rest = text.partition(f"[{table}]")
    changed, count = re.subn(rf"(?m)^{key} = .*$", f"{key} = {value}", rest, count=1)
    if not begin or not count:
        raise SystemExit(f"genkan init writes no setting {table}.{key}")
    return head + begin + changed


def _run(*words: str) -> None:
    subprocess.run([str(GENKAN), *words], check=True, stdout=subprocess.DEVNULL)


async def _until_greeted(port: int) -> None:
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionError:
            await asyncio.sleep(0.05)
            continue
        writer.close()
        return


def _measured(port: int, pid: int, messages: Sequence[tuple[bytes, bytes]], sessions: int) -> Result:
    before, began = _cpu(pid), time.monotonic()
    asyncio.run(_load(port, messages, sessions))
    seconds = time.monotonic() - began
    return Result(len(messages) / seconds, (_cpu(pid) - before) / len(messages) * 1e6)


def _cpu(pid: int) -> float:
    """Processor seconds of a process, and of its children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return (int(fields[11]) + int(fields[12])) / TICKS + sum(_cpu(int(child)) for child in children)


async def _load(port: int, messages: Sequence[tuple[bytes, bytes]], sessions: int) -> None:
    waiting = iter(messages)
    async with asyncio.TaskGroup() as group:
        for _ in range(sessions):
            group.create_task(_session(port, waiting))


async def _session(port: int, waiting: Iterator[tuple[bytes, bytes]]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"PROXY TCP4 192.0.2.77 127.0.0.1 4711 25\r\n")
    await _expect(reader, b"220")
    writer.write(b"HELO client.example\r\n")
    await _expect(reader, b"250")
    for path, content in waiting:
        writer.write(b"MAIL FROM:<%b>\r\nRCPT TO:<load@in.example>\r\nDATA\r\n" % path)
        for code in (b"250", b"250", b"354"):
            await _expect(reader, code)
        writer.write(content + b".\r\n")
        await _expect(reader, b"250")
    writer.write(b"QUIT\r\n")
    await _expect(reader, b"221")
    writer.close()


async def _expect(reader: asyncio.StreamReader, code: bytes) -> None:
    line = await reader.readline()
    if not line.startswith(code):
        raise SystemExit(f"expected {code.decode()}, got {line!r}")


if __name__ == "__main__":
    main()
