# SPDX-License-Identifier: Apache-2.0
"""ARC chains: what holds, what does not and why, and since when a message is unchanged (RFC 8617, 5.2)."""

from __future__ import annotations

from time import process_time
from typing import TYPE_CHECKING

import pytest

from genkan.dkim.arc import NO_CHAIN, ArcResult
from genkan.dkim.key_pair import make_key_pair
from genkan.dkim.signature import MOST_INSTANCES
from genkan.dkim.verification import Verification
from tests.support.signed_mail import BODY, HEADER, MOST, NOW, key_of, sealed, signed, verify

if TYPE_CHECKING:
    from genkan.dkim.key_record import KeyText

ONE = sealed(HEADER)
TWO = sealed(ONE)
THREE = sealed(TWO)


def arc(header: bytes, body: bytes = BODY, keys: dict[str, KeyText] | None = None) -> ArcResult:
    return verify(header, body, keys).arc


def test_mail_without_sets_has_no_chain() -> None:
    assert arc(HEADER) == arc(signed()) == NO_CHAIN


def test_a_chain_that_holds_names_its_sealers_and_what_the_newest_found() -> None:
    assert arc(THREE) == ArcResult(
        outcome="pass",
        sets=3,
        domains=("d3.test", "d2.test", "d1.test"),
        oldest_pass=0,
        results="mx.test; dmarc=pass",
    )


def test_a_chain_is_verified_beside_the_signatures_of_dkim() -> None:
    verification = Verification(sealed(signed()), MOST)
    assert verification.questions == ("sel._domainkey.example.test", "sel._domainkey.d1.test")
    found = verify(sealed(signed()))
    assert (found.dkim[0].outcome, found.arc.outcome) == ("pass", "pass")


def test_keys_of_both_kinds_seal() -> None:
    chain = sealed(ONE, key=key_of("ed25519"))
    keys: dict[str, KeyText] = {
        "sel._domainkey.d1.test": (key_of().record,),
        "sel._domainkey.d2.test": (key_of("ed25519").record,),
    }
    assert arc(chain, keys=keys).outcome == "pass"


def test_one_of_several_keys_under_a_name_is_enough() -> None:
    key, other = key_of("ed25519").record, make_key_pair("ed25519").record
    chain = sealed(HEADER, key=key_of("ed25519"))
    for records, outcome in (((key, other), "pass"), ((other, key), "pass"), ((other,), "fail")):
        assert arc(chain, keys={"sel._domainkey.d1.test": records}).outcome == outcome


def test_a_strict_key_asks_nothing_of_a_sealer_who_has_no_identity() -> None:
    assert arc(ONE, keys={"sel._domainkey.d1.test": (f"{key_of().record}; t=s",)}).outcome == "pass"


@pytest.mark.parametrize(("body_then", "oldest"), [(BODY, 0), (b"footer", 3)])
def test_the_oldest_set_since_which_nothing_was_changed_is_told(body_then: bytes, oldest: int) -> None:
    assert arc(sealed(TWO, body_then), body_then).oldest_pass == oldest


