# SPDX-License-Identifier: Apache-2.0
"""Reads what a mail that came back reports: a permanent failure, one that may pass, or nothing of the kind (RFC 3464).

Whom it is about is for the address to say that it came back to. Of hostile content only the start is looked at.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from genkan.message.header import HeaderFields, parse_structured
from genkan.message.mime import TextReader
from genkan.message.transfer import transfer_decoder
from genkan.message.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MOST_HEADER: Final = 64 * 1024  # octets
MOST_BODY: Final = 128 * 1024

_MOST_PARTS: Final = 10  # of a report; RFC 6522 has three
_MOST_GROUPS: Final = 200  # of a delivery status; the message's, then one a recipient
_MOST_TEXT: Final = 8 * 1024  # octets of text in which a code is looked for; the returned mail may stand behind it
_REPORTS: Final = {"message/delivery-status", "message/global-delivery-status"}
_PROGRAMS: Final = ("auto-replied", "auto-generated")

_GROUP_END: Final = re.compile(rb"\n(?:[ \t]*+\r?\n)++")
_find_blank_line: Final = re.compile(rb"\n[ \t]*+\r?\n").search
_match_status: Final = re.compile(r"[245]\.\d{1,3}\.\d{1,3}(?!\d)", re.ASCII).match
# RFC 3463: subjects 0 to 7. Not a piece of an IP address, a version or a date.
_CODE: Final = r"(?<![\w.])(?P<status>%s\.[0-7]\.\d{1,3})(?![\w]|\.\d)"
_find_code: Final = re.compile(_CODE % "[45]", re.ASCII).search
# A line that begins with an SMTP reply, or has one behind a colon, as in "Remote host said: 550 no such user". What an
# automatic reply quotes begins with ">".
_REPLY: Final = r"^(?:[ \t]*+(?:<<<[ \t]*+)?|[^>\n][^\n]*:[ \t]++)(?P<class>%s)[0-5]\d[ -](?=[^\s\d])"
_find_reply_code: Final = re.compile(r"\b([45])\d\d\b", re.ASCII).search
_CODES: Final = tuple(re.compile(_CODE % severity, re.ASCII) for severity in "54")
_CODES_AND_REPLIES: Final = tuple(
    re.compile(pattern % severity, re.ASCII | re.MULTILINE) for severity in "54" for pattern in (_CODE, _REPLY)
)
_is_daemon: Final = re.compile(r"(?:^|[\s<\"])(?:mailer-daemon|postmaster)@", re.IGNORECASE).search


class Bounce(NamedTuple):
    """What is reported: whether for good, the enhanced code (RFC 3463), and why in the words of whoever refused it."""

    permanent: bool
    status: str
    reason: str


def read_bounce(header: bytes, body: bytes) -> Bounce | None:
    """What a mail to the null reverse-path's address reports; `None` when it is no bounce, such as an automatic reply.

    `header` is the header section, `body` what follows the blank line behind it; the start of both is enough. A mail
    that is no delivery status notification counts if a program wrote it and its first text has an enhanced code; with
    that of a mailer daemon the line of an SMTP reply is enough. It is for good if any of them says so.
    """
    start = header[:MOST_HEADER]
    fields = HeaderFields(start)
    content_type, parameters = parse_structured(fields.first("content-type"))
    if content_type == "multipart/report":
        if parameters.get("report-type", "delivery-status").lower() != "delivery-status":
            return None
        status = _delivery_status(body[:MOST_BODY], parameters.get("boundary", ""))
        if status is not None:
            return _reported(status)
    if _is_of_daemon(fields):
        return _unknown(_first_text(start, body[:MOST_BODY]), _CODES_AND_REPLIES)
    if _is_of_program(fields):
        return _unknown(_first_text(start, body[:MOST_BODY]), _CODES)
    return None


def _delivery_status(body: bytes, boundary: str) -> bytes | None:
    """The part for programs, its transfer encoding undone."""
    if not boundary.strip():
        return None
    line = re.compile(rb"^--%b(--)?[ \t]*+\r?$" % re.escape(boundary.encode("latin-1").rstrip()), re.MULTILINE)
    delimiters = list(islice(line.finditer(body), _MOST_PARTS + 1))
    for number, delimiter in enumerate(delimiters):
        if delimiter[1] is not None:
            return None
        end = delimiters[number + 1].start() if number + 1 < len(delimiters) else len(body)
        part = body[delimiter.end() : end]
        head_end = _find_blank_line(part)
        if head_end is None:
            continue
        fields = HeaderFields(part[: head_end.start() + 1])
        if parse_structured(fields.first("content-type"))[0] in _REPORTS:
            return _decoded(fields, part[head_end.end() :])
    return None


def _decoded(fields: HeaderFields, octets: bytes) -> bytes:
    decoder = transfer_decoder(parse_structured(fields.first("content-transfer-encoding"))[0])
    return octets if decoder is None else decoder.feed(octets) + decoder.finish()


def _reported(status: bytes) -> Bounce | None:
    """The worst that is said of any recipient (RFC 3464, 2.3.3 and 2.3.4)."""
    worst: Bounce | None = None
    for group in _groups(status):
        bounce = _of_recipient(group)
        if bounce is not None and (worst is None or (bounce.permanent and not worst.permanent)):
            worst = bounce
    return worst


def _groups(status: bytes) -> Iterator[HeaderFields]:
    begin = 0
    for end in islice(_GROUP_END.finditer(status), _MOST_GROUPS):
        yield HeaderFields(status[begin : end.start() + 1])
        begin = end.end()
    yield HeaderFields(status[begin:])


def _of_recipient(group: HeaderFields) -> Bounce | None:
    """What one group of fields reports; `None` for the message's own, and for mail that has arrived."""
    action = group.text("action").partition("(")[0].strip().lower()
    if action not in ("failed", "delayed"):
        return None
    kind, semicolon, words = group.text("diagnostic-code").partition(";")
    reason = visible(words if semicolon else kind)
    status = _status(group.text("status"), reason, action)
    # What was given up after days has failed for good, with a status that says why it took so long (4.4.7).
    return Bounce(action == "failed", status, reason)


