# SPDX-License-Identifier: Apache-2.0
"""Takes entries on the event loop and has them written by a thread: the record must never hold up the mail.

Nothing is synced: a crash loses the last moment. What cannot be written, or comes when too much waits already, is dropped,
counted and told in the log.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from functools import partial
from itertools import count
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final

import msgspec

from genkan.record.volumes import Share, Volumes

if TYPE_CHECKING:
    import asyncio
    from pathlib import Path

    from genkan.clock import Clock
    from genkan.maillog import MailLog
    from genkan.record.entry import Entry

_MOMENT: Final = 0.02  # seconds
_REST: Final = 60.0  # seconds between looks at age and size while no mail comes
_PATIENCE: Final = 2.0  # seconds
_MOST_WAITING: Final = 16 * 1024 * 1024  # octets
_BUSY: Final = 32 * 1024  # octets in one moment; then nothing is compressed

_encoder: Final = msgspec.json.Encoder()


class Recorder:
    """Writes a worker's part of the record. All methods are for the event loop; none but `close` waits for anything."""

    def __init__(self, folder: Path, share: Share, clock: Clock, log: MailLog, loop: asyncio.AbstractEventLoop) -> None:
        """`folder` is the record's, with a folder in it for each worker."""
        self._volumes = Volumes(folder, share, clock)
        self._log = log
        self._loop = loop
        self._entries: list[Entry] = []
        self._queue: SimpleQueue[bytes | None] = SimpleQueue()
        self._counting = threading.Lock()
        self._waiting = 0
        self._lost = 0
        self._told = False
        self._sessions = count(1)
        self._session_prefix = f"{share.worker}-{int(clock.now().timestamp() * 1000):x}"
        self._thread = threading.Thread(target=self._work, name="record", daemon=True)
        self._thread.start()

    def session_id(self) -> str:
        """A name for a new session, that no other session of this record has."""
        return f"{self._session_prefix}-{next(self._sessions):x}"

    def write(self, entry: Entry) -> None:
        """Take an entry, which may not change any more; it is written within a moment."""
        if not self._entries:
            self._loop.call_later(_MOMENT, self._hand_over)
        self._entries.append(entry)

    def close(self) -> None:
        """Write what is still held; two seconds are waited for it."""
        self._hand_over()
        self._queue.put(None)
        self._thread.join(_PATIENCE)

    def _hand_over(self) -> None:
        entries, self._entries = self._entries, []
        octets, lost = _lines(entries)
        with self._counting:
            if self._waiting > _MOST_WAITING:
                octets, lost = b"", len(entries)
            self._lost += lost
            self._waiting += len(octets)
        if octets:
            self._queue.put(octets)

    # In the thread.

    def _work(self) -> None:
        volumes = self._volumes
        pause = 0.0
        while True:
            try:
                octets = self._queue.get(timeout=pause)
            except Empty:
                octets = b""
            if octets is None:
                volumes.close()
                return
            self._store(octets)
            volumes.tend()
            pause = _MOMENT if len(octets) > _BUSY or volumes.compress() else _REST

    def _store(self, octets: bytes) -> None:
        lost = self._volumes.write(octets) if octets else 0
        with self._counting:
            self._waiting -= len(octets)
            self._lost += lost
            fault, total = self._volumes.fault, self._lost
            if fault is None:
                self._lost = 0
        if fault is None and total:
            self._told = False
            self._tell("entries of the record lost", entries=total)
        elif fault is not None and not self._told:
            self._told = True
            self._tell("the record cannot be written, its entries are dropped", error=str(fault))

    def _tell(self, event: str, **details: object) -> None:
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(partial(self._log.server, event, **details))


def _lines(entries: list[Entry]) -> tuple[bytes, int]:
    """The entries as lines, and how many cannot be written as JSON: text with half a surrogate pair, say."""
    with suppress(ValueError, OverflowError, msgspec.MsgspecError):
        return _encoder.encode_lines(entries), 0
    lines: list[bytes] = []
    for entry in entries:
        with suppress(ValueError, OverflowError, msgspec.MsgspecError):
            lines.append(_encoder.encode(entry) + b"\n")
    return b"".join(lines), len(entries) - len(lines)
