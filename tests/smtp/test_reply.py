# SPDX-License-Identifier: Apache-2.0
"""Replies as they go on the wire: filled, safe, at most 512 octets a line."""

from __future__ import annotations

from string import Formatter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.smtp import replies
from genkan.smtp.replies import CATALOGUE
from genkan.smtp.reply import MAX_REPLY_LINE, Profile, Reply, ReplyRow, Wordbook, Wording, more_to_come, safe_field

TEXT = st.text(max_size=700)


def row(text: str, code: int = 250, enhanced: str | None = "2.0.0") -> ReplyRow:
    return ReplyRow("ROW", Wording(code, enhanced, text), "", "", "", "", "ours")


def fields_of(profile: Profile, known: ReplyRow) -> dict[str, str]:
    names = (name for _, name, _, _ in Formatter().parse(known.in_profile(profile).text) if name)
    return dict.fromkeys(names, "x")


@pytest.mark.parametrize("profile", list(Profile))
def test_every_row_of_the_catalogue_is_a_well_formed_line(profile: Profile) -> None:
    wordbook = Wordbook(profile)
    for known in CATALOGUE.values():
        reply = wordbook.reply(known, **fields_of(profile, known))
        wording = known.in_profile(profile)
        begin = f"{wording.code} {wording.enhanced} " if wording.enhanced else f"{wording.code} "
        assert (reply.name, reply.code) == (known.name, wording.code)
        assert reply.octets.startswith(begin.encode())
        assert reply.octets.endswith(b"\r\n")
        assert b"{" not in reply.octets


@given(TEXT, TEXT)
def test_no_field_breaks_a_line(first: str, second: str) -> None:
    wordbook = Wordbook(Profile.EPSTRS_4A7)
    line = wordbook.reply(row("{first} and {second}"), first=first, second=second).octets
    assert len(line) <= MAX_REPLY_LINE
    assert line[-2:] == b"\r\n"
    assert line[:-2].decode("ascii").isprintable()


@given(TEXT)
def test_a_client_that_asked_for_smtputf8_gets_text_beyond_ascii(text: str) -> None:
    line = Wordbook(Profile.EPSTRS_4A7).reply_utf8(row("{text}"), text=text).octets
    assert len(line) <= MAX_REPLY_LINE
    assert line[:-2].decode("utf-8").isprintable()
    assert line[-2:] == b"\r\n"


def test_a_long_line_is_cut_between_characters() -> None:
    line = Wordbook(Profile.EPSTRS_4A7).reply_utf8(row("{text}"), text="\u00e9" * 600).octets
    assert line == b"250 2.0.0 " + "\u00e9".encode() * 250 + b"\r\n"


@pytest.mark.parametrize(
    ("text", "ascii_only", "utf8"),
    [
        ("ann", "ann", "ann"),
        ("a\r\nb", "a??b", "a??b"),
        ("Jos\u00e9", "Jos?", "Jos\u00e9"),
        ("\u202eann", "?ann", "?ann"),
        ("\x7f\x85\x00", "???", "???"),
        ("{fqdn}", "{fqdn}", "{fqdn}"),
    ],
)
def test_a_field_is_made_safe(text: str, ascii_only: str, utf8: str) -> None:
    assert (safe_field(text), safe_field(text, utf8=True)) == (ascii_only, utf8)


def test_a_missing_field_is_an_error_of_ours_and_never_goes_on_the_wire() -> None:
    with pytest.raises(KeyError, match="fqdn"):
        Wordbook(Profile.EPSTRS_4A7).reply(replies.SHUTTING_DOWN)


def test_before_483_there_are_no_enhanced_codes() -> None:
    assert Wordbook(Profile.EPSTRS_482).reply(replies.NOOP_OK).octets == b"250 ok.\r\n"
    assert Wordbook(Profile.EPSTRS_483).reply(replies.NOOP_OK).octets == b"250 2.0.0 ok.\r\n"


def test_all_lines_but_the_last_say_that_more_will_come() -> None:
    lines = Wordbook(Profile.EPSTRS_4A7).lines([(replies.EHLO_STARTTLS, {}), (replies.EHLO_SIZE, {"size": "99"})])
    assert lines == b"250-STARTTLS\r\n250 SIZE 99\r\n"
    assert more_to_come(b"250 2.0.0 x\r\n") == b"250-2.0.0 x\r\n"


@pytest.mark.parametrize(("code", "accepts"), [(250, True), (354, True), (421, False), (550, False)])
def test_a_reply_accepts_when_its_code_is_positive(code: int, accepts: bool) -> None:
    assert Reply("ROW", code, b"").accepts is accepts


def test_a_reply_is_one_line_of_text_for_the_log() -> None:
    assert Reply("ROW", 250, b"250-one\r\n250 two\r\n").text == "250-one / 250 two"
