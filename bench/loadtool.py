# SPDX-License-Identifier: Apache-2.0
"""Builds smtpload and runs it: one run is one load on one port."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from loads import Load

HERE: Final = Path(__file__).resolve().parent
SOURCE: Final = HERE / "smtpload.c"
SOURCES: Final = (SOURCE, HERE / "mail.h")
RUN_LIMIT: Final = 300  # seconds; the tool itself gives up after 20 without progress


class BenchError(Exception):
    """The benchmark cannot go on; the text says what is missing and how to get it."""


@dataclass(frozen=True, slots=True)
class Run:
    """What the tool saw: messages a second, latency in ms from the final dot to its 250, and what went wrong.

    `behind_s` are seconds from the last 250 until everything was delivered, where that is known.
    """

    rate: float
    finished: int
    errors: int
    seconds: float
    p50_ms: float
    p99_ms: float
    note: str
    behind_s: float = 0.0


def build_tool(folder: Path = HERE / "build") -> Path:
    """Compile smtpload unless it is newer than its sources; raises `BenchError`."""
    tool = folder / "smtpload"
    if tool.exists() and tool.stat().st_mtime >= max(source.stat().st_mtime for source in SOURCES):
        return tool
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise BenchError("no C compiler; on Debian and Ubuntu: apt-get install gcc libc6-dev libssl-dev")
    folder.mkdir(exist_ok=True)
    command = [compiler, "-O2", "-o", str(tool), str(SOURCE), "-lssl", "-lcrypto"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        hint = "\nOpenSSL's headers are needed: apt-get install libssl-dev" if "openssl" in done.stderr else ""
        raise BenchError(f"{SOURCE.name} was not compiled:\n{done.stderr[:1000]}{hint}")
    return tool


def put_load(tool: Path, load: Load, port: int, count: int) -> Run:
    """Send `count` messages (or make as many handshakes) to 127.0.0.1:`port` and wait until all are answered."""
    numbers = ["-s", str(load.sessions), "-m", str(count), "-l", str(load.size)]
    command = [str(tool), *numbers, *load.flags, "127.0.0.1", str(port)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_LIMIT, check=False)
    except subprocess.TimeoutExpired:
        return Run(0, 0, 1, RUN_LIMIT, 0, 0, f"not finished in {RUN_LIMIT} s")
    if not done.stdout:
        return Run(0, 0, 1, 0, 0, 0, done.stderr.strip()[:300])
    seen = json.loads(done.stdout)
    times = (seen["seconds"], seen["p50_ms"], seen["p99_ms"])
    return Run(seen["rate"], seen["finished"], seen["errors"], *times, done.stderr.strip()[:300])
