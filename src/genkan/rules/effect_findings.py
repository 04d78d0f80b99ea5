# SPDX-License-Identifier: Apache-2.0
"""What in an effect.dat is dangerous or without effect: open relays, forgeable reverse-paths, lines never reached."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from genkan.findings import note, warning
from genkan.rules.addresses import Path
from genkan.rules.clients import EVERY_CLIENT, ClientPattern
from genkan.rules.effect import EffectAction, EffectRule
from genkan.rules.reading import unreachable
from genkan.smtp.address import Mailbox, fold_domain

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from genkan.findings import Finding
    from genkan.rules.effect import EffectRules

_HUGE: Final = {4: 8, 6: 16}
"""A network with a shorter prefix belongs to more than one organisation, even to more than one registry."""

_RELAYING: Final = (EffectAction.TRUE, EffectAction.ONLY)
_ABOUT_RELAYING: Final = (EffectAction.ONLY, EffectAction.NORELAY, EffectAction.NORELAY_AUTH)
_NAME_CLIENTS: Final = "name the clients by address instead"


def effect_findings(rules: EffectRules, local_domains: Collection[str]) -> tuple[Finding, ...]:
    """All that is dangerous or without effect, in file order, beside `rules.findings` about lines that cannot be read.

    In an account's own document `true` opens that mailbox only, so nothing there is an open relay.
    """
    local = {fold_domain(domain) for domain in local_domains}
    found = list(unreachable(rules.rules, lambda rule: rules.first_for(rule.subject), lambda rule: rule.action))
    for position, rule in enumerate(rules.rules):
        if rules.first_for(rule.subject) < position:
            continue
        bounces = rules.first_for(Path.NULL) == position
        found += _of_account(rule, bounces=bounces) if rule.origin.account else _of_server(rule, local)
    return tuple(sorted(found, key=_line))


def _line(finding: Finding) -> int:
    return int(finding.subject.rpartition(":")[2])


def _of_account(rule: EffectRule, *, bounces: bool) -> Iterator[Finding]:
    if rule.action in _ABOUT_RELAYING:
        yield note(rule.origin, f"says {rule.action}, but mail to this account is not relayed", "write default or true")
    if bounces and rule.action is EffectAction.FALSE:
        yield note(rule.origin, "refuses bounces to this account too", "put #<> default above it")


def _of_server(rule: EffectRule, local: set[str]) -> Iterator[Finding]:
    if rule.action is EffectAction.FALSE and rule.subject is Path.NULL:
        yield note(rule.origin, "refuses all bounces, which other servers take for an error", "write #<> default")
    if rule.action not in _RELAYING:
        return
    says = f"says {rule.action}"
    if isinstance(rule.subject, ClientPattern):
        yield from _of_clients(rule, says)
    elif rule.subject is Path.NULL:
        yield warning(rule.origin, f"{says}: whoever writes MAIL FROM:<> may relay", "write #<> default")
    elif rule.subject is Path.BLANK:
        yield warning(rule.origin, f"{says}: whoever leaves MAIL FROM: empty may relay", "write #blank false")
    elif rule.subject is Path.MAILBOX:
        yield warning(rule.origin, f"{says}: any reverse-path may be relayed; this is an open relay", _NAME_CLIENTS)
    else:
        yield _of_reverse_path(rule, says, local)


def _of_clients(rule: EffectRule, says: str) -> Iterator[Finding]:
    pattern = rule.subject
    if pattern == EVERY_CLIENT:
        yield warning(rule.origin, f"{says} for every client; this is an open relay", "write *.*.*.* default")
    elif isinstance(pattern, ClientPattern) and pattern.prefix_length() < _HUGE[pattern.version]:
        sentence = f"{says} for {rule.text}, which reaches far beyond one network"
        yield warning(rule.origin, sentence, "name your own networks only")


def _of_reverse_path(rule: EffectRule, says: str, local: set[str]) -> Finding:
    subject = rule.subject
    domain = subject.domain if isinstance(subject, Mailbox) else subject
    if domain in local:
        sentence = f"{says} for {rule.text}, which is local: whoever forges it may send without AUTH to anywhere"
        return warning(rule.origin, sentence, f"write {rule.text} default, or name the clients by address instead")
    return warning(rule.origin, f"{says} for {rule.text}: whoever forges it may relay to anywhere", _NAME_CLIENTS)
