# SPDX-License-Identifier: Apache-2.0
"""Reads aggregate reports: those of RFC 9990, and those of RFC 7489, appendix C, which have no namespace.

A document type is refused, and with it every entity but the five of XML itself: so none can stand for many others or for a file
of ours. Elements of other namespaces are extensions (RFC 9990, 5) and left out.
"""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, Literal, TypeVar, get_args
from xml.parsers import expat

from genkan.dmarc.aggregate import (
    DiscoveryMethod,
    Disposition,
    Override,
    OverrideType,
    Period,
    PublishedPolicy,
    Report,
    Reporter,
    Row,
    Signature,
    SpfAuthResult,
)
from genkan.dmarc.record import Alignment, Policy
from genkan.dmarc.report import MOST_TEXT, NAMESPACE
from genkan.dmarc.unpacking import ReportError, report_octets
from genkan.message.visible import visible

if TYPE_CHECKING:
    from collections.abc import Sequence

_Word = TypeVar("_Word", bound=str)

MOST_ROWS: Final = 20_000  # of a report; they take about three seconds
MOST_DEPTH: Final = 20  # elements within one another
MOST_NODES: Final = 1_000  # elements of a row, and of what stands before it; extensions count as well
MOST_ELEMENTS: Final = 500_000  # of a document; a row has some 25
MOST_NAMES: Final = 1_000  # of elements and attributes, and namespaces, that are different: expat keeps them to the end
MOST_SIGNATURES: Final = 20  # of a row that are kept
MOST_OVERRIDES: Final = 10  # likewise
LONGEST_NAME: Final = 255  # characters of a name; a domain of the DNS has 253
PIECE: Final = 64 * 1024  # octets that expat gets at once: for so long no other thread runs

_NAMESPACES: Final = ("", NAMESPACE, "http://dmarc.org/dmarc-xml/0.1", "http://dmarc.org/dmarc-xml/0.2")
_MOST_DIGITS: Final = 12
_LAST_SECOND: Final = 253_402_300_799  # of the year 9999

_POLICIES: Final[tuple[Policy, ...]] = get_args(Policy)
_ALIGNMENTS: Final[tuple[Alignment, ...]] = get_args(Alignment)
_DISPOSITIONS: Final[tuple[Disposition, ...]] = get_args(Disposition)
_OVERRIDES: Final[tuple[OverrideType, ...]] = get_args(OverrideType)
_METHODS: Final[tuple[DiscoveryMethod, ...]] = get_args(DiscoveryMethod)
_DKIM_RESULTS: Final = frozenset(("none", "pass", "fail", "policy", "neutral", "temperror", "permerror"))
_SPF_RESULTS: Final = _DKIM_RESULTS | {"softfail"}


def read_report(mail: bytes) -> Report:
    """The report that a mail brings. Raises `ReportError`, nothing else, when there is none that can be read.

    Takes seconds for the largest ones, so it is nothing for an event loop.
    """
    return parse_report(report_octets(mail))


def parse_report(xml: bytes) -> Report:
    """The report that the XML says. Texts are made one line of visible characters. Raises `ReportError`."""
    reader = _Reader()
    reader.read(xml)
    return _report(reader)


