# SPDX-License-Identifier: Apache-2.0
"""How sure we must be of a next hop, as a table, and the contexts that hold it."""

from __future__ import annotations

import ssl
from contextlib import suppress
from datetime import timedelta
from itertools import product
from typing import TYPE_CHECKING, Final, get_args

import pytest
import trustme

from genkan.delivery.client_tls import (
    AuthorityError,
    ClientContexts,
    Requirement,
    TlsWish,
    tls_requirement,
)
from genkan.delivery.dane import NO_DANE, Dane
from genkan.delivery.sts import StsPolicy
from genkan.directory.hops import TLS_POLICIES
from genkan.dns.answer import TlsaRecord
from tests.support.server import START

if TYPE_CHECKING:
    from pathlib import Path

    from genkan.directory.hops import TlsPolicy

HOST: Final = "mx.example.test"
ENFORCE: Final = StsPolicy("a1", "enforce", (HOST,), timedelta(days=1), START)
TESTING: Final = StsPolicy("a1", "testing", ("other.test",), timedelta(days=1), START)
NONE: Final = StsPolicy("a1", "none", (), timedelta(days=1), START)
OTHER: Final = StsPolicy("a1", "enforce", ("other.test",), timedelta(days=1), START)
DANE: Final = Dane("authenticate", (TlsaRecord(3, 1, 1, bytes(32)),))
ENCRYPT: Final = Dane("encrypt")
UNKNOWN: Final = Dane("unknown", reason="no answer")

# What the domain says, and the kind for each of the policies none, opportunistic, required, verified.
USUAL: Final = [
    (None, NO_DANE, "none opportunistic required verified"),
    (TESTING, NO_DANE, "none opportunistic required verified"),
    (NONE, NO_DANE, "none opportunistic required verified"),
    (ENFORCE, NO_DANE, "none verified verified verified"),
    (OTHER, NO_DANE, "none deferred deferred deferred"),
    (None, ENCRYPT, "none required required verified"),
    (ENFORCE, ENCRYPT, "none verified verified verified"),
    (OTHER, ENCRYPT, "none deferred deferred deferred"),
    (None, DANE, "none dane dane dane"),
    (ENFORCE, DANE, "none dane dane dane"),
    (OTHER, DANE, "none dane dane dane"),
    (None, UNKNOWN, "none deferred deferred deferred"),
    (ENFORCE, UNKNOWN, "none deferred deferred deferred"),
]
# The same for messages with REQUIRETLS, where nobody vouches for the host, and where DNSSEC or the operator does.
STRICT: Final = [
    (None, NO_DANE, "failed failed failed failed", "failed verified verified verified"),
    (TESTING, NO_DANE, "failed failed failed failed", "failed verified verified verified"),
    (NONE, NO_DANE, "failed failed failed failed", "failed verified verified verified"),
    (ENFORCE, NO_DANE, "failed verified verified verified", "failed verified verified verified"),
    (OTHER, NO_DANE, "failed deferred deferred deferred", "failed deferred deferred deferred"),
    (None, ENCRYPT, "failed failed failed failed", "failed verified verified verified"),
    (ENFORCE, ENCRYPT, "failed verified verified verified", "failed verified verified verified"),
    (None, DANE, "failed dane dane dane", "failed dane dane dane"),
    (OTHER, DANE, "failed dane dane dane", "failed dane dane dane"),
    (None, UNKNOWN, "failed deferred deferred deferred", "failed deferred deferred deferred"),
]


def kinds(sts: StsPolicy | None, dane: Dane, wish: TlsWish, *, vouched: bool) -> str:
    return " ".join(tls_requirement(policy, sts, dane, wish, HOST, vouched=vouched).kind for policy in TLS_POLICIES)


@pytest.mark.parametrize(("sts", "dane", "expected"), USUAL)
@pytest.mark.parametrize("vouched", [False, True])
def test_the_strictest_of_operator_and_domain_counts(
    sts: StsPolicy | None, dane: Dane, expected: str, vouched: bool
) -> None:
    assert kinds(sts, dane, "usual", vouched=vouched) == expected


@pytest.mark.parametrize(("sts", "dane", "unsure", "sure"), STRICT)
def test_requiretls_needs_a_host_that_somebody_vouches_for(
    sts: StsPolicy | None, dane: Dane, unsure: str, sure: str
) -> None:
    assert kinds(sts, dane, "requiretls", vouched=False) == unsure
    assert kinds(sts, dane, "requiretls", vouched=True) == sure


def test_a_message_that_does_not_require_tls_is_bound_by_the_operator_alone() -> None:
    for sts, dane in product((None, ENFORCE, OTHER), (NO_DANE, ENCRYPT, DANE, UNKNOWN)):
        assert kinds(sts, dane, "optional", vouched=False) == "none opportunistic required verified"


