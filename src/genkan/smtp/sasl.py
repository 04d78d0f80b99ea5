# SPDX-License-Identifier: Apache-2.0
"""AUTH mechanisms as dialogues: octets in, the next step out (RFC 4954, 4).

Nothing is decided here about accounts: PLAIN, LOGIN and CRAM-MD5 end in a step that hands the evidence to the driver;
only SCRAM, whose messages to the client depend on the keys, asks for them through a callback. No clock, no database.
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from scramp import ScramException, ScramMechanism

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_RESPONSE: Final = 12288  # octets of base64; RFC 4954, 4
MAX_LOGIN: Final = 255  # octets of an identity; RFC 4616, 2
MAX_CLIENT_FIRST: Final = 2048  # octets; a login with each comma escaped, and a nonce
MECHANISMS: Final = ("PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256")
PLAINTEXT_MECHANISMS: Final = frozenset({"PLAIN", "LOGIN"})
"""Mechanisms that send the password itself; RFC 4954, 4 wants them under TLS only."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """Send `octets` in base64 behind 334 and give the client's answer to `Dialogue.next`."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class PasswordGiven:
    """The client claims to be `login`; whether `password` is that account's is the driver's to find out."""

    login: str
    password: str = field(repr=False)
    authorization_id: str = ""


@dataclass(frozen=True, slots=True)
class DigestGiven:
    """The client claims to be `login`; `digest` must be the secret's HMAC-MD5 of `challenge`, 16 octets (RFC 2195)."""

    login: str
    challenge: bytes
    digest: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Finished:
    """The mechanism itself has proved that the client is `login`."""

    login: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The dialogue is over: `malformed` when the client left the mechanism's grammar, else its credentials are wrong.

    `reason` is for the log, never for the wire; `login` is whom it claimed to be, as far as that was read.
    """

    reason: str
    login: str = ""
    malformed: bool = False


Step = Challenge | PasswordGiven | DigestGiven | Finished | Failed


class KeysFound(NamedTuple):
    """What SCRAM needs of a login (RFC 5802, 3).

    For an unknown login `known` is false and the keys are invented, with the same salt and iterations each time.
    """

    salt: bytes
    stored_key: bytes
    server_key: bytes
    iterations: int
    known: bool


class Dialogue(Protocol):
    """One AUTH exchange: `start` once, then `next` for the answer to each Challenge; any other step ends it."""

    @property
    def mechanism(self) -> str:
        """The mechanism's name in the IANA registry."""

    def start(self, initial: bytes | None) -> Step:
        """The first step, given the decoded initial response (b"" for "=") or `None` when there was none."""

    def next(self, response: bytes) -> Step:
        """The step after the client's decoded `response`; after the last step it is a `Failed`."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What dialogues need from outside: `keys_for` may raise, and what it raises comes out of `start` or `next`.

    `cram_challenge` is an RFC 2195 challenge, unique in time, with its angle brackets; `server_nonce` is given only in
    tests of published exchanges.
    """

    keys_for: Callable[[str], KeysFound] = field(repr=False)
    cram_challenge: bytes
    server_nonce: str | None = None


def open_dialogue(mechanism: str, sources: Sources) -> Dialogue | None:
    """The dialogue of a mechanism named in upper case, `None` when there is no such mechanism here."""
    match mechanism:
        case "PLAIN":
            return Plain()
        case "LOGIN":
            return Login()
        case "CRAM-MD5":
            return CramMd5(sources.cram_challenge)
        case "SCRAM-SHA-256":
            return ScramSha256(sources.keys_for, sources.server_nonce)
    return None


def decode_base64(line: bytes) -> bytes | None:
    """The octets that `line` writes in canonical base64 (RFC 4648, 4), `None` if it is not or over 12288 octets."""
    if len(line) > MAX_RESPONSE:
        return None
    try:
        octets = binascii.a2b_base64(line, strict_mode=True)
    except ValueError:
        return None
    # One text for one value: stray bits behind the last octet are refused too (RFC 4648, 3.5).
    return octets if binascii.b2a_base64(octets, newline=False) == line else None


def decode_initial_response(argument: bytes) -> bytes | None:
    """As `decode_base64`, for the argument of AUTH, where "=" writes the empty response (RFC 4954, 4)."""
    return b"" if argument == b"=" else decode_base64(argument)


_BROKEN_PLAIN: Final = Failed("the PLAIN message is malformed", malformed=True)
_OUT_OF_TURN: Final = Failed("the client answered out of turn", malformed=True)


def _identity(octets: bytes) -> str | None:
    """A login name as text; `None` when it is empty, too long, no UTF-8 or has control characters."""
    if not 0 < len(octets) <= MAX_LOGIN:
        return None
    try:
        text = octets.decode()
    except UnicodeDecodeError:
        return None
    return text if text.isprintable() else None


class Plain:
    """PLAIN (RFC 4616): authorization identity, login and password in one message, with NUL between them."""

    mechanism: Final = "PLAIN"

    def __init__(self) -> None:
        self._waiting = False

    def start(self, initial: bytes | None) -> Step:
        """An empty challenge when the message did not come with AUTH, else what it says."""
        if initial is None:
            self._waiting = True
            return Challenge(b"")
        return _read_plain(initial)

    def next(self, response: bytes) -> Step:
        """What the message says."""
        if not self._waiting:
            return _OUT_OF_TURN
        self._waiting = False
        return _read_plain(response)


