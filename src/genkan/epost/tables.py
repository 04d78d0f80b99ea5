# SPDX-License-Identifier: Apache-2.0
"""The admin tool's exports of accounts and aliases: text, columns separated by tabs, in an order nobody has written down.

Columns are known by a header line, else by what is in them. A password column is only taken for one when nothing else
fits: a name taken for a password would open the account to everybody. Pure.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

from genkan.findings import Finding, warning
from genkan.smtp.address import AddressError, parse_mailbox

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_ROWS: Final = 200_000
MAX_COLUMNS: Final = 100

Column: TypeAlias = Literal["account", "password", "name", "domain", "alias", "target", "flag"]

_WORDS: Final[dict[Column, tuple[str, ...]]] = {
    "alias": ("alias", "aliasname", "aliasaddress", "エイリアス", "エイリアス名", "エイリアスアドレス", "別名"),
    "target": (
        *("target", "real", "realaddress", "to", "forwardto"),
        *("実アドレス", "実メールアドレス", "実アカウント", "実体", "転送先", "宛先"),
    ),
    "flag": ("flag", "option", "フラグ", "オプション"),
    "account": (
        *("account", "accountname", "user", "username", "userid", "login", "loginname", "id"),
        *("mail", "mailaddress", "email", "e-mail", "address", "mailbox"),
        *("アカウント", "アカウント名", "ユーザー", "ユーザ", "ユーザー名", "ユーザ名", "ユーザーid", "ユーザid"),
        *("ログイン名", "メールアドレス", "アドレス", "メールボックス"),
    ),
    "password": ("password", "passwd", "pass", "パスワード"),
    "name": ("name", "fullname", "realname", "displayname", "氏名", "名前", "フルネーム", "表示名"),
    "domain": ("domain", "domainname", "ドメイン", "ドメイン名"),
}
"""What header lines call the columns, compared without case, blanks and underscores."""


@dataclass(frozen=True, slots=True)
class AccountRow:
    """A line of an account export. `account` may lack its domain; `password` is as the file has it, "" for none."""

    line: int
    account: str
    name: str = ""
    password: str = field(default="", repr=False)
    domain: str = ""


@dataclass(frozen=True, slots=True)
class AliasRow:
    """A line of an alias export; `keep` is the product's `,0`: accept, but leave the recipient as it is."""

    line: int
    alias: str
    target: str
    keep: bool = False


class _Row(NamedTuple):
    line: int
    cells: tuple[str, ...]

    def cell(self, index: int | None) -> str:
        """The cell of a column; "" where the line has none."""
        return self.cells[index] if index is not None and index < len(self.cells) else ""


def kind_of(text: str) -> Literal["accounts", "aliases"] | None:
    """Which of the two exports a text looks like, `None` for neither."""
    rows = _rows(text)
    if not rows or max(len(row.cells) for row in rows) < 2:
        return None
    header = _header(rows[0])
    if header is not None:
        return "aliases" if "alias" in header else "accounts" if "account" in header else None
    with_two = [row for row in rows if sum(map(_is_address, row.cells)) >= 2]
    if len(with_two) * 2 > len(rows):
        return "aliases"
    with_one = [row for row in rows if any(map(_is_address, row.cells))]
    return "accounts" if len(with_one) * 2 > len(rows) else None


def parse_accounts(subject: str, text: str) -> tuple[list[AccountRow], list[Finding]]:
    """The accounts of an export, and what is doubtful about it; `subject` names the file in findings."""
    rows = _rows(text)
    header = _header(rows[0], aliases=False) if rows else None
    body = rows if header is None else rows[1:]
    columns = _guess_account_columns(body) if header is None else header
    findings = _doubts(subject, rows, header, columns)
    found = [_account_row(row, columns) for row in body]
    return [row for row in found if row.account], findings


def parse_aliases(subject: str, text: str) -> tuple[list[AliasRow], list[Finding]]:
    """The aliases of an export, and what is doubtful about it."""
    rows = _rows(text)
    header = _header(rows[0], aliases=True) if rows else None
    body = rows if header is None else rows[1:]
    columns = _guess_alias_columns(body) if header is None else header
    if "alias" not in columns or "target" not in columns:
        return [], [
            warning(
                subject,
                "has no two columns of addresses, so nothing of it is read",
                "put a header line above it: alias, a tab, target",
            )
        ]
    found = [_alias_row(row, columns) for row in body]
    return [row for row in found if row.alias and row.target], _too_many(subject, rows)


def _rows(text: str) -> list[_Row]:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    rows = [
        _Row(number, tuple(line.split("\t")[:MAX_COLUMNS]))
        for number, line in enumerate(lines[: MAX_ROWS + 1], start=1)
        if line.strip() and not line.startswith("'")
    ]
    return [row for row in rows if any(cell.strip() for cell in row.cells)]


def _header(row: _Row, *, aliases: bool | None = None) -> dict[Column, int] | None:
    """The columns that a header line names; `None` when it is none."""
    if any(map(_is_address, row.cells)):
        return None
    found: dict[Column, int] = {}
    for index, cell in enumerate(row.cells):
        column = _column(cell, aliases=aliases)
        if column is not None:
            found.setdefault(column, index)
    if "alias" in found and "target" not in found and "account" in found:
        found["target"] = found.pop("account")
    needed: Column = "alias" if aliases else "account"
    known = needed in found if aliases is not None else "alias" in found or "account" in found
    return found if known and len(found) >= 2 else None


