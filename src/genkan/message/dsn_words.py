# SPDX-License-Identifier: Apache-2.0
"""The words of delivery reports for people, in English and Japanese: what has happened, and what the sender can do."""

from __future__ import annotations

from typing import Final

SUBJECTS: Final = {
    "failed": "Undelivered mail",
    "delayed": "Delayed mail",
    "delivered": "Delivered mail",
    "relayed": "Relayed mail",
}

INTRODUCTIONS: Final = {
    "failed": "Your mail could not be delivered to the addresses below, and is not tried again.",
    "delayed": "Your mail has not been delivered to the addresses below yet. You need do nothing: it is still tried.",
    "delivered": "Your mail was delivered to the addresses below.",
    "relayed": "Your mail was passed on for the addresses below, to a server that will not tell of its delivery.",
}

INTRODUCTIONS_JA: Final = {
    "failed": "次の宛先にメールを配送できませんでした。再送は行いません。",
    "delayed": "次の宛先へのメールの配送が遅れています。再送を続けていますので、何もする必要はありません。",
    "delivered": "次の宛先にメールを配送しました。",
    "relayed": "次の宛先へのメールを中継しました。中継先のサーバーは配送の結果を通知しません。",
}

# Enhanced codes without their class (RFC 3463), each with what is to be done; the longest that fits counts.
_ADVICE: Final = {
    "1.1": (
        "Check the address: nobody has it there.",
        "宛先のアドレスを確認してください。そのアドレスは存在しません。",
    ),
    "1.2": ("Check the part behind the @: there is no such domain.", "@の後のドメイン名を確認してください。"),
    "1.10": ("This domain takes no mail at all.", "このドメインはメールを受け取りません。"),
    "1": ("Check the address.", "宛先のアドレスを確認してください。"),
    "2.2": ("The mailbox is full: reach the recipient in another way.", "受信者のメールボックスが一杯です。"),
    "2": ("The mailbox takes no mail: reach the recipient in another way.", "受信者のメールボックスは受信できません。"),
    "3.4": ("The mail is too large: send it in parts, or a link.", "メールが大きすぎます。分割して送ってください。"),
    "4.6": ("The mail runs in a loop: tell the recipient's postmaster.", "メールがループしています。"),
    "4.7": (
        "The other server could not be reached in time: try again later.",
        "相手のサーバーに接続できませんでした。時間をおいて送り直してください。",
    ),
    "4": ("The other server could not be reached.", "相手のサーバーに接続できませんでした。"),
    "6": ("The other server cannot take this kind of mail.", "相手のサーバーはこの形式のメールを受け取れません。"),
    "7": (
        "The other server refuses it by its rules: its words say why; ask its postmaster.",
        "相手のサーバーの規則により拒否されました。理由は上の応答をご覧ください。",
    ),
}
_USUAL: Final = (
    "The words above say why; the other side's postmaster can tell more.",
    "理由は上の応答をご覧ください。詳しくは相手の管理者にお問い合わせください。",
)


def advice(status: str) -> str:
    """What the sender can do about an enhanced code of class 4 or 5."""
    return _found(status)[0]


def advice_ja(status: str) -> str:
    """As `advice`, in Japanese."""
    return _found(status)[1]


def _found(status: str) -> tuple[str, str]:
    kind = status.partition(".")[2]
    return _ADVICE.get(kind) or _ADVICE.get(kind.partition(".")[0]) or _USUAL
