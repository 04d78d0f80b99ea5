# SPDX-License-Identifier: Apache-2.0
"""The loads as a table: what is sent, and the ratio to Postfix and the CPU time a receiver of ours is held to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

KIB: Final = 1024
IDLE: Final = "idle"  # not a load of mail: open connections that do nothing, see idle.py


@dataclass(frozen=True, slots=True)
class Load:
    """One way of sending mail.

    `size` is the body in octets, `most` bounds the messages of a run (and so the disk it fills). `floor` and `aim` are
    ratios to Postfix's rate in the same run, `cpu_limit` microseconds a message, `rules_cost` the part of its rate that
    a receiver may lose to many rules and accounts; `None` where nothing is promised. Under a load of `delivery` mail
    counts when it has arrived where the receiver takes it, not when it is accepted.
    """

    name: str
    title: str
    size: int
    sessions: int
    flags: tuple[str, ...]
    most: int
    floor: float | None = None
    aim: float | None = None
    cpu_limit: int | None = None
    rules_cost: float | None = None
    delivery: bool = False

    @property
    def is_handshakes(self) -> bool:
        """Whether the load is STARTTLS alone, without mail."""
        return "-H" in self.flags


_TABLE: Final = (
    Load("1k-s1", "1 KiB, one session", KIB, 1, (), 6000, 1.3, 2),
    Load("1k-s10", "1 KiB, 10 sessions", KIB, 10, (), 20000),
    Load("1k-s50", "1 KiB, 50 sessions", KIB, 50, (), 30000),
    Load("1k-s100", "1 KiB, 100 sessions", KIB, 100, (), 30000, 4, 8, 150),
    Load("1k-s100-1", "1 KiB, 100 sessions, one message each", KIB, 100, ("-1",), 15000, 2.5, 5, 350),
    Load("1k-s100-p", "1 KiB, 100 sessions, pipelined", KIB, 100, ("-p",), 40000),
    Load("1k-s100-P", "1 KiB, 100 sessions, pipelined behind the final dot", KIB, 100, ("-P",), 40000),
    Load("1k-s1-1", "1 KiB, one session, one message a connection", KIB, 1, ("-1",), 4000),
    Load("1k-s10-1", "1 KiB, 10 sessions, one message each", KIB, 10, ("-1",), 15000),
    Load("10k-s50", "10 KiB, 50 sessions, to 50 recipients", 10 * KIB, 50, ("-r", "50"), 20000, 3, 6, rules_cost=0.2),
    Load("100k-s50", "100 KiB, 50 sessions", 100 * KIB, 50, (), 6000, 1.5, 3),
    Load("1m-s10", "1 MiB, 10 sessions", KIB * KIB, 10, (), 800, 1.1, 1.6),
    Load("deliver-1k", "1 KiB, 50 sessions, delivered a second", KIB, 50, (), 12000, 2, delivery=True),
    Load("deliver-1k-s10", "1 KiB, 10 sessions, delivered a second", KIB, 10, (), 12000, delivery=True),
    Load("deliver-10k", "10 KiB, 50 sessions, delivered a second", 10 * KIB, 50, (), 12000, 2, delivery=True),
    Load("handshakes", "STARTTLS handshakes, 100 sessions", 0, 100, ("-H",), 6000, 1.3),
    Load("handshakes-20", "STARTTLS handshakes, 20 sessions", 0, 20, ("-H",), 6000, 1.3),
)
LOADS: Final = {load.name: load for load in _TABLE}
DELIVERIES: Final = tuple(load.name for load in _TABLE if load.delivery)
DEFAULT_LOADS: Final = (
    "1k-s1", "1k-s10", "1k-s100", "1k-s100-1", "10k-s50", "100k-s50", "1m-s10",
    "deliver-1k", "deliver-1k-s10", "deliver-10k", "handshakes", IDLE,
)  # fmt: skip
QUICK_LOADS: Final = ("1k-s1", "1k-s100", "1k-s100-1", "10k-s50", "100k-s50", "1m-s10", "handshakes", IDLE)

# The same mail over fewer sessions, at which some are at their best: a receiver's best is held to the ratio of the first as well.
SAME_MAIL: Final = (("1k-s100", "1k-s50", "1k-s10", "1k-s1"), ("deliver-1k", "deliver-1k-s10"))
