# SPDX-License-Identifier: Apache-2.0
"""Local delivery into Maildirs, in batches: written to tmp, synced, renamed into new, and new synced, in this order.

Blocking: runs in a worker thread. A crash at any line leaves either no message or a whole one; the name comes from the
message id and the recipient's number, so that the attempt after the crash finds what the one before it did.
The content is written as it was received, with CRLF.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from genkan.delivery.filesystems import sync_together
from genkan.delivery.outcome import Deferred, Delivered, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from genkan.smtp.address import Mailbox

_GROUP: Final = 64  # messages, and so open files, at a time
_MAX_HOST_IN_NAME: Final = 150  # characters; leaves room for flags within 255
_CREATE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_MAX_NAME: Final = 255  # octets of one name in a path
_replace_unsafe: Final = re.compile(r"[^a-z0-9_+=.@-]|(?:^|(?<=\.))\.").sub


@dataclass(frozen=True, slots=True)
class LocalDelivery:
    """One message for one Maildir.

    `fields` are the octets to put before the content; `content` gives it anew, in chunks of `size` octets in all, and
    raises `OSError` when it cannot be read. `recipient_number` tells the recipients of one message apart.
    `first_attempt` is false as soon as an earlier attempt may have got anywhere, be it by a crash.
    """

    message_id: str
    recipient_number: int
    accepted_at: datetime
    maildir: Path
    fields: bytes
    content: Callable[[], Iterator[bytes]]
    size: int
    first_attempt: bool


def deliver_batch(items: Sequence[LocalDelivery], hostname: str) -> list[Outcome]:
    """Deliver all `items`, each by itself: the outcomes in the same order, `Delivered` only for what survives a crash.

    Whatever the file system refuses becomes `Deferred` with a reason that names the Maildir. `hostname` goes into the
    file names and must stay the same between attempts. Missing Maildirs are created, readable by their owner alone.
    """
    outcomes: list[Outcome] = []
    for start in range(0, len(items), _GROUP):
        writings = [_Writing(item, file_name(item, hostname)) for item in items[start : start + _GROUP]]
        try:
            _deliver(writings)
        finally:
            for writing in writings:
                writing.discard()
        outcomes += [writing.outcome or Delivered() for writing in writings]
    return outcomes


def file_name(item: LocalDelivery, hostname: str) -> str:
    """The name of the message in its Maildir, the same at each attempt: time, id, recipient, host, size for quotas."""
    host = hostname.replace("/", r"\057").replace(":", r"\072").replace(",", r"\054")[:_MAX_HOST_IN_NAME]
    epoch = int(item.accepted_at.timestamp())
    return f"{epoch}.{item.message_id}R{item.recipient_number}.{host},S={_octets(item)}"


@lru_cache(maxsize=4096)
def maildir_path(template: str, home: Path, mailbox: Mailbox) -> Path:
    """Where the mail of `mailbox` lies: `template` with {domain} and {local_part} filled in, below `home` if relative.

    Both are folded and percent-encoded but for letters, digits and `_+=.@-`: no mailbox leaves its folder, none is
    hidden, no two share one. A name of more than 255 octets is cut and ends in its digest.
    """
    folded = mailbox.folded()
    domain, local_part = _encode(folded.domain), _encode(folded.local_part)
    names = [name.replace("{domain}", domain).replace("{local_part}", local_part) for name in template.split("/")]
    return home / "/".join(map(_shorten, names))


def _encode(text: str) -> str:
    return _replace_unsafe(lambda match: _encode_character(match[0]), text) or "%"


def _encode_character(character: str) -> str:
    if character.isalpha() and not character.isascii():
        return character
    return "".join(f"%{octet:02X}" for octet in character.encode("utf-8", "surrogatepass"))


def _shorten(name: str) -> str:
    octets = name.encode()
    if len(octets) <= _MAX_NAME:
        return name
    digest = "~" + hashlib.sha256(octets).hexdigest()[:32]  # no encoded mailbox holds a tilde
    return octets[: _MAX_NAME - len(digest)].decode("utf-8", "ignore") + digest


class _Writing:
    """A delivery on its way: where its file goes, what is to be cleaned up, and the outcome once it is known."""

    __slots__ = ("descriptor", "in_tmp", "item", "maildir", "name", "new", "outcome", "tmp")

    def __init__(self, item: LocalDelivery, name: str) -> None:
        self.item = item
        self.name = name
        self.maildir = os.fspath(item.maildir)
        self.tmp = f"{self.maildir}/tmp/{name}"
        self.new = f"{self.maildir}/new/{name}"
        self.descriptor = -1  # open while not negative
        self.in_tmp = False
        self.outcome: Outcome | None = None

    def close(self) -> None:
        descriptor, self.descriptor = self.descriptor, -1
        os.close(descriptor)

    def defer(self, error: OSError | UnicodeError) -> None:
        """Give up for this time; the space is given back at once, others of the group may need it."""
        self.discard()
        reason = getattr(error, "strerror", None) or error
        self.outcome = Deferred(f"delivery to Maildir {self.maildir} stopped: {reason}")

    def discard(self) -> None:
        """Leave nothing open and nothing in tmp; what cannot be removed now, the next attempt replaces."""
        if self.descriptor >= 0:
            with contextlib.suppress(OSError):
                self.close()
        if self.in_tmp:
            self.in_tmp = False
            with contextlib.suppress(OSError):
                os.unlink(self.tmp)


def _deliver(writings: list[_Writing]) -> None:
    """Step by step for all, not one by one: the first sync makes most of the others' durable as well."""
    _look_before([writing for writing in writings if not writing.item.first_attempt])
    _each(_write, _unsettled(writings))
    synced = sync_together([writing.descriptor for writing in _unsettled(writings)])
    _each(_close if synced else _sync, _unsettled(writings))
    _each(_publish, _unsettled(writings))
    _sync_new([writing for writing in writings if not isinstance(writing.outcome, Deferred)])


