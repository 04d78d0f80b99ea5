# SPDX-License-Identifier: Apache-2.0
"""Mail that tells the owner of an account, and the operator, that its mail to the outside is held (RFC 3834, 5).

To be sent with the null reverse-path.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final, NamedTuple

from genkan.message.plain_mail import Head, whole_mail
from genkan.message.visible import visible
from genkan.smtp.address import Mailbox

if TYPE_CHECKING:
    from datetime import datetime

_MOST_ACCOUNT: Final = 100  # characters of it in a subject


class Braking(NamedTuple):
    """An account that has written to `counted` recipients outside within an hour; `threshold` would have been allowed."""

    account: str
    since: datetime
    threshold: int
    counted: int


def owner_notice(braking: Braking, owner: Mailbox, identifier: str) -> bytes:
    """The mail to the account's owner, who may not know; `identifier` is the inside of its Message-ID."""
    subject = f"Your mail is held: {braking.counted} recipients within an hour"
    lines = (
        *_facts(braking),
        "",
        "If you have sent this mail, tell whoever runs the mail server; it is kept and can be sent.",
        "If you have not, somebody else is using your account: change your password at once, and tell them so.",
        "",
        "このアカウントから外部への送信が 1 時間あたりの上限を超えたため、外部宛てのメールを保留しています。",
        "心当たりがある場合は、サーバーの管理者に連絡してください。保留中のメールは後から送信できます。",
        "心当たりがない場合は、アカウントが悪用されています。すぐにパスワードを変更し、管理者に連絡してください。",
    )
    return _mail(owner, subject, lines, braking.since, identifier)


def operator_notice(braking: Braking, operator: Mailbox, identifier: str) -> bytes:
    """The mail to the operator, with the commands that release or purge what is held."""
    account = shlex.quote(braking.account)
    subject = f"Mail of {visible(braking.account, _MOST_ACCOUNT)} is held: {braking.counted} recipients within an hour"
    lines = (
        *_facts(braking),
        "",
        "What is held:",
        "",
        f"genkan queue list --account {account} --state held",
        "",
        "If the mail is in order, send it; and give the account a higher number, if it will do so again:",
        "",
        f"genkan brake release {account}",
        f"genkan account set {account} --external-limit {2 * braking.counted}",
        "",
        "If not, change the password first, then delete what is held:",
        "",
        f"genkan account passwd {account}",
        f"genkan brake purge {account}",
    )
    return _mail(operator, subject, lines, braking.since, identifier)


def _facts(braking: Braking) -> tuple[str, ...]:
    return (
        f"The account {braking.account} has written to {braking.counted} recipients outside within an hour.",
        f"More than {braking.threshold} are unusual, so its mail to the outside is held from now on.",
        "",
        f"Since:   {braking.since:%Y-%m-%d %H:%M:%S} UTC",
    )


def _mail(recipient: Mailbox, subject: str, lines: tuple[str, ...], date: datetime, identifier: str) -> bytes:
    sender = Mailbox("postmaster", identifier.rpartition("@")[2])
    head = Head("Genkan", sender, recipient, subject, identifier, date, "auto-generated")
    return whole_mail(head, "".join(f"{line}\n" for line in lines))
