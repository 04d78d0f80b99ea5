# SPDX-License-Identifier: Apache-2.0
"""One sync for many files: a file system that keeps a journal writes it once, and not once a file.

Used on file systems that are known to have everything on the disk when syncfs(2) returns; anywhere else, and for a few
files, each is synced by itself. What else was written there lately goes to the disk with them.
"""

from __future__ import annotations

import ctypes
import os
import sys
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

WORTH_IT: Final = 4  # files; fewer are synced one by one
_KNOWN: Final = frozenset({"ext4", "xfs"})
_MOUNTS: Final = Path("/proc/self/mountinfo")

_syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None) if sys.platform == "linux" else None


def sync_together(descriptors: Sequence[int]) -> bool:
    """Whether all these files (or folders) are durable now; `False`: each has still to be synced. Raises nothing."""
    if len(descriptors) < WORTH_IT or _syncfs is None:
        return False
    try:
        devices = {os.fstat(descriptor).st_dev: descriptor for descriptor in descriptors}
    except OSError:
        return False
    if not all(map(keeps_its_word, devices)):
        return False
    return all(_syncfs(descriptor) == 0 for descriptor in devices.values())


@lru_cache(maxsize=64)
def keeps_its_word(device: int) -> bool:
    """Whether syncfs(2) is known to be as good as fsync(2) on the file system of that device (proc(5), mountinfo)."""
    place = f"{os.major(device)}:{os.minor(device)}"
    try:
        mounts = _MOUNTS.read_text("utf-8", "replace").splitlines()
    except OSError:
        return False
    kinds = {mount.rpartition(" - ")[2].split(" ")[0] for mount in mounts if mount.split(" ")[2:3] == [place]}
    return bool(kinds) and kinds <= _KNOWN
