# SPDX-License-Identifier: Apache-2.0
"""The client of clamd against a scripted scanner: verdicts, flow, and every way in which a scan can fail."""

from __future__ import annotations

import asyncio
import socket
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from genkan.scanner.clamd import CHUNK, MOST_WAITING, Clean, Infected, ScanFailed, Scanner, parse_reply
from tests.support.clamd_server import MARKER, VIRUS, ClamdServer, clamd_server
from tests.support.server import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path
    from typing import TypeVar

    from genkan.scanner.clamd import Scan, ScanResult

    T = TypeVar("T")

MEBIBYTE: Final = b"0123456789abcdef" * 65536
ENDLESS: Final = 64  # MiB: more than any socket buffer takes


@pytest.fixture
def clamd() -> Iterator[ClamdServer]:
    with clamd_server() as server:
        yield server


@pytest.fixture
def deaf() -> Iterator[ClamdServer]:
    with clamd_server(deaf=True) as server:
        yield server


def with_scan(clamd: ClamdServer | str, act: Callable[[Scan], Coroutine[object, object, T]], timeout: float = 10) -> T:
    """What comes of doing something with a scan, on an event loop like the server's."""
    address = clamd if isinstance(clamd, str) else clamd.address

    async def run() -> T:
        return await act(Scanner(address, timedelta(seconds=timeout), asyncio.get_running_loop()).begin())

    return uvloop.run(run())


def verdict(clamd: ClamdServer | str, *pieces: bytes, timeout: float = 10) -> ScanResult:
    """The verdict on a content fed as fast as clamd takes it."""

    async def feed(scan: Scan) -> ScanResult:
        for piece in pieces:
            await drained(scan)
            scan.feed(piece)
        return await scan.finish()

    return with_scan(clamd, feed, timeout)


async def drained(scan: Scan) -> None:
    """Wait, as a connection does, while the scan is behind."""
    while scan.is_behind:
        event = asyncio.Event()
        scan.when_drained(event.set)
        await event.wait()


async def until_behind(scan: Scan) -> None:
    """Feed until clamd takes no more."""
    for _ in range(ENDLESS):
        scan.feed(MEBIBYTE)
        caught_up = asyncio.ensure_future(drained(scan))
        await asyncio.wait([caught_up], timeout=0.05)
        if not caught_up.done():
            caught_up.cancel()
            return
    raise AssertionError("it was never behind")


def reason(result: ScanResult) -> str:
    assert isinstance(result, ScanFailed)
    return result.reason


# Verdicts.


def test_harmless_content_is_clean(clamd: ClamdServer) -> None:
    assert verdict(clamd, b"Subject: x\r\n\r\n", b"harmless\r\n") == Clean()
    assert clamd.contents == [b"Subject: x\r\n\r\nharmless\r\n"]


def test_a_find_has_the_name_that_the_scanner_gives(clamd: ClamdServer) -> None:
    assert verdict(clamd, b"x" * 100_000, MARKER[:5], MARKER[5:], b"x" * 100_000) == Infected(VIRUS)


def test_content_without_an_octet_is_scanned(clamd: ClamdServer) -> None:
    assert verdict(clamd) == Clean()
    assert verdict(clamd, b"") == Clean()
    assert clamd.chunks == [0, 0]


def test_a_unix_socket_is_as_good(tmp_path: Path) -> None:
    with clamd_server(tmp_path / "clamd.ctl") as clamd:
        assert verdict(clamd, MARKER) == Infected(VIRUS)


@settings(max_examples=25)  # each with a server of its own
@given(st.lists(st.binary(max_size=300) | st.integers(1, 3).map(lambda count: b"z" * (count * CHUNK)), max_size=8))
def test_whatever_pieces_the_content_comes_in_all_of_it_arrives(pieces: list[bytes]) -> None:
    with clamd_server() as clamd:
        assert verdict(clamd, *pieces) == Clean()
        assert clamd.contents == [b"".join(pieces)]


def test_small_pieces_travel_together(clamd: ClamdServer) -> None:
    assert verdict(clamd, *[b"x" * 100] * 1000) == Clean()
    assert clamd.chunks == [100_000, 0]


