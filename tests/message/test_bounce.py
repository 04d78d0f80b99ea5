# SPDX-License-Identifier: Apache-2.0
"""Mail that came back, in the styles of several servers, and mail that only looks as if it had."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime
from time import process_time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.message.bounce import MOST_BODY, MOST_HEADER, Bounce, read_bounce
from genkan.message.dsn import Identity, ReportedRecipient, Returned, report
from genkan.message.envelope import Envelope, Recipient
from genkan.smtp.address import Mailbox

if TYPE_CHECKING:
    from genkan.message.dsn import Action

HEADER = b'From: MAILER-DAEMON@mx.test\nContent-Type: multipart/report; report-type=delivery-status;\n boundary="x=1"\n'
PLAIN = b"From: MAILER-DAEMON@mx.test\nContent-Type: text/plain; charset=utf-8\n"


def crlf(octets: bytes) -> bytes:
    return octets.replace(b"\n", b"\r\n")


def read(header: bytes, body: bytes) -> Bounce | None:
    return read_bounce(crlf(header), crlf(body))


def status(fields: bytes, kind: bytes = b"message/delivery-status") -> bytes:
    """The body of a report with this part for programs."""
    return (
        b"This is a report.\n--x=1\nContent-Type: text/plain\n\nIt is 5.7.1, says the human part.\n"
        b"--x=1\nContent-Type: %b\n\n%b\n--x=1\nContent-Type: text/rfc822-headers\n\nSubject: 5.1.1\n\n--x=1--\n"
        % (kind, fields)
    )


def group(action: bytes, code: bytes, *more: bytes) -> bytes:
    lines = (b"Reporting-MTA: dns; mx.test", b"", b"Final-Recipient: rfc822; eve@example.org", b"Action: " + action)
    return b"\n".join((*lines, b"Status: " + code, *more, b""))


POSTFIX = b"""\
This is a MIME-encapsulated message.

--x=1
Content-Description: Notification
Content-Type: text/plain; charset=us-ascii

This is the mail system at host mx.test.

<eve@example.org>: host mx.example.org[192.0.2.7] said: 550 5.1.1
    <eve@example.org>: Recipient address rejected: no such mailbox (in reply to
    RCPT TO command)

--x=1
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.test
X-Postfix-Queue-ID: 0123456789
X-Postfix-Sender: rfc822; dev-bounces+1@in.test
Arrival-Date: Mon, 23 Nov 2026 12:00:00 +0000 (UTC)

Final-Recipient: rfc822; eve@example.org
Original-Recipient: rfc822;eve@example.org
Action: failed
Status: 5.1.1
Remote-MTA: dns; mx.example.org
Diagnostic-Code: smtp; 550 5.1.1 <eve@example.org>: Recipient address rejected:
    no such mailbox

--x=1
Content-Description: Undelivered Message
Content-Type: message/rfc822

Subject: hello

x
--x=1--
"""

EXCHANGE_HEADER = b"""\
From: <postmaster@example.org>
Subject: Undeliverable: hello
Content-Type: multipart/report; report-type=delivery-status;
\tboundary="_000_x=1 y_"
X-MS-Exchange-Message-Is-Ndr:
Auto-Submitted: auto-replied
"""

EXCHANGE = b"""\
--_000_x=1 y_
Content-Type: multipart/alternative; differences=Content-Type;
\tboundary="inner"

--inner
Content-Type: text/plain; charset="us-ascii"

The mailbox is full.

--inner
Content-Type: text/html; charset="us-ascii"

<p>The mailbox is full.</p>
--inner--

--_000_x=1 y_
Content-Type: message/delivery-status

Reporting-MTA: dns;AB1PR01.example.org
Received-From-MTA: dns;mx.in.test
Arrival-Date: Mon, 23 Nov 2026 12:00:00 +0000

Final-Recipient: rfc822;eve@example.org
Action: failed
Status: 5.2.2
Diagnostic-Code: smtp;554 5.2.2 mailbox full;
 STOREDRV.Deliver; QuotaExceededException
X-Display-Name: Eve

--_000_x=1 y_
Content-Type: message/rfc822

Subject: hello

