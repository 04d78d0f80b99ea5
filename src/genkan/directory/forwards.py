# SPDX-License-Identifier: Apache-2.0
"""Forwarding: an account's mail goes on to other addresses, with or without a copy that stays (RFC 5321, 3.9; RFC 5598, 5.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from genkan.directory import sender_patterns
from genkan.directory.aliases import check_address
from genkan.directory.errors import InvalidValue, NotFound
from genkan.directory.resolution import Local, MailingList
from genkan.smtp.address import Mailbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from genkan.directory.accounts import Account
    from genkan.directory.lists import Lists
    from genkan.directory.resolution import Resolution
    from genkan.directory.store import Store

MAX_ADDRESSES: Final = 50  # of one account


@dataclass(frozen=True, slots=True)
class Forward:
    """Where an account's mail goes on to, at least one address, as written; with `keep` a copy stays in its mailbox.

    With `senders` only their mail is forwarded, and other mail only kept; they are patterns as in `sender_patterns`.
    """

    addresses: tuple[Mailbox, ...]
    keep: bool = True
    senders: tuple[str, ...] = ()

    def permits(self, reverse_path: Mailbox | None) -> bool:
        """Whether mail with this reverse-path is forwarded; the null one is `None`."""
        return not self.senders or sender_patterns.matches(self.senders, reverse_path)


class Forwards:
    """The tables of forwards, and the cached answers about them."""

    def __init__(self, store: Store, lists: Lists, resolve: Callable[[Mailbox], Resolution]) -> None:
        """`resolve` is the directory's: it says where an address leads."""
        self._store = store
        self._queries = store.queries
        self._lists = lists
        self._resolve = resolve
        self._by_account: dict[int, Forward | None] = store.cache()

    def find(self, account: int) -> Forward | None:
        """The forward of the account with this id, cached, or `None`."""
        try:
            return self._by_account[account]
        except KeyError:
            return self._store.remember(self._by_account, account, self._find(account))

    def set(
        self, account: Account, addresses: Sequence[Mailbox], *, keep: bool = True, senders: Iterable[str] = ()
    ) -> Forward:
        """Forward the account's mail, in place of what was set before; raises InvalidValue, also for a loop."""
        patterns = sender_patterns.parse_patterns(senders)
        _check_addresses(addresses)
        with self._store.change():
            self._store.rows(self._queries.forward_set, account.id, int(keep), sender_patterns.stored(patterns))
            self._store.rows(self._queries.forward_address_remove_all, account.id)
            for address in addresses:
                key = address.folded()
                values = (account.id, key.domain, key.local_part, address.local_part, address.domain)
                self._store.rows(self._queries.forward_address_add, *values)
            for address in addresses:
                self._check_leads_away(account, address)
            forward = self._find(account.id)
        assert forward is not None
        return forward

    def remove(self, account: Account) -> None:
        """Forward nothing any more; raises NotFound."""
        with self._store.change():
            if not self._store.rows(self._queries.forward_remove, account.id):
                raise NotFound(f"{account.address} forwards nothing; see: genkan account forward {account.address}")

    def _find(self, account: int) -> Forward | None:
        row = self._store.row(self._queries.forward, account)
        if row is None:
            return None
        keep, senders = row
        addresses = self._store.rows(self._queries.forward_addresses, account)
        return Forward(tuple(Mailbox(*one) for one in addresses), bool(keep), sender_patterns.loaded(senders))

    def _check_leads_away(self, account: Account, address: Mailbox) -> None:
        """No way from the address through aliases, lists and other accounts' forwards may come back to the account."""
        waiting, seen = [address], set[int]()
        while waiting:
            match self._resolve(waiting.pop()):
                case Local(found) if found.id == account.id:
                    raise InvalidValue(
                        f"{address} leads back to {account.address}; name an address whose mail goes elsewhere"
                    )
                case Local(found) if found.id not in seen:
                    seen.add(found.id)
                    forward = self._find(found.id)
                    waiting += () if forward is None else forward.addresses
                case MailingList() as mailing_list if -mailing_list.id not in seen:
                    seen.add(-mailing_list.id)
                    waiting += self._lists.expand(mailing_list)
                case _:
                    pass  # elsewhere, nobody's, or looked at already


def _check_addresses(addresses: Sequence[Mailbox]) -> None:
    if not addresses:
        raise InvalidValue("there is no address to forward to; give one with --to, or end forwarding with --off")
    if len(addresses) > MAX_ADDRESSES:
        raise InvalidValue(
            f"an account forwards to {MAX_ADDRESSES} addresses at most; for more make a list: genkan list add LIST"
        )
    for address in addresses:
        check_address(address, "forward address")
        if "*" in address.local_part:
            raise InvalidValue(f"{address} cannot be forwarded to: name one address, without an asterisk")
