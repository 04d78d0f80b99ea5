# SPDX-License-Identifier: Apache-2.0
"""The session as a state machine: its contract with its owner, and the turns of a dialogue that hold traps."""

from __future__ import annotations

import base64

import pytest

from genkan.smtp import events, replies
from genkan.smtp.events import NEED_DATA, SEND
from genkan.smtp.maildata import BareNewline
from genkan.smtp.reply import Profile
from genkan.smtp.sasl import MAX_RESPONSE
from genkan.smtp.sequence import State
from genkan.smtp.session import MisuseError, Session
from tests.smtp.test_maildata import content_of, stuffed
from tests.support.session_owner import (
    FIELDS,
    RIGHT,
    SIZE_LIMIT,
    Owner,
    codes,
    lines_of,
    offer,
    rules,
)

HELLO = b"EHLO client.test"
MAIL = b"MAIL FROM:<x@out.test>"
RCPT = b"RCPT TO:<ann@in.test>"
BEGIN = b"\r\n".join([HELLO, MAIL, RCPT]) + b"\r\n"


def in_transaction() -> Owner:
    owner = Owner()
    assert owner.dialogue(HELLO, MAIL, RCPT) == [250, 250, 250]
    return owner


# The owner's contract.


def test_a_question_must_be_answered_before_the_next_event() -> None:
    session = Session(rules(), "192.0.2.10", tls_active=False)
    session.receive_data(BEGIN)
    assert isinstance(session.next_event(), events.MailRequested)
    with pytest.raises(MisuseError, match="MailRequested has not been answered"):
        session.next_event()


def test_an_answer_without_a_question_is_misuse() -> None:
    owner = Owner()
    with pytest.raises(MisuseError, match="no question is open for NOOP_OK"):
        owner.session.send_reply(owner.rules.wordbook.reply(replies.NOOP_OK))


def test_nothing_is_parsed_ahead_of_an_answer() -> None:
    session = Session(rules(), "192.0.2.10", tls_active=False)
    session.receive_data(b"MAIL FROM:<nobody@in.test>\r\nRCPT TO:<ann@in.test>\r\n")
    session.next_event()
    session.send_reply(rules().wordbook.reply(replies.SENDER_UNKNOWN))
    assert session.next_event() == events.Refused(replies.NEED_MAIL_BEFORE_RCPT, "RCPT TO:<ann@in.test>")


def test_replies_that_nobody_takes_stop_the_reading() -> None:
    session = Session(rules(), "192.0.2.10", tls_active=False)
    session.receive_data(b"NOOP\r\n" * 10_000)
    said = []
    while (event := session.next_event()) is not NEED_DATA:
        assert event is SEND
        said.append(len(session.data_to_send()))
    said.append(len(session.data_to_send()))
    assert max(said) < 10_000
    assert sum(said) == 10_000 * len(b"250 2.0.0 ok.\r\n")


def test_a_last_word_of_the_server_ends_the_session() -> None:
    owner = in_transaction()
    owner.session.close_with(replies.SHUTTING_DOWN, fqdn="mx.in.test")
    assert owner.say(b"DATA\r\n") == b"421 4.3.2 mx.in.test Shutting down, closing connection\r\n"
    assert owner.told[-1] == owner.answered[-1][0]


def test_a_last_word_takes_the_place_of_an_answer() -> None:
    session = Session(rules(), "192.0.2.10", tls_active=False)
    session.receive_data(BEGIN)
    session.next_event()
    session.close_with(replies.SHUTTING_DOWN, fqdn="mx.in.test")
    assert session.next_event() is NEED_DATA


# HELO and EHLO.


@pytest.mark.parametrize("ending", [b"RSET", b"DATA\r\n.", b"BDAT 0 LAST"])
def test_a_client_that_began_without_hello_may_still_say_it_later(ending: bytes) -> None:
    owner = Owner()
    assert owner.dialogue(MAIL, RCPT)[-1] == 250
    assert owner.dialogue(ending)[-1] == 250
    assert owner.session.state is State.CONNECTED
    assert owner.dialogue(HELLO, HELLO) == [250, 503]


def test_a_first_hello_within_a_transaction_begins_anew() -> None:
    owner = Owner()
    assert owner.dialogue(MAIL, RCPT, HELLO, RCPT) == [250, 250, 250, 503]
    assert events.TransactionAborted() in owner.told


