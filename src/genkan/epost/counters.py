# SPDX-License-Identifier: Apache-2.0
"""The product's message ids: the highest number that it has ever given out, as far as files can tell.

A number used twice overwrites older mail in a mailbox of the product (its pages bsd-15-15, faq03-23).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from genkan.findings import warning

if TYPE_CHECKING:
    from collections.abc import Iterable

    from genkan.epost.settings import Settings
    from genkan.epost.tree import Tree

MAX_MESSAGE_NUMBER: Final = 10**15  # what is larger is no counter but a damaged file

_NAME: Final = re.compile(r"b([0-9]{10,18})(?:-[rm][0-9a-f]+)?\.(?:msg|rcp|rcx)", re.ASCII)
_COUNTER: Final = re.compile(r"\s*b?([0-9]{1,18})\s*", re.ASCII | re.IGNORECASE)


def highest_message_number(tree: Tree, settings: Settings, names: Iterable[str]) -> int:
    """The largest of both counters and of the files' `names`, of mail that waits or was delivered; 0 without any."""
    numbers = [settings.number("LastMsgId") or 0, _cluster_counter(tree), *map(_number, names)]
    highest = max(numbers)
    if highest > MAX_MESSAGE_NUMBER:
        tree.findings.append(
            warning(
                "message ids",
                f"the number {highest} cannot be a counter and is left out",
                "look at LastMsgId.1, cluster/msg.id and the names in incoming",
            )
        )
        highest = max((number for number in numbers if number <= MAX_MESSAGE_NUMBER), default=0)
    return highest


def _cluster_counter(tree: Tree) -> int:
    folder = tree.folder(tree.root, "cluster")
    path = None if folder is None else tree.names(folder).get("msg.id")
    text = None if path is None else tree.text(path, 1024)
    if path is None or text is None:
        return 0
    match = _COUNTER.fullmatch(text)
    if match is None:
        tree.findings.append(
            warning(tree.title(path), "holds no message number and is not read", "compare it with LastMsgId.1")
        )
        return 0
    return int(match[1])


def _number(name: str) -> int:
    match = _NAME.fullmatch(name.lower())
    return 0 if match is None else int(match[1])
