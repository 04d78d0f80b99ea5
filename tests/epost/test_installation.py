# SPDX-License-Identifier: Apache-2.0
"""Whole installations are read: what is found, what is lost, what is refused, and what is not to be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from genkan.epost.aliases import FoundAlias
from genkan.epost.installation import Installation, Source, read_installation
from genkan.epost.people import FoundAccount
from genkan.epost.places import NoInstallation
from genkan.smtp.address import Mailbox, parse_mailbox
from tests.epost.installations import (
    ALIASES,
    EFFECT,
    MESSAGE,
    SENDER,
    bsd_installation,
    windows_installation,
    write,
)

if TYPE_CHECKING:
    from pathlib import Path

ANN = Mailbox("ann", "in.test")
BOB = Mailbox("bob", "in.test")


def read(work: Path, **more: object) -> Installation:
    return read_installation(Source(work, **more))  # type: ignore[arg-type]


def losses(installation: Installation) -> list[str]:
    return [f"{finding.subject}: {finding.sentence}" for finding in installation.losses]


def refusals(installation: Installation) -> list[str]:
    return [f"{finding.subject}: {finding.sentence}" for finding in installation.refused]


def test_accounts_have_names_passwords_and_quotas(tmp_path: Path) -> None:
    found = read(windows_installation(tmp_path))
    assert found.domains == ("in.test",)
    assert found.accounts == (
        FoundAccount(ANN, "山田 花子", "ann-secret-1", 52428800),
        FoundAccount(BOB, "Bob Example", "", 104857600),
    )
    assert "ann-secret-1" not in repr(found)


def test_what_an_account_loses_is_said(tmp_path: Path) -> None:
    found = losses(read(windows_installation(tmp_path)))
    assert "accounts.txt:3: the password of bob@in.test is shorter than 8 characters, or unusable" in found
    assert "inbox/in.test/bob: forwarding of bob@in.test is not carried over" in found
    assert "inbox/in.test/bob: 1 messages of bob@in.test lie in IMAP folders and are not copied" in found
    assert ("accounts: bob@in.test had no apop.dat and could send without AUTH; here they must authenticate") in found
    assert "incoming: 1 messages wait for the old server's delivery and are not taken over" in found


def test_aliases_are_those_that_lead_where_they_led(tmp_path: Path) -> None:
    found = read(windows_installation(tmp_path))
    assert found.aliases == (
        FoundAlias(Mailbox("sales", "in.test"), ANN),
        FoundAlias(Mailbox("info*", "in.test"), ANN),
        FoundAlias(Mailbox("news", "in.test"), BOB),
    )
    assert "aliases.txt:3: news@in.test with ,0 kept the recipient; here mail goes to the target" in losses(found)
    assert "aliases.txt:4: *@partner.test is not made: gateway.dat passes mail for its domain on" in losses(found)


def test_documents_of_server_and_accounts_are_found_in_their_encoding(tmp_path: Path) -> None:
    found = read(windows_installation(tmp_path))
    texts = {(document.name, document.account): document.text for document in found.documents}
    assert list(texts) == [
        ("effect.dat", None),
        ("mail.dat", None),
        ("ordb.dat", None),
        ("rejectsmtpip.dat", None),
        ("gateway.dat", None),
        ("sender.dat", ANN),
    ]
    assert texts["effect.dat", None] == EFFECT.replace("\n", "\r\n")
    assert "添付ファイル" in texts["mail.dat", None]
    assert texts["sender.dat", ANN] == SENDER.replace("\n", "\r\n")


def test_blocks_that_destroy_mail_are_refused(tmp_path: Path) -> None:
    found = read(windows_installation(tmp_path))
    (refused,) = refusals(found)
    assert refused.startswith("mail.dat:10: Virus:to-nobody forwards mail to nobody")
    (text,) = [document.text for document in found.documents if document.name == "mail.dat"]
    assert "'Virus:to-nobody" in text


def test_temporary_locks_stay_behind(tmp_path: Path) -> None:
    found = read(windows_installation(tmp_path))
    (text,) = [document.text for document in found.documents if document.name == "rejectsmtpip.dat"]
    assert [line.split("\t")[0] for line in text.splitlines()] == ["198.51.100.9", "203.0.113.*", "192.0.2.200"]
    assert "../EPOST" not in "".join(losses(found))
    assert any(loss.endswith("1 temporary locks are not taken over") for loss in losses(found))


def test_the_highest_message_number_counts(tmp_path: Path) -> None:
    work = windows_installation(tmp_path)
    assert read(work).message_number == 97590  # in incoming
    write(work / "inbox/in.test/ann/B0000200000-R0001.msg", MESSAGE)
    assert read(work).message_number == 200000
    write(work / "cluster/msg.id", "B0000300000\r\n")
    assert read(work).message_number == 300000
    write(work / "REG/SOFTWARE/EMWAC/IMS/LastMsgId.1", "400000")
    assert read(work).message_number == 400000


def test_a_damaged_counter_is_left_out(tmp_path: Path) -> None:
    work = windows_installation(tmp_path)
    write(work / "cluster/msg.id", b"\xff\xfe\xfd")
    write(work / "incoming/B999999999999999999.RCP", b"")
    found = read(work)
    assert found.message_number == 97590
    assert "message ids: the number 999999999999999999 cannot be a counter and is left out" in losses(found)


def test_mail_is_found(tmp_path: Path) -> None:
    (mail,) = read(windows_installation(tmp_path)).mail
    assert mail.address == ANN
    assert [path.name for path in mail.files] == ["B0000000012.MSG", "B0000000013.MSG"]


def test_settings_are_lines_for_our_file(tmp_path: Path) -> None:
    keys = [setting.key for setting in read(windows_installation(tmp_path)).settings]
    assert keys == [
        "limits.hops",
        "limits.connections_per_client",
        "limits.connection_window",
        "limits.connection_lockout",
    ]


def test_one_mailbox_for_all_domains_is_an_alias_in_the_others(tmp_path: Path) -> None:
    work, program = bsd_installation(tmp_path)
    found = read(work, program=program)
    assert found.domains == ("in.test", "in2.test")
    assert [account.address for account in found.accounts] == [ANN, BOB]
    assert {account.quota for account in found.accounts} == {2**32}
    assert found.aliases == (
        FoundAlias(Mailbox("ann", "in2.test"), ANN),
        FoundAlias(Mailbox("bob", "in2.test"), BOB),
    )
    assert found.message_number == 319576
    assert [(document.name, document.account) for document in found.documents] == [
        ("effect.dat", None),
        ("effect.dat", ANN),
    ]


def test_a_program_folder_that_is_not_found_is_asked_for(tmp_path: Path) -> None:
    work, _ = bsd_installation(tmp_path)
    found = read(work)
    assert [document.account for document in found.documents] == [ANN]
    assert any("no program folder is found" in loss for loss in losses(found))


def test_the_program_folder_may_lie_in_the_work_folder(tmp_path: Path) -> None:
    write(tmp_path / "work/inbox/in.test/ann/size.ctl", "0")
    write(tmp_path / "work/system/bin/ordb.dat", "bl.example.test\n")
    assert [document.name for document in read(tmp_path / "work").documents] == ["ordb.dat"]


def test_a_domain_with_an_export_has_no_accounts_beside_it(tmp_path: Path) -> None:
    work = windows_installation(tmp_path)
    write(work / "inbox/in.test/gone/B0000000001.MSG", MESSAGE)
    write(work / "inbox/in2.test/eve/apop.dat", b"x")
    found = read(work)
    assert [str(account.address) for account in found.accounts] == ["ann@in.test", "bob@in.test", "eve@in2.test"]
    assert "inbox/in.test/gone: no export names gone@in.test, so the folder is left out" in losses(found)


def test_exports_that_are_named_are_read_in_place_of_those_found(tmp_path: Path) -> None:
    work = windows_installation(tmp_path)
    export = write(tmp_path / "elsewhere/in3.test.tsv", "account\tpassword\nkai\tkai-secret-1\n")
    found = read(work, accounts=(export,))
    assert FoundAccount(Mailbox("kai", "in3.test"), "", "kai-secret-1", 104857600) in found.accounts
    assert "in3.test" in found.domains
    assert len(found.aliases) == 3


def test_a_list_of_customers_makes_no_domain_local(tmp_path: Path) -> None:
    work = windows_installation(tmp_path)
    customers = write(work / "customers.txt", "x@out.test\tX Example\ny@out.test\tY Example\n")
    found = read(work)
    assert found.domains == ("in.test",)
    assert "customers.txt:1: x@out.test is in no domain of the installation" in losses(found)
    assert read(work, accounts=(customers,)).domains == ("in.test", "out.test")


def test_names_without_a_domain_get_the_default_one(tmp_path: Path) -> None:
    write(tmp_path / "inbox/ann/size.ctl", "x")
    found = read(tmp_path, default_domain="home.test")
    assert [str(account.address) for account in found.accounts] == ["ann@home.test"]
    assert "inbox/ann/size.ctl: is not one whole number, so the quota is not taken over" in losses(found)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("a@out.test\tann@in.test", "a@out.test is in no domain of the installation"),
        ("bob@in.test\tann@in.test", "bob@in.test is an account as well"),
        ("a*b@in.test\tann@in.test", "a*b@in.test: an asterisk may only end the name of an alias"),
        ("sales@in.test\tbob@in.test", "sales@in.test is named twice with another target"),
        ("x y@in.test\tann@in.test", "'x y@in.test' is no whole address"),
        ("a@in.test\ta@in.test", "leads back to itself"),
    ],
)
def test_an_alias_that_cannot_be_is_refused(tmp_path: Path, line: str, sentence: str) -> None:
    work = windows_installation(tmp_path)
    write(work / "aliases.txt", f"{ALIASES}{line}\n")
    found = read(work)
    assert len(found.aliases) == 3
    assert any(sentence in refusal for refusal in refusals(found))


def test_an_alias_for_a_local_domain_behind_a_gateway_is_refused_with_its_flag(tmp_path: Path) -> None:
    work = windows_installation(tmp_path)
    write(tmp_path / "EPOST/MS/gateway.dat", "in.test,192.0.2.25\n")
    found = read(work)
    assert Mailbox("news", "in.test") not in [alias.address for alias in found.aliases]
    assert any("news@in.test with ,0 accepted mail that gateway.dat passes on" in text for text in refusals(found))


def test_what_the_parsers_find_wrong_is_told(tmp_path: Path) -> None:
    work = windows_installation(tmp_path)
    write(tmp_path / "EPOST/MS/effect.dat", "192.0.2.1 perhaps\nin.test true\n")
    assert len([loss for loss in losses(read(work)) if loss.startswith("effect.dat:1")]) == 1


@pytest.mark.parametrize("name", ["virus.dat", "usetime.dat", "ccdisableip.dat"])
def test_files_without_counterpart_are_losses(tmp_path: Path, name: str) -> None:
    work = windows_installation(tmp_path)
    write(tmp_path / "EPOST/MS" / name, "x")
    assert any(f"{name}: is not taken over" in loss for loss in losses(read(work)))


def test_mailing_lists_are_a_loss(tmp_path: Path) -> None:
    work = windows_installation(tmp_path)
    (work / "Lists").mkdir()
    assert any(loss.startswith("Lists: looks like mailing lists") for loss in losses(read(work)))


@pytest.mark.parametrize("names", [[], ["letter.txt"], ["photos/a.jpg"]])
def test_a_folder_of_something_else_is_no_installation(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        write(tmp_path / name, "x")
    with pytest.raises(NoInstallation, match="name the folder that the admin tool calls the work folder"):
        read(tmp_path)


def test_hostile_names_and_files_are_findings(tmp_path: Path) -> None:
    work = windows_installation(tmp_path)
    for name in ("..x", "*", "a b", ".hidden"):
        write(work / "inbox/in.test" / name / "B0000000001.MSG", MESSAGE)
    (work / "inbox/in.test/evil").symlink_to("/etc")
    (work / "inbox/in.test/ann/sender.dat").write_bytes(b"\0" * 100)
    with (work / "accounts.txt").open("r+b") as file:
        file.truncate(1 << 33)
    found = read(work)
    assert all("evil" not in str(account.address) for account in found.accounts)
    assert "inbox/in.test/evil: is a link that leads out of the tree and is not followed" in losses(found)
    assert "inbox/in.test/ann/sender.dat: is not a text and is not read" in losses(found)
    assert "accounts.txt: is larger than 8388608 octets and is not read" in losses(found)


def test_addresses_are_compared_without_case(tmp_path: Path) -> None:
    work = windows_installation(tmp_path)
    write(work / "aliases.txt", "Alias\tReal\nSALES@IN.TEST\tAnn@in.test\nsales@in.test\tann@in.test\n")
    assert read(work).aliases == (FoundAlias(parse_mailbox("SALES@IN.TEST"), parse_mailbox("Ann@in.test")),)