def _status(given: str, reason: str, action: str) -> str:
    """The enhanced code, where it is missing or no code that of the diagnostic, or what the action means."""
    found = _match_status(given.strip()) or _find_code(reason)
    if found is not None:
        return found[0]
    code = _find_reply_code(reason)
    if code is not None:
        return f"{code[1]}.0.0"
    return "5.0.0" if action == "failed" else "4.0.0"


def _is_of_program(fields: HeaderFields) -> bool:
    submitted = re.split(r"[;(\s]", fields.text("auto-submitted").lower(), maxsplit=1)[0]  # RFC 3834, 5
    return submitted in _PROGRAMS


def _is_of_daemon(fields: HeaderFields) -> bool:
    return _is_daemon(fields.text("from")[:1000]) is not None


def _first_text(header: bytes, body: bytes) -> str:
    reader = TextReader(_MOST_TEXT)
    reader.feed(header.rstrip(b"\r\n") + b"\r\n\r\n" + body)
    reader.finish()
    return reader.texts[0] if reader.texts else ""


def _unknown(text: str, codes: Iterable[re.Pattern[str]]) -> Bounce | None:
    """A report that no program was meant to read, as qmail writes them."""
    found = next(filter(None, (code.search(text) for code in codes)), None)
    if found is None:
        return None
    groups = found.groupdict()
    status = groups.get("status") or f"{groups['class']}.0.0"
    begin = text.rfind("\n", 0, found.end()) + 1
    line, _, _ = text[begin:].partition("\n")
    return Bounce(status.startswith("5"), status, visible(line))
