# SPDX-License-Identifier: Apache-2.0
"""What a program must not answer, and whom a mail is addressed to."""

from __future__ import annotations

from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.message.automatic import MOST_ADDRESSES, MOST_HEADER, addressed_to, is_automatic
from genkan.smtp.address import Mailbox

CAROL = Mailbox("carol", "out.test")
ANN = Mailbox("ann", "in.test")
PERSONAL = b"From: Carol <carol@out.test>\r\nTo: ann@in.test\r\nSubject: List-Id: x\r\n"


def test_a_personal_mail_may_be_answered() -> None:
    assert is_automatic(PERSONAL, CAROL) is None


def test_the_null_reverse_path_is_never_answered() -> None:
    assert is_automatic(PERSONAL, None) == "null reverse-path"


@pytest.mark.parametrize(
    ("field", "why"),
    [
        (b"Auto-Submitted: auto-generated", "Auto-Submitted"),
        (b"AUTO-SUBMITTED:\r\n auto-replied; owner-email=x", "Auto-Submitted"),
        (b"Auto-Submitted: something-new", "Auto-Submitted"),
        (b"Auto-Submitted: no\r\nAuto-Submitted: auto-notified", "Auto-Submitted"),
        (b"Auto-Submitted:", "Auto-Submitted"),
        (b"Auto-Submitted: (no)", "Auto-Submitted"),
        (b"Precedence: bulk", "Precedence"),
        (b"Precedence: LIST", "Precedence"),
        (b"Precedence: junk (yes)", "Precedence"),
        (b"List-Id: <dev.out.test>", "List-Id"),
        (b"list-unsubscribe: <mailto:x@out.test>", "list-unsubscribe"),
        (b"List-Something-New : x", "List-Something-New"),
        (b"X-Loop: anything", "X-Loop"),
        (b"X-Auto-Response-Suppress: All", "X-Auto-Response-Suppress"),
        (b"X-Auto-Response-Suppress: DR, OOF", "X-Auto-Response-Suppress"),
        (b"X-Auto-Response-Suppress: DR,\r\n AutoReply", "X-Auto-Response-Suppress"),
    ],
)
def test_a_field_of_a_program_or_a_list_is_the_reason(field: bytes, why: str) -> None:
    assert is_automatic(PERSONAL + field + b"\r\n", CAROL) == why
    assert is_automatic(field + b"\r\n" + PERSONAL, CAROL) == why


@pytest.mark.parametrize(
    "field",
    [
        b"Auto-Submitted: no",
        b"Auto-Submitted: No (a person wrote this)",
        b"Precedence: first-class",
        b"X-Auto-Response-Suppress: DR, NDR, RN",
        b"X-List-Id: <x>",
        b"Comments: x\r\n List-Id: <x>",
    ],
)
def test_other_fields_are_no_reason(field: bytes) -> None:
    assert is_automatic(PERSONAL + field + b"\r\n", CAROL) is None


@pytest.mark.parametrize(
    "local_part",
    [
        *("owner-dev", "dev-owner", "dev-request", "MAILER-DAEMON", "dev-bounces", "dev-bounces+ann=in.test", "dev-bounce"),
        *("bounces", "bounces+12-34", "bounce-x", "noreply", "no-reply", "No_Reply", "donotreply", "do-not-reply"),
        *("shop.noreply", "noreply+1", "noreply-orders", "listserv", "majordomo"),
    ],
)  # fmt: skip
def test_a_reverse_path_that_nobody_reads_is_not_answered(local_part: str) -> None:
    assert is_automatic(PERSONAL, Mailbox(local_part, "out.test")) == "reverse-path of a program or a list"


@pytest.mark.parametrize(
    "local_part", ["owner", "request", "bouncer", "norep", "carol.owner", "postmaster", "arnoreplyx"]
)
def test_a_reverse_path_of_a_person_is_answered(local_part: str) -> None:
    assert is_automatic(PERSONAL, Mailbox(local_part, "out.test")) is None


