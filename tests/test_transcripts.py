# SPDX-License-Identifier: Apache-2.0
"""The dialogues under tests/transcripts hold, three ways each, and together they draw every reply of the catalogue."""

from __future__ import annotations

import re
from collections import Counter
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from genkan.record.entry import ConnectionEntry
from genkan.record.files import FOLDER as FOLDER_OF_RECORD
from genkan.record.reader import RecordReader, Wanted
from genkan.smtp.replies import CATALOGUE
from genkan.smtp.reply import Profile, ReplyRow
from genkan.spool.reading import list_queued, read_content
from tests.support.clamd_server import clamd_server
from tests.support.dialogue import Dialogue
from tests.support.dns_server import dns_server
from tests.support.server import StoppedClock, maildir, serving, until
from tests.support.standing import make_standing, place_rules, standing_configuration
from tests.support.transcript import (
    Expect,
    ExpectMatch,
    HeldCount,
    MailboxCount,
    RefusedBy,
    SpooledContent,
    SpooledCount,
    Step,
    Transcript,
    read_folder,
)
from tests.support.ways import WAYS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from _pytest.mark import ParameterSet

    from genkan.config import Config
    from genkan.record.entry import Decision, Entry

FOLDER: Final = Path(__file__).parent / "transcripts"
TRANSCRIPTS: Final = read_folder(FOLDER)
NAMES: Final = [str(transcript.path.relative_to(FOLDER)) for transcript in TRANSCRIPTS]
PRODUCT: Final = frozenset(Profile) - {Profile.RFC}

FAULT_OF_THE_SERVER: Final = {"AUTH_UNAVAILABLE", "LOCAL_ERROR", "STORAGE_FULL"}  # no client can draw it
AtEnd = SpooledCount | SpooledContent | HeldCount | RefusedBy | MailboxCount

NOT_IN_PROFILE: Final = {
    **{profile: {"NEED_HELLO"} for profile in PRODUCT},  # the product takes MAIL without HELO
    Profile.RFC: {"DUPLICATE_EHLO", "DUPLICATE_HELO"},  # a second EHLO starts again
}

FIELDS: Final = {
    "keyword": "[A-Z0-9]+",
    "challenge": "[A-Za-z0-9+/=]*",
    "message_id": r"B\d{10,}",
    "size": r"\d+",
    "octets": r"\d+",
}
"""What may stand for a field; anything for those not named."""

SAMPLES: Final = {"message_id": "B0000000001", "challenge": "PDFAbXguaW4udGVzdD4="}


@cache
def line_pattern(row: ReplyRow, profile: Profile) -> re.Pattern[str]:
    """Matches every line that `row` can be in `profile`."""
    wording = row.in_profile(profile)
    head = f"{wording.code}[ -]" + (re.escape(f"{wording.enhanced} ") if wording.enhanced else "")
    parts = re.split(r"\{(\w+)\}", wording.text)
    fixed = map(re.escape, parts[::2])
    fields = [*(f"(?:{FIELDS.get(name, '.*')})" for name in parts[1::2]), ""]
    return re.compile(head + "".join(text + field for text, field in zip(fixed, fields, strict=True)))


def sample_line(row: ReplyRow, profile: Profile) -> str:
    wording = row.in_profile(profile)
    text = re.sub(r"\{(\w+)\}", lambda field: SAMPLES.get(field[1], "x"), wording.text)
    return " ".join(part for part in (str(wording.code), wording.enhanced, text) if part)


def rows_of(step: Expect | ExpectMatch, profile: Profile) -> set[str]:
    """The names of the rows that the expected line can be."""
    rows = CATALOGUE.values()
    if isinstance(step, Expect):
        return {row.name for row in rows if line_pattern(row, profile).fullmatch(step.text)}
    return {row.name for row in rows if step.pattern.fullmatch(sample_line(row, profile))}


def expected_lines(transcript: Transcript) -> list[Expect | ExpectMatch]:
    return [step for step in transcript.steps if isinstance(step, Expect | ExpectMatch)]


@pytest.mark.parametrize("transcript", TRANSCRIPTS, ids=NAMES)
def test_every_expected_line_is_a_reply_of_the_catalogue(transcript: Transcript) -> None:
    strange = [
        f"{transcript.place(step)} [{profile}]"
        for profile in transcript.profiles
        for step in expected_lines(transcript)
        if not rows_of(step, profile)
    ]
    assert strange == []


@pytest.mark.parametrize("profile", Profile)
def test_every_reply_is_drawn_by_a_transcript(profile: Profile) -> None:
    drawn = {
        name
        for transcript in TRANSCRIPTS
        if profile in transcript.profiles
        for step in expected_lines(transcript)
        for name in rows_of(step, profile)
    }
    excused = FAULT_OF_THE_SERVER | NOT_IN_PROFILE[profile]
    assert set(CATALOGUE) - drawn - excused == set()


@pytest.mark.parametrize("profile", Profile)
def test_refusals_in_the_same_words_are_told_apart_by_the_record(profile: Profile) -> None:
    said = Counter(row.in_profile(profile) for row in CATALOGUE.values())
    alike = {row.name for row in CATALOGUE.values() if said[row.in_profile(profile)] > 1}
    refusals = {name for name in alike if CATALOGUE[name].in_profile(profile).code >= 400}
    recorded = {
        step.reply
        for transcript in TRANSCRIPTS
        if profile in transcript.profiles
        for step in transcript.steps
        if isinstance(step, RefusedBy)
    }
    assert refusals - recorded == set()


