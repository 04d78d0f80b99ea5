# SPDX-License-Identifier: Apache-2.0
"""What EHLO announces, and that nothing is taken that was not announced."""

from __future__ import annotations

import pytest

from genkan.smtp import replies
from genkan.smtp.extensions import BEYOND_THE_PRODUCT, IN_CLEAR_TOO, Extensions, announced_keywords
from genkan.smtp.reply import Profile
from tests.support.session_owner import SIZE_LIMIT, Owner, lines_of, offer, rules

ALL = ("PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256")


def extensions(
    *, starttls: bool = True, mechanisms: tuple[str, ...] = ALL, plaintext_always: bool = False
) -> Extensions:
    return Extensions((), starttls, mechanisms, plaintext_always, SIZE_LIMIT)


def announced(offered: Extensions, *, tls_active: bool) -> list[str]:
    wordbook = rules().wordbook
    return [line[4:].decode() for line in lines_of(wordbook.lines(offered.lines(tls_active=tls_active)))]


def test_in_clear_starttls_is_announced_and_no_mechanism_that_shows_the_password() -> None:
    assert announced(extensions(), tls_active=False) == ["STARTTLS", "AUTH CRAM-MD5 SCRAM-SHA-256", "SIZE 1000"]


def test_under_tls_all_mechanisms_are_announced_and_starttls_is_not() -> None:
    assert announced(extensions(), tls_active=True) == ["AUTH PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256", "SIZE 1000"]


def test_plaintext_always_announces_all_mechanisms_in_clear() -> None:
    offered = extensions(starttls=False, plaintext_always=True)
    assert announced(offered, tls_active=False) == ["AUTH PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256", "SIZE 1000"]


@pytest.mark.parametrize("mechanisms", [(), ("PLAIN", "LOGIN")])
def test_without_a_usable_mechanism_auth_is_not_announced(mechanisms: tuple[str, ...]) -> None:
    assert announced(extensions(mechanisms=mechanisms), tls_active=False) == ["STARTTLS", "SIZE 1000"]


@pytest.mark.parametrize("mechanism", ALL)
@pytest.mark.parametrize("tls_active", [False, True])
def test_a_mechanism_is_refused_exactly_when_it_is_not_announced(mechanism: str, tls_active: bool) -> None:
    offered = extensions()
    words = " ".join(announced(offered, tls_active=tls_active)).split()
    assert (offered.auth_refusal(mechanism, tls_active=tls_active) is None) == (mechanism in words)


def test_a_refused_mechanism_is_told_apart_from_an_unknown_one() -> None:
    offered = extensions()
    assert offered.auth_refusal("PLAIN", tls_active=False) is replies.AUTH_NEEDS_TLS
    assert offered.auth_refusal("NTLM", tls_active=False) is replies.AUTH_MECHANISM_UNKNOWN
    assert offered.auth_refusal("NTLM", tls_active=True) is replies.AUTH_MECHANISM_UNKNOWN


def test_the_source_profile_announces_nothing_of_its_own() -> None:
    assert announced_keywords("source", Profile.EPSTRS_4A7) == ()


def test_without_enhanced_codes_their_keyword_is_not_announced() -> None:
    keywords = {profile: announced_keywords("all", profile) for profile in Profile}
    assert keywords.pop(Profile.EPSTRS_482) == tuple(
        word for word in BEYOND_THE_PRODUCT if word != "ENHANCEDSTATUSCODES"
    )
    assert set(keywords.values()) == {BEYOND_THE_PRODUCT}


def test_ehlo_says_it_in_the_products_order_with_size_last() -> None:
    owner = Owner(rules(extensions=offer(starttls=True)))
    lines = [line[4:].decode() for line in lines_of(owner.say(b"EHLO client.test\r\n"))]
    assert lines[0].startswith("mx.in.test Hello")
    assert lines[1:] == [*IN_CLEAR_TOO, "STARTTLS", "AUTH PLAIN CRAM-MD5", "SIZE 1000"]


@pytest.mark.parametrize("line", [b"MAIL FROM:<x@out.test> SMTPUTF8", b"BDAT 0 LAST"])
def test_what_is_not_announced_is_not_taken(line: bytes) -> None:
    owner = Owner(rules(extensions=offer(setting="source")))
    assert owner.dialogue(b"EHLO client.test", line)[-1] >= 500
