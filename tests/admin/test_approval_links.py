# SPDX-License-Identifier: Apache-2.0
"""Signed links: what was signed comes back, nothing else is believed, and nothing lasts beyond the deadline."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.admin.approval_links import Approval, LinkError, make_link, verify_link

SECRET: Final = bytes(range(32))
EXPIRES: Final = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
BEFORE: Final = EXPIRES - timedelta(seconds=1)
URL: Final = "https://mx.in.test/approval"
APPROVAL: Final = Approval("B0000000001", "boss@in.test", "approve", EXPIRES)
NOT_GENUINE: Final = "this link is not genuine: use it exactly as it stands in the mail"


def token_of(approval: Approval, secret: bytes = SECRET) -> str:
    return make_link(URL, approval, secret).removeprefix(f"{URL}?token=")


@given(
    st.builds(
        Approval,
        st.just("B0000000001"),
        st.text(max_size=100),
        st.sampled_from(["approve", "reject"]),
        st.datetimes(datetime(2026, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
    )
)
def test_what_was_signed_comes_back_to_the_second(approval: Approval) -> None:
    found = verify_link(token_of(approval), SECRET, approval.expires - timedelta(seconds=1))
    assert found == Approval(
        approval.message_id, approval.approver, approval.verdict, approval.expires.replace(microsecond=0)
    )


def test_a_link_is_fit_for_mail_and_for_a_url_that_has_parameters() -> None:
    link = make_link(f"{URL}?lang=ja", APPROVAL, SECRET)
    assert link.startswith(f"{URL}?lang=ja&token=")
    assert link.isascii()
    assert set(link) & set(" <>\"'+/\r\n") == {"/"}


def test_approving_rejecting_and_every_approver_have_links_of_their_own() -> None:
    variants = [
        APPROVAL,
        Approval("B0000000001", "boss@in.test", "reject", EXPIRES),
        Approval("B0000000001", "deputy@in.test", "approve", EXPIRES),
        Approval("B0000000002", "boss@in.test", "approve", EXPIRES),
    ]
    assert len({token_of(variant) for variant in variants}) == 4


def test_a_link_ends_with_the_deadline() -> None:
    assert verify_link(token_of(APPROVAL), SECRET, BEFORE) == APPROVAL
    with pytest.raises(LinkError, match="this link has expired: the time to decide about B0000000001 is over"):
        verify_link(token_of(APPROVAL), SECRET, EXPIRES)


def test_another_installation_signs_otherwise() -> None:
    with pytest.raises(LinkError, match=NOT_GENUINE):
        verify_link(token_of(APPROVAL, bytes(32)), SECRET, BEFORE)


@given(st.integers(0, 10**6), st.characters(codec="utf-8"))
def test_a_link_with_any_character_changed_is_not_genuine(place: int, character: str) -> None:
    token = token_of(APPROVAL)
    place %= len(token)
    changed = token[:place] + character + token[place + 1 :]
    if changed == token:
        return
    with pytest.raises(LinkError, match=NOT_GENUINE):
        verify_link(changed, SECRET, BEFORE)


@given(st.text(max_size=300))
def test_nothing_that_was_not_signed_is_believed(token: str) -> None:
    with pytest.raises(LinkError, match=NOT_GENUINE):
        verify_link(token, SECRET, BEFORE)


@pytest.mark.parametrize("token", ["", "=", "A", "A" * 5000, urlsafe_b64encode(bytes(32)).decode()])
def test_what_is_no_token_is_not_genuine(token: str) -> None:
    with pytest.raises(LinkError, match=NOT_GENUINE):
        verify_link(token, SECRET, BEFORE)


@pytest.mark.parametrize("change", [lambda token: f"{token}=", lambda token: f" {token}", lambda token: token[:-1]])
def test_a_token_is_taken_in_one_writing_only(change: object) -> None:
    assert callable(change)
    with pytest.raises(LinkError, match=NOT_GENUINE):
        verify_link(change(token_of(APPROVAL)), SECRET, BEFORE)
