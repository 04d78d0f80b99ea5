# SPDX-License-Identifier: Apache-2.0
"""The Authentication-Results field: ours is written, and what others wrote in our name is taken out (RFC 8601).

Pure, and linear whatever a header section holds.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from genkan.message.address_list import comment_end
from genkan.message.trace import comment_text, fold_line

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_FIELD: Final = 8192  # octets of a field of ours; results that would make it longer are left out
MOST_VALUE: Final = 320  # characters, before quoting
MOST_FIELDS: Final = 30  # of others that are looked at; those that follow are taken out
MOST_START: Final = 1024  # octets of a field in which its authserv-id has to stand
MOST_READ: Final = 8192  # characters of results that are read

_NAME: Final = b"authentication-results"
_FIELD: Final = re.compile(rb"^%b[ \t]*+:([^\n]*+(?:\n[ \t][^\n]*+)*+)(?:\n|\Z)" % _NAME, re.IGNORECASE | re.MULTILINE)
_replace_unprintable: Final = re.compile(r"[^ -~]").sub
_replace_in_keyword: Final = re.compile(r"[^A-Za-z0-9-]").sub
_unescape: Final = re.compile(r"\\(.)").sub
_WORD: Final = r"[!#$%&'*+.0-9A-Z^_`a-z{|}~-]++"  # RFC 2045, 5.1
_ATOM: Final = r"[!#-'*+/-9=?A-Z^-~-]++"
_is_plain: Final = re.compile(rf"{_WORD}|{_ATOM}(?:\.{_ATOM})*+@[A-Za-z0-9.-]++|@[A-Za-z0-9.-]++").fullmatch
_match_id: Final = re.compile(rf'({_WORD})|"((?:[^"\\]|\\.)*+)"').match
_match_blanks: Final = re.compile(r"[ \t\r\n]*+").match
_match_text: Final = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\Z)|[^"(]++', re.DOTALL).match
_match_dmarc_pass: Final = re.compile(
    r"\s*+dmarc\s*+(?:/\s*+[0-9]++\s*+)?=\s*+pass(?!\S)(?:.*?\sheader\.from\s*+=\s*+(\S++))?", re.IGNORECASE | re.DOTALL
).match
_match_version: Final = re.compile(r"[0-9]*+").match


class Property(NamedTuple):
    """What a result is about, such as `header.from` and a domain; a domain is given in A-labels (RFC 8601, 2.7)."""

    ptype: str
    name: str
    value: str


class MethodResult(NamedTuple):
    """What one method came to, by the names of RFC 8601, 2.7. The comment is for people, in ASCII."""

    method: str
    result: str
    properties: tuple[Property, ...] = ()
    comment: str = ""


def results_field(authserv_id: str, results: Iterable[MethodResult]) -> bytes:
    """The field that says these results in their order, "none" where there are none (RFC 8601, 2.2).

    Whatever a value or a comment holds, it stays within its place and its line.
    """
    head = f"Authentication-Results: {_value(authserv_id)};"
    lines: list[str] = []
    size = len(head)
    for result in results:
        line = fold_line(f" {_resinfo(result)};", 0)
        size += len(line) + 2
        if size > MOST_FIELD:
            break
        lines.append(line)
    return "\r\n".join((head, *(lines or [" none;"])))[:-1].encode("ascii") + b"\r\n"


def without_results(header: bytes, authserv_id: str) -> bytes:
    """A header section without the fields that claim to be ours, so that ours can be believed (RFC 8601, 5).

    One whose author cannot be made out goes as well: whoever reads it may make out us. Fields of ARC are others.
    """
    if _NAME not in header.lower():  # the usual case, and ten times as fast as the expression
        return header
    own = authserv_id.removesuffix(".").lower()
    seen = 0

    def kept(field: re.Match[bytes]) -> bytes:
        nonlocal seen
        seen += 1
        if seen > MOST_FIELDS:
            return b""
        author = _author(field[1][:MOST_START].decode("utf-8", "replace"))
        is_anothers = author is not None and author.removesuffix(".").lower() != own
        return field[0] if is_anothers else b""

    return _FIELD.sub(kept, header)


def dmarc_pass(body: str) -> str | None:
    """The author domain, "" if it is not said, for which the body of such a field says that DMARC passed (RFC 8601, 2.7.3).

    `None`: it does not say so. What stands in quotes or in a comment does not count: there it may be the words of whoever sent
    the message.
    """
    for part in _unquoted(body[:MOST_READ]).split(";"):
        found = _match_dmarc_pass(part)
        if found is not None:
            return found[1].rpartition("@")[2].lower() if found[1] else ""
    return None


def proven_author(content: bytes, authserv_id: str) -> str:
    """The author's domain that the content's first field proves by DMARC (RFC 8601, 2.7.3); "" if it does not, or is not ours.

    Only for content that went through `without_results` when it was accepted.
    """
    field = _FIELD.match(content[: 2 * MOST_FIELD])
    if field is None:
        return ""
    body = field[1].decode("ascii", "replace")
    author = _author(body)
    if author is None or author.lower() != authserv_id.lower():
        return ""
    return dmarc_pass(body) or ""


def _unquoted(body: str) -> str:
    """The body with a blank for each quoted string and comment; one that has no end is all that follows."""
    parts, place = [], 0
    while place < len(body):
        found = _match_text(body, place)
        if found is None:  # a comment
            parts.append(" ")
            place = comment_end(body, place) or len(body)
            continue
        parts.append(" " if body[place] == '"' else found[0])
        place = found.end()
    return "".join(parts)


def _resinfo(result: MethodResult) -> str:
    words = [f"{_keyword(result.method)}={_keyword(result.result)}"]
    comment = comment_text(result.comment)
    if comment:
        words.append(f"({comment})")
    for ptype, name, value in result.properties:
        words.append(f"{_keyword(ptype)}.{_keyword(name)}={_value(value)}")
    return " ".join(words)


def _keyword(text: str) -> str:
    return _replace_in_keyword("-", text)


def _value(text: str) -> str:
    """A token, a mailbox, or a quoted string (RFC 8601, 2.2: pvalue)."""
    words = " ".join(_replace_unprintable("?", text[:MOST_VALUE]).split())
    if _is_plain(words):
        return words
    escaped = words.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _author(body: str) -> str | None:
    """The authserv-id at the start of a field's body, `None` when there is none that is sure (RFC 8601, 2.2).

    It has to end within what there is of the body, and to be in ASCII, as ours is: others may be ours to who reads them.
    """
    found = _match_id(body, _skip_blanks(body, 0))
    if found is None:
        return None
    version = _match_version(body, _skip_blanks(body, found.end()))
    assert version is not None
    end = _skip_blanks(body, version.end())
    if body[end : end + 1] != ";":
        return None
    author = found[1] if found[2] is None else _unescape(r"\1", found[2])
    return author if author.isascii() else None


def _skip_blanks(body: str, start: int) -> int:
    """Where white space and comments end, which is the end of the body for a comment that has none."""
    while True:
        blanks = _match_blanks(body, start)
        assert blanks is not None
        start = blanks.end()
        if not body.startswith("(", start):
            return start
        end = comment_end(body, start)
        if end is None:
            return len(body)
        start = end
