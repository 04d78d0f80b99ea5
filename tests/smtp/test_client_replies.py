# SPDX-License-Identifier: Apache-2.0
"""Replies of other servers: their forms, what is no reply, bounds, and any splitting."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genkan.smtp.client_replies import (
    MAX_SERVER_LINE,
    MAX_SERVER_LINES,
    MAX_SERVER_REPLY,
    ProtocolError,
    ReplyReader,
    ServerReply,
)
from tests.smtp.test_maildata import CUTS, cut, single


def read(*pieces: bytes) -> tuple[list[ServerReply], str]:
    """All replies in the pieces, and the sentence of the error that ended them, "" for none."""
    reader, found = ReplyReader(), []
    for piece in pieces:
        reader.receive(piece)
        try:
            while (reply := reader.next_reply()) is not None:
                found.append(reply)
        except ProtocolError as error:
            return found, str(error)
    return found, ""


def the_reply(octets: bytes) -> ServerReply:
    (reply,), error = read(octets)
    assert error == ""
    return reply


def error_of(octets: bytes) -> str:
    found, error = read(octets)
    assert found == []
    return error


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (b"250 ok\r\n", ServerReply(250, "", "ok", ("ok",))),
        (b"250 2.1.0 Sender ok\r\n", ServerReply(250, "2.1.0", "Sender ok", ("Sender ok",))),
        (b"550 5.1.1\r\n", ServerReply(550, "5.1.1", "", ("",))),
        (b"250\r\n", ServerReply(250, "", "", ("",))),
        (b"250 \r\n", ServerReply(250, "", "", ("",))),
        (b"250 ok\n", ServerReply(250, "", "ok", ("ok",))),
        (b"250-\r\n250 ok\r\n", ServerReply(250, "", "ok", ("", "ok"))),
        (b"250-ok\n250\n", ServerReply(250, "", "ok", ("ok", ""))),
        (b"550-5.1.1 No\r\n550 5.1.1  such\r\n", ServerReply(550, "5.1.1", "No such", ("No", "such"))),
        (b"550-5.1.1 No\r\n550 5.1.2 such\r\n", ServerReply(550, "5.1.1", "No 5.1.2 such", ("No", "5.1.2 such"))),
        (b"550-No\r\n550 5.1.2 such\r\n", ServerReply(550, "", "No 5.1.2 such", ("No", "5.1.2 such"))),
        (b"250  x \r\n", ServerReply(250, "", "x", ("x",))),
    ],
)
def test_a_reply_is_read(octets: bytes, expected: ServerReply) -> None:
    assert the_reply(octets) == expected


@pytest.mark.parametrize(
    "text", [b"2.1.0 no", b"4.1.0 no", b"5.1 no", b"5.1.1234 no", b"5.1.1x no", b"x 5.1.1 no", b"5.1.1.1 no"]
)
def test_what_is_no_enhanced_code_of_the_replys_class_is_text(text: bytes) -> None:
    assert the_reply(b"550 " + text + b"\r\n") == ServerReply(550, "", text.decode(), (text.decode(),))


def test_a_reply_that_goes_on_has_no_enhanced_code() -> None:
    assert the_reply(b"354 3.0.0 go on\r\n").enhanced == ""
    assert the_reply(b"354 2.0.0 go on\r\n").enhanced == ""


def test_text_becomes_printable() -> None:
    reply = the_reply("250 a\tb\x1b[2J\u202eünd ".encode() + b"\xff\r\r\n")
    assert reply.text == "a b?[2J?ünd \ufffd?"


def test_a_reply_shows_itself_in_one_line() -> None:
    assert str(the_reply(b"550-5.1.1 No\r\n550 5.1.1 such\r\n")) == "550 5.1.1 No such"
    assert str(the_reply(b"250\r\n")) == "250"


@pytest.mark.parametrize(
    ("code", "classes"),
    [
        (b"250", (True, False, False, False, False)),
        (b"354", (False, True, False, False, False)),
        (b"450", (False, False, True, False, False)),
        (b"421", (False, False, True, False, True)),
        (b"554", (False, False, False, True, False)),
    ],
)
def test_the_first_digit_says_what_a_reply_means(code: bytes, classes: tuple[bool, ...]) -> None:
    reply = the_reply(code + b" x\r\n")
    assert (reply.accepts, reply.goes_on, reply.defers, reply.refuses, reply.closes) == classes


@pytest.mark.parametrize(
    "line", [b"", b"25", b"25x ok", b"2500 ok", b"250_ok", b"150 ok", b"650 ok", b" 250 ok", b"SSH-2.0-x", b"\xff"]
)
def test_what_is_no_reply_is_an_error(line: bytes) -> None:
    assert error_of(line + b"\r\n").startswith("the server sent a line that is no reply: ")


def test_the_code_must_not_change_within_a_reply() -> None:
    expected = "the server changed the code within a reply, from 250 to 550"
    assert error_of(b"250-ok\r\n550 no\r\n") == expected


def test_a_line_may_have_4096_octets_and_no_more() -> None:
    line = b"250 " + b"x" * (MAX_SERVER_LINE - 4)
    too_long = f"the server sent a line of more than {MAX_SERVER_LINE} octets"
    assert len(the_reply(line + b"\r\n").text) == MAX_SERVER_LINE - 4
    assert error_of(line + b"x\r\n") == too_long
    assert error_of(line + b"x\n") == too_long
    assert read(line + b"\r") == ([], "")
    assert error_of(line + b"xx") == too_long


def test_a_reply_has_bounds() -> None:
    too_much = f"the server sent a reply of more than {MAX_SERVER_LINES} lines or {MAX_SERVER_REPLY} octets"
    assert len(the_reply(b"250-x\r\n" * (MAX_SERVER_LINES - 1) + b"250 x\r\n").lines) == MAX_SERVER_LINES
    assert error_of(b"250-x\r\n" * MAX_SERVER_LINES + b"250 x\r\n") == too_much
    line = b"250-" + b"x" * 1020
    assert len(the_reply((line + b"\r\n") * 15 + b"250 " + b"x" * 1020 + b"\r\n").lines) == 16
    assert error_of((line + b"\r\n") * 16 + b"250\r\n") == too_much


def test_replies_before_an_error_are_still_given() -> None:
    found, error = read(b"250 a\r\n250 b\r\nrubbish\r\n")
    assert ([reply.text for reply in found], bool(error)) == (["a", "b"], True)


def test_a_reader_is_empty_only_between_replies() -> None:
    reader = ReplyReader()
    said = []
    for piece in (b"250-", b"\r\n", b"250 x\r\n", b"2"):
        said.append(reader.is_empty)
        reader.receive(piece)
        reader.next_reply()
    assert [*said, reader.is_empty] == [True, False, False, True, False]


PIECES = st.sampled_from(
    [
        *(
            b"250 ok\r\n",
            b"250-2.0.0 a\r\n",
            b"250-\r\n",
            b"250\n",
            b"550 5.1.1 no\r\n",
            b"354 go\r\n",
            b"421 4.3.2 x\n",
        ),
        *(b"250-x\r\n" * 60, b"250-" + b"x" * 2000, b"x", b"\r\n", b"\r", b"\xe3\x81", b"\x86", b"\t"),
    ]
)


@given(st.lists(PIECES, max_size=12).map(b"".join), CUTS)
@settings(deadline=None)
def test_any_splitting_gives_the_same_replies(octets: bytes, places: list[int]) -> None:
    whole = read(octets)
    assert read(*cut(octets, places)) == whole
    assert read(*single(octets)) == whole


@given(st.binary(max_size=300))
def test_any_octets_give_replies_or_an_error_of_printable_text(octets: bytes) -> None:
    found, error = read(b"250 " + octets)
    assert error.isprintable()
    assert all(str(reply).isprintable() for reply in found)