def test_in_the_rfc_profile_hello_aborts_the_transaction() -> None:
    owner = Owner(rules(Profile.RFC))
    assert owner.dialogue(HELLO, MAIL, RCPT, HELLO, RCPT) == [250, 250, 250, 250, 503]
    assert events.TransactionAborted() in owner.told


def test_after_helo_there_is_no_smtputf8() -> None:
    owner = Owner()
    assert owner.dialogue(b"HELO client.test", MAIL + b" SMTPUTF8") == [250, 555]


def test_after_a_refused_mail_addresses_beyond_ascii_are_refused_again() -> None:
    owner = Owner()
    recipient = "RCPT TO:<jos\u00e9@in.test>".encode()
    assert owner.dialogue(HELLO, b"MAIL FROM:<nobody@in.test> SMTPUTF8", MAIL, recipient) == [250, 550, 250, 553]


# DATA.


def test_content_begins_and_commands_go_on_in_one_write() -> None:
    owner = Owner()
    said = owner.say(
        BEGIN + b"DATA\r\n" + stuffed(b"one\r\n") + MAIL + b"\r\n" + RCPT + b"\r\nDATA\r\n" + stuffed(b".two\r\n")
    )
    assert codes(said) == [250, 250, 250, 354, 250, 250, 250, 354, 250]
    assert owner.messages == [b"one\r\n", b".two\r\n"]


def test_when_data_is_refused_the_next_line_is_a_command() -> None:
    owner = Owner(refuse_data=True)
    assert owner.dialogue(HELLO, MAIL, RCPT, b"DATA", b"NOOP", b"RSET") == [250, 250, 250, 451, 250, 250]


def test_content_is_too_big_by_one_octet() -> None:
    for last, code in ((98, 250), (99, 552)):
        owner = in_transaction()
        content = content_of([b"x" * 98] * 9 + [b"x" * last])
        assert len(content) - SIZE_LIMIT == last - 98
        assert owner.dialogue(b"DATA") == [354]
        assert codes(owner.say(stuffed(content))) == [code]


@pytest.mark.parametrize("bare", [b"\n", b"\r", b"\n.\n", b"\r.\r"])
def test_behind_a_bare_newline_nothing_is_read_as_a_command(bare: bytes) -> None:
    owner = in_transaction()
    said = owner.say(b"DATA\r\na" + bare + b"b\r\n.\r\n" + BEGIN + b"QUIT\r\n")
    assert codes(said) == [354, 550]
    assert owner.told[-1] == events.Closing("bare newline in mail data")


def test_a_bare_newline_becomes_crlf_where_it_is_normalised() -> None:
    owner = Owner(rules(bare_newline=BareNewline.NORMALISE))
    owner.say(BEGIN + b"DATA\r\na\nb\rc\r\n.\r\n")
    assert owner.messages == [b"a\r\nb\r\nc\r\n"]


def test_a_command_that_ends_in_lf_ends_the_session() -> None:
    owner = Owner()
    said = owner.say(b"NOOP\r\nRSET\nNOOP\r\n")
    assert codes(said) == [250, 500]
    assert owner.told[-1] == events.Closing("bare newline in a command")


# BDAT.


def test_the_octets_of_a_refused_chunk_are_skipped() -> None:
    owner = Owner()
    assert codes(owner.say(b"BDAT 6\r\nQUIT\r\nNOOP\r\n")) == [503, 250]
    assert codes(Owner(refuse_data=True).say(BEGIN + b"BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n")) == [250, 250, 250, 451, 250]


def test_refused_chunks_are_refused_commands() -> None:
    owner = Owner()
    said = codes(owner.say(b"BDAT 0\r\n" * 50))
    assert said == [503] * owner.rules.bad_commands + [421]


def test_between_chunks_only_bdat_or_rset_may_come() -> None:
    owner = in_transaction()
    assert codes(owner.say(b"BDAT 2\r\na\r")) == [250]
    assert owner.dialogue(MAIL, RCPT, b"DATA") == [503, 503, 503]
    assert codes(owner.say(b"BDAT 1 LAST\r\n\n")) == [250]
    assert owner.messages == [b"a\r\n"]


