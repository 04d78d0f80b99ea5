# SPDX-License-Identifier: Apache-2.0
"""Checks of the reverse-path: who must authenticate, and as whom an account may send at each level of trust."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from genkan.policy.sender import author_of
from genkan.smtp.address import Mailbox
from tests.support.policy_site import ACCEPTED, BLANK

if TYPE_CHECKING:
    from genkan.policy.facts import Role
    from tests.support.policy_site import Site

ANN: Final = "ann@in.test"
OWN: Final = [ANN, "ANN@In.Test", "sales@in.test", "ann+news@in.test", "sales+x@in.test"]
OTHERS: Final = ["bob@in.test", "kai@in2.test", "away@in.test", "x@out.test"]


def trust(level: int) -> str:
    return f"[auth]\nsender_trust = {level}"


def test_mail_from_with_nothing_at_all_is_refused_whoever_it_is(site: Site) -> None:
    assert site.client().mail(BLANK) == "SENDER_FORBIDDEN"
    assert site.client(account=ANN).mail(BLANK) == "SENDER_FORBIDDEN"


@pytest.mark.parametrize("sender", ["nobody@in.test", "nobody@IN2.test", "nobody+ann@in.test"])
@pytest.mark.parametrize("account", ["", ANN])
def test_a_local_sender_that_nobody_has_is_refused(site: Site, sender: str, account: str) -> None:
    assert site.client(account=account).mail(sender) == "SENDER_UNKNOWN"


def test_a_local_sender_may_be_an_alias_that_leads_elsewhere(site: Site) -> None:
    client = site.client(account=ANN)
    assert client.mail("away@in.test") == ACCEPTED
    assert client.transaction is not None
    assert (client.transaction.sender_is_local, client.transaction.sender_account) == (True, None)


@pytest.mark.parametrize("role", ["submission", "submissions"])
@pytest.mark.parametrize("sender", [ANN, "bob@in.test", "x@out.test", ""])
@pytest.mark.parametrize("setting", ["nowhere", "anywhere"])
def test_on_a_submission_listener_everybody_must_authenticate(
    site: Site, role: Role, sender: str, setting: str
) -> None:
    settings = f'[auth]\nunauthenticated_accounts = "{setting}"'
    assert site.client(settings, role=role).mail(sender) == "NEED_AUTH_BEFORE_MAIL"
    assert site.client(settings, role=role, account=ANN).mail(sender) == ACCEPTED


@pytest.mark.parametrize(
    ("replies", "auth_failed", "told"),
    [
        ("epstrs-4.82", False, "NEED_EHLO_BEFORE_AUTH"),
        ("epstrs-4.A7", False, "NEED_EHLO_BEFORE_AUTH"),
        ("epstrs-4.A7", True, "NEED_AUTH_BEFORE_MAIL"),
        ("rfc", False, "NEED_AUTH_BEFORE_MAIL"),
        ("rfc", True, "NEED_AUTH_BEFORE_MAIL"),
    ],
)
def test_a_client_is_told_that_auth_is_missing_as_its_profile_says(
    site: Site, replies: str, auth_failed: bool, told: str
) -> None:
    assert site.client(f'replies = "{replies}"', auth_failed=auth_failed).mail(ANN) == told


def test_by_default_an_account_without_password_cannot_send(site: Site) -> None:
    assert site.client().mail("bob@in.test") == "NEED_EHLO_BEFORE_AUTH"


@pytest.mark.parametrize("sender", [*OWN, *OTHERS])
def test_at_level_1_an_account_sends_as_anybody(site: Site, sender: str) -> None:
    assert site.client(trust(1), account=ANN).mail(sender) == ACCEPTED


@pytest.mark.parametrize("level", [2, 3])
@pytest.mark.parametrize("sender", [*OWN, ""])
def test_from_level_2_on_an_account_sends_as_itself_and_its_aliases(site: Site, level: int, sender: str) -> None:
    assert site.client(trust(level), account=ANN).mail(sender) == ACCEPTED


@pytest.mark.parametrize("level", [2, 3])
@pytest.mark.parametrize("sender", OTHERS)
def test_from_level_2_on_an_account_does_not_send_as_others(site: Site, level: int, sender: str) -> None:
    assert site.client(trust(level), account=ANN).mail(sender) == "SENDER_UNKNOWN"


@pytest.mark.parametrize("level", [1, 2, 3])
def test_trust_is_no_matter_for_mail_from_outside(site: Site, level: int) -> None:
    client = site.client(trust(level))
    assert client.send("x@out.test", ANN) == ACCEPTED
    assert client.content(b"From: <bob@in.test>\r\n") == ACCEPTED


def from_field(site: Site, level: int, header: bytes) -> str:
    client = site.client(trust(level), account=ANN)
    assert client.send(ANN, "bob@in.test") == ACCEPTED
    return client.content(header)


@pytest.mark.parametrize("address", OWN)
def test_at_level_3_the_from_field_may_be_the_account_or_an_alias(site: Site, address: str) -> None:
    assert from_field(site, 3, f'From: "Ann, Example" <{address}>\r\n'.encode()) == ACCEPTED


@pytest.mark.parametrize(
    "header",
    [
        *[f"From: {address}\r\n".encode() for address in OTHERS],
        b"Subject: none\r\n",
        b"From: ann@in.test\r\nFrom: bob@in.test\r\n",
        b"From: ann@in.test, bob@in.test\r\n",
        b"From: <ann@in.test> bob@in.test\r\n",
        b"From: ann@in.test <bob@in.test>\r\n",
        b"From: nobody\r\n",
        b"From: \xff\xfe\r\n",
        b"From: ann@in.test (" + b"x" * 4096 + b"), bob@in.test\r\n",
    ],
)
def test_at_level_3_any_other_from_field_is_refused(site: Site, header: bytes) -> None:
    assert from_field(site, 3, header) == "SENDER_UNKNOWN"
    assert from_field(site, 2, header) == ACCEPTED


@pytest.mark.parametrize(
    ("body", "author"),
    [
        ("ann@in.test", Mailbox("ann", "in.test")),
        (" ann@in.test (Ann, from there)", Mailbox("ann", "in.test")),
        ('"x@out.test, <y@out.test>" <ann@in.test>', Mailbox("ann", "in.test")),
        (r'"Ann \" <x@out.test>" <ann@in.test>', Mailbox("ann", "in.test")),
        ("=?utf-8?B?QW5u?= <ann@in.test> ", Mailbox("ann", "in.test")),
        ("<ann@in.test> <x@out.test>", None),
        ("<ann@in.test> x", None),
        ("Ann <ann@in.test", None),
        ("Group: ann@in.test;", Mailbox("ann", "in.test")),
        ("Ann (of (in.test)) <ann@in.test>", Mailbox("ann", "in.test")),
        ("Group: ann@in.test, x@out.test;", None),
        ("", None),
        ("<>", None),
        ("(((((" * 1000, None),
        ('"' * 4001, None),
        ("<" * 4000, None),
    ],
)
def test_the_author_is_known_only_when_there_is_no_doubt(body: str, author: Mailbox | None) -> None:
    assert author_of(body) == author
