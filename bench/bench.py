# SPDX-License-Identifier: Apache-2.0
"""Durable acceptance of mail measured beside other receivers on this machine; see README.md.

Starts each receiver in a folder of its own, goes round them with every load, prints tables. All stays on 127.0.0.1.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import report
from idle import IdleFigures, allow_files, measure_idle
from loads import DEFAULT_LOADS, DELIVERIES, IDLE, LOADS, QUICK_LOADS, Load
from loadtool import HERE, BenchError, build_tool
from machine import describe
from measure import Figures, measure
from peers import DEFAULT_PEERS, DELIVERING, KINDS, POSTFIX_WITH_TLS, QUICK_PEERS, WITH_RULES, Kind, Peer, kind_named

if TYPE_CHECKING:
    from collections.abc import Iterator

MAIL_ALONE: Final = (*DELIVERING, WITH_RULES)  # names of receivers that have a twin, and nothing to show without mail
FILES: Final = 4096  # open files that the loads themselves need


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be run: receivers by name, loads in order (`IDLE` may be among them), rounds and seconds a run."""

    kinds: dict[str, Kind]
    loads: list[str]
    repetitions: int
    target: float
    connections: int
    markdown: bool


@dataclass(slots=True)
class Results:
    """All figures so far."""

    machine: dict[str, str]
    loads: list[Figures] = field(default_factory=list)
    idle: list[IdleFigures] = field(default_factory=list)


def main() -> int:
    """Exit status 0: everything was accepted; 1: a receiver failed or could not start; 2: wrong arguments."""
    arguments = parse_arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    try:
        plan = make_plan(arguments)
        with working_folder(arguments.dir) as folder:
            results = Results(describe(folder))
            try:
                run_plan(plan, folder, results)
            finally:
                if arguments.json:
                    arguments.json.write_text(json.dumps(asdict(results), indent=1) + "\n")
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    return 1 if any(figures.errors for figures in results.loads) else 0


def parse_arguments() -> argparse.Namespace:
    """The command line; a wrong one ends the program with status 2."""
    parser = argparse.ArgumentParser(prog="bench.py", description="Benchmark of SMTP receivers on loopback.")
    parser.add_argument(
        "--peers", help=f"of {','.join(KINDS)}, NAME=SCRIPT:ARGUMENT (default: {','.join(DEFAULT_PEERS)})"
    )
    parser.add_argument("--loads", help=f"of {','.join(LOADS)},{IDLE} (default: {','.join(DEFAULT_LOADS)})")
    parser.add_argument("--reps", type=int, help="rounds over all receivers (default 3)")
    parser.add_argument("--target", type=float, help="seconds a run should take (default 1.5)")
    parser.add_argument("--connections", type=int, default=10000, help=f"of the load {IDLE} (default 10000)")
    parser.add_argument("--quick", action="store_true", help="about a minute: fewer receivers, loads and rounds")
    parser.add_argument(
        "--dir", type=Path, default=HERE.parent.parent, help="where the queues lie (default: beside the checkout)"
    )
    parser.add_argument("--markdown", action="store_true", help="print Markdown tables")
    parser.add_argument("--json", type=Path, help="write all figures to this file as well")
    arguments = parser.parse_args()
    if any(name not in LOADS and name != IDLE for name in (arguments.loads or IDLE).split(",")):
        parser.error(f"unknown load; there are {', '.join(LOADS)} and {IDLE}")
    if min(arguments.reps or 1, arguments.target or 1, arguments.connections) <= 0:
        parser.error("--reps, --target and --connections must be above zero")
    return arguments


def make_plan(arguments: argparse.Namespace) -> Plan:
    """Fill in defaults; receivers that were not named and are not installed are left out, with a word about it."""
    quick = arguments.quick
    asked = arguments.peers.split(",") if arguments.peers else QUICK_PEERS if quick else DEFAULT_PEERS
    kinds = dict(kind_named(name) for name in asked)
    for name, kind in list(kinds.items()):
        if not (reason := kind.missing()):
            continue
        if arguments.peers:
            raise BenchError(f"{name} cannot run: {reason}")
        print(f"without {name}: {reason}", file=sys.stderr)
        del kinds[name]
    if not kinds:
        raise BenchError("no receiver can run here; `make bench` installs Genkan first")
    loads = arguments.loads.split(",") if arguments.loads else list(QUICK_LOADS if quick else DEFAULT_LOADS)
    if not any(kind.delivers == (name in DELIVERIES) for name in loads for kind in kinds.values()):
        raise BenchError(
            f"nothing to do: {', '.join(DELIVERIES)} are for receivers that deliver, other loads for others"
        )
    repetitions, target = (2, 0.5) if quick else (3, 1.5)
    return Plan(
        kinds,
        loads,
        arguments.reps or repetitions,
        arguments.target or target,
        arguments.connections,
        arguments.markdown,
    )


