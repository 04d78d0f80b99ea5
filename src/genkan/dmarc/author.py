# SPDX-License-Identifier: Apache-2.0
"""The author domain of a message: the one domain in its one From field (RFC 9989, 5.3.1)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from genkan.message.address_list import LONGEST, parse_addresses
from genkan.message.encoded_words import decode_words
from genkan.smtp.address import fold_domain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LONGEST_DOMAIN: Final = 253  # octets, as text
MOST_FIELDS: Final = 3  # From fields that are looked at; there should be one
MOST_CLAIMED: Final = 3  # domains of a message without one author that are judged; nobody writes for more

# The name of a host or, since the DNS has such names and mail comes from them, one with underscores.
_match_domain: Final = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*+").fullmatch
_match_address: Final = re.compile(r'(?:"(?:[^"\\]|\\.)*+"|[^"@])++@([^"@]++)', re.DOTALL).fullmatch
_join_labels: Final = re.compile(r"[ \t\r\n]*+\.[ \t\r\n]*+").sub
_find_claims: Final = re.compile(r"@(?![ \t]*+\[)[ \t]*+([^\s@<>()\[\]\",;:]*+)").finditer


class Author(NamedTuple):
    """The domain, in lower case and A-labels; "" where there is not exactly one, and `problem` says why.

    Then `claimed` are the domains that a reader may be shown all the same; `is_unclear` if there may be others among them, or
    more than `MOST_CLAIMED`.
    """

    domain: str
    problem: str = ""
    claimed: tuple[str, ...] = ()
    is_unclear: bool = False

    @property
    def domains(self) -> tuple[str, ...]:
        """Those that the message is judged by."""
        if self.domain:
            return (self.domain,)
        return () if self.is_unclear else self.claimed


def find_author(bodies: Sequence[bytes]) -> Author:
    """The author domain by the unfolded bodies of all From fields of a message, whole: half a field has another author.

    Several addresses may stand in the field if their domains are the same. No more than `MOST_FIELDS` are looked at.
    """
    fields = [_written(body) for body in bodies[:MOST_FIELDS]]
    problem = _problem(fields)
    if not problem and fields[0] is not None:
        return Author(plain_domain(fields[0][0]) or "")
    claimed: dict[str, None] = {}
    for body, written in zip(bodies, fields, strict=False):
        for claim in _claims(body, written):
            if claim is None or (len(claimed) == MOST_CLAIMED and claim not in claimed):
                return Author("", problem, tuple(claimed), is_unclear=True)
            claimed[claim] = None
    return Author("", problem, tuple(claimed), is_unclear=len(bodies) > MOST_FIELDS)


def plain_domain(text: str) -> str | None:
    """A domain in lower case and A-labels without a final dot; `None` for what is none, an address literal among it."""
    if len(text) > LONGEST_DOMAIN + 1:
        return None
    folded = fold_domain(text.removesuffix("."))
    return folded if len(folded) <= LONGEST_DOMAIN and _match_domain(folded) else None


def _written(body: bytes) -> tuple[str, ...] | None:
    """The domains of a field's addresses as they are written, each once; `None` when it is no list of addresses with domains.

    White space and comments around dots are no part of them (RFC 5322, 4.4). The local-part is none of our business, and many
    are in use that the RFC does not allow.
    """
    addresses = parse_addresses(body.decode("utf-8", "surrogateescape"))
    found = [_match_address(address) for address in addresses or ()]
    domains = dict.fromkeys("" if one is None else _join_labels(".", one[1]).strip() for one in found)
    return None if addresses is None or "" in domains else tuple(domains)


def _problem(fields: Sequence[tuple[str, ...] | None]) -> str:
    """Why there is not one domain, "" if there is."""
    if len(fields) != 1:
        return "there are several From fields" if fields else "there is no From field"
    written = fields[0]
    if written == ():
        return "the From field names nobody"
    first = plain_domain(written[0]) if written else None
    if written is None or first is None:
        return "the From field is malformed"
    return "the From field has several domains" if any(plain_domain(name) != first for name in written[1:]) else ""


def _claims(body: bytes, written: tuple[str, ...] | None) -> Iterator[str | None]:
    """The domains of a field; of one that is no list of addresses, whatever stands behind an @ where a reader sees it.

    `None` is one that cannot be made out. An address literal claims none.
    """
    if written is not None:
        yield from (plain_domain(name) for name in written if not name.startswith("["))
    elif len(body) > LONGEST:
        yield None
    else:
        yield from (plain_domain(found[1]) for found in _find_claims(decode_words(body)))
