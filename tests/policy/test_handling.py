# SPDX-License-Identifier: Apache-2.0
"""What is to be done with a message, put together for each recipient, and told to the record."""

from __future__ import annotations

from typing import Final

from genkan.policy.handling import AS_IT_IS, Handling, Handlings, Holding
from genkan.record.entry import Rule
from genkan.smtp.address import Mailbox

ANN, BOB, KAI = Mailbox("ann", "in.test"), Mailbox("bob", "in.test"), Mailbox("kai", "in2.test")
RULE: Final = Rule("mail.dat", "", 1, 3, "Virus:x")
HOLD: Final = Holding("approval", "*@out.test needs approval", RULE)
KEPT: Final = Holding("quarantine", "x: found", RULE)


def test_without_any_wish_the_message_goes_on_as_it_is() -> None:
    handlings = Handlings()
    assert (handlings.is_plain, handlings.of(ANN), handlings.of_message(), handlings.said()) == (
        True,
        AS_IT_IS,
        AS_IT_IS,
        [],
    )


def test_any_wish_makes_it_one_to_be_handled() -> None:
    assert not Handlings(message=Handling(tag="x")).is_plain
    assert not Handlings(accounts={ANN: Handling(tag="x")}).is_plain
    assert not Handlings(hold=HOLD).is_plain
    assert not Handlings(copies=[KEPT]).is_plain
    assert Handlings(refuse_client=True).is_plain


def test_an_account_with_a_way_of_its_own_does_not_follow_the_messages() -> None:
    handlings = Handlings(message=Handling(tag="all"), accounts={ANN: Handling(tag="ann")})
    assert (handlings.of(ANN).tag, handlings.of(BOB).tag) == ("ann", "all")


def test_a_hold_keeps_back_everybodys_copy_with_its_marks() -> None:
    handlings = Handlings(message=Handling("tag", (("X-A", "b"),), KAI), accounts={ANN: Handling("ann")}, hold=HOLD)
    assert handlings.of(BOB) == Handling("tag", (("X-A", "b"),), KAI, HOLD)
    assert handlings.of(ANN) == Handling("ann", holding=HOLD)
    assert handlings.of_message() == handlings.of(BOB)


def test_a_copy_in_the_quarantine_is_not_held_for_approval() -> None:
    handlings = Handlings(accounts={ANN: Handling(holding=KEPT)}, hold=HOLD)
    assert (handlings.of(ANN).holding, handlings.of(BOB).holding) == (KEPT, HOLD)


def test_what_is_done_is_told_in_words() -> None:
    handlings = Handlings(
        message=Handling("[x]", (("X-A", "b"),), KAI),
        accounts={ANN: Handling(holding=KEPT), BOB: Handling(tag="[bob]")},
        copies=[KEPT],
    )
    assert handlings.said() == [
        "subject tagged '[x]', field X-A added, forwarded to kai@in2.test",
        "held: x: found for ann@in.test",
        "subject tagged '[bob]' for bob@in.test",
        "copy in the quarantine",
    ]


def test_a_hold_is_told_once_for_the_message() -> None:
    assert Handlings(hold=HOLD).said() == ["held: *@out.test needs approval"]
