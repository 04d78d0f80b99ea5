# SPDX-License-Identifier: Apache-2.0
"""`genkan simulate`: what it prints, and that a refusal is an answer and no error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.support.dns_server import dns_server

if TYPE_CHECKING:
    from pathlib import Path

    from tests.admin.conftest import Installation

WORDS: Final = ("simulate", "--client", "192.0.2.10", "--from", "carol@out.test")
BLOCK: Final = "Virus:watches\nSubject:watches\nLevel:{}\n{}VirusEnd:\n"
SPAM: Final = b"From: carol@out.test\nSubject: cheap watches\n\nbuy\n.\nnow"


@pytest.fixture
def accounts(installation: Installation) -> Installation:
    installation.text("account", "add", "ann@in.test", "--password-stdin", given="tea at 4 + milk\n")
    installation.text("account", "add", "bob@in.test", "--no-auth")
    return installation


def store(installation: Installation, document: str, text: str) -> None:
    installation.text("rules", "import", document, "-", given=text)


def test_the_dialogue_is_printed_with_the_rules_it_met(accounts: Installation) -> None:
    store(accounts, "effect.dat", "' ours\n192.0.2.0/24 norelay\n")
    lines = accounts.text(*WORDS, "--to", "bob@in.test", "--to", "x@out.test").splitlines()
    assert lines[:2] == [
        "C: (connects from 192.0.2.10 to the smtp listener)",
        "S: 220 mx.in.test Genkan ESMTP receiver",
    ]
    start = lines.index("C: MAIL FROM:<carol@out.test>")
    assert lines[start:] == [
        "C: MAIL FROM:<carol@out.test>",
        "S: 250 2.0.0 <carol@out.test>... Sender ok.",
        "   rule met: effect.dat:2 192.0.2.0/24 norelay,0",
        "C: RCPT TO:<bob@in.test>",
        "S: 250 2.0.0 <bob@in.test>... Recipient ok.",
        "C: RCPT TO:<x@out.test>",
        lines[start + 6],
        "   check: relay (is the sender or the recipient local, or relaying allowed by a rule?)",
        "   seen: the rule allows delivery to local addresses only",
        "   rule: effect.dat:2 192.0.2.0/24 norelay,0",
        "C: DATA",
        "S: 354 2.0.0 Start mail input;id <B0000000000> end with <CRLF>.<CRLF>",
        "C: (the message, 75 octets, and the final dot)",
        "S: 250 2.0.0 Message received ok.",
        "C: QUIT",
        "S: 221 2.0.0 mx.in.test closing connection.",
        "",
        "<bob@in.test>: deliver to bob@in.test",
    ]
    assert lines[start + 6].startswith("S: 550 5.7.1 ")


def test_the_words_are_those_of_the_profile_in_force(accounts: Installation) -> None:
    accounts.set('replies = "epstrs-4.A7"', 'replies = "rfc"')
    assert "S: 250 2.1.5 Recipient OK" in accounts.text(*WORDS, "--to", "bob@in.test").splitlines()


def test_a_client_that_is_cut_off_is_told_so(accounts: Installation) -> None:
    store(accounts, "rejectsmtpip.dat", "192.0.2.10\n")
    lines = accounts.text(*WORDS, "--to", "bob@in.test").splitlines()
    assert lines[0] == "C: (connects from 192.0.2.10 to the smtp listener)"
    assert lines[1].startswith("   check: lock-out (")
    assert (lines[2], lines[-1]) == ("   cut off without a word", "   rule: rejectsmtpip.dat:1 192.0.2.10")


@pytest.mark.parametrize(
    ("level", "more", "told"),
    [
        ("300", "Tag:[x]\n", "<bob@in.test>: deliver to bob@in.test, subject tagged '[x]'"),
        ("400", "Tag:X-Seen: yes\n", "<bob@in.test>: deliver to bob@in.test, field added X-Seen: yes"),
        ("500", "Forward:x@out.test\n", "<bob@in.test>: pass on to x@out.test"),
        ("101", "", "the client is refused from then on, by a line in effect.dat"),
    ],
)
def test_what_would_become_of_the_message_is_told(accounts: Installation, level: str, more: str, told: str) -> None:
    store(accounts, "mail.dat", BLOCK.format(level, more))
    lines = accounts.text(*WORDS, "--to", "bob@in.test", "--message", "-", given=SPAM).splitlines()
    assert lines[lines.index("") + 1 :] == [told]
    assert f"C: MAIL FROM:<carol@out.test> SIZE={len(SPAM) + 5}" in lines


def test_a_message_on_hold_is_told_with_its_approvers(accounts: Installation) -> None:
    store(accounts, "approval-addresses.dat", "*@out.test hold ann@in.test 2h approve\n")
    last = accounts.text(*WORDS, "--to", "bob@in.test").splitlines()[-1]
    assert last.startswith("<bob@in.test>: deliver to bob@in.test, but first held: for approval by ann@in.test until ")
    rule = "approval-addresses.dat:1 *@out.test  hold  ann@in.test  2h  approve"
    assert last.endswith(f" UTC, then approve; *@out.test needs approval; rule {rule}")


def test_a_message_from_a_file_is_sent_whole(accounts: Installation, tmp_path: Path) -> None:
    file = tmp_path / "message"
    file.write_bytes(SPAM)
    store(accounts, "mail.dat", "Virus:now\nBody:\nnow\nBodyEnd:\nLevel:100\nVirusEnd:\n")
    (refused,) = [
        exchange
        for exchange in accounts.json(*WORDS, "--to", "bob@in.test", "--message", str(file))["dialogue"]
        if exchange["check"]
    ]
    assert (refused["check"], refused["detail"], refused["rule"]["line"]) == ("filter", "'now' found", 1)


def test_the_null_reverse_path_and_none_at_all_can_be_given(accounts: Installation) -> None:
    for word, command in (("<>", "MAIL FROM:<>"), ("", "MAIL FROM:<>"), ("#blank", "MAIL FROM:")):
        lines = accounts.text("simulate", "--client", "::1", "--from", word, "--to", "<bob@in.test>").splitlines()
        assert f"C: {command}" in lines
        assert "C: EHLO [IPv6:::1]" in lines


def test_json_has_the_dialogue_and_what_comes_of_it(accounts: Installation) -> None:
    store(accounts, "approval-subjects.dat", "simulated\thold\tann@in.test\n")
    told = accounts.json(*WORDS, "--to", "bob@in.test")
    assert list(told) == ["accepted", "dialogue", "recipients", "copies", "client_refused", "notes"]
    (recipient,) = told["recipients"]
    assert (recipient["destination"], recipient["is_local"], recipient["held"]["approvers"]) == (
        "bob@in.test",
        True,
        ["ann@in.test"],
    )
    assert recipient["held"]["rule"]["document"] == "approval-subjects.dat"
    assert told["dialogue"][0]["server"] == ["220 mx.in.test Genkan ESMTP receiver"]


def test_it_says_what_it_has_not_asked(accounts: Installation) -> None:
    store(accounts, "ordb.dat", "bl.test\n")
    notes = accounts.json(*WORDS, "--to", "bob@in.test", "--auth", "bob@in.test")["notes"]
    assert notes == [
        "without --dns these were not asked, as if they had nothing to say: bl.test",
        "bob@in.test has no password, so in truth it cannot authenticate",
    ]


def test_with_dns_the_facts_about_the_origin_are_shown(accounts: Installation) -> None:
    with dns_server('_dmarc.out.test 60 TXT "v=DMARC1; p=quarantine"') as dns:
        accounts.set("servers = []", f'servers = ["{dns.address}"]')
        accounts.set('timeout = "4s"', 'timeout = "10s"')
        accounts.set_in("dmarc", 'mode = "mark"', 'mode = "refuse"')
        lines = accounts.text(*WORDS, "--to", "bob@in.test", "--dns").splitlines()
        told = accounts.json(*WORDS, "--to", "bob@in.test", "--dns")
    assert [line for line in lines if line.startswith("   fact: dmarc")] == [
        "   fact: dmarc = fail",
        "   fact: dmarc policy = quarantine of out.test for out.test",
    ]
    assert "   fact: authentication results = mx.in.test; dmarc=fail" in "\n".join(lines)
    assert "DMARC: not proven to be from out.test; rule dmarc p=quarantine of out.test" in lines[-1]
    (recipient,) = told["recipients"]
    assert (recipient["held"]["kind"], told["notes"]) == ("quarantine", [])


def test_without_dns_it_is_said_that_the_origin_was_not_judged_where_that_matters(accounts: Installation) -> None:
    assert accounts.json(*WORDS, "--to", "bob@in.test")["notes"] == []
    accounts.set_in("dmarc", 'mode = "mark"', 'mode = "refuse"')
    assert accounts.json(*WORDS, "--to", "bob@in.test")["notes"] == [
        "without --dns these were not asked, as if they had nothing to say: DKIM and DMARC of its author"
    ]


def test_an_account_submits(accounts: Installation) -> None:
    words = ("simulate", "--client", "192.0.2.10", "--from", "ann@in.test", "--to", "x@out.test")
    assert accounts.json(*words, "--role", "submission")["accepted"] is False
    told = accounts.json(*words, "--role", "submission", "--auth", "ann@in.test", "--tls", "--hello", "pc.in.test")
    assert told["accepted"] is True
    assert [exchange["client"] for exchange in told["dialogue"]][1:5] == [
        "EHLO pc.in.test",
        "STARTTLS",
        "EHLO pc.in.test",
        "AUTH PLAIN",
    ]
    assert told["notes"] == ["no listener has the role submission"]


def test_an_account_that_is_not_there_is_an_error(accounts: Installation) -> None:
    error = accounts.refusal(*WORDS, "--to", "bob@in.test", "--auth", "eve@in.test")
    assert error == "account eve@in.test is not there; see: genkan account list"


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("--client", "mx", "--from", "", "--to", "x"), "'mx' is no IP address such as 192.0.2.1 or 2001:db8::1"),
        (("--client", "::1", "--from", "a\r\nb", "--to", "x"), "has control characters or is not UTF-8"),
        (("--client", "::1", "--from", "", "--to", "x\n"), "has control characters or is not UTF-8"),
        (("--client", "::1", "--from", "", "--to", "\udcff@in.test"), "has control characters or is not UTF-8"),
        (("--client", "::1", "--from", ""), "Missing option '--to'."),
        (("--client", "::1", "--from", "", "--to", "x", "--role", "lmtp"), "'lmtp' is not one of"),
    ],
)
def test_a_command_line_that_is_wrong_is_a_usage_error(
    installation: Installation, words: tuple[str, ...], error: str
) -> None:
    assert error in installation.misuse("simulate", *words)
