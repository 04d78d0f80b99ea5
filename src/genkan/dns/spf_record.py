# SPDX-License-Identifier: Apache-2.0
"""An SPF record as its grammar has it (RFC 7208, 12): its directives in order, and the modifiers that mean something. Pure."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, cast

from genkan.dns.spf_macros import LONGEST_RECORD, BrokenRecord, cut, parse_domain_spec, parse_macros

if TYPE_CHECKING:
    from collections.abc import Sequence

    from genkan.dns.spf_macros import Macros

Qualified = Literal["pass", "fail", "softfail", "neutral"]
Mechanism = Literal["all", "include", "a", "mx", "ptr", "ip4", "ip6", "exists"]

MOST_MACROS: Final = 50  # in one record; each costs time in every evaluation, and honest records have a few
MOST_DIRECTIVES: Final = 400  # in one record; as many networks do not fit into the longest
_REMEMBERED: Final = 256  # records that are not read anew

_VERSION: Final = "v=spf1"
_begins_record: Final = re.compile(rf"{_VERSION}(?: |\Z)", re.IGNORECASE | re.ASCII).match
_QUALIFIERS: Final[dict[str, Qualified]] = {"+": "pass", "-": "fail", "~": "softfail", "?": "neutral"}
_modifier: Final = re.compile(r"([a-z][a-z0-9_.-]*)=(.*)", re.IGNORECASE | re.DOTALL).fullmatch
_mechanism: Final = re.compile(
    r"([+?~-]?)(all|include|a|mx|ptr|ip4|ip6|exists)([:/].*)?", re.IGNORECASE | re.DOTALL
).fullmatch
_prefixes: Final = re.compile(r"(.*?)(?:/(0|[1-9][0-9]?))?(?://(0|[1-9][0-9]{0,2}))?", re.DOTALL).fullmatch
_network: Final = re.compile(r":([0-9a-f:.]{2,45})(?:/(0|[1-9][0-9]{0,2}))?", re.IGNORECASE).fullmatch


class Directive(NamedTuple):
    """What is said of clients that a mechanism matches.

    `domain` is `None` where the record's own is meant. An address, that of `ip4` and `ip6` as a number, or those the DNS gives
    for the name of `a` and `mx`, need be equal to the client's in the first `prefix4` or `prefix6` bits only.
    """

    outcome: Qualified
    mechanism: Mechanism
    text: str
    domain: Macros | None = None
    address: int = 0
    prefix4: int = 32
    prefix6: int = 128


class Record(NamedTuple):
    """A whole record; `redirect` and `explanation` are domains."""

    directives: tuple[Directive, ...]
    redirect: Macros | None = None
    explanation: Macros | None = None


def parse_record(text: str) -> Record:
    """The record; all of it is read before any of it counts (RFC 7208, 4.6). Raises `BrokenRecord`."""
    if len(text) > LONGEST_RECORD:  # too much to remember, too
        raise BrokenRecord(f"it has more than {LONGEST_RECORD} octets")
    record = _remembered(text)
    if isinstance(record, str):
        raise BrokenRecord(record)
    return record


@lru_cache(_REMEMBERED)
def _remembered(text: str) -> Record | str:
    """The record or its fault: a broken one is not read anew for every mail either."""
    try:
        return _parse(text)
    except BrokenRecord as fault:
        return str(fault)


def _parse(text: str) -> Record:
    if text.count("%{") > MOST_MACROS:
        raise BrokenRecord(f"it has more than {MOST_MACROS} macros")
    directives: list[Directive] = []
    modifiers: dict[str, Macros] = {}
    for term in filter(None, text[len(_VERSION) :].split(" ")):
        modifier = _modifier(term)
        if modifier is not None:
            _add_modifier(modifiers, modifier[1].lower(), modifier[2])
        elif len(directives) < MOST_DIRECTIVES:
            directives.append(_directive(term))
        else:
            raise BrokenRecord(f"it has more than {MOST_DIRECTIVES} mechanisms")
    return Record(tuple(directives), modifiers.get("redirect"), modifiers.get("exp"))


def _add_modifier(modifiers: dict[str, Macros], name: str, value: str) -> None:
    """Unknown ones mean nothing, but are read (RFC 7208, 6)."""
    if name not in ("redirect", "exp"):
        parse_macros(value)
    elif name in modifiers:
        raise BrokenRecord(f"{name} is there twice")
    else:
        modifiers[name] = parse_domain_spec(value)


def _directive(term: str) -> Directive:
    found = _mechanism(term)
    if found is None:
        raise BrokenRecord(f"{cut(term)!r} is no mechanism")
    outcome, value = _QUALIFIERS[found[1] or "+"], found[3] or ""
    mechanism = cast("Mechanism", found[2].lower())
    match mechanism:
        case "ip4" | "ip6":
            address, prefix = _addresses(mechanism, term, value)
            return Directive(outcome, mechanism, term, None, address, prefix, prefix)
        case "a" | "mx":
            domain, prefix4, prefix6 = _hosts(term, value)
            return Directive(outcome, mechanism, term, domain, 0, prefix4, prefix6)
        case "all":
            if value:
                raise BrokenRecord(f"{cut(term)!r} has an argument")
            return Directive(outcome, mechanism, term)
        case _:
            if not value and mechanism == "ptr":
                return Directive(outcome, mechanism, term)
            return Directive(outcome, mechanism, term, _domain(value))


def _domain(value: str) -> Macros:
    if not value.startswith(":"):
        raise BrokenRecord(f"a domain is wanted in the place of {cut(value)!r}")
    return parse_domain_spec(value[1:])


def _hosts(term: str, value: str) -> tuple[Macros | None, int, int]:
    """Of `a` and `mx`: a domain, and how many bits count, each of which may be left out."""
    found = cast("re.Match[str]", _prefixes(value))  # it takes any text
    prefix4, prefix6 = int(found[2] or 32), int(found[3] or 128)
    if prefix4 > 32 or prefix6 > 128:
        raise BrokenRecord(f"{cut(term)!r} counts more bits than an address has")
    return _domain(found[1]) if found[1] else None, prefix4, prefix6


def _addresses(mechanism: Mechanism, term: str, value: str) -> tuple[int, int]:
    """Of `ip4` and `ip6`: a network, as an address and how many of its bits count."""
    found = _network(value)
    address = None if found is None else _address(mechanism, found[1])
    if found is None or address is None:
        raise BrokenRecord(f"{cut(term)!r} is no network")
    prefix = int(found[2] or address.max_prefixlen)
    if prefix > address.max_prefixlen:
        raise BrokenRecord(f"{cut(term)!r} counts more bits than an address has")
    return int(address), prefix


def _address(mechanism: Mechanism, text: str) -> IPv4Address | IPv6Address | None:
    try:
        return IPv4Address(text) if mechanism == "ip4" else IPv6Address(text)
    except ValueError:
        return None


def select(texts: Sequence[str]) -> list[str]:
    """The SPF records among the TXT records of a name (RFC 7208, 4.5)."""
    return [text for text in texts if _begins_record(text)]
