# SPDX-License-Identifier: Apache-2.0
"""Lists that are asked by DNS: of client addresses (RFC 5782, 2) and of hosts that mail speaks of (SURBL, URIBL).

A list that fails or does not answer in time counts as one that has nothing against the client.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

from genkan.ip import parse_address

if TYPE_CHECKING:
    from collections.abc import Sequence

    from genkan.dns.answer import Answer
    from genkan.dns.resolver import Resolver

MOST_LABELS: Final = 4  # of a host's registered domain: example.city.pref.jp


class Listing(Enum):
    """What the cache alone cannot tell."""

    UNKNOWN = "unknown"


UNKNOWN: Final = Listing.UNKNOWN


def blocklist_name(client_address: str, zone: str) -> str:
    """The name to ask for: octets or nibbles from behind, then the zone. Raises `ValueError` for what is no address."""
    pointer = parse_address(client_address).reverse_pointer
    return f"{pointer.removesuffix('.in-addr.arpa').removesuffix('.ip6.arpa')}.{zone}"


async def listed(resolver: Resolver, client_address: str, zones: Sequence[str]) -> str | None:
    """The first of the zones that lists the client; all are asked at once, so it takes one question's deadline at most."""
    questions = [resolver.query(blocklist_name(client_address, zone), "A", client_address) for zone in zones]
    for zone, question in zip(zones, questions, strict=True):
        if _is_hit(await question):
            return zone
    return None


def listed_now(resolver: Resolver, client_address: str, zones: Sequence[str]) -> str | Listing | None:
    """As `listed`, from what is known already; `UNKNOWN` when a zone has to be asked before the answer is sure."""
    for zone in zones:
        answer = resolver.cached(blocklist_name(client_address, zone), "A")
        if answer is None:
            return UNKNOWN
        if _is_hit(answer):
            return zone
    return None


async def host_listed(resolver: Resolver, host: str, zone: str) -> bool:
    """Whether a list of hosts names this host, given as a domain or an address, or a domain above it."""
    questions = [resolver.query(name, "A") for name in host_names(host, zone)]
    answers = [await question for question in questions]
    return any(
        _is_hit(answer) and answer.texts != ("127.0.0.1",) for answer in answers
    )  # that one says "you may not ask"


def host_names(host: str, zone: str) -> list[str]:
    """The names to ask a list of hosts for. Such lists name registered domains, which have two to four labels."""
    try:
        return [blocklist_name(host.strip("[]"), zone)]
    except ValueError:
        labels = host.removesuffix(".").split(".")
    counts = range(2, min(len(labels), MOST_LABELS) + 1)
    return [".".join([*labels[-count:], zone]) for count in counts]


def _is_hit(answer: Answer) -> bool:
    """Only 127.0.0.0/8 says "listed"; in 127.255.255.0/24 lists tell the asker of an error, such as too many questions."""
    return any(text.startswith("127.") and not text.startswith("127.255.255.") for text in answer.texts)
