# SPDX-License-Identifier: Apache-2.0
"""Where mail may go, as text: `smtp:mx.in.test`, `lmtp:unix:/run/lmtp`, `pipe:/usr/bin/program {recipient}` (pure).

`str(destination)` is the text that is stored; `parse_destination` reads it, and what an operator writes.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from functools import partial
from keyword import iskeyword
from typing import TYPE_CHECKING, Final, TypeAlias

from genkan.directory.errors import InvalidValue
from genkan.directory.hosts import is_loopback, parse_place, place_text

if TYPE_CHECKING:
    from collections.abc import Callable

SMTP_PORT: Final = 25
PLACEHOLDERS: Final = ("{reverse_path}", "{recipient}", "{original_recipient}", "{message_id}", "{client_address}")
MAX_DESTINATION: Final = 2000  # characters
MAX_SOCKET_PATH: Final = 107  # octets: what Linux takes

_PORTS: Final = {"http": 80, "https": 443}
_URL: Final = re.compile(
    r"//([^/?]*+)(/(?:[\w.~!$&'()*+,;=:@/-]|%[0-9A-F]{2})*+)?"
    r"(\?(?:[\w.~!$&'()*+,;=:@/?-]|%[0-9A-F]{2})*+)?",
    re.ASCII | re.IGNORECASE,
)
_PLACEHOLDER: Final = re.compile(r"\{[a-z_]+\}", re.ASCII)
_KINDS: Final = (
    "maildir, mx, smtp:HOST[:PORT], lmtp:HOST:PORT, lmtp:unix:/PATH, https://HOST/PATH, python:MODULE:FUNCTION, "
    "pipe:/PROGRAM ARGUMENT ... or dmarc-reports:"
)


@dataclass(frozen=True, slots=True)
class Maildir:
    """Into the Maildir of the account."""

    def __str__(self) -> str:
        """As it is written."""
        return "maildir"


@dataclass(frozen=True, slots=True)
class ByMx:
    """By SMTP to the MX hosts of the recipient's domain (RFC 5321, 5.1)."""

    def __str__(self) -> str:
        """As it is written."""
        return "mx"


@dataclass(frozen=True, slots=True)
class SmtpHop:
    """By SMTP to one host, without a look at its MX records; an IPv6 address has no brackets here."""

    host: str
    port: int = SMTP_PORT

    def __str__(self) -> str:
        """As it is written, the port only if it is not 25."""
        return f"smtp:{place_text(self.host, None if self.port == SMTP_PORT else self.port)}"


@dataclass(frozen=True, slots=True)
class LmtpHop:
    """By LMTP over TCP (RFC 2033)."""

    host: str
    port: int

    def __str__(self) -> str:
        """As it is written."""
        return f"lmtp:{place_text(self.host, self.port)}"


@dataclass(frozen=True, slots=True)
class LmtpSocket:
    """By LMTP over a socket of this machine (RFC 2033)."""

    path: str

    def __str__(self) -> str:
        """As it is written."""
        return f"lmtp:unix:{self.path}"


@dataclass(frozen=True, slots=True)
class Webhook:
    """As a POST to a URL; in clear only to this machine."""

    url: str

    def __str__(self) -> str:
        """The URL."""
        return self.url

    @property
    def place(self) -> tuple[str, int]:
        """The host, folded and without brackets, and the port, also where the URL leaves it to the scheme."""
        scheme, _, rest = self.url.partition("://")
        host, port = parse_place(re.split("[/?]", rest, maxsplit=1)[0])
        return host, port or _PORTS[scheme]


@dataclass(frozen=True, slots=True)
class PythonFunction:
    """To a function of a module on this machine."""

    module: str
    function: str

    def __str__(self) -> str:
        """As it is written."""
        return f"python:{self.module}:{self.function}"


@dataclass(frozen=True, slots=True)
class Pipe:
    """To the standard input of a program, started without a shell; arguments may be PLACEHOLDERS."""

    program: str
    arguments: tuple[str, ...] = ()

    def __str__(self) -> str:
        """As it is written, with quotes only where they are needed."""
        words = (self.program, *self.arguments)
        return f"pipe:{' '.join(word if word in PLACEHOLDERS else shlex.quote(word) for word in words)}"


@dataclass(frozen=True, slots=True)
class DmarcReports:
    """Read as a DMARC report of others, and kept for `genkan dmarc received`."""

    def __str__(self) -> str:
        """As it is written."""
        return "dmarc-reports:"


Destination: TypeAlias = (
    Maildir | ByMx | SmtpHop | LmtpHop | LmtpSocket | Webhook | PythonFunction | Pipe | DmarcReports
)


