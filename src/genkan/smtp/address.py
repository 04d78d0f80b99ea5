# SPDX-License-Identifier: Apache-2.0
"""Mailboxes and paths: reading them as RFC 5321 4.1.2 and 4.1.3 and RFC 6531 3.3 say, writing them, comparing them.

Pure text: whether a domain or an account exists is not asked here. One expression reads the usual form; all else goes
through one function a grammar production, which can also say what is wrong.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final, NamedTuple

import idna

MAX_LOCAL_PART: Final = 64  # octets, as written; RFC 5321, 4.5.3.1.1
MAX_DOMAIN: Final = 255  # octets; RFC 5321, 4.5.3.1.2
MAX_PATH: Final = 256  # octets, with angle brackets and source route; RFC 5321, 4.5.3.1.3
MAX_MAILBOX: Final = MAX_PATH - 2

# UTF8-non-ascii (RFC 6531, 3.3) without C1 controls, line and paragraph separators and halves of surrogate pairs.
_UTF8: Final = "[^\\x00-\\x9f\\u2028\\u2029\\ud800-\\udfff]"
_ATEXT: Final = "A-Za-z0-9!#$%&'*+/=?^_`{|}~-"
_LABEL: Final = r"(?!-)[A-Za-z0-9-]{1,63}+(?<!-)"
_DOMAIN: Final = rf"{_LABEL}(?:\.{_LABEL})*+"

# All loops are possessive: hostile text costs one pass.
_match_usual_mailbox: Final = re.compile(rf"([{_ATEXT}]++(?:\.[{_ATEXT}]++)*+)@({_DOMAIN})", re.ASCII).fullmatch
_match_usual_path: Final = re.compile(rf"<([{_ATEXT}]++(?:\.[{_ATEXT}]++)*+)@({_DOMAIN})>", re.ASCII).fullmatch
_match_atom: Final = re.compile(rf"(?:[{_ATEXT}]|{_UTF8})++").match
_match_quoted_text: Final = re.compile(rf"(?:[ !#-\[\]-~]|{_UTF8})++").match
_match_dot_string: Final = re.compile(rf"(?:[{_ATEXT}]|{_UTF8})++(?:\.(?:[{_ATEXT}]|{_UTF8})++)*+").fullmatch
_match_ascii_domain: Final = re.compile(_DOMAIN, re.ASCII).fullmatch
_match_ipv4: Final = re.compile(r"([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})", re.ASCII).fullmatch
_match_ipv6_groups: Final = re.compile(r"[0-9A-Fa-f]{1,4}+(?::[0-9A-Fa-f]{1,4}+)*+", re.ASCII).fullmatch
_match_tag: Final = re.compile(r"[A-Za-z0-9-]*[A-Za-z0-9]", re.ASCII).fullmatch


class AddressError(ValueError):
    """Text is not the address it should be; the message is one short sentence saying what is wrong."""


class NoDomain(AddressError):
    """A local-part stands alone where a mailbox needs a domain."""


class Mailbox(NamedTuple):
    """A mailbox of RFC 5321, 4.1.2, in meaning, not in writing; equality is exact, `folded` gives the key to compare.

    `local_part` is without quotes and backslashes, in the case given. `domain` is as given, an address literal with its
    brackets; it is "" only for the `<postmaster>` that needs none.
    """

    local_part: str
    domain: str

    def __str__(self) -> str:
        """The wire form, without angle brackets: the local-part is quoted when it is no Dot-string."""
        return _wire_form(self)

    def folded(self) -> Mailbox:
        """The directory's key: local-part case-folded and in NFC, domain in lower-case A-labels (RFC 5890, 2.3.2.1)."""
        local_part = self.local_part
        if local_part.isascii():
            return Mailbox(local_part.lower(), fold_domain(self.domain))
        return Mailbox(_fold_text(local_part), fold_domain(self.domain))


@lru_cache(maxsize=4096)  # a path is written several times in the life of a message
def _wire_form(mailbox: Mailbox) -> str:
    local_part, domain = mailbox
    if not _match_dot_string(local_part):
        escaped = local_part.replace("\\", "\\\\").replace('"', '\\"')
        local_part = f'"{escaped}"'
    return f"{local_part}@{domain}" if domain else local_part


