# SPDX-License-Identifier: Apache-2.0
"""Aliases of an installation: which can be ours, and why the others cannot. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from genkan.findings import Finding, note, warning
from genkan.smtp.address import AddressError, Mailbox, parse_mailbox

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from genkan.epost.people import FoundAccount
    from genkan.epost.tables import AliasRow
    from genkan.rules.gateway import GatewayRules

MAX_STEPS: Final = 10  # aliases in a row, as in the directory


class FoundAlias(NamedTuple):
    """An alias as it will be made."""

    address: Mailbox
    target: Mailbox


class AliasCollection:
    """Collects them: `add` with each export, then `add_shared` and `drop_loops`."""

    def __init__(self, domains: Collection[str], accounts: Iterable[FoundAccount], gateway: GatewayRules) -> None:
        """`domains` are the local ones, folded; mail that `gateway` passes on must not be turned aside by an alias."""
        self._domains = domains
        self._accounts = {account.address.folded(): account for account in accounts}
        self._gateway = gateway
        self._aliases: dict[Mailbox, FoundAlias] = {}
        self.losses: list[Finding] = []
        self.refused: list[Finding] = []

    @property
    def aliases(self) -> tuple[FoundAlias, ...]:
        """The aliases that can be made, in the order they were found."""
        return tuple(self._aliases.values())

    def add(self, subject: str, rows: Iterable[AliasRow]) -> None:
        """The aliases of an export."""
        for row in rows:
            place = f"{subject}:{row.line}"
            address, target = self._end(place, row.alias), self._end(place, row.target)
            if address is None or target is None or not self._may_be_alias(place, address, target):
                continue
            if row.keep and not self._may_rewrite(place, address):
                continue
            self._aliases[address.folded()] = FoundAlias(address, target)

    def add_shared(self) -> None:
        """Give accounts whose domain the product did not tell apart their name in every domain."""
        shared = [account.address for account in self._accounts.values() if account.shared]
        made = 0
        for address in shared:
            for domain in self._domains:
                key = Mailbox(address.local_part, domain).folded()
                if key not in self._accounts and key not in self._aliases:
                    self._aliases[key] = FoundAlias(Mailbox(address.local_part, domain), address)
                    made += 1
        if made:
            sentence = f"{made} aliases are made, since its accounts had one mailbox for all domains"
            self.losses.append(note("aliases", sentence, "remove those that are not wanted: genkan alias remove"))

    def drop_loops(self) -> None:
        """Refuse the aliases that lead back to themselves."""
        loops = [key for key in self._aliases if self._never_ends(key)]
        for key in loops:
            alias = self._aliases.pop(key)
            self._refuse(str(alias.address), "leads back to itself, or over more than 10 aliases", "give it an account")

    def _end(self, place: str, text: str) -> Mailbox | None:
        try:
            return parse_mailbox(text)
        except AddressError as error:
            self._refuse(place, f"{text!r} is no whole address: {error}", "make it by hand: genkan alias add")
            return None

    def _may_be_alias(self, place: str, address: Mailbox, target: Mailbox) -> bool:
        key = address.folded()
        known = self._aliases.get(key)
        if known is not None:
            if known.target.folded() != target.folded():
                self._refuse(place, f"{address} is named twice with another target", "the first one is taken")
            return False
        if "*" in key.local_part[:-1] or "*" in target.local_part:
            self._refuse(place, f"{address}: an asterisk may only end the name of an alias", "name the addresses")
        elif key in self._accounts:
            self._refuse(place, f"{address} is an account as well", "remove the account, then: genkan alias add")
        elif key.domain not in self._domains and self._gateway.match(key.domain) is not None:
            self.losses.append(
                note(
                    place, f"{address} is not made: gateway.dat passes mail for its domain on", "nothing is to be done"
                )
            )
        elif key.domain not in self._domains:
            self._refuse(
                place,
                f"{address} is in no domain of the installation, and all other addresses there would become unknown",
                f"if the domain is yours: genkan domain add {key.domain}, and run again",
            )
        else:
            return True
        return False

    def _may_rewrite(self, place: str, address: Mailbox) -> bool:
        """An alias with `,0` accepts an address as it is. Ours lead to their target."""
        if self._gateway.match(address.folded().domain) is not None:
            self._refuse(
                place,
                f"{address} with ,0 accepted mail that gateway.dat passes on; here it would end at the target",
                "remove the domain from the local ones, so that gateway.dat decides",
            )
            return False
        self.losses.append(
            warning(place, f"{address} with ,0 kept the recipient; here mail goes to the target", "see that it fits")
        )
        return True

    def _never_ends(self, key: Mailbox) -> bool:
        at: Mailbox | None = key
        for _ in range(MAX_STEPS + 1):
            alias = None if at is None else self._aliases.get(at)
            if alias is None:
                return False
            at = alias.target.folded()
        return True

    def _refuse(self, place: str, sentence: str, remedy: str) -> None:
        self.refused.append(warning(place, sentence, remedy))
