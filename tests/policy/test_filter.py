# SPDX-License-Identifier: Apache-2.0
"""The content filter and the scanner: which document decides for whom, and what is done with the message."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pytest

from genkan.policy.handling import AS_IT_IS, Handling
from genkan.policy.verdict import Verdict
from genkan.scanner.clamd import Clean, Infected, ScanFailed
from genkan.smtp.address import Mailbox
from tests.support.policy_site import ACCEPTED, settled

if TYPE_CHECKING:
    from genkan.policy.facts import ContentFacts
    from genkan.scanner.clamd import ScanResult
    from tests.support.policy_site import Client, Site

ANN, BOB, KAI = Mailbox("ann", "in.test"), Mailbox("bob", "in.test"), Mailbox("kai", "in2.test")
MESSAGE: Final = b"From: x@out.test\r\nSubject: hello\r\n\r\nSee http://bad.test/ and http://good.test/\r\n"
CAUGHT: Final = "CAUGHT_BY_FILTER"
WHOLE: Final = '[filter]\naccount_refusal = "message"'


def block(level: str, *items: str, name: str = "test") -> tuple[str, ...]:
    """A block for the message above."""
    return (f"Virus:{name}", "Subject:hello", *items, f"Level:{level}", "VirusEnd:")


def client_with(site: Site, *recipients: str, settings: str = "") -> Client:
    """A client from outside whose recipients were accepted."""
    client = site.client(settings)
    assert client.mail("x@out.test") == ACCEPTED
    assert [client.rcpt(recipient) for recipient in recipients] == [ACCEPTED] * len(recipients)
    return client


def judged(site: Site, *recipients: str, settings: str = "") -> tuple[str, ContentFacts]:
    """The message for these recipients."""
    return client_with(site, *(recipients or (str(ANN),)), settings=settings).judge_content(MESSAGE)


@pytest.mark.parametrize(
    ("level", "items", "handling"),
    [
        ("000", (), AS_IT_IS),
        ("900", (), AS_IT_IS),
        ("200", (), AS_IT_IS),
        ("300", ("Tag:[x]",), Handling(tag="[x]")),
        ("400", ("Tag:X-A: b",), Handling(fields=(("X-A", "b"),))),
        ("400", ("Tag:word",), Handling(fields=(("X-Mail-Filter", "word"),))),
        ("500", ("Forward:kai@in2.test", "Tag:[x]"), Handling(forward=KAI)),
        ("600", ("Forward:kai@in2.test", "Tag:[x]"), Handling(tag="[x]", forward=KAI)),
        ("700", ("Forward:kai@in2.test", "Tag:X-A: b"), Handling(fields=(("X-A", "b"),), forward=KAI)),
    ],
)
def test_a_level_says_how_the_message_goes_on(
    site: Site, level: str, items: tuple[str, ...], handling: Handling
) -> None:
    site.rules("mail.dat", *block(level, *items))
    told, content = judged(site)
    assert (told, content.handlings.message) == (ACCEPTED, handling)
    assert [(rule.document, rule.line, rule.text) for rule in content.rules] == [("mail.dat", 1, "Virus:test")]


@pytest.mark.parametrize(
    ("level", "copies", "refused_client"),
    [("100", 0, False), ("110", 1, False), ("101", 0, True), ("111", 1, True), ("120", 0, False), ("102", 0, False)],
)
def test_a_refusing_block_may_keep_a_copy_and_refuse_the_client(
    site: Site, level: str, copies: int, refused_client: bool
) -> None:
    site.rules("mail.dat", *block(level, "Warning:", "The reason.", "WarningEnd:"))
    told, content = judged(site)
    assert told == CAUGHT
    assert [copy.warning for copy in content.handlings.copies] == ["The reason."] * copies
    assert content.handlings.refuse_client == refused_client


@pytest.mark.parametrize("level", ["210", "310"])
def test_an_accepting_block_may_keep_a_copy(site: Site, level: str) -> None:
    site.rules("mail.dat", *block(level, "Tag:[x]", name="watched"))
    told, content = judged(site)
    assert told == ACCEPTED
    assert [(copy.kind, copy.reason) for copy in content.handlings.copies] == [("quarantine", "watched: 'hello' found")]


@pytest.mark.parametrize("level", ["500", "600", "700"])
def test_a_block_that_forwards_nowhere_does_not_apply(site: Site, level: str) -> None:
    site.rules("mail.dat", *block(level), *block("100"))
    assert judged(site)[0] == CAUGHT


def test_the_servers_document_speaks_first_and_for_all(site: Site) -> None:
    site.rules("mail.dat", *block("000"))
    site.rules("mail.dat", *block("100"), account=str(ANN))
    told, content = judged(site)
    assert (told, content.handlings.accounts) == (ACCEPTED, {})


def test_where_the_servers_document_says_nothing_the_accounts_do(site: Site) -> None:
    site.rules("mail.dat", "Virus:other", "Subject:other", "Level:000", "VirusEnd:")
    site.rules("mail.dat", *block("100"), account=str(ANN))
    assert judged(site)[0] == CAUGHT


def test_an_accounts_refusal_keeps_its_copy_alone(site: Site) -> None:
    site.rules("mail.dat", *block("100"), account=str(BOB))
    told, content = judged(site, str(ANN), str(BOB))
    assert told == ACCEPTED
    assert content.handlings.of(ANN) == AS_IT_IS
    holding = content.handlings.of(BOB).holding
    assert holding is not None
    assert (holding.kind, holding.rule.account) == ("quarantine", str(BOB))


@pytest.mark.parametrize(
    ("refusing", "recipients", "told", "told_whole"),
    [
        ((BOB,), (BOB,), CAUGHT, CAUGHT),
        ((BOB,), (ANN, BOB), ACCEPTED, CAUGHT),
        ((ANN, BOB), (ANN, BOB), CAUGHT, CAUGHT),
        ((BOB,), (ANN,), ACCEPTED, ACCEPTED),
    ],
)
def test_an_accounts_refusal_is_told_when_nobody_else_gets_the_message(
    site: Site, refusing: tuple[Mailbox, ...], recipients: tuple[Mailbox, ...], told: str, told_whole: str
) -> None:
    for account in refusing:
        site.rules("mail.dat", *block("100"), account=str(account))
    assert judged(site, *map(str, recipients))[0] == told
    assert judged(site, *map(str, recipients), settings=WHOLE)[0] == told_whole


def test_an_accounts_document_is_not_asked_about_mail_of_a_list(site: Site) -> None:
    site.rules("mail.dat", *block("100"), account=str(BOB))
    assert judged(site, "news@in.test")[0] == ACCEPTED


def test_a_recipient_elsewhere_gets_what_an_account_refuses(site: Site) -> None:
    site.rules("effect.dat", "192.0.2.10 true")
    site.rules("mail.dat", *block("100"), account=str(ANN))
    told, content = judged(site, str(ANN), "y@out2.test")
    assert told == ACCEPTED
    assert list(content.handlings.accounts) == [ANN]


def test_each_account_has_its_own_way(site: Site) -> None:
    site.rules("mail.dat", *block("300", "Tag:[ann]"), account=str(ANN))
    site.rules("mail.dat", *block("500", "Forward:kai@in2.test"), account=str(BOB))
    _, content = judged(site, str(ANN), str(BOB), "kai@in2.test")
    handlings = content.handlings
    assert [handlings.of(each) for each in (ANN, BOB, KAI)] == [
        Handling(tag="[ann]"),
        Handling(forward=KAI),
        AS_IT_IS,
    ]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ("", CAUGHT),
        ("[filter]\nenabled = false", ACCEPTED),
        ('[filter]\nexempt = ["192.0.2.0/24"]', ACCEPTED),
        ('[filter]\nexempt = ["2001:db8::/32", "192.0.2.11/32"]', CAUGHT),
    ],
)
def test_clients_may_be_exempt_and_the_filter_be_off(site: Site, settings: str, told: str) -> None:
    site.rules("mail.dat", *block("100"))
    assert judged(site, settings=settings)[0] == told


def test_the_text_is_read_only_where_a_document_speaks_of_the_transaction(site: Site) -> None:
    site.rules("mail.dat", *block("100"), account=str(BOB))
    for recipients, reads in (((ANN,), False), ((ANN, BOB), True)):
        client = client_with(site, *map(str, recipients))
        assert client.transaction is not None
        assert client.chain.reads_text(client.transaction) == reads


# What the DNS says.


def listing(site: Site, *listed: str) -> tuple[str, ContentFacts]:
    site.listings = {(host, "uribl.test") for host in listed}
    return judged(site)


def test_a_link_that_a_zone_lists_decides_and_is_a_fact(site: Site) -> None:
    site.rules("mail.dat", *block("100", "RBL:uribl.test"))
    told, content = listing(site, "good.test", "bad.test")
    assert told == CAUGHT
    assert content.facts["listed"] == "bad.test/uribl.test good.test/uribl.test"
    told, content = listing(site)
    assert (told, content.facts["listed"]) == (ACCEPTED, "")


def test_an_unlisted_block_leaves_the_decision_to_the_next(site: Site) -> None:
    site.rules("mail.dat", *block("100", "RBL:uribl.test"), *block("300", "Tag:[x]"))
    told, content = listing(site)
    assert (told, content.handlings.message) == (ACCEPTED, Handling(tag="[x]"))
    assert listing(site, "bad.test")[0] == CAUGHT


def test_a_block_whose_words_do_not_match_asks_nothing(site: Site) -> None:
    site.rules("mail.dat", "Virus:a", "Subject:other", "RBL:uribl.test", "Level:100", "VirusEnd:")
    told, content = listing(site, "bad.test")
    assert (told, "listed" in content.facts) == (ACCEPTED, False)


# What the scanner says.


@dataclass
class Scan:
    """A scan that ends so."""

    result: ScanResult
    asked: int = 0

    async def finish(self) -> ScanResult:
        self.asked += 1
        return self.result


ACCEPTING: Final = '[filter]\nscanner_failure = "accept"'


@pytest.mark.parametrize(
    ("result", "settings", "told", "fact"),
    [
        (Clean(), "", ACCEPTED, "clean"),
        (Infected("Eicar"), "", CAUGHT, "infected Eicar"),
        (ScanFailed("timed out"), "", "SCANNER_UNAVAILABLE", "failed timed out"),
        (ScanFailed("timed out"), ACCEPTING, ACCEPTED, "failed timed out"),
    ],
)
def test_the_scanner_decides_and_its_answer_is_a_fact(
    site: Site, result: ScanResult, settings: str, told: str, fact: str
) -> None:
    outcome, content = client_with(site, str(ANN), settings=settings).judge_content(MESSAGE, scan=Scan(result))
    assert (outcome, content.facts["scan"]) == (told, fact)


def test_what_a_rule_refuses_needs_no_scan(site: Site) -> None:
    site.rules("mail.dat", *block("100"))
    scan = Scan(Infected("Eicar"))
    assert client_with(site, str(ANN)).judge_content(MESSAGE, scan=scan)[0] == CAUGHT
    assert scan.asked == 0


def test_what_a_rule_passes_is_scanned_all_the_same(site: Site) -> None:
    site.rules("mail.dat", *block("000"))
    assert client_with(site, str(ANN)).judge_content(MESSAGE, scan=Scan(Infected("Eicar")))[0] == CAUGHT


def test_a_refusal_says_what_was_found_and_by_which_block(site: Site) -> None:
    site.rules("mail.dat", *block("000", "From:nobody"), *block("100", "From:out.test", name="second"))
    client = client_with(site, str(ANN))
    _, content = client.judge_content(MESSAGE)
    verdict = settled(client.chain.content.decide(content))
    assert isinstance(verdict, Verdict)
    assert (verdict.check, verdict.detail) == ("filter", "'hello', 'out.test' found")
    assert verdict.rule is not None
    assert (verdict.rule.line, verdict.rule.text) == (6, "Virus:second")
