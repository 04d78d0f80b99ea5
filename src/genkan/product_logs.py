# SPDX-License-Identifier: Apache-2.0
"""The product's own logs, acceptlog and inlog, for programs that read them: text, a file a day, local time.

They lie beside the mail log, which says more. The lines are those of the product's pages bsd-05-03 and bsd-05-04.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from genkan.clock import Clock
    from genkan.message.envelope import Envelope
    from genkan.smtp.address import Mailbox

_MOMENT: Final = 0.1  # seconds
_PATIENCE: Final = 2.0  # seconds
_MOST_WAITING: Final = 8 * 1024 * 1024  # octets
_APPEND: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class DayLog:
    """Appends lines to `YYYYMMDD.log` in a folder, from a thread: no disk, full or slow, must stop the mail.

    What cannot be written is dropped. `on_trouble` is called on the event loop with the first error, and again with the
    first after lines could be written. Several processes may write to one folder.
    """

    def __init__(self, folder: Path, loop: asyncio.AbstractEventLoop, on_trouble: Callable[[str], None]) -> None:
        self._folder = folder
        self._loop = loop
        self._on_trouble = on_trouble
        self._lines: dict[str, list[bytes]] = {}
        self._planned = False
        self._waiting = 0
        self._troubled = False
        self._written = threading.Condition()
        self._queue: SimpleQueue[tuple[str, bytes]] = SimpleQueue()
        threading.Thread(target=self._work, name="product log", daemon=True).start()

    def write(self, moment: datetime, line: str) -> None:
        """Take a line of the day of `moment`, in its own time zone; only on the event loop's thread."""
        self._lines.setdefault(f"{moment:%Y%m%d}", []).append(f"{line}\n".encode("utf-8", "replace"))
        if not self._planned:
            self._planned = True
            self._loop.call_later(_MOMENT, self._hand_over)

    def flush(self) -> None:
        """Wait until all is written, two seconds at most."""
        self._hand_over()
        with self._written:
            self._written.wait_for(lambda: not self._waiting, _PATIENCE)

    def _hand_over(self) -> None:
        self._planned = False
        days, self._lines = self._lines, {}
        for day, lines in days.items():
            octets = b"".join(lines)
            with self._written:
                if self._waiting > _MOST_WAITING:
                    continue
                self._waiting += len(octets)
            self._queue.put((day, octets))

    def _work(self) -> None:
        while True:
            day, octets = self._queue.get()
            try:
                _append(self._folder / f"{day}.log", octets)
            except OSError as error:
                self._report(error)
            else:
                self._troubled = False
            with self._written:
                self._waiting -= len(octets)
                self._written.notify_all()

    def _report(self, error: OSError) -> None:
        if not self._troubled:
            self._troubled = True
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._on_trouble, f"{self._folder}: {error.strerror or error}")


def _append(path: Path, octets: bytes) -> None:
    try:
        descriptor = os.open(path, _APPEND, 0o640)
    except FileNotFoundError:
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        descriptor = os.open(path, _APPEND, 0o640)
    try:
        while octets:
            octets = octets[os.write(descriptor, octets) :]
    finally:
        os.close(descriptor)


class ProductLogs:
    """What the product logs of a connection and of accepted mail; a log that is `None` is off. No method raises."""

    def __init__(self, hostname: str, clock: Clock, acceptlog: DayLog | None, inlog: DayLog | None) -> None:
        self._hostname = hostname
        self._clock = clock
        self._acceptlog = acceptlog
        self._inlog = inlog

    def connected(self, client_address: str, port: int) -> None:
        """A client is accepted, on `port` of this server."""
        if self._acceptlog is not None:
            now = self._now()
            what = f"[{client_address}]:{port}, Client accept now."
            self._acceptlog.write(now, f"{_moment(now)}, ({self._hostname}), {what}")

    def ended(
        self, client_address: str, client_name: str, reverse_path: Mailbox | None, message_id: str, *, ok: bool
    ) -> None:
        """A connection that came as far as MAIL has ended, or one that was refused before; `ok`: with accepted mail.

        `client_name` is "" where none is known; `reverse_path` and `message_id` are the last ones, the latter "" where
        no mail data was asked for.
        """
        if self._acceptlog is not None:
            now = self._now()
            client = f"{_word(client_name)} [{client_address}]" if client_name else f"[{client_address}]"
            path = "" if reverse_path is None else _text(str(reverse_path))
            what = f"{client}, {path},<{message_id}>,{'ok' if ok else 'abort'}"
            self._acceptlog.write(now, f"{_moment(now)}, ({self._hostname}), {what}")

    def accepted(self, envelope: Envelope) -> None:
        """A message is durable: a line for each recipient, as the client named it."""
        if self._inlog is None:
            return
        now = self._now()
        path = "" if envelope.reverse_path is None else _text(str(envelope.reverse_path))
        head = f"<{envelope.message_id}@{self._hostname}> {_moment(now)} {envelope.client_address}"
        for recipient in envelope.recipients:
            words = f"{_word(envelope.hello_domain)} {path} {_text(str(recipient.forward_path))}"
            self._inlog.write(now, f"{head} {words}")

    def drain(self) -> None:
        """Write what is still held."""
        for log in (self._acceptlog, self._inlog):
            if log is not None:
                log.flush()

    def _now(self) -> datetime:
        return self._clock.now().astimezone()


def _moment(moment: datetime) -> str:
    """As the product writes it, `[30/Nov/2017:08:20:44]`, whatever the locale."""
    return f"[{moment.day:02d}/{_MONTHS[moment.month - 1]}/{moment:%Y:%H:%M:%S}]"


def _word(text: str) -> str:
    """Text from outside where blanks part fields."""
    return _text(text).replace(" ", "_")


def _text(text: str) -> str:
    """Text from outside on one line."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)
