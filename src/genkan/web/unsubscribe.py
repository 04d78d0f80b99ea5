# SPDX-License-Identifier: Apache-2.0
"""Leaving a mailing list by a link in its mail, with one click where the mail program offers it (RFC 8058).

To open the page changes nothing, since programs that look at mail open links, too (RFC 8058, 3); only a POST with the one
key does. Whoever has the link may leave; it is in nobody's mail but the member's.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from html import escape
from typing import TYPE_CHECKING, Final, Protocol

from aiohttp import web

from genkan.directory.errors import DirectoryError
from genkan.storage.engine import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from genkan.directory.directory import Directory
    from genkan.directory.list_members import Member

_WAITING: Final = 64  # requests that wait for the directory; more are put off
_PATIENCE: Final = 10.0  # seconds for the body of a request
_TRY_LATER: Final = "60"

_PAGE: Final = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="robots" content="noindex">
<title>{title}</title>
{body}
</html>
"""
_ASK: Final = """<p>Take <b>{member}</b> off the mailing list <b>{list}</b>?</p>
<p lang="ja">メーリングリスト <b>{list}</b> から <b>{member}</b> を削除しますか。</p>
<form method="post">
<input type="hidden" name="List-Unsubscribe" value="One-Click">
<button>Unsubscribe / <span lang="ja">退会する</span></button>
</form>"""
_LEFT: Final = """<p><b>{member}</b> is no longer on the mailing list <b>{list}</b>.</p>
<p lang="ja">メーリングリスト <b>{list}</b> から <b>{member}</b> を削除しました。</p>"""
_NOT_VALID: Final = """<p>This link is not valid, or not any more: you may have left the list already.</p>
<p lang="ja">このリンクは無効です。すでに退会している可能性があります。</p>"""
_NOT_ASKED: Final = """<p>Please use the button on the page that the link opens.</p>
<p lang="ja">リンク先のページのボタンを使ってください。</p>"""
_NOT_NOW: Final = """<p>This cannot be done at the moment. Please try again later.</p>
<p lang="ja">現在処理できません。しばらくしてからもう一度お試しください。</p>"""


class Left(Protocol):
    """Told of each member who has left; for the log."""

    def __call__(self, mailing_list: str, member: str) -> None:
        """On the event loop."""
        ...


class Unsubscribe:
    """The page and what its button does. The directory is asked in one thread, where it may take its time."""

    def __init__(self, open_directory: Callable[[], Directory], left: Left) -> None:
        self._open = open_directory
        self._left = left
        self._directory: Directory | None = None
        self._thread = ThreadPoolExecutor(1, "unsubscribe")
        self._room = _WAITING

    async def ask(self, request: web.Request) -> web.Response:
        """The page with the button; changes nothing."""
        return await self._answer(self._find, request.match_info["token"], _ASK)

    async def leave(self, request: web.Request) -> web.Response:
        """What the button does, and what a mail program does by itself."""
        try:
            async with asyncio.timeout(_PATIENCE):
                form = await request.post()
        except (TimeoutError, ValueError):  # ValueError: a body that is no form
            return _page(400, _NOT_ASKED)
        if form.get("List-Unsubscribe") != "One-Click":
            return _page(400, _NOT_ASKED)
        return await self._answer(self._remove, request.match_info["token"], _LEFT)

    async def close(self, _app: web.Application) -> None:
        """Give the directory back."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown()

    async def _answer(
        self, question: Callable[[str], tuple[str, str] | None], token: str, template: str
    ) -> web.Response:
        if self._room <= 0:
            return _page(503, _NOT_NOW)
        self._room -= 1
        try:
            found = await asyncio.get_running_loop().run_in_executor(self._thread, question, token)
        except (DirectoryError, StorageError):
            return _page(503, _NOT_NOW)
        finally:
            self._room += 1
        if found is None:
            return _page(404, _NOT_VALID)
        mailing_list, member = found
        if template is _LEFT:
            self._left(mailing_list, member)
        return _page(200, template.format(list=escape(mailing_list), member=escape(member)))

    # In the thread.

    def _find(self, token: str) -> tuple[str, str] | None:
        found = self._member(token)
        return None if found is None else (found[0], str(found[1].address))

    def _remove(self, token: str) -> tuple[str, str] | None:
        found = self._member(token)
        if found is None:
            return None
        directory, (name, member) = self._opened(), found
        mailing_list = directory.lists.by_id(member.list)
        assert mailing_list is not None
        directory.lists.remove_member(mailing_list.address, member.address)
        return name, str(member.address)

    def _member(self, token: str) -> tuple[str, Member] | None:
        directory = self._opened()
        directory.refresh()
        member = directory.list_roles.member(token, "unsubscribe")
        mailing_list = None if member is None else directory.lists.by_id(member.list)
        return None if member is None or mailing_list is None else (str(mailing_list.address), member)

    def _opened(self) -> Directory:
        if self._directory is None:
            self._directory = self._open()
        return self._directory

    def _close(self) -> None:
        if self._directory is not None:
            self._directory.close()


def _page(status: int, body: str) -> web.Response:
    headers = {"Retry-After": _TRY_LATER} if status == 503 else None
    text = _PAGE.format(title="Mailing list", body=body)
    return web.Response(status=status, text=text, content_type="text/html", charset="utf-8", headers=headers)
