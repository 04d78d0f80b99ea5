# SPDX-License-Identifier: Apache-2.0
"""A consignment's content as the other end gets it: the fields that are put before it, then what was accepted."""

from __future__ import annotations

import errno
from contextlib import aclosing
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from genkan.delivery.consignment import Consignment


def whole_size(consignment: Consignment) -> int:
    """How many octets `whole_content` gives."""
    return len(consignment.fields) + consignment.size


async def whole_content(consignment: Consignment) -> AsyncGenerator[bytes, None]:
    """Fields and content in blocks. Raises `OSError` when it cannot be read, or is not as long as the spool says."""
    if consignment.fields:
        yield consignment.fields
    left = consignment.size
    async with aclosing(consignment.content()) as blocks:
        async for block in blocks:
            left -= len(block)
            if left < 0:
                break
            yield block
    if left:
        raise OSError(errno.EIO, "the content has not the size that the spool says")