def fold_domain(domain: str) -> str:
    """A domain in lower-case A-labels (IDNA 2008); one that IDNA does not know is only put into lower case."""
    if domain.isascii():
        return domain.lower()
    try:
        return idna.encode(domain, uts46=True).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError):
        return domain.lower()


def parse_mailbox(text: str, *, smtputf8: bool = True) -> Mailbox:
    """The mailbox that `text` writes, such as `ann@in.test`; raises AddressError (RFC 5321, 4.1.2: Mailbox).

    With `smtputf8` false, text beyond ASCII is an error (RFC 6531, 3.3).
    """
    usual = _match_usual_mailbox(text)
    if usual is not None and len(text) <= MAX_MAILBOX:
        local_part, domain = usual.groups()
        if len(local_part) <= MAX_LOCAL_PART:
            return Mailbox(local_part, domain)
    _check_text(text, MAX_MAILBOX, smtputf8=smtputf8)
    return _mailbox(text)


def parse_reverse_path(text: str, *, smtputf8: bool = True) -> Mailbox | None:
    """The mailbox in `<...>`, `None` for the null reverse-path; raises AddressError (RFC 5321, 4.1.2: Reverse-path).

    A source route in front of the mailbox is read and dropped (RFC 5321, appendix C).
    """
    if text == "<>":
        return None
    return _parse_path(text, smtputf8=smtputf8)


def parse_forward_path(text: str, *, smtputf8: bool = True) -> Mailbox:
    """The mailbox in `<...>`; `<postmaster>` in any case has the domain "" (RFC 5321, 4.1.1.3).

    Raises NoDomain for any other lone local-part, AddressError for what is no path.
    """
    if len(text) == 12 and text.isascii() and text.lower() == "<postmaster>":
        return Mailbox("postmaster", "")
    return _parse_path(text, smtputf8=smtputf8)


def _parse_path(text: str, *, smtputf8: bool) -> Mailbox:
    # RFC 5321, 4.1.2: Path = "<" [ A-d-l ":" ] Mailbox ">"
    usual = _match_usual_path(text)
    if usual is not None and len(text) <= MAX_PATH:
        local_part, domain = usual.groups()
        if len(local_part) <= MAX_LOCAL_PART:
            return Mailbox(local_part, domain)
    _check_text(text, MAX_PATH, smtputf8=smtputf8)
    if len(text) < 2 or text[0] != "<" or text[-1] != ">":
        raise AddressError("the path is not in angle brackets")
    return _mailbox(_without_source_route(text[1:-1]))


def _check_text(text: str, limit: int, *, smtputf8: bool) -> None:
    if not smtputf8 and not text.isascii():
        raise AddressError("the address needs SMTPUTF8")
    if _octets(text) > limit:
        raise AddressError("the address is too long")


def _octets(text: str) -> int:
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise AddressError("the address is not valid UTF-8") from None


def _without_source_route(text: str) -> str:
    # RFC 5321, 4.1.2: A-d-l = At-domain *( "," At-domain ); At-domain = "@" Domain. Accepted and ignored.
    if not text.startswith("@"):
        return text
    route, colon, mailbox = text.partition(":")
    if not colon:
        raise AddressError("the local-part is missing")
    for hop in route.split(","):
        if not hop.startswith("@"):
            raise AddressError("the source route is malformed")
        _check_domain(hop[1:])
    return mailbox


def _mailbox(text: str) -> Mailbox:
    # RFC 5321, 4.1.2: Mailbox = Local-part "@" ( Domain / address-literal )
    local_part, end = _quoted_string(text) if text.startswith('"') else _dot_string(text)
    if _octets(text[:end]) > MAX_LOCAL_PART:
        raise AddressError("the local-part is longer than 64 octets")
    if end == len(text):
        raise NoDomain("the domain is missing")
    if text[end] != "@":
        raise AddressError("the local-part holds a character that needs quoting")
    domain = text[end + 1 :]
    if domain.startswith("["):
        _check_address_literal(domain)
    else:
        _check_domain(domain)
    return Mailbox(local_part, domain)


