# SPDX-License-Identifier: Apache-2.0
"""Who may send through this server, and where to: the product's built-in table and its documented cases, cell by cell."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genkan.policy.verdict import Verdict
from tests.support.policy_site import ACCEPTED, BLANK, Site

if TYPE_CHECKING:
    from genkan.directory import Directory

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


# effect.dat: what a matching line makes of each sender, written out by hand. A sender's letter is what MAIL is told, or,
# where that is accepted, what RCPT is told for an external recipient.
#   . accepted    E must authenticate    U unknown local sender    F forbidden by the rule    R relaying denied
SENDERS: Final = (ANN, BOB, NOBODY, OUT, NULL)
DECISIONS: Final = {
    # action: without AUTH, authenticated as ann; in the order of SENDERS
    "no line at all": ("EEURR", "..URR"),
    "true": (".....", "....."),
    "": (".....", "....."),
    "default": ("EEURR", "..URR"),
    "only": ("EEU..", "..U.."),
    "norelay": ("EEURR", "RRURR"),
    "norelay,0": ("EEURR", "RRURR"),
    "norelay,2": ("RRURR", "..URR"),
    "false": ("FFFFF", "FFFFF"),
}
AT_MAIL: Final = {"E": "NEED_EHLO_BEFORE_AUTH", "U": SENDER_UNKNOWN, "F": "SENDER_FORBIDDEN"}
AT_RCPT: Final = {".": ACCEPTED, "R": RELAY_DENIED}
CLIENT: Final = "192.0.2.10"
SUBJECTS: Final = (CLIENT, "192.0.2.0/24", "192.0.*.*", "*.*.*.*", "*", "the path", "the domain")


def subject_for(kind: str, sender: str) -> str:
    """The subject of a line that matches this client or this sender."""
    if kind == "the path":
        return sender or "#<>"
    if kind == "the domain":
        return sender.partition("@")[2] or "#<>"
    return kind


@pytest.mark.parametrize("account", ["", ANN])
@pytest.mark.parametrize("kind", SUBJECTS)
@pytest.mark.parametrize("action", DECISIONS)
def test_a_line_of_effect_dat_decides_as_its_action_says(site: Site, action: str, kind: str, account: str) -> None:
    for sender, letter in zip(SENDERS, DECISIONS[action][bool(account)], strict=True):
        if action != "no line at all":
            site.rules("effect.dat", f"{subject_for(kind, sender)} {action}")
        client = site.client(account=account)
        told = client.mail(sender)
        if letter in AT_MAIL:
            assert (sender, told) == (sender, AT_MAIL[letter])
            continue
        assert (sender, told) == (sender, ACCEPTED)
        assert (sender, client.rcpt(OUT_TOO)) == (sender, AT_RCPT[letter])
        assert [client.rcpt(recipient) for recipient in (BOB, AWAY, NOBODY)] == [ACCEPTED, ACCEPTED, USER_UNKNOWN]


@pytest.mark.parametrize("account", ["", ANN])
def test_whom_no_line_names_beside_an_only_line_may_not_relay(site: Site, account: str) -> None:
    site.rules("effect.dat", "198.51.100.1 only")
    assert site.client(account=account).send(OUT, ANN) == ACCEPTED
    assert site.client(account=account).send(OUT, OUT_TOO) == RELAY_DENIED
    assert site.client(account=account).send(ANN, OUT_TOO) == (RELAY_DENIED if account else "NEED_EHLO_BEFORE_AUTH")
    assert site.client(account=account, address="198.51.100.1").send(OUT, OUT_TOO) == ACCEPTED


@pytest.mark.parametrize("action", ["default", "true", "only", "norelay", "norelay,2"])
@pytest.mark.parametrize("role", ["submission", "submissions"])
def test_on_a_submission_listener_only_true_spares_auth(site: Site, role: str, action: str) -> None:
    site.rules("effect.dat", f"{CLIENT} {action}")
    client = site.client(role="submissions" if role == "submissions" else "submission")
    assert client.mail(ANN) == (ACCEPTED if action == "true" else "NEED_AUTH_BEFORE_MAIL")


TRUSTED: Final = '[auth]\nunauthenticated_accounts = "trusted"'


@pytest.mark.parametrize(
    ("line", "trusted"),
    [
        (f"{CLIENT} default", True),
        ("192.0.2.0/24 only", True),
        (f"{CLIENT} norelay", False),
        ("198.51.100.1 default", False),
        ("*.*.*.* default", False),
        ("* default", False),
        ("bob@in.test default", False),
        ("in.test default", False),
    ],
)
def test_a_client_is_trusted_by_a_line_of_its_own(site: Site, line: str, trusted: bool) -> None:
    site.rules("effect.dat", line)
    assert site.client(TRUSTED).send(BOB, OUT_TOO) == (ACCEPTED if trusted else "NEED_EHLO_BEFORE_AUTH")
    assert site.client(TRUSTED).send(ANN, OUT_TOO) == "NEED_EHLO_BEFORE_AUTH"
    assert site.client(TRUSTED, auth_failed=True).send(BOB, OUT_TOO) == "NEED_AUTH_BEFORE_MAIL"


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ((), "SENDER_FORBIDDEN"),
        (("#<> default",), "SENDER_FORBIDDEN"),
        (("#blank false",), "SENDER_FORBIDDEN"),
        (("#blank default",), ACCEPTED),
        (("#blank false", "* true"), "SENDER_FORBIDDEN"),
        (("* true", "#blank false"), ACCEPTED),
    ],
)
def test_mail_without_an_argument_is_taken_only_where_a_line_says_so(
    site: Site, lines: tuple[str, ...], told: str
) -> None:
    site.rules("effect.dat", *lines)
    assert site.client().mail(BLANK) == told


def test_an_accounts_own_document_refuses_and_allows_nothing_else(site: Site) -> None:
    site.rules("effect.dat", "friend.test", "198.51.100.1 true", "* false", account=BOB)
    client = site.client()
    client.mail(OUT)
    assert [client.rcpt(recipient) for recipient in (BOB, ANN, OUT_TOO)] == ["SENDER_FORBIDDEN", ACCEPTED, RELAY_DENIED]
    assert site.client().send("x@friend.test", BOB) == ACCEPTED
    assert site.client(address="198.51.100.1").send(OUT, BOB) == ACCEPTED
    assert site.client(address="198.51.100.1").send(OUT, OUT_TOO) == RELAY_DENIED


def test_an_unknown_recipient_is_told_before_any_document_of_an_account_is_asked(site: Site) -> None:
    site.rules("effect.dat", "* false", account=BOB)
    assert site.client().send(OUT, NOBODY) == USER_UNKNOWN
    assert site.client().send(OUT, "bob+news@in.test") == "SENDER_FORBIDDEN"


def test_a_refusal_names_the_line_that_it_obeys(site: Site) -> None:
    site.rules("effect.dat", "#<> default", "out.test norelay")
    client = site.client()
    client.mail(OUT)
    _, rcpt = client.judge_rcpt(OUT_TOO)
    verdict = client.chain.rcpt.decide(rcpt)
    assert isinstance(verdict, Verdict)
    assert verdict.rule is not None
    assert (verdict.rule.document, verdict.rule.account, verdict.rule.line, verdict.rule.text) == (
        "effect.dat",
        "",
        2,
        "out.test norelay,0",
    )


# Whatever the document says: nobody relays without AUTH unless a line `true` or `only` matches him.
CLIENTS: Final = (CLIENT, "198.51.100.7", "2001:db8::1", "10.1.2.3")
NETWORKS: Final = ("192.0.2.10/32", "192.0.2.0/24", "10.0.0.0/8", "2001:db8::/32", "0.0.0.0/0", "::/0")
PATHS: Final = (ANN, BOB, NOBODY, OUT, "x@in2.test", "y@out2.test")
ACTIONS: Final = ("", "true", "default", "false", "only", "norelay", "norelay,0", "norelay,2")
LINES: Final = st.tuples(
    st.sampled_from((*CLIENTS, *NETWORKS, *PATHS, "in.test", "out.test", "out2.test", "#<>", "#blank", "*", "*@*")),
    st.sampled_from(ACTIONS),
)


def line_matches(subject: str, client: str, sender: str) -> bool:
    """Read a subject the plain way."""
    if subject in ("#<>", "#blank"):
        return sender == (BLANK if subject == "#blank" else "")
    if "/" in subject:
        return ip_address(client) in ip_network(subject)
    if subject in ("*", client):
        return True
    return sender not in ("", BLANK) and subject in ("*@*", sender, sender.partition("@")[2])


@given(
    lines=st.lists(LINES, max_size=8),
    client=st.sampled_from(CLIENTS),
    sender=st.sampled_from((*PATHS, "", BLANK)),
    failed=st.booleans(),
)
@settings(max_examples=300, deadline=None)
def test_no_document_lets_a_client_without_auth_relay_but_by_true_or_only(
    directory: Directory, lines: list[tuple[str, str]], client: str, sender: str, failed: bool
) -> None:
    site = Site(directory)
    site.rules("effect.dat", *(f"{subject} {action}" for subject, action in lines))
    matching = next((action for subject, action in lines if line_matches(subject, client, sender)), None)
    told = site.client(address=client, auth_failed=failed).send(sender, "z@far.test")
    if told == ACCEPTED:
        assert matching in {"", "true", "only"}
    elif matching in {"", "true"}:
        raise AssertionError(f"{matching!r} matches, and yet: {told}")
