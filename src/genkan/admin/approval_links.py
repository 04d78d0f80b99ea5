# SPDX-License-Identifier: Apache-2.0
"""Signed links with which an approver decides about a held message without logging in.

A token says for itself which message, who, what and until when; HMAC-SHA-256 (RFC 2104) under a secret of the installation
keeps anybody from writing one. A page that is led to by such a link must never decide on GET: mail programs and scanners
follow links by themselves. It shows what is to be decided, and decides on POST of the token.
"""

from __future__ import annotations

import binascii
import hmac
import json
from base64 import b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from genkan.spool.hold import Choice

SECRET: Final = "approval"  # noqa: S105  (the name under which the directory keeps it)

_PURPOSE: Final = b"genkan approval link 1\n"  # the secret may sign other things as well
_MAC: Final = 32  # octets
_MOST_CHARACTERS: Final = 2048
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Approval:
    """What a link stands for: `approver` (an address) wants `verdict` for the message; valid before `expires`."""

    message_id: str
    approver: str
    verdict: Choice
    expires: datetime


class LinkError(ValueError):
    """A link that decides nothing; the text may be shown to whoever followed it."""


def make_link(url: str, approval: Approval, secret: bytes) -> str:
    """The link below the setting `approval.url`; it expires with whole seconds, never after `approval.expires`."""
    seconds = (approval.expires - _EPOCH) // timedelta(seconds=1)
    fields = (approval.message_id, approval.approver, approval.verdict, seconds)
    payload = json.dumps(fields, separators=(",", ":")).encode()
    token = _encoded(payload + _mac(payload, secret))
    return f"{url}{'&' if '?' in url else '?'}token={token}"


def verify_link(token: str, secret: bytes, now: datetime) -> Approval:
    """What the token of a link stands for. Raises `LinkError` when it is not genuine, or too old.

    That the message is still held, and that the approver is still named by its hold, is not looked at here.
    """
    octets = _decoded(token)
    payload, mac = octets[:-_MAC], octets[-_MAC:]
    if not hmac.compare_digest(mac, _mac(payload, secret)):
        raise LinkError("this link is not genuine: use it exactly as it stands in the mail")
    approval = _approval(payload)
    if now >= approval.expires:
        raise LinkError(f"this link has expired: the time to decide about {approval.message_id} is over")
    return approval


def _approval(payload: bytes) -> Approval:
    match json.loads(payload):
        case [str(message_id), str(approver), "approve" | "reject" as verdict, int(seconds)]:
            return Approval(message_id, approver, verdict, _EPOCH + timedelta(seconds=seconds))
        case _:
            raise LinkError("this link was made by another version of this program: ask for a new one")


def _mac(payload: bytes, secret: bytes) -> bytes:
    return hmac.digest(secret, _PURPOSE + payload, "sha256")


def _encoded(octets: bytes) -> str:
    return urlsafe_b64encode(octets).decode("ascii").rstrip("=")


def _decoded(token: str) -> bytes:
    """The octets of a token; none for what is no token of ours, down to bits that base64 ignores."""
    try:
        octets = b64decode(f"{token[:_MOST_CHARACTERS]}==", altchars=b"-_")
    except (ValueError, binascii.Error):
        return b""
    return octets if _encoded(octets) == token else b""
