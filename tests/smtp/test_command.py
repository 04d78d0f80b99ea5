# SPDX-License-Identifier: Apache-2.0
"""Command lines: what they become, and which reply refuses them."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from genkan.smtp import replies
from genkan.smtp.address import Mailbox
from genkan.smtp.command import (
    NO_MAIL_PARAMETERS,
    NO_RCPT_PARAMETERS,
    Auth,
    Bdat,
    Command,
    Data,
    Ehlo,
    Expn,
    Helo,
    Help,
    Mail,
    MailParameters,
    Noop,
    Quit,
    Rcpt,
    RcptParameters,
    Refusal,
    Rset,
    Starttls,
    Vrfy,
    parse_command,
)
from genkan.smtp.reply import Profile, Wordbook

ANN = Mailbox("ann", "in.test")
YUI = Mailbox("ゆい", "in.test")


def parse(line: bytes) -> Command | Refusal:
    return parse_command(line, smtputf8_allowed=True)


def refused(line: bytes, *, smtputf8_allowed: bool = True) -> tuple[str, dict[str, str], str]:
    result = parse_command(line, smtputf8_allowed=smtputf8_allowed)
    assert isinstance(result, Refusal)
    return result.row.name, result.fields, result.verb


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"HELO client.test", Helo("client.test")),
        (b"HELO", Helo("")),
        (b"helo my pc", Helo("my")),
        (b"EHLO [192.0.2.1]", Ehlo("[192.0.2.1]")),
        (b"EHLO ", Ehlo("")),
        (b"MAIL FROM:<ann@in.test>", Mail(ANN)),
        (b"mail from: <ann@in.test>  ", Mail(ANN)),
        (b"MAIL  FROM:ann@in.test", Mail(ANN)),
        (b"MAIL FROM:<>", Mail(None)),
        (b"MAIL FROM:", Mail(None, blank=True)),
        (b"MAIL FROM: \t", Mail(None, blank=True)),
        (b'MAIL FROM:<"a> b"@in.test> SIZE=1', Mail(Mailbox("a> b", "in.test"), MailParameters(size=1))),
        (b"RCPT TO:<ann@in.test>", Rcpt(ANN)),
        (b"Rcpt To: ann@in.test", Rcpt(ANN)),
        (b"RCPT TO:<PostMaster>", Rcpt(Mailbox("postmaster", ""))),
        (b"RCPT TO:<@relay.test:ann@in.test>", Rcpt(ANN)),
        (b"DATA", Data()),
        (b"data ", Data()),
        (b"BDAT 0 LAST", Bdat(0, last=True)),
        (b"BDAT 1000", Bdat(1000, last=False)),
        (b"bdat 1000 last", Bdat(1000, last=True)),
        (b"RSET", Rset()),
        (b"NOOP", Noop()),
        (b"NOOP at all", Noop()),
        (b"VRFY ann", Vrfy("ann")),
        (b"EXPN staff list", Expn("staff list")),
        (b"HELP", Help("")),
        (b"HELP MAIL", Help("MAIL")),
        (b"QUIT", Quit()),
        (b"AUTH plain", Auth("PLAIN")),
        (b"AUTH PLAIN =", Auth("PLAIN", b"=")),
        (b"AUTH PLAIN AGFubgB4", Auth("PLAIN", b"AGFubgB4")),
        (b"StartTLS", Starttls()),
    ],
)
def test_a_command_is_read(line: bytes, expected: Command) -> None:
    command = parse(line)
    assert command == expected
    assert type(command) is type(expected)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"", ("COMMAND_UNRECOGNIZED", {"command": ""}, "")),
        (b" MAIL FROM:<>", ("COMMAND_UNRECOGNIZED", {"command": ""}, "")),
        (b"Xyz secret words", ("COMMAND_UNRECOGNIZED", {"command": "Xyz"}, "")),
        (b"x" * 1000, ("COMMAND_UNRECOGNIZED", {"command": "x" * 64}, "")),
        (b"MAIL", ("ARGUMENT_REQUIRED", {}, "MAIL")),
        (b"MAIL TO:<ann@in.test>", ("ARGUMENT_REQUIRED", {}, "MAIL")),
        (b"MAIL FROM <ann@in.test>", ("ARGUMENT_REQUIRED", {}, "MAIL")),
        (b"RCPT", ("ARGUMENT_REQUIRED", {}, "RCPT")),
        (b"RCPT TO:", ("ARGUMENT_REQUIRED", {}, "RCPT")),
        (b"RCPT ann@in.test", ("ARGUMENT_REQUIRED", {}, "RCPT")),
        (b"RCPT TO:<>", ("NO_VALID_RECIPIENT", {}, "RCPT")),
        (b"RCPT TO:<ann>", ("NO_VALID_RECIPIENT", {}, "RCPT")),
        (b"VRFY", ("ARGUMENT_REQUIRED", {}, "VRFY")),
        (b"EXPN ", ("ARGUMENT_REQUIRED", {}, "EXPN")),
        (b"AUTH", ("ARGUMENT_REQUIRED", {}, "AUTH")),
        (b"AUTH PLAIN a b", ("ARGUMENT_UNEXPECTED", {}, "AUTH")),
        (b"DATA now", ("ARGUMENT_UNEXPECTED", {}, "DATA")),
        (b"RSET now", ("ARGUMENT_UNEXPECTED", {}, "RSET")),
        (b"QUIT now", ("ARGUMENT_UNEXPECTED", {}, "QUIT")),
        (b"STARTTLS now", ("ARGUMENT_UNEXPECTED", {}, "STARTTLS")),
        (b"HELO " + b"a" * 256, ("HELLO_SYNTAX", {}, "HELO")),
        (b"EHLO a\x00b", ("HELLO_SYNTAX", {}, "EHLO")),
        (b"EHLO \xe3\x81\x82.test", ("COMMAND_NOT_ASCII", {}, "EHLO")),
        (b"NOOP \x00", ("COMMAND_NOT_ASCII", {}, "NOOP")),
        (b"MAIL FROM:<ann\r@in.test>", ("COMMAND_NOT_ASCII", {}, "MAIL")),
        (b"MAIL FROM:<ann\xff@in.test> SMTPUTF8", ("COMMAND_NOT_ASCII", {}, "MAIL")),
        (b"MAIL FROM:<ann\xc2\x85@in.test> SMTPUTF8", ("COMMAND_NOT_ASCII", {}, "MAIL")),
        (b"MA\x00IL", ("COMMAND_NOT_ASCII", {}, "")),
        (b"\x16\x03\x01\x02\x00", ("COMMAND_NOT_ASCII", {}, "")),
    ],
)
def test_a_line_that_is_no_command_is_refused(line: bytes, expected: tuple[str, dict[str, str], str]) -> None:
    assert refused(line) == expected


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"MAIL FROM:<ann>", "the domain is missing"),
        (b"MAIL FROM:<ann@in.test", "the path is not in angle brackets"),
        (b"MAIL FROM:<ann@in.test>SIZE=1", "the path is not in angle brackets"),
        (b"MAIL FROM:ann@in.test>", "the domain is malformed"),
        (b"MAIL FROM:<ann@in.test.>", "the domain is malformed"),
        (b"MAIL FROM:<an n@in.test>", "the local-part holds a character that needs quoting"),
    ],
)
def test_a_bad_reverse_path_is_refused_with_the_reason(line: bytes, reason: str) -> None:
    assert refused(line) == ("REVERSE_PATH_SYNTAX", {"reason": reason}, "MAIL")


def test_a_bad_forward_path_is_refused_with_the_reason() -> None:
    expected = ("FORWARD_PATH_SYNTAX", {"reason": "the domain is malformed"}, "RCPT")
    assert refused(b"RCPT TO:<ann@in..test>") == expected


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        (b"SIZE=0", MailParameters(size=0)),
        (b"size=99999999999999999999", MailParameters(size=99999999999999999999)),
        (b"BODY=8bitMIME", MailParameters(body="8BITMIME")),
        (b"BODY=7BIT" + b"MIME  RET=hdrs", MailParameters(body="7BITMIME", ret="HDRS")),
        (b"SMTPUTF8", MailParameters(smtputf8=True)),
        (b"ENVID=QQ+2B1 RET=FULL", MailParameters(envid="QQ+2B1", ret="FULL")),
        (b"ENVID=" + b"e" * 100, MailParameters(envid="e" * 100)),
        (b"AUTH=<>", MailParameters(auth="<>")),
        (b"AUTH=ann+2Bx@in.test", MailParameters(auth="ann+2Bx@in.test")),
        (b"AUTH=ann", MailParameters(auth="ann")),
    ],
)
def test_the_parameters_of_mail_are_read(parameters: bytes, expected: MailParameters) -> None:
    assert parse(b"MAIL FROM:<ann@in.test> " + parameters) == Mail(ANN, expected)


@pytest.mark.parametrize(
    ("parameters", "keyword"),
    [
        (b"SIZE", "SIZE"),
        (b"SIZE=", "SIZE"),
        (b"SIZE=-1", "SIZE"),
        (b"SIZE=1k", "SIZE"),
        (b"SIZE=100000000000000000000", "SIZE"),
        (b"SIZE=1 size=1", "SIZE"),
        (b"BODY=BINARYMIME", "BODY"),
        (b"SMTPUTF8=", "SMTPUTF8"),
        (b"SMTPUTF8=yes", "SMTPUTF8"),
        (b"RET=NONE", "RET"),
        (b"ENVID=", "ENVID"),
        (b"ENVID=" + b"e" * 101, "ENVID"),
        (b"ENVID=a=b", "ENVID"),
        (b"ENVID=a+0Ab", "ENVID"),
        (b"ENVID=a+2bb", "ENVID"),
        (b"AUTH=a@b@c", "AUTH"),
        (b"AUTH=ann+FF@in.test", "AUTH"),
        (b"AUTH=ann+0A@in.test", "AUTH"),
        (b"AUTH=ann+2@in.test", "AUTH"),
        (b"=1", ""),
        (b"X!Y=1", "X!Y"),
    ],
)
def test_a_bad_parameter_of_mail_is_refused(parameters: bytes, keyword: str) -> None:
    assert refused(b"MAIL FROM:<ann@in.test> " + parameters) == ("PARAMETER_SYNTAX", {"parameter": keyword}, "MAIL")


@pytest.mark.parametrize(
    ("line", "keyword"),
    [
        (b"MAIL FROM:<ann@in.test> MT-PRIORITY=3", "MT-PRIORITY"),
        (b"MAIL FROM:<ann@in.test> NOTIFY=NEVER", "NOTIFY"),
        (b"RCPT TO:<ann@in.test> SIZE=3", "SIZE"),
        (b"RCPT TO:<ann@in.test> " + b"y" * 500, "y" * 64),
    ],
)
def test_an_unknown_parameter_is_refused(line: bytes, keyword: str) -> None:
    assert refused(line) == ("PARAMETER_UNKNOWN", {"parameter": keyword}, line[:4].decode())


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        (b"NOTIFY=never", RcptParameters(notify="NEVER")),
        (b"NOTIFY=SUCCESS,FAILURE,delay", RcptParameters(notify="SUCCESS,FAILURE,DELAY")),
        (b"ORCPT=rfc822;Ann+2Bx@in.test", RcptParameters(original="rfc822;Ann+2Bx@in.test")),
        ("ORCPT=utf-8;ゆい@in.test".encode(), RcptParameters(original="utf-8;ゆい@in.test")),
        (b"ORCPT=utf-8;\\x{3086}@in.test", RcptParameters(original="utf-8;\\x{3086}@in.test")),
    ],
)
def test_the_parameters_of_rcpt_are_read(parameters: bytes, expected: RcptParameters) -> None:
    assert parse(b"RCPT TO:<ann@in.test> " + parameters) == Rcpt(ANN, expected)


@pytest.mark.parametrize(
    ("parameters", "keyword"),
    [
        (b"NOTIFY=NEVER,SUCCESS", "NOTIFY"),
        (b"NOTIFY=SUCCESS,", "NOTIFY"),
        (b"NOTIFY=ALWAYS", "NOTIFY"),
        (b"NOTIFY=DELAY NOTIFY=DELAY", "NOTIFY"),
        (b"ORCPT=ann@in.test", "ORCPT"),
        (b"ORCPT=rfc822;", "ORCPT"),
        (b"ORCPT=;ann@in.test", "ORCPT"),
        (b"ORCPT=rfc822;a+0D+0Ab", "ORCPT"),
        (b"ORCPT=rfc822;" + b"a" * 494, "ORCPT"),
        ("ORCPT=rfc822;ゆい@in.test".encode(), "ORCPT"),
    ],
)
def test_a_bad_parameter_of_rcpt_is_refused(parameters: bytes, keyword: str) -> None:
    assert refused(b"RCPT TO:<ann@in.test> " + parameters) == ("PARAMETER_SYNTAX", {"parameter": keyword}, "RCPT")


def test_an_address_beyond_ascii_needs_the_smtputf8_parameter() -> None:
    line = "MAIL FROM:<ゆい@in.test>".encode()
    assert parse(line + b" SMTPUTF8") == Mail(YUI, MailParameters(smtputf8=True))
    assert refused(line) == ("SMTPUTF8_REQUIRED", {}, "MAIL")


def test_a_source_route_beyond_ascii_needs_the_smtputf8_parameter_too() -> None:
    assert refused("MAIL FROM:<@例え.test:ann@in.test>".encode()) == ("SMTPUTF8_REQUIRED", {}, "MAIL")


def test_where_smtputf8_is_not_allowed_its_parameter_is_unknown_and_paths_are_ascii() -> None:
    unknown = refused(b"MAIL FROM:<ann@in.test> SMTPUTF8", smtputf8_allowed=False)
    assert unknown == ("PARAMETER_UNKNOWN", {"parameter": "SMTPUTF8"}, "MAIL")
    assert parse("RCPT TO:<ゆい@in.test>".encode()) == Rcpt(YUI)
    assert refused("RCPT TO:<ゆい@in.test>".encode(), smtputf8_allowed=False) == ("SMTPUTF8_REQUIRED", {}, "RCPT")


def test_requiretls_is_known_only_where_it_was_offered_and_has_no_value() -> None:
    line = b"MAIL FROM:<ann@in.test> RequireTLS"
    allowed = parse_command(line, smtputf8_allowed=False, requiretls_allowed=True)
    assert allowed == Mail(ANN, MailParameters(requiretls=True))
    assert refused(line) == ("PARAMETER_UNKNOWN", {"parameter": "RequireTLS"}, "MAIL")
    with_value = parse_command(line + b"=yes", smtputf8_allowed=False, requiretls_allowed=True)
    assert with_value == Refusal(replies.PARAMETER_SYNTAX, {"parameter": "REQUIRETLS"}, "MAIL")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("VRFY ゆい SMTPUTF8".encode(), Vrfy("ゆい", smtputf8=True)),
        (b"VRFY ann  smtputf8", Vrfy("ann", smtputf8=True)),
        (b"VRFY SMTPUTF8", Vrfy("SMTPUTF8")),
        ("EXPN 社員 SMTPUTF8".encode(), Expn("社員", smtputf8=True)),
    ],
)
def test_vrfy_and_expn_ask_for_a_reply_beyond_ascii(line: bytes, expected: Command) -> None:
    assert parse(line) == expected


def test_a_name_beyond_ascii_needs_the_smtputf8_parameter() -> None:
    assert refused("VRFY ゆい".encode()) == ("SMTPUTF8_REQUIRED", {}, "VRFY")


def test_without_parameters_the_shared_empty_ones_are_used() -> None:
    mail, rcpt = parse(b"MAIL FROM:<ann@in.test>"), parse(b"RCPT TO:<ann@in.test>")
    assert isinstance(mail, Mail)
    assert mail.parameters is NO_MAIL_PARAMETERS
    assert isinstance(rcpt, Rcpt)
    assert rcpt.parameters is NO_RCPT_PARAMETERS


@pytest.mark.parametrize(
    "line",
    [b"BDAT", b"BDAT x", b"BDAT -1", b"BDAT 1 2", b"BDAT 1 LAST x", b"BDAT " + b"1" * 21, b"bdat 1\x00", b"BDAT \xff"],
)
def test_a_chunk_whose_size_cannot_be_read_ends_the_connection(line: bytes) -> None:
    result = parse(line)
    assert isinstance(result, Refusal)
    assert (result.fatal, result.verb) == (True, "BDAT")


def test_only_bdat_is_fatal() -> None:
    result = parse(b"DATA x")
    assert isinstance(result, Refusal)
    assert result.fatal is False


def test_the_initial_response_is_not_in_the_representation() -> None:
    assert "AGFubgB4" not in repr(parse(b"AUTH PLAIN AGFubgB4"))


def test_a_command_equals_no_other_command() -> None:
    lines = [b"DATA", b"RSET", b"QUIT", b"NOOP", b"STARTTLS", b"HELO a", b"EHLO a", b"HELP a", b"VRFY a", b"EXPN a"]
    commands = [parse(line) for line in lines]
    assert [commands.index(command) for command in commands] == list(range(len(lines)))


@pytest.mark.parametrize(
    "line",
    [
        b'MAIL FROM:<"' + b"\\" * 65_000,
        b'MAIL FROM:<"' + b'a"' * 32_000,
        b"MAIL FROM:<" + b'""' * 32_000 + b">",
        b"MAIL FROM:<a@b>" + b" " * 65_000 + b"x",
        b"MAIL FROM:<a@b> " + b"SIZE=1 " * 9_000,
        b"MAIL FROM:<a@b> ENVID=" + b"+2B" * 20_000 + b"+",
        b"MAIL FROM:<a@b> AUTH=" + b"+2B" * 20_000 + b"@",
        b"RCPT TO:<a@b> NOTIFY=" + b"DELAY," * 10_000,
        b"RCPT TO:<a@b> " + b"-" * 65_000 + b"=",
        b"BDAT " + b"1" * 65_000,
        b"VRFY " + b" x" * 32_000,
        b"HELO" + b" " * 65_000 + b"\x00",
    ],
)
def test_hostile_lines_are_read_quickly(line: bytes) -> None:
    before = time.process_time()
    parse(line)
    assert time.process_time() - before < 0.1


WORDBOOK = Wordbook(Profile.RFC)
COMMAND_LINES = st.builds(
    lambda words, blank: blank.join(words),
    st.lists(
        st.sampled_from(
            [
                b"MAIL",
                b"RCPT",
                b"FROM:",
                b"TO:",
                b"<ann@in.test>",
                b"<>",
                b"SIZE=",
                b"ENVID=",
                b"ORCPT=rfc822;",
                b"AUTH",
                b"BDAT",
                b"AUTH=",
                b"SMTPUTF8",
                b"NOTIFY=NEVER",
                b"HELO",
                b"VRFY",
                b'"',
                b"\\",
                b"<",
                b">",
                b"@",
                b"+2B",
                b"\xe3\x81\x82",
                b"9",
            ]
        )
        | st.binary(max_size=8),
        max_size=8,
    ),
    st.sampled_from([b" ", b""]),
)


@given(st.binary(max_size=400) | COMMAND_LINES, st.booleans())
@example(b"MAIL FROM:<a@b> AUTH=+", True)
def test_any_octets_give_a_command_or_a_refusal_that_can_be_said(line: bytes, smtputf8_allowed: bool) -> None:
    result = parse_command(line, smtputf8_allowed=smtputf8_allowed)
    assert isinstance(result, Command | Refusal)
    if isinstance(result, Refusal):
        assert replies.CATALOGUE[result.row.name] is result.row
        reply = WORDBOOK.reply(result.row, **result.fields)
        assert reply.octets.isascii()
        assert len(reply.octets) <= 512
