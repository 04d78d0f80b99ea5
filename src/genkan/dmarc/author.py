# SPDX-License-Identifier: Apache-2.0
"""The author domain of a message: the one domain in its one From field (RFC 9989, 5.3.1)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from genkan.message.address_list import parse_addresses
from genkan.smtp.address import fold_domain

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST_DOMAIN: Final = 253  # octets, as text
MOST_CLAIMED: Final = 3  # domains of a message without one author that are judged; nobody writes for more

# The name of a host or, since the DNS has such names and mail comes from them, one with underscores.
_match_domain: Final = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*+").fullmatch
_find_domains: Final = re.compile(r"@[ \t]*+([^\s@<>()\[\]\",;:]++)").findall
_match_address: Final = re.compile(r'(?:"(?:[^"\\]|\\.)*+"|[^"@\s])++@([^"@\s]++)', re.DOTALL).fullmatch


class Author(NamedTuple):
    """The domain, in lower case and A-labels; "" where there is not exactly one, and `problem` says why.

    Then `claimed` are the domains that a reader may be shown all the same, one more than `MOST_CLAIMED` at most.
    """

    domain: str
    problem: str = ""
    claimed: tuple[str, ...] = ()

    @property
    def domains(self) -> tuple[str, ...]:
        """Those that the message is judged by: none when it claims more than anybody means."""
        if self.domain:
            return (self.domain,)
        return self.claimed if len(self.claimed) <= MOST_CLAIMED else ()


def find_author(bodies: Sequence[bytes]) -> Author:
    """The author domain by the unfolded bodies of all From fields of a message, whole: half a field has another author.

    Several addresses may stand in the field if their domains are the same.
    """
    texts = [body.decode("utf-8", "surrogateescape") for body in bodies]
    found = _only_author(texts)
    return found._replace(claimed=_claimed(texts)) if found.problem else found


def _only_author(texts: Sequence[str]) -> Author:
    if len(texts) != 1:
        return Author("", "there is no From field" if not texts else "there are several From fields")
    addresses = parse_addresses(texts[0])
    if addresses is None:
        return Author("", "the From field is malformed")
    domains = {_domain(address) for address in addresses}
    if not domains:
        return Author("", "the From field names nobody")
    if None in domains:
        return Author("", "an address in the From field is malformed")
    if len(domains) > 1:
        return Author("", "the From field has several domains")
    return Author(domains.pop() or "")


def _claimed(texts: Sequence[str]) -> tuple[str, ...]:
    """The domains of the addresses; of a field that is no list of addresses, whatever stands behind an @."""
    claimed: dict[str, None] = {}
    for text in texts:
        domains = [_domain(address) for address in parse_addresses(text) or ()]
        if not domains or None in domains:
            domains = [plain_domain(name) for name in _find_domains(text)]
        claimed |= dict.fromkeys(domain for domain in domains if domain)
        if len(claimed) > MOST_CLAIMED:
            break
    return tuple(claimed)[: MOST_CLAIMED + 1]


def plain_domain(text: str) -> str | None:
    """A domain in lower case and A-labels without a final dot; `None` for what is none, an address literal among it."""
    folded = fold_domain(text.removesuffix("."))
    return folded if len(folded) <= LONGEST_DOMAIN and _match_domain(folded) else None


def _domain(address: str) -> str | None:
    """The local-part is none of our business, and many are in use that RFC 5322 does not allow."""
    found = _match_address(address)
    return None if found is None else plain_domain(found[1])
