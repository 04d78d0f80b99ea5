# SPDX-License-Identifier: Apache-2.0
"""DMARC at the end of a message: what every setting makes of every policy, and whom it believes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from genkan.policy.facts import ContentFacts
from genkan.record.entry import Rule
from tests.policy.origins import (
    ANN,
    AUTHOR,
    CLIENT,
    EXISTS,
    FAILED,
    REFUSE,
    X,
    coming,
    fate,
    judged,
    publish,
    sealers,
    signed_by,
    txt,
)
from tests.support.policy_site import ACCEPTED
from tests.support.signed_mail import BODY, HEADER, key_of, sealed

if TYPE_CHECKING:
    from genkan.dns.answer import Answer
    from genkan.dns.spf import SpfOutcome
    from tests.support.policy_site import Site

REFUSED: Final = "DMARC_REFUSED"
UNAVAILABLE: Final = "DMARC_UNAVAILABLE"
HELD: Final = "held"
QUARANTINE: Final = '[dmarc]\nmode = "quarantine"'
TRUSTING: Final = f'{REFUSE}\ntrusted_sealers = ["d1.test", "D2.test"]'
DEFERRING: Final = f'{REFUSE}\ndns_failure = "defer"'
SUBDOMAIN: Final = HEADER.replace(b"@example.test", b"@news.example.test")


# The policy, and what the setting makes of it.


@pytest.mark.parametrize(
    ("mode", "none", "quarantine", "reject"),
    [
        ("off", ACCEPTED, ACCEPTED, ACCEPTED),
        ("mark", ACCEPTED, ACCEPTED, ACCEPTED),
        ("quarantine", ACCEPTED, HELD, HELD),
        ("refuse", ACCEPTED, HELD, REFUSED),
    ],
)
def test_mail_that_fails_is_treated_as_policy_and_setting_say(
    site: Site, mode: str, none: str, quarantine: str, reject: str
) -> None:
    fates = []
    for policy in ("none", "quarantine", "reject"):
        publish(site, f"p={policy}")
        fates.append(fate(site, settings=f'[dmarc]\nmode = "{mode}"'))
    assert fates == [none, quarantine, reject]


@pytest.mark.parametrize(("policy", "expected"), [("none", ACCEPTED), ("quarantine", ACCEPTED), ("reject", HELD)])
def test_of_an_owner_who_is_testing_one_step_less_is_done(site: Site, policy: str, expected: str) -> None:
    publish(site, f"p={policy}; t=y")
    assert fate(site) == expected


@pytest.mark.parametrize(
    ("tags", "existing", "missing"),
    [
        ("p=reject", REFUSED, REFUSED),
        ("p=none; sp=reject", REFUSED, REFUSED),
        ("p=reject; sp=none", ACCEPTED, ACCEPTED),
        ("p=none; np=reject", ACCEPTED, REFUSED),
        ("p=reject; sp=quarantine; np=none", HELD, ACCEPTED),
    ],
)
def test_a_subdomain_has_the_policies_for_subdomains(site: Site, tags: str, existing: str, missing: str) -> None:
    publish(site, tags)
    assert fate(site, SUBDOMAIN) == missing
    site.zone["news.example.test"] = EXISTS
    assert fate(site, SUBDOMAIN) == existing


@pytest.mark.parametrize("record", ["", "v=spf1 -all", "v=DMARC1; p=quatsch"])
def test_without_a_policy_nothing_is_done(site: Site, record: str) -> None:
    if record:
        site.zone[f"_dmarc.{AUTHOR}"] = txt(record)
    assert fate(site) == ACCEPTED


def test_a_refusal_names_the_domain_the_policy_and_where_it_stands(site: Site) -> None:
    publish(site)
    client = coming(site)
    client.judge_content(SUBDOMAIN + b"\r\n" + BODY)
    assert client.entry is not None
    assert client.entry.content is not None
    decision = client.entry.content.decision
    assert decision is not None
    assert (decision.reply, decision.check, decision.fields) == (REFUSED, "dmarc", {"domain": "news.example.test"})
    assert decision.detail == "nothing that passes is aligned with news.example.test"
    assert decision.rule == Rule("dmarc", text="p=reject of example.test")


def test_what_is_kept_back_says_why_and_nobody_has_to_approve_it(site: Site) -> None:
    publish(site)
    _, content = judged(site, settings=QUARANTINE)
    hold = content.handlings.hold
    assert hold is not None
    assert (hold.kind, hold.reason, hold.approvers) == (
        "quarantine",
        "DMARC: not proven to be from example.test",
        (),
    )
    assert content.rules == [Rule("dmarc", text="p=reject of example.test")]
    assert content.handlings.said() == ["held: DMARC: not proven to be from example.test"]


def test_a_hold_by_dmarc_is_not_undone_by_a_rule_that_holds_for_approval(site: Site) -> None:
    publish(site)
    site.rules("approval-addresses.dat", "*@out.test hold ann@in.test")
    _, content = judged(site, settings=QUARANTINE)
    assert content.handlings.hold is not None
    assert content.handlings.hold.kind == "quarantine"


def test_nor_does_moderation_of_a_list_put_it_before_its_owners(site: Site) -> None:
    publish(site)
    client = site.client(QUARANTINE)
    assert client.send(X, "slow@in.test") == ACCEPTED
    _, content = client.judge_content(HEADER + b"\r\n" + BODY)
    (mailbox,) = content.transaction.lists
    holding = content.handlings.of(mailbox).holding
    assert holding is not None
    assert holding.kind == "quarantine"


# Whose mail it is.


@pytest.mark.parametrize("result", ["pass", "fail", "softfail", "neutral", "none", "permerror"])
@pytest.mark.parametrize(
    ("sender", "tags", "aligned"),
    [
        ("x@example.test", "p=reject", True),
        ("x@mail.example.test", "p=reject", True),
        ("x@mail.example.test", "p=reject; aspf=s", False),
        ("x@other.test", "p=reject", False),
        ("x@evil-example.test", "p=reject", False),
    ],
)
def test_a_client_that_the_authors_domain_permits_is_believed(
    site: Site, result: SpfOutcome, sender: str, tags: str, aligned: bool
) -> None:
    publish(site, tags)
    site.spf_results[CLIENT, sender] = result
    assert fate(site, sender=sender) == (ACCEPTED if aligned and result == "pass" else REFUSED)


def test_for_a_null_reverse_path_the_hello_domain_counts(site: Site) -> None:
    publish(site)
    client = site.client(REFUSE)
    client.hello = "mail.example.test"
    site.spf_results[CLIENT, client.hello] = "pass"
    assert client.send("", ANN) == ACCEPTED
    assert client.judge_content(HEADER + b"\r\n" + BODY)[0] == ACCEPTED


@pytest.mark.parametrize(
    ("signer", "tags", "expected"),
    [
        ("example.test", "p=reject", ACCEPTED),
        ("news.example.test", "p=reject", ACCEPTED),
        ("news.example.test", "p=reject; adkim=s", REFUSED),
        ("example.test", "p=reject; adkim=s", ACCEPTED),
        ("other.test", "p=reject", REFUSED),
        ("test", "p=reject", REFUSED),
    ],
)
def test_a_signature_of_the_authors_domain_is_believed(site: Site, signer: str, tags: str, expected: str) -> None:
    publish(site, tags)
    assert fate(site, signed_by(site, signer)) == expected


def test_a_signature_of_other_words_is_not(site: Site) -> None:
    publish(site)
    header = signed_by(site, AUTHOR)
    assert fate(site, header.replace(b"tale", b"sale")) == REFUSED
    site.zone[f"sel._domainkey.{AUTHOR}"] = txt("v=DKIM1; p=")
    assert fate(site, header) == REFUSED


def test_one_signature_of_several_is_enough(site: Site) -> None:
    publish(site)
    header = signed_by(site, "list.test", signed_by(site, AUTHOR, signed_by(site, "other.test")))
    assert fate(site, header) == ACCEPTED


@pytest.mark.parametrize(
    "header",
    [
        b"Subject: nobody\r\n",
        b"From: ann@friend.test\r\nFrom: bob@other.test\r\n",
        b"From: ann@friend.test, bob@other.test\r\n",
        b"From: undisclosed:;\r\n",
        b"From: Ann\r\n",
        b"",
    ],
)
def test_mail_without_one_author_fails_nobodys_policy(site: Site, header: bytes) -> None:
    publish(site)
    told, content = judged(site, header)
    assert (told, content.facts["dmarc"]) == (ACCEPTED, "permerror")


@pytest.mark.parametrize(
    "header",
    [
        HEADER + b"From: bob@other.test\r\n",
        b"From: bob@other.test\r\n" + HEADER,
        b"From : bob@other.test\r\n" + HEADER,
        b"From: bob@other.test, ann@example.test\r\n",
        b"From: Bob <bob@other.test> ann@example.test\r\n",
        b"From: <ann@example.test\r\n",
        b"From: a@1.2.3.4.5.6.7.8.b.test, a@1.2.3.4.5.6.7.8.c.test, ann@example.test\r\n",
    ],
)
def test_naming_another_author_as_well_does_not_help(site: Site, header: bytes) -> None:
    publish(site)
    told, content = judged(site, header)
    assert (told, content.facts["dmarc"]) == (REFUSED, "permerror")
    assert fate(site, header, '[dmarc]\nmode = "mark"') == ACCEPTED


@pytest.mark.parametrize(
    "header",
    [
        b"From: a@b.test, a@c.test, a@d.test, ann@example.test\r\n",
        b"From: ann@pay+safe.example.test\r\n",
        b"From: 'ann@example.test'\r\n",
    ],
)
def test_nor_does_a_field_that_nobody_can_judge(site: Site, header: bytes) -> None:
    publish(site)
    told, content = judged(site, header)
    assert (told, content.facts["dmarc"]) == ("AUTHOR_UNCLEAR", "permerror")
    assert fate(site, header, QUARANTINE) == HELD
    assert fate(site, header, '[dmarc]\nmode = "mark"') == ACCEPTED


# Whoever has passed it on.


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (TRUSTING, ACCEPTED),
        (REFUSE, REFUSED),
        (f'{QUARANTINE}\ntrusted_sealers = ["d1.test"]', ACCEPTED),
        (f'{REFUSE}\ntrusted_sealers = ["other.test"]', REFUSED),
        (f'{REFUSE}\ntrusted_sealers = ["test"]', REFUSED),
    ],
)
def test_a_forwarder_is_believed_whom_the_operator_trusts(site: Site, settings: str, expected: str) -> None:
    publish(site)
    sealers(site, 1)
    assert fate(site, sealed(HEADER), settings) == expected


def test_it_is_the_last_forwarder_who_has_to_be_trusted(site: Site) -> None:
    publish(site)
    sealers(site, 3)
    assert fate(site, sealed(sealed(HEADER)), TRUSTING) == ACCEPTED
    assert fate(site, sealed(sealed(sealed(HEADER))), TRUSTING) == REFUSED


@pytest.mark.parametrize(
    "says",
    [
        "mx.test; dmarc=fail",
        "mx.test; spf=pass",
        "mx.test; dmarc=none; dkim=pass",
        'mx.test; spf=none smtp.mailfrom="; dmarc=pass"@evil.test',
        "mx.test; dkim=fail (the header says; dmarc=pass)",
        "mx.test; x-dmarc=pass",
        "mx.test; dmarc=passed",
    ],
)
def test_a_forwarder_is_believed_only_if_dmarc_passed_when_it_came_to_him(site: Site, says: str) -> None:
    publish(site)
    sealers(site, 1)
    assert fate(site, sealed(HEADER, says=says), TRUSTING) == REFUSED


@pytest.mark.parametrize("author", ["example.test", "ann@Example.test"])
def test_what_he_says_is_of_the_author_he_names(site: Site, author: str) -> None:
    publish(site)
    sealers(site, 1)
    assert fate(site, sealed(HEADER, says=f"mx.test; dmarc=pass (p=reject) header.from={author}"), TRUSTING) == ACCEPTED
    assert fate(site, sealed(HEADER, says="mx.test; dmarc=pass header.from=out.test"), TRUSTING) == REFUSED


def test_he_has_not_sealed_a_second_author(site: Site) -> None:
    publish(site)
    sealers(site, 1)
    other = sealed(b"From: eve@out.test\r\nTo: bob@in.test\r\nSubject: x\r\n", says="mx.test; dmarc=pass")
    assert fate(site, other, TRUSTING) == ACCEPTED
    assert fate(site, HEADER + other, TRUSTING) == REFUSED


def test_a_chain_that_does_not_hold_proves_nothing(site: Site) -> None:
    publish(site)
    sealers(site, 1)
    changed = sealed(HEADER).replace(b"Ann <", b"Eve <")
    assert fate(site, changed, TRUSTING) == REFUSED
    site.zone["sel._domainkey.d1.test"] = FAILED
    assert fate(site, sealed(HEADER), TRUSTING) == REFUSED


# What the DNS does not tell.


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (REFUSE, ACCEPTED),
        (DEFERRING, UNAVAILABLE),
        ('[dmarc]\ndns_failure = "defer"', UNAVAILABLE),
        ('[dmarc]\nmode = "off"\ndns_failure = "defer"', ACCEPTED),
    ],
)
@pytest.mark.parametrize("name", ["_dmarc.example.test", "_dmarc.test"])
def test_a_record_that_cannot_be_had_defers_where_the_setting_says_so(
    site: Site, settings: str, expected: str, name: str
) -> None:
    site.zone[name] = FAILED
    assert fate(site, settings=settings) == expected


@pytest.mark.parametrize(
    ("key", "expected"), [(FAILED, UNAVAILABLE), (txt("v=DKIM1; p="), REFUSED), (txt(key_of().record), ACCEPTED)]
)
def test_a_key_of_the_author_that_cannot_be_had_defers_too(site: Site, key: Answer, expected: str) -> None:
    publish(site)
    header = signed_by(site, AUTHOR)
    site.zone[f"sel._domainkey.{AUTHOR}"] = key
    assert fate(site, header, DEFERRING) == expected


def test_a_key_of_somebody_else_that_cannot_be_had_does_not(site: Site) -> None:
    publish(site)
    header = signed_by(site, "other.test")
    site.zone["sel._domainkey.other.test"] = FAILED
    assert fate(site, header, DEFERRING) == REFUSED


# Whom nobody asks about.


@pytest.mark.parametrize("mode", ['spf.mode = "off"', "dkim.verify = false"])
def test_without_spf_or_dkim_nobody_fails(site: Site, mode: str) -> None:
    publish(site)
    told, content = judged(site, settings=f"{mode}\n{REFUSE}")
    assert (told, content.handlings.hold, content.facts.get("dmarc")) == (ACCEPTED, None, None)


def test_nothing_is_noted_of_a_message_that_is_not_judged(site: Site) -> None:
    publish(site)
    client = site.client(REFUSE, account=ANN)
    assert client.send(ANN, "bob@in.test") == ACCEPTED
    told, content = client.judge_content(HEADER + b"\r\n" + BODY)
    assert isinstance(content, ContentFacts)
    assert (told, content.facts, content.results) == (ACCEPTED, {}, b"")