@contextmanager
def working_folder(parent: Path) -> Iterator[Path]:
    """A folder for all queues, on the disk of `parent`, removed at the end."""
    try:
        folder = Path(tempfile.mkdtemp(prefix="genkan-bench-", dir=parent))
    except OSError as error:
        raise BenchError(f"{parent}: {error.strerror}; choose another folder with --dir") from error
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run_plan(plan: Plan, folder: Path, results: Results) -> None:
    """Mail first, then handshakes, then idle connections: each on receivers started for it."""
    tool = build_tool()
    allow_files(FILES)
    print("\n".join(f"{name}: {value}" for name, value in results.machine.items()), flush=True)
    named = [LOADS[name] for name in plan.loads if name != IDLE]
    accepting = {name: kind for name, kind in plan.kinds.items() if not kind.delivers}
    delivering = {name: kind for name, kind in plan.kinds.items() if kind.delivers}
    mail = [load for load in named if not load.is_handshakes]
    run_loads(plan, accepting, [load for load in mail if not load.delivery], tool, folder, results)
    run_loads(plan, delivering, [load for load in mail if load.delivery], tool, folder, results)
    run_loads(plan, with_tls(plan.kinds), [load for load in named if load.is_handshakes], tool, folder, results)
    for title, rows in (
        ("Against Postfix", report.verdict_table(results.loads)),
        ("Rules against none", report.rules_table(results.loads)),
    ):
        if len(rows) > 1:
            show(plan, title, rows)
    if IDLE in plan.loads:
        run_idle(plan, folder, results)


def with_tls(kinds: dict[str, Kind]) -> dict[str, Kind]:
    """Those that offer STARTTLS: Genkan always, Postfix when started so, receivers of somebody's own perhaps.

    Without those that differ in what they do with mail alone.
    """
    offering = {name: kind for name, kind in kinds.items() if name != "sink" and not name.endswith(MAIL_ALONE)}
    return offering | ({"postfix": POSTFIX_WITH_TLS} if "postfix" in offering else {})


def run_loads(
    plan: Plan, kinds: dict[str, Kind], loads: list[Load], tool: Path, folder: Path, results: Results
) -> None:
    """All receivers at once, one working at a time: load by load, round by round."""
    if not loads or not kinds:
        return
    with ExitStack() as running, tempfile.TemporaryDirectory(dir=folder, ignore_cleanup_errors=True) as queues:
        Path(queues).chmod(0o755)
        peers = [running.enter_context(Peer(name, kind, Path(queues))) for name, kind in kinds.items()]
        for load in loads:
            figures = measure(tool, load, peers, plan.repetitions, plan.target)
            results.loads += figures
            show(plan, f"{load.name}: {load.title}", report.load_table(figures))
            for note in sorted({f"{figure.peer}: {figure.note}" for figure in figures if figure.note}):
                print(note, file=sys.stderr, flush=True)


def run_idle(plan: Plan, folder: Path, results: Results) -> None:
    """Those that serve many connections in one process, one after the other, freshly started."""
    allow_files(plan.connections + FILES)
    for name, kind in plan.kinds.items():
        if name.startswith(("postfix", "sink")) or name.endswith(MAIL_ALONE):
            continue
        with tempfile.TemporaryDirectory(dir=folder, ignore_cleanup_errors=True) as home:
            Path(home).chmod(0o755)
            with Peer(name, kind, Path(home)) as peer:
                results.idle.append(measure_idle(peer, plan.connections))
    if results.idle:
        show(plan, "Idle connections", report.idle_table(results.idle))


def show(plan: Plan, title: str, rows: list[tuple[str, ...]]) -> None:
    """One table with its title, at once."""
    text = f"## {title}\n\n{report.markdown(rows)}" if plan.markdown else f"{title}\n{report.plain(rows)}"
    print(f"\n{text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
