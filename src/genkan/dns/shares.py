# SPDX-License-Identifier: Apache-2.0
"""How many questions one client may have on their way at a time: so those of a hostile one hold up no others."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from functools import lru_cache
from ipaddress import IPv6Network
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_HOME: Final = 64  # bits of an IPv6 address that tell one client from another


class Shares:
    """A share for each client that has questions now; an IPv6 client is its /64."""

    def __init__(self, size: int) -> None:
        """`size` is in questions."""
        self._size = size
        self._shares: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    @asynccontextmanager
    async def place(self, client_address: str) -> AsyncIterator[None]:
        """A place in the client's share, when there is one; "" is nobody, who has to wait for none."""
        if not client_address:
            yield
            return
        key = _home(client_address)
        share = self._shares.get(key)
        if share is None:
            share = self._shares[key] = asyncio.Semaphore(self._size)
        async with share:
            yield


@lru_cache(maxsize=1024)
def _home(client_address: str) -> str:
    if ":" not in client_address:
        return client_address
    return str(IPv6Network((client_address.partition("%")[0], _HOME), strict=False))
