# SPDX-License-Identifier: Apache-2.0
"""What the transcript reader understands, and that it understands nothing else."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from genkan.smtp.reply import Profile
from tests.support.transcript import (
    Advance,
    Answer,
    AwaitRule,
    Closed,
    Expect,
    ExpectMatch,
    HeldCount,
    HoldConnections,
    MailboxCount,
    NewConnection,
    RefusedBy,
    Send,
    SpooledContent,
    SpooledCount,
    StartTls,
    Step,
    StopServer,
    TranscriptError,
    parse_transcript,
    read_folder,
    read_transcript,
)

PATH = Path("a.txt")
HEAD = "# It shows something.\nuse: rfc\n"


def step_of(line: str) -> Step:
    return parse_transcript(f"{HEAD}{line}\n", PATH).steps[0]


def test_header_gives_purpose_references_profiles_and_settings() -> None:
    transcript = parse_transcript(
        "# It shows something.\n# RFC 5321, 4.1.4\nuse: epstrs-4.83 epstrs-4.A7\nclient: 2001:DB8::1\n"
        "listener: submission\nways: written octets\nset: limits.recipients = 3\nset: expires = 2020-01-01\n\nCLOSED\n",
        PATH,
    )
    assert transcript.shows == "It shows something."
    assert transcript.references == ("RFC 5321, 4.1.4",)
    assert transcript.profiles == (Profile.EPSTRS_483, Profile.EPSTRS_4A7)
    assert transcript.client_address == "2001:db8::1"
    assert transcript.listener == "submission"
    assert transcript.ways == ("written", "octets")
    assert transcript.settings == {"limits.recipients": "3", "expires": "2020-01-01"}
    assert transcript.steps == (Closed(10),)


def test_header_defaults_are_an_outside_client_on_the_smtp_listener_in_all_ways() -> None:
    transcript = parse_transcript(f"{HEAD}CLOSED", PATH)
    assert (transcript.client_address, transcript.listener) == ("192.0.2.10", "smtp")
    assert transcript.ways == ("written", "octets", "pipelined")
    assert transcript.settings == {}
    assert (transcript.rules, transcript.zone, transcript.clamd) == ({}, "", "")


def test_header_gives_rule_documents_a_zone_and_a_scanner() -> None:
    transcript = parse_transcript(
        f"{HEAD}rules effect.dat: #<> default\nrules effect.dat:\nrules effect.dat: 192.0.2.0/24 norelay,2\n"
        "rules mail.dat of bob@in.test: Subject:未承諾\nrules mail.dat: a\\tb\\x83\n"
        "dns: a.test 300 A 192.0.2.1\ndns: b.test 300 A 192.0.2.2\nclamd: fails\nCLOSED\n",
        PATH,
    )
    assert transcript.rules == {
        ("effect.dat", ""): b"#<> default\r\n\r\n192.0.2.0/24 norelay,2\r\n",
        ("mail.dat", "bob@in.test"): "Subject:未承諾\r\n".encode(),
        ("mail.dat", ""): b"a\tb\x83\r\n",
    }
    assert transcript.zone == "a.test 300 A 192.0.2.1\nb.test 300 A 192.0.2.2\n"
    assert transcript.clamd == "fails"


@pytest.mark.parametrize(
    ("line", "step"),
    [
        ("C: EHLO ä.test ", Send(3, "EHLO ä.test \r\n".encode())),
        ("C:", Send(3, b"\r\n")),
        (r"C| a\r\n\x00\\ b", Send(3, b"a\r\n\x00\\ b")),
        (r"C* 3 ab\n", Send(3, b"ab\nab\nab\n")),
        ("S: 250 2.0.0 ok.", Expect(3, "250 2.0.0 ok.")),
        (r"S| 334\x20", Expect(3, "334 ")),
        (r"S~ 354 .* <B\d{10}>", ExpectMatch(3, re.compile(r"354 .* <B\d{10}>"))),
        ("ANSWER CRAM-MD5 ann@in.test ann's secret 1", Answer(3, "CRAM-MD5", "ann@in.test", "ann's secret 1")),
        ("TLS", StartTls(3)),
        ("CLOSED", Closed(3)),
        ("NEW", NewConnection(3)),
        ("STOP", StopServer(3)),
        ("HELD 2", HoldConnections(3, 2)),
        ("AFTER 90s", Advance(3, timedelta(seconds=90))),
        ("AFTER 5m", Advance(3, timedelta(minutes=5))),
        ("AFTER 2h", Advance(3, timedelta(hours=2))),
        ("AFTER 5d", Advance(3, timedelta(days=5))),
        ("AWAIT effect.dat: 192.0.2.10 false", AwaitRule(3, "effect.dat", "192.0.2.10 false")),
        ("SPOOLED: 1", SpooledCount(3, 1)),
        (r"SPOOLED| a\r\n", SpooledContent(3, b"a\r\n")),
        ("QUARANTINE: 2", HeldCount(3, "quarantine", 2)),
        ("WAITING: 1", HeldCount(3, "approval", 1)),
        ("REFUSED AUTH_NOT_BASE64: session", RefusedBy(3, "AUTH_NOT_BASE64", "session")),
        ("MAILBOX ann: 1", MailboxCount(3, "ann", 1)),
    ],
)
def test_every_kind_of_line_is_a_step(line: str, step: Step) -> None:
    assert step_of(line) == step


def test_a_line_expected_several_times_is_several_steps() -> None:
    transcript = parse_transcript(f"{HEAD}S* 2 250 ok\nCLOSED\n", PATH)
    assert transcript.steps == (Expect(3, "250 ok"), Expect(3, "250 ok"), Closed(4))


def test_comments_and_empty_lines_between_steps_are_no_steps() -> None:
    transcript = parse_transcript(f"{HEAD}\nC: NOOP\n# a word\n\nCLOSED\n", PATH)
    assert transcript.steps == (Send(4, b"NOOP\r\n"), Closed(7))
    assert transcript.references == ()


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "a.txt:1: a transcript begins with '#' and one sentence saying what it shows"),
        ("use: rfc\nCLOSED\n", "a.txt:1: a transcript begins with '#' and one sentence saying what it shows"),
        ("# no sentence\n", "a.txt:1: a transcript begins with '#' and one sentence saying what it shows"),
        (
            "# It shows something.\nCLOSED\n",
            "a.txt:3: 'use:' is missing: name the profiles for which the dialogue holds",
        ),
        (HEAD, "a.txt:3: there are no steps"),
        ("# It.\nuse: epstrs-9\n", "a.txt:2: 'epstrs-9' is not a valid Profile; use epstrs-4.82, "),
        (f"{HEAD}client: mars\n", "a.txt:3: 'mars' does not appear to be an IPv4 or IPv6 address"),
        (f"{HEAD}listener: pop\n", "a.txt:3: 'pop' is not known; use smtp, submission, submissions"),
        (f"{HEAD}ways: slowly\n", "a.txt:3: 'slowly' is not known; use written, octets, pipelined"),
        (f"{HEAD}set: limits\n", "a.txt:3: a setting is 'set: table.key = value'"),
        (f"{HEAD}set: a.b = c\n", "a.txt:3: 'c' is no TOML value: "),
        (f"{HEAD}clamd: sleeps\n", "a.txt:3: 'sleeps' is not known; use finds, fails"),
        (f"{HEAD}rules effect.dat: \\q\n", "a.txt:3: \\q is not known; use "),
        (f"{HEAD}rules effect.dat of : x\n", "a.txt:3: this line is not understood: 'rules effect.dat of : x'"),
        (f"{HEAD}CLOSED\nrules mail.dat: x\n", "a.txt:4: 'rules mail.dat:' stands before the first step"),
        (f"{HEAD}CLOSED\nuse: rfc\n", "a.txt:4: 'use:' stands before the first step"),
        (f"{HEAD}\nC NOOP\n", "a.txt:4: this line is not understood: 'C NOOP'"),
        (f"{HEAD}c: NOOP\n", "a.txt:3: this line is not understood: 'c: NOOP'"),
        (f"{HEAD} CLOSED\n", "a.txt:3: this line is not understood: ' CLOSED'"),
        (f"{HEAD}S: 250 ok \n", "a.txt:3: this line is not understood: 'S: 250 ok '"),
        (f"{HEAD}S:\n", "a.txt:3: this line is not understood: 'S:'"),
        (f"{HEAD}C| a\\q\n", "a.txt:3: \\q is not known; use \\r \\n \\t \\\\ \\xNN"),
        (f"{HEAD}C| a\\x0\n", "a.txt:3: \\x is not known; use \\r \\n \\t \\\\ \\xNN"),
        (f"{HEAD}C| a\\\n", "a.txt:3: \\ is not known; use \\r \\n \\t \\\\ \\xNN"),
        (f"{HEAD}S~ (\n", "a.txt:3: no regular expression: "),
        (f"{HEAD}ANSWER PLAIN ann secret\n", "a.txt:3: 'PLAIN' is not known; use CRAM-MD5, SCRAM-SHA-256"),
        (f"{HEAD}AFTER 5 minutes\n", "a.txt:3: this line is not understood: 'AFTER 5 minutes'"),
        (f"{HEAD}SPOOLED: one\n", "a.txt:3: this line is not understood: 'SPOOLED: one'"),
    ],
)
def test_what_is_not_understood_is_an_error_with_its_place(text: str, error: str) -> None:
    with pytest.raises(TranscriptError) as raised:
        parse_transcript(text, PATH)
    assert str(raised.value)[: len(error)] == error


def test_a_folder_is_read_with_all_below_it_by_name(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "one.txt").write_text(f"{HEAD}CLOSED\n", "utf-8")
    (tmp_path / "a.txt").write_text(f"{HEAD}TLS\n", "utf-8")
    (tmp_path / "README.md").write_text("no transcript", "utf-8")
    assert [transcript.path.name for transcript in read_folder(tmp_path)] == ["a.txt", "one.txt"]


def test_a_step_knows_its_place(tmp_path: Path) -> None:
    path = tmp_path / "one.txt"
    path.write_text(f"{HEAD}CLOSED\n", "utf-8")
    transcript = read_transcript(path)
    assert transcript.place(transcript.steps[0]) == f"{path}:3"
