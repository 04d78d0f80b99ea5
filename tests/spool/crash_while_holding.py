# SPDX-License-Identifier: Apache-2.0
"""Ends a process that holds mail, decides about it and carries that out, at each line of the spool in turn.

A program of its own, since it forks: `test_settling` runs it with a folder to work in and reads what it prints.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

from genkan.spool.reading import list_held
from genkan.spool.recording import Finished
from genkan.spool.segments import parse_extents
from tests.spool.crash_at_each_line import LIMITS, work_until_line
from tests.spool.holding import DEADLINE, accept_held, decide_about, hold_for, settle
from tests.support.spools import ACCEPTED, ANN, BOB, envelope, open_spool_on_loop

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.spools import SpoolOnLoop

EVERY: Final = 17  # a crash at every 17th line; all would take minutes
LARGE: Final = b"0123456789" * 3000
START: Final = b"Subject: [spam] x\r\n"

APPROVED, REJECTED, MARKED, COPY, EXPIRED, LAST = range(1, 7)
CONTENTS: Final = {
    APPROVED: b"s" * 50,
    REJECTED: b"r" * 15_000,
    MARKED: START + LARGE[10:],  # delivered with another start
    COPY: LARGE,  # as it came, in the quarantine
    EXPIRED: b"d" * 15_000,
    LAST: b"e" * 15_000,
}
# What the process says beside the numbers of the messages that it acknowledged.
APPROVING, APPROVAL, REJECTING, REJECTION, SETTLING, DELIVERED, EXPIRING = range(11, 18)


def work(opened: SpoolOnLoop, acknowledge: int) -> None:
    def note(number: int) -> None:
        os.write(acknowledge, b"%d\n" % number)

    for number in (APPROVED, REJECTED):
        if accept_held(opened, number, hold_for(), CONTENTS[number], ANN, BOB) is None:
            note(number)
    mark_and_copy(opened, note)
    note(APPROVING)
    decide_about(opened, APPROVED, "approve")
    note(APPROVAL)
    note(REJECTING)
    decide_about(opened, REJECTED, "reject")
    note(REJECTION)
    note(SETTLING)
    settle(opened)
    note(DELIVERED)
    opened.record(Finished(MARKED, 0))
    if accept_held(opened, EXPIRED, hold_for("quarantine"), CONTENTS[EXPIRED]) is None:
        note(EXPIRED)
    note(EXPIRING)
    settle(opened, DEADLINE)


def mark_and_copy(opened: SpoolOnLoop, note: Callable[[int], None]) -> None:
    draft = opened.draft(LARGE[:20_000], LARGE[20_000:])
    copy = opened.spool.copy(draft)
    draft.replace_start(10, START)
    answers: list[tuple[int, object]] = []
    opened.spool.accept(envelope(MARKED), draft, lambda error: answers.append((MARKED, error)))
    hold = hold_for("quarantine")
    opened.spool.accept(envelope(COPY), copy, lambda error: answers.append((COPY, error)), hold)
    opened.turn_until(lambda: len(answers) == 2)
    for number, error in answers:
        if error is None:
            note(number)


def faults(opened: SpoolOnLoop, said: set[int]) -> list[str]:
    """What is wrong in the spool that the process left, as sentences."""
    held = {int(message.message_id[1:]) for message in list_held(opened.spool.folder.parents[1], ACCEPTED)}
    due = leased(opened)
    found = [f"{number} is neither held nor due" for number in said & {APPROVED, REJECTED} - maybe_settled(said) - held]
    found += [f"{number} may not be due" for number in due - {APPROVED, MARKED}]
    if APPROVED in due and APPROVING not in said:
        found.append("approved mail is due before anybody decided so")
    if {COPY, EXPIRED} & said - held and EXPIRING not in said:
        found.append("the quarantine lost something before its time")
    if MARKED in said - due and DELIVERED not in said:
        found.append("delivered mail was lost")
    settle(opened)
    due |= leased(opened)
    if APPROVAL in said and APPROVED not in due:
        found.append("what was approved does not go to its recipients")
    if REJECTION in said and opened.content(REJECTED):
        found.append("what was rejected is still there")
    return found + damages(opened)


def maybe_settled(said: set[int]) -> set[int]:
    return {APPROVED, REJECTED} if {SETTLING, EXPIRING} & said else set()


def leased(opened: SpoolOnLoop) -> set[int]:
    return {int(one.envelope.message_id[1:]) for one in opened.lease(ACCEPTED)[0]}


def damages(opened: SpoolOnLoop) -> list[str]:
    """Wrong contents, before and after the deadline of all holds and after other mail came; space that nobody uses."""
    found = wrong_contents(opened)
    settle(opened, DEADLINE)
    assert opened.accept(envelope(LAST), CONTENTS[LAST]) is None
    found += wrong_contents(opened)
    with closing(opened.database()) as connection:
        rows = [str(text) for (text,) in connection.execute("SELECT extents FROM message WHERE extents IS NOT NULL")]
        left = int(connection.execute("SELECT count(*) FROM hold").get)
    live = Counter(extent.segment for text in rows for extent in parse_extents(text))
    if live != opened.spool._segments._live:
        found.append(f"live are {opened.spool._segments._live}, the rows say {live}")
    return [*found, *([f"{left} holds are left"] if left else [])]


def wrong_contents(opened: SpoolOnLoop) -> list[str]:
    with closing(opened.database()) as connection:
        numbers = [int(number) for (number,) in connection.execute("SELECT id FROM message")]
    return [f"{number} is damaged" for number in numbers if opened.content(number) != CONTENTS[number]]


def main(folder: Path) -> None:
    line, finished = 1, False
    while not finished:
        spool = folder / str(line) / "spool" / "1"
        finished, said, _ = work_until_line(spool, line, work)
        with open_spool_on_loop(spool, LIMITS) as opened:
            found = faults(opened, said)
        if found:
            sys.exit(f"after a crash at line {line}: {found}, said {said}")
        line += EVERY
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
