# SPDX-License-Identifier: Apache-2.0
"""Hands mail to the product's delivery service, as pairs of files in its folder `incoming` (its page bsd-01-78).

Blocking: runs in a worker thread. The service polls for `.RCP`: so `.MSG` is whole, on the disk and under its name before
`.RCP` gets its own. Nothing that somebody else put there is ever written over. Mail without a file is nobody's, so a
crash may leave a `.MSG` that no `.RCP` belongs to, but never the reverse.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from genkan.delivery.outcome import Deferred, Delivered, Outcome
from genkan.message.message_id import message_number
from genkan.smtp.address import AddressError, Mailbox, parse_mailbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from genkan.spool.queue import Leased

_CREATE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_MOST_ENVELOPE: Final = 64 * 1024 * 1024  # octets of an envelope that is read again
_BLOCK: Final = 64 * 1024
_NO_LINKS: Final = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EINVAL})

# Three letters, unlike the final ones in the first: Windows lets `*.MSG` match any ending that begins so.
_MESSAGE: Final = ".MSG"
_ENVELOPE: Final = ".RCP"
_UNFINISHED: Final = {_MESSAGE: ".GNM", _ENVELOPE: ".GNR"}
_IN_WORK: Final = (".$CP", ".$OK", ".$NG")  # what the service makes of a pair that it has taken


@dataclass(frozen=True, slots=True)
class HandOff:
    """One message and those of its recipients that are due together, by their numbers.

    `content` gives the content anew, in chunks of `size` octets in all, and raises `OSError` when it cannot be read.
    `first_attempt` is false as soon as an earlier attempt may have got anywhere, be it by a crash.
    """

    message_id: str
    folder: Path
    reverse_path: Mailbox | None
    recipients: tuple[tuple[int, Mailbox], ...]
    content: Callable[[], Iterator[bytes]]
    size: int
    first_attempt: bool


def hand_off_batch(items: Sequence[HandOff], hostname: str) -> list[Outcome]:
    """Hand over all `items`, each by itself: the outcomes in the same order, `Delivered` only for what survives a crash.

    An outcome is that of all recipients of its item. Whatever the file system refuses becomes `Deferred` with a reason.
    """
    pairs = [_Pair(item, hostname) for item in items]
    try:
        for step in (_look_before, _write, _publish_message):
            _each(step, pairs)
        _sync_folders(pairs)
        _each(_publish_envelope, pairs)
        _sync_folders(pairs)
    finally:
        for pair in pairs:
            pair.discard()
    return [pair.outcome or Delivered() for pair in pairs]


def hand_off_leased(
    leased: Sequence[Leased], folder: Path, hostname: str, content: Callable[[int], Iterator[bytes]]
) -> dict[str, Outcome]:
    """Hand over leased recipients, those of one message in one pair: the outcome of each message, by its id.

    `content` gives the content of a message by its number.
    """
    together: dict[str, list[Leased]] = {}
    for one in leased:
        together.setdefault(one.envelope.message_id, []).append(one)
    items = [_hand_off(group, folder, content) for group in together.values()]
    return dict(zip(together, hand_off_batch(items, hostname), strict=True))


def _hand_off(group: list[Leased], folder: Path, content: Callable[[int], Iterator[bytes]]) -> HandOff:
    envelope = group[0].envelope
    return HandOff(
        message_id=envelope.message_id,
        folder=folder,
        reverse_path=envelope.reverse_path,
        recipients=tuple((one.number, one.recipient.mailbox) for one in group),
        content=partial(content, message_number(envelope.message_id)),
        size=group[0].size,
        first_attempt=all(one.attempt == 1 for one in group),
    )


def file_stem(item: HandOff) -> str:
    """The name of the pair without its ending: the message id; with a part number where other pairs come before it."""
    first = min(number for number, _ in item.recipients)
    return item.message_id if first == 0 else f"{item.message_id}-G{first:04d}"


def envelope_octets(item: HandOff, hostname: str) -> bytes:
    """The text of a `.RCP` file; the null reverse-path is written `<>`."""
    reverse_path = "<>" if item.reverse_path is None else str(item.reverse_path)
    lines = [f"Message-ID: <{item.message_id}@{hostname}>", f"Return-path: {reverse_path}"]
    lines += [f"Recipient: {mailbox}" for _, mailbox in item.recipients]
    return "".join(f"{line}\r\n" for line in lines).encode()


class _Pair:
    """A hand-off on its way: what is still to be handed over, its files, and the outcome once it is known."""

    def __init__(self, item: HandOff, hostname: str) -> None:
        self.item = item
        self.hostname = hostname
        self.message_is_there = False  # left by an earlier attempt of ours
        self.outcome: Outcome | None = None
        self._unfinished: set[str] = set()

    def path(self, ending: str) -> Path:
        return self.item.folder / (file_stem(self.item) + ending)

    def write(self, ending: str, chunks: Iterable[bytes]) -> int:
        """Write an unfinished file and wait for the disk; the number of octets."""
        path = self.path(_UNFINISHED[ending])
        path.unlink(missing_ok=True)
        descriptor = os.open(path, _CREATE, 0o660)
        self._unfinished.add(ending)
        written = 0
        with os.fdopen(descriptor, "wb") as file:
            for chunk in chunks:
                written += file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        return written

    def publish(self, ending: str) -> None:
        """Give an unfinished file its name; raises FileExistsError."""
        unfinished, final = self.path(_UNFINISHED[ending]), self.path(ending)
        try:
            final.hardlink_to(unfinished)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            if os.path.lexists(final):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(final)) from None
            unfinished.rename(final)
        else:
            unfinished.unlink()
        self._unfinished.discard(ending)

    def defer(self, error: OSError | UnicodeError) -> None:
        self.discard()
        if isinstance(error, FileExistsError):
            reason = f"{self.path(_MESSAGE).name} or its .RCP is there already and is not ours: move it away"
        else:
            reason = str(getattr(error, "strerror", None) or error)
        self.outcome = Deferred(f"hand-off to {self.item.folder} stopped: {reason}")

    def clear(self) -> None:
        """Take away what an attempt that a crash ended has left unfinished, be it a second name of a finished file."""
        for ending in _UNFINISHED.values():
            self.path(ending).unlink(missing_ok=True)

    def discard(self) -> None:
        """Leave nothing unfinished; what cannot be removed now, the next attempt replaces."""
        for ending in self._unfinished:
            with contextlib.suppress(OSError):
                self.path(_UNFINISHED[ending]).unlink()
        self._unfinished.clear()


def _each(step: Callable[[_Pair], None], pairs: Iterable[_Pair]) -> None:
    for pair in pairs:
        if pair.outcome is None:
            try:
                step(pair)
            except (OSError, UnicodeError) as error:
                pair.defer(error)


def _look_before(pair: _Pair) -> None:
    """Find what earlier attempts handed over, as long as the service has not taken it away."""
    if pair.item.first_attempt:
        return
    pair.clear()
    handed = set(_handed_over(pair.item))
    left = tuple(recipient for recipient in pair.item.recipients if recipient[1].folded() not in handed)
    if not left or any(os.path.lexists(pair.path(ending)) for ending in _IN_WORK):
        pair.outcome = Delivered()
        return
    pair.item = replace(pair.item, recipients=left)
    pair.message_is_there = _is_ours(pair)


def _handed_over(item: HandOff) -> Iterator[Mailbox]:
    """The recipients in all envelopes of this message that wait for the service."""
    belongs = re.compile(rf"{re.escape(item.message_id)}(?:-G[0-9]+)?\.(?:RCP|RCX)", re.IGNORECASE).fullmatch
    for path in item.folder.iterdir():
        if belongs(path.name):
            with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
                yield from _recipients(file.read(_MOST_ENVELOPE))


def _recipients(octets: bytes) -> Iterator[Mailbox]:
    for line in octets.decode("utf-8", "replace").split("\n"):
        name, colon, value = line.partition(":")
        if colon and name.strip().lower() == "recipient":
            with contextlib.suppress(AddressError):
                yield parse_mailbox(value.strip()).folded()


def _is_ours(pair: _Pair) -> bool:
    """Whether a `.MSG` of this name is what an attempt that a crash ended has left: then it holds the same."""
    try:
        with pair.path(_MESSAGE).open("rb") as file:
            return all(file.read(len(chunk)) == chunk for chunk in pair.item.content()) and not file.read(1)
    except FileNotFoundError:
        return False


def _write(pair: _Pair) -> None:
    item = pair.item
    if not pair.message_is_there:
        written = pair.write(_MESSAGE, item.content())
        if written != item.size:
            raise OSError(errno.EIO, f"the spool gave {written} octets where {item.size} were expected")
    pair.write(_ENVELOPE, [envelope_octets(item, pair.hostname)])


def _publish_message(pair: _Pair) -> None:
    if os.path.lexists(pair.path(_ENVELOPE)):  # somebody else's, and with our content it would be delivered
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(pair.path(_ENVELOPE)))
    if not pair.message_is_there:
        pair.publish(_MESSAGE)


def _publish_envelope(pair: _Pair) -> None:
    pair.publish(_ENVELOPE)


def _sync_folders(pairs: Iterable[_Pair]) -> None:
    """Make names durable, one sync a folder; what cannot be is found again by the next attempt."""
    open_pairs = [pair for pair in pairs if pair.outcome is None]
    for folder in {pair.item.folder for pair in open_pairs}:
        try:
            _sync_folder(folder)
        except OSError as error:
            for pair in open_pairs:
                if pair.item.folder == folder:
                    pair.defer(error)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
