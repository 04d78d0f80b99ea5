# SPDX-License-Identifier: Apache-2.0
"""A command line becomes a typed command, or the reply row that refuses it (RFC 5321, 4.1.1, and the extensions' RFCs).

Pure, and blind to the session: whether the command may come now is asked in `sequence.py`. No line raises.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from genkan.smtp import replies
from genkan.smtp.address import AddressError, Mailbox, NoDomain, parse_forward_path, parse_mailbox, parse_reverse_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from genkan.smtp.reply import ReplyRow

MAX_HELLO_DOMAIN: Final = 255  # octets; RFC 5321, 4.5.3.1.2
MAX_ENVID: Final = 100  # characters; RFC 3461, 4.4
MAX_ORIGINAL: Final = 500  # characters; RFC 3461, 4.2
WEB_VERBS: Final = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "HOST:", "OPTIONS", "PATCH", "POST", "PUT"})
"""Whoever says these speaks HTTP; the lines that follow may be somebody's mail, sent through a browser that was led here."""
MAX_ECHO: Final = 64  # characters of an unknown word that a reply repeats


class MailParameters(NamedTuple):
    """The parameters of MAIL, in RFC 1870 octets and RFC 3461 xtext as given; "" or `None` where one was not given.

    `body` is "7BITMIME" or "8BITMIME" (RFC 6152), `ret` "FULL" or "HDRS", `auth` xtext or "<>" (RFC 4954, 5),
    `requiretls` that every hop must be under TLS (RFC 8689, 2).
    """

    size: int | None = None
    body: str = ""
    smtputf8: bool = False
    ret: str = ""
    envid: str = ""
    auth: str | None = None
    requiretls: bool = False


class RcptParameters(NamedTuple):
    """The parameters of RCPT (RFC 3461, 4.1 and 4.2), "" where not given.

    `notify` is in upper case, `original` as `addr-type;xtext`.
    """

    notify: str = ""
    original: str = ""


NO_MAIL_PARAMETERS: Final = MailParameters()
NO_RCPT_PARAMETERS: Final = RcptParameters()


# Commands are data classes, so that one never equals another; MAIL, RCPT and their parameters, made for every message,
# are named tuples for speed; no two commands among them have the same length.


@dataclass(frozen=True, slots=True)
class Helo:
    """RFC 5321, 4.1.1.1; `domain` is the first word as given, "" when there was none."""

    domain: str


@dataclass(frozen=True, slots=True)
class Ehlo:
    """RFC 5321, 4.1.1.1; `domain` is the first word as given, "" when there was none."""

    domain: str


class Mail(NamedTuple):
    """RFC 5321, 4.1.1.2; a `None` reverse-path is the null one, or no path when `blank` (the rules' `#blank`)."""

    reverse_path: Mailbox | None
    parameters: MailParameters = NO_MAIL_PARAMETERS
    blank: bool = False


class Rcpt(NamedTuple):
    """RFC 5321, 4.1.1.3; the forward-path of a bare `<postmaster>` has the domain ""."""

    forward_path: Mailbox
    parameters: RcptParameters = NO_RCPT_PARAMETERS


@dataclass(frozen=True, slots=True)
class Data:
    """RFC 5321, 4.1.1.4."""


@dataclass(frozen=True, slots=True)
class Bdat:
    """RFC 3030, 2: `size` octets follow the command line at once."""

    size: int
    last: bool


@dataclass(frozen=True, slots=True)
class Rset:
    """RFC 5321, 4.1.1.5."""


@dataclass(frozen=True, slots=True)
class Noop:
    """RFC 5321, 4.1.1.9; its argument means nothing."""


@dataclass(frozen=True, slots=True)
class Vrfy:
    """RFC 5321, 4.1.1.6; `smtputf8` says that the reply may go beyond ASCII (RFC 6531, 3.7.4.2)."""

    argument: str
    smtputf8: bool = False


