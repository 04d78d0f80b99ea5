# SPDX-License-Identifier: Apache-2.0
"""Macros in SPF records (RFC 7208, 7): read once, filled in for each client. Pure: what needs the DNS is yielded as a question.

Whoever runs the zone writes them, so nothing here takes longer than in proportion to their length.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar
from urllib.parse import quote

from genkan.dns.answer import Answer
from genkan.dns.cache import Question

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from ipaddress import IPv4Address, IPv6Address

    from genkan.dns.answer import RecordType

T = TypeVar("T")
Asking = Generator[Question, Answer, T]
"""Yields questions, is sent their answers, and returns what it has found out."""

LONGEST_RECORD: Final = 4096  # octets; RFC 7208, 3.4, wants 512 at most
LONGEST_NAME: Final = 253  # characters of a name that may be asked for; RFC 7208, 7.3
MOST_POINTERS: Final = 10  # names of the client's address that are looked at; RFC 7208, 4.6.4

_ANYWHERE: Final = frozenset("slodiphv")
_IN_EXPLANATIONS: Final = _ANYWHERE | frozenset("crt")
_RECEIVER: Final = "unknown"  # what RFC 7208, 7.3, lets a receiver say that names itself to nobody

_TOKEN: Final = re.compile(r"%(?:([%_-])|\{([a-zA-Z])([0-9]*)([rR]?)([.\-+,/_=]*)\})|([^%]+)|(%)")
_ESCAPES: Final = {"%": "%", "_": " ", "-": "%20"}
_is_literal: Final = re.compile(r"[!-$&-~]*").fullmatch
_is_explanation: Final = re.compile(r"[ -$&-~]*").fullmatch
_is_top_label: Final = re.compile(r"(?!-|[0-9]++\Z)[a-z0-9-]++(?<!-)", re.IGNORECASE).fullmatch


class BrokenRecord(ValueError):
    """A record that nobody may publish; the evaluation catches it and says "permerror"."""


class Macro(NamedTuple):
    """One macro: its letter in lower case, how many labels of the value are kept (0: all), in which order, parted by what."""

    letter: str
    kept: int
    is_reversed: bool
    delimiters: str
    is_escaped: bool


Macros = tuple[str | Macro, ...]
"""Text and macros, in their order."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Who is asked about: the client, the mailbox that is said to send, the HELO domain; `now` is for explanations."""

    client: IPv4Address | IPv6Address
    local_part: str
    sender_domain: str
    hello_domain: str
    now: Callable[[], datetime]

    @property
    def address_type(self) -> RecordType:
        """The type of record that may have the client's address."""
        return "A" if self.client.version == 4 else "AAAA"


def parse_macros(text: str) -> Macros:
    """The parts of a macro-string in a record (RFC 7208, 7.1). Raises `BrokenRecord`."""
    return _parse(text, _ANYWHERE, _is_literal)


def parse_domain_spec(text: str) -> Macros:
    """As `parse_macros`, for a domain-spec: at its end is a top-level label or a macro (RFC 7208, 7.1). Raises `BrokenRecord`."""
    parts = parse_macros(text)
    if not parts:
        raise BrokenRecord("a domain is missing")
    last = parts[-1]
    if isinstance(last, str) and not _ends_a_domain(last) and not text.endswith(("%%", "%_", "%-")):
        raise BrokenRecord(f"{cut(text)!r} does not end as a domain does")
    return parts


def _ends_a_domain(text: str) -> bool:
    _, dot, label = text.removesuffix(".").rpartition(".")
    return bool(dot and _is_top_label(label))


def parse_explanation(text: str) -> Macros:
    """The parts of an explanation, which may have blanks (RFC 7208, 6.2). Raises `BrokenRecord`."""
    if len(text) > LONGEST_RECORD:
        raise BrokenRecord(f"it has more than {LONGEST_RECORD} octets")
    return _parse(text, _IN_EXPLANATIONS, _is_explanation)


def _parse(text: str, letters: frozenset[str], is_literal: Callable[[str], object]) -> Macros:
    parts: list[str | Macro] = []
    for escape, letter, kept, order, delimiters, literal, stray in _TOKEN.findall(text):
        if stray or (letter and letter.lower() not in letters):
            raise BrokenRecord(f"a macro in {cut(text)!r} is unknown")
        if letter:
            each_once = "".join(dict.fromkeys(delimiters or "."))
            parts.append(Macro(letter.lower(), _number(kept), bool(order), each_once, letter.isupper()))
            continue
        if literal and not is_literal(literal):
            raise BrokenRecord(f"{cut(text)!r} has characters that may not be there")
        parts.append(_ESCAPES[escape] if escape else literal)
    return tuple(parts)


