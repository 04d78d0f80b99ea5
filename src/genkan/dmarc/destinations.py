# SPDX-License-Identifier: Apache-2.0
"""Who gets the reports about a domain: its rua addresses, those elsewhere only if whoever is there consents (RFC 9990, 4).

Without that, anybody could have reports of the whole world sent to somebody he does not like.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import unquote

from genkan.dmarc.author import LONGEST_DOMAIN, plain_domain
from genkan.dmarc.record import parse_record
from genkan.smtp.address import AddressError, Mailbox, parse_mailbox

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from genkan.dmarc.discovery import TreeWalks

MOST_DESTINATIONS: Final = 5  # that a domain may have; the first count


class Refused(NamedTuple):
    """A URI that gets no report, and why."""

    uri: str
    reason: str


class Destinations(NamedTuple):
    """Where to send the report, whom not, and the URIs of which the DNS does not say: for them it may be tried again later."""

    mailboxes: tuple[Mailbox, ...]
    refused: tuple[Refused, ...] = ()
    undecided: tuple[str, ...] = ()


async def find_destinations(policy_domain: str, rua: Sequence[str], walks: TreeWalks) -> Destinations:
    """Look at the URIs of the record of `policy_domain` in their order. What is asked is shared as for a message."""
    mailboxes: dict[Mailbox, None] = {}
    refused: list[Refused] = []
    undecided: list[str] = []
    for place, uri in enumerate(rua):
        mailbox = parse_mailto(uri)
        if mailbox is None:
            refused.append(Refused(uri, "it is no mailto address"))
        elif place >= MOST_DESTINATIONS:
            refused.append(Refused(uri, f"there are {MOST_DESTINATIONS} before it"))
        else:
            answer = await _permitted(policy_domain, mailbox, walks)
            if answer is None:
                undecided.append(uri)
            elif isinstance(answer, str):
                refused.append(Refused(uri, answer))
            else:
                mailboxes.update(dict.fromkeys(answer))
    return Destinations(tuple(mailboxes)[:MOST_DESTINATIONS], tuple(refused), tuple(undecided))


def parse_mailto(uri: str) -> Mailbox | None:
    """The one address of a mailto URI (RFC 6068, 2), what it may say of header fields left aside; `None` for any other."""
    scheme, _, rest = uri.partition(":")
    if scheme.lower() != "mailto":
        return None
    try:
        return parse_mailbox(unquote(rest.partition("?")[0], errors="strict"))
    except (AddressError, UnicodeDecodeError):
        return None


async def _permitted(policy_domain: str, mailbox: Mailbox, walks: TreeWalks) -> tuple[Mailbox, ...] | str | None:
    """The address, or those that whoever is there wants in its place; or why not; `None` when the DNS does not say."""
    host = plain_domain(mailbox.domain)
    if host is None:
        return "its domain is none"
    is_own = await _has_same_organization(host, policy_domain, walks)
    if is_own is None:
        return None
    return (mailbox,) if is_own else await _consented(policy_domain, mailbox, host, walks)


async def _has_same_organization(host: str, policy_domain: str, walks: TreeWalks) -> bool | None:
    if host == policy_domain:
        return True
    ours, theirs = await walks.discover(policy_domain), await walks.discover(host)
    return None if ours.failed or theirs.failed else ours.organizational_domain == theirs.organizational_domain


async def _consented(
    policy_domain: str, mailbox: Mailbox, host: str, walks: TreeWalks
) -> tuple[Mailbox, ...] | str | None:
    """As `_permitted`, for an address at a host of others."""
    name = f"{policy_domain}._report._dmarc.{host}"
    if len(name) > LONGEST_DOMAIN:
        return f"{name} is too long a name to ask for"
    found = await walks.find_texts(name)
    if found.status == "failed":
        return None
    records = [record for text in found.texts if (record := parse_record(text)) is not None]
    if not records:
        return f"{host} does not say at {name} that it wants reports about {policy_domain}"
    instead = next((record.rua for record in records if record.rua), ())
    return _overridden(host, instead) if instead else (mailbox,)


def _overridden(host: str, uris: Iterable[str]) -> tuple[Mailbox, ...] | str:
    """The addresses that stand in the place of another of theirs; they have to be at the same host (RFC 9990, 4, step 9)."""
    mailboxes = [mailbox for uri in uris if (mailbox := parse_mailto(uri)) is not None]
    if not mailboxes or any(plain_domain(mailbox.domain) != host for mailbox in mailboxes):
        return f"{host} names addresses elsewhere in its place"
    return tuple(mailboxes)