@dataclass(frozen=True, slots=True)
class Expn:
    """RFC 5321, 4.1.1.7; `smtputf8` says that the reply may go beyond ASCII (RFC 6531, 3.7.4.2)."""

    argument: str
    smtputf8: bool = False


@dataclass(frozen=True, slots=True)
class Help:
    """RFC 5321, 4.1.1.8."""

    argument: str


@dataclass(frozen=True, slots=True)
class Quit:
    """RFC 5321, 4.1.1.10."""


@dataclass(frozen=True, slots=True)
class Auth:
    """RFC 4954, 4; `initial` is the initial response as sent: base64, "=" for an empty one, `None` for none."""

    mechanism: str
    initial: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Starttls:
    """RFC 3207, 4."""


Command = Helo | Ehlo | Mail | Rcpt | Data | Bdat | Rset | Noop | Vrfy | Expn | Help | Quit | Auth | Starttls


@dataclass(frozen=True, slots=True)
class Refusal:
    """A line that is no command: the reply's row and its fields.

    `verb` is the known verb in upper case, else "". After a `fatal` one the connection must end: octets of unknown
    number follow the line, and reading them as commands would let mail data speak (RFC 3030, 2).
    """

    row: ReplyRow
    fields: dict[str, str] = field(default_factory=dict)
    verb: str = ""
    fatal: bool = False


class _Refused(Exception):
    def __init__(self, row: ReplyRow, **fields: str) -> None:
        self.row = row
        self.fields = fields


def parse_command(line: bytes, *, smtputf8_allowed: bool, requiretls_allowed: bool = False) -> Command | Refusal:
    """The command of `line`, which comes without its CRLF; any octets give a command or a refusal.

    `smtputf8_allowed` says SMTPUTF8 was offered or, within a mail transaction, that its MAIL asked for it; otherwise
    the parameter is unknown and paths are ASCII (RFC 6531, 3.4). `requiretls_allowed` says REQUIRETLS was offered.
    """
    line = line.rstrip(b" \t")
    text = line.decode("ascii") if line.isascii() else ""
    if not text.isprintable() or (line and not text):
        decoded = _decode_unusual(line)
        if isinstance(decoded, Refusal):
            return decoded
        text = decoded
    word, _, argument = text.partition(" ")
    verb = word.upper()
    parser = _PARSERS.get(verb)
    if parser is None:
        return Refusal(replies.COMMAND_UNRECOGNIZED, {"command": word[:MAX_ECHO]}, fatal=verb in WEB_VERBS)
    try:
        return parser(argument.lstrip(" "), _ALLOWED[smtputf8_allowed][requiretls_allowed])
    except _Refused as refused:
        return Refusal(refused.row, refused.fields, verb, fatal=verb == "BDAT")


# The parameters that must have been offered: of `smtputf8_allowed` (first index) and `requiretls_allowed` (second).
_ALLOWED: Final = (
    (frozenset[str](), frozenset({"REQUIRETLS"})),
    (frozenset({"SMTPUTF8"}), frozenset({"SMTPUTF8", "REQUIRETLS"})),
)
_find_control: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]").search
_UTF8_VERBS: Final = frozenset({b"MAIL", b"RCPT", b"VRFY", b"EXPN"})  # RFC 6531, 3.4 and 3.7.4


def _decode_unusual(line: bytes) -> str | Refusal:
    verb = line.partition(b" ")[0].upper()
    known = verb.decode("ascii", "replace") if verb in KNOWN_VERBS else ""
    fatal = known == "BDAT"
    try:
        text = line.decode("utf-8" if verb in _UTF8_VERBS else "ascii")
    except UnicodeDecodeError:
        return Refusal(replies.COMMAND_NOT_ASCII, verb=known, fatal=fatal)
    if _find_control(text):
        row = replies.HELLO_SYNTAX if known in {"HELO", "EHLO"} else replies.COMMAND_NOT_ASCII
        return Refusal(row, verb=known, fatal=fatal)
    return text


