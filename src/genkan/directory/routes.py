# SPDX-License-Identifier: Apache-2.0
"""Routes: where mail for an address or a domain goes, when that is not what would be done without one.

A pattern is an address, a domain, `*.domain` (every subdomain, not the domain itself) or `*`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from genkan.directory.destination import Maildir, parse_destination
from genkan.directory.errors import AlreadyExists, InvalidValue, NotFound
from genkan.smtp.address import AddressError, fold_domain, parse_mailbox

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from genkan.directory.destination import Destination
    from genkan.directory.domains import Domains
    from genkan.directory.store import Store
    from genkan.smtp.address import Mailbox


@dataclass(frozen=True, slots=True)
class Route:
    """A route as stored; `pattern` is folded."""

    pattern: str
    destination: Destination

    @property
    def origin(self) -> str:
        """What the log says of a recipient that went this way."""
        return f"route {self.pattern}"


class Routes:
    """The table of routes, and the cached answers about it."""

    def __init__(self, store: Store, domains: Domains) -> None:
        self._store = store
        self._queries = store.queries
        self._domains = domains
        self._by_address: dict[Mailbox, Route | None] = store.cache()
        self._by_domain: dict[str, Route | None] = store.cache()

    def add(self, pattern: str, destination: str, *, replace: bool = False) -> Route:
        """A new route, with `replace` also in place of another; raises InvalidValue, AlreadyExists."""
        route = Route(parse_pattern(pattern), parse_destination(destination))
        if isinstance(route.destination, Maildir) and route.pattern.startswith("*"):
            raise InvalidValue(f"{route.pattern} stands for domains elsewhere, and only accounts have a Maildir")
        with self._store.change():
            if not replace and (there := self.list(route.pattern)):
                raise AlreadyExists(
                    f"{route.pattern} goes to {there[0].destination} already; give --replace to change it"
                )
            self._store.rows(self._queries.route_set, route.pattern, str(route.destination))
        return route

    def remove(self, pattern: str) -> None:
        """Forget a route, also for mail that waits already; raises InvalidValue, NotFound."""
        folded = parse_pattern(pattern)
        with self._store.change():
            if not self._store.rows(self._queries.route_remove, folded):
                raise NotFound(f"there is no route {folded}; see: genkan route list")

    def list(self, pattern: str | None = None) -> tuple[Route, ...]:
        """All routes, or the one of exactly this pattern, those with an asterisk behind the others; raises InvalidValue."""
        wanted = None if pattern is None else parse_pattern(pattern)
        return tuple(_route(row) for row in self._store.rows(self._queries.route_list, wanted))

    def find(self, mailbox: Mailbox) -> Route | None:
        """The route of a recipient's mailbox: its own, else its domain's; `None` without one."""
        return self.of_address(mailbox) or self.of_domain(mailbox.domain)

    def of_address(self, mailbox: Mailbox) -> Route | None:
        """The route of exactly this address, in any writing."""
        try:
            return self._by_address[mailbox]
        except KeyError:
            found = self._first([str(mailbox.folded())])
            return self._store.remember(self._by_address, mailbox, found)

    def of_domain(self, domain: str) -> Route | None:
        """The route of a domain: its own, else the longest `*.parent`, else `*`; for a local domain only its own."""
        try:
            return self._by_domain[domain]
        except KeyError:
            folded = fold_domain(domain)
            # What catches the rest must not catch the mail of accounts here, which nobody thinks of who writes an asterisk.
            patterns = [folded] if self._domains.is_local(folded) else [folded, *_around(folded), "*"]
            return self._store.remember(self._by_domain, domain, self._first(patterns))

    def _first(self, patterns: Sequence[str]) -> Route | None:
        found = {row[0]: row for row in self._store.rows(self._queries.route, json.dumps(patterns))}
        return next((_route(found[pattern]) for pattern in patterns if pattern in found), None)


def parse_pattern(text: str) -> str:
    """The pattern that `text` writes, folded; raises InvalidValue."""
    if text == "*":
        return text
    if text.startswith("*."):
        return f"*.{_parse_domain(text[2:], text)}"
    if "@" not in text:
        return _parse_domain(text, text)
    try:
        mailbox = parse_mailbox(text)
    except AddressError as error:
        raise InvalidValue(f"{text!r} is no address: {error}; write ann@in.test, in.test, *.in.test or *") from None
    if "*" in mailbox.local_part:
        raise InvalidValue(f"{text} stands for no single address; write {mailbox.domain} for all of the domain")
    return str(mailbox.folded())


def _parse_domain(domain: str, text: str) -> str:
    try:
        folded = parse_mailbox(f"x@{domain}").folded().domain
    except AddressError as error:
        raise InvalidValue(f"{text!r} is no pattern: {error}; write ann@in.test, in.test, *.in.test or *") from None
    if folded.startswith("["):
        raise InvalidValue(f"{text} is an address literal; write the domain, or the whole address")
    return folded


def _around(domain: str) -> Iterator[str]:
    """The patterns of the domains that a domain lies in, the longest first."""
    while "." in domain:
        domain = domain.partition(".")[2]
        yield f"*.{domain}"


def _route(row: tuple[str, str]) -> Route:
    pattern, destination = row
    return Route(pattern, parse_destination(destination))
