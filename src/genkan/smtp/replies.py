# SPDX-License-Identifier: Apache-2.0
"""The reply catalogue: every word the server says on the wire, one row a reply, one attribute a row.

RFC 5321, 4.2 (replies), RFC 2034 and 3463 (enhanced codes). No reply text may stand outside this module; why a reply is
given and what to do then is in `reply_meanings.py` and `reply_meanings_ja.py`, under the same names.
A name says the reason. `{field}` names are filled by `Wordbook`; who sends a row gives every field of every profile.
"""

from __future__ import annotations

from typing import Final

from genkan.smtp.reply import ReplyRow, Wording
from genkan.smtp.reply_meanings import MEANINGS
from genkan.smtp.reply_meanings_ja import MEANINGS_JA

CATALOGUE: Final[dict[str, ReplyRow]] = {}
"""All rows by name, in the order of the mail's way."""

SECTIONS: Final[dict[str, list[ReplyRow]]] = {}
"""The rows of `CATALOGUE` by the title of their section, for the documentation."""

OTHER_CLASS: Final = {"START_MAIL_INPUT": "2.0.0"}
"""Rows whose enhanced code has another class than their code: the product sends `354 2.0.0`."""


def check_row(row: ReplyRow) -> None:
    """Raise `ValueError` when a wording of `row` has an enhanced code of another class than its code (RFC 2034, 4)."""
    for wording in filter(None, (row.wording, row.older, row.rfc)):
        if not 200 <= wording.code <= 599:
            raise ValueError(f"{row.name}: {wording.code} is not a reply code; use 200 to 599")
        enhanced = wording.enhanced
        if enhanced and enhanced[0] != str(wording.code)[0] and OTHER_CLASS.get(row.name) != enhanced:
            raise ValueError(f"{row.name}: {wording.code} does not go with {enhanced}; begin both with the same digit")


class _Section:
    """Adds the rows of one section to the catalogue, by the origin of their wording."""

    def __init__(self, title: str) -> None:
        self._rows = SECTIONS.setdefault(title, [])

    def seed(self, name: str, said: Wording, *, rfc: Wording | None = None, older: Wording | None = None) -> ReplyRow:
        return self._add(name, "seed", said, rfc, older)

    def rfc(self, name: str, said: Wording, *, rfc: Wording | None = None) -> ReplyRow:
        return self._add(name, "rfc", said, rfc, None)

    def ours(self, name: str, said: Wording, *, rfc: Wording | None = None) -> ReplyRow:
        return self._add(name, "ours", said, rfc, None)

    def _add(self, name: str, origin: str, said: Wording, rfc: Wording | None, older: Wording | None) -> ReplyRow:
        if name in CATALOGUE:
            raise ValueError(f"{name}: this name is in the catalogue already; a second wording is a column")
        english, japanese = MEANINGS[name], MEANINGS_JA[name]
        row = ReplyRow(
            name=name,
            wording=said,
            meaning=english.cause,
            meaning_ja=japanese.cause,
            remedy=english.remedy,
            remedy_ja=japanese.remedy,
            origin=origin,
            rfc=rfc,
            older=older,
        )
        check_row(row)
        CATALOGUE[name] = row
        self._rows.append(row)
        return row


_W = Wording

# The order of the arguments: name, product's wording (code, enhanced code, text), then what other profiles say instead.

_at = _Section("Connection")
GREETING: Final = _at.seed("GREETING", _W(220, None, "{fqdn} {banner}"), rfc=_W(220, None, "{fqdn} ESMTP {banner}"))
TRIAL_EXPIRED: Final = _at.seed(
    "TRIAL_EXPIRED",
    _W(421, None, "Exceeded an expiration date."),
    rfc=_W(421, "4.3.2", "{fqdn} Service not available"),
)
TOO_MANY_SESSIONS: Final = _at.seed(
    "TOO_MANY_SESSIONS",
    _W(421, None, "exceeds an accepting limit. ..."),
    rfc=_W(421, "4.3.2", "{fqdn} Too many connections, try again later"),
)
CLOSING: Final = _at.seed(
    "CLOSING", _W(221, "2.0.0", "{fqdn} closing connection."), rfc=_W(221, "2.0.0", "{fqdn} Closing connection")
)
IDLE_TIMEOUT: Final = _at.ours(
    "IDLE_TIMEOUT",
    _W(421, None, "{fqdn} closing connection."),
    rfc=_W(421, "4.4.2", "{fqdn} Idle for too long, closing connection"),
)
TRANSACTION_TOO_LONG: Final = _at.ours(
    "TRANSACTION_TOO_LONG", _W(421, "4.4.2", "{fqdn} Mail transaction took too long, closing connection")
)
TOO_MANY_BAD_COMMANDS: Final = _at.ours(
    "TOO_MANY_BAD_COMMANDS", _W(421, "4.7.0", "{fqdn} Too many bad commands, closing connection")
)
CLIENT_LISTED: Final = _at.ours(
    "CLIENT_LISTED",
    _W(550, "5.1.7", "Please, mail from a valid IP or Domain address."),
    rfc=_W(554, "5.7.1", "{client_address} is on a block list"),
)
SHUTTING_DOWN: Final = _at.rfc("SHUTTING_DOWN", _W(421, "4.3.2", "{fqdn} Shutting down, closing connection"))