def test_an_older_message_signature_that_is_worth_nothing_breaks_no_chain() -> None:
    assert arc(sealed(sealed(HEADER, tags="; x=1"))).oldest_pass == 2
    assert arc(sealed(sealed(HEADER, tags="; q=none"))) == ArcResult(
        "pass", 2, ("d2.test", "d1.test"), 2, "mx.test; dmarc=pass"
    )


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (TWO.replace(b"tale", b"sale"), "fail of the newest message signature: the signature is not of this header"),
        (sealed(ONE, tags="; x=1"), "permerror of the newest message signature: the signature has expired"),
        (sealed(ONE, tags="; q=none"), "the newest message signature cannot be used"),
        (
            TWO.replace(b"i=1; mx.test; dmarc=pass", b"i=1; mx.test; dmarc=fail"),
            "fail of seal 1: it is not of these sets",
        ),
        (
            TWO.replace(b"i=2; mx.test; dmarc=pass", b"i=2; mx.test; dmarc=fail"),
            "fail of seal 2: it is not of these sets",
        ),
    ],
)
def test_a_chain_with_a_signature_that_is_not_good_fails(header: bytes, reason: str) -> None:
    assert arc(header) == ArcResult("fail", 2, ("d2.test", "d1.test"), None, arc(header).results, reason)


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (TWO.replace(b"ARC-Seal: i=1", b"X-Seal: i=1"), "the sets are not complete"),
        (TWO.replace(b"ARC-Seal: i=1", b"ARC-Seal: i=3"), "the sets are not complete"),
        (TWO.replace(b"ARC-Seal: i=2", b"ARC-Seal: i=1"), "the sets are not complete"),
        (TWO.replace(b"ARC-Seal: i=2", b"ARC-Seal: i=0"), "i= is not from 1 to 50"),
        (TWO.replace(b"Results: i=1;", b"Results: i=1"), "the results do not begin with i="),
        (TWO.replace(b"Results: i=1; mx", b"Results: mx; i=1"), "the results do not begin with i="),
        (TWO.replace(b"Signature: i=1;", b"Signature: "), "there is no i="),
        (TWO.replace(b"Signature: i=1;", b"Signature: i=1;;"), "the tag list has a part that is no tag"),
        (ONE.replace(b"ARC-Seal: i=1", b"ARC-Seal: h=from; i=1"), "the seal has an h="),
    ],
)
def test_what_is_no_chain_fails_and_no_key_is_asked_for(header: bytes, reason: str) -> None:
    found = arc(header)
    assert (found.outcome, found.domains, found.reason) == ("fail", (), reason)
    assert Verification(header, MOST).questions == ()


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (sealed(ONE, cv="fail"), "a seal says that the chain has failed before"),
        (sealed(ONE, cv="none"), "a seal has a cv= that cannot be"),
        (sealed(HEADER, cv="pass"), "a seal has a cv= that cannot be"),
    ],
)
def test_a_chain_whose_sealers_did_not_find_it_good_fails(header: bytes, reason: str) -> None:
    found = arc(header)
    assert (found.outcome, found.domains[-1], found.reason) == ("fail", "d1.test", reason)
    assert Verification(header, MOST).questions == ()


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        (None, "temperror of seal 1: the key cannot be had now"),
        ((), "permerror of seal 1: there is no key"),
        ((key_of("ed25519").record,), "permerror of seal 1: the key is of another kind"),
    ],
)
def test_a_seal_without_a_key_fails_the_chain(texts: KeyText, reason: str) -> None:
    keys: dict[str, KeyText] = {"sel._domainkey.d1.test": texts, "sel._domainkey.d2.test": (key_of().record,)}
    assert (arc(TWO, keys=keys).outcome, arc(TWO, keys=keys).reason) == ("fail", reason)


def test_results_are_one_line_without_their_instance() -> None:
    folded = ONE.replace(b"i=1; mx.test; dmarc=pass", b"i = 1 ;\r\n\tmx.test;\r\n dmarc=pass")
    assert arc(folded).results == "mx.test; dmarc=pass"


def test_as_many_sets_as_may_be_hold_and_one_more_does_not() -> None:
    chain = HEADER
    for _ in range(MOST_INSTANCES):
        chain = sealed(chain)
    started = process_time()
    assert (arc(chain).outcome, arc(chain).sets, arc(chain).oldest_pass) == ("pass", 50, 0)
    assert process_time() - started < 1
    names = (b"ARC-Seal", b"ARC-Message-Signature", b"ARC-Authentication-Results")
    longer = b"".join(name + b": i=51; a=b\r\n" for name in names) + chain
    assert arc(longer) == ArcResult("fail", 51, reason="there are too many sets")


def test_the_results_are_asked_for_with_the_time() -> None:
    chain = sealed(HEADER, tags=f"; x={NOW}")
    assert [verify(chain, now=now).arc.outcome for now in (NOW, NOW + 1)] == ["pass", "fail"]