@pytest.mark.parametrize(
    "field",
    [
        b"To: ann@in.test",
        b"To: Ann <ANN@In.Test>",
        b'Cc: x@out.test, "Ann, Example" <ann@in.test>',
        b"CC: x@out.test,\r\n\tann@in.test (home)",
        b"Resent-To: ann@in.test",
        b"Resent-Cc: ann@in.test",
        b"To: x@out.test\r\nTo: ann@in.test",
        b"To: team: bob@in.test, ann@in.test;",
        b"To: =?utf-8?q?Ann?= <ann@in.test>",
        b"To: bob@in.test (a (nested) comment), ann@in.test",
        b"To: (a \\( b) ann@in.test",
        b"To: x@out.test <ann@in.test> y, bob@in.test",
        b"To: x@out.test: ann@in.test;",
        b"To: <@out.test:ann@in.test>",
        b"To: <bob@in.test>, ann@in.test",
        b"To: <bob@in.test>\r\nTo: ann@in.test",
        b"To: <ann@in.test",
        "To: 安 <ann@in.test>".encode(),
    ],
)  # fmt: skip
def test_a_mailbox_in_an_address_field_is_addressed(field: bytes) -> None:
    assert addressed_to(b"Subject: x\r\n" + field + b"\r\n", (Mailbox("x", "in.test"), ANN)) is True


@pytest.mark.parametrize(
    "field",
    [
        b"To: bob@in.test",
        b"Bcc: ann@in.test",
        b"From: ann@in.test",
        b"Subject: ann@in.test",
        b'To: "ann@in.test" <bob@in.test>',
        b"To: bob@in.test (ann@in.test)",
        b"To: bob@in.test (a (b) ann@in.test)",
        b"To: bob@in.test (a (b (c) d) ann@in.test",
        b"To: bob@in.test (\\) ann@in.test)",
        b"To: ann@in.test <bob@in.test>",
        b"To: Ann ann@in.test (home) <bob@in.test>, carol@in.test",
        b"To: <bob@in.test> ann@in.test",
        b"To: ann@in.test: bob@in.test;",
        b'To: "(" ann@in.test <bob@in.test>',
        b"To: joann@in.test",
        b"To: ann@in.test.out.test",
        b"To: ann@in.testing",
        b"To: undisclosed-recipients:;",
        b"To: ann",
        b"X-To: ann@in.test",
        b'To: "ann@in.test',
    ],
)
def test_any_other_place_addresses_nobody(field: bytes) -> None:
    assert addressed_to(b"Subject: x\r\n" + field + b"\r\n", (ANN,)) is False


@pytest.mark.parametrize(
    ("field", "mailbox"),
    [
        (b'To: "a b"@in.test', Mailbox("a b", "in.test")),
        (b'To: "a\\"b"@in.test', Mailbox('a"b', "in.test")),
        (b"To: ann@[192.0.2.1]", Mailbox("ann", "[192.0.2.1]")),
        (b"To: ann@[IPv6:2001:db8::1]", Mailbox("ann", "[IPv6:2001:db8::1]")),
        ("To: 五郎@例え.test".encode(), Mailbox("五郎", "xn--r8jz45g.test")),
        ("To: ann@例え.test".encode(), Mailbox("ann", "例え.test")),
    ],
)
def test_unusual_mailboxes_are_found(field: bytes, mailbox: Mailbox) -> None:
    assert addressed_to(field + b"\r\n", [mailbox]) is True


def test_nobody_is_addressed_when_nobody_is_asked_for() -> None:
    assert addressed_to(PERSONAL, ()) is False


def test_only_the_start_is_looked_at() -> None:
    padding = b"X: %b\r\n" % (b"x" * MOST_HEADER)
    assert addressed_to(padding + PERSONAL, (ANN,)) is False
    assert is_automatic(padding + b"Precedence: bulk\r\n", CAROL) is None
    many = b"To: " + b"a@in.test," * MOST_ADDRESSES
    assert addressed_to(many + b"ann@in.test\r\n", (ANN,)) is False


@pytest.mark.parametrize(
    "piece",
    [
        b'"',
        b'\\"',
        b"(",
        b"(a@in.test)",
        b"((",
        b"\\(",
        b"x",
        b"@",
        b"a@",
        b"a@[",
        b'"@',
        b"<",
        b"\\",
        b"a@in.test,",
        b"a@b,",
        b"Re:",
        b"\r\n To:",
    ],
)
def test_hostile_headers_cost_one_pass(piece: bytes) -> None:
    header = b"To: " + piece * (MOST_HEADER // len(piece)) + b"\r\n"
    begin = process_time()
    addressed_to(header, (ANN,))
    is_automatic(header, CAROL)
    assert process_time() - begin < 1.0


@given(st.binary(max_size=300), st.text(max_size=64))
def test_nothing_raises(octets: bytes, local_part: str) -> None:
    addressed_to(b"To: " + octets, (ANN,))
    is_automatic(octets, Mailbox(local_part, "out.test"))
