# SPDX-License-Identifier: Apache-2.0
"""What senders are told of their mail, end to end: from a real next hop's reply to the mail in the sender's Maildir."""

from __future__ import annotations

import email
import email.policy
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest

from genkan.delivery.outcome import Deferred
from genkan.message.envelope import Recipient
from genkan.smtp.address import Mailbox
from genkan.spool.queue import Leased
from genkan.spool.recording import PutBack
from tests.support.next_hop import CLOSE, FULL, NextHop, next_hop
from tests.support.office import Office, office_in
from tests.support.spools import ANN, BOB

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.next_hop import Script

CONTENT: Final = b"From: ann@in.test\r\nSubject: An order\r\n\r\nTen chairs.\r\n"
WITHOUT_DSN: Final = tuple(word for word in FULL if word != "DSN")
HOUR: Final = timedelta(hours=1)
GONE: Final = "550 5.1.1 nobody of that name"
LATER: Final = "450 4.2.1 come again"


def outside(local_part: str, notify: str = "", **fields: Any) -> Recipient:
    mailbox = Mailbox(local_part, "example.net")
    return Recipient(mailbox, mailbox, notify, **fields)


DAN: Final = outside("dan")


class Post:
    """An office whose mail for example.net goes to a next hop of the test."""

    def __init__(self, office: Office, hop: NextHop) -> None:
        self.office = office
        self.hop = hop
        office.directory.routes.add("example.net", f"smtp:127.0.0.1:{hop.port}")
        office.start()

    def send(self, *recipients: Recipient, content: bytes = CONTENT, **envelope: Any) -> None:
        """Ann sends mail to them."""
        fields = {"reverse_path": ANN.mailbox, **envelope}
        assert self.office.opened.accept(self.office.envelope(1, *recipients)._replace(**fields), content) is None

    def reports(self, local_part: str = "ann") -> list[Any]:
        """What has come back by the time that nothing is under way."""
        self.office.until_empty()
        return [
            email.message_from_bytes(octets, policy=email.policy.default) for octets in self.office.mail(local_part)
        ]

    def wait(self, deferrals: int) -> None:
        self.office.until_logged("deferred", deferrals)
        self.office.opened.turn_until(lambda: self.office.holds_nothing)


@contextmanager
def post_in(
    folder: Path, script: Script | None = None, extensions: tuple[str, ...] = FULL, settings: str = ""
) -> Iterator[Post]:
    with next_hop(script, extensions=extensions) as hop, office_in(folder, start=False, settings=settings) as office:
        yield Post(office, hop)


def groups(report: Any) -> list[dict[str, str]]:
    """The fields about each recipient."""
    (status,) = (part for part in report.walk() if part.get_content_type() == "message/delivery-status")
    return [{name: str(value) for name, value in group.items()} for group in status.get_payload()[1:]]


def returned(report: Any) -> tuple[str, bytes]:
    """What came back of the message, and as which type."""
    part = list(report.iter_parts())[2]
    payload = part.get_payload()
    octets = payload[0].as_bytes() if isinstance(payload, list) else part.get_payload(decode=True)
    return part.get_content_type(), octets.replace(b"\r\n", b"\n")


# Failures.


def test_a_refused_recipient_comes_back_with_the_words_of_the_next_hop(tmp_path: Path) -> None:
    with post_in(tmp_path, {"RCPT": GONE}) as post:
        post.send(DAN, envid="order+2B7")
        (report,) = post.reports()
        (octets,) = post.office.mail("ann")
    assert octets.startswith(b"Return-Path: <>\r\n")
    assert (str(report["To"]), report["Auto-Submitted"]) == ("ann@in.test", "auto-replied")
    assert report["Subject"].endswith(": An order")
    (group,) = groups(report)
    assert group.pop("Last-Attempt-Date")
    assert group == {
        "Final-Recipient": "rfc822;dan@example.net",
        "Action": "failed",
        "Status": "5.1.1",
        "Remote-MTA": "dns; 127.0.0.1",
        "Diagnostic-Code": f"smtp; {GONE}",
    }
    assert b"Original-Envelope-Id: order+7\r\n" in octets
    assert returned(report) == ("text/rfc822-headers", b"From: ann@in.test\nSubject: An order\n")