def test_mail_goes_with_requiretls_only_where_it_was_wished() -> None:
    policies: tuple[TlsPolicy, ...] = TLS_POLICIES
    wishes: tuple[TlsWish, ...] = get_args(TlsWish)
    daneds = (NO_DANE, ENCRYPT, DANE, UNKNOWN)
    for policy, sts, dane, wish in product(policies, (None, ENFORCE, OTHER), daneds, wishes):
        for vouched in (False, True):
            found = tls_requirement(policy, sts, dane, wish, HOST, vouched=vouched)
            assert found.requiretls is (wish == "requiretls" and found.kind in ("verified", "dane"))
            assert bool(found.status) is (found.kind in ("deferred", "failed"))
            assert found.reason


@pytest.mark.parametrize(
    ("sts", "dane", "wish", "expected"),
    [
        (None, UNKNOWN, "usual", Requirement("deferred", "no answer", "4.4.3")),
        (
            OTHER,
            NO_DANE,
            "usual",
            Requirement("deferred", f"the domain's MTA-STS policy does not name {HOST}", "4.7.5"),
        ),
        (
            None,
            NO_DANE,
            "requiretls",
            Requirement(
                "failed", f"the message requires TLS, and neither DNSSEC nor MTA-STS vouches for {HOST}", "5.7.10"
            ),
        ),
    ],
)
def test_a_host_that_must_not_be_used_says_why(
    sts: StsPolicy | None, dane: Dane, wish: TlsWish, expected: Requirement
) -> None:
    assert tls_requirement("opportunistic", sts, dane, wish, HOST, vouched=False) == expected


# Contexts.

AUTHORITY: Final = trustme.CA()


def shakes_hands(client: ssl.SSLContext, issued: trustme.LeafCert, most: ssl.TLSVersion) -> bool:
    """Whether a client with this context goes on with a server of this certificate, called by its name HOST."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued.configure_cert(server)
    with suppress(ValueError):
        server.minimum_version = min(most, ssl.TLSVersion.TLSv1_2)
    server.maximum_version = most
    here, there = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(here, there, server_hostname=HOST)
    theirs = server.wrap_bio(there, here, server_side=True)
    for _ in range(3):
        for side in (ours, theirs):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError:
                return False
    return ours.version() is not None


@pytest.fixture
def contexts(tmp_path: Path) -> ClientContexts:
    AUTHORITY.cert_pem.write_to_path(tmp_path / "authority.pem")
    return ClientContexts(tmp_path / "authority.pem")


RIGHT: Final = AUTHORITY.issue_cert(HOST)
WRONG_NAME: Final = AUTHORITY.issue_cert("other.test")
NO_NAME: Final = AUTHORITY.issue_cert("other.test", common_name=HOST)
UNKNOWN_AUTHORITY: Final = trustme.CA().issue_cert(HOST)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_verified_server_has_the_right_name_from_a_known_authority(
    contexts: ClientContexts, version: ssl.TLSVersion
) -> None:
    assert shakes_hands(contexts("verified"), RIGHT, version) is True
    assert shakes_hands(contexts("verified"), WRONG_NAME, version) is False
    assert shakes_hands(contexts("verified"), NO_NAME, version) is False
    assert shakes_hands(contexts("verified"), UNKNOWN_AUTHORITY, version) is False


@pytest.mark.parametrize("kind", ["opportunistic", "required", "dane"])
@pytest.mark.parametrize("issued", [RIGHT, WRONG_NAME, UNKNOWN_AUTHORITY])
def test_otherwise_any_certificate_will_do(contexts: ClientContexts, kind: str, issued: trustme.LeafCert) -> None:
    context = contexts(kind)  # type: ignore[arg-type]
    assert shakes_hands(context, issued, ssl.TLSVersion.TLSv1_3) is True
    assert contexts(kind) is context  # type: ignore[arg-type]


def test_nothing_older_than_tls_1_2_is_spoken(contexts: ClientContexts) -> None:
    assert {contexts(kind).minimum_version for kind in ("opportunistic", "verified")} == {ssl.TLSVersion.TLSv1_2}


def test_the_systems_authorities_do_not_know_ours() -> None:
    assert shakes_hands(ClientContexts()("verified"), RIGHT, ssl.TLSVersion.TLSv1_3) is False


def test_a_file_of_authorities_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    file = tmp_path / "authority.pem"
    with pytest.raises(AuthorityError) as missing:
        ClientContexts(file)
    assert str(missing.value) == f"{file}: No such file or directory; make the file readable or correct its name"
    file.write_text("no certificate")
    with pytest.raises(AuthorityError) as useless:
        ClientContexts(file)
    assert str(useless.value) == f"{file}: no PEM file of certificate authorities; put one there"
