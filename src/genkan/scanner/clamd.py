# SPDX-License-Identifier: Apache-2.0
"""The client of clamd, the daemon of ClamAV: content is sent while it arrives, by INSTREAM, one connection a scan (clamd(8)).

Whatever goes wrong is a `ScanFailed`, never an exception: what becomes of the mail then is the setting filter.scanner_failure.
"""

from __future__ import annotations

import asyncio
import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

CHUNK: Final = 64 * 1024  # octets that are collected before they are sent
MOST_WAITING: Final = 256 * 1024  # octets that may wait for clamd before `is_behind`
_LONGEST_REPLY: Final = 4096

_BEGIN: Final = b"zINSTREAM\0"
_LENGTH: Final = struct.Struct("!I")
_REPLY: Final = re.compile(r"stream: (?:(?P<ok>OK)|(?P<name>.+) FOUND)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Clean:
    """The scanner found nothing."""


@dataclass(frozen=True, slots=True)
class Infected:
    """The scanner found something, and calls it `name`."""

    name: str


@dataclass(frozen=True, slots=True)
class ScanFailed:
    """The scanner could not be asked or gave no verdict; `reason` is for the log and says what to look at."""

    reason: str


ScanResult = Clean | Infected | ScanFailed


class Scanner:
    """Where clamd listens, and how long to wait for it."""

    def __init__(self, address: str, timeout: timedelta, loop: asyncio.AbstractEventLoop) -> None:
        """`address` is the setting filter.scanner: `IP:port` or `unix:PATH`."""
        self.address: Final = address
        self.timeout: Final = timeout.total_seconds()
        self.loop: Final = loop

    def begin(self) -> Scan:
        """Start a scan; it ends with `finish` or `abort`."""
        return Scan(self)

    async def connect(self, scan: Scan) -> None:
        """Connect a scan; raises `OSError`."""
        path = self.address.removeprefix("unix:")
        if path != self.address:
            await self.loop.create_unix_connection(lambda: scan, path)
            return
        host, _, port = self.address.rpartition(":")
        await self.loop.create_connection(lambda: scan, host.strip("[]"), int(port))


class Scan(asyncio.Protocol):
    """One content on its way to clamd, and clamd's verdict on it.

    One time-out watches each thing that clamd has to do: take the connection, take more octets, answer.
    """

    def __init__(self, scanner: Scanner) -> None:
        """Made by `Scanner.begin`."""
        self._scanner = scanner
        self._loop = scanner.loop
        self._transport: asyncio.Transport | None = None
        self._held: list[bytes] = []
        self._held_octets = 0
        self._writing_paused = False
        self._finishing = False
        self._reply = b""
        self._result: ScanResult | None = None
        self._when_known: asyncio.Future[ScanResult] | None = None
        self._when_drained: list[Callable[[], None]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._await("took no connection")
        self._connecting = self._loop.create_task(self._connect())

    # What the owner calls.

    def feed(self, octets: bytes) -> None:
        """Take the next octets of the content. Raises nothing, and drops them once the verdict is known."""
        if self._result is not None or not octets:
            return
        self._held.append(octets)
        self._held_octets += len(octets)
        if self._held_octets >= CHUNK:
            self._send()

    @property
    def is_behind(self) -> bool:
        """Whether so much waits for clamd that nobody should read more mail data from the network."""
        return self._result is None and (self._writing_paused or self._held_octets > MOST_WAITING)

    def when_drained(self, callback: Callable[[], None]) -> None:
        """Call back once clamd has caught up, or nothing more will be sent to it; ask only while `is_behind`."""
        self._when_drained.append(callback)

    async def finish(self) -> ScanResult:
        """The content is complete: what clamd says to it, within the time-out."""
        if self._result is None:
            self._finishing = True
            self._when_known = self._loop.create_future()
            self._await("gave no answer")
            self._send()
            return await self._when_known
        return self._result

    def abort(self) -> None:
        """Nobody wants to know any more."""
        self._when_drained.clear()
        self._end(ScanFailed("the scan was aborted"))

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Clamd is there: send what has come so far."""
        if self._result is not None:
            cast("asyncio.Transport", transport).abort()
            return
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=MOST_WAITING)
        self._transport.write(_BEGIN)
        self._rest()
        if self._held_octets >= CHUNK or self._finishing:
            self._send()
        self._tell_drained()

    def data_received(self, data: bytes) -> None:
        """A part of clamd's answer; it may come before the content is complete, as when that is too large."""
        self._reply += data
        if b"\0" in self._reply or len(self._reply) > _LONGEST_REPLY:
            self._answered()

    def eof_received(self) -> None:
        """Clamd says no more."""
        self._answered()

    def connection_lost(self, exc: Exception | None) -> None:
        """The end, perhaps before an answer."""
        detail = f": {exc}" if exc is not None else ""
        self._fail(f"broke off the connection{detail}; see its log and its StreamMaxLength")

    def pause_writing(self) -> None:
        """Clamd reads more slowly than the client sends."""
        self._writing_paused = True
        if not self._finishing:
            self._await("took no more octets")

    def resume_writing(self) -> None:
        """Clamd has caught up."""
        self._writing_paused = False
        self._rest()
        self._tell_drained()

    # In between.

    async def _connect(self) -> None:
        try:
            await self._scanner.connect(self)
        except OSError as error:
            self._fail(f"cannot be reached: {error.strerror or error}; is it running, and is filter.scanner right?")

    def _send(self) -> None:
        """Send what is held as one chunk, and the end of the stream behind it when there is no more."""
        if self._transport is None or self._transport.is_closing():
            return
        pieces, self._held = self._held, []
        if pieces:
            pieces.insert(0, _LENGTH.pack(self._held_octets))
        if self._finishing:
            pieces.append(_LENGTH.pack(0))
        self._held_octets = 0
        self._transport.writelines(pieces)

    def _await(self, failure: str) -> None:
        """From now on clamd has the whole time-out for its next step."""
        self._stop_timer()
        timeout = self._scanner.timeout
        self._timer = self._loop.call_later(timeout, self._fail, f"{failure} within {timeout:g} s")

    def _rest(self) -> None:
        """It is not clamd that is waited for now; once the content is complete it always is."""
        if not self._finishing:
            self._stop_timer()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tell_drained(self) -> None:
        if not self.is_behind:
            callbacks, self._when_drained = self._when_drained, []
            for callback in callbacks:
                callback()

    def _answered(self) -> None:
        result = parse_reply(self._reply)
        if isinstance(result, Clean) and not self._finishing:  # it has not seen all
            result = ScanFailed(f"clamd at {self._scanner.address} answered before the end of the content")
        self._end(result)

    def _fail(self, reason: str) -> None:
        self._end(ScanFailed(f"clamd at {self._scanner.address} {reason}"))

    def _end(self, result: ScanResult) -> None:
        """The first result counts; after it nothing is sent, held or awaited."""
        if self._result is not None:
            return
        self._result = result
        self._held.clear()
        self._stop_timer()
        self._connecting.cancel()
        if self._transport is not None:
            self._transport.abort()
        if self._when_known is not None and not self._when_known.done():
            self._when_known.set_result(result)
        self._tell_drained()


def parse_reply(octets: bytes) -> ScanResult:
    """The verdict in clamd's reply to INSTREAM: `stream: OK`, `stream: NAME FOUND`, or an error in its own words."""
    text = octets.partition(b"\0")[0].decode("utf-8", "replace")[:_LONGEST_REPLY].strip()
    match = _REPLY.fullmatch(text)
    if match is not None:
        return Clean() if match["ok"] else Infected(_printable(match["name"]))
    if not text:
        return ScanFailed("clamd closed the connection without an answer; see its log")
    hint = "; raise its StreamMaxLength above limits.message_size" if "size limit" in text else ""
    return ScanFailed(f"clamd says: {_printable(text)}{hint}")


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)[:200]