def _helo(argument: str, _allowed: frozenset[str]) -> Command:
    return Helo(_hello_domain(argument))


def _ehlo(argument: str, _allowed: frozenset[str]) -> Command:
    return Ehlo(_hello_domain(argument))


def _hello_domain(argument: str) -> str:
    domain = argument.partition(" ")[0]
    if len(domain) > MAX_HELLO_DOMAIN:
        raise _Refused(replies.HELLO_SYNTAX)
    return domain


def _mail(argument: str, allowed: frozenset[str]) -> Command:
    # RFC 5321, 4.1.1.2: mail = "MAIL FROM:" Reverse-path [SP Mail-parameters]
    if argument[:5].upper() != "FROM:":
        raise _Refused(replies.ARGUMENT_REQUIRED)
    argument = argument[5:].lstrip(" ")
    if not argument:
        return Mail(None, blank=True)
    path, rest = _split_path(argument)
    try:
        reverse_path = parse_reverse_path(path)
    except AddressError as error:
        raise _Refused(replies.REVERSE_PATH_SYNTAX, reason=str(error)) from None
    parameters = _mail_parameters(rest, allowed) if rest else NO_MAIL_PARAMETERS
    if not parameters.smtputf8 and not path.isascii():
        raise _Refused(replies.SMTPUTF8_REQUIRED)
    return Mail(reverse_path, parameters)


def _rcpt(argument: str, allowed: frozenset[str]) -> Command:
    # RFC 5321, 4.1.1.3: rcpt = "RCPT TO:" ( "<Postmaster>" / Forward-path ) [SP Rcpt-parameters]
    if argument[:3].upper() != "TO:":
        raise _Refused(replies.ARGUMENT_REQUIRED)
    argument = argument[3:].lstrip(" ")
    if not argument:
        raise _Refused(replies.ARGUMENT_REQUIRED)
    path, rest = _split_path(argument)
    if path == "<>":
        raise _Refused(replies.NO_VALID_RECIPIENT)
    try:
        forward_path = parse_forward_path(path)
    except NoDomain:
        raise _Refused(replies.NO_VALID_RECIPIENT) from None
    except AddressError as error:
        raise _Refused(replies.FORWARD_PATH_SYNTAX, reason=str(error)) from None
    parameters = _rcpt_parameters(rest, allowed) if rest else NO_RCPT_PARAMETERS
    if "SMTPUTF8" not in allowed and not path.isascii():
        raise _Refused(replies.SMTPUTF8_REQUIRED)
    return Rcpt(forward_path, parameters)


# A path ends at the first ">" outside a quoted-string.
_match_path: Final = re.compile(r'(<(?:[^">]++|"(?:[^"\\]++|\\.)*+")*+>)(?: +(.*+))?+', re.DOTALL).fullmatch


def _split_path(argument: str) -> tuple[str, str]:
    """The path with its angle brackets, and the parameters; clients that leave the brackets out are understood."""
    match = _match_path(argument)
    if match is not None:
        path, rest = match.groups()
        return path, rest or ""
    path, _, rest = argument.partition(" ")
    return (path if path.startswith("<") else f"<{path}>"), rest


def _data(argument: str, _allowed: frozenset[str]) -> Command:
    return _without_argument(argument, _DATA)


def _rset(argument: str, _allowed: frozenset[str]) -> Command:
    return _without_argument(argument, _RSET)


def _quit(argument: str, _allowed: frozenset[str]) -> Command:
    return _without_argument(argument, _QUIT)


def _starttls(argument: str, _allowed: frozenset[str]) -> Command:
    return _without_argument(argument, _STARTTLS)


_DATA: Final = Data()
_RSET: Final = Rset()
_QUIT: Final = Quit()
_NOOP: Final = Noop()
_STARTTLS: Final = Starttls()


def _without_argument(argument: str, command: Command) -> Command:
    if argument:
        raise _Refused(replies.ARGUMENT_UNEXPECTED)
    return command


