# SPDX-License-Identifier: Apache-2.0
"""Which recipients fit what an operator names."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

import pytest

from genkan.message.envelope import Recipient
from genkan.smtp.address import Mailbox
from genkan.spool.reading import choose, list_chosen
from genkan.spool.recording import KeptBack, PutBack, Record
from genkan.spool.selection import NULL_PATH, Selection, chosen
from tests.spool.holding import accept_held, hold_for
from tests.support.spools import ACCEPTED, ANN, BOB, envelope, open_spool_on_loop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.spools import SpoolOnLoop

NOW: Final = ACCEPTED + timedelta(hours=2)
DAN: Final = Recipient(Mailbox("staff", "in.test"), Mailbox("Dan", "Example.ORG"))
EVE: Final = Recipient(
    Mailbox("eve", "example.org"), Mailbox("eve", "example.org"), reverse_path=Mailbox("l+1", "in.test")
)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[SpoolOnLoop]:
    """1 of carol to ann and bob; 2 of the account Ann to dan; 3 with the null path, later, to eve; 4 held for approval."""
    with open_spool_on_loop(tmp_path / "spool" / "1") as opened:
        opened.accept(envelope(1, ANN, BOB), b"content")
        opened.accept(envelope(2, DAN)._replace(account="Ann@in.test"), b"content")
        later = ACCEPTED + timedelta(hours=1)
        opened.accept(envelope(3, EVE)._replace(reverse_path=None, accepted_at=later), b"content")
        accept_held(opened, 4, hold_for())
        yield opened


def fit(opened: SpoolOnLoop, selection: Selection) -> list[tuple[int, int]]:
    storage = opened.spool.folder.parents[1]
    return [(recipient.message, recipient.number) for recipient in choose(storage, NOW, selection)]


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(), [(1, 0), (1, 1), (2, 0), (3, 0), (4, 0)]),
        (Selection(ids=("B0000000003", "B0000000001", "B0000000099")), [(1, 0), (1, 1), (3, 0)]),
        (Selection(account="ann@IN.test"), [(2, 0)]),
        (Selection(sender="Carol@example.NET"), [(1, 0), (1, 1), (2, 0), (4, 0)]),
        (Selection(sender=NULL_PATH), [(3, 0)]),
        (Selection(sender="l+1@in.test"), [(3, 0)]),
        (Selection(recipient="BOB@in.test"), [(1, 1)]),
        (Selection(recipient="staff@in.test"), [(2, 0)]),
        (Selection(recipient="dan@example.org"), [(2, 0)]),
        (Selection(domain="EXAMPLE.org"), [(2, 0), (3, 0)]),
        (Selection(older_than=timedelta(hours=2)), [(1, 0), (1, 1), (2, 0), (4, 0)]),
        (Selection(newer_than=timedelta(hours=1)), [(3, 0)]),
        (Selection(older_than=timedelta(hours=1), newer_than=timedelta(hours=1)), [(3, 0)]),
        (Selection(rule="mail.dat"), [(4, 0)]),
        (Selection(rule="mail.dat:12"), [(4, 0)]),
        (Selection(rule="mail.dat:1"), []),
        (Selection(rule="mail"), []),
        (Selection(reason="ATTACH"), [(4, 0)]),
        (Selection(state="held"), [(4, 0)]),
        (Selection(state="due"), [(1, 0), (1, 1), (2, 0), (3, 0)]),
        (Selection(domain="in.test", sender="carol@example.net", state="due"), [(1, 0), (1, 1)]),
        (Selection(account="ann@in.test", domain="in.test"), []),
        (Selection(account="' OR 1=1 --"), []),
        (Selection(reason="%"), []),
    ],
)
def test_what_is_named_must_fit_all_of_it(
    opened: SpoolOnLoop, selection: Selection, expected: list[tuple[int, int]]
) -> None:
    assert fit(opened, selection) == expected


def test_the_last_outcome_and_what_holds_a_recipient_can_be_asked_for(opened: SpoolOnLoop) -> None:
    opened.lease(NOW)
    held = KeptBack(1, 1, "brake", "brake on <ann@in.test>: too many")
    answers: list[object] = []
    entries = (PutBack(1, 0, NOW + timedelta(hours=1), "Connection refused"), held)
    opened.spool.submit(Record(opened.spool, entries, answers.append))
    opened.turn_until(lambda: bool(answers))
    assert fit(opened, Selection(reason="connection")) == [(1, 0)]
    assert fit(opened, Selection(state="waiting")) == [(1, 0)]
    assert fit(opened, Selection(hold="brake")) == [(1, 1)]
    assert fit(opened, Selection(state="held")) == [(1, 1), (4, 0)]
    assert fit(opened, Selection(state="leased")) == [(2, 0), (3, 0)]


@pytest.mark.parametrize("page", [1, 2, 3, 100])
def test_pages_of_any_size_give_every_recipient_once(opened: SpoolOnLoop, page: int) -> None:
    connection = opened.database()
    pages = list(chosen(connection, Selection(), NOW, page))
    connection.close()
    assert [(one.message, one.number) for found in pages for one in found] == fit(opened, Selection())
    assert max(map(len, pages)) <= page


@pytest.mark.usefixtures("opened")
def test_messages_are_listed_with_the_recipients_that_fit(tmp_path: Path) -> None:
    listed = list(list_chosen(tmp_path, NOW, Selection(domain="in.test")))
    assert [(one.message_id, [to.mailbox for to in one.recipients]) for one in listed] == [
        ("B0000000001", ["ann@in.test", "bob@in.test"]),
        ("B0000000004", ["ann@in.test"]),
    ]
    [only] = list_chosen(tmp_path, NOW, Selection(recipient="bob@in.test"))
    assert [to.mailbox for to in only.recipients] == ["bob@in.test"]


def test_what_is_no_message_id_is_an_error() -> None:
    with pytest.raises(ValueError, match="'1' is no message id"):
        Selection(ids=("1",)).parameters(NOW)


def test_an_operator_reads_what_was_selected() -> None:
    assert str(Selection()) == "everything"
    selection = Selection(ids=("B0000000001",), domain="example.org", older_than=timedelta(days=2))
    assert str(selection) == "B0000000001, domain example.org, older than 2 days, 0:00:00"
    assert [Selection().is_empty, selection.is_empty, Selection(state="due").is_empty] == [True, False, False]
