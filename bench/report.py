# SPDX-License-Identifier: Apache-2.0
"""Figures as tables, in plain text or Markdown, and what they say about the ratios that are to be kept."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from idle import FLOOR_KIB
from loads import LOADS, SAME_MAIL
from peers import DELIVERING, WITH_RULES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from idle import IdleFigures
    from measure import Figures

COLUMNS: Final = (
    *("receiver", "per second", "min-max", "x Postfix", "CPU us each"),
    *("p50 ms", "p99 ms", "PSS MiB", "busy after s", "errors"),
)
VERDICT_COLUMNS: Final = ("load", "receiver", "x Postfix", "floor", "aim", "result", "CPU us each", "limit")
RULES_COLUMNS: Final = ("load", "receiver", "x without rules", "at least", "result", "CPU us more")
IDLE_COLUMNS: Final = ("receiver", "idle connections", "base MiB", "full MiB", "KiB each", "at most", "opened in s")


def load_table(figures: Sequence[Figures]) -> list[tuple[str, ...]]:
    """One load: a row for each receiver."""
    return [COLUMNS, *(_load_row(figure, _ratio(figure, figures)) for figure in figures)]


def verdict_table(figures: Sequence[Figures]) -> list[tuple[str, ...]]:
    """All loads that have a floor, against Postfix; no rows when Postfix did not run."""
    rows = [VERDICT_COLUMNS]
    for figure in figures:
        load = LOADS[figure.load]
        ratio = _ratio(figure, figures)
        if ratio is None or load.floor is None or not _is_ours(figure.peer):
            continue
        within = _number(figure.cpu_us), _limit(figure.cpu_us, load.cpu_limit)
        rows.append((load.name, figure.peer, *_against(ratio, load.floor, load.aim), *within))
    return rows + _best_sessions(figures)


def rules_table(figures: Sequence[Figures]) -> list[tuple[str, ...]]:
    """What many rules and accounts cost: receivers with them, each against the same without, where both ran."""
    rows: list[tuple[str, ...]] = [RULES_COLUMNS]
    measured = {(figure.load, figure.peer): figure for figure in figures}
    for figure in figures:
        without = measured.get((figure.load, figure.peer.removesuffix(WITH_RULES)), figure)
        if without is not figure and without.rate:
            ratio, cost = figure.rate / without.rate, LOADS[figure.load].rules_cost
            more = _number(figure.cpu_us - without.cpu_us)
            rows.append((figure.load, figure.peer, f"{ratio:.2f}", *_at_least(ratio, cost), more))
    return rows


def idle_table(figures: Iterable[IdleFigures]) -> list[tuple[str, ...]]:
    """Memory of idle connections: a row for each receiver."""
    return [
        IDLE_COLUMNS,
        *(
            (f.peer, str(f.connections), f"{f.base_mib:.1f}", f"{f.full_mib:.1f}", f"{f.kib_each:.2f}",
             _limit(f.kib_each, FLOOR_KIB), f"{f.seconds:.1f}")
            for f in figures
        ),
    ]  # fmt: skip


def plain(rows: Sequence[tuple[str, ...]]) -> str:
    """Columns of equal width, the first one to the left."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        first, *others = (
            cell.ljust(width) if not at else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append("  ".join([first, *others]).rstrip())
    return "\n".join(lines)


def markdown(rows: Sequence[tuple[str, ...]]) -> str:
    """A Markdown table, numbers to the right."""
    rule = ("---", *["---:"] * (len(rows[0]) - 1))
    return "\n".join("| " + " | ".join(row) + " |" for row in (rows[0], rule, *rows[1:]))


def _load_row(figure: Figures, ratio: float | None) -> tuple[str, ...]:
    return (
        figure.peer,
        _number(figure.rate),
        f"{_number(figure.low)}-{_number(figure.high)}",
        "" if ratio is None else f"{ratio:.2f}",
        _number(figure.cpu_us),
        f"{figure.p50_ms:.2f}" if figure.p50_ms else "",
        f"{figure.p99_ms:.1f}" if figure.p99_ms else "",
        f"{figure.pss_mib:.0f}",
        f"{figure.busy_s:.1f}",
        str(figure.errors),
    )


def _is_ours(peer: str) -> bool:
    return peer.startswith("genkan")


def _ratio(figure: Figures, all_figures: Iterable[Figures]) -> float | None:
    """Rate over that of Postfix in the same load, the best where several ran that end alike: relay against relay."""
    rivals = [
        other.rate
        for other in all_figures
        if other.load == figure.load and other.peer.startswith("postfix") and _end(other.peer) == _end(figure.peer)
    ]
    return figure.rate / max(rivals) if any(rivals) else None


def _end(peer: str) -> str:
    return next((suffix for suffix in DELIVERING if peer.endswith(suffix)), "")


def _best_sessions(figures: Sequence[Figures]) -> list[tuple[str, ...]]:
    """Each receiver's best number of sessions with the same mail, held to what the first of these loads is held to."""
    return [row for same in SAME_MAIL for row in _best_of(same, [one for one in figures if one.load in same])]


def _best_of(same: Sequence[str], figures: Sequence[Figures]) -> Iterator[tuple[str, ...]]:
    load = LOADS[same[0]]
    best: dict[str, Figures] = {}
    for figure in figures:
        if figure.peer not in best or figure.rate > best[figure.peer].rate:
            best[figure.peer] = replace(figure, load=load.name)
    if load.floor is None or len({figure.load for figure in figures}) < 2:
        return
    title = f"{load.name.partition('-s')[0]}, best sessions"
    for peer, figure in best.items():
        ratio = _ratio(figure, best.values())
        if ratio is not None and _is_ours(peer):
            yield title, peer, *_against(ratio, load.floor, load.aim), "", ""


def _against(ratio: float, floor: float, aim: float | None) -> tuple[str, str, str, str]:
    result = "below the floor" if ratio < floor else "aim reached" if ratio >= (aim or floor) else "floor held"
    return f"{ratio:.2f}", f"{floor:g}", f"{aim or floor:g}", result


def _at_least(ratio: float, cost: float | None) -> tuple[str, str]:
    return ("", "") if cost is None else (f"{1 - cost:g}", "kept" if ratio >= 1 - cost else "BELOW")


def _limit(value: float, limit: float | None) -> str:
    return "" if limit is None else f"{limit:g} {'kept' if value <= limit else 'EXCEEDED'}"


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"
