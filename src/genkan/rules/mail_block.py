# SPDX-License-Identifier: Apache-2.0
"""The content filter's rules as values: blocks of conditions, and what to do with mail that meets them all (pure).

The words are those of `mail.dat`: a block is what stands between `Virus:` and `VirusEnd:`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from genkan.findings import Finding
    from genkan.rules.document import Origin
    from genkan.smtp.address import Mailbox

FROM_DIFFERS: Final = "#COMPARE_FROM_VS_BODY_EMAIL#"
"""A token of the body: the first address in it is not the one of the From field."""

TAG_FIELD: Final = "X-Mail-Filter"  # the field of a tag that names none

_FIELD: Final = re.compile(r"([!-9;-~]{1,64}):\s*(.*)", re.DOTALL)


class Treatment(IntEnum):
    """The first digit of a `Level:`; 9 is read as 0."""

    PASS = 0
    REFUSE = 1
    ACCEPT = 2
    TAG_SUBJECT = 3
    TAG_HEADER = 4
    FORWARD = 5
    TAG_SUBJECT_FORWARD = 6
    TAG_HEADER_FORWARD = 7

    @property
    def forwards(self) -> bool:
        """Whether the mail goes to the block's `Forward:` address in place of its recipients."""
        return self >= Treatment.FORWARD

    @property
    def tags_subject(self) -> bool:
        """Whether the tag is put before the Subject."""
        return self in (Treatment.TAG_SUBJECT, Treatment.TAG_SUBJECT_FORWARD)

    @property
    def tags_header(self) -> bool:
        """Whether the tag becomes a header field."""
        return self in (Treatment.TAG_HEADER, Treatment.TAG_HEADER_FORWARD)


class Item(StrEnum):
    """What a condition looks at, in the file's words."""

    FROM = "From"
    SUBJECT = "Subject"
    CONTENT_TYPE = "Content-Type"
    UNIQUE_HEADER = "Unique-Header"
    BODY = "Body"


class Token(NamedTuple):
    """One alternative of a condition: its line, its text, and that folded and cut at the asterisks it compares by.

    One piece is looked for anywhere; `("", "")` is met by anything that is there; `FROM_DIFFERS` has no piece.
    """

    line: int
    text: str
    pieces: tuple[str, ...]

    @property
    def is_any(self) -> bool:
        """Whether anything meets it."""
        return len(self.pieces) > 1 and not any(self.pieces)


class Condition(NamedTuple):
    """An item of a block; one of its tokens must be found. `header` is the field's name in lower case, "" for the body."""

    item: Item
    header: str
    tokens: tuple[Token, ...]


class HostList(NamedTuple):
    """An `RBL:` item: hosts of links in the body are looked up in a DNS zone (SURBL, URIBL).

    `server` is the name server's address, "" for the usual ones; `cached` whether an earlier answer will do;
    `known` are folded patterns of hosts that are not looked up, `known_file` the product's file of such, which is not read.
    """

    line: int
    zone: str
    server: str
    cached: bool
    known: tuple[str, ...]
    known_file: str


@dataclass(frozen=True, slots=True)
class MailBlock:
    """A block that applies: all `conditions` must be met, and one of `lists`, if there are any, must list a host.

    `origin` is the line of its `Virus:`. `forward` is there whenever the treatment forwards.
    """

    origin: Origin
    name: str
    wildcard: bool
    conditions: tuple[Condition, ...]
    lists: tuple[HostList, ...]
    treatment: Treatment
    keep_copy: bool
    append_client: bool
    tag: str
    forward: Mailbox | None
    warning: str

    @property
    def tag_field(self) -> tuple[str, str]:
        """The tag as a header field, name and body: as it is written, or in a field of ours when it names none."""
        field = _FIELD.fullmatch(self.tag)
        return (field[1], field[2]) if field else (TAG_FIELD, self.tag)


@dataclass(frozen=True, slots=True)
class MailRules:
    """A parsed `mail.dat`: the blocks that apply, in their order, and all that is wrong with the document."""

    blocks: tuple[MailBlock, ...]
    findings: tuple[Finding, ...]
