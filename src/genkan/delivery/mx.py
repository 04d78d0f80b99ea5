# SPDX-License-Identifier: Apache-2.0
"""Where a domain's mail goes: its MX hosts and their addresses, in the order to try them (RFC 5321, 5.1; RFC 7505).

Whose zones are asked is decided by whoever writes an address, so hosts and addresses are bounded. Nothing connects here.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, ip_address
from itertools import chain, zip_longest
from random import Random, SystemRandom
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from genkan.delivery.outcome import Deferred, Failed
from genkan.dns.answer import Answer, MailExchange, Status
from genkan.ip import parse_address
from genkan.smtp.address import fold_domain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from genkan.dns.answer import RecordType
    from genkan.dns.resolver import Resolver

Families = Literal["any", "ipv4", "ipv6"]

SMTP_PORT: Final = 25
MOST_HOSTS: Final = 20  # of a domain; the best are kept
MOST_ADDRESSES: Final = 20  # of a domain, over all its hosts

# RFC 3463: what says why a domain's mail has nowhere to go.
NO_SUCH_DOMAIN: Final = "5.1.2"
TAKES_NO_MAIL: Final = "5.1.10"  # RFC 7505, 5.1
NO_ROUTE: Final = "5.4.4"
ROUTING_LOOP: Final = "5.4.6"
DNS_FAILED: Final = "4.4.3"
NO_ROUTE_NOW: Final = "4.4.4"

_RANDOM: Final = SystemRandom()
_RECORD_TYPES: Final[dict[Families, tuple[RecordType, ...]]] = {
    "any": ("AAAA", "A"),
    "ipv4": ("A",),
    "ipv6": ("AAAA",),
}
_KINDS: Final[dict[Families, str]] = {"any": "address", "ipv4": "IPv4 address", "ipv6": "IPv6 address"}
_LOCALHOST: Final = {"AAAA": "::1", "A": "127.0.0.1"}  # RFC 6761, 6.3: not for the DNS to say
_WILDCARDS: Final = ("0.0.0.0", "::")  # noqa: S104


class Target(NamedTuple):
    """One address to try; `host` is the name that a certificate has to have, the address itself where there is none."""

    host: str
    address: str
    port: int


@dataclass(frozen=True, slots=True)
class MxTargets:
    """What to try, in this order; at least one.

    `authentic`: the step from the domain to its hosts is (DNSSEC, or no step at all: the operator named the host).
    `authentic_hosts` are those whose addresses are. What that is worth depends on the name server, see `genkan.dns.answer`.
    """

    targets: tuple[Target, ...]
    authentic: bool = False
    authentic_hosts: frozenset[str] = frozenset()

    def is_authentic(self, host: str) -> bool:
        """Whether DNSSEC vouches for the whole way to this host's addresses, as DANE requires (RFC 7672, 2.2.1)."""
        return self.authentic and host in self.authentic_hosts


@dataclass(frozen=True, slots=True)
class OwnNames:
    """What in a list of MX hosts is this server: its names in lower case, and the addresses and ports it listens on.

    A place with the address 0.0.0.0 or :: stands for all addresses of the machine.
    """

    hosts: frozenset[str]
    places: frozenset[tuple[str, int]]

    def include(self, host: str, addresses: Iterable[str], port: int) -> bool:
        """Whether mail for this host and port would come back."""
        return host in self.hosts or any(self._listens_on(address, port) for address in addresses)

    def _listens_on(self, address: str, port: int) -> bool:
        plain = str(parse_address(address))
        if (plain, port) in self.places:
            return True
        return any((wildcard, port) in self.places for wildcard in _WILDCARDS) and _is_of_this_machine(plain)


class _Host(NamedTuple):
    """An MX host and what is known of its addresses; `trouble` is why they may be more or others at another time."""

    preference: int
    name: str
    addresses: tuple[str, ...]
    authentic: bool = False
    trouble: str = ""


async def next_hops(
    resolver: Resolver,
    domain: str,
    own: OwnNames,
    *,
    families: Families = "any",
    port: int = SMTP_PORT,
    randomness: Random = _RANDOM,
) -> MxTargets | Deferred | Failed:
    """The targets for mail to a domain or an address literal, or why there are none now or at all.

    Hosts of equal preference, and the addresses of a host, come in random order, so that their load is shared.
    """
    if domain.startswith("["):
        literal = _literal_address(domain)
        if literal is None:
            return Failed(f"{domain} is no address", status=NO_SUCH_DOMAIN)
        return _ordered(domain, [_Host(0, literal, _of_families([literal], families))], own, families, port)
    name = fold_domain(domain).removesuffix(".")
    answer = await resolver.query(name, "MX")
    refusal = _refusal(domain, answer)
    if refusal is not None:
        return refusal
    exchanges = answer.exchanges or (MailExchange(0, name),)  # RFC 5321, 5.1: the implicit MX
    hosts = await _look_up(resolver, _best(exchanges, randomness), families, randomness)
    found = _ordered(domain, hosts, own, families, port)
    return replace(found, authentic=answer.authentic) if isinstance(found, MxTargets) else found


