# SPDX-License-Identifier: Apache-2.0
"""How a next hop is spoken to: TLS, the address to connect from, AUTH (RFC 4954), connections at a time.

It is kept under a name: HOST:PORT, HOST (of a webhook, too), or the domain of recipients whose mail goes by MX.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypedDict, Unpack, get_args

from genkan.directory.errors import InvalidValue, NotFound
from genkan.directory.hosts import parse_place, place_text
from genkan.smtp.address import fold_domain

if TYPE_CHECKING:
    from genkan.directory.store import Store

TlsPolicy: TypeAlias = Literal["none", "opportunistic", "required", "verified"]
TLS_POLICIES: Final[tuple[TlsPolicy, ...]] = get_args(TlsPolicy)

MAX_CREDENTIAL: Final = 500  # characters of a name or a password
MAX_CONNECTIONS: Final = 1000


class HopFields(TypedDict, total=False):
    """What `Hops.set` can change."""

    tls: TlsPolicy | Literal[""]
    source: str
    username: str
    password: str | None
    connections: int | None


@dataclass(frozen=True, slots=True)
class Hop:
    """How one next hop is spoken to; "" and `None` leave it to the settings. `name` is "" where nobody said anything.

    `password` belongs to `username`; alone it is the secret that webhooks are signed with.
    """

    name: str
    tls: TlsPolicy | Literal[""] = ""
    source: str = ""
    username: str = ""
    password: str | None = field(default=None, repr=False)
    connections: int | None = None


_DEFAULTS: Final = Hop("")


class Hops:
    """The table of next hops, and the cached answers about it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._queries = store.queries
        self._known: dict[str, Hop | None] = store.cache()

    def set(self, name: str, **fields: Unpack[HopFields]) -> Hop:
        """Change the given fields of a next hop, which need not be known yet; raises InvalidValue."""
        folded = parse_name(name)
        with self._store.change():
            hop = replace(self._read(folded) or Hop(folded), **fields)
            _check(hop)
            values = (folded, hop.tls, hop.source, hop.username, hop.password, hop.connections)
            self._store.rows(self._queries.hop_set, *values)
        return hop

    def remove(self, name: str) -> None:
        """Leave a next hop to the settings; raises InvalidValue, NotFound."""
        folded = parse_name(name)
        with self._store.change():
            if not self._store.rows(self._queries.hop_remove, folded):
                raise NotFound(f"nothing is set for the next hop {folded}; see: genkan hop list")

    def list(self) -> tuple[Hop, ...]:
        """All next hops that something is set for, ordered by name."""
        return tuple(Hop(*row) for row in self._store.rows(self._queries.hop_list))

    def find(self, host: str, port: int, domain: str = "") -> Hop:
        """What counts for a next hop: what is set for its host and port, else for its host, else for the domain.

        `host` is a name, or an IP address without brackets, "" while only the domain is known; `domain` is that of the
        recipients, where its MX records lead to the host.
        What is set for one name is never mixed with what is set for another, so that no password strays.
        """
        folded = fold_domain(host)
        names = [place_text(folded, port), place_text(folded)] if host else []
        if domain:
            names.append(fold_domain(domain))
        return next((hop for name in names if (hop := self._named(name)) is not None), _DEFAULTS)

    def _named(self, name: str) -> Hop | None:
        try:
            return self._known[name]
        except KeyError:
            return self._store.remember(self._known, name, self._read(name))

    def _read(self, name: str) -> Hop | None:
        row: tuple[Any, ...] | None = self._store.row(self._queries.hop, name)
        return None if row is None else Hop(*row)


def parse_name(text: str) -> str:
    """The name of a next hop in the writing in which it is found; raises InvalidValue."""
    return place_text(*parse_place(text))


def _check(hop: Hop) -> None:
    if hop.tls and hop.tls not in TLS_POLICIES:
        raise InvalidValue(f"{hop.tls!r} is no TLS policy; give one of {', '.join(TLS_POLICIES)}")
    if hop.source:
        _check_source(hop.source)
    if hop.connections is not None and not 1 <= hop.connections <= MAX_CONNECTIONS:
        raise InvalidValue(f"{hop.connections} connections cannot be; give a number from 1 to {MAX_CONNECTIONS}")
    if len(hop.username) > MAX_CREDENTIAL or not hop.username.isprintable():
        raise InvalidValue(f"the name for AUTH is not usable; give at most {MAX_CREDENTIAL} printable characters")
    if hop.password is not None and not (0 < len(hop.password) <= MAX_CREDENTIAL and hop.password.isprintable()):
        raise InvalidValue(f"the password is not usable; give 1 to {MAX_CREDENTIAL} printable characters on one line")
    if hop.username and hop.password is None:
        raise InvalidValue(f"AUTH as {hop.username} needs a password; give it with --password-stdin")


def _check_source(text: str) -> None:
    try:
        address = ip_address(text)
    except ValueError:
        raise InvalidValue(f"{text!r} is no IP address to connect from; write it as in 192.0.2.1") from None
    if address.is_unspecified or address.is_multicast or "%" in text:
        raise InvalidValue(f"{text} is no address to connect from; give one of this machine's, or leave it out")
