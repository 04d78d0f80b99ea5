# SPDX-License-Identifier: Apache-2.0
"""The table of commands and states: every cell is drawn in a session, and it matches the state the session is in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from genkan.smtp import command, replies
from genkan.smtp.reply import Profile
from genkan.smtp.sequence import PRODUCT, RFC, State, table_of
from tests.support.session_owner import FIELDS, Owner, offer, rules

if TYPE_CHECKING:
    from genkan.smtp.reply import ReplyRow

HELLO: Final = b"EHLO client.test\r\n"
MAIL: Final = b"MAIL FROM:<x@out.test>\r\n"
RCPT: Final = b"RCPT TO:<ann@in.test>\r\n"

WAYS: Final = {
    State.CONNECTED: b"",
    State.GREETED: HELLO,
    State.MAIL: HELLO + MAIL,
    State.RCPT: HELLO + MAIL + RCPT,
    State.CHUNKS: HELLO + MAIL + RCPT + b"BDAT 2\r\n\r\n",
}
LINES: Final = {
    command.Helo: b"HELO client.test\r\n",
    command.Ehlo: HELLO,
    command.Auth: b"AUTH PLAIN\r\n",
    command.Starttls: b"STARTTLS\r\n",
    command.Mail: MAIL,
    command.Rcpt: RCPT,
    command.Data: b"DATA\r\n",
    command.Bdat: b"BDAT 2\r\n\r\n",
    command.Rset: b"RSET\r\n",
    command.Noop: b"NOOP\r\n",
    command.Help: b"HELP\r\n",
    command.Vrfy: b"VRFY ann\r\n",
    command.Expn: b"EXPN ann\r\n",
    command.Quit: b"QUIT\r\n",
}
TABLES: Final = [(Profile.EPSTRS_4A7, PRODUCT), (Profile.RFC, RFC)]
CELLS: Final = [
    pytest.param(profile, state, kind, row[state], id=f"{profile}-{state.name}-{kind.__name__}")
    for profile, table in TABLES
    for kind, row in table.items()
    for state in State
]


def owner_in(state: State, profile: Profile) -> Owner:
    owner = Owner(rules(profile, offer(profile, starttls=True)))
    owner.say(WAYS[state])
    assert owner.session.state is state
    return owner


@pytest.mark.parametrize(("profile", "state", "kind", "refusal"), CELLS)
def test_each_cell_is_what_a_client_is_told(
    profile: Profile, state: State, kind: type, refusal: ReplyRow | None
) -> None:
    owner = owner_in(state, profile)
    said = owner.say(LINES[kind])
    if refusal is None:
        assert said[:1] in {b"2", b"3"}
    else:
        assert said == owner.rules.wordbook.reply(refusal, **FIELDS).octets
        assert owner.session.state is state


@pytest.mark.parametrize("profile", [profile for profile, _ in TABLES])
@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("kind", [kind for kind in LINES if kind not in PRODUCT])
def test_a_command_without_a_row_may_come_at_any_time(profile: Profile, state: State, kind: type) -> None:
    assert owner_in(state, profile).say(LINES[kind])[:1] == b"2"


def test_each_profile_follows_its_table() -> None:
    assert [table_of(profile) is PRODUCT for profile in Profile] == [True, True, True, False]
    assert table_of(Profile.RFC) is RFC


def test_the_rfc_profile_differs_in_hello_and_in_mail_without_it() -> None:
    assert {kind for kind, row in RFC.items() if row != PRODUCT[kind]} == {command.Helo, command.Ehlo, command.Mail}
    assert RFC[command.Mail][State.CONNECTED] is replies.NEED_HELLO