def test_one_scan_does_not_disturb_another(clamd: ClamdServer) -> None:
    async def two() -> list[ScanResult]:
        scanner = Scanner(clamd.address, timedelta(seconds=10), asyncio.get_running_loop())
        first, second = scanner.begin(), scanner.begin()
        first.feed(MARKER)
        second.feed(b"harmless")
        return [await second.finish(), await first.finish()]

    assert uvloop.run(two()) == [Clean(), Infected(VIRUS)]


# Flow.


def test_content_is_sent_while_it_arrives(clamd: ClamdServer) -> None:
    async def feed(scan: Scan) -> bool:
        for _ in range(32):
            await drained(scan)
            scan.feed(MEBIBYTE)
        sent_before_the_end = bool(clamd.chunks)
        await scan.finish()
        return sent_before_the_end

    assert with_scan(clamd, feed) is True


def test_who_feeds_faster_than_clamd_reads_is_told(deaf: ClamdServer) -> None:
    async def feed(scan: Scan) -> ScanResult:
        await until_behind(scan)
        deaf.listen()
        await drained(scan)
        assert not scan.is_behind
        return await scan.finish()

    assert with_scan(deaf, feed) == Clean()


def test_before_the_connection_stands_only_so_much_is_held(clamd: ClamdServer) -> None:
    async def feed(scan: Scan) -> tuple[bool, bool, ScanResult]:
        scan.feed(b"x" * MOST_WAITING)
        within = scan.is_behind
        scan.feed(MARKER)
        beyond = scan.is_behind
        await drained(scan)
        return within, beyond, await scan.finish()

    assert with_scan(clamd, feed) == (False, True, Infected(VIRUS))


# Failures.


@contextmanager
def full_queue() -> Iterator[str]:
    """The address of a socket that accepts nobody, and whose queue of those who wait is full."""
    with ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listening.getsockname())
        yield f"127.0.0.1:{listening.getsockname()[1]}"


def test_a_scanner_that_is_not_there_is_a_failure_that_says_what_to_look_at(tmp_path: Path) -> None:
    port = free_port()
    assert reason(verdict(f"127.0.0.1:{port}", b"x")) == (
        f"clamd at 127.0.0.1:{port} cannot be reached: Connection refused; is it running, and is filter.scanner right?"
    )
    assert "cannot be reached" in reason(verdict(f"unix:{tmp_path}/none", b"x"))
    assert "cannot be reached" in reason(verdict("[::1]:1", b"x"))


def test_a_failure_frees_who_waits_for_the_scan(deaf: ClamdServer) -> None:
    async def feed(scan: Scan) -> ScanResult:
        await until_behind(scan)
        await drained(scan)
        scan.feed(MEBIBYTE)
        return await scan.finish()

    assert reason(with_scan(deaf, feed, timeout=0.2)).endswith("took no more octets within 0.2 s")


def test_a_scanner_that_never_answers_is_a_failure_in_time(clamd: ClamdServer) -> None:
    clamd.silent = True
    assert reason(verdict(clamd, b"x", timeout=0.2)) == f"clamd at {clamd.address} gave no answer within 0.2 s"


def test_a_scanner_that_takes_no_connection_is_a_failure_in_time() -> None:
    with full_queue() as address:
        assert reason(verdict(address, b"x", timeout=0.2)).endswith("gave no answer within 0.2 s")
        pieces = [MEBIBYTE, b"x"]
        assert reason(verdict(address, *pieces, timeout=0.2)).endswith("took no connection within 0.2 s")


def test_a_slow_client_is_not_the_scanners_fault(clamd: ClamdServer) -> None:
    async def feed(scan: Scan) -> ScanResult:
        scan.feed(b"x" * CHUNK)
        await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=0.2)
        scan.feed(MARKER)
        return await scan.finish()

    assert with_scan(clamd, feed, timeout=0.1) == Infected(VIRUS)


def test_a_scanner_that_dies_in_the_middle_is_a_failure(clamd: ClamdServer) -> None:
    clamd.dies_after = 100
    assert "clamd" in reason(verdict(clamd, *[MEBIBYTE] * 20))