def test_two_refused_recipients_of_a_message_are_told_of_in_one_report(tmp_path: Path) -> None:
    with post_in(tmp_path, {"RCPT dan@example.net": GONE, "RCPT eve@example.net": "554 5.7.1 go away"}) as post:
        post.send(DAN, outside("eve"), outside("fay"))
        (report,) = post.reports()
        assert [taken.recipients for taken in post.hop.taken] == [["fay@example.net"]]
    told = [(group["Final-Recipient"], group["Status"]) for group in groups(report)]
    assert told == [("rfc822;dan@example.net", "5.1.1"), ("rfc822;eve@example.net", "5.7.1")]


def test_a_content_that_is_refused_comes_back_once_for_all(tmp_path: Path) -> None:
    with post_in(tmp_path, {"content": "554 5.7.1 spam"}) as post:
        post.send(DAN, outside("eve"))
        (report,) = post.reports()
    assert [group["Diagnostic-Code"] for group in groups(report)] == ["smtp; 554 5.7.1 spam"] * 2


def test_mail_from_the_null_reverse_path_is_kept_when_it_cannot_be_delivered(tmp_path: Path) -> None:
    with post_in(tmp_path, {"RCPT": GONE}) as post:
        post.send(DAN, reverse_path=None)
        post.office.until_logged("failed", 1)
        (kept,) = post.office.queued().values()
        assert (kept.state, kept.held) == ("held", "undeliverable")
        assert GONE in kept.last_outcome
        assert post.office.opened.content(1) == CONTENT
        post.office.advance(timedelta(days=30))
        post.office.opened.settle()
        assert len(post.hop.said("RCPT")) == 1


def test_the_bounce_of_a_bounce_is_never_written(tmp_path: Path) -> None:
    with post_in(tmp_path, {"RCPT": GONE}) as post:
        post.send(DAN, reverse_path=Mailbox("nobody", "example.net"))
        post.office.until_logged("failed", 2)
        post.office.opened.settle()
        (kept,) = post.office.queued().values()
        assert (kept.mailbox, kept.held) == ("nobody@example.net", "undeliverable")
        assert post.hop.said("MAIL")[-1].startswith("MAIL FROM:<> ")


def test_a_bounce_to_the_alias_of_an_account_arrives(tmp_path: Path) -> None:
    with post_in(tmp_path, {"RCPT": GONE}) as post:
        sales = Mailbox("Sales", "in.test")
        post.office.directory.aliases.add(sales, BOB.mailbox)
        post.send(DAN, reverse_path=sales)
        (report,) = post.reports("bob")
        assert str(report["To"]) == "Sales@in.test"


def test_a_reverse_path_of_the_recipients_own_is_told_instead_of_the_messages(tmp_path: Path) -> None:
    with post_in(tmp_path, {"RCPT": GONE}) as post:
        post.send(outside("dan", reverse_path=BOB.mailbox), outside("eve"))
        told = [(str(report["To"]), len(groups(report))) for report in (*post.reports("bob"), *post.reports())]
    assert told == [("bob@in.test", 1), ("ann@in.test", 1)]


def test_a_bounce_of_mail_that_requires_tls_requires_it_as_well(tmp_path: Path) -> None:
    with post_in(tmp_path) as post:  # the next hop has no TLS
        post.send(DAN, reverse_path=Mailbox("nobody", "example.net"), requiretls=True)
        post.wait(1)
        post.office.advance(timedelta(days=5))
        post.wait(2)
        (bounce,) = post.office.queued().values()
        assert bounce.mailbox == "nobody@example.net"
        assert bounce.last_outcome.endswith("offers no STARTTLS (the message requires TLS)")
        assert post.hop.taken == []


@pytest.mark.parametrize("action", ["failed", "delayed", "delivered"])
def test_who_wants_to_hear_nothing_hears_nothing(tmp_path: Path, action: str) -> None:
    script: dict[str, Script] = {"failed": {"RCPT": GONE}, "delayed": {"RCPT": [LATER, LATER, GONE]}, "delivered": {}}
    with post_in(tmp_path, script[action], WITHOUT_DSN) as post:
        post.send(outside("dan", "NEVER"))
        if action == "delayed":
            for attempt in (1, 2):
                post.wait(attempt)
                post.office.advance(5 * HOUR)
        assert post.reports() == []


def test_who_wants_to_hear_of_success_only_hears_of_no_failure(tmp_path: Path) -> None:
    with post_in(tmp_path, {"RCPT": GONE}) as post:
        post.send(outside("dan", "SUCCESS,DELAY"))
        assert post.reports() == []


