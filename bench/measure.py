# SPDX-License-Identifier: Apache-2.0
"""Puts one load on several receivers in turn, so that the machine's noise meets all of them, and sums up each."""

from __future__ import annotations

import statistics
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from ends import await_count
from loadtool import put_load

if TYPE_CHECKING:
    from pathlib import Path

    from loads import Load
    from loadtool import Run
    from peers import Peer

MOST_BUSY: Final = 120.0  # seconds a receiver may go on working (delivering) behind a run


@dataclass(frozen=True, slots=True)
class Figures:
    """One receiver under one load: medians over the repetitions, `low` and `high` of the rate, the largest memory.

    `rate` counts messages (or handshakes) a second: accepted, or under a load of `delivery` delivered, from the first sent
    to the last one there; `cpu_us` all its processes a message, `busy_s` the time it went on working after the last
    250 (there: until all was delivered), `errors` replies that were not positive, connections that broke, and messages
    that did not arrive.
    """

    load: str
    peer: str
    messages: int
    rate: float
    low: float
    high: float
    cpu_us: float
    p50_ms: float
    p99_ms: float
    pss_mib: float
    busy_s: float
    errors: int
    note: str


@dataclass(frozen=True, slots=True)
class _Sample:
    rate: float
    cpu_us: float
    p50_ms: float
    p99_ms: float
    pss_mib: float
    busy_s: float
    errors: int
    note: str


def measure(tool: Path, load: Load, peers: list[Peer], repetitions: int, target: float) -> list[Figures]:
    """Warm up, then rounds over all peers with runs of about `target` seconds; every second round goes backwards."""
    counts = {peer.name: _messages_for(tool, load, peer, target) for peer in peers}
    samples: dict[str, list[_Sample]] = {peer.name: [] for peer in peers}
    for round_number in range(repetitions):
        for peer in peers if round_number % 2 == 0 else reversed(peers):
            samples[peer.name].append(_one_run(tool, load, peer, counts[peer.name], target))
    return [_summed_up(load.name, peer.name, counts[peer.name], samples[peer.name]) for peer in peers]


def _messages_for(tool: Path, load: Load, peer: Peer, target: float) -> int:
    """How many messages take this receiver about `target` seconds, found with a short run that also warms it up."""
    warm_up = _put_load(tool, load, peer, max(50, load.most // 40, load.sessions * 2))
    peer.settle(MOST_BUSY)
    return max(50, load.sessions * 4, min(load.most, int(warm_up.rate * target)))


def _one_run(tool: Path, load: Load, peer: Peer, count: int, target: float) -> _Sample:
    sampler = _MemorySampler(peer, target / 2)
    cpu = peer.cpu_seconds()
    sampler.start()
    run = _put_load(tool, load, peer, count)
    pss_kib = max(sampler.finish(), peer.pss_kib())
    settled = peer.settle(MOST_BUSY)
    busy = run.behind_s if load.delivery else settled
    cpu_us = (peer.cpu_seconds() - cpu) * 1e6 / max(1, run.finished)
    return _Sample(run.rate, cpu_us, run.p50_ms, run.p99_ms, pss_kib / 1024, busy, run.errors, run.note)


def _put_load(tool: Path, load: Load, peer: Peer, count: int) -> Run:
    """One run; under a load of `delivery` until everything has arrived, with the rate of that."""
    if not load.delivery or peer.end is None:
        return put_load(tool, load, peer.port, count)
    before, begun = peer.end.count(), time.time()
    run = put_load(tool, load, peer.port, count)
    sent_at = time.time()
    last_at = await_count(peer.end, before + run.finished, MOST_BUSY)
    if last_at is None:
        missing = before + run.finished - peer.end.count()
        return replace(run, rate=0, errors=run.errors + missing, note=f"{missing} messages were not delivered")
    rate = run.finished / (last_at - begun) if run.finished else 0
    return replace(run, rate=rate, behind_s=max(0, last_at - sent_at))


def _summed_up(load: str, peer: str, count: int, samples: list[_Sample]) -> Figures:
    rates = [sample.rate for sample in samples]
    return Figures(
        load,
        peer,
        count,
        rate=statistics.median(rates),
        low=min(rates),
        high=max(rates),
        cpu_us=statistics.median(sample.cpu_us for sample in samples),
        p50_ms=statistics.median(sample.p50_ms for sample in samples),
        p99_ms=statistics.median(sample.p99_ms for sample in samples),
        pss_mib=max(sample.pss_mib for sample in samples),
        busy_s=statistics.median(sample.busy_s for sample in samples),
        errors=sum(sample.errors for sample in samples),
        note=next((sample.note for sample in samples if sample.note), ""),
    )


class _MemorySampler:
    """Looks once in the middle of a run: looking often would cost a receiver of many processes measurable CPU time."""

    def __init__(self, peer: Peer, delay: float) -> None:
        self._peer = peer
        self._pss_kib = 0
        self._timer = threading.Timer(delay, self._look)

    def start(self) -> None:
        self._timer.start()

    def finish(self) -> int:
        self._timer.cancel()
        self._timer.join()
        return self._pss_kib

    def _look(self) -> None:
        with suppress(OSError):
            self._pss_kib = self._peer.pss_kib()