_at = _Section("Any command")
NOOP_OK: Final = _at.seed("NOOP_OK", _W(250, "2.0.0", "ok."), rfc=_W(250, "2.0.0", "OK"))
RESET_OK: Final = _at.seed("RESET_OK", _W(250, "2.0.0", "Reset state"))
_COMMANDS: Final = "HELO EHLO AUTH STARTTLS MAIL RCPT DATA BDAT RSET NOOP VRFY EXPN HELP QUIT"
HELP_TEXT: Final = _at.rfc("HELP_TEXT", _W(214, "2.0.0", f"Commands: {_COMMANDS}"))
COMMAND_UNRECOGNIZED: Final = _at.seed("COMMAND_UNRECOGNIZED", _W(500, "5.5.2", 'command unrecognized: "{command}"'))
COMMAND_NOT_ASCII: Final = _at.ours("COMMAND_NOT_ASCII", _W(500, "5.5.2", "Character not allowed in a command"))
COMMAND_BARE_NEWLINE: Final = _at.ours(
    "COMMAND_BARE_NEWLINE", _W(500, "5.5.2", "Command line must end in CRLF, closing connection")
)
LINE_TOO_LONG: Final = _at.rfc("LINE_TOO_LONG", _W(500, "5.5.2", "Line too long"))
ARGUMENT_REQUIRED: Final = _at.seed(
    "ARGUMENT_REQUIRED", _W(501, "5.5.2", "Argument required"), rfc=_W(501, "5.5.4", "Argument required")
)
ARGUMENT_UNEXPECTED: Final = _at.rfc("ARGUMENT_UNEXPECTED", _W(501, "5.5.4", "Argument not allowed"))
PARAMETER_SYNTAX: Final = _at.rfc("PARAMETER_SYNTAX", _W(501, "5.5.4", "Bad parameter: {parameter}"))
PARAMETER_UNKNOWN: Final = _at.rfc("PARAMETER_UNKNOWN", _W(555, "5.5.4", "Unknown parameter: {parameter}"))
TRANSACTION_OPEN: Final = _at.rfc("TRANSACTION_OPEN", _W(503, "5.5.1", "Not allowed within a mail transaction"))

_at = _Section("HELO and EHLO")
HELO_HELLO: Final = _at.seed("HELO_HELLO", _W(250, None, "{fqdn} Hello [{client_address}], pleased to meet you"))
EHLO_HELLO: Final = _at.seed("EHLO_HELLO", _W(250, None, "{fqdn} Hello [{client_address}], pleased to meet you"))
EHLO_KEYWORD: Final = _at.rfc("EHLO_KEYWORD", _W(250, None, "{keyword}"))
EHLO_STARTTLS: Final = _at.seed("EHLO_STARTTLS", _W(250, None, "STARTTLS"))
EHLO_AUTH: Final = _at.seed("EHLO_AUTH", _W(250, None, "AUTH {mechanisms}"))
EHLO_SIZE: Final = _at.seed("EHLO_SIZE", _W(250, None, "SIZE {size}"))
HELLO_SYNTAX: Final = _at.rfc("HELLO_SYNTAX", _W(501, "5.5.4", "Domain or address literal expected"))
DUPLICATE_HELO: Final = _at.seed("DUPLICATE_HELO", _W(503, "5.5.1", "{fqdn} Duplicate HELO"))
DUPLICATE_EHLO: Final = _at.seed("DUPLICATE_EHLO", _W(503, "5.5.1", "{fqdn} Duplicate EHLO"))
NEED_HELLO: Final = _at.rfc("NEED_HELLO", _W(503, "5.5.1", "Send HELO or EHLO first"))

