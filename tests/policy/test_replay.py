# SPDX-License-Identifier: Apache-2.0
"""Asking the checks again about what the record has kept: the same documents say the same, others just what they change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genkan.policy.replay import Replay, differences, recorded
from genkan.record.entry import ConnectionEntry, TransactionEntry
from genkan.scanner.clamd import Clean, Infected, ScanFailed
from genkan.smtp.command import MailParameters
from genkan.smtp.maildata import Fault
from tests.support.policy_site import ACCEPTED, BLANK, Site, config_of, text_of
from tests.support.server import START

if TYPE_CHECKING:
    from genkan.directory import Directory
    from genkan.scanner.clamd import ScanResult
    from tests.support.policy_site import Client

ANN, BOB, X = "ann@in.test", "bob@in.test", "x@out.test"
MESSAGE: Final = b"From: x@out.test\r\nSubject: hello\r\n\r\nSee http://bad.test/\r\n"
REFUSING: Final = ("Virus:test", "Subject:hello", "Level:100", "VirusEnd:")
TAGGING: Final = ("Virus:tag", "Subject:hello", "Level:310", "Tag:[x]", "VirusEnd:")
LISTING: Final = ("Virus:links", "RBL:uribl.test", "Level:100", "VirusEnd:")


class Scan:
    """A scan that ends so."""

    def __init__(self, result: ScanResult) -> None:
        self._result = result

    async def finish(self) -> ScanResult:
        return self._result


def replayed(site: Site, client: Client, settings: str = "", *, content: bytes | None = None) -> list[tuple[str, str]]:
    """Where the site's present documents say something else of the client's transaction: before and after."""
    assert client.entry is not None
    replay = Replay(config_of(settings), site.directory, site.rulebook())
    text = None if content is None else text_of(content)
    pairs = differences(recorded(client.entry), replay.transaction(client.entry, text))
    return [
        (f"{before.stage} {before.forward_path}".strip(), f"{before.said[0]} -> {after.said[0]}")
        for before, after in pairs
    ]


def received(site: Site, *recipients: str, sender: str = X, settings: str = "", account: str = "") -> Client:
    """A message that came in for these recipients as far as it got."""
    client = site.client(settings, account=account)
    if client.mail(sender) == ACCEPTED and ACCEPTED in [client.rcpt(each) for each in recipients]:
        client.judge_content(MESSAGE)
    return client


# The same documents.

SENDERS: Final = (ANN, BOB, X, "nobody@in.test", "sales@in.test", "team@in.test", "y@bad.test", "", BLANK)
RECIPIENTS: Final = (ANN, BOB, "sales@in.test", "news@in.test", "team@in.test", "kai@in2.test", "full@in.test")
OTHERS: Final = (
    *("club@in.test", "slow@in.test", "council-owner@in.test"),
    "away@in.test",
    "nobody@in.test",
    "z@far.test",
    "u@x.test",
    "ann+a@in.test",
)
SUBJECTS: Final = ("192.0.2.10", "*.*.*.*", "10.0.0.0/8", "#<>", "#blank", "out.test", ANN, "bad.test", "*")
EFFECT: Final = st.builds(
    "{} {}".format,
    st.sampled_from(SUBJECTS),
    st.sampled_from(("", "true", "default", "false", "only", "norelay", "norelay,2")),
)
LEVELS: Final = ("000", "100", "110", "111", "200", "310", "410", "500", "610")
BLOCK: Final = st.builds(
    lambda item, level: (f"Virus:{level}", item, "Tag:[x]", "Forward:kai@in2.test", f"Level:{level}", "VirusEnd:"),
    st.sampled_from(("Subject:hello", "Subject:other", "From:out.test", "RBL:uribl.test", "Unique-Header:X-A: b")),
    st.sampled_from(LEVELS),
)
MAIL: Final = st.lists(BLOCK, max_size=3).map(lambda blocks: sum(blocks, ()))
APPROVAL: Final = st.builds(
    "{} {}".format,
    st.sampled_from((X, "*@out.test", "*@*", "*")),
    st.sampled_from(("allow", "refuse", "hold ann@in.test", "hold bob@in.test 2d approve")),
)
HEADERS: Final = ("Subject: hello", "Subject: other", "From: ann@in.test", "X-A: b", "Received: a")
RESULTS: Final = st.sampled_from((None, Clean(), Infected("Eicar"), ScanFailed("late")))
CONFIGURATIONS: Final = (
    "",
    '[filter]\naccount_refusal = "message"\n[auth]\nsender_trust = 3\n[limits]\nrecipients = 3\nhops = 1',
    '[auth]\nunauthenticated_accounts = "trusted"\n[filter]\nscanner_failure = "accept"\n[limits]\nmessage_size = 500',
)


@given(data=st.data())
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_same_documents_say_the_same_of_any_transaction(directory: Directory, data: st.DataObject) -> None:
    site = Site(directory)
    site.used = data.draw(st.sampled_from((0, 999, 2000)))
    site.listings = {("bad.test", "uribl.test")} if data.draw(st.booleans()) else set()
    site.rules("effect.dat", *data.draw(st.lists(EFFECT, max_size=3)))
    site.rules("effect.dat", *data.draw(st.lists(EFFECT, max_size=2)), account=BOB)
    site.rules("sender.dat", "*@x.test,-1", "*,0", account=ANN)
    site.rules("mail.dat", *data.draw(MAIL))
    site.rules("mail.dat", *data.draw(MAIL), account=BOB)
    site.rules("mail.dat", *data.draw(MAIL), account=ANN)
    site.rules("approval-addresses.dat", *data.draw(st.lists(APPROVAL, max_size=2)))
    site.rules(
        "approval-subjects.dat", *data.draw(st.sampled_from(((), ("other\trefuse",), ("hello\thold\tb@in.test",))))
    )
    configuration = data.draw(st.sampled_from(CONFIGURATIONS))
    client = site.client(
        configuration, account=data.draw(st.sampled_from(("", ANN))), auth_failed=data.draw(st.booleans())
    )
    if (
        client.mail(
            data.draw(st.sampled_from(SENDERS)), MailParameters(size=data.draw(st.sampled_from((None, 100, 600))))
        )
        == ACCEPTED
    ):
        recipients = data.draw(st.lists(st.sampled_from((*RECIPIENTS, *OTHERS)), max_size=5))
        if ACCEPTED in [client.rcpt(recipient) for recipient in recipients]:
            lines = data.draw(st.lists(st.sampled_from(HEADERS), max_size=5))
            content = "".join(f"{line}\r\n" for line in lines).encode() + b"\r\nSee http://bad.test/\r\n"
            result = data.draw(RESULTS)
            client.judge_content(
                content,
                data.draw(st.sampled_from((None, None, None, Fault.TOO_BIG))),
                None if result is None else Scan(result),
            )
            assert replayed(site, client, configuration, content=content) == []
    assert client.entry is not None
    if client.entry.content is None:
        assert replayed(site, client, configuration) == []


# Other documents.


@pytest.mark.parametrize(
    ("name", "account", "lines", "expected"),
    [
        ("effect.dat", "", ("out.test false",), [("mail", "accepted -> SENDER_FORBIDDEN")]),
        ("effect.dat", "", ("192.0.2.10 norelay",), []),
        ("effect.dat", BOB, ("* false",), [(f"rcpt {BOB}", "accepted -> SENDER_FORBIDDEN")]),
        ("effect.dat", "", ("192.0.2.10 true",), [("rcpt y@far.test", "RELAY_DENIED -> accepted")]),
        (
            "approval-addresses.dat",
            "",
            ("*@out.test refuse",),
            [
                (f"rcpt {ANN}", "accepted -> SENDER_BLACKLISTED"),
                (f"rcpt {BOB}", "accepted -> SENDER_BLACKLISTED"),
                ("rcpt y@far.test", "RELAY_DENIED -> SENDER_BLACKLISTED"),
            ],
        ),
        ("approval-addresses.dat", "", ("*@out.test hold ann@in.test",), [("content", "accepted -> accepted")]),
        ("approval-subjects.dat", "", ("hello\trefuse",), [("content", "accepted -> SUBJECT_BLACKLISTED")]),
        ("mail.dat", "", REFUSING, [("content", "accepted -> CAUGHT_BY_FILTER")]),
        ("mail.dat", "", TAGGING, [("content", "accepted -> accepted")]),
        ("mail.dat", BOB, REFUSING, [("content", "accepted -> accepted")]),
        ("mail.dat", "", ("Virus:x", "Subject:other", "Level:100", "VirusEnd:"), []),
        ("sender.dat", ANN, ("*,-1",), []),
    ],
)
def test_another_document_makes_exactly_its_difference(
    site: Site, name: str, account: str, lines: tuple[str, ...], expected: list[tuple[str, str]]
) -> None:
    client = received(site, ANN, BOB, "y@far.test")
    site.rules(name, *lines, account=account)
    assert replayed(site, client) == expected


def test_a_refusal_that_is_no_more_shows_as_far_as_the_client_came(site: Site) -> None:
    site.rules("effect.dat", "out.test false")
    client = received(site, ANN)
    site.rules("effect.dat")
    assert replayed(site, client) == [("mail", "SENDER_FORBIDDEN -> accepted")]


def test_the_content_is_judged_without_the_recipients_that_are_refused_now(site: Site) -> None:
    site.rules("mail.dat", *REFUSING, account=BOB)
    client = received(site, ANN, BOB)
    site.rules("effect.dat", "* false", account=ANN)
    assert replayed(site, client) == [
        (f"rcpt {ANN}", "accepted -> SENDER_FORBIDDEN"),
        ("content", "accepted -> CAUGHT_BY_FILTER"),
    ]


def test_what_is_done_with_a_message_is_compared_too(site: Site) -> None:
    site.rules("mail.dat", *TAGGING)
    client = received(site, ANN)
    assert client.entry is not None
    site.rules("mail.dat", *TAGGING[:2], "Level:310", "Tag:[y]", "VirusEnd:")
    replay = Replay(config_of(), site.directory, site.rulebook())
    ((before, after),) = differences(recorded(client.entry), replay.transaction(client.entry))
    assert (before.actions, after.actions) == (
        ("subject tagged '[x]'", "copy in the quarantine"),
        ("subject tagged '[y]'", "copy in the quarantine"),
    )


def test_a_mail_dat_is_tried_on_the_recorded_header_section_alone(site: Site) -> None:
    client = received(site, ANN)
    site.rules("mail.dat", *REFUSING)
    assert replayed(site, client) == [("content", "accepted -> CAUGHT_BY_FILTER")]
    site.rules("mail.dat", "Virus:x", "Body:", "bad.test", "BodyEnd:", "Level:100", "VirusEnd:")
    assert replayed(site, client) == []
    assert replayed(site, client, content=MESSAGE) == [("content", "accepted -> CAUGHT_BY_FILTER")]


def test_the_outside_is_not_asked_again(site: Site) -> None:
    site.rules("mail.dat", *LISTING)
    site.listings = {("bad.test", "uribl.test")}
    client = received(site, ANN)
    site.listings = set()
    assert replayed(site, client, content=MESSAGE) == []


def test_a_full_mailbox_stays_full(site: Site) -> None:
    site.used = 2000
    client = received(site, "full@in.test")
    site.used = 0
    assert replayed(site, client) == []


def test_an_account_that_has_gone_is_no_account(site: Site) -> None:
    client = received(site, "y@far.test", sender=ANN, account=ANN)
    assert client.entry is not None
    client.entry.account = "gone@in.test"
    assert replayed(site, client) == [("mail", "accepted -> NEED_EHLO_BEFORE_AUTH")]


# The greeting.


def greeting(site: Site, entry: ConnectionEntry) -> str:
    return Replay(config_of(), site.directory, site.rulebook()).connection(entry).said[0]


def test_a_greeting_is_judged_by_its_own_time_and_by_what_the_lists_said_then(site: Site) -> None:
    entry = ConnectionEntry(START.timestamp() + 60, "s", "192.0.2.10", "smtp", seconds=60.0)
    assert greeting(site, entry) == "accepted"
    site.rules("rejectsmtpip.dat", f"192.0.2.10\t{int(START.timestamp()) + 30}")
    assert greeting(site, entry) == "cut off"
    entry.seconds = 10.0
    assert greeting(site, entry) == "accepted"
    site.rules("ordb.dat", "list.test")
    assert greeting(site, entry) == "accepted"
    entry.facts = {"block list": "list.test"}
    assert greeting(site, entry) == "CLIENT_LISTED"
    site.rules("ordb.dat", "other.test")
    assert greeting(site, entry) == "accepted"


def test_an_entry_that_says_nothing_is_replayed_without_harm(site: Site) -> None:
    entry = TransactionEntry(0.0, "s", "192.0.2.10", "smtp", reverse_path="not an address")
    replay = Replay(config_of(), site.directory, site.rulebook())
    assert [outcome.stage for outcome in replay.transaction(entry)] == ["mail"]
