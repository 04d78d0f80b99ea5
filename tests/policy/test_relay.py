# SPDX-License-Identifier: Apache-2.0
"""Who may send through this server, and where to: the product's built-in table and its documented cases, cell by cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from genkan.policy.verdict import Verdict
from tests.support.policy_site import ACCEPTED, BLANK

if TYPE_CHECKING:
    from tests.support.policy_site import Site

ANN, BOB, SALES, AWAY, NOBODY = (f"{name}@in.test" for name in ("ann", "bob", "sales", "away", "nobody"))
KAI: Final = "kai@in2.test"
OUT, OUT_TOO, NULL = "x@out.test", "y@out2.test", ""
SUBDOMAIN: Final = "ann@sub.in.test"
USER_UNKNOWN, SENDER_UNKNOWN, RELAY_DENIED = "USER_UNKNOWN", "SENDER_UNKNOWN", "RELAY_DENIED"

# The table of the product's built-in rules: sender, and what it is told for each recipient (authenticated as ann).
RECIPIENTS: Final = (ANN, BOB, SALES, KAI, AWAY, NOBODY, OUT_TOO, SUBDOMAIN)
LOCAL_SENDER: Final = (*[ACCEPTED] * 5, USER_UNKNOWN, ACCEPTED, ACCEPTED)
UNKNOWN_SENDER: Final = (SENDER_UNKNOWN,) * 8
OTHER_SENDER: Final = (*[ACCEPTED] * 5, USER_UNKNOWN, RELAY_DENIED, RELAY_DENIED)
TABLE: Final = {
    ANN: LOCAL_SENDER,
    BOB: LOCAL_SENDER,
    SALES: LOCAL_SENDER,
    AWAY: LOCAL_SENDER,
    KAI: LOCAL_SENDER,
    "ann+news@in.test": LOCAL_SENDER,
    NOBODY: UNKNOWN_SENDER,
    OUT: OTHER_SENDER,
    SUBDOMAIN: OTHER_SENDER,
    NULL: OTHER_SENDER,
}
CELLS: Final = [
    pytest.param(sender, recipient, told, id=f"{sender or '<>'}-{recipient}")
    for sender, row in TABLE.items()
    for recipient, told in zip(RECIPIENTS, row, strict=True)
]
UNLIKE_LOCAL: Final = [cell for cell in CELLS if cell.values[0] in {OUT, SUBDOMAIN, NULL, NOBODY}]
ANYWHERE: Final = '[auth]\nunauthenticated_accounts = "anywhere"'
AUTH_OFF: Final = '[auth]\nmode = "off"'


@pytest.mark.parametrize(("sender", "recipient", "told"), CELLS)
def test_the_table_holds_for_a_client_that_has_authenticated(
    site: Site, sender: str, recipient: str, told: str
) -> None:
    assert site.client(account=ANN).send(sender, recipient) == told


@pytest.mark.parametrize(("sender", "recipient", "told"), UNLIKE_LOCAL)
def test_for_a_sender_that_is_not_local_auth_changes_nothing(
    site: Site, sender: str, recipient: str, told: str
) -> None:
    assert site.client().send(sender, recipient) == told


@pytest.mark.parametrize(("sender", "recipient", "told"), CELLS)
@pytest.mark.parametrize("role", ["submission", "submissions"])
def test_the_table_holds_on_a_submission_listener_after_auth(
    site: Site, role: str, sender: str, recipient: str, told: str
) -> None:
    client = site.client(role="submissions" if role == "submissions" else "submission", account=ANN)
    assert client.send(sender, recipient) == told


@pytest.mark.parametrize("sender", [ANN, BOB, SALES, AWAY, KAI])
@pytest.mark.parametrize("recipient", RECIPIENTS)
def test_a_local_sender_must_authenticate_wherever_the_mail_goes(site: Site, sender: str, recipient: str) -> None:
    assert site.client().send(sender, recipient) == "NEED_EHLO_BEFORE_AUTH"


# The documented sessions (internal domain with the accounts a, with a password, and b, without one; AUTH on), where
# accounts without a password may send from anywhere as the product lets them.
@pytest.mark.parametrize(
    ("sender", "recipient", "told"),
    [
        (ANN, OUT, "NEED_EHLO_BEFORE_AUTH"),
        (SALES, OUT, "NEED_EHLO_BEFORE_AUTH"),
        (BOB, OUT, ACCEPTED),
        (ANN, BOB, "NEED_EHLO_BEFORE_AUTH"),
        (NOBODY, ANN, SENDER_UNKNOWN),
        (OUT, ANN, ACCEPTED),
        (OUT, NOBODY, USER_UNKNOWN),
        (OUT, OUT_TOO, RELAY_DENIED),
        (NULL, ANN, ACCEPTED),
        (NULL, OUT_TOO, RELAY_DENIED),
        (BLANK, ANN, "SENDER_FORBIDDEN"),
    ],
)
def test_a_documented_session_of_a_client_without_auth(site: Site, sender: str, recipient: str, told: str) -> None:
    assert site.client(ANYWHERE).send(sender, recipient) == told


@pytest.mark.parametrize("sender", [ANN, BOB])
def test_after_a_failed_auth_no_local_sender_is_taken(site: Site, sender: str) -> None:
    assert site.client(ANYWHERE, auth_failed=True).send(sender, OUT) == "NEED_AUTH_BEFORE_MAIL"


def test_an_authenticated_client_with_a_foreign_sender_may_not_relay(site: Site) -> None:
    assert site.client(ANYWHERE, account=ANN).send(OUT, OUT_TOO) == RELAY_DENIED


@pytest.mark.parametrize(
    ("settings", "sender", "told"),
    [
        (AUTH_OFF, ANN, "NEED_EHLO_BEFORE_AUTH"),
        (AUTH_OFF, BOB, "NEED_EHLO_BEFORE_AUTH"),
        (f'{AUTH_OFF}\nunauthenticated_accounts = "anywhere"', ANN, ACCEPTED),
        (f'{AUTH_OFF}\nunauthenticated_accounts = "anywhere"', BOB, ACCEPTED),
        (f'{AUTH_OFF}\nunauthenticated_accounts = "anywhere"', NOBODY, SENDER_UNKNOWN),
        (f'{AUTH_OFF}\nunauthenticated_accounts = "anywhere"', OUT, RELAY_DENIED),
    ],
)
def test_with_auth_off_accounts_send_only_where_that_was_asked_for(
    site: Site, settings: str, sender: str, told: str
) -> None:
    assert site.client(settings).send(sender, OUT_TOO) == told


def test_a_refusal_to_relay_names_the_recipient_to_the_client_and_the_sender_to_the_log(site: Site) -> None:
    client = site.client()
    client.mail(OUT)
    _, rcpt = client.judge_rcpt(OUT_TOO)
    verdict = client.chain.rcpt.decide(rcpt)
    assert isinstance(verdict, Verdict)
    assert (verdict.check, verdict.fields, verdict.detail) == (
        "relay",
        {"forward_path": OUT_TOO},
        f"{OUT} is not local",
    )
