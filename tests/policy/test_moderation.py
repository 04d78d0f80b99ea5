# SPDX-License-Identifier: Apache-2.0
"""Moderated lists: whose mail waits, for whom, and what else a rule may want with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from genkan.policy.handling import AS_IT_IS
from genkan.policy.replay import Replay, differences, recorded
from genkan.smtp.address import Mailbox
from tests.support.policy_site import ACCEPTED, config_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from genkan.directory import Directory
    from genkan.policy.handling import Handlings
    from tests.support.policy_site import Client, Site

SLOW = Mailbox("slow", "in.test")
ANN = Mailbox("ann", "in.test")
HEADER = b"Subject: spam\r\n"


@pytest.fixture
def moderated(directory: Directory, site: Site) -> Iterator[Site]:
    """With kai as the owner of slow."""
    kai = Mailbox("kai", "in2.test")
    directory.lists.add_owner(SLOW, kai)
    yield site
    directory.lists.remove_owner(SLOW, kai)


def judged(client: Client, sender: str, *recipients: str) -> Handlings:
    assert client.mail(sender) == ACCEPTED
    assert [client.rcpt(recipient) for recipient in recipients] == [ACCEPTED] * len(recipients)
    told, facts = client.judge_content(HEADER + b"\r\n")
    assert told == ACCEPTED
    return facts.handlings


def test_what_others_write_waits_for_the_owners(moderated: Site) -> None:
    handlings = judged(moderated.client(), "x@out.test", "slow@in.test", "ann@in.test", "news@in.test")
    holding = handlings.of(SLOW).holding
    assert holding is not None
    assert (holding.kind, holding.reason) == ("approval", "slow@in.test is moderated")
    assert (holding.approvers, holding.rule.place) == (("kai@in2.test",), "list slow@in.test")
    assert list(handlings.accounts) == [SLOW]
    assert handlings.of(ANN) == AS_IT_IS
    assert handlings.said() == ["held: slow@in.test is moderated for slow@in.test"]


def test_without_an_owner_it_waits_for_the_operator(site: Site) -> None:
    holding = judged(site.client(), "x@out.test", "slow@in.test").of(SLOW).holding
    assert holding is not None
    assert holding.approvers == ()


@pytest.mark.parametrize(("sender", "account"), [("kai@in2.test", "kai@in2.test"), ("", ""), ("", "kai@in2.test")])
def test_owners_and_bounces_do_not_wait(moderated: Site, sender: str, account: str) -> None:
    assert judged(moderated.client(account=account), sender, "slow@in.test").is_plain


def test_what_a_rule_holds_or_sends_elsewhere_is_left_alone(moderated: Site) -> None:
    moderated.rules("approval-addresses.dat", "x@out.test hold ann@in.test")
    assert judged(moderated.client(), "x@out.test", "slow@in.test").accounts == {}


def test_a_replay_comes_to_the_same(moderated: Site) -> None:
    client = moderated.client()
    judged(client, "x@out.test", "slow@in.test")
    assert client.entry is not None
    assert client.entry.content is not None
    assert client.entry.content.actions == ["held: slow@in.test is moderated for slow@in.test"]
    replay = Replay(config_of(""), moderated.directory, moderated.rulebook())
    assert differences(recorded(client.entry), replay.transaction(client.entry)) == []
