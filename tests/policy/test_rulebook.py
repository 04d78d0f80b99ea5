# SPDX-License-Identifier: Apache-2.0
"""The rule documents parsed: each once for a text, and seen anew as soon as the directory has another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from genkan.directory import Directory
from genkan.policy.rulebook import Rulebook, met
from genkan.rules.document import Origin
from genkan.rules.effect import EffectAction
from genkan.smtp.address import Mailbox, parse_mailbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from genkan.directory.accounts import Account

ANN = "ann@in.test"
BLOCK = b"Virus:x\nSubject:x\nLevel:100\nVirusEnd:\n"


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Directory]:
    with Directory.open(tmp_path / "data") as opened:
        opened.domains.add("in.test")
        for address in (ANN, "bob@in.test"):
            opened.accounts.add(parse_mailbox(address), "Somebody")
        yield opened


@pytest.fixture
def rulebook(directory: Directory) -> Rulebook:
    return Rulebook(directory.documents.current, directory.new_cache())


@pytest.fixture
def ann(directory: Directory) -> Account:
    return directory.accounts.show(parse_mailbox(ANN))


def store(directory: Directory, name: str, octets: bytes, account: Account | None = None) -> None:
    directory.documents.store(name, account, octets, "operator")


def test_without_documents_bounces_come_in_and_an_empty_argument_does_not(rulebook: Rulebook) -> None:
    effect = rulebook.effect()
    assert [rule.action for rule in effect.rules] == [EffectAction.DEFAULT, EffectAction.FALSE]
    assert effect.match("192.0.2.1", Mailbox("x", "out.test"), blank=False) is None


def test_without_documents_nothing_is_asked(rulebook: Rulebook, ann: Account) -> None:
    assert (rulebook.mail(), rulebook.account_mail(ann), rulebook.account_effect(ann), rulebook.sender(ann)) == (
        None,
        None,
        None,
        None,
    )
    assert (rulebook.ordb().zones, rulebook.rejectsmtpip().rules) == ((), ())
    assert (rulebook.approval_addresses().rules, rulebook.approval_subjects().rules) == ((), ())


def test_an_empty_effect_dat_is_not_the_shipped_one(directory: Directory, rulebook: Rulebook) -> None:
    store(directory, "effect.dat", b"")
    assert rulebook.effect().rules == ()


def test_a_mail_dat_without_blocks_is_none(directory: Directory, rulebook: Rulebook, ann: Account) -> None:
    store(directory, "mail.dat", b"' nothing here\n")
    store(directory, "mail.dat", b"Virus:x\nSubject:x\nVirusEnd:\n", ann)
    assert (rulebook.mail(), rulebook.account_mail(ann)) == (None, None)


def test_a_document_is_parsed_once(directory: Directory, rulebook: Rulebook, ann: Account) -> None:
    store(directory, "effect.dat", b"out.test false\n")
    store(directory, "mail.dat", BLOCK, ann)
    assert rulebook.effect() is rulebook.effect()
    assert rulebook.account_mail(ann) is rulebook.account_mail(ann)


def test_a_change_elsewhere_does_not_parse_it_again(directory: Directory, rulebook: Rulebook, ann: Account) -> None:
    store(directory, "mail.dat", BLOCK, ann)
    before = rulebook.account_mail(ann)
    store(directory, "effect.dat", b"out.test false\n")
    assert rulebook.account_mail(ann) is before


def test_a_change_is_seen_at_the_next_question(directory: Directory, rulebook: Rulebook, ann: Account) -> None:
    for number in range(3):
        store(directory, "effect.dat", b"out%d.test false\n" % number)
        store(directory, "sender.dat", b"*@x%d.test,-1\n*,0\n" % number, ann)
        assert [rule.text for rule in rulebook.effect().rules] == [f"out{number}.test"]
        rules = rulebook.sender(ann)
        assert rules is not None
        assert rules.forbids(Mailbox("u", f"x{number}.test")) is not None
        assert rules.rules[0].origin.revision == number + 1


def test_a_removed_document_counts_no_more(directory: Directory, rulebook: Rulebook, ann: Account) -> None:
    store(directory, "sender.dat", b"*,-1\n", ann)
    assert rulebook.sender(ann) is not None
    directory.documents.remove("sender.dat", ann, "operator")
    assert rulebook.sender(ann) is None


def test_a_change_by_another_process_is_seen_after_a_renewal(
    tmp_path: Path, directory: Directory, rulebook: Rulebook
) -> None:
    assert rulebook.ordb().zones == ()
    with Directory.open(tmp_path / "data") as other:
        store(other, "ordb.dat", b"list.test\n")
    directory.renew()
    assert [zone.name for zone in rulebook.ordb().zones] == ["list.test"]


def test_an_account_has_its_own_documents_and_not_anothers(
    directory: Directory, rulebook: Rulebook, ann: Account
) -> None:
    bob = directory.accounts.show(parse_mailbox("bob@in.test"))
    store(directory, "effect.dat", b"* false\n", ann)
    assert rulebook.account_effect(bob) is None
    rules = rulebook.account_effect(ann)
    assert rules is not None
    assert (rules.rules[0].origin.account, rules.rules[0].origin.line) == (ANN, 1)
    assert len(rulebook.effect().rules) == 2


def test_a_rule_that_was_met_is_noted_with_its_place() -> None:
    rule = met(Origin("mail.dat", ANN, 4, 12), "Virus:x")
    assert (rule.document, rule.account, rule.revision, rule.line, rule.text) == ("mail.dat", ANN, 4, 12, "Virus:x")
