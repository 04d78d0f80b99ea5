# SPDX-License-Identifier: Apache-2.0
"""The Sender Rewriting Scheme: a reverse-path in a domain of ours that says, signed, which one it stands for.

A forwarder's client address is not in the SPF record of the sender's domain, so mail passes on with a reverse-path of the
forwarder's domain; a bounce to it comes back here and goes on to the original. `SRS0=HASH=DAY=DOMAIN=LOCAL` stands for
LOCAL@DOMAIN; `SRS1=HASH=HOST==REST` for SRS0=REST@HOST, the path that the first forwarder made.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from typing import Final

from genkan.smtp.address import AddressError, Mailbox, fold_domain, parse_mailbox

VALID_DAYS: Final = 21  # a bounce later than that is none; queues give up after a week at most

_DIGITS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"  # RFC 4648, 6: upper and lower case are the same
_HASH_OCTETS: Final = 5  # 40 bits, which are 8 digits; a guess costs a RCPT each
_DAYS: Final = len(_DIGITS) ** 2  # what two digits can tell apart

# The first separator may also be + or -; what follows the second prefix begins with the separator of the SRS0 path.
_is_rewritten: Final = re.compile(r"SRS[01][=+-]", re.IGNORECASE | re.ASCII).match
_match_first: Final = re.compile(
    r"SRS0[=+-]([A-Z2-7]{8})=([A-Z2-7]{2})=([^=]+)=(.+)", re.IGNORECASE | re.ASCII | re.DOTALL
).fullmatch
_match_second: Final = re.compile(
    r"SRS1[=+-]([A-Z2-7]{8})=([^=]+)=([=+-].+)", re.IGNORECASE | re.ASCII | re.DOTALL
).fullmatch
_match_foreign_second: Final = re.compile(
    r"SRS1[=+-][^=]+=([^=]+)=([=+-].+)", re.IGNORECASE | re.ASCII | re.DOTALL
).fullmatch
_match_foreign_first: Final = re.compile(r"SRS0([=+-].+)", re.IGNORECASE | re.ASCII | re.DOTALL).fullmatch


def is_rewritten(local_part: str) -> bool:
    """Whether a local-part looks like one of this scheme, whoever made it; says nothing of its hash."""
    return _is_rewritten(local_part) is not None


class SrsKeys:
    """Makes rewritten reverse-paths and reads them again; days are counted since 1970 in UTC."""

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        """With `secret` only its owner makes paths that are believed."""
        self._secret = secret

    def rewrite(self, mailbox: Mailbox, domain: str, day: int) -> Mailbox | None:
        """The path in `domain` that stands for `mailbox`; `None` when it would be too long (RFC 5321, 4.5.3.1).

        A path that other forwarders made is not wrapped again and again: it becomes an SRS1 path to the first of them.
        """
        local_part = self._second(mailbox) or self._first(mailbox, day)
        return _usable(Mailbox(local_part, domain))

    def restore(self, mailbox: Mailbox, day: int) -> Mailbox | None:
        """What a path stands for; `None` unless its hash is ours and, for SRS0, it is 21 days old at most.

        Somebody on the way may have changed the case of the local-part; the restored one keeps that.
        """
        first = _match_first(mailbox.local_part)
        if first is not None:
            digest, stamp, host, local_part = first.groups()
            age = (day - _day_number(stamp)) % _DAYS
            if age > VALID_DAYS or not self._made(digest, "SRS0", str(day - age), host, local_part):
                return None
            return _usable(Mailbox(local_part, host))
        second = _match_second(mailbox.local_part)
        if second is None:
            return None
        digest, host, rest = second.groups()
        return _usable(Mailbox(f"SRS0{rest}", host)) if self._made(digest, "SRS1", host, rest) else None

    def _first(self, mailbox: Mailbox, day: int) -> str:
        # The whole day is signed, though two digits of it are written: else a path would be good again 1024 days later.
        host, local_part = fold_domain(mailbox.domain), mailbox.local_part
        return f"SRS0={self._hash('SRS0', str(day), host, local_part)}={_day_digits(day)}={host}={local_part}"

    def _second(self, mailbox: Mailbox) -> str:
        """The local-part for a path of other forwarders; "" when it is none."""
        first, second = _match_foreign_first(mailbox.local_part), _match_foreign_second(mailbox.local_part)
        if first is not None:
            host, rest = fold_domain(mailbox.domain), first[1]
        elif second is not None:
            host, rest = fold_domain(second[1]), second[2]
        else:
            return ""
        return f"SRS1={self._hash('SRS1', host, rest)}={host}={rest}"

    def _hash(self, *parts: str) -> str:
        # No path holds a NUL, so different parts never make the same text. Only ASCII changes its case on the way.
        text = "\0".join(parts).encode("utf-8", "surrogatepass").lower()
        digest = hmac.new(self._secret, text, hashlib.sha256).digest()[:_HASH_OCTETS]
        return base64.b32encode(digest).decode("ascii")

    def _made(self, digest: str, *parts: str) -> bool:
        return hmac.compare_digest(self._hash(*parts), digest.upper())


def _day_digits(day: int) -> str:
    high, low = divmod(day % _DAYS, len(_DIGITS))
    return _DIGITS[high] + _DIGITS[low]


def _day_number(digits: str) -> int:
    high, low = map(_DIGITS.index, digits.upper())
    return high * len(_DIGITS) + low


def _usable(mailbox: Mailbox) -> Mailbox | None:
    """The mailbox if it can be written in a path, `None` if it is too long or no mailbox at all."""
    try:
        return mailbox if parse_mailbox(str(mailbox)) == mailbox else None
    except AddressError:
        return None
