# SPDX-License-Identifier: Apache-2.0
"""A transaction with another server: what leaves before which reply, whose reply is whose, and servers that misbehave."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genkan.smtp.address import Mailbox
from genkan.smtp.client import Step, Transaction
from genkan.smtp.client_commands import RSET, hello_line
from genkan.smtp.client_extensions import NO_EXTENSIONS, ServerExtensions, parse_extensions
from genkan.smtp.client_replies import ProtocolError, ReplyReader, ServerReply
from genkan.smtp.command import Mail, MailParameters, Rcpt
from genkan.smtp.extensions import Extensions
from tests.smtp.test_maildata import CUTS, cut
from tests.support.session_owner import SIZE_LIMIT, Owner, rules

if TYPE_CHECKING:
    from collections.abc import Sequence

CONTENT = b"Subject: a\r\n\r\n.b\r\n"
STUFFED = b"Subject: a\r\n\r\n..b\r\n.\r\n"
MAIL = b"MAIL FROM:<x@in.test>\r\n"
ANN = b"RCPT TO:<ann@out.test>\r\n"
BOB = b"RCPT TO:<bob@out.test>\r\n"
BDAT = b"BDAT 18 LAST\r\n"
DATA = b"DATA\r\n"

OK = "250 2.0.0 ok"
GO = "354 go on"
NO = "550 5.1.1 no"
LATER = "451 4.3.0 later"
BYE = "421 4.3.2 bye"


def announce(words: str) -> ServerExtensions:
    return ServerExtensions(dict.fromkeys(words.split(), ()))


PIPELINING = announce("PIPELINING")
CHUNKING = announce("PIPELINING CHUNKING")


def transaction(extensions: ServerExtensions, *names: str, lmtp: bool = False, in_one_go: bool = False) -> Transaction:
    mail = Mail(Mailbox("x", "in.test"), MailParameters(size=len(CONTENT)))
    recipients = [Rcpt(Mailbox(name, "out.test")) for name in names or ("ann", "bob")]
    return Transaction(mail, recipients, extensions, lmtp=lmtp, in_one_go=in_one_go)


def reply(text: str) -> ServerReply:
    reader = ReplyReader()
    reader.receive(f"{text}\r\n".encode())
    found = reader.next_reply()
    assert found is not None
    return found


def play(running: Transaction, *texts: str) -> list[bytes]:
    """Run a transaction with a server that says these replies and no more; what was written before each wait for one."""
    replies, written = list(texts), b""
    writes: list[bytes] = []
    while True:
        written += running.data_to_send()
        match running.step:
            case Step.WRITE_CONTENT:
                written += running.content(CONTENT) + running.end_of_content()
            case Step.READ_REPLY:
                if not replies:
                    return [*writes, written]
                if written:
                    writes.append(written)
                    written = b""
                running.receive(reply(replies.pop(0)))
            case Step.DONE:
                assert replies == []
                return [*writes, written] if written else writes


def results(running: Transaction) -> list[str]:
    return [str(result) for result in running.results]


# What leaves before which reply.


def test_without_pipelining_each_command_waits_for_the_reply_to_the_one_before() -> None:
    running = transaction(NO_EXTENSIONS)
    assert play(running, OK, OK, OK, GO, "250 done") == [MAIL, ANN, BOB, DATA, STUFFED]
    assert results(running) == ["250 done", "250 done"]
    assert (running.needs_reset, running.usable) == (False, True)


def test_with_pipelining_all_up_to_data_leaves_at_once() -> None:
    running = transaction(PIPELINING)
    assert play(running, OK, OK, OK, GO, "250 done") == [MAIL + ANN + BOB + DATA, STUFFED]
    assert results(running) == ["250 done", "250 done"]


def test_with_chunking_the_content_waits_until_a_recipient_is_accepted() -> None:
    running = transaction(CHUNKING)
    assert play(running, OK, NO, OK, "250 done") == [MAIL + ANN + BOB, BDAT + CONTENT]
    assert results(running) == [NO, "250 done"]


def test_with_chunking_a_small_message_takes_one_round_trip() -> None:
    running = transaction(CHUNKING, in_one_go=True)
    assert play(running, OK, OK, NO, "250 done") == [MAIL + ANN + BOB + BDAT + CONTENT]
    assert results(running) == ["250 done", NO]
    assert (running.needs_reset, running.usable) == (False, True)


def test_with_chunking_alone_the_content_follows_bdat_at_once() -> None:
    running = transaction(announce("CHUNKING"), in_one_go=True)
    assert play(running, OK, OK, OK, "250 done") == [MAIL, ANN, BOB, BDAT + CONTENT]


def test_smtputf8_is_used_when_the_message_or_an_address_wants_it() -> None:
    mail, yui = Mail(None, MailParameters(size=1)), Rcpt(Mailbox("ゆい", "out.test"))
    offered = announce("SMTPUTF8")
    asked = mail._replace(parameters=MailParameters(size=1, smtputf8=True))
    first = [
        Transaction(mail, [yui], offered).data_to_send(),
        Transaction(mail._replace(reverse_path=yui.forward_path), [Rcpt(Mailbox("a", "b"))], offered).data_to_send(),
        Transaction(asked, [Rcpt(Mailbox("a", "b"))], offered).data_to_send(),
        Transaction(asked, [Rcpt(Mailbox("a", "b"))], NO_EXTENSIONS).data_to_send(),
        Transaction(mail, [Rcpt(Mailbox("a", "例え.test"))], offered).data_to_send(),
    ]
    assert [b" SMTPUTF8" in line for line in first] == [True, True, True, False, False]


# Refusals.


@pytest.mark.parametrize(
    ("extensions", "replies", "writes"),
    [
        (NO_EXTENSIONS, (LATER,), [MAIL]),
        (PIPELINING, (LATER, NO, OK, NO), [MAIL + ANN + BOB + DATA]),
        (PIPELINING, (LATER, NO, OK, GO, OK), [MAIL + ANN + BOB + DATA, b".\r\n"]),
        (CHUNKING, (LATER, NO, OK), [MAIL + ANN + BOB]),
    ],
)
def test_a_refused_mail_counts_for_all_recipients(
    extensions: ServerExtensions, replies: Sequence[str], writes: list[bytes]
) -> None:
    running = transaction(extensions)
    assert play(running, *replies) == writes
    assert results(running) == [LATER, LATER]
    assert (running.needs_reset, running.usable) == (False, True)


@pytest.mark.parametrize(
    ("extensions", "last", "writes"),
    [
        (NO_EXTENSIONS, (), [MAIL, ANN, BOB]),
        (PIPELINING, ("554 no valid recipients",), [MAIL + ANN + BOB + DATA]),
        (CHUNKING, (), [MAIL + ANN + BOB]),
    ],
)
def test_without_an_accepted_recipient_no_content_is_sent_and_the_transaction_stays_open(
    extensions: ServerExtensions, last: Sequence[str], writes: list[bytes]
) -> None:
    running = transaction(extensions)
    assert play(running, OK, NO, LATER, *last) == writes
    assert results(running) == [NO, LATER]
    assert (running.needs_reset, running.usable) == (True, True)


@pytest.mark.parametrize("last", [OK, NO])
def test_a_go_ahead_without_a_recipient_gets_a_lone_dot_and_its_reply_means_nothing(last: str) -> None:
    running = transaction(PIPELINING)
    assert play(running, OK, NO, LATER, GO, last) == [MAIL + ANN + BOB + DATA, b".\r\n"]
    assert results(running) == [NO, LATER]
    assert (running.needs_reset, running.usable) == (False, True)


@pytest.mark.parametrize("last", [OK, NO])
def test_a_chunk_that_was_sent_for_nobody_is_accepted_for_nobody(last: str) -> None:
    running = transaction(CHUNKING, in_one_go=True)
    assert play(running, OK, NO, LATER, last) == [MAIL + ANN + BOB + BDAT + CONTENT]
    assert results(running) == [NO, LATER]
    assert (running.needs_reset, running.usable) == (True, True)


@pytest.mark.parametrize(
    ("extensions", "replies", "needs_reset"),
    [(PIPELINING, (LATER,), True), (PIPELINING, (GO, LATER), False), (CHUNKING, (LATER,), True)],
)
def test_a_refused_content_counts_for_those_whose_rcpt_was_accepted(
    extensions: ServerExtensions, replies: Sequence[str], needs_reset: bool
) -> None:
    running = transaction(extensions)
    play(running, OK, NO, OK, *replies)
    assert results(running) == [NO, LATER]
    assert (running.needs_reset, running.usable) == (needs_reset, True)


def test_552_to_rcpt_counts_as_452() -> None:
    running = transaction(NO_EXTENSIONS)
    play(running, OK, "552 5.2.2 mailbox full", "552 too many recipients")
    assert results(running) == ["452 4.2.2 mailbox full", "452 too many recipients"]


def test_552_to_anything_else_is_permanent() -> None:
    running = transaction(PIPELINING, "ann")
    play(running, OK, OK, GO, "552 5.3.4 too big")
    assert results(running) == ["552 5.3.4 too big"]


# 421, lost connections and nonsense.


@pytest.mark.parametrize(
    ("replies", "expected"),
    [
        ((BYE,), [BYE, BYE]),
        ((OK, BYE), [BYE, BYE]),
        ((OK, NO, BYE), [NO, BYE]),
        ((OK, OK, NO, BYE), [BYE, NO]),
        ((OK, OK, NO, GO, BYE), [BYE, NO]),
    ],
)
@pytest.mark.parametrize("extensions", [NO_EXTENSIONS, PIPELINING])
def test_421_ends_the_session_and_answers_all_that_was_open(
    extensions: ServerExtensions, replies: Sequence[str], expected: list[str]
) -> None:
    running = transaction(extensions)
    play(running, *replies)
    assert (results(running), running.usable, running.step) == (expected, False, Step.DONE)


def test_when_the_connection_is_lost_what_was_settled_stays() -> None:
    running = transaction(PIPELINING)
    play(running, OK, NO, OK, GO)
    assert running.results == [reply(NO), None]
    assert running.step is Step.READ_REPLY


@pytest.mark.parametrize("replies", [(GO,), (OK, GO), (OK, OK, OK, OK), (OK, OK, OK, "220 what"), (OK, OK, OK, GO, GO)])
def test_a_reply_that_cannot_be_one_here_is_an_error(replies: Sequence[str]) -> None:
    with pytest.raises(ProtocolError, match="a reply that is none to"):
        play(transaction(PIPELINING), *replies)


def test_a_reply_to_nothing_is_an_error() -> None:
    running = transaction(PIPELINING)
    play(running, OK, OK, OK, GO, OK)
    with pytest.raises(ProtocolError, match="nothing was asked: 250"):
        running.receive(reply(OK))


@pytest.mark.parametrize(("extensions", "replies"), [(PIPELINING, (OK, OK, NO, GO)), (CHUNKING, (OK, OK, NO))])
def test_a_refusal_while_content_is_written_counts_and_ends_the_connection(
    extensions: ServerExtensions, replies: Sequence[str]
) -> None:
    running = transaction(extensions)
    for text in replies:
        running.receive(reply(text))
    assert running.step is Step.WRITE_CONTENT
    running.receive(reply(LATER))
    assert (results(running), running.usable, running.step) == ([LATER, NO], False, Step.DONE)


def test_content_cannot_be_accepted_before_it_was_sent() -> None:
    running = transaction(CHUNKING, "ann", in_one_go=True)
    for text in (OK, OK):
        running.receive(reply(text))
    with pytest.raises(ProtocolError, match="before it had it"):
        running.receive(reply(OK))
    assert running.results == [None]


# LMTP.


@pytest.mark.parametrize(
    ("extensions", "go_ahead", "writes"),
    [
        (PIPELINING, (GO,), [MAIL + ANN + BOB + b"RCPT TO:<kai@out.test>\r\n" + DATA, STUFFED]),
        (CHUNKING, (), [MAIL + ANN + BOB + b"RCPT TO:<kai@out.test>\r\n" + BDAT + CONTENT]),
    ],
)
def test_lmtp_has_a_last_reply_for_each_accepted_recipient(
    extensions: ServerExtensions, go_ahead: Sequence[str], writes: list[bytes]
) -> None:
    running = transaction(extensions, "ann", "bob", "kai", lmtp=True, in_one_go=True)
    assert play(running, OK, OK, NO, OK, *go_ahead, LATER, "250 2.1.5 in") == writes
    assert results(running) == [LATER, NO, "250 2.1.5 in"]
    assert (running.needs_reset, running.usable) == (False, True)


def test_lmtp_without_recipients_has_one_last_reply_to_a_chunk_and_none_to_a_lone_dot() -> None:
    running = transaction(CHUNKING, lmtp=True, in_one_go=True)
    play(running, OK, NO, NO, "503 5.5.1 no recipients")
    assert (results(running), running.usable) == ([NO, NO], True)
    running = transaction(PIPELINING, lmtp=True)
    assert play(running, OK, NO, NO, GO) == [MAIL + ANN + BOB + DATA, b".\r\n"]
    assert (results(running), running.usable) == ([NO, NO], False)


def test_421_among_the_last_replies_of_lmtp_answers_the_rest() -> None:
    running = transaction(PIPELINING, lmtp=True)
    play(running, OK, OK, OK, GO, "250 in", BYE)
    assert (results(running), running.usable) == (["250 in", BYE], False)


# Misuse.


def test_a_transaction_needs_its_size_and_a_recipient() -> None:
    with pytest.raises(ValueError, match="needs the size"):
        Transaction(Mail(None), [Rcpt(Mailbox("ann", "out.test"))], NO_EXTENSIONS)
    with pytest.raises(ValueError, match="and a recipient"):
        Transaction(Mail(None, MailParameters(size=1)), [], NO_EXTENSIONS)


def test_a_chunk_of_another_size_than_declared_is_misuse() -> None:
    running = transaction(CHUNKING, in_one_go=True)
    running.content(CONTENT[:-1])
    with pytest.raises(ValueError, match="shorter"):
        running.end_of_content()
    with pytest.raises(ValueError, match="longer"):
        running.content(CONTENT)


# With our own server.


class Peer:
    """Our server, reached by a client that reads its replies in pieces."""

    def __init__(self, words: str, places: list[int], *, refuse_data: bool) -> None:
        offered = Extensions(
            tuple(words.split()), starttls=False, mechanisms=(), plaintext_always=False, message_size=0
        )
        self.owner = Owner(rules(extensions=offered), refuse_data=refuse_data)
        self._places = places
        self._reader = ReplyReader()
        self._pieces: list[bytes] = []
        self.extensions = parse_extensions(self.ask(hello_line("EHLO", "client.test")))

    def write(self, octets: bytes) -> None:
        self._pieces += cut(self.owner.say(octets), self._places)

    def next_reply(self) -> ServerReply:
        while (found := self._reader.next_reply()) is None:
            self._reader.receive(self._pieces.pop(0))
        return found

    def ask(self, octets: bytes) -> ServerReply:
        self.write(octets)
        return self.next_reply()

    def carry(self, mail: Mail, names: Sequence[str], content: bytes, *, in_one_go: bool) -> Transaction:
        running = Transaction(
            mail, [Rcpt(Mailbox(name, "in.test")) for name in names], self.extensions, in_one_go=in_one_go
        )
        while running.step is not Step.DONE:
            self.write(running.data_to_send())
            if running.step is Step.WRITE_CONTENT:
                for block in cut(content, self._places):
                    self.write(running.content(block))
                self.write(running.end_of_content())
            else:
                running.receive(self.next_reply())
        return running


NAMES = st.lists(st.sampled_from(["ann", "bob", "nobody", "none"]), min_size=1, max_size=4)
CONTENTS = st.lists(st.sampled_from([b"Subject: a", b"", b".", b"..b", b"x" * 60]), max_size=12).map(
    lambda lines: b"".join(line + b"\r\n" for line in lines)
)
WORDS = st.sampled_from(["", "PIPELINING", "CHUNKING", "PIPELINING CHUNKING", "PIPELINING CHUNKING SMTPUTF8 DSN"])


@given(WORDS, st.lists(st.tuples(st.sampled_from(["x", "nox"]), NAMES, CONTENTS), max_size=3), CUTS, st.data())
@settings(deadline=None)
def test_mail_goes_to_our_own_server_in_any_splitting(
    words: str, messages: list[tuple[str, list[str], bytes]], places: list[int], data: st.DataObject
) -> None:
    in_one_go, refuse_data = data.draw(st.booleans()), data.draw(st.booleans())
    peer = Peer(words, places, refuse_data=refuse_data)
    arrived = []
    for sender, names, content in messages:
        mail = Mail(Mailbox(sender, "out.test"), MailParameters(size=len(content)))
        running = peer.carry(mail, names, content, in_one_go=in_one_go)
        taken = [not refuse_data and not (sender + name).startswith("no") and name[:2] != "no" for name in names]
        assert [result is not None and result.accepts for result in running.results] == taken
        assert running.usable
        arrived += [content] if any(taken) else []
        if running.needs_reset:
            assert peer.ask(RSET).accepts
    assert peer.owner.messages == arrived


def test_a_message_beyond_the_servers_limit_is_refused_for_all() -> None:
    peer = Peer("PIPELINING", [], refuse_data=False)
    peer.owner = Owner()
    peer.ask(hello_line("EHLO", "client.test"))
    content = b"x" * 60 + b"\r\n"
    mail = Mail(None, MailParameters(size=SIZE_LIMIT + 62))
    running = peer.carry(mail, ["ann", "nobody"], content * (SIZE_LIMIT // 62 + 1), in_one_go=False)
    assert [result.code for result in running.results if result is not None] == [552, 550]