def _read_plain(message: bytes) -> Step:
    # RFC 4616, 2: message = [authzid] UTF8NUL authcid UTF8NUL passwd
    parts = message.split(b"\0")
    if len(parts) != 3 or not parts[2]:
        return _BROKEN_PLAIN
    login = _identity(parts[1])
    try:
        authorization_id, password = parts[0].decode(), parts[2].decode()
    except UnicodeDecodeError:
        return _BROKEN_PLAIN
    if login is None:
        return _BROKEN_PLAIN
    if authorization_id not in {"", login}:
        return Failed("one account may not act as another", login)
    return PasswordGiven(login, password, authorization_id)


class Login:
    """LOGIN (draft-murchison-sasl-login): login and password, each after a prompt; AUTH may carry the login already."""

    mechanism: Final = "LOGIN"
    _USERNAME: Final = Challenge(b"Username:")
    _PASSWORD: Final = Challenge(b"Password:")

    def __init__(self) -> None:
        self._asked: Challenge | None = None
        self._login = ""

    def start(self, initial: bytes | None) -> Step:
        """The prompt for the login, or for the password when AUTH carried the login."""
        self._asked = self._USERNAME
        return self._asked if initial is None else self.next(initial)

    def next(self, response: bytes) -> Step:
        """The prompt for the password, then the evidence."""
        asked, self._asked = self._asked, None
        if asked is self._USERNAME:
            return self._take_login(response)
        if asked is self._PASSWORD:
            return self._take_password(response)
        return _OUT_OF_TURN

    def _take_login(self, response: bytes) -> Step:
        login = _identity(response)
        if login is None:
            return Failed("the login name is malformed", malformed=True)
        self._login = login
        self._asked = self._PASSWORD
        return self._asked

    def _take_password(self, response: bytes) -> Step:
        try:
            password = response.decode()
        except UnicodeDecodeError:
            return Failed("the password is not UTF-8", self._login)
        return PasswordGiven(self._login, password)


_match_digest: Final = re.compile(rb"[0-9A-Fa-f]{32}").fullmatch


class CramMd5:
    """CRAM-MD5 (RFC 2195): the server's challenge comes back under the secret's HMAC-MD5."""

    mechanism: Final = "CRAM-MD5"

    def __init__(self, challenge: bytes) -> None:
        self._challenge = challenge
        self._waiting = False

    def start(self, initial: bytes | None) -> Step:
        """The challenge; an initial response is an error, for the server speaks first (RFC 4954, 4)."""
        if initial is not None:
            return _OUT_OF_TURN
        self._waiting = True
        return Challenge(self._challenge)

    def next(self, response: bytes) -> Step:
        """The evidence: login, blank, digest in 32 hexadecimal digits."""
        if not self._waiting:
            return _OUT_OF_TURN
        self._waiting = False
        name, _, digits = response.rpartition(b" ")
        login = _identity(name)
        if login is None or not _match_digest(digits):
            return Failed("the CRAM-MD5 response is malformed", malformed=True)
        return DigestGiven(login, self._challenge, bytes.fromhex(digits.decode("ascii")))


class ScramSha256:
    """SCRAM-SHA-256 without channel binding (RFC 5802, 7677): both sides prove that they know the password's keys.

    SMTP has no place for data beside 235, so the server's proof is a challenge with an empty answer (RFC 4954, 4). An
    authorization identity is refused.
    """

    mechanism: Final = "SCRAM-SHA-256"

    def __init__(self, keys_for: Callable[[str], KeysFound], server_nonce: str | None = None) -> None:
        self._keys_for = keys_for
        self._server = ScramMechanism("SCRAM-SHA-256").make_server(self._look_up, s_nonce=server_nonce)
        self._turn: Callable[[bytes], Step] | None = None
        self._login = ""
        self._known = False

    def start(self, initial: bytes | None) -> Step:
        """An empty challenge when the client's first message did not come with AUTH, else the server's first one."""
        self._turn = self._take_first
        return Challenge(b"") if initial is None else self.next(initial)

    def next(self, response: bytes) -> Step:
        """The server's first message, its proof, and at last Finished."""
        turn, self._turn = self._turn, None
        if turn is None:
            return _OUT_OF_TURN
        try:
            return turn(response)
        except UnicodeDecodeError:
            return Failed("the SCRAM message is not UTF-8", self._login, malformed=True)

    def _take_first(self, response: bytes) -> Step:
        # RFC 5802, 7: client-first-message
        if len(response) > MAX_CLIENT_FIRST:
            return Failed("the client's first SCRAM message is too long", malformed=True)
        try:
            self._server.set_client_first(response.decode())
            first: str = self._server.get_server_first()
        except ScramException as error:
            if self._login:  # the message was sound and the keys were asked for: the fault is ours
                raise error.__cause__ or error from None
            return Failed("the client's first SCRAM message is malformed", malformed=True)
        self._turn = self._take_final
        return Challenge(first.encode())

    def _take_final(self, response: bytes) -> Step:
        # RFC 5802, 7: client-final-message
        try:
            self._server.set_client_final(response.decode())
            final: str = self._server.get_server_final()
        except ScramException:
            return self._wrong()
        if not self._known:
            return self._wrong()
        self._turn = self._take_acknowledgement
        return Challenge(final.encode())

    def _take_acknowledgement(self, response: bytes) -> Step:
        if response:
            return Failed("the client answered the server's proof", self._login, malformed=True)
        return Finished(self._login)

    def _wrong(self) -> Failed:
        return Failed("the SCRAM proof is wrong", self._login)

    def _look_up(self, login: str) -> tuple[bytes, bytes, bytes, int]:
        self._login = login
        keys = self._keys_for(login)
        self._known = keys.known
        return keys.salt, keys.stored_key, keys.server_key, keys.iterations
