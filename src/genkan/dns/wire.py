# SPDX-License-Identifier: Apache-2.0
"""DNS messages (RFC 1035, 4): a question to send, and what a reply says to it. Pure, and quick on any reply.

Own code where a library would do, for one reason: clients choose whose zones are asked, and a reply of 4 KB made for the
purpose keeps dnspython, and with it everybody on the event loop, busy for most of a second. The tests compare with it.
"""

from __future__ import annotations

import secrets
import struct
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Final, NamedTuple

from genkan.dns.answer import BRIEF, Answer, MailExchange, Status, TlsaRecord, failure
from genkan.dns.name import Name, NameReader, name_octets, name_text

if TYPE_CHECKING:
    from genkan.dns.answer import Record, RecordType

LONGEST_TTL: Final = 24 * 3600
LONGEST_NEGATIVE_TTL: Final = 3600  # RFC 2308, 5: one to three hours work well
EDNS_PAYLOAD: Final = 1232  # octets of a datagram that no path has to cut into pieces
MOST_RECORDS: Final = 500  # in one reply
MOST_ALIASES: Final = 12  # CNAMEs one behind the other

_HEADER: Final = struct.Struct("!6H")
_RECORD: Final = struct.Struct("!HHIH")
_UINT16: Final = struct.Struct("!H")
_UINT32: Final = struct.Struct("!I")
_QR, _OPCODE, _AA, _TC, _RD, _RA, _AD, _RCODE = 0x8000, 0x7800, 0x0400, 0x0200, 0x0100, 0x0080, 0x0020, 0x000F
_IN: Final = 1
_TYPES: Final[dict[RecordType, int]] = {"A": 1, "CNAME": 5, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "TLSA": 52}
_CNAME, _SOA, _OPT = 5, 6, 41
_NOERROR, _FORMERR, _NXDOMAIN, _NOTIMP = 0, 1, 3, 4
_RCODES: Final = ("NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED")


