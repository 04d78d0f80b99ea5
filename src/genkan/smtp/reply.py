# SPDX-License-Identifier: Apache-2.0
"""What the server says: a reply row of the catalogue, and the reply made from it.

RFC 5321, 4.2 (replies), RFC 2034 (enhanced codes). The words themselves are in `replies.py`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

_FIELD: Final = re.compile(r"\{(\w+)\}")
MAX_REPLY_LINE: Final = 512  # octets with CRLF; RFC 5321, 4.5.3.1.5


class Profile(StrEnum):
    """Whose wording is spoken: a version of the product, or the habits of the RFCs."""

    EPSTRS_482 = "epstrs-4.82"
    EPSTRS_483 = "epstrs-4.83"
    EPSTRS_4A7 = "epstrs-4.A7"
    RFC = "rfc"


@dataclass(frozen=True, slots=True)
class Wording:
    """A code, an enhanced code (`None`: the line has none) and a text with `{field}` names."""

    code: int
    enhanced: str | None
    text: str


@dataclass(frozen=True, slots=True)
class ReplyRow:
    """One row of the catalogue: why the server answers, in each profile's words.

    `wording` is the newest product's; `older` holds the words of older product versions where they differ, `rfc` those
    of the `rfc` profile. `meaning` and `remedy` say in English and Japanese what causes the reply and what to do.
    """

    name: str
    wording: Wording
    meaning: str
    meaning_ja: str
    remedy: str
    remedy_ja: str
    origin: str
    rfc: Wording | None = None
    older: Wording | None = None

    def in_profile(self, profile: Profile) -> Wording:
        """The words of this row in `profile`; before 4.83 the product had no enhanced codes."""
        if profile is Profile.RFC:
            return self.rfc or self.wording
        wording = self.wording if profile is Profile.EPSTRS_4A7 else self.older or self.wording
        if profile is Profile.EPSTRS_482:
            return Wording(wording.code, None, wording.text)
        return wording


class Reply(NamedTuple):
    """A reply ready for the wire: it knows its row's name, its code and its octets (each line ends in CRLF)."""

    name: str
    code: int
    octets: bytes

    @property
    def accepts(self) -> bool:
        """Whether the reply code is positive (2yz or 3yz)."""
        return self.code < 400

    @property
    def text(self) -> str:
        """The reply as one line of text for logs and errors, without the line end."""
        return self.octets.decode("utf-8", "replace").rstrip("\r\n").replace("\r\n", " / ")


def safe_field(value: str, *, utf8: bool = False) -> str:
    """Make a field fit for a reply line: no control characters, ASCII unless the client asked for SMTPUTF8."""
    if value.isascii() and value.isprintable():
        return value
    return "".join(c if c.isprintable() and (utf8 or c.isascii()) else "?" for c in value)


class Wordbook:
    """The catalogue in one profile's words: fills a row with fields and gives the reply."""

    def __init__(self, profile: Profile) -> None:
        """`profile` is the setting `replies`."""
        self.profile = profile
        self._templates: dict[str, tuple[int, tuple[str, ...]]] = {}
        self._fixed: dict[str, Reply] = {}

    def reply(self, row: ReplyRow, **fields: str) -> Reply:
        """The one-line reply of `row`; field values are made safe and the line is cut to 512 octets."""
        if fields:
            return self._filled(row, fields, utf8=False)
        reply = self._fixed.get(row.name)
        if reply is None:
            reply = self._fixed[row.name] = self._filled(row, fields, utf8=False)
        return reply

    def reply_utf8(self, row: ReplyRow, **fields: str) -> Reply:
        """As `reply`, for a client that asked for SMTPUTF8 (RFC 6531, 3.7.4.2): text beyond ASCII stays."""
        return self._filled(row, fields, utf8=True)

    def lines(self, rows: Sequence[tuple[ReplyRow, dict[str, str]]]) -> bytes:
        """The last lines of a reply of several lines, all of one code: all but the last carry a hyphen (RFC 5321, 4.2.1)."""
        replies = [self._filled(row, fields, utf8=False).octets for row, fields in rows]
        return b"".join([*map(more_to_come, replies[:-1]), replies[-1]])

    def _filled(self, row: ReplyRow, fields: dict[str, str], *, utf8: bool) -> Reply:
        code, pieces = self._templates.get(row.name) or self._template(row)
        if len(pieces) == 3:  # most rows have one field
            before, name, behind = pieces
            line = f"{before}{safe_field(fields[name], utf8=utf8)}{behind}".encode()
        else:
            texts = (safe_field(fields[piece], utf8=utf8) if at % 2 else piece for at, piece in enumerate(pieces))
            line = "".join(texts).encode()
        if len(line) > MAX_REPLY_LINE:
            line = line[: MAX_REPLY_LINE - 2].decode("utf-8", "ignore").encode() + b"\r\n"
        return Reply(row.name, code, line)

    def _template(self, row: ReplyRow) -> tuple[int, tuple[str, ...]]:
        """The row's code, and its line in pieces: text, the name of a field, text, and so on."""
        wording = row.in_profile(self.profile)
        enhanced = f"{wording.enhanced} " if wording.enhanced else ""
        pieces = tuple(_FIELD.split(f"{wording.code} {enhanced}{wording.text}\r\n"))
        template = self._templates[row.name] = (wording.code, pieces)
        return template


def more_to_come(line: bytes) -> bytes:
    """The same reply line as one that another line follows."""
    return line[:3] + b"-" + line[4:]
