# SPDX-License-Identifier: Apache-2.0
"""Exports of accounts and aliases: which column is which, and no password where it is not sure."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.epost.tables import AccountRow, AliasRow, kind_of, parse_accounts, parse_aliases


def accounts(text: str) -> list[AccountRow]:
    return parse_accounts("a.txt", text)[0]


def doubts(text: str) -> list[str]:
    return [str(finding) for finding in parse_accounts("a.txt", text)[1]]


def aliases(text: str) -> list[AliasRow]:
    return parse_aliases("a.txt", text)[0]


@pytest.mark.parametrize(
    "head",
    [
        "account\tpassword\tname",
        "User Name\tPasswd\tFull Name",
        "アカウント名\tパスワード\t氏名",
        "ｕｓｅｒ＿ｉｄ\tPASSWORD\t名前",
    ],
)
def test_a_header_line_names_the_columns(head: str) -> None:
    assert accounts(f"{head}\r\nann\tann-secret-1\tAnn\r\n") == [AccountRow(2, "ann", "Ann", "ann-secret-1")]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_columns_are_known_by_what_is_in_them(order: tuple[int, ...]) -> None:
    rows = [("ann@in.test", "ann-secret-1", "Ann Example"), ("bob@in.test", "bob-secret-2", "山田")]
    text = "\n".join("\t".join(row[index] for index in order) for row in rows)
    assert accounts(text) == [
        AccountRow(1, "ann@in.test", "Ann Example", "ann-secret-1"),
        AccountRow(2, "bob@in.test", "山田", "bob-secret-2"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "ann@in.test\tAnn\nbob@in.test\tBob",  # a name of one word could be a password
        "ann@in.test\tAnn Example\tann-secret\tdepartment\nbob@in.test\tBob Example\tbob-secret\tsales4",
        "ann@in.test\tAnn Example\t1\nbob@in.test\tBob Example\t1",  # a column of switches
        "ann@in.test\tAnn Example\t10001\nbob@in.test\tBob Example\t10002",
    ],
)
def test_what_may_not_be_a_password_is_never_taken_for_one(text: str) -> None:
    assert [row.password for row in accounts(text)] == ["", ""]
    assert "has no column that is surely passwords" in doubts(text)[0]


def test_a_table_without_accounts_says_what_to_do() -> None:
    assert accounts("a b\tc d\na b\tc d") == []
    (doubt,) = doubts("a b\tc d\na b\tc d")
    assert doubt == (
        "warning: a.txt: has no column of accounts, so nothing of it is read; "
        "put a header line above it with tabs between: account, password, name"
    )


def test_a_password_keeps_its_blanks_and_quotes_and_is_not_shown() -> None:
    [row] = accounts('account\tpassword\tname\n"ann"\t "pass word" \t"Ann"\n')
    assert row == AccountRow(2, "ann", "Ann", ' "pass word" ')
    assert "pass word" not in repr(row)


def test_short_lines_blank_lines_and_comments_are_borne() -> None:
    assert accounts("account\tpassword\tname\n\n'note\nann\n\t\t\n") == [AccountRow(4, "ann")]


@pytest.mark.parametrize(
    "text",
    [
        "sales@in.test\tann@in.test\ninfo@in.test\tann@in.test",
        "ann@in.test\tsales@in.test\nann@in.test\tinfo@in.test",  # only a target occurs twice
        "alias\taccount\nsales@in.test\tann@in.test\ninfo@in.test\tann@in.test",
        "実アドレス\tエイリアス\nann@in.test\tsales@in.test\nann@in.test\tinfo@in.test",
    ],
)
def test_alias_and_target_are_told_apart(text: str) -> None:
    assert [(row.alias, row.target) for row in aliases(text)] == [
        ("sales@in.test", "ann@in.test"),
        ("info@in.test", "ann@in.test"),
    ]


def test_only_an_alias_has_an_asterisk() -> None:
    assert aliases("ann@in.test\t*@in.test\nbob@in.test\tb*@in.test")[0] == AliasRow(1, "*@in.test", "ann@in.test")


@pytest.mark.parametrize("row", ["a@in.test\tb@in.test,0", "a@in.test,0\tb@in.test", "a@in.test\tb@in.test\t0"])
def test_the_flag_is_read_where_it_stands(row: str) -> None:
    assert aliases(row) == [AliasRow(1, "a@in.test", "b@in.test", keep=True)]


def test_aliases_need_two_columns_of_addresses() -> None:
    rows, findings = parse_aliases("a.txt", "sales\tann")
    assert rows == []
    assert "has no two columns of addresses" in findings[0].sentence


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("account\tpassword\nann\tx", "accounts"),
        ("ann@in.test\tAnn", "accounts"),
        ("alias\treal\na@in.test\tb@in.test", "aliases"),
        ("a@in.test\tb@in.test", "aliases"),
        ("Dear reader,\nplease see ann@in.test", None),
        ("", None),
        ("no\ttable\nof\tours", None),
    ],
)
def test_an_export_is_known_by_what_is_in_it(text: str, kind: str | None) -> None:
    assert kind_of(text) == kind


@given(st.text(alphabet=st.sampled_from("ab@.*,0\t\n\r\"' 氏名"), max_size=200))
def test_no_text_is_too_odd_to_be_read(text: str) -> None:
    kind_of(text)
    assert all(row.account for row in accounts(text))
    assert all(row.alias and row.target for row in aliases(text))


@given(
    st.permutations(["account", "password", "name", "domain"]),
    st.lists(
        st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="'\""), min_size=1),
        min_size=4,
        max_size=4,
    ),
)
def test_with_a_header_every_cell_arrives(order: list[str], cells: list[str]) -> None:
    values = dict(zip(("account", "password", "name", "domain"), cells, strict=True))
    text = "\t".join(order) + "\n" + "\t".join(values[column] for column in order)
    assert accounts(text) == [AccountRow(2, **values)]
