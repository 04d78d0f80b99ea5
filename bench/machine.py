# SPDX-License-Identifier: Apache-2.0
"""What figures must be read with: processor, kernel, versions, and how long the disk takes to make 4 KiB durable."""

from __future__ import annotations

import os
import platform
import shutil
import statistics
import subprocess
import time
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

SYNCS: Final = 60


def describe(folder: Path) -> dict[str, str]:
    """Lines for the head of a report; the disk is the one under `folder`."""
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "processor": f"{_processor()}, {len(os.sched_getaffinity(0))} cores",
        "kernel": platform.release(),
        "file system": _file_system(folder),
        "append of 4 KiB made durable in": f"{_sync_microseconds(folder):.0f} us (median)",
        "Python": platform.python_version(),
        **{name: found for name in ("genkan", "uvloop", "apsw") if (found := _package(name))},
        **({"Postfix": found} if (found := _postfix()) else {}),
    }


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def _file_system(folder: Path) -> str:
    """Kind and options of the mount that holds `folder`."""
    best, kind = "", "unknown"
    with suppress(OSError):
        for line in Path("/proc/mounts").read_text().splitlines():
            _, where, this_kind, options = line.split()[:4]
            if len(where) >= len(best) and folder.resolve().is_relative_to(where):
                best, kind = where, f"{this_kind} ({options})"
    return kind


def _sync_microseconds(folder: Path) -> float:
    path = folder / "sync-probe"
    times = []
    with path.open("wb", buffering=0) as probe:
        for _ in range(SYNCS):
            begun = time.perf_counter()
            probe.write(bytes(4096))
            os.fdatasync(probe.fileno())
            times.append(time.perf_counter() - begun)
    path.unlink()
    return statistics.median(times) * 1e6


def _package(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _postfix() -> str:
    command = shutil.which("postconf", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if command is None:
        return ""
    return subprocess.run([command, "-dh", "mail_version"], capture_output=True, text=True, check=False).stdout.strip()
