# SPDX-License-Identifier: Apache-2.0
"""What goes outside is counted by account; what is too much is held, and somebody is told of it once."""

from __future__ import annotations

import asyncio
import email
import json
import os
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from email import policy
from itertools import count
from typing import TYPE_CHECKING, Final

import pytest

from genkan.delivery.brake import Brake, BrakeNotices
from genkan.delivery.outcome import Held
from genkan.directory import BrakeNumbers, Directory
from genkan.maillog import LogStream, MailLog
from genkan.message.envelope import Envelope, Recipient
from genkan.message.message_id import format_message_id
from genkan.smtp.address import Mailbox
from genkan.spool.queue import Leased
from genkan.storage.engine import StorageFull
from tests.support.server import START, StoppedClock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from genkan.spool.post import Post

NUMBERS: Final = BrakeNumbers("fixed", 3)
ANN: Final = Mailbox("ann", "in.test")
CAROL: Final = Mailbox("carol", "example.net")


def leased(number: int, account: str = "ann@in.test", reverse_path: Mailbox | None = ANN) -> Leased:
    mailbox = Mailbox(f"r{number}", "example.org")
    envelope = Envelope(format_message_id(number), START, reverse_path, (), "192.0.2.10", "client.test", account)
    return Leased(envelope, 100, 0, Recipient(mailbox, mailbox), 1)


