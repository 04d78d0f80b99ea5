# SPDX-License-Identifier: Apache-2.0
"""What our Authentication-Results field says of each method, and in which order (RFC 8601, 2.7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from genkan.dkim.arc import ArcResult
from genkan.dkim.verification import DkimResult, Signatures
from genkan.dmarc.evaluation import DmarcResult
from genkan.dmarc.record import DmarcRecord
from genkan.message.results import results_field
from genkan.policy.authentication_results import method_results
from genkan.policy.facts import ConnectionFacts, SpfFinding, TransactionFacts
from genkan.smtp.address import Mailbox, parse_mailbox
from genkan.smtp.command import MailParameters

if TYPE_CHECKING:
    from collections.abc import Sequence

PASS: Final = DkimResult("pass", "", "a.test", "sel", "@a.test", "rsa-sha256", "AbCdEfGh", 2048)
UNSIGNED: Final = Signatures()


def transaction(spf: SpfFinding | None = None, reverse_path: Mailbox | None = None) -> TransactionFacts:
    connection = ConnectionFacts("192.0.2.10", "smtp")
    return TransactionFacts(connection, 0.0, reverse_path, blank=False, parameters=MailParameters(), spf=spf)


def said(
    signatures: Signatures = UNSIGNED, dmarc: DmarcResult | None = None, about: TransactionFacts | None = None
) -> list[str]:
    """The results as the field says them, unfolded."""
    field = results_field("mx.test", method_results(about or transaction(), signatures, dmarc))
    words = field.replace(b"\r\n", b"").decode()
    assert words.startswith("Authentication-Results: mx.test; ")
    return words.removeprefix("Authentication-Results: mx.test; ").split("; ")


def signatures(*results: DkimResult) -> Signatures:
    return Signatures(results)


def test_the_result_that_the_others_lead_to_comes_first() -> None:
    found = Signatures((PASS,), arc=ArcResult("pass", 1, ("d1.test",), 0, "mx.test; dmarc=pass"))
    results = said(found, DmarcResult("none", "there is no record"), transaction(SpfFinding("none", "smtp.helo", "c")))
    assert [result.partition("=")[0] for result in results] == ["dmarc", "spf", "dkim", "arc"]


def test_what_was_not_asked_is_not_said_but_that_there_is_no_signature() -> None:
    assert said() == ["dkim=none"]


@pytest.mark.parametrize(
    ("finding", "path", "expected"),
    [
        (SpfFinding("pass", "smtp.mailfrom", "a.test"), "x@a.test", "spf=pass smtp.mailfrom=x@a.test"),
        (SpfFinding("fail", "smtp.mailfrom", "a.test"), '"x y"@a.test', r'spf=fail smtp.mailfrom="\"x y\"@a.test"'),
        (
            SpfFinding("pass", "smtp.mailfrom", "xn--r8jz45g.test"),
            "x@例え.test",
            "spf=pass smtp.mailfrom=x@xn--r8jz45g.test",
        ),
        (SpfFinding("softfail", "smtp.helo", "client.test"), "", "spf=softfail smtp.helo=client.test"),
    ],
)
def test_spf_names_the_identity_that_was_asked_about(finding: SpfFinding, path: str, expected: str) -> None:
    mailbox = parse_mailbox(path) if path else None
    assert said(about=transaction(finding, mailbox)) == [expected, "dkim=none"]


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (
            PASS,
            "dkim=pass (2048-bit key) header.d=a.test header.s=sel header.a=rsa-sha256 header.b=AbCdEfGh",
        ),
        (DkimResult("neutral", "a tag has no ="), "dkim=neutral (a tag has no =)"),
        (
            DkimResult("fail", "the body has been changed", "a.test", "sel", "n@b.a.test", "ed25519-sha256"),
            "dkim=fail (the body has been changed) header.d=a.test header.i=n@b.a.test header.s=sel header.a=ed25519-sha256",
        ),
        (
            DkimResult("pass", domain="a.test", key_bits=1024, testing=True),
            'dkim=pass (1024-bit key, the domain is testing) header.d=a.test header.i=""',
        ),
    ],
)
def test_each_signature_says_whose_it_is_and_what_to_think_of_it(result: DkimResult, expected: str) -> None:
    assert said(signatures(result)) == [expected.replace(' header.i=""', "")]


def test_several_signatures_are_told_apart() -> None:
    other = DkimResult("fail", "the body has been changed", "b.test", "s2", "@b.test", "rsa-sha256", "ZZZZZZZZ")
    found: Sequence[str] = said(signatures(PASS, other))
    assert [one.rpartition("header.b=")[2] for one in found] == ["AbCdEfGh", "ZZZZZZZZ"]


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (DmarcResult("permerror", "there is no From field"), "dmarc=permerror (there is no From field)"),
        (
            DmarcResult("none", "there is no record", "a.test"),
            "dmarc=none (there is no record) header.from=a.test",
        ),
        (
            DmarcResult("pass", "sent for a.test, which is aligned", "a.test", "a.test", DmarcRecord()),
            "dmarc=pass policy.dmarc=none header.from=a.test",
        ),
        (
            DmarcResult(
                *("fail", "nothing that passes is aligned with b.a.test", "b.a.test", "a.test"),
                DmarcRecord(p="reject", testing=True),
                requested="reject",
                policy="quarantine",
            ),
            "dmarc=fail (nothing that passes is aligned with b.a.test) policy.dmarc=reject header.from=b.a.test",
        ),
    ],
)
def test_dmarc_says_what_the_owner_wants_and_why_it_did_not_pass(result: DmarcResult, expected: str) -> None:
    assert said(dmarc=result) == [expected, "dkim=none"]


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (
            ArcResult("pass", 2, ("d2.test", "d1.test"), 0, "mx.test; dmarc=pass"),
            "arc=pass (i=2, sealed by d2.test, d1.test) header.oldest-pass=0",
        ),
        (
            ArcResult("fail", 1, ("d1.test",), reason="fail of seal 1: it is not of these sets"),
            "arc=fail (fail of seal 1: it is not of these sets, i=1, sealed by d1.test)",
        ),
        (ArcResult("fail", 51, reason="there are too many sets"), "arc=fail (there are too many sets, i=51)"),
    ],
)
def test_a_chain_says_who_has_sealed_it(result: ArcResult, expected: str) -> None:
    assert said(Signatures(arc=result)) == ["dkim=none", expected]
