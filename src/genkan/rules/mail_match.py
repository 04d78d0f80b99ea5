# SPDX-License-Identifier: Apache-2.0
"""Which block of `mail.dat` decides about a mail: all words of all blocks are found in one pass over each text (pure).

Who filters asks for the `candidates`, looks up what they name, and lets `decide`: the first candidate that needs no
lookup, or one of whose lookups is listed.
"""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from ahocorasick_rs import BytesAhoCorasick, Implementation

from genkan.message.header import HeaderFields
from genkan.rules.mail_block import Condition, HostList, Item, MailBlock, Token
from genkan.rules.mail_fold import fold, wildcard_in
from genkan.rules.mail_hosts import Lookup, author_address, first_address, hosts_in

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Iterable, Iterator, Sequence


_WINDOW: Final = 65536  # octets searched at once: what a word of one letter finds in them stays small
_MAX_DFA: Final = 16384  # octets of words that become the fastest form of automaton, which is also the largest


class MailText:
    """A mail as the filter sees it; what several rule documents ask for is made once, and only when asked for."""

    __slots__ = ("_bodies", "_fields", "_hosts", "header", "texts")

    def __init__(self, header: HeaderFields, texts: Sequence[str]) -> None:
        """`header` and `texts` are those of a `TextReader`."""
        self.header = header
        self.texts = texts
        self._fields: dict[str, tuple[str, ...]] = {}
        self._bodies: tuple[str, ...] | None = None
        self._hosts: tuple[str, ...] | None = None

    def with_field(self, field: bytes) -> Self:
        """The same mail with a field, whole and with its CRLF, before all others."""
        marked = copy(self)
        marked.header = HeaderFields(field + self.header.octets)
        marked._fields = {}
        return marked

    def folded(self, header: str) -> tuple[str, ...]:
        """The bodies of the fields of that name, or for "" the texts of the body, folded for comparison."""
        if not header:
            if self._bodies is None:
                self._bodies = tuple(map(fold, self.texts))
            return self._bodies
        fields = self._fields.get(header)
        if fields is None:
            fields = self._fields[header] = tuple(map(fold, self.header.texts(header)))
        return fields

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts of links in the body."""
        if self._hosts is None:
            self._hosts = hosts_in(self.texts)
        return self._hosts

    def from_differs(self) -> bool:
        """Whether the From field and the body each have an address, and the first of the body is another one."""
        author, found = author_address(self.header.text("from")), first_address(self.texts)
        return bool(author and found) and author != found


class Candidate(NamedTuple):
    """A block whose conditions are met, with the token that met each; it decides if one of the lookups is listed.

    It decides anyway when the block has no `RBL:`; with `RBL:` and no lookups it does not.
    """

    block: MailBlock
    tokens: tuple[Token, ...]
    lookups: tuple[Lookup, ...]


class MailMatch(NamedTuple):
    """The block that decides, and why: the tokens that were found, and the lookup that was listed."""

    block: MailBlock
    tokens: tuple[Token, ...]
    listed: Lookup | None


class MailMatcher:
    """The blocks of one document, made ready to be compared with much mail."""

    def __init__(self, blocks: Sequence[MailBlock]) -> None:
        """`blocks` as they stand in the document; the first that matches decides."""
        self._blocks = tuple(blocks)
        words: dict[str, dict[bytes, list[int]]] = {}
        self._needed: list[int] = []  # for each block, in how many header fields a word of it must be found
        self._asks_body: list[bool] = []
        for index, block in enumerate(self._blocks):
            needed = [condition for condition in block.conditions if _add_words(condition, index, words)]
            self._needed.append(sum(1 for condition in needed if condition.header))
            self._asks_body.append(any(not condition.header for condition in needed))
        body = words.pop("", None)
        self._body = _Words("", body) if body else None
        self._headers = [_Words(header, of_header) for header, of_header in words.items()]
        plain = [index for index, needed in enumerate(self._needed) if not needed]
        self._always = [index for index in plain if not self._asks_body[index]]
        self._body_alone = len(plain) > len(self._always)

    def candidates(self, mail: MailText) -> tuple[Candidate, ...]:
        """The blocks that may decide, in their order, up to the first that needs no lookup."""
        found = []
        for index in sorted(self._possible(mail)):
            block = self._blocks[index]
            tokens = _met(block.conditions, mail)
            if tokens is not None:
                found.append(Candidate(block, tokens, _lookups(block.lists, mail)))
                if not block.lists:
                    break
        return tuple(found)

    def first(self, mail: MailText, listed: Container[Lookup] = ()) -> MailMatch | None:
        """The block that decides when just the lookups in `listed` have a yes."""
        return decide(self.candidates(mail), listed)

    def _possible(self, mail: MailText) -> list[int]:
        """Blocks that have a word in every place where they need one; what else they ask is not looked at yet."""
        counts: dict[int, int] = {}
        for words in self._headers:
            if mail.header.has(words.name):
                for index in words.blocks_in(mail.folded(words.header)):
                    counts[index] = counts.get(index, 0) + 1
        by_header = [index for index, count in counts.items() if count == self._needed[index]]
        possible = self._always + [index for index in by_header if not self._asks_body[index]]
        if self._body and (self._body_alone or any(self._asks_body[index] for index in by_header)):
            in_body = self._body.blocks_in(mail.folded(""))
            possible += [index for index in in_body if counts.get(index, 0) == self._needed[index]]
        return possible


class _Words:
    """The words of all blocks for one header field, or for the body, and whose they are."""

    __slots__ = ("_automaton", "_blocks", "_overlap", "header", "name")

    def __init__(self, header: str, blocks: dict[bytes, list[int]]) -> None:
        self.header = header
        self.name = header.encode("utf-8", "replace")
        self._blocks = list(blocks.values())
        self._overlap = max(map(len, blocks)) - 1
        implementation = Implementation.DFA if sum(map(len, blocks)) <= _MAX_DFA else None
        self._automaton = BytesAhoCorasick(list(blocks), implementation=implementation)

    def blocks_in(self, texts: Iterable[str]) -> Collection[int]:
        """The blocks one of whose words is in one of the texts."""
        found: set[int] = set()
        for text in texts:
            octets = text.encode("utf-8", "replace")
            if len(octets) <= _WINDOW:
                found.update([word for word, _, _ in self._automaton.find_matches_as_indexes(octets, overlapping=True)])
                continue
            for start in range(0, len(octets), _WINDOW):
                window = octets[start : start + _WINDOW + self._overlap]
                found.update([word for word, _, _ in self._automaton.find_matches_as_indexes(window, overlapping=True)])
        return {index for word in found for index in self._blocks[word]} if found else ()


def decide(candidates: Iterable[Candidate], listed: Container[Lookup]) -> MailMatch | None:
    """The first candidate that decides, given which lookups had a yes."""
    for block, tokens, lookups in candidates:
        if not block.lists:
            return MailMatch(block, tokens, None)
        for lookup in lookups:
            if lookup in listed:
                return MailMatch(block, tokens, lookup)
    return None


def _add_words(condition: Condition, index: int, words: dict[str, dict[bytes, list[int]]]) -> bool:
    """Add one word of each token, the longest, to those looked for; not if a token has none, as then no word is needed."""
    longest = [max(token.pieces, key=len, default="") for token in condition.tokens]
    if not all(longest):
        return False
    of_header = words.setdefault(condition.header, {})
    for word in longest:
        indexes = of_header.setdefault(word.encode("utf-8", "replace"), [])
        if not indexes or indexes[-1] != index:
            indexes.append(index)
    return True


def _met(conditions: Iterable[Condition], mail: MailText) -> tuple[Token, ...] | None:
    """For each condition the first of its tokens that is found; `None` if one has none."""
    tokens = []
    for condition in conditions:
        token = next((token for token in condition.tokens if _is_met(condition, token, mail)), None)
        if token is None:
            return None
        tokens.append(token)
    return tuple(tokens)


def _is_met(condition: Condition, token: Token, mail: MailText) -> bool:
    if not token.pieces:  # FROM_DIFFERS
        return mail.from_differs()
    if token.is_any and condition.item is not Item.UNIQUE_HEADER:
        return True  # `From:*` is meant for any mail, also for one without the field
    return any(wildcard_in(token.pieces, text) for text in mail.folded(condition.header))


def _lookups(lists: Iterable[HostList], mail: MailText) -> tuple[Lookup, ...]:
    return tuple(dict.fromkeys(_lookups_of(lists, mail)))


def _lookups_of(lists: Iterable[HostList], mail: MailText) -> Iterator[Lookup]:
    for hosts in lists:
        known = [tuple(pattern.split("*")) for pattern in hosts.known]
        for host in mail.hosts:
            if not any(_is_known(pieces, host) for pieces in known):
                yield Lookup(host, hosts.zone, hosts.server, hosts.cached)


def _is_known(pieces: tuple[str, ...], host: str) -> bool:
    return host == pieces[0] if len(pieces) == 1 else wildcard_in(pieces, host)