def _column(cell: str, *, aliases: bool | None) -> Column | None:
    word = "".join(unicodedata.normalize("NFKC", cell).casefold().split()).strip("#\"'").replace("_", "")
    for column, words in _WORDS.items():
        if word in words and not (aliases is False and column in ("alias", "target", "flag")):
            return column
    return None


def _guess_account_columns(rows: list[_Row]) -> dict[Column, int]:
    width = max((len(row.cells) for row in rows), default=0)
    columns = {index: [row.cell(index).strip() for row in rows] for index in range(width)}
    account = next((index for index, cells in columns.items() if _most(map(_is_address, cells), len(cells))), None)
    if account is None:
        account = next((index for index, cells in columns.items() if _are_names_of_accounts(cells)), None)
    if account is None:
        return {}
    found: dict[Column, int] = {"account": account}
    others = {index: cells for index, cells in columns.items() if index != account and any(cells)}
    names = [index for index, cells in others.items() if _are_full_names(cells)]
    if len(names) == 1:
        found["name"] = names[0]
        secrets = [index for index, cells in others.items() if index != names[0] and _may_be_passwords(cells)]
        if len(secrets) == 1:
            found["password"] = secrets[0]
    return found


def _guess_alias_columns(rows: list[_Row]) -> dict[Column, int]:
    width = max((len(row.cells) for row in rows), default=0)
    columns = {index: [_without_flag(row.cell(index))[0] for row in rows] for index in range(width)}
    addresses = [index for index, cells in columns.items() if _most(map(_is_address, cells), len(cells))]
    if len(addresses) < 2:
        return {}
    first, second = addresses[:2]
    if _looks_like_alias(columns[second]) > _looks_like_alias(columns[first]):
        first, second = second, first
    found: dict[Column, int] = {"alias": first, "target": second}
    flags = [
        index
        for index, cells in columns.items()
        if index not in addresses and any(cells) and set(cells) <= {"", "0", "1"}
    ]
    if len(flags) == 1:
        found["flag"] = flags[0]
    return found


def _looks_like_alias(cells: list[str]) -> tuple[int, int]:
    """The more, the more a column is the alias: only an alias has an asterisk, and only a target occurs twice."""
    return sum(cell.startswith("*") or "*@" in cell for cell in cells), len({cell.lower() for cell in cells})


def _account_row(row: _Row, columns: dict[Column, int]) -> AccountRow:
    return AccountRow(
        row.line,
        account=_unquoted(row.cell(columns.get("account"))),
        name=_unquoted(row.cell(columns.get("name"))),
        password=row.cell(columns.get("password")),
        domain=_unquoted(row.cell(columns.get("domain"))),
    )


def _alias_row(row: _Row, columns: dict[Column, int]) -> AliasRow:
    alias, keep_by_alias = _without_flag(row.cell(columns["alias"]))
    target, keep_by_target = _without_flag(row.cell(columns["target"]))
    flag = row.cell(columns.get("flag")).strip() == "0"
    return AliasRow(row.line, alias, target, keep_by_alias or keep_by_target or flag)


def _without_flag(cell: str) -> tuple[str, bool]:
    address, comma, flag = _unquoted(cell).rpartition(",")
    return (address.strip(), True) if comma and flag.strip() == "0" else (_unquoted(cell), False)


def _unquoted(cell: str) -> str:
    cell = cell.strip()
    return cell[1:-1].strip() if len(cell) >= 2 and cell[0] == cell[-1] == '"' else cell


def _doubts(
    subject: str, rows: list[_Row], header: dict[Column, int] | None, columns: dict[Column, int]
) -> list[Finding]:
    findings = _too_many(subject, rows)
    advice = "put a header line above it with tabs between: account, password, name"
    if rows and "account" not in columns:
        findings.append(warning(subject, "has no column of accounts, so nothing of it is read", advice))
    elif rows and header is None and "password" not in columns:
        findings.append(warning(subject, "has no column that is surely passwords, so none is taken over", advice))
    return findings


def _too_many(subject: str, rows: list[_Row]) -> list[Finding]:
    if not rows or rows[-1].line <= MAX_ROWS:
        return []
    return [warning(subject, f"is read up to line {MAX_ROWS} only", "split the file, and import the parts")]


def _is_address(cell: str) -> bool:
    if "@" not in cell:
        return False
    try:
        parse_mailbox(_without_flag(cell)[0])
    except AddressError:
        return False
    return True


def _most(answers: Iterable[bool], count: int) -> bool:
    return sum(answers) * 4 >= count * 3 > 0


def _are_names_of_accounts(cells: list[str]) -> bool:
    return len(set(cells)) == len(cells) and all(
        cell.isascii() and cell.replace(".", "").replace("-", "").replace("_", "").isalnum() for cell in cells
    )


def _are_full_names(cells: list[str]) -> bool:
    """Most hold a blank or a letter beyond ASCII, as no password does that is typed on every mail program."""
    given = [cell for cell in cells if cell]
    return sum(" " in cell or not cell.isascii() for cell in given) * 2 > len(given)


def _may_be_passwords(cells: list[str]) -> bool:
    """No addresses, no blanks, no column of switches or of numbers alone."""
    given = [cell for cell in cells if cell]
    if any(" " in cell or not cell.isascii() or _is_address(cell) for cell in given):
        return False
    return len(set(given)) * 2 > len(given) and sum(len(cell) >= 4 and not cell.isdigit() for cell in given) * 2 > len(
        given
    )
