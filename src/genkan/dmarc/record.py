# SPDX-License-Identifier: Apache-2.0
"""DMARC Policy Records: the TXT record in which the owner of a domain says what it wants (RFC 9989, 4.7 and 4.8).

A tag that is wrong counts as one that is not there; only for p, sp and np it has consequences (RFC 9989, 4.10.1).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal, TypeVar, get_args

if TYPE_CHECKING:
    from collections.abc import Iterable

Policy = Literal["none", "quarantine", "reject"]
Alignment = Literal["r", "s"]
Psd = Literal["y", "n", "u"]
Place = Literal["domain", "subdomain", "no such subdomain"]
_Word = TypeVar("_Word", bound=str)

LONGEST_RECORD: Final = 4096  # octets; a longer text is no record
MOST_TAGS: Final = 64  # of a record that are looked at
MOST_URIS: Final = 20  # of a list that are kept

_POLICY_TAGS: Final = ("p", "sp", "np")
_POLICIES: Final[tuple[Policy, ...]] = get_args(Policy)
_ALIGNMENTS: Final[tuple[Alignment, ...]] = get_args(Alignment)
_PSDS: Final[tuple[Psd, ...]] = get_args(Psd)

_match_version: Final = re.compile(r"[Vv][ \t]*+=[ \t]*+DMARC1[ \t]*+(?:;|\Z)").match
_match_tag: Final = re.compile(r"([A-Za-z]{1,32})[ \t]*+=[ \t]*+([ -:<-~]*+)").fullmatch
# RFC 3986, 3, as far as it matters here. What stands behind a "!" once was a limit of size (RFC 9989, 4.8: obs-dmarc-uri).
_match_uri: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*+:[^\s!\"<>\\^`{|}]++)(?:![0-9]++[KkMmGgTt]?)?").fullmatch


@dataclass(frozen=True, slots=True)
class DmarcRecord:
    """What one record says, with the defaults of RFC 9989, 4.7 for what it does not say.

    `sp` and `np` are `None` where the policy before them counts; `rua` and `ruf` are URIs in their order, whatever their
    scheme, without limits of size. `testing` is t=y. A record that is not `usable` is there, and ends the search for one,
    but no message can be judged by it. `faults` says in words what is wrong with it, for its owner.
    """

    p: Policy = "none"
    sp: Policy | None = None
    np: Policy | None = None
    adkim: Alignment = "r"
    aspf: Alignment = "r"
    rua: tuple[str, ...] = ()
    ruf: tuple[str, ...] = ()
    fo: str = "0"
    psd: Psd = "u"
    testing: bool = False
    usable: bool = True
    faults: tuple[str, ...] = ()

    def requested(self, place: Place) -> Policy:
        """The policy, t left aside, for the domain of the record or for one below it that exists or does not."""
        match place:
            case "domain":
                return self.p
            case "subdomain":
                return self.sp or self.p
            case "no such subdomain":
                return self.np or self.sp or self.p

    def applied(self, requested: Policy) -> Policy:
        """What becomes of a requested policy: one step less while the owner is testing (RFC 9989, 4.7: t)."""
        if not self.testing:
            return requested
        return "quarantine" if requested == "reject" else "none"


def parse_record(text: str) -> DmarcRecord | None:
    """The record that a TXT record's text is, its strings joined; `None` for one that is not v=DMARC1, or too long.

    A policy that is wrong makes all of them none if there is somebody to tell of it, else the record is of no use (RFC 9989,
    4.10.1). A record without p counts by that section like one with a wrong p, by 4.7 like one with p=none, and so it does
    here: what makes an organizational domain, v=DMARC1 and psd=n, needs no more.
    """
    return _parse(text) if len(text) <= LONGEST_RECORD else None


@lru_cache(maxsize=1024)  # a domain's mail comes again and again, and its record with it
def _parse(text: str) -> DmarcRecord | None:
    version = _match_version(text)
    if version is None:
        return None
    tags = _Tags(text[version.end() :])
    p, sp, np = (tags.one_of(name, _POLICIES) for name in _POLICY_TAGS)
    wrong = not tags.wrong.isdisjoint(_POLICY_TAGS)
    rua = tags.uris("rua")
    return DmarcRecord(
        p="none" if wrong or p is None else p,
        sp=None if wrong else sp,
        np=None if wrong else np,
        adkim=tags.one_of("adkim", _ALIGNMENTS) or "r",
        aspf=tags.one_of("aspf", _ALIGNMENTS) or "r",
        rua=rua,
        ruf=tags.uris("ruf"),
        fo=tags.failure_options(),
        psd=tags.one_of("psd", _PSDS) or "u",
        testing=tags.one_of("t", ("y", "n")) == "y",
        usable=bool(rua) or not wrong,
        faults=tuple(tags.faults),
    )


def only_record(texts: Iterable[str]) -> DmarcRecord | None:
    """The record among the TXT records of one name; `None` when there is none, or several (RFC 9989, 4.10, steps 2 and 6)."""
    records = (record for text in texts if (record := parse_record(text)) is not None)
    first, second = next(records, None), next(records, None)
    return first if second is None else None


class _Tags:
    """The tags behind v=DMARC1: of one that is given twice the first counts. `wrong` names those with values of no use."""

    def __init__(self, text: str) -> None:
        self.faults: list[str] = []
        self.wrong: set[str] = set()
        self._values: dict[str, str] = {}
        for part in filter(None, (part.strip(" \t") for part in text.split(";", MOST_TAGS)[:MOST_TAGS])):
            self._add(part)

    def _add(self, part: str) -> None:
        tag = _match_tag(part)
        if tag is None:
            self.faults.append("something in it is no tag")
            return
        name = tag[1].lower()
        if name in self._values:
            self.faults.append(f"{name} is given twice")
        self._values.setdefault(name, tag[2])

    def one_of(self, name: str, words: tuple[_Word, ...]) -> _Word | None:
        """The value, in any case, if it is one of these words."""
        value = self._values.get(name)
        if value is None:
            return None
        word = next((word for word in words if word == value.lower()), None)
        if word is None:
            self._reject(name, f"{name} is none of {', '.join(words)}")
        return word

    def uris(self, name: str) -> tuple[str, ...]:
        """The URIs of a list; those that are none are left out."""
        value = self._values.get(name)
        if value is None:
            return ()
        found = [_match_uri(uri.strip(" \t")) for uri in value.split(",")[:MOST_URIS]]
        if not all(found):
            self._reject(name, f"{name} has something that is no URI")
        return tuple(uri[1] for uri in found if uri is not None)

    def failure_options(self) -> str:
        """The value of fo in lower case: 0, 1, d and s, each once, not 0 and 1 together."""
        value = self._values.get("fo", "0").lower()
        options = value.split(":")
        if len({*options}) != len(options) or not {*options} <= {"0", "1", "d", "s"} or {"0", "1"} <= {*options}:
            self._reject("fo", "fo is no list of 0, 1, d and s")
            return "0"
        return value

    def _reject(self, name: str, fault: str) -> None:
        self.wrong.add(name)
        self.faults.append(fault)
