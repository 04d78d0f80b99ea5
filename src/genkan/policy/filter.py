# SPDX-License-Identifier: Apache-2.0
"""The content filter: mail.dat of the server, then of each account that receives; and what a virus scanner says.

The first block that matches decides (the product's pages bsd-04-27, faq01-81). The server's document speaks for the whole
message. An account's speaks for that account: where others receive the same message, a refusal keeps its copy in the
quarantine and lets theirs through, unless the setting `filter.account_refusal` wants the product's way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from genkan.policy.handling import AS_IT_IS, Handling, Holding
from genkan.policy.rulebook import met
from genkan.policy.verdict import Verdict
from genkan.rules.mail_block import Treatment
from genkan.rules.mail_match import decide
from genkan.scanner.clamd import Infected, ScanFailed
from genkan.smtp import replies

if TYPE_CHECKING:
    from collections.abc import Awaitable, Collection

    from genkan.policy.facts import ContentFacts, Scanning, TransactionFacts
    from genkan.policy.rulebook import Rulebook
    from genkan.policy.world import World
    from genkan.rules.mail_block import MailBlock
    from genkan.rules.mail_hosts import Lookup
    from genkan.rules.mail_match import Candidate, MailMatch
    from genkan.smtp.address import Mailbox

SCANNED: Final = "scan"  # the fact that tells what the scanner said: clean, infected NAME, failed REASON
LISTED: Final = "listed"  # the fact that names the lookups with a yes


class ContentFilter:
    """mail.dat of the server and of the accounts."""

    name = "filter"

    def __init__(self, rulebook: Rulebook, world: World, *, whole_message: bool) -> None:
        """`whole_message` is the product's way with an account's refusal."""
        self._rulebook = rulebook
        self._world = world
        self._whole_message = whole_message

    def has_rules_for(self, transaction: TransactionFacts) -> bool:
        """Whether any document speaks of this transaction."""
        if self._rulebook.mail() is not None:
            return True
        return any(self._rulebook.account_mail(account) is not None for account in transaction.accounts.values())

    def check(self, content: ContentFacts) -> Verdict | Awaitable[Verdict | None] | None:
        """Refuse, or note how the message goes on; what the DNS has to say is waited for."""
        if content.text is None:
            return None
        candidates = self._candidates(content)
        lookups = tuple({lookup: None for found in candidates.values() for _, _, asked in found for lookup in asked})
        if not lookups:
            return self._decide(content, candidates, ())
        return self._look_up(content, candidates, lookups)

    def _candidates(self, content: ContentFacts) -> dict[Mailbox | None, tuple[Candidate, ...]]:
        """By mailbox, `None` for the server's, the blocks that may decide."""
        assert content.text is not None
        server = self._rulebook.mail()
        found: dict[Mailbox | None, tuple[Candidate, ...]] = {}
        if server is not None and (candidates := server.candidates(content.text)):
            found[None] = candidates
        for mailbox, account in content.transaction.accounts.items():
            own = self._rulebook.account_mail(account)
            if own is not None and (candidates := own.candidates(content.text)):
                found[mailbox] = candidates
        return found

    async def _look_up(
        self,
        content: ContentFacts,
        candidates: dict[Mailbox | None, tuple[Candidate, ...]],
        lookups: tuple[Lookup, ...],
    ) -> Verdict | None:
        listed = await self._world.hosts_listed(lookups)
        content.facts[LISTED] = " ".join(sorted(f"{lookup.host}/{lookup.zone}" for lookup in listed))
        return self._decide(content, candidates, listed)

    def _decide(
        self,
        content: ContentFacts,
        candidates: dict[Mailbox | None, tuple[Candidate, ...]],
        listed: Collection[Lookup],
    ) -> Verdict | None:
        matches = {mailbox: match for mailbox, found in candidates.items() if (match := decide(found, listed))}
        server = matches.pop(None, None)
        if server is not None:
            return self._obey(content, server)
        refused = [mailbox for mailbox, match in matches.items() if match.block.treatment is Treatment.REFUSE]
        if refused and (self._whole_message or set(refused) == set(content.transaction.recipients)):
            return self._obey(content, matches[refused[0]])
        for mailbox, match in matches.items():
            if mailbox is not None:
                self._obey_account(content, mailbox, match)
        return None

    def _obey(self, content: ContentFacts, match: MailMatch) -> Verdict | None:
        """What a block means for the whole message."""
        block = match.block
        rule = met(block.origin, f"Virus:{block.name}")
        content.rules.append(rule)
        content.handlings.refuse_client |= block.append_client
        if block.keep_copy:
            content.handlings.copies.append(_kept(match))
        if block.treatment is Treatment.REFUSE:
            return Verdict(self.name, replies.CAUGHT_BY_FILTER, detail=_found(match), rule=rule)
        content.handlings.message = _handling(block)
        return None

    def _obey_account(self, content: ContentFacts, mailbox: Mailbox, match: MailMatch) -> None:
        """What a block of an account means for its copy of the message."""
        block = match.block
        content.rules.append(met(block.origin, f"Virus:{block.name}"))
        content.handlings.refuse_client |= block.append_client
        if block.treatment is Treatment.REFUSE:
            content.handlings.accounts[mailbox] = Handling(holding=_kept(match))
            return
        if block.keep_copy:
            content.handlings.copies.append(_kept(match))
        handling = _handling(block)
        if handling is not AS_IT_IS:
            content.handlings.accounts[mailbox] = handling


class VirusScan:
    """What the virus scanner said about the content while it came in; the reply is the filter's."""

    name = "virus-scan"

    def __init__(self, *, defer: bool) -> None:
        """`defer`: mail that the scanner could not look at comes again later (setting `filter.scanner_failure`)."""
        self._defer = defer

    def check(self, content: ContentFacts) -> Awaitable[Verdict | None] | None:
        """Wait for the scanner's answer."""
        return None if content.scan is None else self._result(content, content.scan)

    async def _result(self, content: ContentFacts, scan: Scanning) -> Verdict | None:
        content.facts[SCANNED] = "clean"
        match await scan.finish():
            case Infected(name):
                content.facts[SCANNED] = f"infected {name}"
                return Verdict(self.name, replies.CAUGHT_BY_FILTER, detail=f"the scanner found {name}")
            case ScanFailed(reason):
                content.facts[SCANNED] = f"failed {reason}"
                if self._defer:
                    return Verdict(self.name, replies.SCANNER_UNAVAILABLE, detail=reason)
        return None


def _handling(block: MailBlock) -> Handling:
    treatment = block.treatment
    if treatment in (Treatment.PASS, Treatment.ACCEPT):
        return AS_IT_IS
    return Handling(
        tag=block.tag if treatment.tags_subject else "",
        fields=(block.tag_field,) if treatment.tags_header and block.tag else (),
        forward=block.forward if treatment.forwards else None,
    )


def _kept(match: MailMatch) -> Holding:
    block = match.block
    return Holding(
        "quarantine", f"{block.name}: {_found(match)}", met(block.origin, f"Virus:{block.name}"), block.warning
    )


def _found(match: MailMatch) -> str:
    """What of the block was found in the message."""
    words = [repr(token.text) for token in match.tokens]
    if match.listed is not None:
        words.append(f"{match.listed.host} listed in {match.listed.zone}")
    return f"{', '.join(words)} found" if words else "matches any message"