def test_the_original_recipient_is_told_and_not_where_an_alias_leads(tmp_path: Path) -> None:
    with post_in(tmp_path, {"RCPT": GONE}) as post:
        dan = outside("dan", "FAILURE", original="rfc822;boss+2Bx@in.test")
        post.send(dan._replace(forward_path=Mailbox("boss", "in.test")))
        (report,) = post.reports()
        (octets,) = post.office.mail("ann")
    assert groups(report)[0]["Original-Recipient"] == "rfc822;boss+x@in.test"
    assert groups(report)[0]["Final-Recipient"] == "rfc822;boss@in.test"
    assert b"dan@example.net" not in octets


# Success.


def test_a_next_hop_without_dsn_makes_it_relayed(tmp_path: Path) -> None:
    with post_in(tmp_path, extensions=WITHOUT_DSN) as post:
        post.send(outside("dan", "SUCCESS"), outside("eve"))
        (report,) = post.reports()
    assert [(group["Final-Recipient"], group["Action"]) for group in groups(report)] == [
        ("rfc822;dan@example.net", "relayed")
    ]
    assert groups(report)[0]["Status"] == "2.0.0"


def test_a_next_hop_with_dsn_is_handed_the_wish_and_nothing_is_told(tmp_path: Path) -> None:
    with post_in(tmp_path) as post:
        post.send(outside("dan", "SUCCESS,FAILURE", original="rfc822;dan@example.net"), ret="HDRS", envid="7")
        assert post.reports() == []
        (taken,) = post.hop.taken
    assert taken.recipient_parameters == ["NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;dan@example.net"]
    assert {"RET=HDRS", "ENVID=7"} <= set(taken.parameters.split())


def test_local_delivery_is_told_to_who_wants_to_hear_of_it(tmp_path: Path) -> None:
    with post_in(tmp_path) as post:
        post.send(BOB._replace(notify="SUCCESS"))
        (report,) = post.reports()
        assert len(post.office.mail("bob")) == 1
    assert [(group["Final-Recipient"], group["Action"]) for group in groups(report)] == [
        ("rfc822;bob@in.test", "delivered")
    ]


def test_success_from_the_null_reverse_path_is_told_to_nobody(tmp_path: Path) -> None:
    with post_in(tmp_path, extensions=WITHOUT_DSN) as post:
        post.send(outside("dan", "SUCCESS"), BOB._replace(notify="SUCCESS"), reverse_path=None)
        assert post.reports() == []
        assert (len(post.hop.taken), len(post.office.mail("bob"))) == (1, 1)


# Delay.


def test_mail_that_waits_for_hours_is_told_of_once_and_given_up_after_days(tmp_path: Path) -> None:
    with post_in(tmp_path, {"RCPT": LATER}) as post:
        office = post.office
        begin = office.clock.now()
        post.send(DAN)
        post.wait(1)
        office.advance(3 * HOUR)
        post.wait(2)
        assert office.mail("ann") == []
        for attempt in (3, 4, 5):
            office.advance(2 * HOUR)
            post.wait(attempt)
            office.opened.turn_until(lambda: len(office.mail("ann")) == 1)
        (warning,) = office.mail("ann")
        office.advance(timedelta(days=5))
        _, bounce = sorted(post.reports(), key=lambda report: groups(report)[0]["Action"] == "failed")
        assert office.logged("failed")[0]["reason"].startswith("given up after 5 days: ")
    (group,) = groups(email.message_from_bytes(warning, policy=email.policy.default))
    assert (group["Action"], group["Status"], group["Diagnostic-Code"]) == ("delayed", "4.2.1", f"smtp; {LATER}")
    until = email.utils.parsedate_to_datetime(group["Will-Retry-Until"])
    assert until == (begin + timedelta(days=5)).replace(microsecond=0)
    (group,) = groups(bounce)
    assert (group["Action"], group["Status"], group["Diagnostic-Code"]) == ("failed", "4.4.7", f"smtp; {LATER}")


