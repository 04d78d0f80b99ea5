# SPDX-License-Identifier: Apache-2.0
"""A plan holds what is missing; what is there and differs stays, and is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from genkan.directory import Directory
from genkan.epost.aliases import FoundAlias
from genkan.epost.documents import FoundDocument
from genkan.epost.installation import FoundMail, Installation
from genkan.epost.people import FoundAccount
from genkan.epost.plan import AddAccount, CopyMail, Plan, StoreDocument, make_plan
from genkan.smtp.address import Mailbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ANN = Mailbox("ann", "in.test")
BOB = Mailbox("bob", "in.test")


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Directory]:
    with Directory.open(tmp_path / "data") as opened:
        opened.domains.add("in.test")
        yield opened


def plan(installation: Installation, directory: Directory) -> Plan:
    return make_plan(installation, directory, None)


def words(installation: Installation, directory: Directory) -> list[str]:
    return [str(step) for step in plan(installation, directory).steps]


def refusals(installation: Installation, directory: Directory) -> list[str]:
    assert plan(installation, directory).steps == ()
    return [str(finding) for finding in plan(installation, directory).refused]


def test_an_empty_installation_is_an_empty_plan(directory: Directory) -> None:
    assert plan(Installation(), directory) == Plan((), (), (), ())


def test_steps_are_said_in_words_and_in_an_order_that_works(directory: Directory) -> None:
    installation = Installation(
        domains=("in.test", "in2.test"),
        accounts=(FoundAccount(ANN, "Ann", "secret-of-ann", 5000), FoundAccount(BOB)),
        aliases=(FoundAlias(Mailbox("sales", "in.test"), ANN),),
        documents=(
            FoundDocument("ordb.dat", None, "bl.test\n", "bin/ordb.dat"),
            FoundDocument("sender.dat", ANN, "*,0", "x"),
        ),
        message_number=99,
    )
    assert words(installation, directory) == [
        "add domain in2.test",
        "add account ann@in.test (Ann), its password, quota of 5000 octets",
        "add account bob@in.test, no password, no quota",
        "add alias sales@in.test -> ann@in.test",
        "store ordb.dat, from bin/ordb.dat",
        "store sender.dat of ann@in.test, from x",
        "let message ids begin at B0000000100",
    ]
    assert "secret-of-ann" not in repr(plan(installation, directory))


def test_an_account_that_is_there_gets_only_what_it_lacks(directory: Directory) -> None:
    directory.accounts.add(ANN, "Ann Example")
    directory.accounts.add(BOB, "", "bobs-password")
    installation = Installation(
        accounts=(FoundAccount(ANN, "A.", "secret-of-ann", 1), FoundAccount(BOB, "Bob", "another-one"))
    )
    assert words(installation, directory) == [
        "give account ann@in.test its password of the export",
        "give account bob@in.test the name Bob",
    ]


def test_an_account_with_the_address_of_an_alias_is_refused(directory: Directory) -> None:
    directory.aliases.add(ANN, Mailbox("x", "out.test"))
    assert refusals(Installation(accounts=(FoundAccount(ANN),)), directory) == [
        "warning: account ann@in.test: is an alias here; see: genkan alias remove ann@in.test"
    ]


def test_an_alias_that_is_there_is_nothing_to_do(directory: Directory) -> None:
    directory.aliases.add(Mailbox("Sales", "in.test"), ANN)
    assert words(Installation(aliases=(FoundAlias(Mailbox("sales", "IN.test"), ANN),)), directory) == []


def test_an_alias_that_leads_elsewhere_is_not_changed(directory: Directory) -> None:
    directory.aliases.add(Mailbox("sales", "in.test"), BOB)
    assert refusals(Installation(aliases=(FoundAlias(Mailbox("sales", "in.test"), ANN),)), directory) == [
        (
            "warning: alias sales@in.test: leads to bob@in.test here, and would lead to ann@in.test; "
            "remove it first: genkan alias remove sales@in.test"
        )
    ]


def test_an_alias_with_the_address_of_an_account_is_refused(directory: Directory) -> None:
    directory.accounts.add(ANN)
    assert refusals(Installation(aliases=(FoundAlias(ANN, BOB),)), directory) == [
        "warning: alias ann@in.test: is an account here; remove the account first"
    ]


def test_a_document_that_was_edited_since_stays(directory: Directory) -> None:
    installation = Installation(documents=(FoundDocument("effect.dat", None, "192.0.2.1 true\n", "bin/effect.dat"),))
    (step,) = plan(installation, directory).steps
    assert isinstance(step, StoreDocument)
    directory.documents.store("effect.dat", None, b"192.0.2.1 true\r\n", "ann")
    assert words(installation, directory) == []
    directory.documents.store("effect.dat", None, b"192.0.2.2 true\n", "ann")
    assert refusals(installation, directory) == [
        (
            "warning: bin/effect.dat: differs from revision 2 of effect.dat, which stays as it is; "
            "to replace it: genkan rules import effect.dat FILE"
        )
    ]


def test_what_the_program_ships_is_not_stored(directory: Directory) -> None:
    shipped = FoundDocument("effect.dat", None, "#<> default\r\n#blank false\r\n", "bin/effect.dat")
    assert words(Installation(documents=(shipped,)), directory) == []


def test_message_numbers_never_go_back(directory: Directory) -> None:
    directory.next_message_ids(1000)
    assert words(Installation(message_number=1000), directory) == []
    assert words(Installation(message_number=1001), directory) == ["let message ids begin at B0000001002"]


def test_mail_is_copied_only_when_wanted(directory: Directory, tmp_path: Path) -> None:
    files = (tmp_path / "a", tmp_path / "b")
    installation = Installation(mail=(FoundMail(ANN, files), FoundMail(BOB, files[:1])))
    assert words(installation, directory) == []
    steps = make_plan(installation, directory, lambda mail: mail.files[1:]).steps
    assert steps == (CopyMail(ANN, files[1:]),)
    assert str(steps[0]) == "copy 1 messages into the Maildir of ann@in.test"


def test_names_without_case_are_the_same(directory: Directory) -> None:
    directory.accounts.add(ANN, "Ann")
    found = Installation(accounts=(FoundAccount(Mailbox("ANN", "In.Test"), "Ann"), FoundAccount(BOB)))
    assert plan(found, directory).steps == (AddAccount(FoundAccount(BOB)),)
