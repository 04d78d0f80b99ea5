# SPDX-License-Identifier: Apache-2.0
"""The addresses beside a mailing list (RFC 2142, 6; RFC 2369) and the tokens in them.

A token names a member, or a request, by its id, and proves with an HMAC that we made it. It is written in lower case, for
a local-part may come back in any case, and is short enough for a local-part of 64 octets.
"""

from __future__ import annotations

import re
from base64 import b32encode
from hmac import compare_digest, digest
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from genkan.smtp.address import Mailbox

if TYPE_CHECKING:
    from genkan.directory.list_members import Member
    from genkan.directory.list_requests import Request
    from genkan.directory.resolution import MailingList, Role

MAX_NAME: Final = 32  # octets of a list's local-part that leave room for "-unsubscribe+" and a token

_PROOF: Final = 12  # characters, of 5 bits each: nobody guesses that over SMTP or HTTP
_MOST_DIGITS: Final = 7  # in base 36: more ids than are ever given out
_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_TOKEN: Final = re.compile(rf"([a-z2-7]{{{_PROOF}}})([0-9a-z]{{1,{_MOST_DIGITS}}})")
_ROLE: Final = re.compile(
    r"(.+)-(?:(owner|request|subscribe|unsubscribe)|(bounces|unsubscribe|confirm)\+([0-9a-z]{2,40}))", re.DOTALL
)
_NUMBERED: Final = re.compile(r"list\.([0-9]{1,12})")
_PLAIN: Final = re.compile(rf"[A-Za-z0-9_.-]{{1,{MAX_NAME}}}")


class RoleAddress(NamedTuple):
    """What a local-part says when it is one of a role: the list's name, the role, and the token or ""."""

    name: str
    role: Role
    token: str


def parse_role(local_part: str) -> RoleAddress | None:
    """The role that a folded local-part stands for, if it looks like one; `dev-request` is the owner."""
    found = _ROLE.fullmatch(local_part)
    if found is None:
        return None
    name, plain, with_token, token = found.groups()
    role = "owner" if plain == "request" else plain or with_token
    return RoleAddress(name, cast("Role", role), token or "")


def role_address(mailing_list: MailingList, role: Role, token: str = "") -> Mailbox:
    """The address of a role of a list."""
    name = f"{list_name(mailing_list)}-{role}"
    return Mailbox(f"{name}+{token}" if token else name, mailing_list.address.domain)


def list_name(mailing_list: MailingList) -> str:
    """What stands for the list in the addresses beside it.

    A name that is too long, or that not every server on the way takes, is replaced by the list's id: `list.17`.
    """
    name = mailing_list.address.local_part
    return name if _PLAIN.fullmatch(name) else f"list.{mailing_list.id}"


def numbered(name: str) -> int | None:
    """The id in such a replacement."""
    found = _NUMBERED.fullmatch(name)
    return int(found[1]) if found else None


def list_id(mailing_list: MailingList) -> str:
    """The identifier of a List-Id field (RFC 2919, 2)."""
    return f"{list_name(mailing_list)}.{mailing_list.address.domain}"


class Tokens:
    """Makes and checks tokens with the installation's key."""

    def __init__(self, key: bytes) -> None:
        """`key` is random, of 32 octets."""
        self._key = key

    def of_member(self, member: Member, purpose: Role) -> str:
        """The token by which `member` is known in addresses of the role `purpose`, and in links."""
        return self._token(member.id, f"{purpose} {member.list} {member.id} {member.address.folded()}")

    def of_request(self, request: Request) -> str:
        """The token that confirms a request."""
        return self._token(request.id, f"{request.purpose}! {request.list} {request.id} {request.address.folded()}")

    def _token(self, number: int, meaning: str) -> str:
        proof = b32encode(digest(self._key, meaning.encode(), "sha256")).decode("ascii").lower()
        return proof[:_PROOF] + _written(number)


def token_number(token: str) -> int | None:
    """The id that a token names, proven or not; `None` for what is no token."""
    found = _TOKEN.fullmatch(token)
    return int(found[2], len(_DIGITS)) if found else None


def same_token(one: str, other: str) -> bool:
    """Whether two tokens are the same; takes as long for a near miss as for any other."""
    return compare_digest(one.encode(), other.encode())


def _written(number: int) -> str:
    digits = ""
    while number or not digits:
        number, digit = divmod(number, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return digits
