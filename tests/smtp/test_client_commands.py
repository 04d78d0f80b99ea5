# SPDX-License-Identifier: Apache-2.0
"""Commands to other servers: read back as they were meant, and nothing said that was not announced."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.smtp.address import Mailbox
from genkan.smtp.client_commands import command_line, hello_line, mail_line, needs_smtputf8, rcpt_line
from genkan.smtp.client_extensions import NO_EXTENSIONS, ServerExtensions
from genkan.smtp.command import Mail, MailParameters, Rcpt, RcptParameters, parse_command

ANN = Mailbox("ann", "in.test")
YUI = Mailbox("ゆい", "例え.test")
FULL = MailParameters(
    size=7, body="8BITMIME", smtputf8=True, ret="HDRS", envid="QQ+2B1", auth="ann@in.test", requiretls=True
)
NOTIFY = RcptParameters(notify="SUCCESS,DELAY", original="rfc822;Ann+2Bx@in.test")


def announce(words: str) -> ServerExtensions:
    return ServerExtensions(dict.fromkeys(words.split(), ()))


ALL = announce("SIZE 8BITMIME SMTPUTF8 DSN REQUIRETLS")


def test_all_that_the_server_announced_is_said() -> None:
    said = b"MAIL FROM:<ann@in.test> SIZE=7 BODY=8BITMIME SMTPUTF8 REQUIRETLS RET=HDRS ENVID=QQ+2B1\r\n"
    assert mail_line(Mail(ANN, FULL), ALL, utf8=True) == said
    said = b"RCPT TO:<ann@in.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Ann+2Bx@in.test\r\n"
    assert rcpt_line(Rcpt(ANN, NOTIFY), ALL, utf8=True) == said


def test_nothing_is_said_that_the_server_did_not_announce() -> None:
    mail = Mail(ANN, FULL._replace(requiretls=False))
    assert mail_line(mail, NO_EXTENSIONS, utf8=False) == b"MAIL FROM:<ann@in.test>\r\n"
    assert rcpt_line(Rcpt(ANN, NOTIFY), NO_EXTENSIONS, utf8=False) == b"RCPT TO:<ann@in.test>\r\n"


def test_nothing_is_said_that_was_not_given() -> None:
    assert mail_line(Mail(None), ALL, utf8=False) == b"MAIL FROM:<>\r\n"
    assert rcpt_line(Rcpt(Mailbox("postmaster", "")), ALL, utf8=False) == b"RCPT TO:<postmaster>\r\n"


def test_mail_that_requires_tls_is_not_offered_to_a_server_without_it() -> None:
    with pytest.raises(ValueError, match="must not go to a server without REQUIRETLS"):
        mail_line(Mail(ANN, MailParameters(requiretls=True)), NO_EXTENSIONS, utf8=False)


def test_without_smtputf8_a_domain_is_told_in_a_labels() -> None:
    assert (
        rcpt_line(Rcpt(Mailbox("Ann", "例え.test")), NO_EXTENSIONS, utf8=False) == b"RCPT TO:<Ann@xn--r8jz45g.test>\r\n"
    )
    assert rcpt_line(Rcpt(YUI), ALL, utf8=True) == "RCPT TO:<ゆい@例え.test>\r\n".encode()


def test_what_cannot_be_told_without_smtputf8_is_known_before() -> None:
    mailboxes = [ANN, Mailbox("ann", "例え.test"), YUI, Mailbox("ann", "\u2f00\u0640.test")]
    assert [needs_smtputf8(mailbox) for mailbox in mailboxes] == [False, False, True, True]
    with pytest.raises(ValueError, match="the mailbox needs SMTPUTF8"):
        mail_line(Mail(YUI), NO_EXTENSIONS, utf8=False)


def test_an_original_recipient_beyond_ascii_is_written_in_ascii_without_smtputf8() -> None:
    rcpt = Rcpt(ANN, RcptParameters(original="utf-8;ゆい@in.test"))
    assert rcpt_line(rcpt, ALL, utf8=True).endswith(" ORCPT=utf-8;ゆい@in.test\r\n".encode())
    assert rcpt_line(rcpt, ALL, utf8=False).endswith(b" ORCPT=utf-8;\\x{3086}\\x{3044}@in.test\r\n")
    longest = Rcpt(ANN, RcptParameters(original="utf-8;" + "ゆ" * 200))
    assert rcpt_line(longest, ALL, utf8=False) == b"RCPT TO:<ann@in.test>\r\n"


@pytest.mark.parametrize("control", ["\r\n", "\n", "\0", "\x7f", "\x85", "\u2028"])
def test_a_control_character_is_never_said(control: str) -> None:
    with pytest.raises(ValueError, match="control character"):
        command_line(f"NOOP {control}")
    with pytest.raises(ValueError, match="control character"):
        mail_line(Mail(Mailbox(f"a{control}b", "in.test")), ALL, utf8=True)
    with pytest.raises(ValueError, match="control character"):
        hello_line("EHLO", f"mx{control}.in.test")


def test_a_greeting_names_us() -> None:
    assert hello_line("LHLO", "[192.0.2.1]") == b"LHLO [192.0.2.1]\r\n"


LOCAL_PARTS = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=16)


@given(LOCAL_PARTS, st.sampled_from(["in.test", "例え.test", "[192.0.2.1]"]))
def test_what_is_said_is_what_a_server_reads(local_part: str, domain: str) -> None:
    mailbox = Mailbox(local_part, domain)
    mail = Mail(mailbox, FULL._replace(auth=None))
    line = mail_line(mail, ALL, utf8=True)
    assert parse_command(line[:-2], smtputf8_allowed=True, requiretls_allowed=True) == mail
    rcpt = Rcpt(mailbox, NOTIFY)
    assert parse_command(rcpt_line(rcpt, ALL, utf8=True)[:-2], smtputf8_allowed=True) == rcpt
