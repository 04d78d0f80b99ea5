# SPDX-License-Identifier: Apache-2.0
"""Says in words under which conditions the server relays to domains that are not its own: what `rules check` prints.

The product's rules are easily misread even by those who know them (its page bsd-15-65); sentences are harder to misread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from genkan.rules.addresses import Path
from genkan.rules.clients import EVERY_CLIENT, ClientPattern
from genkan.rules.effect import EffectAction
from genkan.smtp.address import Mailbox

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from genkan.rules.effect import EffectRule, EffectRules, Subject

_SHOWN: Final = 10  # lines or domains that a sentence lists
_REFUSING: Final = (EffectAction.FALSE, EffectAction.NORELAY)
_PATHS: Final = {
    Path.MAILBOX: "a reverse-path that is not null",
    Path.NULL: "the null reverse-path",
    Path.BLANK: "no reverse-path at all",
}


@dataclass(frozen=True, slots=True)
class RelaySettings:
    """The settings that decide about relaying beside effect.dat, all of the configuration's table `auth`."""

    auth_enabled: bool
    unauthenticated_accounts: Literal["nowhere", "trusted", "anywhere"]
    sender_trust: int


def relay_conditions(rules: EffectRules, local_domains: Collection[str], settings: RelaySettings) -> list[str]:
    """The conditions, one sentence each, for the server's own effect.dat; lines that are never reached are left out."""
    reached = [rule for position, rule in enumerate(rules.rules) if rules.first_for(rule.subject) == position]
    words = ["The first line of effect.dat that matches decides." if reached else "effect.dat holds no rule."]
    words += _refusing(reached, EffectAction.FALSE, "may not send at all")
    words += _refusing(reached, EffectAction.NORELAY, "may not relay, even after AUTH")
    words += [f"{rule.origin}: {_relaying(rule, settings)}" for rule in reached if rule.action not in _REFUSING]
    by_default = any(rule.action is EffectAction.DEFAULT for rule in reached)
    only = next((rule for rule in rules.rules if rule.action is EffectAction.ONLY), None)
    if any(rule.subject == EVERY_CLIENT for rule in reached):
        pass
    elif only is not None:
        words.append(f"Whoever matches no line may not relay, since {only.origin} says only.")
    else:
        words.append("For whoever matches no line the built-in conditions hold.")
        by_default = True
    if by_default:
        words += [f"Built-in: {condition}" for condition in _built_in(local_domains, settings)]
    return words


def _refusing(reached: Iterable[EffectRule], action: EffectAction, what: str) -> Iterator[str]:
    lines = [str(rule.origin.line) for rule in reached if rule.action is action]
    if lines:
        yield f"{'Lines' if len(lines) > 1 else 'Line'} {_listed(lines)}: whoever is named there {what}."


def _relaying(rule: EffectRule, settings: RelaySettings) -> str:
    who = _who(rule.subject)
    if rule.action is EffectAction.DEFAULT:
        return f"for {who} the built-in conditions hold."
    if rule.action is EffectAction.NORELAY_AUTH:
        condition = "may relay after AUTH only" if settings.auth_enabled else "may not relay, since AUTH is off"
        return f"{who} {condition}."
    condition = ", without AUTH, also with local addresses that nobody has" if rule.action is EffectAction.TRUE else ""
    return f"{who} may relay to anywhere{condition}."


def _who(subject: Subject) -> str:
    if isinstance(subject, ClientPattern):
        if subject == EVERY_CLIENT:
            return "every client"
        return f"client {subject}" if subject.is_one_address() else f"clients in {subject}"
    if isinstance(subject, Path):
        return f"any client with {_PATHS[subject]}"
    kind = "the reverse-path" if isinstance(subject, Mailbox) else "a reverse-path in"
    return f"any client with {kind} {subject}"


def _built_in(local_domains: Collection[str], settings: RelaySettings) -> Iterator[str]:
    if not local_domains:
        yield "no domain is local, so nobody relays."
        return
    yield "nobody relays with the null reverse-path or one in a domain that is not local."
    if settings.auth_enabled:
        domains = _listed(sorted(local_domains))
        paths = f"any address in {domains}" if settings.sender_trust < 2 else "its own addresses only"
        fields = ", also in the From field" if settings.sender_trust > 2 else ""
        yield f"after AUTH an account may relay with {paths}{fields}."
    if settings.unauthenticated_accounts == "nowhere":
        yield "nobody relays without AUTH." if settings.auth_enabled else "AUTH is off, so nobody relays."
        return
    trusted = settings.unauthenticated_accounts == "trusted"
    clients = "clients that effect.dat names by address" if trusted else "any client"
    accounts = "of an account that cannot authenticate" if settings.auth_enabled else "of any account"
    yield f"without AUTH {clients} may relay with the address {accounts}."


def _listed(words: Sequence[str]) -> str:
    if len(words) <= _SHOWN:
        return ", ".join(words)
    return f"{', '.join(words[:_SHOWN])} and {len(words) - _SHOWN} more"