def _unsettled(writings: list[_Writing]) -> list[_Writing]:
    return [writing for writing in writings if writing.outcome is None]


def _each(step: Callable[[_Writing], None], writings: Iterable[_Writing]) -> None:
    for writing in writings:
        try:
            step(writing)
        except (OSError, UnicodeError) as error:  # UnicodeError: a name the locale of the process cannot write
            writing.defer(error)


def _look_before(writings: list[_Writing]) -> None:
    """Find what earlier attempts delivered, also if it was read since or its fields were others (and so its size)."""
    for maildir, together in _by_maildir(writings).items():
        wanted = {_stem(writing.name): writing for writing in together}
        try:
            for name in _names(maildir):
                if found := wanted.get(_stem(name)):
                    found.outcome = Delivered()
        except OSError as error:
            for writing in together:
                writing.defer(error)


def _by_maildir(writings: list[_Writing]) -> dict[str, list[_Writing]]:
    grouped: dict[str, list[_Writing]] = {}
    for writing in writings:
        grouped.setdefault(writing.maildir, []).append(writing)
    return grouped


def _names(maildir: str) -> Iterator[str]:
    for folder in ("new", "cur"):
        with contextlib.suppress(FileNotFoundError), os.scandir(f"{maildir}/{folder}") as entries:
            yield from (entry.name for entry in entries)


def _stem(name: str) -> str:
    """The part of a file name that stays when sizes (`,S=`) and flags (`:2,`) come and go."""
    return name.partition(":")[0].partition(",")[0]


def _write(writing: _Writing) -> None:
    """Write fields and content to tmp, without waiting for the disk."""
    if os.path.lexists(writing.new):  # by an attempt that a crash kept from being recorded
        writing.outcome = Delivered()
        return
    item = writing.item
    chunks = item.content()
    writing.descriptor = descriptor = _create(writing)
    written = _write_all(descriptor, [item.fields, next(chunks, b"")])
    for chunk in chunks:
        written += _write_all(descriptor, [chunk])
    if written != _octets(item):
        raise OSError(errno.EIO, f"the spool gave {written} octets where {_octets(item)} were expected")
    if hasattr(os, "posix_fadvise"):
        with contextlib.suppress(OSError):  # a hint: starts writing, which makes the syncs of a group overlap
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def _create(writing: _Writing) -> int:
    try:
        descriptor = os.open(writing.tmp, _CREATE, 0o600)
    except FileExistsError:  # left by an attempt that a crash ended
        os.unlink(writing.tmp)
        descriptor = os.open(writing.tmp, _CREATE, 0o600)
    except FileNotFoundError:
        _make_maildir(writing.maildir)
        descriptor = os.open(writing.tmp, _CREATE, 0o600)
    writing.in_tmp = True
    return descriptor


def _write_all(descriptor: int, chunks: list[bytes]) -> int:
    length = sum(map(len, chunks))
    written = os.writev(descriptor, chunks)
    if written < length:
        rest = memoryview(b"".join(chunks))[written:]
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    return length


def _sync(writing: _Writing) -> None:
    os.fsync(writing.descriptor)
    writing.close()


def _close(writing: _Writing) -> None:
    writing.close()


def _publish(writing: _Writing) -> None:
    try:
        os.rename(writing.tmp, writing.new)
    except FileNotFoundError:
        _make_maildir(writing.maildir)
        os.rename(writing.tmp, writing.new)
    writing.in_tmp = False


def _sync_new(writings: list[_Writing]) -> None:
    """Make the names in new durable, one sync a Maildir, or one for all; what cannot be is found again by the next attempt."""
    by_maildir = _by_maildir(writings)
    if _sync_folders_together([f"{maildir}/new" for maildir in by_maildir]):
        return
    for maildir, together in by_maildir.items():
        try:
            _sync_folder(f"{maildir}/new")
        except OSError as error:
            for writing in together:
                writing.defer(error)


def _sync_folders_together(folders: list[str]) -> bool:
    """Whether one sync has made the names in all of them durable."""
    descriptors: list[int] = []
    try:
        descriptors += [os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC) for folder in folders]
        return sync_together(descriptors)
    except OSError:
        return False
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _octets(item: LocalDelivery) -> int:
    return len(item.fields) + item.size


def _make_maildir(maildir: str) -> None:
    """Create what is missing of it, durably: the parent of each new folder is synced."""
    _make_folder(maildir)
    for name in ("tmp", "new", "cur"):
        with contextlib.suppress(FileExistsError):
            os.mkdir(f"{maildir}/{name}", 0o700)
    _sync_folder(maildir)


def _make_folder(path: str) -> None:
    parent = os.path.dirname(path) or "."
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        return
    except FileNotFoundError:
        _make_folder(parent)
        with contextlib.suppress(FileExistsError):  # another worker was quicker
            os.mkdir(path, 0o700)
    _sync_folder(parent)


def _sync_folder(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
