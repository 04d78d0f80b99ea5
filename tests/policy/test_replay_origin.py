# SPDX-License-Identifier: Apache-2.0
"""What was found out about a message's origin decides the same again: live, on trial and in a replay of the record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from genkan.policy.origin_facts import RESULTS
from genkan.policy.replay import RecordedText, Replay, differences, recorded
from tests.policy.origins import (
    ANN,
    AUTHOR,
    CLIENT,
    FAILED,
    REFUSE,
    X,
    coming,
    publish,
    sealers,
    signed_by,
)
from tests.support.policy_site import ACCEPTED, HOSTNAME, config_of
from tests.support.signed_mail import BODY, HEADER, sealed

if TYPE_CHECKING:
    from genkan.policy.facts import ContentFacts
    from genkan.policy.replay import Outcome
    from genkan.record.entry import ContentEntry
    from genkan.rules.mail_match import MailText
    from tests.support.policy_site import Client, Site

TRUSTING: Final = f'{REFUSE}\ntrusted_sealers = ["d1.test"]'
DEFERRING: Final = f'{REFUSE}\ndns_failure = "defer"'
QUARANTINE: Final = '[dmarc]\nmode = "quarantine"'
FORGED: Final = b"Authentication-Results: mx.in.test; dmarc=pass\r\n"
FOREIGN: Final = b"Authentication-Results: other.test; dmarc=pass\r\n"


def received(site: Site, header: bytes, settings: str = "") -> tuple[Client, ContentFacts]:
    """A message that came in, or was refused at its end."""
    client = coming(site, settings)
    _, content = client.judge_content(header + b"\r\n" + BODY)
    return client, content


def replayed(site: Site, client: Client, settings: str = "", text: MailText | None = None) -> Outcome:
    """What the documents of now say of the content; nobody is asked."""
    assert client.entry is not None
    before = len(site.asked)
    outcome = Replay(config_of(settings), site.directory, site.rulebook()).transaction(client.entry, text)[-1]
    assert (outcome.stage, len(site.asked)) == ("content", before)
    return outcome


def content_of(client: Client) -> ContentEntry:
    assert client.entry is not None
    assert client.entry.content is not None
    return client.entry.content


# DMARC.


@pytest.mark.parametrize("settings", ["", QUARANTINE, REFUSE, TRUSTING, DEFERRING])
@pytest.mark.parametrize("tags", ["p=none", "p=quarantine", "p=reject", "p=reject; t=y", "p=none; np=reject"])
@pytest.mark.parametrize("kind", ["plain", "signed", "sealed", "subdomain", "unknown", "nobody", "unclear", "two"])
def test_the_facts_of_a_judgement_lead_to_what_it_led_to(site: Site, kind: str, tags: str, settings: str) -> None:
    publish(site, tags)
    sealers(site, 1)
    if kind == "unknown":
        site.zone[f"_dmarc.{AUTHOR}"] = FAILED
    headers = {
        "signed": signed_by(site, AUTHOR),
        "sealed": sealed(HEADER),
        "subdomain": HEADER.replace(b"@example", b"@missing.example"),
        "nobody": b"Subject: x\r\n",
        "unclear": b"From: ann@pay+safe.example.test\r\n",
        "two": b"From: eve@out.test\r\n" + HEADER,
    }
    client, content = received(site, headers.get(kind, HEADER), settings)
    assert client.entry is not None
    for text in (None, content.text):
        replay = Replay(config_of(settings), site.directory, site.rulebook())
        assert differences(recorded(client.entry), replay.transaction(client.entry, text)) == []


@pytest.mark.parametrize(
    ("tags", "settings", "said"),
    [
        ("p=reject", REFUSE, ("DMARC_REFUSED", ())),
        ("p=reject", QUARANTINE, ("accepted", ("held: DMARC: not proven to be from example.test",))),
        ("p=quarantine", REFUSE, ("accepted", ("held: DMARC: not proven to be from example.test",))),
        ("p=none", REFUSE, ("accepted", ())),
        ("p=reject", '[dmarc]\nmode = "off"', ("accepted", ())),
    ],
)
def test_what_was_only_marked_shows_what_another_setting_would_do(
    site: Site, tags: str, settings: str, said: tuple[str, tuple[str, ...]]
) -> None:
    publish(site, tags)
    client, _ = received(site, HEADER)
    outcome = replayed(site, client, settings)
    assert (outcome.said, outcome.unknown) == (said, False)


def test_a_client_that_a_document_trusts_by_now_is_not_judged(site: Site) -> None:
    publish(site)
    client, _ = received(site, HEADER, REFUSE)
    site.rules("effect.dat", f"{CLIENT} default")
    outcome = replayed(site, client, REFUSE)
    assert (outcome.said, outcome.unknown) == (("accepted", ()), False)


@pytest.mark.parametrize(
    ("settings", "unknown"),
    [
        (REFUSE, True),
        (DEFERRING, True),
        ('[dmarc]\ndns_failure = "defer"', True),
        ("", False),
        ('spf.mode="off"', False),
    ],
)
def test_a_judgement_that_nobody_made_is_unknown_where_it_would_decide(
    site: Site, settings: str, unknown: bool
) -> None:
    publish(site)
    client, _ = received(site, HEADER, '[dmarc]\nmode = "off"')
    outcome = replayed(site, client, settings)
    assert (outcome.said, outcome.unknown) == (("accepted", ()), unknown)


def test_of_an_account_nothing_has_to_be_known(site: Site) -> None:
    client = site.client(REFUSE, account=ANN)
    assert client.send(X, "bob@in.test") == ACCEPTED
    client.judge_content(HEADER + b"\r\n")
    assert not replayed(site, client, REFUSE).unknown


# Rules about our field.


def rule(text: str) -> tuple[str, ...]:
    """A block that refuses mail by its Authentication-Results field."""
    return ("Virus:origin", f"Unique-Header:Authentication-Results: {text}", "Level:100", "VirusEnd:")


@pytest.mark.parametrize(
    ("text", "header", "expected"),
    [
        ("dmarc=fail", HEADER, "CAUGHT_BY_FILTER"),
        ("dmarc=pass", HEADER, "accepted"),
        ("spf=softfail", HEADER, "CAUGHT_BY_FILTER"),
        ("mx.in.test; dmarc=fail", HEADER, "CAUGHT_BY_FILTER"),
        ("", HEADER, "CAUGHT_BY_FILTER"),
        ("dmarc=pass", FORGED + HEADER, "accepted"),
        ("dmarc=pass", HEADER + FORGED, "accepted"),
        ("dmarc=pass", FOREIGN + HEADER, "CAUGHT_BY_FILTER"),
    ],
)
@pytest.mark.parametrize("before", [(), rule("nothing of that kind")])
def test_a_rule_sees_our_field_live_on_trial_and_in_the_replay(
    site: Site, text: str, header: bytes, expected: str, before: tuple[str, ...]
) -> None:
    publish(site)
    site.spf_results[CLIENT, X] = "softfail"
    site.rules("mail.dat", *before)
    client, content = received(site, header)
    site.rules("mail.dat", *rule(text))
    live, _ = received(site, header)
    decision = content_of(live).decision
    said = [
        "accepted" if decision is None else decision.reply,
        replayed(site, client).said[0],
        replayed(site, live).said[0],
    ]
    if before:  # the text was read, and documents on trial are asked about it
        said.append(replayed(site, client, text=content.text).said[0])
    assert said == [expected] * len(said)


def test_our_field_is_there_once_however_often_it_is_judged(site: Site) -> None:
    publish(site)
    site.rules("mail.dat", *rule("dmarc=pass"))
    client, content = received(site, FORGED + HEADER + FOREIGN)
    assert content.text is not None
    known = RecordedText(content_of(client), HOSTNAME)
    for text in (content.text, known):
        replayed(site, client, text=text)
        bodies = text.header.all("authentication-results")
        assert [body.partition(b";")[0] for body in bodies] == [b"mx.in.test", b"other.test"]
        assert bodies[0].startswith(b"mx.in.test; dmarc=fail ")
    assert known.header.text("authentication-results") == content_of(client).facts[RESULTS]


def test_a_field_in_our_name_is_no_rule_s_business_though_nobody_is_asked(site: Site) -> None:
    site.rules("mail.dat", *rule("dmarc=pass"))
    client = site.client(account=ANN)
    assert client.send(ANN, "bob@in.test") == ACCEPTED
    told, _ = client.judge_content(FORGED + HEADER + b"\r\n")
    assert (told, replayed(site, client).said[0]) == (ACCEPTED, "accepted")


# What our field adds is not the client's.


@pytest.mark.parametrize(("size", "said"), [(1000, "accepted"), (1001, "HEADER_TOO_BIG")])
def test_our_field_does_not_make_a_header_section_too_big(site: Site, size: int, said: str) -> None:
    site.rules("mail.dat", *rule("nothing of that kind"))
    settings = "[limits]\nheader_size = 1000"
    header = HEADER + b"X: " + b"x" * (size - len(HEADER) - 5) + b"\r\n"
    client, content = received(site, header, settings)
    decision = content_of(client).decision
    assert ("accepted" if decision is None else decision.reply) == said
    assert replayed(site, client, settings).said[0] == said
    assert replayed(site, client, settings, text=content.text).said[0] == said
