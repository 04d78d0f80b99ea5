# SPDX-License-Identifier: Apache-2.0
"""The DNS as the tests of DMARC see it: a dictionary."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

from genkan.dmarc.discovery import Found

if TYPE_CHECKING:
    from collections.abc import Coroutine

_T = TypeVar("_T")

FAILED: Final = "failed"

Names = Mapping[str, str | tuple[str, ...]]


class Zone:
    """Names with the text of their one TXT record, or several; `FAILED` for one that does not answer.

    Names above those exist. `asked` are the questions in their order.
    """

    def __init__(self, names: Names) -> None:
        self._names = names
        self.asked: list[str] = []

    async def lookup(self, name: str) -> Found:
        self.asked.append(name)
        texts = self._names.get(name)
        if texts is None:
            exists = any(known.endswith(f".{name}") for known in self._names)
            return Found("nothing" if exists else "no such name")
        if texts == FAILED:
            return Found("failed")
        found = (texts,) if isinstance(texts, str) else texts
        return Found("found", found) if found else Found("nothing")


def run(coroutine: Coroutine[Any, Any, _T]) -> _T:
    return asyncio.run(coroutine)