_match_chunk: Final = re.compile(r"([0-9]{1,20})(?: +(LAST))?", re.ASCII | re.IGNORECASE).fullmatch


def _bdat(argument: str, _allowed: frozenset[str]) -> Command:
    # RFC 3030, 2: bdat-cmd = "BDAT" SP chunk-size [ SP end-marker ]
    match = _match_chunk(argument)
    if match is None:
        raise _Refused(replies.CHUNK_SIZE_SYNTAX)
    return Bdat(int(match[1]), last=match[2] is not None)


def _noop(_argument: str, _allowed: frozenset[str]) -> Command:
    return _NOOP


def _help(argument: str, _allowed: frozenset[str]) -> Command:
    return Help(argument)


def _vrfy(argument: str, allowed: frozenset[str]) -> Command:
    return Vrfy(*_name_to_look_up(argument, allowed))


def _expn(argument: str, allowed: frozenset[str]) -> Command:
    return Expn(*_name_to_look_up(argument, allowed))


def _name_to_look_up(argument: str, allowed: frozenset[str]) -> tuple[str, bool]:
    # RFC 6531, 3.7.4.2: the parameter stands behind the name.
    if not argument:
        raise _Refused(replies.ARGUMENT_REQUIRED)
    name, blank, parameter = argument.rpartition(" ")
    smtputf8 = "SMTPUTF8" in allowed and bool(blank) and parameter.upper() == "SMTPUTF8"
    if not smtputf8 and not argument.isascii():
        raise _Refused(replies.SMTPUTF8_REQUIRED)
    return (name.rstrip(" "), True) if smtputf8 else (argument, False)


def _auth(argument: str, _allowed: frozenset[str]) -> Command:
    # RFC 4954, 4: AUTH mechanism [initial-response]
    if not argument:
        raise _Refused(replies.ARGUMENT_REQUIRED)
    mechanism, _, initial = argument.partition(" ")
    initial = initial.lstrip(" ")
    if " " in initial:
        raise _Refused(replies.ARGUMENT_UNEXPECTED)
    return Auth(mechanism.upper(), initial.encode("ascii") if initial else None)


_PARSERS: Final[dict[str, Callable[[str, frozenset[str]], Command]]] = {
    "HELO": _helo,
    "EHLO": _ehlo,
    "MAIL": _mail,
    "RCPT": _rcpt,
    "DATA": _data,
    "BDAT": _bdat,
    "RSET": _rset,
    "NOOP": _noop,
    "VRFY": _vrfy,
    "EXPN": _expn,
    "HELP": _help,
    "QUIT": _quit,
    "AUTH": _auth,
    "STARTTLS": _starttls,
}
KNOWN_VERBS: Final = frozenset(verb.encode("ascii") for verb in _PARSERS)


# RFC 3461, 4: xtext; what it encodes must be printable ASCII, so that a notification can show it.
_XTEXT: Final = r"(?:[!-*,-<>-~]|\+(?:[2-6][0-9A-F]|7[0-9A-E]))++"
_match_xtext: Final = re.compile(_XTEXT).fullmatch
_match_original: Final = re.compile(rf"[A-Za-z0-9-]++;{_XTEXT}").fullmatch
# RFC 6533, 3: utf-8-addr-unitext
_match_original_utf8: Final = re.compile(
    r"utf-8;(?:[!-*,-<>-~\xa0-\u2027\u202a-\ud7ff\ue000-\U0010ffff]|\+(?:[2-6][0-9A-F]|7[0-9A-E]))++", re.IGNORECASE
).fullmatch
_match_auth: Final = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})++").fullmatch
_match_size: Final = re.compile(r"[0-9]{1,20}", re.ASCII).fullmatch
_match_notify: Final = re.compile(r"NEVER|(?:SUCCESS|FAILURE|DELAY)(?:,(?:SUCCESS|FAILURE|DELAY)){0,2}").fullmatch
_match_keyword: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*+", re.ASCII).fullmatch
_find_encoded: Final = re.compile(rb"\+([0-9A-F]{2})")