def parse_destination(text: str) -> Destination:
    """The destination that `text` writes; raises InvalidValue, which says what to write instead."""
    _check_text(text)
    word = _WORDS.get(text.lower())
    if word is not None:
        return word
    scheme, _, rest = text.partition(":")
    parse = _SCHEMES.get(scheme.lower())
    if parse is None:
        raise InvalidValue(f"{text!r} is no destination; write one of {_KINDS}")
    destination = parse(rest)
    _check_text(str(destination))  # quotes and A-labels may have made it longer
    return destination


def _check_text(text: str) -> None:
    if len(text) > MAX_DESTINATION or not text.isprintable():
        raise InvalidValue(f"a destination has at most {MAX_DESTINATION} printable characters on one line; shorten it")


def _parse_smtp(text: str) -> SmtpHop:
    host, port = parse_place(text)
    return SmtpHop(host, port or SMTP_PORT)


def _parse_lmtp(text: str) -> LmtpHop | LmtpSocket:
    path = text.removeprefix("unix:")
    if path == text:
        host, port = parse_place(text)
        if port is None:
            raise InvalidValue(f"lmtp:{text} has no port, and LMTP has none of its own; write lmtp:{text}:24 or so")
        return LmtpHop(host, port)
    if not path.startswith("/"):
        raise InvalidValue(f"lmtp:{text} names no absolute path; write it as in lmtp:unix:/run/dovecot/lmtp")
    if len(path.encode()) > MAX_SOCKET_PATH:
        raise InvalidValue(f"the path of a socket has at most {MAX_SOCKET_PATH} octets; put the socket elsewhere")
    return LmtpSocket(path)


def _parse_webhook(scheme: str, text: str) -> Webhook:
    if "@" in re.split("[/?#]", text.removeprefix("//"), maxsplit=1)[0]:
        # The text of a route is shown and logged, and a password in it would be too.
        raise InvalidValue("the URL holds credentials; leave them out and give the secret with: genkan hop set HOST")
    match = _URL.fullmatch(text)
    if match is None:
        raise InvalidValue(f"{scheme}:{text} is no URL to post mail to; write it as in https://in.test/mail, without #")
    host, port = parse_place(match[1])
    if scheme == "http" and not is_loopback(host):
        raise InvalidValue(f"mail would travel to {host} in clear; write https, which only this machine can do without")
    written = place_text(host, None if port == _PORTS[scheme] else port)
    return Webhook(f"{scheme}://{written}{match[2] or '/'}{match[3] or ''}")


def _parse_function(text: str) -> PythonFunction:
    module, _, function = text.partition(":")
    if not all(_is_name(part) for part in (*module.split("."), function)):
        raise InvalidValue(f"python:{text} names no function; write it as in python:package.module:function")
    return PythonFunction(module, function)


def _is_name(text: str) -> bool:
    return text.isascii() and text.isidentifier() and not iskeyword(text)


def _parse_pipe(text: str) -> Pipe:
    try:
        program, *arguments = shlex.split(text) or [""]
    except ValueError:
        raise InvalidValue(f"pipe:{text} has a quote or a backslash that nothing follows; close it") from None
    if not program.startswith("/"):
        raise InvalidValue(f"pipe:{text} names no absolute path of a program; write it as in pipe:/usr/bin/program")
    for word in (program, *arguments):
        _check_word(word, PLACEHOLDERS if word is not program else ())
    return Pipe(program, tuple(arguments))


def _parse_reports(text: str) -> DmarcReports:
    if text:
        raise InvalidValue(f"dmarc-reports:{text} says too much; write dmarc-reports: alone")
    return DmarcReports()


def _check_word(word: str, allowed: tuple[str, ...]) -> None:
    if _PLACEHOLDER.search(word) and word not in allowed:
        known = ", ".join(PLACEHOLDERS)
        raise InvalidValue(
            f"{word!r} cannot be a word of the command: what stands in braces is one of {known}, as a word of its own "
            "behind the program; put anything else into a script"
        )


_WORDS: Final[dict[str, Destination]] = {"maildir": Maildir(), "mx": ByMx()}
_SCHEMES: Final[dict[str, Callable[[str], Destination]]] = {
    "smtp": _parse_smtp,
    "lmtp": _parse_lmtp,
    "http": partial(_parse_webhook, "http"),
    "https": partial(_parse_webhook, "https"),
    "python": _parse_function,
    "pipe": _parse_pipe,
    "dmarc-reports": _parse_reports,
}
