# SPDX-License-Identifier: Apache-2.0
"""What an HTTP answer means for the recipients it is about (RFC 9110, 15). Pure; what was answered is not trusted."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from genkan.delivery.outcome import Deferred, Delivered, Failed
from genkan.message.visible import visible

if TYPE_CHECKING:
    from genkan.delivery.outcome import Outcome
    from genkan.spool.queue import Leased

MOST_OCTETS: Final = 64 * 1024  # of an answer that are read
MOST_WORDS: Final = 200  # characters of it in a reason
LONGEST_WAIT: Final = timedelta(days=1)  # that Retry-After may ask for

_LATER: Final = frozenset({408, 425, 429})
_OUR_SET_UP: Final = frozenset({401, 403, 404, 405})  # about the request, not about the mail
_STATUS: Final = re.compile(r"([45])\.[0-9]{1,3}\.[0-9]{1,3}")
_SECONDS: Final = re.compile(r"[0-9]{1,9}")

# RFC 3463: what a receiver's answer says if it says nothing more exact.
_NOT_NOW: Final = "4.0.0"
_NEVER: Final = "5.0.0"
_NOT_UNDERSTOOD: Final = "4.5.0"
_TOO_BIG: Final = "5.3.4"
_NOT_SET_UP: Final = "4.3.5"


class Answer(NamedTuple):
    """An answer as it came; `octets` are those of its body, as many as were read, `whole` if that is all of them."""

    status: int
    phrase: str
    content_type: str
    retry_after: str
    location: str
    octets: bytes
    whole: bool


class _Said(msgspec.Struct, frozen=True):
    """What a JSON answer says of one recipient, in the reply codes of SMTP."""

    status: int
    enhanced: str = ""
    text: str = ""


class _Unreadable(Exception):
    """A JSON answer that cannot be understood; caught here, the mail is deferred."""


def outcomes(answer: Answer, group: tuple[Leased, ...], host: str, now: datetime) -> list[Outcome]:
    """What became of these recipients, in their order."""
    if not 200 <= answer.status < 300:
        return [_refused(answer, host, now)] * len(group)
    try:
        said = _said(answer)
    except _Unreadable as error:
        reason = f"{host} answered {answer.status} with JSON that cannot be understood: {error}; see docs/ends.md"
        return [Deferred(reason, status=_NOT_UNDERSTOOD, remote=host)] * len(group)
    by = f"{host}: {answer.status} {visible(answer.phrase, MOST_WORDS)}".rstrip()
    return [_one(_find(said, leased), host, by) for leased in group]


def retry_at(field: str, now: datetime) -> datetime | None:
    """When `Retry-After` asks to try again, seconds or an HTTP date, a day from now at most (RFC 9110, 10.2.3).

    `None` when it asks for nothing that can be understood.
    """
    field = field.strip()
    try:
        if _SECONDS.fullmatch(field):
            wait = timedelta(seconds=int(field))
        else:
            moment = parsedate_to_datetime(field)
            wait = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now
    except (ValueError, TypeError, OverflowError):
        return None
    return now + min(wait, LONGEST_WAIT) if wait > timedelta() else None


def _refused(answer: Answer, host: str, now: datetime) -> Outcome:
    """An answer that takes nothing: what is wrong for now, and what is wrong for good."""
    status = answer.status
    words = visible(answer.octets, MOST_WORDS)
    reply = f"{status} {words or visible(answer.phrase, MOST_WORDS)}".rstrip()
    reason = f"{host} answered {reply}"
    if status in _OUR_SET_UP:
        # A slip in the route must not send back the mail of a whole domain.
        reason = f"{reason}; correct the URL of the route, its secret, or what the other end lets in"
        return Deferred(reason, retry_at(answer.retry_after, now), _NOT_SET_UP, host, reply)
    if 400 <= status < 500 and status not in _LATER:
        return Failed(reason, _TOO_BIG if status == 413 else _NEVER, host, reply)
    if 300 <= status < 400:
        place = visible(answer.location, MOST_WORDS)
        reason = (
            f"{host} answered {status} and points to {place or 'another place'}; put the URL of that into the route"
        )
    return Deferred(reason, retry_at(answer.retry_after, now), _NOT_NOW, host, reply)


def _said(answer: Answer) -> dict[str, _Said]:
    """What the answer says of single recipients; nothing if it is no JSON object that has `recipients`."""
    if not answer.octets.strip() or not _is_json(answer.content_type):
        return {}
    if not answer.whole:
        raise _Unreadable(f"it has more than {MOST_OCTETS} octets")
    try:
        document: Any = msgspec.json.decode(answer.octets)
        if not isinstance(document, dict) or "recipients" not in document:
            return {}
        return msgspec.convert(document["recipients"], dict[str, _Said])
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise _Unreadable(visible(str(error), MOST_WORDS)) from error


def _is_json(content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json")


def _find(said: dict[str, _Said], leased: Leased) -> _Said | None:
    recipient = leased.recipient
    return said.get(str(recipient.forward_path)) or said.get(str(recipient.mailbox))


def _one(said: _Said | None, host: str, by: str) -> Outcome:
    """The outcome of one recipient; one of which nothing is said was taken with the others."""
    if said is None or 200 <= said.status < 300:
        return Delivered(by=by)
    words = visible(said.text, MOST_WORDS)
    reply = f"{said.status} {words}".rstrip()
    reason = f"{host} says of this recipient: {reply}"
    found = _STATUS.fullmatch(said.enhanced)
    code = said.status // 100
    status = said.enhanced if found is not None and found[1] == str(code) else ""
    if code == 5:
        return Failed(reason, status or _NEVER, host, reply)
    return Deferred(reason, status=status or _NOT_NOW, remote=host, reply=reply)
