# SPDX-License-Identifier: Apache-2.0
"""What errands have to know beside the mail: forwards, automatic replies, lists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from genkan.directory.directory import Directory


@dataclass(frozen=True, slots=True)
class ErrandContext:
    """A directory of the calling thread, since asking it may write; our name; `lists.pages`; `limits.hops`; the moment.

    `next_id` gives a new message id, and may raise StorageError, as everything asked of the directory.
    """

    directory: Directory
    hostname: str
    list_url: str
    hops: int
    now: datetime
    next_id: Callable[[], str]
