# SPDX-License-Identifier: Apache-2.0
"""The DNS tree walk: which record a domain's mail is judged by, and which domain is the organization's (RFC 9989, 4.10).

All walks of one message share what was asked, so that its author and those who signed it cost little more than one of them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from genkan.dmarc.record import only_record

if TYPE_CHECKING:
    from genkan.dmarc.record import DmarcRecord

MOST_QUERIES: Final = 8  # of one walk
MOST_NAMES: Final = 32  # that are asked for one message; what is beyond counts as failed


FoundStatus = Literal["found", "nothing", "no such name", "failed"]


class Found(NamedTuple):
    """What the DNS says to a question for TXT: the texts, Latin-1, are those of "found".

    "nothing": the name has other records; "no such name" is NXDOMAIN, also for text that is no name; "failed" may pass.
    """

    status: FoundStatus
    texts: tuple[str, ...] = ()


Lookup = Callable[[str], Awaitable[Found]]


@dataclass(frozen=True, slots=True)
class Discovery:
    """What the walk from a domain has found.

    `record` is the one that mail with the domain as its author is judged by, and `policy_domain` where it stands, "" when
    there is none. `organizational_domain` is "" when it could not be determined, and then `failed` is the name that could
    not be asked for: there may be a record all the same, that of the domain itself.
    """

    domain: str
    policy_domain: str = ""
    record: DmarcRecord | None = None
    organizational_domain: str = ""
    failed: str = ""


class TreeWalks:
    """The walks of one message. Domains are given in lower case, as A-labels, without a final dot."""

    def __init__(self, lookup: Lookup) -> None:
        """`lookup` is asked for TXT, each name once; it must not raise."""
        self._lookup = lookup
        self._found: dict[str, Found] = {}
        self._walks: dict[str, Discovery] = {}

    async def find_texts(self, name: str) -> Found:
        """What there is at a name."""
        found = self._found.get(name)
        if found is None:
            if len(self._found) >= MOST_NAMES:
                return Found("failed")
            found = self._found[name] = await self._lookup(name)
        return found

    async def discover(self, domain: str) -> Discovery:
        """Walk from a domain to the top."""
        walk = self._walks.get(domain)
        if walk is None:
            walk = self._walks[domain] = await self._walk(domain)
        return walk

    async def _walk(self, domain: str) -> Discovery:
        records: dict[str, DmarcRecord] = {}  # from the longest name to the shortest
        for name in walk_names(domain):
            found = await self.find_texts(f"_dmarc.{name}")
            if found.status == "failed":
                own = records.get(domain)
                return Discovery(domain, domain if own else "", own, failed=f"_dmarc.{name}")
            record = only_record(found.texts)
            if record is not None:
                records[name] = record
                if record.psd != "u":
                    break
        organizational = _organizational_domain(domain, records)
        policy_domain = _policy_domain(domain, organizational, records)
        return Discovery(domain, policy_domain, records.get(policy_domain), organizational)


def walk_names(domain: str) -> tuple[str, ...]:
    """The domains whose records are asked for, itself first, eight at most (RFC 9989, 4.10, steps 3 to 7)."""
    labels = domain.split(".")
    above = range(max(1, len(labels) - MOST_QUERIES + 1), len(labels))
    return (domain, *(".".join(labels[start:]) for start in above))


def _organizational_domain(domain: str, records: dict[str, DmarcRecord]) -> str:
    """RFC 9989, 4.10.2. Only the last of the records can have psd=y or psd=n, for there the walk ends."""
    if not records:
        return domain
    last, record = list(records.items())[-1]
    if record.psd == "y" and last != domain:
        labels = domain.split(".")
        return ".".join(labels[-last.count(".") - 2 :])
    return last


def _policy_domain(domain: str, organizational: str, records: dict[str, DmarcRecord]) -> str:
    """Where the record stands: at the domain, else at the organizational domain, else at the public suffix (RFC 9989, 4.10.1)."""
    suffixes = (name for name, record in records.items() if record.psd == "y")
    return next((name for name in (domain, organizational, *suffixes) if name in records), "")