class _Node:
    """An element: its own text, and the elements in it by name."""

    __slots__ = ("_text", "children", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.children: dict[str, list[_Node]] = {}
        self._text = ""

    def append(self, text: str) -> None:
        if len(self._text) <= 2 * MOST_TEXT:
            self._text += text[: 2 * MOST_TEXT]

    def one(self, name: str) -> _Node:
        """The element of that name in this one, the first of several."""
        found = self.children.get(name)
        if not found:
            raise ReportError(f"{self.name} has no {name}")
        return found[0]

    def text(self, name: str, most: int = MOST_TEXT) -> str:
        """The text of an element that has to be there, so many characters of it."""
        return visible(self.one(name)._text, most)  # noqa: SLF001  # of its own class

    def text_or_none(self, name: str, most: int = MOST_TEXT) -> str:
        """The text of an element, "" when it is not there."""
        return self.text(name, most) if name in self.children else ""

    def needed(self, name: str, most: int = MOST_TEXT) -> str:
        """The text of an element that has to be there and to have one."""
        text = self.text(name, most)
        if not text:
            raise ReportError(f"{name} in {self.name} is empty")
        return text

    def word(self, name: str, words: tuple[_Word, ...]) -> _Word:
        """The text, one of these words in any case."""
        text = self.needed(name)
        for word in words:
            if word == text.lower():
                return word
        raise ReportError(f"{name} is {text!r}")

    def word_or_none(self, name: str, words: tuple[_Word, ...]) -> _Word | Literal[""]:
        """The same for an element that need not be there, or may be empty."""
        return self.word(name, words) if self.text_or_none(name) else ""

    def number(self, name: str) -> int:
        """The text as a number that is not negative."""
        text = self.needed(name)
        if not (text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS):
            raise ReportError(f"{name} is {text!r}, which is no number")
        return int(text)


class _Reader:
    """Takes the XML. A row is made as soon as its element has ended, so that there is never much of the document."""

    def __init__(self) -> None:
        self.root = _Node("")
        self.rows: list[tuple[Row, int]] = []
        self._path: list[_Node] = []
        self._namespace = ""
        self._nodes = 0
        self._elements = 0
        self._names: dict[str, str] = {}

    def read(self, xml: bytes) -> None:
        encoding = "UTF-8"  # whatever it says: else it could choose one of Python's codecs
        parser = expat.ParserCreate(encoding, " ", self._names)
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._refuse
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.StartNamespaceDeclHandler = self._check_names
        parser.CharacterDataHandler = self._take_text
        try:
            self._feed(parser, xml)
        except expat.ExpatError as error:
            raise ReportError(f"the XML is broken: {expat.ErrorString(error.code)}, line {error.lineno}") from None

    def _feed(self, parser: expat.XMLParserType, xml: bytes) -> None:
        """Piece by piece. A tag or a comment that is not complete is looked at again with each piece, so it may not be long."""
        with memoryview(xml) as octets:
            for start in range(0, len(octets), PIECE):
                piece = octets[start : start + PIECE]
                parser.Parse(piece, False)  # noqa: FBT003  # more may come
                if start + len(piece) - parser.CurrentByteIndex >= PIECE:
                    raise ReportError(f"the XML has a tag or comment of more than {PIECE} octets")
        parser.Parse(b"", True)  # noqa: FBT003  # that was all

    def _refuse(self, *_: object) -> None:
        raise ReportError("the XML has a document type")

    def _check_names(self, *_: object) -> None:
        if len(self._names) > MOST_NAMES:
            raise ReportError("the XML has too many different names")

    def _start(self, name: str, _: dict[str, str]) -> None:
        self._check_names()
        self._nodes += 1
        self._elements += 1
        namespace, _blank, local = name.rpartition(" ")
        node = _Node(local)
        if not self._path:
            if local != "feedback" or namespace not in _NAMESPACES:
                raise ReportError("the XML is no report")
            self.root, self._namespace = node, namespace
        elif namespace == self._namespace and self._path[-1].name:
            if not (local == "record" and len(self._path) == 1):
                self._path[-1].children.setdefault(local, []).append(node)
        else:
            node.name = ""  # an extension, with all that is in it
        self._path.append(node)
        if len(self._path) > MOST_DEPTH or self._nodes > MOST_NODES or self._elements > MOST_ELEMENTS:
            raise ReportError("the XML has too many elements")

    def _end(self, _: str) -> None:
        node = self._path.pop()
        if node.name == "record" and len(self._path) == 1:
            self.rows.append(_counted_row(node))
            self._nodes = 0
            if len(self.rows) > MOST_ROWS:
                raise ReportError(f"the report has more than {MOST_ROWS} records")

    def _take_text(self, text: str) -> None:
        self._path[-1].append(text)


def _report(reader: _Reader) -> Report:
    root = reader.root
    metadata, policy = root.one("report_metadata"), root.one("policy_published")
    return Report(
        reporter=Reporter(
            organization=metadata.needed("org_name", LONGEST_NAME),
            email=metadata.text_or_none("email", LONGEST_NAME),
            generator=metadata.text_or_none("generator"),
        ),
        id=metadata.needed("report_id"),
        period=_period(metadata.one("date_range")),
        policy=_policy(policy),
        rows=tuple(reader.rows),
        error=metadata.text_or_none("error"),
    )


def _period(node: _Node) -> Period:
    begin, end = node.number("begin"), node.number("end")
    if not begin <= end <= _LAST_SECOND:
        raise ReportError(f"the period is from {begin} to {end}")
    return Period(datetime.fromtimestamp(begin, UTC), datetime.fromtimestamp(end, UTC))


def _policy(node: _Node) -> PublishedPolicy:
    return PublishedPolicy(
        domain=node.needed("domain", LONGEST_NAME),
        p=node.word("p", _POLICIES),
        sp=node.word_or_none("sp", _POLICIES),
        np=node.word_or_none("np", _POLICIES),
        adkim=node.word_or_none("adkim", _ALIGNMENTS),
        aspf=node.word_or_none("aspf", _ALIGNMENTS),
        fo=node.text_or_none("fo", LONGEST_NAME),
        testing=node.text_or_none("testing").lower() == "y",
        discovery=node.word_or_none("discovery_method", _METHODS),
    )


def _counted_row(record: _Node) -> tuple[Row, int]:
    row, identifiers = record.one("row"), record.one("identifiers")
    evaluated = row.one("policy_evaluated")
    results = record.children.get("auth_results", [_Node("auth_results")])[0]
    signatures = [_signature(node) for node in results.children.get("dkim", ())[:MOST_SIGNATURES]]
    made = Row(
        source=_address(row.needed("source_ip")),
        disposition=evaluated.word("disposition", _DISPOSITIONS),
        dkim_aligned=evaluated.needed("dkim").lower() == "pass",
        spf_aligned=evaluated.needed("spf").lower() == "pass",
        header_from=identifiers.needed("header_from", LONGEST_NAME),
        envelope_from=identifiers.text_or_none("envelope_from", LONGEST_NAME),
        signatures=tuple(one for one in signatures if one.result in _DKIM_RESULTS),
        spf=_spf_check(results.children.get("spf", ())),
        overrides=tuple(_override(node) for node in evaluated.children.get("reason", ())[:MOST_OVERRIDES]),
    )
    return made, row.number("count")


def _signature(node: _Node) -> Signature:
    domain, selector = node.text("domain", LONGEST_NAME), node.text_or_none("selector", LONGEST_NAME)
    return Signature(domain, selector, node.needed("result").lower())


def _spf_check(nodes: Sequence[_Node]) -> SpfAuthResult | None:
    """The first of several; one with a result that nobody knows says nothing, and neither does such a signature."""
    if not nodes:
        return None
    check = SpfAuthResult(nodes[0].text("domain", LONGEST_NAME), nodes[0].needed("result").lower())
    return check if check.result in _SPF_RESULTS else None


def _override(node: _Node) -> Override:
    """Types that only RFC 7489 has, "forwarded" and "sampled_out", go into the comment."""
    kind, comment = node.needed("type", LONGEST_NAME), node.text_or_none("comment", LONGEST_NAME)
    known = next((one for one in _OVERRIDES if one == kind), None)
    if known is not None:
        return Override(known, comment)
    return Override("other", visible(f"{kind} {comment}", LONGEST_NAME))


def _address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        raise ReportError(f"source_ip is {text!r}, which is no address") from None
