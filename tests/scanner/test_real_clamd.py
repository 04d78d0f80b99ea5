# SPDX-License-Identifier: Apache-2.0
"""The client of clamd against clamd itself, with one signature of our own; skipped where it is not installed."""

from __future__ import annotations

import asyncio
import base64
import shutil
import subprocess
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import pytest
import uvloop

from genkan.scanner.clamd import Clean, Infected, ScanFailed, Scanner
from tests.support.clamd_server import MARKER
from tests.support.server import DEADLINE, free_port, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from genkan.scanner.clamd import ScanResult

CLAMD: Final = shutil.which("clamd") or "/usr/sbin/clamd"
NAME: Final = "Genkan.Test.Marker"
FOUND: Final = Infected(f"{NAME}.UNOFFICIAL")  # clamd marks what is not signed by its makers
LIMIT: Final = 1024 * 1024

SETTINGS: Final = f"""
Foreground yes
LocalSocket {{folder}}/clamd.ctl
TCPAddr 127.0.0.1
TCPSocket {{port}}
DatabaseDirectory {{folder}}/signatures
TemporaryDirectory {{folder}}
StreamMaxLength {LIMIT}
MaxThreads 2
Bytecode no
SelfCheck 0
"""

pytestmark = pytest.mark.skipif(shutil.which(CLAMD) is None, reason="clamd is not installed")


@dataclass(frozen=True)
class Daemon:
    """Where it listens."""

    unix: str
    tcp: str


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("clamd")
    port = free_port()
    (folder / "signatures").mkdir()
    (folder / "signatures" / "own.ndb").write_text(f"{NAME}:0:*:{MARKER.hex()}\n")
    (folder / "clamd.conf").write_text(SETTINGS.format(folder=folder, port=port))
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen([CLAMD, "-c", str(folder / "clamd.conf")], stdout=output, stderr=output)
    try:
        until(lambda: _listens(process, folder), f"clamd; see {folder}/output")
        yield Daemon(f"unix:{folder}/clamd.ctl", f"127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait(DEADLINE)


def _listens(process: subprocess.Popen[bytes], folder: Path) -> bool:
    assert process.poll() is None, (folder / "output").read_text()
    return (folder / "clamd.ctl").exists() and b"Self checking disabled" in (folder / "output").read_bytes()


def verdict(address: str, content: bytes) -> ScanResult:
    """Clamd's verdict on a content fed in pieces of 1000 octets."""

    async def scan() -> ScanResult:
        scan = Scanner(address, timedelta(seconds=DEADLINE), asyncio.get_running_loop()).begin()
        for start in range(0, len(content), 1000):
            if scan.is_behind:
                drained = asyncio.Event()
                scan.when_drained(drained.set)
                await drained.wait()
            scan.feed(content[start : start + 1000])
        return await scan.finish()

    return uvloop.run(scan())


def test_clamd_finds_nothing_in_a_harmless_mail(daemon: Daemon) -> None:
    mail = b"From: a@out.test\r\nSubject: x\r\n\r\nharmless\r\n"
    assert verdict(daemon.unix, mail) == Clean()
    assert verdict(daemon.tcp, mail) == Clean()
    assert verdict(daemon.unix, b"") == Clean()


def test_clamd_finds_a_signature_and_we_read_its_name(daemon: Daemon) -> None:
    content = b"x" * 200_000 + MARKER + b"x" * 200_000
    assert verdict(daemon.unix, content) == FOUND
    assert verdict(daemon.tcp, content) == FOUND


def test_clamd_looks_into_an_attachment(daemon: Daemon) -> None:
    attachment = base64.encodebytes(b"\0" * 100 + MARKER + b"\0" * 100).replace(b"\n", b"\r\n")
    fields = [
        b"From: a@out.test",
        b"MIME-Version: 1.0",
        b'Content-Type: multipart/mixed; boundary="b"',
        b"",
        b"--b",
        b"Content-Type: application/octet-stream",
        b"Content-Transfer-Encoding: base64",
        b'Content-Disposition: attachment; filename="x.bin"',
        b"",
        attachment + b"--b--",
        b"",
    ]
    assert verdict(daemon.unix, b"\r\n".join(fields)) == FOUND


def test_clamd_refuses_more_than_its_limit(daemon: Daemon) -> None:
    result = verdict(daemon.unix, b"x" * (LIMIT + 500_000))
    assert isinstance(result, ScanFailed)
    assert "StreamMaxLength" in result.reason