async def host_targets(
    resolver: Resolver, host: str, port: int, families: Families = "any"
) -> MxTargets | Deferred | Failed:
    """The targets of a host that the operator named, by name or address; its MX records do not matter.

    Never `Failed`: a mistake in a route is put right, and the mail that waits for it goes on.
    """
    name = fold_domain(host.strip("[]")).removesuffix(".")
    literal = _literal_address(f"[{host.strip('[]')}]")
    if literal is not None:
        found = _Host(0, literal, _of_families([literal], families))
    elif name == "localhost":
        found = _Host(0, name, _of_families(_LOCALHOST.values(), families))
    else:
        (found,) = await _look_up(resolver, [MailExchange(0, name)], families, _RANDOM)
    if not found.addresses:
        reason = found.trouble or "correct the route, or the name in the DNS"
        return Deferred(f"{host} has no {_KINDS[families]}: {reason}", status=NO_ROUTE_NOW)
    return MxTargets(_targets([found], port), authentic=True, authentic_hosts=_authentic([found]))


def _refusal(domain: str, answer: Answer) -> Deferred | Failed | None:
    """Why an answer to the question for MX records ends the search; `None` when it goes on."""
    if answer.status is Status.FAILED:
        return Deferred(f"the mail servers of {domain} are not known: {answer.detail}", status=DNS_FAILED)
    if answer.status is Status.NO_SUCH_NAME:
        return Failed(f"there is no domain {domain}", status=NO_SUCH_DOMAIN)
    if [exchange.name for exchange in answer.exchanges] == ["."]:
        return Failed(f"{domain} takes no mail (null MX)", status=TAKES_NO_MAIL)
    return None


def _best(exchanges: Sequence[MailExchange], randomness: Random) -> list[MailExchange]:
    """The best hosts, each once; random among equals (RFC 5321, 5.1)."""
    shuffled = randomness.sample(exchanges, len(exchanges))
    shuffled.sort(key=lambda exchange: exchange.preference)
    best: dict[str, MailExchange] = {}
    for exchange in shuffled:
        best.setdefault(exchange.name, exchange)
    return list(best.values())[:MOST_HOSTS]


async def _look_up(
    resolver: Resolver, exchanges: Sequence[MailExchange], families: Families, randomness: Random
) -> list[_Host]:
    """The hosts with their addresses; all are asked for at once."""
    types = _RECORD_TYPES[families]
    questions = [[resolver.query(exchange.name, rdtype) for rdtype in types] for exchange in exchanges]
    answers = [[await question for question in group] for group in questions]
    return [_host(exchange, group, randomness) for exchange, group in zip(exchanges, answers, strict=True)]


def _host(exchange: MailExchange, answers: Sequence[Answer], randomness: Random) -> _Host:
    """One host from the answers about it, the kinds of its addresses alternating."""
    kinds = [randomness.sample(answer.texts, len(answer.texts)) for answer in answers]
    addresses = tuple(address for address in chain.from_iterable(zip_longest(*kinds)) if address is not None)
    authentic = bool(addresses) and all(answer.authentic for answer in answers if answer.texts)
    trouble = "; ".join(answer.detail for answer in answers if answer.status is Status.FAILED)
    return _Host(exchange.preference, exchange.name, addresses, authentic, trouble)


def _ordered(
    domain: str, hosts: Sequence[_Host], own: OwnNames, families: Families, port: int
) -> MxTargets | Deferred | Failed:
    """The targets of the hosts that are better than this server, if it is one of them (RFC 5321, 5.1)."""
    own_preference = min((h.preference for h in hosts if own.include(h.name, h.addresses, port)), default=None)
    better = [host for host in hosts if own_preference is None or host.preference < own_preference]
    if not better:
        return Failed(f"mail for {domain} loops back to this server", status=ROUTING_LOOP)
    targets = _targets(better, port)
    if targets:
        return MxTargets(targets, authentic_hosts=_authentic(better))
    trouble = next((f"{host.name}: {host.trouble}" for host in better if host.trouble), "")
    if trouble:
        return Deferred(f"no address of a mail server of {domain} is known: {trouble}", status=NO_ROUTE_NOW)
    return Failed(f"no mail server of {domain} has an {_KINDS[families]}", status=NO_ROUTE)


def _targets(hosts: Iterable[_Host], port: int) -> tuple[Target, ...]:
    return tuple(Target(host.name, address, port) for host in hosts for address in host.addresses)[:MOST_ADDRESSES]


def _authentic(hosts: Iterable[_Host]) -> frozenset[str]:
    return frozenset(host.name for host in hosts if host.authentic)


def _literal_address(literal: str) -> str | None:
    """The address in `[192.0.2.1]` or `[IPv6:2001:db8::1]` (RFC 5321, 4.1.3); the tag may be left out."""
    text = literal.removeprefix("[").removesuffix("]")
    untagged = text[5:] if text[:5].lower() == "ipv6:" else text
    try:
        address = ip_address(untagged)
    except ValueError:
        return None
    if isinstance(address, IPv4Address):
        return str(address) if untagged is text else None
    return None if address.scope_id else str(address)


def _of_families(addresses: Iterable[str], families: Families) -> tuple[str, ...]:
    return tuple(each for each in addresses if ("AAAA" if ":" in each else "A") in _RECORD_TYPES[families])


def _is_of_this_machine(address: str) -> bool:
    """Whether a socket can be bound to it, which the system permits for its own addresses alone."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM) as sock:
            sock.bind((address, 0))
    except OSError:
        return False
    return True
