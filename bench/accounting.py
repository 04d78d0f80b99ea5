# SPDX-License-Identifier: Apache-2.0
"""CPU time and memory of all processes of a receiver, from a cgroup of its own or else from /proc."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

PROC: Final = Path("/proc")
TICKS: Final = os.sysconf("SC_CLK_TCK")
CLOSE_TRIES: Final = 40


class Account(Protocol):
    """What is counted of one receiver; `root` is the process id its start script left."""

    def prefix(self) -> list[str]:
        """Words to put before the command that starts the receiver."""
        ...

    def pids(self, root: int) -> list[int]:
        """Its living processes; those that only wait to be reaped do not count."""
        ...

    def cpu_seconds(self, root: int) -> float:
        """User and system time so far, of dead processes too."""
        ...

    def close(self) -> None:
        """Give back what the account holds; the receiver has ended."""
        ...


class CgroupAccount:
    """A cgroup (cpuacct of version 1, or version 2): exact, whatever the receiver forks."""

    def __init__(self, parent: Path, name: str) -> None:
        self._group = parent / name
        self._group.mkdir()

    def prefix(self) -> list[str]:
        """A shell that enters the group and then becomes the command."""
        return ["/bin/sh", "-c", 'echo $$ >"$0" && exec "$@"', str(self._group / "cgroup.procs")]

    def pids(self, root: int) -> list[int]:
        """All of the group, `root` among them or not."""
        return [pid for word in (self._group / "cgroup.procs").read_text().split() if _is_alive(pid := int(word))]

    def cpu_seconds(self, root: int) -> float:
        """The kernel's own counter."""
        with suppress(FileNotFoundError):
            return int((self._group / "cpuacct.usage").read_text()) / 1e9
        return int((self._group / "cpu.stat").read_text().split()[1]) / 1e6

    def close(self) -> None:
        """Remove the group; the kernel refuses for a moment while the last process is taken apart."""
        for _ in range(CLOSE_TRIES):
            with suppress(OSError):
                self._group.rmdir()
                return
            time.sleep(0.05)


class TreeAccount:
    """`root` and its descendants in /proc: good to a clock tick, for those without a cgroup to write to."""

    def prefix(self) -> list[str]:
        """Nothing: the processes are found by their parents."""
        return []

    def pids(self, root: int) -> list[int]:
        """`root` and all that descend from it."""
        return list(self._tree(root))

    def cpu_seconds(self, root: int) -> float:
        """Times of the living and of the children they have waited for."""
        return sum(sum(int(word) for word in stat[11:15]) for stat in self._tree(root).values()) / TICKS

    def close(self) -> None:
        """Nothing is held."""

    def _tree(self, root: int) -> dict[int, list[str]]:
        everything = {
            pid: stat for folder in PROC.iterdir() if folder.name.isdigit() and (stat := _stat(pid := int(folder.name)))
        }
        tree: dict[int, list[str]] = {}
        found = [root] if root in everything else []
        while found:
            tree |= {pid: everything[pid] for pid in found}
            found = [pid for pid, stat in everything.items() if int(stat[1]) in found and pid not in tree]
        return tree


def open_account(name: str) -> Account:
    """A cgroup where this process may make one, else the process tree."""
    for parent in _cgroup_parents():
        with suppress(OSError):
            return CgroupAccount(parent, f"genkan-bench-{os.getpid()}-{name}")
    return TreeAccount()


def pss_kib(pids: list[int]) -> int:
    """Proportional set size of these processes together: what shared pages cost is shared out."""
    total = 0
    for pid in pids:
        with suppress(OSError):
            for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
                    break
    return total


def _cgroup_parents() -> list[Path]:
    """Version 1 with CPU accounting first, then version 2."""
    first, second = [], []
    with suppress(OSError):
        for line in (PROC / "mounts").read_text().splitlines():
            _, where, kind, options = line.split()[:4]
            if kind == "cgroup" and "cpuacct" in options.split(","):
                first.append(Path(where))
            elif kind == "cgroup2":
                second.append(Path(where))
    return first + second


def _stat(pid: int) -> list[str] | None:
    """/proc/PID/stat from the state on (proc(5) counts it as field 3); `None` for one that has ended."""
    try:
        fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return fields if fields[0] not in "ZX" else None


def _is_alive(pid: int) -> bool:
    return _stat(pid) is not None