_at = _Section("STARTTLS")
READY_FOR_TLS: Final = _at.seed("READY_FOR_TLS", _W(220, "2.0.0", "Ready to start TLS"))
TLS_NOT_AVAILABLE: Final = _at.rfc("TLS_NOT_AVAILABLE", _W(454, "4.7.0", "TLS not available"))
TLS_ALREADY_ACTIVE: Final = _at.rfc("TLS_ALREADY_ACTIVE", _W(503, "5.5.1", "TLS already active"))

_at = _Section("AUTH")
AUTH_CHALLENGE: Final = _at.seed("AUTH_CHALLENGE", _W(334, None, "{challenge}"))
AUTH_OK: Final = _at.seed(
    "AUTH_OK", _W(235, "2.0.0", "Authentication successful."), rfc=_W(235, "2.7.0", "Authentication successful")
)
AUTH_FAILED: Final = _at.seed(
    "AUTH_FAILED",
    _W(535, "5.7.0", "Authentication failed."),
    rfc=_W(535, "5.7.8", "Authentication credentials invalid"),
)
AUTH_NOT_BASE64: Final = _at.rfc(
    "AUTH_NOT_BASE64", _W(535, "5.7.0", "Authentication failed."), rfc=_W(501, "5.5.2", "Cannot decode base64")
)
AUTH_CANCELLED: Final = _at.seed(
    "AUTH_CANCELLED",
    _W(501, "5.0.0", "The client wanted to cancel authentication."),
    rfc=_W(501, "5.7.0", "Authentication cancelled"),
)
AUTH_MECHANISM_UNKNOWN: Final = _at.seed(
    "AUTH_MECHANISM_UNKNOWN",
    _W(504, "5.7.4", "Unrecognized authentication type."),
    rfc=_W(504, "5.5.4", "Unrecognized authentication type"),
)
AUTH_NEEDS_TLS: Final = _at.rfc(
    "AUTH_NEEDS_TLS", _W(538, "5.7.11", "Encryption required for requested authentication mechanism")
)
AUTH_NOT_ENABLED: Final = _at.seed(
    "AUTH_NOT_ENABLED",
    _W(503, "5.5.1", "Error: authentication not enabled."),
    rfc=_W(503, "5.5.1", "Authentication not enabled"),
)
NEED_EHLO_BEFORE_AUTH: Final = _at.seed(
    "NEED_EHLO_BEFORE_AUTH", _W(503, "5.0.0", "Need EHLO before AUTH"), rfc=_W(503, "5.5.1", "Need EHLO before AUTH")
)
DUPLICATE_AUTH: Final = _at.seed(
    "DUPLICATE_AUTH", _W(503, "5.5.1", "{fqdn} Duplicate AUTH"), rfc=_W(503, "5.5.1", "Already authenticated")
)
AUTH_UNAVAILABLE: Final = _at.rfc("AUTH_UNAVAILABLE", _W(454, "4.7.0", "Temporary authentication failure, id {id}"))

_at = _Section("MAIL")
SENDER_OK: Final = _at.seed(
    "SENDER_OK", _W(250, "2.0.0", "<{reverse_path}>... Sender ok."), rfc=_W(250, "2.1.0", "Sender OK")
)
NEED_AUTH_BEFORE_MAIL: Final = _at.seed(
    "NEED_AUTH_BEFORE_MAIL", _W(503, "5.0.0", "Need AUTH before MAIL"), rfc=_W(530, "5.7.0", "Authentication required")
)
SENDER_ALREADY_SPECIFIED: Final = _at.seed("SENDER_ALREADY_SPECIFIED", _W(503, "5.5.1", "Sender already specified"))
REVERSE_PATH_SYNTAX: Final = _at.rfc("REVERSE_PATH_SYNTAX", _W(501, "5.1.7", "Bad reverse-path: {reason}"))
SMTPUTF8_REQUIRED: Final = _at.rfc("SMTPUTF8_REQUIRED", _W(553, "5.6.7", "Address needs the SMTPUTF8 parameter"))
SENDER_UNKNOWN: Final = _at.seed(
    "SENDER_UNKNOWN",
    _W(550, "5.1.7", "Please, mail from a valid e-mail address."),
    rfc=_W(550, "5.1.0", "Sender address unknown here"),
)
SENDER_FORBIDDEN: Final = _at.seed(
    "SENDER_FORBIDDEN",
    _W(550, "5.1.7", "Please, mail from a valid IP or Domain address."),
    rfc=_W(550, "5.7.1", "Sender not permitted"),
)
_GRAY: Final = _W(450, "4.7.1", "Sorry. mail from a valid IP or Domain address.(SPF_GRAY)")
SPF_DEFERRED: Final = _at.seed("SPF_DEFERRED", _GRAY, rfc=_W(450, "4.7.23", "SPF validation failed"))
SPF_UNAVAILABLE: Final = _at.ours(
    "SPF_UNAVAILABLE", _GRAY, rfc=_W(451, "4.4.3", "SPF record of the sender cannot be looked up, try again later")
)