--_000_x=1 y_--
"""

QMAIL = b"""\
Hi. This is the qmail-send program at mx.test.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<eve@example.org>:
Sorry, no mailbox here by that name. (#5.1.1)

--- Below this line is a copy of the message.

Subject: hello
"""


def test_a_report_of_postfix_is_understood() -> None:
    reason = "550 5.1.1 <eve@example.org>: Recipient address rejected: no such mailbox"
    assert read(HEADER, POSTFIX) == Bounce(True, "5.1.1", reason)


def test_a_report_of_exchange_is_understood() -> None:
    reason = "554 5.2.2 mailbox full; STOREDRV.Deliver; QuotaExceededException"
    assert read(EXCHANGE_HEADER, EXCHANGE) == Bounce(True, "5.2.2", reason)


def test_a_report_of_qmail_is_understood() -> None:
    reason = "Sorry, no mailbox here by that name. (#5.1.1)"
    assert read(b"From: MAILER-DAEMON@mx.test\nSubject: failure notice\n", QMAIL) == Bounce(True, "5.1.1", reason)


def test_line_ends_without_cr_are_no_hindrance() -> None:
    bounce = read_bounce(HEADER, POSTFIX)
    assert bounce is not None
    assert bounce.permanent


@pytest.mark.parametrize(
    ("fields", "bounce"),
    [
        (group(b"failed", b"5.1.1"), Bounce(True, "5.1.1", "")),
        (group(b"Failed (really)", b"5.1.1 (bad mailbox)"), Bounce(True, "5.1.1", "")),
        (group(b"delayed", b"4.4.1"), Bounce(False, "4.4.1", "")),
        (group(b"delayed", b"5.1.1"), Bounce(False, "5.1.1", "")),
        (group(b"failed", b"4.4.7"), Bounce(True, "4.4.7", "")),
        (group(b"failed", b"no", b"Diagnostic-Code: smtp; 451 4.3.0 later"), Bounce(True, "4.3.0", "451 4.3.0 later")),
        (group(b"failed", b"", b"Diagnostic-Code: smtp; 452 later"), Bounce(True, "4.0.0", "452 later")),
        (group(b"failed", b"", b"Diagnostic-Code: 550 never"), Bounce(True, "5.0.0", "550 never")),
        (group(b"failed", b""), Bounce(True, "5.0.0", "")),
        (group(b"delayed", b"4"), Bounce(False, "4.0.0", "")),
        (group(b"delivered", b"2.0.0"), None),
        (group(b"relayed", b"2.0.0"), None),
        (group(b"expanded", b"2.0.0"), None),
        (group(b"", b"5.1.1"), None),
        (group(b"delayed", b"4.4.1") + b"\n" + group(b"failed", b"5.1.1"), Bounce(True, "5.1.1", "")),
        (group(b"failed", b"5.1.1") + b" \n\n\n" + group(b"delayed", b"4.4.1"), Bounce(True, "5.1.1", "")),
        (group(b"delivered", b"2.0.0") + b"\n" + group(b"delayed", b"4.4.1"), Bounce(False, "4.4.1", "")),
    ],
)
def test_action_and_status_say_what_it_is(fields: bytes, bounce: Bounce | None) -> None:
    assert read(HEADER, status(fields)) == bounce
    assert read(HEADER, status(fields, b"Message/Global-Delivery-Status")) == bounce


def test_an_encoded_part_for_programs_is_decoded() -> None:
    encoded = b64encode(crlf(group(b"failed", b"5.1.1")))
    body = status(encoded, b"message/global-delivery-status\nContent-Transfer-Encoding: base64")
    assert read(HEADER, body) == Bounce(True, "5.1.1", "")


def test_a_report_cut_within_the_part_for_programs_counts_as_far_as_it_goes() -> None:
    body = status(group(b"failed", b"5.1.1"))
    assert read(HEADER, body[: body.index(b"5.1.1\n\n--x=1") + 5]) == Bounce(True, "5.1.1", "")


@pytest.mark.parametrize(
    ("header", "body"),
    [
        (b"From: ann@out.test\nAuto-Submitted: auto-replied\n", b"I am away until 5.12.2026; our host is 5.1.1.1.\n"),
        (b"From: ann@out.test\n", b"I got a 550 5.1.1 when I wrote to bob.\n"),
        (b"From: ann@out.test\nAuto-Submitted: no\n", b"550 5.1.1\n"),
        (b"From: x@x.test\nAuto-Submitted: auto-replied\n", b"I am away. My telephone: 550 lines, one office.\n"),
        (PLAIN, b"> 550 no such user\nTel: 555-1234 or 555 1234\nin 500 days; 5500 times; 590 km; x550 y\n"),
        (PLAIN, b"Version 15.1.1 and 5.1.1a and 5.9.1 and 5.1.1.0 and v5.1.1 are no codes.\n"),
        (PLAIN, b""),
        (b"", b""),
        (b"Content-Type: multipart/report; report-type=disposition-notification; boundary=x\nFrom: postmaster@x\n", b"5.1.1"),
        (b"Content-Type: multipart/report; report-type=delivery-status\n", b"--\nContent-Type: message/delivery-status\n"),
        (b'Content-Type: multipart/mixed; boundary="x=1"\nFrom: ann@out.test\n', status(group(b"failed", b"5.1.1"))),
    ],
)  # fmt: skip
def test_other_mail_is_no_bounce(header: bytes, body: bytes) -> None:
    assert read(header, body) is None


@pytest.mark.parametrize(
    "header",
    [
        b"From: Mail Delivery <Mailer-Daemon@x.test>\n",
        b'From: "Postmaster" <postmaster@x.test>\n',
        b"From: x@x.test\nAuto-Submitted: auto-generated (failure)\n",
        b"From: x@x.test\nAuto-Submitted: auto-replied; x=y\n",
    ],
)
def test_a_program_that_gives_a_permanent_code_in_its_first_text_has_refused(header: bytes) -> None:
    assert read(header, b"Sorry:\n 550 5.2.2 full\n") == Bounce(True, "5.2.2", "550 5.2.2 full")
    encoded = header + b"Content-Transfer-Encoding: base64\n"
    assert read(encoded, b64encode(b"550 5.2.2 full")) == Bounce(True, "5.2.2", "550 5.2.2 full")
    returned = b"--y\nContent-Type: text/plain\n\nSorry.\n--y\nContent-Type: message/rfc822\n\n\n550 5.1.1\n--y--\n"
    assert read(header + b"Content-Type: multipart/mixed; boundary=y\n", returned) is None


@pytest.mark.parametrize(
    ("text", "bounce"),
    [
        (b"Remote host said: 550 no such user\nGiving up.\n", Bounce(True, "5.0.0", "Remote host said: 550 no such user")),
        (b"it said:\n\n  550-no such\n  550 user\n", Bounce(True, "5.0.0", "550-no such")),
        (b"<<< 553 <eve@x.test>... unknown\n", Bounce(True, "5.0.0", "<<< 553 <eve@x.test>... unknown")),
        (b"host mx [192.0.2.1]: 554 go away\n", Bounce(True, "5.0.0", "host mx [192.0.2.1]: 554 go away")),
        (b"Not delivered yet. (#4.4.1)\n", Bounce(False, "4.4.1", "Not delivered yet. (#4.4.1)")),
        (b"It said: 452 too busy\n", Bounce(False, "4.0.0", "It said: 452 too busy")),
        (b"first: 451 4.3.0 later\nthen: 550 no such user\n", Bounce(True, "5.0.0", "then: 550 no such user")),
        (b"first: 550 no such user\nthen: 450 4.2.1 later (#5.2.1)\n", Bounce(True, "5.2.1", "then: 450 4.2.1 later (#5.2.1)")),
    ],
)  # fmt: skip
def test_what_a_mailer_daemon_says_in_words_counts_for_good_if_any_code_does(text: bytes, bounce: Bounce) -> None:
    assert read(PLAIN, b"Sorry, this did not work.\n\n" + text) == bounce


def test_a_report_without_a_part_for_programs_is_read_as_other_mail_of_programs() -> None:
    body = b"--x=1\n\n550 5.1.1 no such mailbox\n--x=1--\n"
    assert read(HEADER, body) == Bounce(True, "5.1.1", "550 5.1.1 no such mailbox")


def test_what_is_quoted_is_one_line_of_bounded_length() -> None:
    diagnostic = b"Diagnostic-Code: smtp; 550 \x1b[31m\x00" + b"x" * 5000
    bounce = read(HEADER, status(group(b"failed", b"5.1.1", diagnostic)))
    assert bounce is not None
    assert bounce.reason.isprintable()
    assert len(bounce.reason) == 200


def test_only_the_start_is_looked_at() -> None:
    assert read(HEADER, b"x" * MOST_BODY + b"\n" + POSTFIX) is None
    assert read(b"X: " + b"x" * MOST_HEADER + b"\n" + HEADER, POSTFIX) is None


@pytest.mark.parametrize(
    "piece",
    [
        *(b"\n", b"\n ", b" ", b"--x=1", b"\n--x=1\n", b"\n--x=1 ", b"\n\n"),
        *(b"Action: failed\n\n", b"5.", b"a:b\n", b"=\r", b"a: ", b"<<< 5"),
    ],
)  # fmt: skip
def test_hostile_content_costs_one_pass(piece: bytes) -> None:
    many = piece * (2 * MOST_BODY // len(piece))
    begin = process_time()
    for kind in (HEADER, PLAIN):
        read_bounce(kind, many)
        read_bounce(kind, status(many))
        read_bounce(many + kind, many)
    assert process_time() - begin < 2.0


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_nothing_raises(header: bytes, body: bytes) -> None:
    read_bounce(header, body)
    read_bounce(HEADER + header, status(body))
    read_bounce(PLAIN + header, body)


@pytest.mark.parametrize(
    ("action", "code", "bounce"),
    [
        ("failed", "5.1.1", Bounce(True, "5.1.1", "550 no such mailbox")),
        ("delayed", "4.4.1", Bounce(False, "4.4.1", "550 no such mailbox")),
        ("delivered", "2.0.0", None),
        ("relayed", "2.0.0", None),
    ],
)
@pytest.mark.parametrize("local_part", ["eve", "五郎"])
def test_our_own_reports_are_understood(local_part: str, action: Action, code: str, bounce: Bounce | None) -> None:
    now = datetime(2026, 1, 2, tzinfo=UTC)
    path = Mailbox(local_part, "example.org")
    eve = Recipient(path, path)
    envelope = Envelope("B0000000001", now, Mailbox("carol", "out.test"), (eve,), "192.0.2.1", "mx.out.test")
    reported = ReportedRecipient(eve, action, code, "mx.example.org", "550 no such mailbox", "", now)
    returned = Returned(b"Subject: x\r\n\r\nAction: failed\r\nStatus: 5.7.1\r\n", whole=True)
    octets = report(envelope, [reported], returned, Identity("mx.in.test", "B0000000002", now))
    header, _, body = octets.partition(b"\r\n\r\n")
    assert read_bounce(header + b"\r\n", body) == bounce
