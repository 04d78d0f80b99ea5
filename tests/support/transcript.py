# SPDX-License-Identifier: Apache-2.0
"""Reads the dialogues under tests/transcripts into typed steps; the format is described in tests/transcripts/README.md.

Nothing is run here and no expected line is ever rewritten. A line that is not understood is an error with its place.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from genkan.smtp.reply import Profile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LISTENERS: Final = ("smtp", "submission", "submissions")
WAYS: Final = ("written", "octets", "pipelined")
MECHANISMS: Final = ("CRAM-MD5", "SCRAM-SHA-256")
UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
CLAMD: Final = ("finds", "fails")
DEFAULT_CLIENT: Final = "192.0.2.10"


class TranscriptError(Exception):
    """A transcript cannot be read; the message is `FILE:LINE: what is wrong`."""


@dataclass(frozen=True, slots=True)
class Send:
    """The client sends these octets."""

    line: int
    octets: bytes


@dataclass(frozen=True, slots=True)
class Expect:
    """The next line of the server is exactly this, without its CRLF."""

    line: int
    text: str


@dataclass(frozen=True, slots=True)
class ExpectMatch:
    """The whole next line of the server matches."""

    line: int
    pattern: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class Answer:
    """The client answers the base64 challenge of the line before, as `account` with `password`."""

    line: int
    mechanism: str
    account: str
    password: str


@dataclass(frozen=True, slots=True)
class StartTls:
    """The client makes its TLS handshake now."""

    line: int


@dataclass(frozen=True, slots=True)
class Closed:
    """The server has closed the connection, and nothing more came."""

    line: int


@dataclass(frozen=True, slots=True)
class Advance:
    """The stopped clock moves."""

    line: int
    time: timedelta


@dataclass(frozen=True, slots=True)
class NewConnection:
    """The client closes its connection and opens another."""

    line: int


@dataclass(frozen=True, slots=True)
class HoldConnections:
    """The same client opens so many further connections, reads each greeting and keeps them idle."""

    line: int
    count: int


@dataclass(frozen=True, slots=True)
class StopServer:
    """The server is told to stop (SIGTERM)."""

    line: int


@dataclass(frozen=True, slots=True)
class AwaitRule:
    """The server is given the time to write this line into one of its own rule documents."""

    line: int
    document: str
    rule: str


@dataclass(frozen=True, slots=True)
class SpooledCount:
    """So many messages were accepted in the whole dialogue, and nobody holds them."""

    line: int
    count: int


@dataclass(frozen=True, slots=True)
class SpooledContent:
    """The last accepted message is these octets, behind the fields that the server itself put in front."""

    line: int
    octets: bytes


@dataclass(frozen=True, slots=True)
class HeldCount:
    """So many messages are held: for a person to approve, or as copies in the quarantine."""

    line: int
    kind: str
    count: int


@dataclass(frozen=True, slots=True)
class RefusedBy:
    """The record has a refusal with the reply of this name, by the check of that name."""

    line: int
    reply: str
    check: str


@dataclass(frozen=True, slots=True)
class MailboxCount:
    """After delivery the mailbox of `account` holds so many messages."""

    line: int
    account: str
    count: int


Step = (
    Send
    | Expect
    | ExpectMatch
    | Answer
    | StartTls
    | Closed
    | Advance
    | NewConnection
    | HoldConnections
    | StopServer
    | AwaitRule
    | SpooledCount
    | SpooledContent
    | HeldCount
    | RefusedBy
    | MailboxCount
)


@dataclass(frozen=True, slots=True)
class Transcript:
    """One dialogue: what it shows, under which settings and rules it holds, and its steps in order.

    `settings` are dotted keys of the configuration with their values as TOML text, `rules` are documents by name and
    account ("": the server's own), `zone` is what the name server knows ("": there is none), `clamd` how the virus
    scanner behaves ("": there is none). A connection is opened by the first step that needs one, so `HELD` may come
    before it.
    """

    path: Path
    shows: str
    references: tuple[str, ...]
    profiles: tuple[Profile, ...]
    client_address: str
    listener: str
    ways: tuple[str, ...]
    settings: dict[str, str]
    rules: dict[tuple[str, str], bytes]
    zone: str
    clamd: str
    steps: tuple[Step, ...]

    def place(self, step: Step) -> str:
        """`FILE:LINE` of a step, for the message of a failed test."""
        return f"{self.path}:{step.line}"


def read_folder(folder: Path) -> list[Transcript]:
    """All transcripts below `folder`, by name."""
    return [read_transcript(path) for path in sorted(folder.rglob("*.txt"))]


def read_transcript(path: Path) -> Transcript:
    """The transcript in the file; raises TranscriptError."""
    return parse_transcript(path.read_text("utf-8"), path)


def parse_transcript(text: str, path: Path) -> Transcript:
    """The transcript that `text` is; `path` names it in errors. Raises TranscriptError."""
    return _Reader(path).read(text)


class _Reader:
    """Reads one transcript, line by line."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._line = 0
        self._comments: list[str] = []
        self._profiles: tuple[Profile, ...] = ()
        self._client_address = DEFAULT_CLIENT
        self._listener = "smtp"
        self._ways: tuple[str, ...] = WAYS
        self._settings: dict[str, str] = {}
        self._rules: dict[tuple[str, str], bytes] = {}
        self._zone = ""
        self._clamd = ""
        self._steps: list[Step] = []

    def read(self, text: str) -> Transcript:
        for self._line, line in enumerate(text.split("\n"), 1):
            self._read_line(line)
        if not self._comments:
            raise self._error("a transcript begins with '#' and one sentence saying what it shows")
        if not self._profiles:
            raise self._error("'use:' is missing: name the profiles for which the dialogue holds")
        if not self._steps:
            raise self._error("there are no steps")
        shows, *references = self._comments
        return Transcript(
            path=self._path,
            shows=shows,
            references=tuple(references),
            profiles=self._profiles,
            client_address=self._client_address,
            listener=self._listener,
            ways=self._ways,
            settings=self._settings,
            rules=self._rules,
            zone=self._zone,
            clamd=self._clamd,
            steps=tuple(self._steps),
        )

    def _error(self, what: str) -> TranscriptError:
        return TranscriptError(f"{self._path}:{self._line}: {what}")

    def _read_line(self, line: str) -> None:
        if self._line == 1 and not re.fullmatch(r"# \S.*\.", line):
            raise self._error("a transcript begins with '#' and one sentence saying what it shows")
        if not line:
            return
        if line.startswith("#"):
            if not self._steps:
                self._comments.append(line[1:].strip())
            return
        for pattern, read in _HEAD:
            if header := pattern.fullmatch(line):
                if self._steps:
                    raise self._error(f"'{line.partition(':')[0]}:' stands before the first step")
                read(self, *header.groups())
                return
        self._steps += self._steps_of(line)

    def _use(self, value: str) -> None:
        try:
            self._profiles = tuple(Profile(name) for name in value.split())
        except ValueError as error:
            raise self._error(f"{error}; use {', '.join(Profile)}") from None

    def _client(self, value: str) -> None:
        try:
            self._client_address = str(ip_address(value))
        except ValueError as error:
            raise self._error(str(error)) from None

    def _listen(self, value: str) -> None:
        self._listener = self._one_of(value, LISTENERS)

    def _run(self, value: str) -> None:
        self._ways = tuple(self._one_of(way, WAYS) for way in value.split())

    def _one_of(self, value: str, known: tuple[str, ...]) -> str:
        if value not in known:
            raise self._error(f"{value!r} is not known; use {', '.join(known)}")
        return value

    def _set(self, value: str) -> None:
        key, equals, literal = value.partition(" = ")
        if not equals or not re.fullmatch(r"[a-z_]+(\.[a-z_]+)*", key):
            raise self._error("a setting is 'set: table.key = value'")
        try:
            tomllib.loads(f"value = {literal}")
        except tomllib.TOMLDecodeError as error:
            raise self._error(f"{literal!r} is no TOML value: {error}") from None
        self._settings[key] = literal

    def _add_rule(self, document: str, account: str | None, text: str | None) -> None:
        key = (document, account or "")
        self._rules[key] = self._rules.get(key, b"") + self._unescape(text or "") + b"\r\n"

    def _add_record(self, record: str) -> None:
        self._zone += f"{record}\n"

    def _scan(self, value: str) -> None:
        self._clamd = self._one_of(value, CLAMD)

    def _steps_of(self, line: str) -> list[Step]:
        if repeated := re.fullmatch(r"S\* (\d+) (.*\S)", line):
            return [Expect(self._line, repeated[2])] * int(repeated[1])
        for pattern, build in _STEPS:
            if match := pattern.fullmatch(line):
                return [build(self, *match.groups())]
        raise self._error(f"this line is not understood: {line!r}")

    def _send_line(self, text: str | None) -> Step:
        return Send(self._line, (text or "").encode() + b"\r\n")

    def _send_octets(self, text: str) -> Step:
        return Send(self._line, self._unescape(text))

    def _send_repeated(self, count: str, text: str) -> Step:
        return Send(self._line, int(count) * self._unescape(text))

    def _expect(self, text: str) -> Step:
        return Expect(self._line, text)

    def _expect_escaped(self, text: str) -> Step:
        return Expect(self._line, self._unescape(text).decode())

    def _expect_match(self, text: str) -> Step:
        try:
            return ExpectMatch(self._line, re.compile(text))
        except re.error as error:
            raise self._error(f"no regular expression: {error}") from None

    def _answer(self, mechanism: str, account: str, password: str) -> Step:
        return Answer(self._line, self._one_of(mechanism, MECHANISMS), account, password)

    def _tls(self) -> Step:
        return StartTls(self._line)

    def _closed(self) -> Step:
        return Closed(self._line)

    def _new(self) -> Step:
        return NewConnection(self._line)

    def _stop(self) -> Step:
        return StopServer(self._line)

    def _advance(self, number: str, unit: str) -> Step:
        return Advance(self._line, timedelta(**{UNITS[unit]: int(number)}))

    def _hold(self, count: str) -> Step:
        return HoldConnections(self._line, int(count))

    def _await_rule(self, document: str, rule: str) -> Step:
        return AwaitRule(self._line, document, rule)

    def _held(self, word: str, count: str) -> Step:
        return HeldCount(self._line, _HELD_KINDS[word], int(count))

    def _refused_by(self, reply: str, check: str) -> Step:
        return RefusedBy(self._line, reply, check)

    def _spooled(self, count: str) -> Step:
        return SpooledCount(self._line, int(count))

    def _spooled_content(self, text: str) -> Step:
        return SpooledContent(self._line, self._unescape(text))

    def _mailbox(self, account: str, count: str) -> Step:
        return MailboxCount(self._line, account, int(count))

    def _unescape(self, text: str) -> bytes:
        return b"".join(self._unescaped(text))

    def _unescaped(self, text: str) -> Iterator[bytes]:
        for plain, escape in re.findall(r"([^\\]+)|\\(x[0-9a-fA-F]{2}|.?)", text):
            if plain:
                yield plain.encode()
            elif escape[:1] == "x" and len(escape) == 3:
                yield bytes.fromhex(escape[1:])
            elif escape in _ESCAPES:
                yield _ESCAPES[escape]
            else:
                raise self._error(f"\\{escape} is not known; use \\r \\n \\t \\\\ \\xNN")


_ESCAPES: Final = {"r": b"\r", "n": b"\n", "t": b"\t", "\\": b"\\"}
_HELD_KINDS: Final = {"QUARANTINE": "quarantine", "WAITING": "approval"}

_HEAD: Final[tuple[tuple[re.Pattern[str], Callable[..., None]], ...]] = (
    (re.compile(r"use: +(\S.*)"), _Reader._use),
    (re.compile(r"client: +(\S.*)"), _Reader._client),
    (re.compile(r"listener: +(\S.*)"), _Reader._listen),
    (re.compile(r"ways: +(\S.*)"), _Reader._run),
    (re.compile(r"set: +(\S.*)"), _Reader._set),
    (re.compile(r"rules ([^\s:]+)(?: of ([^\s:]+))?:(?: (.*))?"), _Reader._add_rule),
    (re.compile(r"dns: +(\S.*)"), _Reader._add_record),
    (re.compile(r"clamd: +(\S.*)"), _Reader._scan),
)

_STEPS: Final[tuple[tuple[re.Pattern[str], Callable[..., Step]], ...]] = (
    (re.compile(r"C:(?: (.*))?"), _Reader._send_line),
    (re.compile(r"C\| (.*)"), _Reader._send_octets),
    (re.compile(r"C\* (\d+) (.+)"), _Reader._send_repeated),
    (re.compile(r"S: (.*\S)"), _Reader._expect),
    (re.compile(r"S\| (.+)"), _Reader._expect_escaped),
    (re.compile(r"S~ (.+)"), _Reader._expect_match),
    (re.compile(r"ANSWER (\S+) (\S+) (.+)"), _Reader._answer),
    (re.compile(r"TLS"), _Reader._tls),
    (re.compile(r"CLOSED"), _Reader._closed),
    (re.compile(r"AFTER (\d+)([smhd])"), _Reader._advance),
    (re.compile(r"NEW"), _Reader._new),
    (re.compile(r"HELD (\d+)"), _Reader._hold),
    (re.compile(r"STOP"), _Reader._stop),
    (re.compile(r"AWAIT (\S+): (.*\S)"), _Reader._await_rule),
    (re.compile(r"SPOOLED: (\d+)"), _Reader._spooled),
    (re.compile(r"SPOOLED\| (.+)"), _Reader._spooled_content),
    (re.compile(r"(QUARANTINE|WAITING): (\d+)"), _Reader._held),
    (re.compile(r"REFUSED ([A-Z0-9_]+): (\S+)"), _Reader._refused_by),
    (re.compile(r"MAILBOX (\S+): (\d+)"), _Reader._mailbox),
)
