# SPDX-License-Identifier: Apache-2.0
"""The sentences that say when the server relays: for each action, for what no line names, for each setting."""

from __future__ import annotations

from typing import Literal

import pytest

from genkan.rules.document import Document
from genkan.rules.effect import SHIPPED, parse_effect
from genkan.rules.effect_relaying import RelaySettings, relay_conditions

SAFE = RelaySettings(auth_enabled=True, unauthenticated_accounts="nowhere", sender_trust=1)
BUILT_IN = [
    "Built-in: nobody relays with the null reverse-path or one in a domain that is not local.",
    "Built-in: after AUTH an account may relay with any address in in.test.",
    "Built-in: nobody relays without AUTH.",
]


def conditions(text: str, settings: RelaySettings = SAFE, domains: tuple[str, ...] = ("in.test",)) -> list[str]:
    return relay_conditions(parse_effect(Document("effect.dat", "", 1, text)), domains, settings)


def test_the_shipped_document_leaves_all_to_the_built_in_conditions() -> None:
    assert conditions(SHIPPED) == [
        "The first line of effect.dat that matches decides.",
        "Line 2: whoever is named there may not send at all.",
        "effect.dat:1: for any client with the null reverse-path the built-in conditions hold.",
        "For whoever matches no line the built-in conditions hold.",
        *BUILT_IN,
    ]


def test_so_does_an_empty_one() -> None:
    assert conditions("") == [
        "effect.dat holds no rule.",
        "For whoever matches no line the built-in conditions hold.",
        *BUILT_IN,
    ]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (
            "192.0.2.1",
            "client 192.0.2.1 may relay to anywhere, without AUTH, also with local addresses that nobody has.",
        ),
        ("192.168.*.* only", "clients in 192.168.*.* may relay to anywhere."),
        ("* norelay,2", "every client may relay after AUTH only."),
        ("2001:db8::/32 default", "for clients in 2001:db8::/32 the built-in conditions hold."),
        ("out.test only", "any client with a reverse-path in out.test may relay to anywhere."),
        ("X@out.test only", "any client with the reverse-path x@out.test may relay to anywhere."),
        ("*@* only", "any client with a reverse-path that is not null may relay to anywhere."),
        ("#<> only", "any client with the null reverse-path may relay to anywhere."),
        ("#blank only", "any client with no reverse-path at all may relay to anywhere."),
    ],
)
def test_a_line_has_its_sentence(line: str, sentence: str) -> None:
    assert f"effect.dat:1: {sentence}" in conditions(line)


def test_lines_that_refuse_are_gathered_in_one_sentence() -> None:
    words = conditions("".join(f"192.0.2.{host} false\n" for host in range(1, 16)) + "out.test norelay\n")
    assert words[1:3] == [
        "Lines 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 5 more: whoever is named there may not send at all.",
        "Line 16: whoever is named there may not relay, even after AUTH.",
    ]


def test_after_a_line_for_every_client_nothing_else_is_said() -> None:
    assert conditions("192.0.2.1 true\n*.*.*.* norelay\nin.test true\n") == [
        "The first line of effect.dat that matches decides.",
        "Line 2: whoever is named there may not relay, even after AUTH.",
        "effect.dat:1: client 192.0.2.1 may relay to anywhere, without AUTH, also with local addresses that nobody has.",
    ]


def test_only_speaks_about_everybody_else() -> None:
    words = conditions("192.0.2.1 only")
    assert words[-1] == "Whoever matches no line may not relay, since effect.dat:1 says only."


def test_norelay_2_needs_auth_to_be_on() -> None:
    off = RelaySettings(auth_enabled=False, unauthenticated_accounts="nowhere", sender_trust=1)
    assert conditions("* norelay,2", off)[-1] == "effect.dat:1: every client may not relay, since AUTH is off."


@pytest.mark.parametrize(
    ("trust", "paths"),
    [
        (1, "any address in in.test."),
        (2, "its own addresses only."),
        (3, "its own addresses only, also in the From field."),
    ],
)
def test_sender_trust_limits_the_reverse_path(trust: int, paths: str) -> None:
    settings = RelaySettings(auth_enabled=True, unauthenticated_accounts="nowhere", sender_trust=trust)
    assert conditions("", settings)[-2] == f"Built-in: after AUTH an account may relay with {paths}"


@pytest.mark.parametrize(
    ("auth_enabled", "accounts", "sentence"),
    [
        (True, "nowhere", "nobody relays without AUTH."),
        (False, "nowhere", "AUTH is off, so nobody relays."),
        (
            True,
            "trusted",
            (
                "without AUTH clients that effect.dat names by address may relay with the address of an account that "
                "cannot authenticate."
            ),
        ),
        (
            True,
            "anywhere",
            "without AUTH any client may relay with the address of an account that cannot authenticate.",
        ),
        (False, "anywhere", "without AUTH any client may relay with the address of any account."),
    ],
)
def test_what_may_be_sent_without_auth_is_said_last(
    auth_enabled: bool, accounts: Literal["nowhere", "trusted", "anywhere"], sentence: str
) -> None:
    settings = RelaySettings(auth_enabled=auth_enabled, unauthenticated_accounts=accounts, sender_trust=1)
    words = conditions("", settings)
    assert words[-1] == f"Built-in: {sentence}"
    assert any("after AUTH" in word for word in words) == auth_enabled


def test_without_a_local_domain_nobody_relays() -> None:
    assert conditions("", domains=())[-1] == "Built-in: no domain is local, so nobody relays."
