# SPDX-License-Identifier: Apache-2.0
"""rejectsmtpip.dat as operators know it: their own lines, and behind them those that the server wrote to lock clients out.

Here those lie in the directory's table of locks. They are shown with the document, and taken out of it again when it
comes back, so that to export and to import it changes nothing (the product's pages faq17-09, bsd-19-48).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING, Final, NamedTuple

from genkan.directory import Lock, LockKind
from genkan.rules.document import Document
from genkan.rules.rejectsmtpip import format_lock, parse_rejectsmtpip

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from genkan.rules.clients import ClientPattern
    from genkan.rules.rejectsmtpip import RejectRule

NAME: Final = "rejectsmtpip.dat"

_LINE: Final = re.compile(rb"[^\r\n]*+(?:\r\n|\r|\n)|[^\r\n]++")
_LAST_SECOND: Final = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp())

Network = IPv4Network | IPv6Network


class Parted(NamedTuple):
    """A text that came in: what of it is the operator's document, and the locks that its other lines ask for."""

    document: bytes
    locks: tuple[Lock, ...]


def with_locks(document: bytes, locks: Iterable[Lock]) -> bytes:
    """The document with a line behind it for each lock that it does not hold itself."""
    own = _refused_for_good(document)
    line_end = b"\r\n" if b"\r\n" in document else b"\n"
    lines = [_line(lock).encode() + line_end for lock in locks if lock.until is not None or lock.network not in own]
    gap = line_end if lines and document and not document.endswith((b"\r", b"\n")) else b""
    return b"".join([document, gap, *lines])


def without_locks(octets: bytes, current: bytes, locks: Iterable[Lock], now: datetime) -> Parted:
    """The reverse of `with_locks` for a text that may have been changed; `current` is the document as it is stored.

    Lines with a time that is to come are locks, those with one that has passed are dropped.
    """
    live = {lock.network: lock.until for lock in locks}
    own = _refused_for_good(current)
    taken: set[int] = set()
    asked: list[Lock] = []
    for rule, network in _rules(octets):
        if rule.until is not None:
            taken.add(rule.origin.line)
            asked += _asked(rule, network, live, now)
        elif network in live and live[network] is None and network not in own:
            taken.add(rule.origin.line)
    return Parted(_kept(octets, taken, current), tuple(asked))


def _asked(rule: RejectRule, network: Network, live: dict[Network, datetime | None], now: datetime) -> Iterator[Lock]:
    if rule.until is None or rule.until <= now.timestamp():
        return
    until = datetime.fromtimestamp(rule.until, UTC)
    present = live.get(network, now)
    if present is not None and present < until:
        kind = LockKind.RATE if rule.iplock else LockKind.OPERATOR
        yield Lock(network, until, f"imported from {NAME}", now, kind)


def _kept(octets: bytes, taken: set[int], current: bytes) -> bytes:
    lines = _LINE.findall(octets)
    kept = b"".join(line for number, line in enumerate(lines, start=1) if number not in taken)
    # A line end that `with_locks` had to add is no change.
    return current if kept in (current + b"\n", current + b"\r\n") and taken else kept


def _refused_for_good(octets: bytes) -> set[Network]:
    return {network for rule, network in _rules(octets) if rule.until is None}


def _rules(octets: bytes) -> Iterator[tuple[RejectRule, Network]]:
    """The refusing lines that a lock can stand for; the others are the document's alone."""
    for rule in parse_rejectsmtpip(Document.decode(NAME, octets)).rules:
        network = _network(rule.clients)
        if network is not None and not rule.exempt and (rule.until is None or rule.until < _LAST_SECOND):
            yield rule, network


def _network(clients: ClientPattern) -> Network | None:
    length = clients.prefix_length()
    bits = 32 if clients.version == 4 else 128
    if clients.version == 0 or clients.mask != ((1 << length) - 1) << (bits - length):
        return None
    return IPv4Network((clients.value, length)) if clients.version == 4 else IPv6Network((clients.value, length))


def _line(lock: Lock) -> str:
    until = None if lock.until is None else int(lock.until.timestamp())
    return format_lock(str(lock.network), until, iplock=lock.kind is LockKind.RATE)
