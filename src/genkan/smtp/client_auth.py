# SPDX-License-Identifier: Apache-2.0
"""AUTH as a client, towards a server that passes our mail on (RFC 4954, 4): PLAIN, LOGIN, SCRAM-SHA-256.

No I/O. The secrets are in the lines that have to be written, and nowhere else that could be logged.
"""

from __future__ import annotations

import binascii
from typing import TYPE_CHECKING, Final, Protocol

from scramp import ScramClient, ScramException

from genkan.smtp.client_replies import ProtocolError
from genkan.smtp.sasl import decode_base64

if TYPE_CHECKING:
    from collections.abc import Collection

    from genkan.smtp.client_replies import ServerReply

MAX_AUTH_LINE: Final = 512  # octets with CRLF; RFC 4954, 4: a longer initial response waits for an empty challenge
MAX_ITERATIONS: Final = 1_000_000  # of PBKDF2, about half a second; a server could ask for hours


class _Mechanism(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def complete(self) -> bool: ...  # whether it has seen all that it has to before it believes a 235

    def initial(self) -> bytes | None: ...

    def answer(self, challenge: str) -> bytes: ...


class AuthDialogue:
    """One AUTH exchange: write `start`, then what `receive` gives for each reply, until that is b"".

    Then either `authenticated` is true or `refusal` is the server's reply.
    """

    def __init__(self, mechanism: _Mechanism) -> None:
        """Owners get theirs from `auth_dialogue`."""
        self._mechanism = mechanism
        self._held: bytes | None = None
        self.authenticated = False
        self.refusal: ServerReply | None = None

    @property
    def mechanism(self) -> str:
        """The mechanism's name in the IANA registry."""
        return self._mechanism.name

    def start(self) -> bytes:
        """The AUTH command, with the initial response when there is one and it fits."""
        command = b"AUTH " + self._mechanism.name.encode()
        initial = self._mechanism.initial()
        if initial is None:
            return command + b"\r\n"
        line = command + b" " + _line(initial)
        if len(line) <= MAX_AUTH_LINE:
            return line
        self._held = initial
        return command + b"\r\n"

    def receive(self, reply: ServerReply) -> bytes:
        """The line to write next, b"" at the end; raises `ProtocolError` when the server leaves the mechanism."""
        if reply.goes_on:
            held, self._held = self._held, None
            return _line(self._mechanism.answer(reply.text) if held is None else held)
        if not reply.accepts:
            self.refusal = reply
        elif self._mechanism.complete:
            self.authenticated = True
        else:
            msg = f"the server ended {self.mechanism} before its time: {reply}"
            raise ProtocolError(msg)
        return b""


def auth_dialogue(mechanisms: Collection[str], login: str, password: str, *, tls_active: bool) -> AuthDialogue | None:
    """The dialogue of the best of the server's mechanisms, named in upper case; `None` when none of them can be used.

    PLAIN and LOGIN show the password to whoever listens and are for TLS only. Raises ValueError for a login or a
    password that the mechanism cannot carry.
    """
    if "SCRAM-SHA-256" in mechanisms:
        return AuthDialogue(_ScramSha256(login, password))
    if tls_active and "PLAIN" in mechanisms:
        return AuthDialogue(_Plain(login, password))
    if tls_active and "LOGIN" in mechanisms:
        return AuthDialogue(_Login(login, password))
    return None


def _line(octets: bytes) -> bytes:
    return binascii.b2a_base64(octets, newline=False) + b"\r\n"


class _Plain:
    name = "PLAIN"
    complete = True

    def __init__(self, login: str, password: str) -> None:
        # RFC 4616, 2: message = [authzid] UTF8NUL authcid UTF8NUL passwd
        if "\0" in login + password:
            msg = "neither login nor password may hold a NUL"
            raise ValueError(msg)
        self._message = f"\0{login}\0{password}".encode()

    def initial(self) -> bytes:
        return self._message

    def answer(self, _challenge: str) -> bytes:
        msg = "the server asked for more than PLAIN has"
        raise ProtocolError(msg)


class _Login:
    """draft-murchison-sasl-login: the prompts mean nothing, the first wants the login and the second the password."""

    name = "LOGIN"

    def __init__(self, login: str, password: str) -> None:
        self._answers = [password.encode(), login.encode()]

    @property
    def complete(self) -> bool:
        return not self._answers

    def initial(self) -> None:
        return None

    def answer(self, _challenge: str) -> bytes:
        if not self._answers:
            msg = "the server asked for more than LOGIN has"
            raise ProtocolError(msg)
        return self._answers.pop()


class _ScramSha256:
    """RFC 5802 and 7677, without channel binding; the server's proof comes as a challenge with an empty answer."""

    name = "SCRAM-SHA-256"

    def __init__(self, login: str, password: str) -> None:
        try:
            self._client = ScramClient([self.name], login, password)
        except ScramException:
            msg = "SCRAM-SHA-256 cannot carry this login or password: one is empty or holds a forbidden character"
            raise ValueError(msg) from None
        self._challenges = 0
        self.complete = False

    def initial(self) -> bytes:
        first: str = self._client.get_client_first()
        return first.encode()

    def answer(self, challenge: str) -> bytes:
        octets = decode_base64(challenge.encode())
        self._challenges += 1
        try:
            text = (octets or b"").decode()
            return self._proof(text) if self._challenges == 1 else self._acknowledgement(text)
        except (ScramException, UnicodeDecodeError):
            msg = "the server's SCRAM message is malformed, or proves that it does not know the password"
            raise ProtocolError(msg) from None

    def _proof(self, server_first: str) -> bytes:
        self._client.set_server_first(server_first)
        if int(self._client.iterations) > MAX_ITERATIONS:
            msg = f"the server wants more than {MAX_ITERATIONS} iterations of SCRAM-SHA-256"
            raise ProtocolError(msg)
        final: str = self._client.get_client_final()
        return final.encode()

    def _acknowledgement(self, server_final: str) -> bytes:
        self._client.set_server_final(server_final)
        self.complete = True
        return b""