def test_no_next_hop_puts_off_an_attempt_beyond_the_end_of_the_days(tmp_path: Path) -> None:
    with office_in(tmp_path, start=False) as office:
        leased = Leased(office.envelope(1, DAN), len(CONTENT), 0, DAN, 1)
        later = Deferred("later", retry_at=office.clock.now() + timedelta(days=30))
        ((entry,), _, _) = office.dispatcher._reporter.conclude([(leased, later)])
        assert isinstance(entry, PutBack)
        assert entry.due_at == office.clock.now() + timedelta(days=5)


def test_no_warning_is_written_where_none_is_set(tmp_path: Path) -> None:
    with post_in(tmp_path, {"RCPT": [LATER, LATER, "250 fine"]}, settings='delivery.warn = "0s"\n') as post:
        post.send(DAN)
        for attempt in (1, 2):
            post.wait(attempt)
            post.office.advance(5 * HOUR)
        assert post.reports() == []


def test_what_a_next_hop_refuses_for_good_is_tried_again_if_the_operator_says_so(tmp_path: Path) -> None:
    script: Script = {"RCPT": [GONE, "250 fine"]}
    with post_in(tmp_path, script, settings="delivery.retry_permanent = true\n") as post:
        post.send(DAN)
        post.wait(1)
        assert GONE in post.office.logged("deferred")[0]["reason"]
        post.office.advance(HOUR)
        assert post.reports() == []
        assert len(post.hop.taken) == 1


def test_what_is_refused_for_good_to_the_end_comes_back_with_its_own_status(tmp_path: Path) -> None:
    with post_in(tmp_path, {"RCPT": GONE}, settings='delivery.retry_permanent = true\ndelivery.warn = "0s"\n') as post:
        post.send(DAN)
        post.wait(1)
        post.office.advance(timedelta(days=5))
        (report,) = post.reports()
    assert (groups(report)[0]["Status"], groups(report)[0]["Diagnostic-Code"]) == ("5.1.1", f"smtp; {GONE}")


def test_a_hop_that_ends_connections_defers_and_says_nothing_to_the_sender(tmp_path: Path) -> None:
    with post_in(tmp_path, {"MAIL": CLOSE}) as post:
        post.send(DAN)
        post.wait(1)
        (queued,) = post.office.queued().values()
        assert queued.state == "waiting"
        due = datetime.fromisoformat(post.office.logged("deferred")[0]["next"])
        assert due == queued.due_at
        assert post.office.mail("ann") == []


# What goes back.


@pytest.mark.parametrize(
    ("ret", "body", "kind"),
    [
        ("FULL", b"Ten chairs.\r\n", "message/rfc822"),
        ("full", b"Ten chairs.\r\n", "message/rfc822"),
        ("FULL", b"Ten chairs.\r\n" * 100, "text/rfc822-headers"),
        ("HDRS", b"Ten chairs.\r\n", "text/rfc822-headers"),
        ("", b"Ten chairs.\r\n", "text/rfc822-headers"),
    ],
)
def test_the_whole_message_goes_back_when_it_is_wanted_and_small(
    tmp_path: Path, ret: str, body: bytes, kind: str
) -> None:
    header = b"Subject: x\r\nX-Field: y\r\n"
    with post_in(tmp_path, {"RCPT": GONE}, settings='delivery.returned_size = "1KB"\n') as post:
        post.send(DAN, content=header + b"\r\n" + body, ret=ret)
        (report,) = post.reports()
    whole = header + b"\r\n" + body if kind == "message/rfc822" else header
    assert returned(report) == (kind, whole.replace(b"\r\n", b"\n"))


def test_a_warning_has_the_header_section_only(tmp_path: Path) -> None:
    with post_in(tmp_path, {"RCPT": [LATER, LATER, "250 fine"]}) as post:
        post.send(DAN, ret="FULL")
        for attempt in (1, 2):
            post.wait(attempt)
            post.office.advance(5 * HOUR)
        (report,) = post.reports()
    assert returned(report)[0] == "text/rfc822-headers"


def test_a_message_that_cannot_be_read_any_more_is_reported_without_it(tmp_path: Path) -> None:
    with post_in(tmp_path, {"RCPT": LATER}) as post:
        post.send(DAN, content=CONTENT + b"x" * 1000)
        post.wait(1)
        (segment,) = (post.office.opened.spool.folder / "segments").iterdir()
        segment.unlink()
        post.office.advance(timedelta(days=5))
        (report,) = post.reports()
    assert groups(report)[0]["Action"] == "failed"
    assert returned(report) == ("text/rfc822-headers", b"\n")
