# SPDX-License-Identifier: Apache-2.0
"""Leaving a mailing list over HTTP: the page, the click, and everything that is neither."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

import pytest
from aiohttp import ClientSession, FormData

from genkan.directory import Directory
from genkan.smtp.address import parse_mailbox
from genkan.web.app import HEADERS, MAX_BODY, make_app, serving

if TYPE_CHECKING:
    from pathlib import Path

LIST = parse_mailbox("dev@in.test")
MEMBER = parse_mailbox('"<b>&x"@out.test')
CLICK = {"List-Unsubscribe": "One-Click"}


class Answer(NamedTuple):
    status: int
    text: str
    fields: dict[str, str]


class Pages:
    """The pages of an installation with a list and one member; each request is a server's whole life."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.left: list[tuple[str, str]] = []
        with self.open() as directory:
            directory.domains.add("in.test")
            directory.lists.add_member(directory.lists.add(LIST).address, MEMBER)
            (member,) = directory.lists.members(directory.lists.show(LIST))
            self.token = directory.list_roles.token(member, "unsubscribe")
            self.other = directory.list_roles.token(member, "bounces")

    def open(self) -> Directory:
        return Directory.open(self.folder)

    def ask(self, method: str, path: str, body: object = None, fields: dict[str, str] | None = None) -> Answer:
        return asyncio.run(self._ask(method, path, body, fields))

    def members(self) -> list[str]:
        with self.open() as directory:
            return [str(member.address) for member in directory.lists.members(directory.lists.show(LIST))]

    async def _ask(self, method: str, path: str, body: object, fields: dict[str, str] | None) -> Answer:
        app = make_app(self.open, lambda mailing_list, member: self.left.append((mailing_list, member)))
        async with serving(app, "127.0.0.1", 0) as port, ClientSession() as session:
            url = f"http://127.0.0.1:{port}{path}"
            async with session.request(method, url, data=body, headers=fields) as response:
                return Answer(response.status, await response.text(), dict(response.headers))


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    return Pages(tmp_path / "data")


def test_to_open_the_link_changes_nothing_and_shows_a_button(pages: Pages) -> None:
    for method in ("GET", "HEAD", "GET"):
        assert pages.ask(method, f"/list/unsubscribe/{pages.token}").status == 200
    text = pages.ask("GET", f"/list/unsubscribe/{pages.token}").text
    assert '<form method="post">' in text
    assert "退会する" in text
    assert "&lt;b&gt;&amp;x" in text
    assert "<b>&x" not in text
    assert pages.members() == [str(MEMBER)]
    assert pages.left == []


def test_one_click_unsubscribes_at_once(pages: Pages) -> None:
    answer = pages.ask("POST", f"/list/unsubscribe/{pages.token}", CLICK)
    assert (answer.status, pages.members()) == (200, [])
    assert pages.left == [("dev@in.test", str(MEMBER))]
    assert pages.ask("POST", f"/list/unsubscribe/{pages.token}", CLICK).status == 404


def test_the_click_may_come_as_a_multipart_form(pages: Pages) -> None:
    form = FormData(default_to_multipart=True)
    form.add_field("List-Unsubscribe", "One-Click")
    assert pages.ask("POST", f"/list/unsubscribe/{pages.token}", form).status == 200
    assert pages.members() == []


@pytest.mark.parametrize(
    "body", [None, {}, {"List-Unsubscribe": "no"}, {"x": "One-Click"}, b"List-Unsubscribe=One-Click"]
)
def test_a_post_without_the_key_changes_nothing(pages: Pages, body: object) -> None:
    assert pages.ask("POST", f"/list/unsubscribe/{pages.token}", body).status == 400
    assert pages.members() == [str(MEMBER)]


def test_all_wrong_tokens_get_the_same_page(pages: Pages) -> None:
    last = "a" if pages.token[0] != "a" else "b"
    wrong = [last + pages.token[1:], pages.other, "x", "a" * 300, "%00", "%F0%9F%98%80", "..%2F", "aaaaaaaaaaaa1"]
    answers = [pages.ask(method, f"/list/unsubscribe/{token}", CLICK) for token in wrong for method in ("GET", "POST")]
    assert {(answer.status, answer.text) for answer in answers} == {(404, answers[0].text)}
    assert pages.members() == [str(MEMBER)]


def test_every_answer_has_the_same_guards_and_no_cookie(pages: Pages) -> None:
    paths = (f"/list/unsubscribe/{pages.token}", "/list/unsubscribe/x", "/", "/list/unsubscribe/")
    for path in paths:
        for method in ("GET", "PUT"):
            fields = pages.ask(method, path).fields
            assert {name: fields[name] for name in HEADERS} == HEADERS
            assert "Set-Cookie" not in fields


def test_a_large_body_is_refused(pages: Pages) -> None:
    body = {"List-Unsubscribe": "One-Click", "x": "y" * MAX_BODY}
    assert pages.ask("POST", f"/list/unsubscribe/{pages.token}", body).status == 413
    assert pages.members() == [str(MEMBER)]


def test_a_form_that_is_none_is_refused(pages: Pages) -> None:
    fields = {"Content-Type": "multipart/form-data"}
    assert pages.ask("POST", f"/list/unsubscribe/{pages.token}", b"x", fields).status == 400
    assert pages.members() == [str(MEMBER)]


def test_a_link_of_a_removed_list_is_not_valid(pages: Pages) -> None:
    with pages.open() as directory:
        directory.lists.remove(LIST)
    assert pages.ask("POST", f"/list/unsubscribe/{pages.token}", CLICK).status == 404
