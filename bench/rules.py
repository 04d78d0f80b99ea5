# SPDX-License-Identifier: Apache-2.0
"""A server as an operator with many rules has it: 1,000 lines of effect.dat, 200 blocks of mail.dat, 10,000 accounts.

Run by start_genkan.sh as `rules.py HOME`, with the interpreter of the Genkan that is measured: it writes both documents
into HOME and the accounts into its directory. Nothing in them is random, and nothing decides about the load's mail.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from genkan.directory.directory import FILE_NAME
from genkan.directory.store import Store
from genkan.storage.sqlite import open_database

EFFECT_LINES: Final = 1000
LOAD_LINE: Final = 900  # the one that matches the load's client; those before it all have to be passed
MAIL_BLOCKS: Final = 200
ACCOUNTS: Final = 10_000
DOMAIN: Final = "example.com"

_ACTIONS: Final = ("false", "false", "default", "norelay", "norelay,2")
_QUALITIES: Final = (
    *("cheap", "discreet", "exclusive", "free", "genuine", "guaranteed", "herbal", "instant", "limited", "miracle"),
    *(
        "overnight",
        "replica",
        "risk-free",
        "secret",
        "tax-free",
        "unlimited",
        "urgent",
        "verified",
        "wholesale",
        "winning",
    ),
)
_GOODS: Final = (
    *("account update", "bank transfer", "casino bonus", "crypto wallet", "degree diploma", "discount pills"),
    *("email list", "handbag offer", "inheritance fund", "investment tip", "invoice notice", "job from home"),
    *("loan approval", "lottery ticket", "mailbox upgrade", "parcel refund", "password expiry", "penny stocks"),
    *("prize claim", "software licence", "sunglasses sale", "trading robot", "vitamin mix", "voucher code"),
    *("watch store", "weight loss"),
)
_HEADERS: Final = ("X-Mailer", "List-Id", "Reply-To", "Message-ID")


def effect_text() -> str:
    """An effect.dat of six kinds of subjects in turn; line `LOAD_LINE` is the first that matches the load."""
    lines = [f"{_subject(number)} {_ACTIONS[number % len(_ACTIONS)]}" for number in range(EFFECT_LINES)]
    lines[LOAD_LINE - 1] = "127.*.*.* default"
    return "".join(f"{line}\n" for line in lines)


def mail_text() -> str:
    """A mail.dat whose blocks have three tokens in each condition; two of five look at the body alone."""
    return "".join(_block(number) for number in range(MAIL_BLOCKS))


def add_accounts(storage_folder: Path) -> None:
    """Accounts user0, user1 ... of `DOMAIN`, in one transaction and without passwords: hashing them takes minutes."""
    store = Store(open_database(storage_folder / FILE_NAME))
    no_quota_no_credentials = (None,) * 7
    try:
        with store.change():
            for number in range(ACCOUNTS):
                name = f"user{number}"
                store.rows(store.queries.account_add, DOMAIN, name, name, f"User {number}", *no_quota_no_credentials)
    finally:
        store.close()


def _subject(number: int) -> str:
    kind, high, low = number % 6, number // 250, number % 250 + 1
    match kind:
        case 0:
            return f"198.18.{high}.{low}"
        case 1:
            return f"10.{low}.{high}.*" if number % 4 else f"10.{low}.*.*"
        case 2:
            return f"172.{16 + high}.{low}.0/{24 + number % 7}"
        case 3:
            return f"shop{number}.example"
        case 4:
            return f"sales{number}@partner{number}.example" if number % 4 else f"*@partner{number}.example"
        case _:
            return f"2001:db8:{number:x}::/48" if number % 4 else f"2001:db8::{number:x}"


def _block(number: int) -> str:
    conditions = (
        (*_items("From:", _authors(number)), *_items("Subject:", _phrases(number))),
        _items(f"Unique-Header:{_HEADERS[number // 5 % len(_HEADERS)]}: ", _authors(number)),
        (*_items("Subject:", _phrases(number)), *_body(number)),
        _body(number),
        _body(number),
    )
    return "\n".join((f"Virus:block {number}", *conditions[number % 5], "Level:110", "VirusEnd:", ""))


def _body(number: int) -> tuple[str, ...]:
    return ("Body:", *_phrases(number), "BodyEnd:")


def _items(keyword: str, texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{keyword}{text}" for text in texts)


def _phrases(number: int) -> tuple[str, ...]:
    """Three phrases that no other block has."""
    return tuple(_phrase(number * 3 + place) for place in range(3))


def _phrase(number: int) -> str:
    """One of 1040: each quality before each of the goods, then the other way round."""
    turn, quality = divmod(number, len(_QUALITIES))
    words = _QUALITIES[quality], _GOODS[turn % len(_GOODS)]
    return " ".join(words if turn < len(_GOODS) else reversed(words))


def _authors(number: int) -> tuple[str, ...]:
    return tuple(f"{_QUALITIES[(number + place) % len(_QUALITIES)]}-{number}@bulk.example" for place in range(3))


def main() -> None:
    """Write everything; the documents become rules by `genkan rules import`."""
    home = Path(sys.argv[1])
    (home / "effect.dat").write_text(effect_text())
    (home / "mail.dat").write_text(mail_text())
    add_accounts(home / "data")


if __name__ == "__main__":
    main()