class Site:
    """A brake with a directory that has ann, and postmaster as an alias of bob."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = StoppedClock()
        self.directory = Directory.open(folder / "data")
        self.directory.domains.add("in.test")
        self.directory.accounts.add(ANN)
        self.directory.accounts.add(Mailbox("bob", "in.test"))
        self.directory.aliases.add(Mailbox("postmaster", "in.test"), Mailbox("bob", "in.test"))
        self.directory.aliases.add(Mailbox("sales", "in.test"), ANN)
        self._log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.brake = self.make(NUMBERS)

    def make(self, numbers: BrakeNumbers | None) -> Brake:
        ids = count(1000)
        notices = BrakeNotices(self.directory, "mx.in.test", lambda: format_message_id(next(ids)))
        log = MailLog(LogStream(self._log), self.clock)
        return Brake(self.directory, self.open_directory, numbers, notices, log, self.clock)

    def open_directory(self) -> Directory:
        return Directory.open(self.folder / "data")

    def pass_through(self, *batch: Leased) -> list[Held | None]:
        return asyncio.run(self.brake.pass_through(batch))

    def refresh(self) -> None:
        self.directory.refresh()

    def events(self) -> list[str]:
        return [json.loads(line)["event"] for line in (self.folder / "log").read_text().splitlines()]


@contextmanager
def opened(folder: Path) -> Iterator[Site]:
    site = Site(folder)
    try:
        yield site
    finally:
        site.brake.close()
        site.directory.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with opened(tmp_path) as site:
        yield site


def is_held(outcomes: list[Held | None]) -> list[bool]:
    return [outcome is not None for outcome in outcomes]


def posts(outcomes: list[Held | None]) -> list[Post]:
    return [post for outcome in outcomes if outcome is not None for post in outcome.posts]


def test_the_first_ones_go_and_the_others_are_held(site: Site) -> None:
    outcomes = site.pass_through(*map(leased, range(1, 6)))
    assert is_held(outcomes) == [False, False, False, True, True]
    assert isinstance(outcomes[4], Held)
    reason = "brake on <ann@in.test>: 5 recipients outside within an hour, 3 may be"
    assert (outcomes[4].hold, outcomes[4].reason) == ("brake", reason)


def test_one_batch_or_many_is_the_same(site: Site) -> None:
    outcomes = [outcome for number in range(1, 6) for outcome in site.pass_through(leased(number))]
    assert is_held(outcomes) == [False, False, False, True, True]


def test_owner_and_operator_are_told_once(site: Site) -> None:
    first = site.pass_through(*map(leased, range(1, 7)))
    assert len(posts(first[:4])) == 2
    assert posts(first[4:]) == []
    assert posts(site.pass_through(leased(7))) == []
    told = posts(first)
    assert [str(post.envelope.recipients[0].mailbox) for post in told] == ["bob@in.test", "ann@in.test"]
    assert [post.envelope.message_id for post in told] == ["B0000001000", "B0000001001"]
    for post in told:
        assert (post.envelope.reverse_path, post.envelope.account, post.origin) == (None, "", None)
        mail = email.message_from_bytes(post.content, policy=policy.default)
        assert mail["Message-ID"] == f"<{post.envelope.message_id}@mx.in.test>"
    assert site.events() == ["the brake holds an account's mail"]


def test_who_is_the_operator_is_told_once_too(site: Site) -> None:
    told = posts(site.pass_through(*(leased(number, "bob@in.test") for number in range(1, 6))))
    assert [str(post.envelope.recipients[0].mailbox) for post in told] == ["bob@in.test"]


def test_where_nobody_is_the_operator_the_owner_is_told(site: Site) -> None:
    site.directory.aliases.remove(Mailbox("postmaster", "in.test"))
    told = posts(site.pass_through(*map(leased, range(1, 6))))
    assert [str(post.envelope.recipients[0].mailbox) for post in told] == ["ann@in.test"]


@pytest.mark.parametrize(
    ("one", "counts"),
    [
        (leased(1), True),
        (leased(1, "", ANN), True),
        (leased(1, "", Mailbox("SALES+x", "in.test")), True),
        (leased(1, "Ann@IN.test", CAROL), True),
        (leased(1, "ann@in.test", None), True),
        (leased(1, "", None), False),
        (leased(1, "", CAROL), False),
        (leased(1, "", Mailbox("nobody", "in.test")), False),
        (leased(1, "no address", CAROL), False),
        (replace(leased(1), attempt=2), False),
    ],
)
def test_what_counts_is_the_first_attempt_for_mail_of_an_account(site: Site, one: Leased, counts: bool) -> None:
    assert site.brake.counts(one) is counts
    site.pass_through(one)
    assert site.directory.brakes.standing(ANN, NUMBERS, START).sent == int(counts)


def test_what_a_list_multiplies_is_not_the_authors(site: Site) -> None:
    one = leased(1)
    member = replace(one, recipient=one.recipient._replace(reverse_path=Mailbox("list+1", "in.test")))
    assert not site.brake.counts(member)


def test_what_went_and_only_waited_for_its_turn_is_not_counted_again(site: Site) -> None:
    for _ in range(5):
        assert site.pass_through(leased(1)) == [None]
    assert not site.brake.counts(leased(1))
    assert site.directory.brakes.standing(ANN, NUMBERS, START).sent == 1


def test_mail_of_others_goes_on_beside_what_is_held(site: Site) -> None:
    site.pass_through(*map(leased, range(1, 6)))
    outcomes = site.pass_through(leased(6), leased(7, "bob@in.test"), leased(8, "", CAROL))
    assert is_held(outcomes) == [True, False, False]


def test_after_a_release_the_account_may_send_again(site: Site) -> None:
    site.pass_through(*map(leased, range(1, 6)))
    site.directory.brakes.release("ann@in.test", site.clock.now())
    assert is_held(site.pass_through(*map(leased, range(6, 10)))) == [False, False, False, True]


def test_another_worker_holds_the_account_too(site: Site) -> None:
    site.pass_through(*map(leased, range(1, 6)))
    other = site.make(NUMBERS)
    outcomes = asyncio.run(other.pass_through([leased(9)]))
    other.close()
    assert is_held(outcomes) == [True]
    assert posts(outcomes) == []


def test_an_hour_later_as_much_may_go_again(site: Site) -> None:
    site.pass_through(*map(leased, range(1, 4)))
    site.clock.advance(timedelta(hours=2))
    assert is_held(site.pass_through(*map(leased, range(4, 7)))) == [False] * 3


def test_without_numbers_everything_goes(site: Site) -> None:
    off = site.make(None)
    assert not off.counts(leased(1))
    assert asyncio.run(off.pass_through([*map(leased, range(1, 100))])) == [None] * 99
    off.close()


def test_what_cannot_be_counted_goes(tmp_path: Path) -> None:
    class FullDisk(Site):
        def open_directory(self) -> Directory:
            raise StorageFull("the disk is full, free some space")

    site = FullDisk(tmp_path)
    assert site.pass_through(*map(leased, range(1, 6))) == [None] * 5
    assert site.events() == ["the brake cannot count what goes out"]
    site.brake.close()
    site.directory.close()
