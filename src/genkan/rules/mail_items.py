# SPDX-License-Identifier: Apache-2.0
"""Single items of `mail.dat` as values: tokens, levels, forward addresses, RBL lines (pure).

Each function raises `ItemError`, whose message and remedy become a finding, when the text cannot be used.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final, NamedTuple

from genkan.message.encoded_words import decode_words_of
from genkan.rules.mail_block import FROM_DIFFERS, HostList, Item, Token, Treatment
from genkan.rules.mail_fold import fold
from genkan.smtp.address import AddressError, Mailbox, parse_mailbox

_FIELD_NAME: Final = re.compile(r"[!-9;-~]{1,64}")
_LEVEL: Final = re.compile(r"[0-9]{3}", re.ASCII)
_ZONE: Final = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})+\.?", re.IGNORECASE | re.ASCII)
_RBL: Final = re.compile(r'(\S+)(?:\s+([^\s,"]*)\s*(?:,\s*([NYny]?)\s*)?(?:"([^"]*)"?)?)?')
_FILE: Final = re.compile(r".*[\\/].*|[^*\s]*\.(?:txt|dat|lst)", re.IGNORECASE | re.DOTALL)


class ItemError(ValueError):
    """An item that cannot be used; `str` says what is so, `remedy` what to do."""

    def __init__(self, sentence: str, remedy: str) -> None:
        super().__init__(sentence)
        self.remedy = remedy


class Level(NamedTuple):
    """A `Level:` as three answers; `doubts` names digits beyond the first that nobody knows."""

    treatment: Treatment
    keep_copy: bool
    append_client: bool
    doubts: str


def read_level(value: str) -> Level:
    """Three digits: the treatment, 1 for a copy, 1 for the client's address into effect.dat."""
    if not _LEVEL.fullmatch(value):
        raise ItemError("is not a level", "write three digits, as in Level:110")
    hundreds, tens, units = (int(digit) for digit in value)
    if hundreds == 8:
        raise ItemError("begins with 8, a treatment that nobody knows", "begin with 1 to 7, or with 0 to let it pass")
    doubts = ", ".join(
        f"{digit} in the {place} place" for digit, place in ((tens, "second"), (units, "third")) if digit > 1
    )
    return Level(Treatment(hundreds % 9), tens == 1, units == 1, doubts)


def read_forward(value: str) -> Mailbox:
    """The address of a `Forward:`, with or without angle brackets."""
    try:
        mailbox = parse_mailbox(value.removeprefix("<").removesuffix(">").strip())
    except AddressError as error:
        raise ItemError(f"names no address: {error}", "write one as in Forward:postmaster@in.test") from None
    if not mailbox.domain:
        raise ItemError("names an address without a domain", "write one as in Forward:postmaster@in.test")
    return mailbox


def read_unique_header(value: str) -> tuple[str, str]:
    """Name in lower case and text of a `Unique-Header:`; without text the field only has to be there."""
    name, colon, text = value.partition(":")
    name = name.strip()
    if not colon or not _FIELD_NAME.fullmatch(name):
        raise ItemError("names no header field", "write name and text as in Unique-Header:X-Spam: yes")
    return name.lower(), text.strip()


def read_token(item: Item, line: int, text: str, *, wildcard: bool) -> Token:
    """One alternative of a condition, encoded words decoded, folded for comparison.

    With `Comp:1` asterisks stand for anything; a text without one is looked for anywhere, as always.
    """
    if item is Item.BODY and text.upper() == FROM_DIFFERS:
        return Token(line, FROM_DIFFERS, ())
    text = decode_words_of(text)
    if item is Item.UNIQUE_HEADER and not text:
        return Token(line, text, ("", ""))
    pieces = tuple(map(fold, text.split("*"))) if wildcard else (fold(text),)
    if pieces == ("",):
        raise ItemError(f"has no text for {item}", "write what to look for, or remove it")
    return Token(line, text, pieces)


def read_host_list(line: int, value: str) -> HostList:
    """An `RBL:` item: zone, then, behind a tab, name server, N or Y, and in quotes what is not looked up."""
    found = _RBL.fullmatch(value)
    if not found or not _ZONE.fullmatch(found[1]) or len(found[1]) > 200:
        raise ItemError(
            "names no zone", "write it as in RBL:multi.surbl.org, or with a server: RBL:zone<TAB>192.0.2.1,Y"
        )
    server, cached, quoted = found[2] or "", (found[3] or "Y").upper() == "Y", (found[4] or "").strip()
    if server and not _is_address(server):
        raise ItemError(f"names {server[:80]} as its server, which is no IP address", "write the server's IP address")
    in_file = bool(_FILE.fullmatch(quoted))
    known = () if in_file else tuple(fold(pattern) for pattern in re.split(r"[\s,]+", quoted) if pattern)
    return HostList(line, found[1].lower().rstrip("."), server, cached, known, quoted if in_file else "")


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
