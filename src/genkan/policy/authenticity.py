# SPDX-License-Identifier: Apache-2.0
"""Who a message is from, as its signatures and the DNS say: DKIM, ARC and DMARC (RFC 6376, RFC 8617, RFC 9989).

It is judged while it comes in: the header section first, then the body. What has to be asked is asked at once, so that the
answers come while the body does.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from genkan.dkim.verification import Verification
from genkan.dmarc.aggregate import Signature, SpfAuthResult
from genkan.dmarc.author import MOST_FIELDS, find_author
from genkan.dmarc.discovery import TreeWalks, walk_names
from genkan.dmarc.evaluation import DmarcResult, evaluate
from genkan.dns.answer import Status
from genkan.dns.dmarc_texts import found_texts
from genkan.message.header import HeaderFields
from genkan.message.results import results_field
from genkan.policy.authentication_results import method_results
from genkan.policy.client import is_known
from genkan.policy.networks import Networks
from genkan.policy.origin import Authenticity

if TYPE_CHECKING:
    from genkan.config import Config
    from genkan.dkim.key_record import KeyText
    from genkan.dkim.verification import Signatures
    from genkan.dmarc.author import Author
    from genkan.dmarc.discovery import Found
    from genkan.dns.answer import Answer
    from genkan.message.content import HeaderScan
    from genkan.policy.facts import TransactionFacts
    from genkan.policy.rulebook import Rulebook
    from genkan.policy.world import World

MOST_CHAIN_KEYS: Final = 20  # of an ARC chain that are asked for in any case; those of DKIM have their own setting

_KEYS_SHARE: Final = 0.75  # of the time: a signer whose name server is silent must not take what DMARC needs
_LATE: Final = "the DNS did not answer in time"


def asks_dmarc(config: Config) -> bool:
    """Whether DMARC is judged at all: without SPF and DKIM, on which it rests, good mail would fail."""
    return config.dmarc.mode != "off" and config.spf.mode != "off" and config.dkim.verify


def obeys_dmarc(config: Config) -> bool:
    """Whether DMARC may stop mail, and does not only mark it."""
    return asks_dmarc(config) and (config.dmarc.mode != "mark" or config.dmarc.dns_failure == "defer")


class Judges:
    """Knows whose mail is judged: that of all whom nobody knows (settings `dkim.verify`, `dmarc.mode`, `spf.exempt`)."""

    def __init__(self, config: Config, rulebook: Rulebook, world: World) -> None:
        """The rulebook has effect.dat, the world asks the DNS."""
        self._config = config
        self._rulebook = rulebook
        self._world = world
        self._needed = config.dkim.verify
        self._exempt = Networks(config.spf.exempt)

    def asks_about(self, transaction: TransactionFacts) -> bool:
        """Whether the mail of this transaction is judged."""
        return self._needed and not is_known(self._rulebook, self._exempt, transaction)

    def judge(self, transaction: TransactionFacts, header: HeaderScan) -> Judge | None:
        """The judge of a message with this header section, which is complete; `None` where nobody need ask."""
        if (
            header.header_lines > self._config.limits.header_lines
            or not self.asks_about(transaction)
            or not self._world.may_ask("DKIM and DMARC of its author")
        ):
            return None
        return Judge(self._config, self._world, transaction, header)


class Judge:
    """Judges one message; made when its header section is complete."""

    def __init__(self, config: Config, world: World, transaction: TransactionFacts, header: HeaderScan) -> None:
        """What has to be asked is asked here."""
        self._world = world
        self._hostname = config.hostname
        self._patience = config.dns.timeout.total_seconds()
        self._transaction = transaction
        self._verification = Verification(header.section, config.dkim.signatures)
        self._author = _author(header) if asks_dmarc(config) else None
        self._asked: dict[str, asyncio.Future[Answer]] = {}
        self._keys = self._verification.questions[
            : config.dkim.signatures + MOST_CHAIN_KEYS
        ]  # those of DKIM come first
        for name in self._keys:
            self._texts(name)
        for domain in () if self._author is None else self._author.domains:
            for name in walk_names(domain):
                self._texts(f"_dmarc.{name}")

    def feed(self, octets: bytes) -> None:
        """Take the next octets of the body."""
        self._verification.feed(octets)

    async def finish(self) -> Authenticity:
        """See `Judging`. It waits for the DNS no longer than the setting `dns.timeout`."""
        deadline = asyncio.get_running_loop().time() + self._patience
        keys = await self._answered_keys()
        signatures = self._verification.results(keys, int(self._world.now().timestamp()))
        dmarc = None if self._author is None else await self._dmarc(self._author, signatures, deadline)
        results = method_results(self._transaction, signatures, dmarc)
        return Authenticity(signatures, dmarc, results_field(self._hostname, results))

    async def _answered_keys(self) -> dict[str, KeyText]:
        """The keys that come in time; one that is missing counts as one that could not be had."""
        waiting = [self._asked[name] for name in self._keys if not self._asked[name].done()]
        if waiting:
            await asyncio.wait(waiting, timeout=self._patience * (1 if self._author is None else _KEYS_SHARE))
        return {name: _key_text(self._asked[name].result()) for name in self._keys if self._asked[name].done()}

    async def _dmarc(self, author: Author, signatures: Signatures, deadline: float) -> DmarcResult:
        spf = self._transaction.spf
        checked = SpfAuthResult("", "none") if spf is None else SpfAuthResult(spf.domain, spf.result)
        dkim = [Signature(one.domain, one.selector, one.outcome) for one in signatures.dkim]
        try:
            async with asyncio.timeout_at(deadline):
                return await evaluate(author, checked, dkim, TreeWalks(self._find))
        except TimeoutError:
            return DmarcResult("temperror", _LATE, author.domain)

    async def _find(self, name: str) -> Found:
        return found_texts(await self._texts(name))

    def _texts(self, name: str) -> asyncio.Future[Answer]:
        asked = self._asked.get(name)
        if asked is None:
            asked = self._asked[name] = self._world.texts(name, self._transaction.connection.client_address)
        return asked


def _author(header: HeaderScan) -> Author:
    only = header.only_from_field
    return find_author((only,) if only is not None else HeaderFields(header.section).all("from", MOST_FIELDS + 1))


def _key_text(answer: Answer) -> KeyText:
    return None if answer.status is Status.FAILED else answer.texts
