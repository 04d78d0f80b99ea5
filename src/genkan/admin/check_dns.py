# SPDX-License-Identifier: Apache-2.0
"""`genkan check` of the name servers: whether one answers, and what becomes of mail while none does."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from genkan.clock import SystemClock
from genkan.dns.answer import Status
from genkan.dns.resolver import Resolver
from genkan.findings import Finding, error, warning
from genkan.policy.authenticity import asks_dmarc, obeys_dmarc
from genkan.policy.rulebook import Rulebook

if TYPE_CHECKING:
    from collections.abc import Iterator

    from genkan.config import Config
    from genkan.directory import Directory
    from genkan.dns.answer import Answer

PATIENCE: Final = timedelta(seconds=2)  # whatever dns.timeout allows: somebody waits for the command

_NAME: Final = "in-addr.arpa"  # nobody's own, and every server that asks for us knows whom to ask about it


def check_name_servers(directory: Directory, config: Config) -> Iterator[Finding]:
    """One of them answers, where incoming mail depends on it."""
    asks_lists = bool(Rulebook(directory.documents.current, {}).ordb().zones)
    effects = _effects(config, asks_lists=asks_lists)
    if not effects:
        return
    answer = asyncio.run(_ask(config))
    if answer.status is not Status.FAILED:
        return
    decides = config.spf.mode == "defer" or obeys_dmarc(config) or asks_lists
    judge = error if decides else warning
    sentence = f"nobody answers ({answer.detail}): {', '.join(effects)}"
    yield judge("dns.servers", sentence, "start a name server, or name others that answer")


def _effects(config: Config, *, asks_lists: bool) -> list[str]:
    """What becomes of incoming mail while the DNS is silent; nothing where it is not asked."""
    lets_in: list[str] = []
    puts_off: list[str] = []
    if config.spf.mode != "off":
        (puts_off if config.spf.mode == config.spf.dns_failure == "defer" else lets_in).append("SPF")
    if asks_dmarc(config):
        (puts_off if config.dmarc.dns_failure == "defer" else lets_in).append("DMARC")
    if asks_lists:
        lets_in.append("ordb.dat")
    effects = []
    if lets_in:
        effects.append(f"{_listed(lets_in)} {'let' if len(lets_in) > 1 else 'lets'} everything in")
    if puts_off:
        effects.append(f"{_listed(puts_off)} {'put' if len(puts_off) > 1 else 'puts'} everything off")
    if config.dns.reverse:
        effects.append("clients have no names")
    return effects


def _listed(names: list[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


async def _ask(config: Config) -> Answer:
    resolver = Resolver(config.dns.servers, min(config.dns.timeout, PATIENCE), SystemClock())
    return await resolver.query(_NAME, "TXT")
