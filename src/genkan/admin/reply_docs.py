# SPDX-License-Identifier: Apache-2.0
"""Makes docs/replies.md from the reply catalogue: `python -m genkan.admin.reply_docs > docs/replies.md`.

No reply text may be written here; the catalogue and its meanings are the only source.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final, NamedTuple

from genkan.admin.markdown import table_lines
from genkan.smtp.replies import SECTIONS
from genkan.smtp.reply import Profile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from genkan.smtp.reply import ReplyRow, Wording

HEAD: Final = """\
# Replies

Everything the server says, by the way a message takes. The page is made from the catalogue
(`python -m genkan.admin.reply_docs > docs/replies.md`); the log, the metrics and the tests speak of replies by their
names.

The text is that of the profile `epstrs-4.A7`, the default of the setting `replies`; the next column has what another
profile says instead. `epstrs-4.82` says the same as `epstrs-4.83` without the enhanced code (the second number). Words
in braces are filled in. Every text is one line of at most 512 octets. Replies whose name carries a + are not in EPSTRS.

日本語の説明は[後半](#応答コード一覧)にあります。
"""

HEAD_JA: Final = """\
# 応答コード一覧

サーバーが返す応答を、メールが通る順にまとめた一覧です。このページは応答カタログから作成しています。
ログ・メトリクス・テストでは、応答を「名前」で表します。

「応答」は設定 `replies` の既定値 `epstrs-4.A7` での文面です。ほかのプロファイルで文面が異なる場合は次の列に示します。
`epstrs-4.82` の応答は、`epstrs-4.83` の応答から拡張ステータスコード(二番目の番号)を除いたものです。
波括弧の部分には実際の値が入ります。名前に + が付いた応答は EPSTRS にはありません。
"""

SECTIONS_JA: Final = {
    "Connection": "接続",
    "Any command": "命令全般",
    "HELO and EHLO": "HELO と EHLO",
    "STARTTLS": "STARTTLS",
    "AUTH": "AUTH",
    "MAIL": "MAIL",
    "RCPT": "RCPT",
    "DATA and BDAT": "DATA と BDAT",
    "VRFY and EXPN": "VRFY と EXPN",
}


class Language(NamedTuple):
    """How one half of the page speaks: its head, the titles of the columns, and what it takes from a row."""

    head: str
    columns: tuple[str, str, str, str, str]
    title: Callable[[str], str]
    cause: Callable[[ReplyRow], str]
    remedy: Callable[[ReplyRow], str]


ENGLISH: Final = Language(
    HEAD,
    ("Reply", "Other profiles", "Cause", "What to do", "Name"),
    str,
    lambda row: row.meaning,
    lambda row: row.remedy,
)
JAPANESE: Final = Language(
    HEAD_JA,
    ("応答", "ほかのプロファイル", "原因", "対処", "名前"),
    SECTIONS_JA.__getitem__,
    lambda row: row.meaning_ja,
    lambda row: row.remedy_ja,
)


def render() -> str:
    """The whole page as Markdown text: the catalogue in English, then in Japanese, one table a section."""
    return "\n".join(line for language in (ENGLISH, JAPANESE) for line in _half(language))


def _half(language: Language) -> Iterator[str]:
    yield language.head
    for title, rows in SECTIONS.items():
        yield f"## {language.title(title)}\n"
        yield from table_lines(language.columns, (_cells(row, language) for row in rows))
        yield ""


def _cells(row: ReplyRow, language: Language) -> tuple[str, ...]:
    wire = _code(row.in_profile(Profile.EPSTRS_4A7))
    return wire, _others(row), language.cause(row), language.remedy(row), _name(row)


def _name(row: ReplyRow) -> str:
    return f"`{row.name}`" if row.origin == "seed" else f"`{row.name}` +"


def _others(row: ReplyRow) -> str:
    usual = row.in_profile(Profile.EPSTRS_4A7)
    others = []
    if (older := row.in_profile(Profile.EPSTRS_483)) != usual:
        others.append(f"{Profile.EPSTRS_482}, {Profile.EPSTRS_483}: {_code(older)}")
    if (rfc := row.in_profile(Profile.RFC)) != usual:
        others.append(f"{Profile.RFC}: {_code(rfc)}")
    return "<br>".join(others)


def _code(wording: Wording) -> str:
    parts = (str(wording.code), wording.enhanced, wording.text)
    return "`" + " ".join(part for part in parts if part) + "`"


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    sys.stdout.write(render())
