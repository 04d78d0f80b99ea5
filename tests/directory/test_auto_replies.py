# SPDX-License-Identifier: Apache-2.0
"""Automatic replies: set and taken away, to whom and when, and each sender once in a while."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import apsw
import pytest

from genkan.directory import AutoReply, InvalidValue, NotFound
from genkan.directory.auto_replies import MAX_REMEMBERED, MAX_TEXT
from genkan.directory.directory import FILE_NAME
from genkan.smtp.address import Mailbox

if TYPE_CHECKING:
    from pathlib import Path

    from genkan.directory import Account, Directory

ANN: Final = Mailbox("ann", "in.test")
CAROL: Final = Mailbox("Carol", "Out.test")
NOW: Final = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
DAY: Final = timedelta(days=1)
AWAY: Final = AutoReply("I am away.\n")


def ann(directory: Directory) -> Account:
    return directory.accounts.show(ANN)


def test_a_reply_is_kept_with_all_that_was_said_of_it(directory: Directory) -> None:
    account = ann(directory)
    assert directory.auto_replies.find(account.id) is None
    reply = AutoReply(
        "Away.\r\n\r\n  Ann  ", "Away", NOW, NOW + DAY, 2 * DAY, ("*@Out.test",), ("noreply@out.test", "*")
    )
    kept = directory.auto_replies.set(account, reply)
    assert kept == replace(reply, text="Away.\n\n  Ann\n", senders=("*@out.test",))
    assert directory.auto_replies.find(account.id) == kept
    assert directory.auto_replies.set(account, AWAY) == directory.auto_replies.find(account.id) == AWAY


def test_a_reply_is_cached_until_another_process_changes_it(directory: Directory, elsewhere: Directory) -> None:
    account = ann(directory)
    elsewhere.auto_replies.set(account, AWAY)
    directory.refresh()
    assert directory.auto_replies.find(account.id) is directory.auto_replies.find(account.id)
    elsewhere.auto_replies.remove(account)
    directory.refresh()
    assert directory.auto_replies.find(account.id) is None


def test_a_reply_goes_with_its_account_and_nobody_is_answered_any_more(directory: Directory) -> None:
    account = ann(directory)
    directory.auto_replies.set(account, AWAY)
    assert directory.auto_replies.claim(account.id, CAROL, NOW)
    directory.accounts.remove(ANN)
    assert directory.auto_replies.find(account.id) is None
    assert not directory.auto_replies.claim(account.id, CAROL, NOW + 30 * DAY)


def test_where_there_is_no_reply_none_is_removed(directory: Directory) -> None:
    with pytest.raises(
        NotFound, match=r"^ann@in\.test has no automatic reply; see: genkan account reply ann@in\.test$"
    ):
        directory.auto_replies.remove(ann(directory))


def test_it_answers_from_its_beginning_until_its_end() -> None:
    reply = replace(AWAY, since=NOW, until=NOW + DAY)
    second = timedelta(seconds=1)
    moments = NOW - second, NOW, NOW + DAY - second, NOW + DAY
    assert [reply.answers(CAROL, moment) for moment in moments] == [False, True, True, False]
    assert AWAY.answers(CAROL, NOW)


@pytest.mark.parametrize(
    ("senders", "excepted", "answered"),
    [
        ((), (), True),
        (("*@out.test",), (), True),
        (("*@z.test",), (), False),
        ((), ("carol@out.test",), False),
        (("*@out.test",), ("carol@out.test",), False),
        ((), ("dan@out.test", "*@z.test"), True),
    ],
)
def test_it_answers_whom_the_account_wants(senders: tuple[str, ...], excepted: tuple[str, ...], answered: bool) -> None:
    assert replace(AWAY, senders=senders, excepted=excepted).answers(CAROL, NOW) is answered


def test_a_sender_is_answered_once_in_that_time_in_whatever_writing(directory: Directory) -> None:
    account = ann(directory)
    directory.auto_replies.set(account, AWAY)
    claims = [
        directory.auto_replies.claim(account.id, sender, NOW + after)
        for sender, after in (
            (CAROL, 0 * DAY),
            (CAROL, 0 * DAY),
            (Mailbox("cAROL", "out.TEST"), 6 * DAY),
            (Mailbox("dan", "out.test"), 6 * DAY),
            (CAROL, 7 * DAY),
            (CAROL, 13 * DAY),
        )
    ]
    assert claims == [True, False, False, True, True, False]


def test_of_two_processes_that_claim_one_is_told_true(directory: Directory, elsewhere: Directory) -> None:
    account = ann(directory)
    directory.auto_replies.set(account, AWAY)
    assert directory.auto_replies.claim(account.id, CAROL, NOW)
    assert not elsewhere.auto_replies.claim(account.id, CAROL, NOW)


def test_another_text_does_not_answer_anew_but_another_reply_does(directory: Directory) -> None:
    account = ann(directory)
    directory.auto_replies.set(account, AWAY)
    assert directory.auto_replies.claim(account.id, CAROL, NOW)
    directory.auto_replies.set(account, AutoReply("I am still away."))
    assert not directory.auto_replies.claim(account.id, CAROL, NOW)
    directory.auto_replies.remove(account)
    directory.auto_replies.set(account, AWAY)
    assert directory.auto_replies.claim(account.id, CAROL, NOW)


def test_a_claim_drops_no_cache(directory: Directory, elsewhere: Directory) -> None:
    account = ann(directory)
    directory.auto_replies.set(account, AWAY)
    elsewhere.refresh()
    cached = elsewhere.auto_replies.find(account.id)
    directory.auto_replies.claim(account.id, CAROL, NOW)
    elsewhere.refresh()
    assert elsewhere.auto_replies.find(account.id) is cached


def test_of_very_many_senders_the_oldest_is_forgotten(directory: Directory, tmp_path: Path) -> None:
    account = ann(directory)
    directory.auto_replies.set(account, AWAY)
    connection = apsw.Connection(str(tmp_path / "data" / FILE_NAME))
    rows = ((account.id, f"x{number}@out.test", number) for number in range(MAX_REMEMBERED))
    with connection:
        connection.executemany("INSERT INTO auto_reply_sent VALUES (?1, ?2, ?3)", rows)
    assert directory.auto_replies.claim(account.id, CAROL, NOW)
    [kept] = connection.execute("SELECT count(*), min(sent) FROM auto_reply_sent")
    connection.close()
    assert kept == (MAX_REMEMBERED, 1)


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (AutoReply(" \n\n"), "has no text; give one with --text or --text-file"),
        (AutoReply("a\x1b[2J"), "the text holds control characters"),
        (AutoReply("\ud800"), "the text holds control characters"),
        (AutoReply("\u3042" * (MAX_TEXT // 3 + 1)), "the text is longer than 16384 octets"),
        (replace(AWAY, subject="a\r\nBcc: x@out.test"), "the subject is not usable: give at most 200"),
        (replace(AWAY, subject="a" * 201), "the subject is not usable"),
        (replace(AWAY, since=NOW, until=NOW), "the reply ends before it begins"),
        (replace(AWAY, every=timedelta(minutes=59)), "once in 1h at the least and in 366d at the most"),
        (replace(AWAY, every=timedelta(days=367)), "once in 1h at the least and in 366d at the most"),
        (replace(AWAY, senders=("x",)), "'x' names no sender"),
        (replace(AWAY, excepted=("x*@out.test",)), "has an asterisk beside other characters"),
    ],
)
def test_what_cannot_be_an_automatic_reply_is_refused(directory: Directory, reply: AutoReply, error: str) -> None:
    with pytest.raises(InvalidValue, match=error):
        directory.auto_replies.set(ann(directory), reply)
    assert directory.auto_replies.find(ann(directory).id) is None