def test_a_scanner_that_dies_at_the_end_is_a_failure(clamd: ClamdServer) -> None:
    clamd.dies_after = 0
    assert "clamd" in reason(verdict(clamd, b"x"))


def test_content_beyond_the_scanners_limit_is_a_failure_and_nothing_more_is_sent(clamd: ClamdServer) -> None:
    clamd.size_limit = 3 * CHUNK
    result = verdict(clamd, *[b"x" * CHUNK] * 4)
    assert reason(result).startswith("clamd says: INSTREAM size limit exceeded. ERROR; raise its StreamMaxLength")

    async def feed(scan: Scan) -> tuple[ScanResult, bool]:
        for _ in range(4):
            scan.feed(b"x" * CHUNK)
        await asyncio.to_thread(clamd.until_ended, 2)
        for _ in range(ENDLESS):
            scan.feed(MEBIBYTE)
        return await scan.finish(), scan.is_behind

    late, behind = with_scan(clamd, feed)
    assert isinstance(late, ScanFailed)
    assert not behind
    assert clamd.chunks == [4 * CHUNK] * 2


def test_clean_before_the_end_of_the_content_is_not_believed(clamd: ClamdServer) -> None:
    async def feed(scan: Scan) -> ScanResult:
        scan.data_received(b"stream: OK\0")
        return await scan.finish()

    assert "before the end" in reason(with_scan(clamd, feed))


def test_an_aborted_scan_ends_its_connection_and_tells_nobody(deaf: ClamdServer) -> None:
    async def abort(scan: Scan) -> list[str]:
        told: list[str] = []
        await until_behind(scan)
        scan.when_drained(lambda: told.append("drained"))
        scan.abort()
        deaf.listen()
        await asyncio.to_thread(deaf.until_ended)
        return told

    assert with_scan(deaf, abort) == []
    assert deaf.contents == []


def test_a_scan_may_be_aborted_before_it_is_connected(clamd: ClamdServer) -> None:
    async def abort(scan: Scan) -> ScanResult:
        scan.feed(b"x")
        scan.abort()
        scan.abort()
        scan.feed(b"x")
        return await scan.finish()

    assert reason(with_scan(clamd, abort)) == "the scan was aborted"


# Replies.


@pytest.mark.parametrize(
    ("reply", "result"),
    [
        (b"stream: OK\0", Clean()),
        (b"stream: OK\n", Clean()),
        (b"stream: Eicar-Test-Signature FOUND\0", Infected("Eicar-Test-Signature")),
        (b"stream: Win.X(0123456789abcdef:68) FOUND\0", Infected("Win.X(0123456789abcdef:68)")),
        (b"stream: A FOUND FOUND\0", Infected("A FOUND")),
        (b"stream: a\r\nb FOUND\0", Infected("a??b")),
        (b"stream: OK\0stream: X FOUND\0", Clean()),
    ],
)
def test_a_verdict_is_read(reply: bytes, result: ScanResult) -> None:
    assert parse_reply(reply) == result


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"\0",
        b"OK\0",
        b"stream: \0",
        b"stream: OKAY\0",
        b"stream:  FOUND\0",
        b"stream: x ERROR\0",
        b"\xff\0",
        b"UNKNOWN COMMAND\0",
        b"stream: FOUND\0",
        b"junk stream: OK\0",
    ],
)
def test_what_is_no_verdict_is_a_failure(reply: bytes) -> None:
    assert isinstance(parse_reply(reply), ScanFailed)


@given(st.binary(max_size=200))
def test_any_reply_is_a_verdict_or_a_failure_in_printable_words(reply: bytes) -> None:
    result = parse_reply(reply)
    assert isinstance(result, ScanFailed) or reply.startswith(b"stream: ")
    assert not isinstance(result, ScanFailed) or result.reason.isprintable()


@pytest.mark.parametrize("reply", [b"x" * 5000, b"stream: COMMAND READ TIMED OUT. ERROR\0"])
def test_a_scanner_that_says_something_else_is_a_failure(clamd: ClamdServer, reply: bytes) -> None:
    clamd.reply = reply
    assert reason(verdict(clamd, b"x")).startswith("clamd says: ")
