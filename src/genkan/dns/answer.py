# SPDX-License-Identifier: Apache-2.0
"""What the DNS says to a question, as plain values: a status, and records as text, `MailExchange` or `TlsaRecord`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal, NamedTuple

RecordType = Literal["A", "AAAA", "CNAME", "MX", "PTR", "TLSA", "TXT"]

# Octets of memory that a record takes beside its text, as CPython 3.11 allocates them, with its place among the others.
TEXT_OCTETS: Final = 88
EXCHANGE_OCTETS: Final = 168
TLSA_OCTETS: Final = 136

BRIEF: Final = 5  # seconds that a failure, or a "no" without a SOA record, is believed


class Status(Enum):
    """How a question ended. `NO_SUCH_NAME` is NXDOMAIN, also for text that is no domain name; `FAILED` may pass."""

    FOUND = "found"
    NO_DATA = "no data"
    NO_SUCH_NAME = "no such name"
    FAILED = "failed"


class MailExchange(NamedTuple):
    """An MX record: a host that takes mail; "." as the only one says that the domain takes none (RFC 7505)."""

    preference: int
    name: str


class TlsaRecord(NamedTuple):
    """A TLSA record: what is known of a server's certificate (RFC 6698, 2.1). `data` is a digest or what it is of."""

    usage: int
    selector: int
    matching: int
    data: bytes


Record = str | MailExchange | TlsaRecord


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one question. CNAMEs are followed, unless they were asked for: the records are those of the last name.

    A and AAAA are addresses in their canonical form, CNAME, PTR and MX names in lower case without a final dot, TXT the joined
    character-strings with one character for each octet (Latin-1, so nothing is lost). `ttl` is how many seconds the answer
    could be believed when it came, `detail` why the question failed. `authentic`: the server says that it has checked all
    of it by DNSSEC (RFC 4035, 3.2.3), which is worth as much as the server and the way to it.
    """

    status: Status
    records: tuple[Record, ...] = ()
    ttl: int = 0
    detail: str = ""
    authentic: bool = False

    @property
    def texts(self) -> tuple[str, ...]:
        """The records of any type but MX and TLSA."""
        return tuple([record for record in self.records if isinstance(record, str)])

    @property
    def exchanges(self) -> tuple[MailExchange, ...]:
        """The records of type MX."""
        return tuple(record for record in self.records if isinstance(record, MailExchange))

    @property
    def tlsa(self) -> tuple[TlsaRecord, ...]:
        """The records of type TLSA."""
        return tuple(record for record in self.records if isinstance(record, TlsaRecord))

    @property
    def size(self) -> int:
        """About how many octets of memory its records and its text take."""
        return sum(map(_size, self.records)) + len(self.detail)


NO_SUCH_NAME: Final = Answer(Status.NO_SUCH_NAME)


def _size(record: Record) -> int:
    match record:
        case MailExchange(name=name):
            return EXCHANGE_OCTETS + len(name)
        case TlsaRecord(data=data):
            return TLSA_OCTETS + len(data)
        case _:
            return TEXT_OCTETS + len(record)


def failure(detail: str) -> Answer:
    """The answer when there is none, believed for a moment so that a dead zone is not asked for every session."""
    return Answer(Status.FAILED, ttl=BRIEF, detail=detail)