_at = _Section("RCPT")
RECIPIENT_OK: Final = _at.seed(
    "RECIPIENT_OK", _W(250, "2.0.0", "<{forward_path}>... Recipient ok."), rfc=_W(250, "2.1.5", "Recipient OK")
)
NEED_MAIL_BEFORE_RCPT: Final = _at.seed(
    "NEED_MAIL_BEFORE_RCPT", _W(503, "5.0.0", "Need MAIL before RCPT"), rfc=_W(503, "5.5.1", "Need MAIL before RCPT")
)
FORWARD_PATH_SYNTAX: Final = _at.rfc("FORWARD_PATH_SYNTAX", _W(501, "5.1.3", "Bad forward-path: {reason}"))
NO_VALID_RECIPIENT: Final = _at.seed(
    "NO_VALID_RECIPIENT",
    _W(550, "5.1.1", "Please mail to a valid e-mail address."),
    rfc=_W(553, "5.1.3", "Not a recipient address"),
)
USER_UNKNOWN: Final = _at.seed(
    "USER_UNKNOWN",
    _W(550, "5.1.1", "{forward_path} ... User unknown."),
    rfc=_W(550, "5.1.1", "<{forward_path}> No such mailbox here"),
)
MAILBOX_FULL: Final = _at.seed(
    "MAILBOX_FULL", _W(450, "4.2.2", "Sorry. e-mail address box is full."), rfc=_W(452, "4.2.2", "Mailbox full")
)
RELAY_DENIED: Final = _at.seed(
    "RELAY_DENIED",
    _W(550, "5.7.1", "Sorry {forward_path}, I don't allow unauthorized relaying."),
    rfc=_W(550, "5.7.1", "<{forward_path}> Relaying not permitted"),
)
TOO_MANY_RECIPIENTS: Final = _at.seed(
    "TOO_MANY_RECIPIENTS", _W(550, "5.1.1", "Address exceeds a maximum."), rfc=_W(452, "4.5.3", "Too many recipients")
)
RECIPIENTS_HELD: Final = _at.rfc("RECIPIENTS_HELD", _W(452, "4.5.3", "Too many recipients in one mail transaction"))
_BLACKLIST: Final = _W(
    550, "5.1.1", "Please mail to a valid e-mail address. approval filter. '{reverse_path}' is entry in the blacklist."
)
RECIPIENT_FORBIDDEN: Final = _at.seed(
    "RECIPIENT_FORBIDDEN",
    _BLACKLIST,
    older=_W(550, "5.1.1", "Please mail to a valid e-mail address."),
    rfc=_W(550, "5.7.1", "Sending to this address not permitted"),
)
SENDER_BLACKLISTED: Final = _at.seed("SENDER_BLACKLISTED", _BLACKLIST, rfc=_W(550, "5.7.1", "Sender refused"))
LIST_NEEDS_AUTH: Final = _at.seed(
    "LIST_NEEDS_AUTH",
    _W(550, "5.7.0", "Please, mail after SMTP-authentication."),
    rfc=_W(530, "5.7.0", "Authentication required for this list"),
)
LIST_POST_DENIED: Final = _at.ours(
    "LIST_POST_DENIED",
    _W(550, "5.7.2", "Sorry {forward_path}, you are not allowed to mail to this list."),
    rfc=_W(550, "5.7.2", "<{forward_path}> Sending to this list not permitted"),
)

