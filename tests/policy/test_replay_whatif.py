# SPDX-License-Identifier: Apache-2.0
"""What a replay makes of entries: of odd and half-known ones, and that live trials neither raise nor wait."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings
from msgspec.structs import replace

from genkan.listener.trials import Trials
from genkan.maillog import LogStream, MailLog
from genkan.message.header import HeaderFields
from genkan.message.mime import TextReader
from genkan.policy.replay import (
    Outcome,
    RecordedText,
    Replay,
    differences,
    is_cut,
    recorded,
    recorded_greeting,
)
from genkan.policy.rulebook import Rulebook
from genkan.record.entry import ConnectionEntry, ContentEntry, Decision, RcptEntry, Shadow, TransactionEntry
from genkan.rules.mail_match import MailText
from tests.record.entries import anything, connection, transaction
from tests.support.server import StoppedClock, configuration

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from genkan.config import Config
    from tests.support.policy_site import Site

CLIENTS: Final = st.sampled_from(["192.0.2.10", "127.0.0.1", "2001:db8::1", "fe80::1%eth0", "::ffff:192.0.2.1"])
LOG: Final = MailLog(LogStream(os.open(os.devnull, os.O_WRONLY)), StoppedClock())
RULES: Final = {
    "effect.dat": "192.0.2.0/24 norelay,2\nout.test false\n",
    "mail.dat": (
        "Virus:x\nSubject:x\nRBL:surbl.test\nLevel:100\nVirusEnd:\n"
        "Virus:y\nBody:\ny\nBodyEnd:\nLevel:311\nTag:y\nVirusEnd:\n"
    ),
    "ordb.dat": "bl.test\n",
    "approval-addresses.dat": "a@b.test hold ann@in.test\n",
    "approval-subjects.dat": "x\trefuse\n",
}


@pytest.fixture
def ruled(site: Site) -> Site:
    """The standing site with some rules of every kind."""
    for name, text in RULES.items():
        site.rules(name, text)
    return site


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return configuration(tmp_path, '[filter]\nexempt = ["127.0.0.0/8"]\n[auth]\nsender_trust = 3\n')


def replay_of(config: Config, site: Site) -> Replay:
    return Replay(config, site.directory, site.rulebook())


def trials_of(config: Config, site: Site, log: MailLog = LOG) -> Trials:
    documents, directory = site.directory.documents, site.directory
    in_force, on_trial = (
        Replay(config, directory, Rulebook(source, directory.new_cache()))
        for source in (documents.current, documents.on_trial)
    )
    return Trials(documents, in_force, on_trial, log)


def replayed_content(config: Config, site: Site, content: ContentEntry, **changes: Any) -> Outcome:
    outcome = replay_of(config, site).transaction(transaction(content=content, **changes))[-1]
    assert outcome.stage == "content"
    return outcome


# Whatever an entry holds.


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(entry=anything(TransactionEntry), client=CLIENTS)
def test_any_transaction_can_be_replayed(config: Config, ruled: Site, entry: TransactionEntry, client: str) -> None:
    outcomes = replay_of(config, ruled).transaction(replace(entry, client=client))
    stages = [outcome.stage for outcome in outcomes]
    assert stages[0] == "mail"
    assert stages[1:] in (
        [],
        ["rcpt"] * len(entry.rcpts),
        [*["rcpt"] * len(entry.rcpts), "content"],
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=100)
@given(entry=anything(ConnectionEntry), client=CLIENTS)
def test_any_connection_can_be_replayed(config: Config, ruled: Site, entry: ConnectionEntry, client: str) -> None:
    outcome = replay_of(config, ruled).connection(replace(entry, client=client))
    assert outcome.stage == "connect"


@settings(deadline=None)
@given(entry=anything(TransactionEntry))
def test_what_was_recorded_does_not_differ_from_itself(entry: TransactionEntry) -> None:
    assert differences(recorded(entry), recorded(entry)) == []


# What is compared.


def test_outcomes_are_compared_place_by_place() -> None:
    refused = Decision("USER_UNKNOWN", "known-recipient")
    before = [Outcome("mail"), Outcome("rcpt", "a@in.test"), Outcome("rcpt", "a@in.test", refused)]
    after = [Outcome("mail"), Outcome("rcpt", "a@in.test", refused), Outcome("rcpt", "a@in.test", refused)]
    assert differences(before, after) == [(before[1], after[1])]


def test_behind_a_refusal_on_one_side_nothing_is_compared() -> None:
    refused = Outcome("mail", "", Decision("SENDER_FORBIDDEN", "effect"))
    both = [Outcome("mail"), Outcome("rcpt", "a@in.test"), Outcome("content")]
    assert differences([refused], both) == [(refused, both[0])]
    assert differences(both, both[:2]) == []


def test_another_detail_is_no_difference_but_another_action_is() -> None:
    before = Outcome("rcpt", "a@in.test", Decision("RELAY_DENIED", "relay", "one reason"))
    after = Outcome("rcpt", "a@in.test", Decision("RELAY_DENIED", "relay", "another"))
    assert differences([before], [after]) == []
    assert differences([Outcome("content")], [Outcome("content", "", None, ("tagged",))]) != []


def test_who_was_turned_away_before_the_checks_was_not_judged() -> None:
    assert recorded_greeting(connection(decision=Decision("TOO_MANY_SESSIONS", "sessions"))) is None
    assert recorded_greeting(connection(decision=Decision("", "lock-out"))) is not None


def test_what_we_failed_to_store_was_not_judged() -> None:
    content = ContentEntry(decision=Decision("STORAGE_FULL", "storage"))
    assert [outcome.stage for outcome in recorded(transaction(content=content))] == ["mail", "rcpt", "rcpt"]


# The content as far as it is known.


def test_the_from_field_counts_where_the_header_section_does_not_reach_it(config: Config, site: Site) -> None:
    content = ContentEntry(100, from_field="<ann@in.test>", header="Subject: a\r\nTo: x")
    changes: dict[str, Any] = {"account": "ann@in.test", "reverse_path": "ann@in.test"}
    assert replayed_content(config, site, content, **changes).decision is None
    without = replayed_content(config, site, replace(content, from_field="<bob@in.test>"), **changes)
    assert without.decision is not None
    assert without.decision.check == "sender-trust-from"


def test_a_line_that_was_cut_is_left_out() -> None:
    text = RecordedText(ContentEntry(100, header="A: b\r\nSubject: x and mo"), "mx.in.test")
    assert text.header.octets == b"A: b\r\n"
    assert text.scan.subject == b""


@pytest.mark.parametrize(("header", "cut"), [("A: b\r\n", False), ("A: b\r\nC", True), ("", True)])
def test_a_cut_header_section_is_known_by_its_end(header: str, cut: bool) -> None:
    assert is_cut(ContentEntry(100, header=header)) is cut


def test_hosts_that_were_listed_decide_again(config: Config, ruled: Site) -> None:
    listed = {"listed": "www.evil.test/surbl.test evil.test/other.test"}
    content = ContentEntry(100, header="Subject: an x\r\n", facts=dict(listed))
    ruled.rules("approval-subjects.dat", "")
    decided = replayed_content(config, ruled, content).decision
    assert decided is not None
    assert (decided.check, decided.detail) == ("filter", "'x', www.evil.test listed in surbl.test found")
    assert replayed_content(config, ruled, replace(content, facts={})).decision is None


def test_what_the_scanner_said_counts_again(config: Config, site: Site) -> None:
    for said, check in (("infected Eicar", "virus-scan"), ("failed no answer", "virus-scan"), ("clean", "")):
        decision = replayed_content(config, site, ContentEntry(100, facts={"scan": said})).decision
        assert (decision.check if decision else "") == check


@pytest.mark.parametrize(
    ("size", "detail"), [(300_000, "limits.header_size = 262144"), (20_000, "limits.header_lines = 10000")]
)
def test_a_header_section_that_was_too_big_still_is(config: Config, site: Site, size: int, detail: str) -> None:
    content = ContentEntry(size, header="A: b\r\n", decision=Decision("HEADER_TOO_BIG", "header-size", detail))
    decision = replayed_content(config, site, content).decision
    assert decision is not None
    assert (decision.check, decision.detail) == ("header-size", detail)


@pytest.mark.parametrize("content", [b"From: <ann@in.test>\r\nSubject: urgent\r\n\r\nx\r\n", b"Subject: urgent\r\n"])
def test_a_live_text_has_the_whole_header_section(config: Config, site: Site, content: bytes) -> None:
    site.rules("approval-subjects.dat", "urgent\trefuse")
    reader = TextReader(1000)
    reader.feed(content)
    reader.finish()
    text = MailText(reader.header, reader.texts)
    outcome = replay_of(config, site).transaction(transaction(content=ContentEntry(100)), text)[-1]
    assert outcome.decision is not None
    assert outcome.decision.check == "approval-subject"


# What nobody asked.


def test_what_nobody_asked_is_unknown(config: Config, site: Site) -> None:
    replay = replay_of(config, site)
    full = transaction(rcpts=[RcptEntry("full@in.test", "full@in.test")], content=None)
    assert [outcome.unknown for outcome in replay.transaction(full)] == [False, True]
    known = replace(full, rcpts=[RcptEntry("full@in.test", "full@in.test", facts={"mailbox octets": 5000})])
    refused = replay.transaction(known)[1]
    assert (refused.unknown, refused.decision and refused.decision.check) == (False, "quota")


@pytest.mark.parametrize(
    ("facts", "listed", "unknown"),
    [
        ({}, False, True),
        ({"block list": ""}, False, False),
        ({"block list": "bl.test"}, True, False),
        ({"block list": "gone.test"}, False, True),
    ],
)
def test_a_block_list_that_was_not_heard_is_unknown(
    config: Config, ruled: Site, facts: dict[str, str | int | bool], listed: bool, unknown: bool
) -> None:
    outcome = replay_of(config, ruled).connection(connection(facts=facts))
    assert (outcome.decision is not None, outcome.unknown) == (listed, unknown)


# Trials, in the server.


def test_without_a_shadow_nothing_is_noted(config: Config, site: Site) -> None:
    trials, entry, came = trials_of(config, site), transaction(), connection()
    trials.judge(entry, None)
    trials.judge_connection(came)
    assert (entry.shadow, came.shadow) == ([], [])


@pytest.fixture
def on_trial(site: Site) -> Iterator[Site]:
    """Shadows of three documents, for one test."""
    documents = site.directory.documents
    shadows = {
        "effect.dat": b"example.org false\n",
        "mail.dat": b"Virus:x\nBody:\nnoon\nBodyEnd:\nLevel:100\nVirusEnd:\n",
        "rejectsmtpip.dat": b"192.0.2.66\n",
    }
    for name, octets in shadows.items():
        documents.store_shadow(name, None, octets, "operator")
    yield site
    for name in shadows:
        documents.drop_shadow(name)


def test_a_trial_notes_where_the_shadows_say_something_else(config: Config, on_trial: Site) -> None:
    trials = trials_of(config, on_trial)
    entry, came = transaction(reverse_path="a@example.org"), connection(client="192.0.2.66")
    trials.judge(entry, None)
    trials.judge_connection(came)
    (noted,) = entry.shadow
    assert (noted.stage, noted.decision and noted.decision.reply) == ("mail", "SENDER_FORBIDDEN")
    assert noted.decision is not None
    assert noted.decision.rule is not None
    assert noted.decision.rule.revision < 0
    assert [(shadow.stage, shadow.decision and shadow.decision.reply) for shadow in came.shadow] == [("connect", "")]


def test_a_trial_sees_the_text_where_there_is_one(config: Config, on_trial: Site) -> None:
    trials, entry = trials_of(config, on_trial), transaction()
    replay = replay_of(config, on_trial)
    assert trials.reads_text(replay.facts_of(entry))
    trials.judge(entry, None)
    assert entry.shadow == []
    trials.judge(entry, MailText(HeaderFields(b"Subject: hello\r\n"), ["lunch at noon"]))
    assert [(shadow.stage, shadow.decision and shadow.decision.reply) for shadow in entry.shadow] == [
        ("content", "CAUGHT_BY_FILTER")
    ]


def test_who_was_not_judged_at_the_greeting_is_not_on_trial(config: Config, on_trial: Site) -> None:
    came = connection(client="192.0.2.66", decision=Decision("TOO_MANY_SESSIONS", "sessions"))
    trials_of(config, on_trial).judge_connection(came)
    assert came.shadow == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=100)
@given(entry=anything(TransactionEntry), client=CLIENTS)
def test_no_entry_makes_a_trial_fail(config: Config, on_trial: Site, entry: TransactionEntry, client: str) -> None:
    entry = replace(entry, client=client)
    failures = config.home / "failures"
    with failures.open("wb") as file:
        log = MailLog(LogStream(file.fileno()), StoppedClock())
        trials_of(config, on_trial, log).judge(entry, None)
    assert failures.read_bytes() == b""
    assert all(isinstance(shadow, Shadow) for shadow in entry.shadow)
