# SPDX-License-Identifier: Apache-2.0
"""A program under way, seen from the event loop: its input with back-pressure, a little of its output, its end.

Started by `subprocess` and not by the loop: uvloop leaves inheritable descriptors open in what it starts.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import threading
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Final, Self, cast

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

_LAST_WORDS: Final = 1.0  # seconds after the end, if somebody else holds the output open
_FAREWELL: Final = 5.0  # seconds for a killed program to be gone


class Program:
    """A process in a session of its own; whoever has started it calls `end`, whatever happens."""

    def __init__(self, process: subprocess.Popen[bytes], keep: int) -> None:
        """Use `start`. The first `keep` octets of its output are kept."""
        loop = asyncio.get_running_loop()
        self._process = process
        self._exited: asyncio.Future[None] = loop.create_future()
        self._input = _Input()
        self._output = _Output(keep)
        threading.Thread(target=self._wait, args=(loop,), name="program", daemon=True).start()

    @classmethod
    async def start(cls, command: Sequence[str], environment: dict[str, str], folder: Path, keep: int) -> Self:
        """Start it, with no shell and no descriptor but the standard ones. Raises `OSError`, `ValueError` for NUL."""
        process = subprocess.Popen(  # noqa: ASYNC220 (as the event loops do it themselves)
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            cwd=folder,
            env=environment,
            start_new_session=True,
        )
        program = cls(process, keep)
        connecting = asyncio.create_task(program._connect())
        try:
            await asyncio.shield(connecting)  # half connected, a pipe would never tell that it is closed
        except BaseException:
            await asyncio.wait((connecting,))
            await program.end()
            raise
        return program

    @property
    def output(self) -> bytes:
        """The beginning of what it has said so far."""
        return bytes(self._output.octets)

    async def feed(self, content: AsyncIterator[bytes]) -> None:
        """Write the content as fast as it is read; a program may end its input, or itself, when it likes.

        Raises the `OSError` of `content`, and leaves the input open then.
        """
        async for block in content:
            await self._input.room.wait()
            if self._exited.done() or self._input.lost.done():
                return
            self._input.write(block)
        self._input.finish()

    async def exit_status(self) -> int:
        """How it ended; the number of a signal is negative. Waits a moment for the rest of its output."""
        await asyncio.shield(self._exited)
        await asyncio.wait((self._output.lost,), timeout=_LAST_WORDS)
        return self._process.wait()

    async def end(self) -> None:
        """Kill it and all that it has started in its session, if it still runs; close its input and its output."""
        if not self._exited.done():
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            await asyncio.wait((self._exited,), timeout=_FAREWELL)
        self._input.close()
        self._output.close()
        await asyncio.wait((self._input.lost, self._output.lost), timeout=_FAREWELL)
        for pipe in self._pipes():
            pipe.close()

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        given, said = self._pipes()
        await loop.connect_write_pipe(lambda: self._input, given)
        await loop.connect_read_pipe(lambda: self._output, said)

    def _pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        return self._process.stdin, self._process.stdout

    def _wait(self, loop: asyncio.AbstractEventLoop) -> None:
        """On a thread of its own: whoever waits for a process reaps it."""
        self._process.wait()
        with suppress(RuntimeError):  # the loop has ended before the process
            loop.call_soon_threadsafe(self._end_seen)

    def _end_seen(self) -> None:
        self._exited.set_result(None)
        self._input.room.set()  # whoever else holds its input open is not waited for


class _Input(asyncio.BaseProtocol):
    """The writing end of its input; `room` is set while it takes more, or takes nothing any more."""

    def __init__(self) -> None:
        self.room = asyncio.Event()
        self.room.set()
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.room.set()
        self.lost.set_result(None)

    def pause_writing(self) -> None:
        self.room.clear()

    def resume_writing(self) -> None:
        self.room.set()

    def write(self, octets: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(octets)

    def finish(self) -> None:
        """Nothing more comes; what is on its way is still written."""
        if self._transport is not None:
            self._transport.close()

    def close(self) -> None:
        """Whatever is on its way is dropped."""
        if self.lost.done():
            return
        if self._transport is None:
            self.lost.set_result(None)
        else:
            self._transport.abort()


class _Output(asyncio.Protocol):
    """The reading end of its output; all is read, so that it never waits for us, and the beginning kept."""

    def __init__(self, keep: int) -> None:
        self.octets = bytearray()
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._keep = keep
        self._transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self.octets += data[: self._keep - len(self.octets)]

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.lost.set_result(None)

    def close(self) -> None:
        if self.lost.done():
            return
        if self._transport is None:
            self.lost.set_result(None)
        else:
            self._transport.close()
