# SPDX-License-Identifier: Apache-2.0
"""Properties of the session: any input, in any splitting, whatever the profile."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from genkan.smtp import events, replies
from genkan.smtp.maildata import BareNewline
from genkan.smtp.reply import MAX_REPLY_LINE, Profile
from genkan.smtp.sequence import State
from tests.smtp.test_maildata import CUTS, content_of, cut, single, stuffed
from tests.smtp.test_session import BEGIN, HELLO, MAIL, RCPT, in_transaction
from tests.support.session_owner import (
    COMMAND_LIMIT,
    LINE_LIMIT,
    RIGHT,
    SIZE_LIMIT,
    Owner,
    codes,
    lines_of,
    offer,
    rules,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

COMMANDS = [
    HELLO,
    b"HELO client.test",
    b"EHLO",
    MAIL,
    MAIL + b" SIZE=99 BODY=8BITMIME",
    MAIL + b" SMTPUTF8",
    MAIL + b" SIZE=x",
    b"MAIL FROM:<>",
    b"MAIL FROM:",
    b"MAIL FROM:<nobody@in.test>",
    "MAIL FROM:<jos\u00e9@out.test> SMTPUTF8".encode(),
    RCPT,
    b"RCPT TO:<nobody@in.test>",
    "RCPT TO:<jos\u00e9@in.test>".encode(),
    b"RCPT TO:<>",
    b"RSET",
    b"NOOP",
    b"HELP",
    b"VRFY ann",
    b"EXPN ann",
    b"XYZ",
    b"",
    b"QUIT",
    b"AUTH PLAIN " + base64.b64encode(RIGHT),
    b"AUTH PLAIN " + base64.b64encode(b"\0ann\0wrong"),
    b"AUTH PLAIN =",
    b"AUTH PLAIN x",
    b"AUTH NTLM",
    b"STARTTLS",
    b"x" * (COMMAND_LIMIT + 1),
    b"NOOP \x00",
    b"\xff\xfe",
]
PLAIN_COMMANDS = st.sampled_from(COMMANDS)
CONTENT = st.lists(
    st.sampled_from([b"Subject: a", b"", b".", b"..", b"x" * 60, b"x" * (LINE_LIMIT + 1), b"\xe9"]), max_size=20
).map(content_of)
CHUNK = st.tuples(CONTENT, st.booleans()).map(
    lambda chunk: b"BDAT %d%b\r\n%b" % (len(chunk[0]), b" LAST" if chunk[1] else b"", chunk[0])
)
PIECES = st.one_of(
    PLAIN_COMMANDS.map(lambda line: line + b"\r\n"),
    PLAIN_COMMANDS.map(lambda line: line + b"\r\n"),
    CONTENT.map(lambda content: b"DATA\r\n" + stuffed(content)),
    st.just(BEGIN),
    CHUNK,
    st.sampled_from(
        [
            b"AUTH PLAIN\r\n",
            b"*\r\n",
            base64.b64encode(RIGHT) + b"\r\n",
            b"=\r\n",
            b"BDAT x\r\n",
            b"BDAT 3 LAST\r\n\r\n.",
        ]
    ),
)
WIRE = st.lists(PIECES, max_size=12).map(b"".join)
NEWLINES = st.sampled_from([b"\n", b"\r", b"\r.\r", b"\n.\n", b"DATA\n", b"\r\n.\n", b"NOOP\n"])
HOSTILE = st.lists(st.one_of(PIECES, PIECES, PIECES, NEWLINES, st.binary(max_size=30)), max_size=12).map(b"".join)
PROFILES = st.sampled_from([Profile.EPSTRS_4A7, Profile.RFC])
NEWLINE_RULES = st.sampled_from(list(BareNewline))


def without_size(told: Iterable[events.Event]) -> list[events.Event]:
    """The size of content with a fault counts only what was looked at."""
    return [events.ContentEnded(event.fault, 0) if isinstance(event, events.ContentEnded) else event for event in told]


@given(HOSTILE, CUTS, PROFILES, NEWLINE_RULES)
@settings(deadline=None, max_examples=400)
def test_any_splitting_gives_the_same_events_and_the_same_octets(
    wire: bytes, places: list[int], profile: Profile, bare_newline: BareNewline
) -> None:
    whole, pieces, octets = (Owner(rules(profile, bare_newline=bare_newline)) for _ in range(3))
    said = whole.say(wire)
    assert pieces.say(*cut(wire, places)) == said
    assert octets.say(*single(wire)) == said
    assert without_size(whole.told) == without_size(pieces.told) == without_size(octets.told)
    assert whole.messages == pieces.messages == octets.messages


@given(HOSTILE, PROFILES, NEWLINE_RULES)
@settings(deadline=None, max_examples=300)
def test_every_line_that_is_said_is_well_formed(wire: bytes, profile: Profile, bare_newline: BareNewline) -> None:
    said = Owner(rules(profile, bare_newline=bare_newline)).say(wire)
    codes(said)
    for line in lines_of(said):
        assert len(line) + 2 <= MAX_REPLY_LINE
        assert line.decode("ascii").isprintable()


@given(st.lists(st.one_of(PLAIN_COMMANDS, st.just(b"DATA")), max_size=25), PROFILES)
@settings(deadline=None, max_examples=300)
def test_every_command_gets_one_reply(lines: list[bytes], profile: Profile) -> None:
    owner = Owner(rules(profile))
    for line in lines:
        said = codes(owner.say(line + b"\r\n"))
        if owner.closed:
            assert said[1:] in ([], [421])
            return
        assert len(said) == 1
        if said == [354]:
            assert codes(owner.say(b"content\r\n.\r\n")) == [250]


@given(WIRE, PROFILES)
@settings(deadline=None, max_examples=300)
def test_content_is_asked_for_only_after_an_accepted_recipient(wire: bytes, profile: Profile) -> None:
    owner = Owner(rules(profile))
    owner.say(wire)
    recipients = 0
    for event, row in owner.answered:
        if isinstance(event, events.MailRequested | events.ContentEnded):
            recipients = 0
        elif isinstance(event, events.RcptRequested):
            recipients += row is replies.RECIPIENT_OK
        elif isinstance(event, events.DataRequested):
            assert recipients > 0


@given(WIRE, st.sampled_from([b"RSET\r\n", HELLO + b"\r\n"]), PROFILES)
@settings(deadline=None, max_examples=300)
def test_nothing_of_a_transaction_is_left_after_its_end(wire: bytes, ending: bytes, profile: Profile) -> None:
    owner = Owner(rules(profile, offer(mechanisms=()), bad_commands=0))
    owner.say(HELLO + b"\r\n", wire, b"\r\n.\r\n", b"*\r\n", ending)
    if owner.closed or (owner.session.state >= State.MAIL and ending != b"RSET\r\n"):
        return
    session = owner.session
    assert (session.state, session.utf8, session.receives_content) == (State.GREETED, False, False)
    assert owner.dialogue(RCPT) == [503]
    content = content_of([b"x" * 90] * 10)
    owner.messages.clear()
    for _ in range(2):
        assert owner.dialogue(MAIL, RCPT, b"DATA") == [250, 250, 354]
        assert codes(owner.say(stuffed(content))) == [250]
    assert owner.messages == [content, content]


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=6), CUTS)
@settings(deadline=None, max_examples=200)
def test_chunks_of_any_size_give_the_content(pieces: list[bytes], places: list[int]) -> None:
    content = content_of([base64.b64encode(piece)[:LINE_LIMIT] for piece in pieces])[:SIZE_LIMIT]
    content = content[: content.rfind(b"\r\n") + 2]
    chunks = cut(content, places)
    owner = in_transaction()
    said = owner.say(*(b"BDAT %d\r\n%b" % (len(chunk), chunk) for chunk in chunks), b"BDAT 0 LAST\r\n")
    assert codes(said) == [250] * (len(chunks) + 1)
    assert owner.messages == [content]


@given(
    st.lists(
        st.sampled_from(["a@out.test", "jos\u00e9@in.test", "nobody@in.test", "x" * 600, "\u202e@in.test", "\x85"]),
        max_size=5,
    )
)
@settings(deadline=None)
def test_nothing_that_is_echoed_makes_a_line_ill_formed(words: list[str]) -> None:
    owner = Owner()
    for word in words:
        for start in ("", "MAIL FROM:<", "RCPT TO:", "VRFY ", "AUTH ", "EHLO ", "BDAT "):
            said = owner.say(f"{start}{word}\r\n".encode())
            assert all(line.decode("ascii").isprintable() for line in lines_of(said))