@pytest.mark.parametrize("profile", Profile)
def test_no_transcript_expects_a_reply_of_another_profile(profile: Profile) -> None:
    drawn = {
        name
        for transcript in TRANSCRIPTS
        if profile in transcript.profiles
        for step in expected_lines(transcript)
        if len(names := rows_of(step, profile)) == 1
        for name in names
    }
    assert drawn & NOT_IN_PROFILE[profile] == set()


_FOLDED: Final = rb"[^\r\n]*(\r\n[ \t][^\r\n]*)*\r\n"
OUR_FIELDS: Final = re.compile(rb"(Authentication-Results: mx\.in\.test;%b)?Received: %b" % (_FOLDED, _FOLDED))
"""What the server itself puts in front of a message."""


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The standing installation, to be copied."""
    folder = tmp_path_factory.mktemp("standing") / "home"
    make_standing(folder)
    return folder


def runs() -> Iterator[ParameterSet]:
    """Every transcript in each of its profiles and ways."""
    for name, transcript in zip(NAMES, TRANSCRIPTS, strict=True):
        for profile in transcript.profiles:
            for way in transcript.ways:
                yield pytest.param(transcript, profile, way, id=f"{name}-{profile}-{way}")


@contextmanager
def at(transcript: Transcript, step: Step) -> Iterator[None]:
    """Name the transcript's line in whatever fails."""
    try:
        yield
    except AssertionError as error:
        raise AssertionError(f"{transcript.place(step)}: {error}") from None


@pytest.mark.parametrize(("transcript", "profile", "way"), list(runs()))
def test_transcript_holds(transcript: Transcript, profile: Profile, way: str, template: Path, tmp_path: Path) -> None:
    home, clock = tmp_path / "home", StoppedClock()
    with outside(transcript) as servers:
        settings = transcript.settings | servers | {"replies": f'"{profile}"'}
        paused = standing_configuration(template, home, settings | {"delivery.paused": "true"})
        if transcript.rules:
            place_rules(paused, transcript.rules)
        with serving(paused, clock) as server, Dialogue(server, transcript) as dialogue:
            for step in WAYS[way](step for step in transcript.steps if not isinstance(step, AtEnd)):
                with at(transcript, step):
                    dialogue.take(step)
    assert [line for line in (home / "log").read_text().splitlines() if '"failure"' in line] == []
    check_spool(transcript, paused, clock)
    check_record(transcript, paused)
    if any(isinstance(step, MailboxCount) for step in transcript.steps):
        check_mailboxes(transcript, standing_configuration(template, home, settings), clock)


@contextmanager
def outside(transcript: Transcript) -> Iterator[dict[str, str]]:
    """The name server and the virus scanner that the dialogue wants; the settings that name them."""
    settings: dict[str, str] = {}
    with ExitStack() as stack:
        if transcript.zone:
            server = stack.enter_context(dns_server(transcript.zone))
            settings["dns.servers"] = f'["{server.address}"]'
        if transcript.clamd:
            scanner = stack.enter_context(clamd_server())
            scanner.reply = b"stream: no memory ERROR\0" if transcript.clamd == "fails" else b""
            settings["filter.scanner"] = f'"{scanner.address}"'
        yield settings


def check_spool(transcript: Transcript, config: Config, clock: StoppedClock) -> None:
    """What was accepted waits in the spool, since delivery is paused."""
    messages = list(list_queued(config.storage_folder, clock.now()))
    held: Counter[str] = Counter(message.held.hold.kind for message in messages if message.held is not None)
    contents = [b"".join(read_content(message)) for message in messages if message.held is None]
    for step in transcript.steps:
        with at(transcript, step):
            if isinstance(step, SpooledCount):
                assert len(contents) == step.count
            elif isinstance(step, SpooledContent):
                assert contents[-1][-len(step.octets) :] == step.octets
                assert OUR_FIELDS.fullmatch(contents[-1].removesuffix(step.octets)), contents[-1]
            elif isinstance(step, HeldCount):
                assert held[step.kind] == step.count


def check_record(transcript: Transcript, config: Config) -> None:
    """Which check refused, and not only in which words."""
    steps = [step for step in transcript.steps if isinstance(step, RefusedBy)]
    entries = RecordReader(config.storage_folder / FOLDER_OF_RECORD).oldest_first(Wanted()) if steps else ()
    refusals = {(decision.reply, decision.check) for entry in entries for decision in decisions_of(entry)}
    for step in steps:
        with at(transcript, step):
            assert (step.reply, step.check) in refusals, sorted(refusals)


def decisions_of(entry: Entry) -> Iterator[Decision]:
    """All refusals that an entry of the record tells of."""
    if isinstance(entry, ConnectionEntry):
        found = [entry.decision, *(auth.decision for auth in entry.auths), *(each.decision for each in entry.refusals)]
    else:
        content = None if entry.content is None else entry.content.decision
        found = [entry.decision, *(rcpt.decision for rcpt in entry.rcpts), content]
    yield from filter(None, found)


def check_mailboxes(transcript: Transcript, config: Config, clock: StoppedClock) -> None:
    """The same installation delivers what it can, and then each mailbox is looked at."""
    with serving(config, clock):
        until(lambda: not is_at_work(config, clock), "the end of delivery")
    for step in transcript.steps:
        if isinstance(step, MailboxCount):
            address = step.account if "@" in step.account else f"{step.account}@in.test"
            with at(transcript, step):
                assert len(maildir(config, address)) == step.count


def is_at_work(config: Config, clock: StoppedClock) -> bool:
    """Whether a recipient is due or under way."""
    messages = list_queued(config.storage_folder, clock.now())
    return any(recipient.state in {"due", "leased"} for message in messages for recipient in message.recipients)
