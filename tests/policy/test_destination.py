# SPDX-License-Identifier: Apache-2.0
"""Where an account may send: sender.dat of the account that the reverse-path belongs to, recipient by recipient."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from genkan.policy.verdict import Verdict
from tests.support.policy_site import ACCEPTED

if TYPE_CHECKING:
    from tests.support.policy_site import Site

ANN, BOB, SALES = "ann@in.test", "bob@in.test", "sales@in.test"
FORBIDDEN = "RECIPIENT_FORBIDDEN"
BUT_X = ("*@x.test,-1", "*,0")


def told(site: Site, *recipients: str, sender: str = ANN) -> list[str]:
    """What an authenticated sender is told of each recipient of one message."""
    client = site.client(account=ANN)
    assert client.mail(sender) == ACCEPTED
    return [client.rcpt(recipient) for recipient in recipients]


def test_only_the_forbidden_recipient_is_refused(site: Site) -> None:
    site.rules("sender.dat", *BUT_X, account=ANN)
    assert told(site, "u@x.test", BOB, "U@X.Test", "y@out.test") == [FORBIDDEN, ACCEPTED, FORBIDDEN, ACCEPTED]


def test_without_a_document_nothing_is_forbidden(site: Site) -> None:
    site.rules("sender.dat", *BUT_X, account=BOB)
    assert told(site, "u@x.test") == [ACCEPTED]


def test_a_document_of_comments_forbids_nothing(site: Site) -> None:
    site.rules("sender.dat", "' *@x.test,-1", "", account=ANN)
    assert told(site, "u@x.test") == [ACCEPTED]


def test_what_no_line_allows_is_forbidden(site: Site) -> None:
    site.rules("sender.dat", "*@mycompany.test,0", account=ANN)
    assert told(site, "u@mycompany.test", "y@out.test", BOB) == [ACCEPTED, FORBIDDEN, FORBIDDEN]


@pytest.mark.parametrize("sender", [SALES, "ann+news@in.test", "ANN@In.Test"])
def test_other_names_of_the_account_are_bound_by_it_too(site: Site, sender: str) -> None:
    site.rules("sender.dat", *BUT_X, account=ANN)
    assert told(site, "u@x.test", sender=sender) == [FORBIDDEN]


def test_it_is_the_reverse_paths_account_that_counts_and_not_the_authenticated_one(site: Site) -> None:
    site.rules("sender.dat", *BUT_X, account=ANN)
    assert told(site, "u@x.test", sender=BOB) == [ACCEPTED]


def test_mail_from_outside_is_not_bound(site: Site) -> None:
    site.rules("sender.dat", "*,-1", account=ANN)
    assert site.client().send("x@out.test", ANN) == ACCEPTED


def test_the_address_counts_as_it_was_written_not_where_it_leads(site: Site) -> None:
    site.rules("sender.dat", "sales@in.test,-1", "*,0", account=BOB)
    assert told(site, SALES, ANN, sender=BOB) == [FORBIDDEN, ACCEPTED]


def test_a_client_that_is_let_through_by_true_is_bound_all_the_same(site: Site) -> None:
    site.rules("effect.dat", "192.0.2.10 true")
    site.rules("sender.dat", *BUT_X, account=ANN)
    assert site.client().send(ANN, "u@x.test") == FORBIDDEN


@pytest.mark.parametrize(
    ("lines", "line", "text"),
    [(BUT_X, 1, "*@x.test,-1"), (("*@y.test,0", "*@z.test,0"), 2, "")],
)
def test_a_refusal_names_the_line_and_the_sender(site: Site, lines: tuple[str, ...], line: int, text: str) -> None:
    site.rules("sender.dat", *lines, account=ANN)
    client = site.client(account=ANN)
    client.mail(SALES)
    _, rcpt = client.judge_rcpt("u@x.test")
    verdict = client.chain.rcpt.decide(rcpt)
    assert isinstance(verdict, Verdict)
    assert verdict.fields == {"reverse_path": SALES}
    assert verdict.rule is not None
    assert (verdict.rule.document, verdict.rule.account, verdict.rule.line, verdict.rule.text) == (
        "sender.dat",
        ANN,
        line,
        text,
    )


def test_the_line_that_allows_is_noted(site: Site) -> None:
    site.rules("sender.dat", *BUT_X, account=ANN)
    client = site.client(account=ANN)
    client.mail(ANN)
    _, rcpt = client.judge_rcpt(BOB)
    assert [(rule.line, rule.text) for rule in rcpt.rules] == [(2, "*,0")]