def test_a_chunk_with_a_fault_ends_the_transaction_at_its_end() -> None:
    owner = in_transaction()
    too_big = content_of([b"x" * 90] * 12)
    said = owner.say(b"BDAT %d\r\n%b" % (len(too_big), too_big), b"BDAT 2 LAST\r\n\r\n", b"NOOP\r\n")
    assert codes(said) == [552, 503, 250]
    assert owner.messages == []


def test_a_cr_alone_at_the_end_of_the_last_chunk_is_bare() -> None:
    owner = in_transaction()
    assert codes(owner.say(b"BDAT 2 LAST\r\na\r")) == [550]
    assert owner.closed


@pytest.mark.parametrize("line", [b"BDAT", b"BDAT x", b"BDAT -1", b"BDAT 5 FIRST", b"BDAT 5 LAST LAST", b"BDAT \xff"])
def test_a_chunk_of_unknown_size_ends_the_session(line: bytes) -> None:
    owner = in_transaction()
    assert owner.dialogue(line, b"NOOP")[0] in {500, 501}
    assert owner.told[-1] == events.Closing("what follows is no SMTP")


@pytest.mark.parametrize("begin", [b"", BEGIN])
def test_where_chunking_is_not_offered_bdat_is_unknown_in_every_state(begin: bytes) -> None:
    owner = Owner(rules(extensions=offer(setting="source")))
    owner.say(begin)
    assert owner.dialogue(b"BDAT 5 LAST") == [500]
    assert owner.told[-1] == events.Closing("BDAT without CHUNKING")


def test_content_is_expected_until_its_end_even_when_it_is_only_skipped() -> None:
    owner = in_transaction()
    owner.say(b"DATA\r\n", b"x" * 5000)
    assert owner.session.receives_content
    owner.say(b"\r\n.\r\n")
    assert not owner.session.receives_content


# AUTH.


def test_auth_in_all_its_turns() -> None:
    right = base64.b64encode(RIGHT)
    wrong = base64.b64encode(b"wrong")
    owner = Owner()
    assert owner.dialogue(HELLO, b"AUTH PLAIN", wrong, b"AUTH PLAIN", right, b"AUTH PLAIN") == [
        250,
        334,
        535,
        334,
        235,
        503,
    ]
    assert owner.session.authenticated


@pytest.mark.parametrize(
    ("answer", "code", "failed"), [(b"*", 501, False), (b"no base64", 535, True), (b"YQ=", 535, True)]
)
def test_a_dialogue_that_is_cancelled_or_unreadable_is_over(answer: bytes, code: int, failed: bool) -> None:
    owner = Owner()
    assert owner.dialogue(HELLO, b"AUTH PLAIN", answer, b"NOOP") == [250, 334, code, 250]
    assert events.AuthAborted(failed=failed) in owner.told


def test_an_answer_over_the_limit_ends_the_dialogue() -> None:
    owner = Owner()
    assert owner.dialogue(HELLO, b"AUTH PLAIN", b"x" * (MAX_RESPONSE + 1), b"NOOP") == [250, 334, 500, 250]
    assert owner.told[-2:] == [events.Refused(replies.LINE_TOO_LONG, ""), events.AuthAborted(failed=True)]


@pytest.mark.parametrize(
    "lines",
    [
        [b"AUTH PLAIN c2VjcmV0"],
        [b"auth plain c2VjcmV0"],
        [HELLO, b"AUTH PLAIN c2VjcmV0 c2VjcmV0"],
        [HELLO, b"AUTH PLAIN c2VjcmV0\xff"],
        [HELLO, b"AUTH XYZ c2VjcmV0"],
        [HELLO, MAIL, b"AUTH PLAIN c2VjcmV0"],
        [HELLO, b"AUTH PLAIN c2VjcmV0" * 100],
        [HELLO, b"AUTH PLAIN c2VjcmV0\nNOOP"],
        [HELLO, b"AUTH PLAIN", b"c2VjcmV0\nNOOP"],
        [HELLO, b"AUTH PLAIN", b"c2VjcmV0" * 2000],
    ],
)
def test_what_a_client_typed_in_auth_is_never_told_for_the_log(lines: list[bytes]) -> None:
    owner = Owner()
    owner.dialogue(*lines)
    refused = [event for event in owner.told if isinstance(event, events.Refused)]
    assert refused
    assert not any("c2Vj" in event.line for event in refused)


def test_auth_is_not_for_a_client_that_said_helo() -> None:
    assert Owner().dialogue(b"HELO client.test", b"AUTH PLAIN") == [250, 503]


