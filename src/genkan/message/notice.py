# SPDX-License-Identifier: Apache-2.0
"""Mail that tells approvers what waits for their decision (RFC 5322; RFC 3834, 5: Auto-Submitted).

To be sent with the null reverse-path. Whatever a stranger wrote is cut and made one line of visible characters.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from genkan.message.header import HeaderFields
from genkan.message.plain_mail import Head, whole_mail
from genkan.message.visible import visible
from genkan.smtp.address import MAX_MAILBOX, AddressError, Mailbox, parse_mailbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from genkan.message.envelope import Envelope

_MOST_HEADER: Final = 64 * 1024  # octets of the held mail's header section that are looked at
_MOST_RECIPIENTS: Final = 20
_MOST_WARNING: Final = 50  # lines
_MOST_SUBJECT: Final = 150  # characters; there is room behind it for the message id


class HeldMail(Protocol):
    """What a notice says of a hold; the spool's `Hold` is one."""

    @property
    def reason(self) -> str:
        """Why it is held."""
        ...

    @property
    def rule(self) -> str:
        """Where the rule stands."""
        ...

    @property
    def warning(self) -> str:
        """What the rule's author wrote for whoever decides."""
        ...

    @property
    def approvers(self) -> tuple[str, ...]:
        """The addresses of those who may decide."""
        ...

    @property
    def deadline(self) -> datetime:
        """Until when."""
        ...

    @property
    def verdict(self) -> str:
        """What becomes of it then: `approve` or `reject`."""
        ...


class NoticeLinks(NamedTuple):
    """The signed links of one approver for one message."""

    approve: str
    reject: str


def notices_for(
    envelope: Envelope,
    hold: HeldMail,
    header: bytes,
    hostname: str,
    links: Callable[[str], NoticeLinks] | None = None,
) -> list[tuple[Mailbox, bytes]]:
    """A mail for each approver of a held message, with the recipient it is for; an approver that is no address gets none.

    `header` is the held message's header section, or its first octets. `links` makes those of an approver (as the hold names
    him), where the setting `approval.url` has a page for them.
    """
    notices = []
    for number, name in enumerate(hold.approvers):
        try:
            approver = parse_mailbox(name)
        except AddressError:
            continue
        head = Head(
            name="Genkan",
            sender=Mailbox("postmaster", hostname),
            recipient=approver,
            subject=_subject(envelope, header),
            identifier=f"{envelope.message_id}.approval.{number}@{hostname}",
            date=envelope.accepted_at,
            submitted="auto-generated",
        )
        text = "".join(f"{line}\n" for line in _lines(envelope, hold, header, name, links))
        notices.append((approver, whole_mail(head, text)))
    return notices


def _subject(envelope: Envelope, header: bytes) -> str:
    subject = visible(_field(header, "subject"), _MOST_SUBJECT)
    return f"Held for approval: {subject or '(no subject)'} [{envelope.message_id}]"


def _lines(
    envelope: Envelope, hold: HeldMail, header: bytes, name: str, links: Callable[[str], NoticeLinks] | None
) -> Iterator[str]:
    path = envelope.reverse_path
    yield "A mail is held until it is approved or rejected."
    yield ""
    yield f"Message:  {envelope.message_id}"
    yield f"Sender:   <{'' if path is None else visible(str(path))}>"
    yield f"From:     {_field(header, 'from')}"
    yield from _recipient_lines(envelope)
    yield f"Subject:  {_field(header, 'subject')}"
    yield f"Rule:     {visible(hold.rule)}"
    yield f"Reason:   {visible(hold.reason)}"
    yield f"Deadline: {hold.deadline:%Y-%m-%d %H:%M:%S} UTC"
    yield f"          Nobody's decision by then means: {hold.verdict}."
    yield from _warning_lines(hold.warning)
    yield ""
    if links is not None:
        made = links(name)
        yield from (
            "To decide, open one of these links:",
            "",
            f"approve: {made.approve}",
            f"reject:  {made.reject}",
            "",
        )
    yield "The operator of the mail server decides in your name with:"
    yield ""
    for choice in ("approve", "reject"):
        by = shlex.quote(visible(name, MAX_MAILBOX))
        yield f"genkan approval {choice} {envelope.message_id} --by {by}"


def _recipient_lines(envelope: Envelope) -> Iterator[str]:
    for recipient in envelope.recipients[:_MOST_RECIPIENTS]:
        yield f"For:      <{visible(str(recipient.forward_path))}>"
    more = len(envelope.recipients) - _MOST_RECIPIENTS
    if more > 0:
        yield f"          and {more} more"


def _warning_lines(warning: str) -> Iterator[str]:
    lines = [visible(line) for line in warning.replace("\r\n", "\n").split("\n")[:_MOST_WARNING]]
    if any(lines):
        yield from ("", *lines)


def _field(header: bytes, name: str) -> str:
    return visible(HeaderFields(header[:_MOST_HEADER]).text(name))