@dataclass(frozen=True, slots=True)
class Query:
    """One question as it is sent; each time under another id."""

    id: int
    name: Name
    rdtype: RecordType
    edns: bool

    @property
    def question(self) -> bytes:
        """The question section."""
        return name_octets(self.name) + struct.pack("!HH", _TYPES[self.rdtype], _IN)

    @property
    def octets(self) -> bytes:
        """The message, for a server that recurses; AD asks whether the answer is authentic (RFC 6840, 5.7)."""
        header = _HEADER.pack(self.id, _RD | _AD, 1, 0, 0, int(self.edns))
        option = b"\0" + _RECORD.pack(_OPT, EDNS_PAYLOAD, 0, 0) if self.edns else b""
        return header + self.question + option


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server says; `truncated`: the whole answer has to be asked for by TCP (RFC 1035, 4.2.1)."""

    answer: Answer
    truncated: bool = False
    edns_unknown: bool = False  # perhaps: the question could not be read, or something in it is not implemented


class _Resource(NamedTuple):
    """A resource record: its data lies in the message from `start` to `end`."""

    name: Name
    rdtype: int
    ttl: int
    start: int
    end: int


def make_query(name: Name, rdtype: RecordType, *, edns: bool = True) -> Query:
    """A question under a random id."""
    return Query(secrets.randbelow(0x10000), name, rdtype, edns)


def read_reply(query: Query, octets: bytes) -> Reply | None:
    """The reply if `octets` are one to this question: its id, name and type; `None` for all else, and for what is broken.

    Of a truncated reply only the question is read, since the rest may end anywhere.
    """
    if len(octets) < _HEADER.size:
        return None
    number, flags, questions, *counts, _ = _HEADER.unpack_from(octets)
    end = _HEADER.size + len(query.question)
    repeated = questions == 1 and octets[_HEADER.size : end].lower() == query.question
    bare = not questions and flags & _RCODE not in (
        _NOERROR,
        _NXDOMAIN,
    )  # some servers repeat no question with an error
    if number != query.id or flags & (_QR | _OPCODE) != _QR or not (repeated or bare):
        return None
    if repeated and flags & _TC:
        return Reply(failure("truncated"), truncated=True)
    try:
        return _useless(flags, counts) or Reply(_answer(query, flags, _Body(octets, end, counts)))
    except (ValueError, IndexError, struct.error):
        return None


def _answer(query: Query, flags: int, body: _Body) -> Answer:
    """What the body says; authentic if the server says so, and a failure never."""
    answer = body.answer(query, flags & _RCODE)
    return replace(answer, authentic=True) if flags & _AD and answer.status is not Status.FAILED else answer


def _useless(flags: int, counts: list[int]) -> Reply | None:
    """The failure that the header tells of, if it does."""
    rcode = flags & _RCODE
    if rcode not in (_NOERROR, _NXDOMAIN):
        name = _RCODES[rcode] if rcode < len(_RCODES) else f"RCODE {rcode}"
        return Reply(failure(name), edns_unknown=rcode in (_FORMERR, _NOTIMP))
    if not counts[0] and not flags & (_AA | _RA):
        return Reply(failure("the server does not recurse"))
    if sum(counts) > MOST_RECORDS:
        return Reply(failure(f"a reply with more than {MOST_RECORDS} records"))
    return None


class _Body:
    """The answer and authority sections of a reply."""

    def __init__(self, octets: bytes, offset: int, counts: list[int]) -> None:
        """Raises `ValueError`, `IndexError` or `struct.error` when a record does not end within the message."""
        self._octets = octets
        self._names = NameReader(octets)
        self._answers, offset = self._read(offset, counts[0])
        self._authorities, _ = self._read(offset, counts[1])

    def _read(self, offset: int, count: int) -> tuple[list[_Resource], int]:
        resources = []
        for _ in range(count):
            name, offset = self._names.read(offset)
            rdtype, rdclass, ttl, length = _RECORD.unpack_from(self._octets, offset)
            start = offset + _RECORD.size
            offset = start + length
            if offset > len(self._octets):
                raise ValueError("a record that ends behind its message")
            if rdclass == _IN:
                resources.append(_Resource(name, rdtype, ttl if ttl < 2**31 else 0, start, offset))  # RFC 2181, 8
        return resources, offset

    def answer(self, query: Query, rcode: int) -> Answer:
        """Follow the CNAMEs from the question to the records, or to where there are none. Raises as the constructor."""
        name, ttl = query.name, LONGEST_TTL
        for _ in range(MOST_ALIASES + 1):
            found = self._of(name, _TYPES[query.rdtype])
            if found and rcode == _NXDOMAIN:
                return failure("a reply that has records for a name it denies")
            if found:
                records = sorted((self._record(query.rdtype, resource) for resource in found), key=_rank)
                return Answer(Status.FOUND, tuple(dict.fromkeys(records)), min(ttl, *(each.ttl for each in found)))
            aliases = self._of(name, _CNAME)
            if not aliases:
                status = Status.NO_SUCH_NAME if rcode == _NXDOMAIN else Status.NO_DATA
                return Answer(status, ttl=min(ttl, self._negative_ttl()))
            ttl = min(ttl, aliases[0].ttl)
            name = self._name(aliases[0].start, aliases[0].end)
        return failure("CNAMEs without an end")

    def _of(self, name: Name, rdtype: int) -> list[_Resource]:
        return [resource for resource in self._answers if resource.rdtype == rdtype and resource.name == name]

    def _negative_ttl(self) -> int:
        """How long a "no" may be believed: what the zone's SOA says (RFC 2308, 5), a moment without one."""
        for resource in self._authorities:
            if resource.rdtype == _SOA:
                (minimum,) = _UINT32.unpack_from(self._octets, resource.end - 4)
                return min(resource.ttl, int(minimum), LONGEST_NEGATIVE_TTL)
        return BRIEF

    def _name(self, start: int, end: int) -> Name:
        name, behind = self._names.read(start)
        if behind != end:
            raise ValueError("a name that does not end with its record")
        return name

    def _record(self, rdtype: RecordType, resource: _Resource) -> Record:
        start, end = resource.start, resource.end
        match rdtype:
            case "A":
                return str(IPv4Address(self._octets[start:end]))
            case "AAAA":
                return str(IPv6Address(self._octets[start:end]))
            case "TXT":
                return _text(self._octets[start:end])
            case "CNAME" | "PTR":
                return name_text(self._name(start, end))
            case "MX":
                (preference,) = _UINT16.unpack_from(self._octets, start)
                return MailExchange(preference, name_text(self._name(start + 2, end)))
            case "TLSA":
                usage, selector, matching = self._octets[start : min(start + 3, end)]
                return TlsaRecord(usage, selector, matching, self._octets[start + 3 : end])


def _text(data: bytes) -> str:
    """The character-strings of a TXT record, joined."""
    strings, offset = [], 0
    while offset < len(data):
        end = offset + 1 + data[offset]
        strings.append(data[offset + 1 : end])
        offset = end
    if offset != len(data):
        raise ValueError("a character-string that ends behind its record")
    return b"".join(strings).decode("latin-1")


def _rank(record: Record) -> tuple[int | str | bytes, ...]:
    """Servers shuffle records; the same answer should be the same each time."""
    return (record,) if isinstance(record, str) else record