def _dot_string(text: str) -> tuple[str, int]:
    # RFC 5321, 4.1.2: Dot-string = Atom *( "." Atom ); the text and where it ends.
    end = 0
    while (atom := _match_atom(text, end)) is not None:
        end = atom.end()
        if not text.startswith(".", end):
            return text[:end], end
        end += 1
    if end == 0 and (not text or text[0] == "@"):
        raise AddressError("the local-part is missing")
    if text.startswith((".", "@"), end) or end == len(text):
        raise AddressError("the local-part has a dot at its start, at its end or beside another")
    raise AddressError("the local-part holds a character that needs quoting")


def _quoted_string(text: str) -> tuple[str, int]:
    # RFC 5321, 4.1.2: Quoted-string = DQUOTE *( qtextSMTP / quoted-pairSMTP ) DQUOTE; its meaning and where it ends.
    parts: list[str] = []
    end = 1
    while end < len(text):
        if text[end] == '"':
            return "".join(parts), end + 1
        if text[end] == "\\":
            parts.append(_quoted_pair(text, end))
            end += 2
            continue
        run = _match_quoted_text(text, end)
        if run is None:
            raise AddressError("the quoted local-part holds a control character")
        parts.append(run[0])
        end = run.end()
    raise AddressError("the quoted local-part does not end")


def _quoted_pair(text: str, start: int) -> str:
    # RFC 5321, 4.1.2: quoted-pairSMTP = "\" %d32-126
    character = text[start + 1 : start + 2]
    if not " " <= character <= "~":
        raise AddressError("a backslash stands before a character that cannot be quoted")
    return character


def _check_domain(domain: str) -> None:
    # RFC 5321, 4.1.2: Domain = sub-domain *( "." sub-domain ); RFC 6531, 3.3: sub-domain =/ U-label
    if not domain:
        raise AddressError("the domain is missing")
    if _octets(domain) > MAX_DOMAIN:
        raise AddressError("the domain is longer than 255 octets")
    if domain.isascii():
        if not _match_ascii_domain(domain):
            raise AddressError("the domain is malformed")
        return
    if not _is_internationalised_domain(domain):
        raise AddressError("the domain is not a valid internationalised name")


def _is_internationalised_domain(domain: str) -> bool:
    try:
        encoded = idna.encode(domain, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return False
    # IDNA takes other scripts' full stops for "."; what reads as one label here must not become two.
    return encoded.count(".") == domain.count(".") and len(encoded) <= MAX_DOMAIN and bool(_match_ascii_domain(encoded))


def _check_address_literal(text: str) -> None:
    # RFC 5321, 4.1.3: address-literal = "[" ( IPv4 / IPv6 / General-address-literal ) "]"
    if not text.endswith("]"):
        raise AddressError("the address literal does not end")
    literal = text[1:-1]
    tag, colon, address = literal.partition(":")
    if not colon:
        valid = _is_ipv4(literal)
    elif tag.lower() == "ipv6":
        valid = _is_ipv6(address)
    elif _match_tag(tag):
        # General-address-literal: the tag must be registered with IANA, and nothing but IPv6 is.
        raise AddressError("the address literal is of an unknown kind")
    else:
        valid = False
    if not valid:
        raise AddressError("the address literal is malformed")


def _is_ipv4(text: str) -> bool:
    # RFC 5321, 4.1.3: IPv4-address-literal = Snum 3("." Snum)
    match = _match_ipv4(text)
    return match is not None and all(int(number) <= 255 for number in match.groups())


def _is_ipv6(text: str) -> bool:
    # RFC 5321, 4.1.3: IPv6-addr = IPv6-full / IPv6-comp / IPv6v4-full / IPv6v4-comp
    groups = 8
    head, colon, last = text.rpartition(":")
    if colon and "." in last:
        if not _is_ipv4(last):
            return False
        groups = 6
        text = head if not head.endswith(":") else head + ":"
    left, compressed, right = text.partition("::")
    if not compressed:
        return _count_groups(text) == groups
    if "::" in right or (left and not _match_ipv6_groups(left)) or (right and not _match_ipv6_groups(right)):
        return False
    # "::" stands for at least two groups
    return _count_groups(left) + _count_groups(right) <= groups - 2


def _count_groups(text: str) -> int:
    return text.count(":") + 1 if _match_ipv6_groups(text) else 0


def _fold_text(text: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())