def _number(digits: str) -> int:
    """How many labels are kept; 0 for all, and for more than any name has."""
    if not digits:
        return 0
    number = digits.lstrip("0")
    if not number:
        raise BrokenRecord("a macro that keeps no label")
    return int(number) if len(number) <= 3 else 0


def cut(text: str) -> str:
    """A stranger's text as it may stand in a sentence."""
    return text if len(text) <= 100 else f"{text[:97]}..."


class Expansion:
    """Fills in the macros of one evaluation. What it learns of the client's names it asks once, however often it is wanted."""

    __slots__ = ("_asked", "_confirmed", "_names", "_pointers")

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._pointers: tuple[str, ...] | None = None
        self._confirmed: dict[str, bool] = {}
        self._names: dict[str, str] = {}

    def text(self, parts: Macros, domain: str) -> Asking[str]:
        """The text with its macros filled in; `domain` is the one whose record it stands in."""
        texts, asked = [], self._asked
        for part in parts:
            if isinstance(part, str):
                texts.append(part)
                continue
            value = (yield from self.client_name(domain)) if part.letter == "p" else _value(part.letter, asked, domain)
            texts.append(_transformed(value, part))
        return "".join(texts)

    def name(self, parts: Macros, domain: str) -> Asking[str]:
        """As `text`, for a name to ask about: of one that is too long the last labels (RFC 7208, 7.3)."""
        text = parts[0] if len(parts) == 1 and isinstance(parts[0], str) else (yield from self.text(parts, domain))
        name = text.removesuffix(".").lower()
        if len(name) > LONGEST_NAME:
            name = name[-LONGEST_NAME - 1 :].partition(".")[2]
        return name

    def client_name(self, domain: str) -> Asking[str]:
        """The macro p: a name of the client's that leads back to it, in `domain` if one is; else "unknown" (RFC 7208, 7.3)."""
        if domain not in self._names:
            self._names[domain] = yield from self._client_name(domain)
        return self._names[domain]

    def _client_name(self, domain: str) -> Asking[str]:
        pointers = yield from self.pointers()
        for name in sorted(pointers, key=lambda name: (name != domain, not is_within(name, domain))):
            if (yield from self.leads_back(name)):
                return name
        return "unknown"

    def pointers(self) -> Asking[tuple[str, ...]]:
        """The first names of the client in the reverse tree; where the DNS fails it has none."""
        if self._pointers is None:
            answer = yield Question(self._asked.client.reverse_pointer, "PTR")
            self._pointers = answer.texts[:MOST_POINTERS]
        return self._pointers

    def leads_back(self, name: str) -> Asking[bool]:
        """Whether the name has the client's address."""
        if name not in self._confirmed:
            answer = yield Question(name, self._asked.address_type)
            self._confirmed[name] = str(self._asked.client) in answer.records
        return self._confirmed[name]


def is_within(name: str, domain: str) -> bool:
    """Whether a name is the domain or below it; both in lower case."""
    return name == domain or name.endswith(f".{domain}")


def _value(letter: str, asked: Asked, domain: str) -> str:  # noqa: PLR0911  (one line a macro)
    match letter:
        case "s":
            return f"{asked.local_part}@{asked.sender_domain}"
        case "l":
            return asked.local_part
        case "o":
            return asked.sender_domain
        case "d":
            return domain
        case "i":
            return str(asked.client) if asked.client.version == 4 else ".".join(asked.client.packed.hex())
        case "v":
            return "in-addr" if asked.client.version == 4 else "ip6"
        case "h":
            return asked.hello_domain
        case "c":
            return str(asked.client)
        case "t":
            return str(int(asked.now().timestamp()))
        case _:
            return _RECEIVER


def _transformed(value: str, macro: Macro) -> str:
    first = macro.delimiters[0]
    for other in macro.delimiters[1:]:
        value = value.replace(other, first)
    labels = value.split(first)
    if macro.is_reversed:
        labels.reverse()
    text = ".".join(labels[-macro.kept :])  # all of them where that is 0
    return quote(text, safe="", errors="replace") if macro.is_escaped else text