_MAIL_KEYWORDS: Final = frozenset({"SIZE", "BODY", "RET", "ENVID", "AUTH"})
_WITHOUT_VALUE: Final = frozenset({"SMTPUTF8", "REQUIRETLS"})
_RCPT_KEYWORDS: Final = frozenset({"NOTIFY", "ORCPT"})


def _bad(keyword: str) -> _Refused:
    return _Refused(replies.PARAMETER_SYNTAX, parameter=keyword[:MAX_ECHO])


def _split_parameters(text: str, known: frozenset[str]) -> dict[str, str]:
    """Values by keyword in upper case, "" for a keyword without a value (RFC 5321, 4.1.1.11)."""
    values: dict[str, str] = {}
    for word in text.split(" "):
        if not word:
            continue
        keyword, equals, value = word.partition("=")
        name = keyword.upper()
        if name not in known:
            if not _match_keyword(keyword):
                raise _bad(keyword)
            raise _Refused(replies.PARAMETER_UNKNOWN, parameter=keyword[:MAX_ECHO])
        if name in values or (equals and not value) or (bool(equals) is (name in _WITHOUT_VALUE)):
            raise _bad(name)
        values[name] = value
    return values


def _mail_parameters(text: str, allowed: frozenset[str]) -> MailParameters:
    values = _split_parameters(text, _MAIL_KEYWORDS | allowed)
    envid = values.get("ENVID", "")
    if envid and (len(envid) > MAX_ENVID or not _match_xtext(envid)):
        raise _bad("ENVID")
    return MailParameters(
        size=_size(values["SIZE"]) if "SIZE" in values else None,
        body=_one_of(values, "BODY", ("7BITMIME", "8BITMIME")),
        smtputf8="SMTPUTF8" in values,
        ret=_one_of(values, "RET", ("FULL", "HDRS")),
        envid=envid,
        auth=_submitter(values["AUTH"]) if "AUTH" in values else None,
        requiretls="REQUIRETLS" in values,
    )


def _size(value: str) -> int:
    # RFC 1870, 3: size-value = 1*20DIGIT
    if not _match_size(value):
        raise _bad("SIZE")
    return int(value)


def _one_of(values: dict[str, str], keyword: str, allowed: tuple[str, ...]) -> str:
    value = values.get(keyword)
    if value is None:
        return ""
    value = value.upper()
    if value not in allowed:
        raise _bad(keyword)
    return value


def _submitter(value: str) -> str:
    # RFC 4954, 5: xtext of a mailbox, or "<>"; senders also give a login name without a domain.
    if value == "<>":
        return value
    if not _match_auth(value):
        raise _bad("AUTH")
    decoded = _find_encoded.sub(lambda match: bytes.fromhex(match[1].decode()), value.encode("ascii"))
    try:
        parse_mailbox(decoded.decode())
    except NoDomain:
        return value
    except (AddressError, UnicodeDecodeError):
        raise _bad("AUTH") from None
    return value


def _rcpt_parameters(text: str, allowed: frozenset[str]) -> RcptParameters:
    values = _split_parameters(text, _RCPT_KEYWORDS)
    notify = values.get("NOTIFY", "").upper()
    if notify and not _match_notify(notify):
        raise _bad("NOTIFY")
    original = values.get("ORCPT", "")
    if original and not _is_original(original, smtputf8_allowed="SMTPUTF8" in allowed):
        raise _bad("ORCPT")
    return RcptParameters(notify, original)


def _is_original(value: str, *, smtputf8_allowed: bool) -> bool:
    # RFC 3461, 4.2: original-recipient-address = addr-type ";" xtext
    if len(value) > MAX_ORIGINAL:
        return False
    return bool(_match_original(value) or (smtputf8_allowed and _match_original_utf8(value)))