# STARTTLS.


def test_after_starttls_everything_said_before_is_forgotten() -> None:
    owner = Owner(rules(extensions=offer(starttls=True)))
    assert owner.dialogue(HELLO, b"AUTH PLAIN " + base64.b64encode(RIGHT), b"STARTTLS") == [250, 235, 220]
    session = owner.session
    assert (session.hello_domain, session.esmtp, session.authenticated) == ("", False, False)
    assert (session.tls_active, session.state) == (True, State.CONNECTED)
    assert owner.dialogue(HELLO, b"STARTTLS") == [250, 503]


def test_requiretls_is_announced_and_taken_under_tls_only() -> None:
    owner = Owner(rules(extensions=offer(starttls=True)))
    mail = b"MAIL FROM:<x@out.test> REQUIRETLS"
    assert b"250-REQUIRETLS\r\n" not in owner.say(HELLO + b"\r\n")
    assert owner.dialogue(mail, b"STARTTLS") == [555, 220]
    assert b"250-REQUIRETLS\r\n" in owner.say(HELLO + b"\r\n")
    assert owner.dialogue(mail) == [250]
    question, _ = owner.answered[-1]
    assert isinstance(question, events.MailRequested)
    assert question.parameters.requiretls is True


def test_requiretls_is_not_taken_after_helo() -> None:
    owner = Owner(rules(extensions=offer(starttls=True)))
    assert owner.dialogue(b"STARTTLS", b"HELO client.test") == [220, 250]
    assert owner.dialogue(b"MAIL FROM:<x@out.test> REQUIRETLS") == [555]


def test_octets_behind_starttls_end_the_session_without_a_word() -> None:
    owner = Owner(rules(extensions=offer(starttls=True)))
    assert codes(owner.say(HELLO + b"\r\nSTARTTLS\r\nNOOP\r\n")) == [250]
    assert owner.told == [events.Closing("octets behind STARTTLS")]


def test_before_the_handshake_is_done_nothing_is_read() -> None:
    session = Session(rules(extensions=offer(starttls=True)), "192.0.2.10", tls_active=False)
    session.receive_data(b"STARTTLS\r\n")
    assert isinstance(session.next_event(), events.TlsRequested)
    session.send_reply(rules().wordbook.reply(replies.READY_FOR_TLS))
    session.receive_data(b"EHLO client.test\r\n")
    assert (session.next_event(), session.buffered) == (NEED_DATA, 18)
    session.data_to_send()
    session.tls_started()
    assert session.next_event() is NEED_DATA
    assert codes(session.data_to_send()) == [250]


# The rest.


@pytest.mark.parametrize("profile", list(Profile))
def test_too_many_refused_commands_end_the_session(profile: Profile) -> None:
    owner = Owner(rules(profile))
    said = owner.say(b"XYZ\r\n" * 30)
    assert codes(said) == [500] * owner.rules.bad_commands + [421]
    assert b"mx.in.test" in lines_of(said)[-1]


def test_an_accepted_transaction_starts_the_count_of_refused_commands_anew() -> None:
    owner = Owner()
    for _ in range(3):
        assert owner.dialogue(*[b"XYZ"] * (owner.rules.bad_commands - 1), MAIL, b"RSET")[-2:] == [250, 250]
    assert not owner.closed


def test_quit_is_the_last_that_is_read() -> None:
    owner = Owner()
    assert codes(owner.say(b"QUIT\r\nNOOP\r\n")) == [221]
    assert owner.told == [events.Closing("quit")]


def test_closing_is_told_once() -> None:
    owner = Owner()
    owner.say(b"XYZ\r\n" * (owner.rules.bad_commands - 1) + b"BDAT x\r\n")
    assert [event for event in owner.told if isinstance(event, events.Closing)] == [
        events.Closing("too many bad commands")
    ]


@pytest.mark.parametrize("command", [b"VRFY ann", b"EXPN ann"])
def test_vrfy_and_expn_ask_only_where_they_are_switched_on(command: bytes) -> None:
    assert Owner(rules(vrfy=False)).dialogue(command) == [502]
    owner = Owner()
    assert owner.dialogue(command) == [250]
    assert len(owner.answered) == 1


def test_the_greeting_names_the_server() -> None:
    assert Owner().greeting == f"220 {FIELDS['fqdn']} Genkan ESMTP receiver\r\n".encode()
