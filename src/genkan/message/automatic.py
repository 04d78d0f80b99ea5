# SPDX-License-Identifier: Apache-2.0
"""Whether a mail may be answered by a program: not one that a program or a list has sent (RFC 3834, 2; RFC 5230, 4.5 and 4.6).

Bounded: of a hostile header section only the start is looked at, once.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Final, Literal

from genkan.message.header import HeaderFields
from genkan.smtp.address import AddressError, parse_mailbox

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from genkan.smtp.address import Mailbox

MOST_HEADER: Final = 64 * 1024  # octets of a header section that are looked at
MOST_ADDRESSES: Final = 1000  # that are looked at

_BULK: Final = {"bulk", "list", "junk", "auto_reply"}
_SUPPRESSED: Final = {"all", "oof", "autoreply"}
_ADDRESSED: Final = ("to", "cc", "resent-to", "resent-cc")

_find_list_field: Final = re.compile(rb"^(list-[!-9;-~]++)[ \t]*+:", re.IGNORECASE | re.MULTILINE).search
# RFC 3834, 2, and what mail programs use today; for a local-part in lower case.
_match_program: Final = re.compile(
    r"owner-.*|.*-(?:owner|request)|(?:.*-)?bounces?(?:[-+=].*)?|mailer-daemon|listserv|majordomo"
    r"|(?:.*[-._+=])?(?:no|do-?not|do[._]not)[-._]?reply(?:[-._+=].*)?",
    re.DOTALL,
).fullmatch
# A word, quoted or not, with the domain behind it if it has one; or one character (RFC 5322, 3.4). All loops are
# possessive, and what does not end goes on to the end of the text: one pass.
_match_token: Final = re.compile(
    r'(?:"(?:[^"\\]|\\.)*+"?|[^\s<>,;:"()@\\]++)(@(?:\[[^\]\s]{1,64}\]|[^\s<>,;:"()@\[\]\\]++))?|\s++|.', re.DOTALL
).match
_COMMENT_MARK: Final = re.compile(r"\\.|[()]", re.DOTALL)


def is_automatic(header: bytes, reverse_path: Mailbox | None) -> str | None:
    """Why no automatic reply may be sent, in a few words for the log; `None` if it may (RFC 3834, 2).

    `header` is the header section, or its start.
    """
    if reverse_path is None:
        return "null reverse-path"
    if _match_program(reverse_path.local_part.lower()):
        return "reverse-path of a program or a list"
    return next(_marks(header[:MOST_HEADER]), None)


def addressed_to(header: bytes, mailboxes: Iterable[Mailbox]) -> bool:
    """Whether To, Cc or their Resent- forms name one of the mailboxes, in any case (RFC 5230, 4.5).

    `header` is the header section, or its start. An address in a display name or a comment names nobody.
    """
    wanted = {mailbox.folded() for mailbox in mailboxes}
    domains = {mailbox.domain for mailbox in wanted}
    fields = HeaderFields(header[:MOST_HEADER])
    for address in islice(_addresses(fields), MOST_ADDRESSES):
        domain = address.rpartition("@")[2]
        if domain.isascii() and domain.lower() not in domains:
            continue
        try:
            if parse_mailbox(address).folded() in wanted:
                return True
        except AddressError:
            continue
    return False


def _marks(header: bytes) -> Iterator[str]:
    """The fields that say that a program or a list wrote."""
    fields = HeaderFields(header)
    if any(_keyword(text) != "no" for text in fields.texts("auto-submitted")):
        yield "Auto-Submitted"
    if any(_keyword(text) in _BULK for text in fields.texts("precedence")):
        yield "Precedence"
    found = _find_list_field(header)
    if found is not None:
        yield found[1][:64].decode("ascii")
    if fields.has(b"x-loop"):
        yield "X-Loop"
    if any(_SUPPRESSED.intersection(_words(text)) for text in fields.texts("x-auto-response-suppress")):
        yield "X-Auto-Response-Suppress"


def _addresses(fields: HeaderFields) -> Iterator[str]:
    for name in _ADDRESSED:
        for body in fields.all(name):
            yield from _address_list(body.decode("utf-8", "replace"))


def _address_list(text: str) -> Iterator[str]:
    """The addresses of a field; what stands before angle brackets or a colon is the name of a mailbox or a group."""
    found: list[str] = []
    place: Literal["before", "within", "behind"] = "before"  # the angle brackets
    position = 0
    while token := _match_token(text, position):
        position = token.end()
        match token[0]:
            case "(":
                position = _comment_end(text, position)
            case "<":
                found, place = [], "within"
            case ">":
                place = "behind"
            case ":":
                found = []
            case "," | ";" if place != "within":
                yield from found
                found, place = [], "before"
            case address if token[1] is not None and place != "behind":
                found.append(address)
    yield from found


def _comment_end(text: str, position: int) -> int:
    """Where the comment ends that has begun before `position`; comments may hold others."""
    depth = 1
    for mark in _COMMENT_MARK.finditer(text, position):
        depth += {"(": 1, ")": -1}.get(mark[0], 0)
        if not depth:
            return mark.end()
    return len(text)


def _keyword(text: str) -> str:
    """A field's keyword in lower case, without the parameters and the comment that may stand behind it (RFC 3834, 5)."""
    return re.split(r"[;(\s]", text.strip(), maxsplit=1)[0].lower()


def _words(text: str) -> list[str]:
    return [word.strip().lower() for word in text.split(",")]