_at = _Section("DATA and BDAT")
START_MAIL_INPUT: Final = _at.seed(
    "START_MAIL_INPUT",
    _W(354, "2.0.0", "Start mail input;id <{message_id}> end with <CRLF>.<CRLF>"),
    rfc=_W(354, None, "Start mail input; end with <CRLF>.<CRLF>"),
)
MESSAGE_RECEIVED: Final = _at.seed(
    "MESSAGE_RECEIVED", _W(250, "2.0.0", "Message received ok."), rfc=_W(250, "2.0.0", "Message accepted")
)
NEED_RCPT: Final = _at.seed("NEED_RCPT", _W(503, "5.0.0", "Need RCPT"), rfc=_W(503, "5.5.1", "Need RCPT"))
CHUNK_RECEIVED: Final = _at.rfc("CHUNK_RECEIVED", _W(250, "2.0.0", "{octets} octets received"))
CHUNKING_UNDER_WAY: Final = _at.rfc(
    "CHUNKING_UNDER_WAY", _W(503, "5.5.1", "Chunks under way, only BDAT or RSET may follow")
)
CHUNK_SIZE_SYNTAX: Final = _at.ours(
    "CHUNK_SIZE_SYNTAX", _W(501, "5.5.4", "Chunk size not understood, closing connection")
)
MESSAGE_TOO_BIG: Final = _at.seed(
    "MESSAGE_TOO_BIG",
    _W(552, "5.3.1", "Requested mail action aborted: exceeded storage allocation."),
    rfc=_W(552, "5.3.4", "Message too big"),
)
TOO_MANY_HOPS: Final = _at.seed(
    "TOO_MANY_HOPS", _W(554, "5.4.6", "too many Received: headers."), rfc=_W(554, "5.4.6", "Too many Received fields")
)
BARE_NEWLINE: Final = _at.ours(
    "BARE_NEWLINE", _W(550, "5.6.0", "CR or LF outside of CRLF in mail data, closing connection")
)
TEXT_LINE_TOO_LONG: Final = _at.ours("TEXT_LINE_TOO_LONG", _W(554, "5.6.0", "Text line too long"))
HEADER_TOO_BIG: Final = _at.ours("HEADER_TOO_BIG", _W(552, "5.3.4", "Header section too big"))
CAUGHT_BY_FILTER: Final = _at.seed(
    "CAUGHT_BY_FILTER",
    _W(552, "5.7.1", "Requested mail action aborted: caught by the filter setting."),
    rfc=_W(550, "5.7.1", "Content refused by a filter"),
)
SUBJECT_BLACKLISTED: Final = _at.seed(
    "SUBJECT_BLACKLISTED",
    _W(552, "5.7.1", "Requested mail action aborted: approval filter."),
    rfc=_W(550, "5.7.1", "Subject refused by a filter"),
)
SCANNER_UNAVAILABLE: Final = _at.ours(
    "SCANNER_UNAVAILABLE", _W(451, "4.7.1", "Content cannot be checked at present, try again later")
)
DMARC_REFUSED: Final = _at.ours(
    "DMARC_REFUSED",
    _W(550, "5.7.1", "Sorry. {domain} wants mail refused that fails DMARC."),
    rfc=_W(550, "5.7.26", "DMARC failed, {domain} wants such mail refused"),
)
AUTHOR_UNCLEAR: Final = _at.ours(
    "AUTHOR_UNCLEAR",
    _W(550, "5.7.1", "Sorry. the From field must say plainly who has written the message."),
    rfc=_W(550, "5.7.1", "The From field must say plainly who has written the message"),
)
DMARC_UNAVAILABLE: Final = _at.ours(
    "DMARC_UNAVAILABLE", _W(451, "4.4.3", "DMARC cannot be checked at present, try again later")
)
STORAGE_FULL: Final = _at.rfc("STORAGE_FULL", _W(452, "4.3.1", "Insufficient storage, try again later, id {id}"))
LOCAL_ERROR: Final = _at.rfc("LOCAL_ERROR", _W(451, "4.3.0", "Local error, try again later, id {id}"))

_at = _Section("VRFY and EXPN")
VRFY_OK: Final = _at.seed(
    "VRFY_OK", _W(250, "2.0.0", "{account} {name} ... User ok"), rfc=_W(250, "2.1.5", "{name} <{mailbox}>")
)
EXPN_OK: Final = _at.seed("EXPN_OK", _W(250, "2.0.0", "{account} {name}"), rfc=_W(250, "2.1.5", "{name} <{mailbox}>"))
VRFY_DISABLED: Final = _at.seed(
    "VRFY_DISABLED",
    _W(502, "5.3.3", "Command isn't implemented."),
    rfc=_W(252, "2.5.0", "Cannot VRFY user, but will accept mail and try to deliver it"),
)
