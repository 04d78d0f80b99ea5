# SPDX-License-Identifier: Apache-2.0
"""How many recipients outside an account may write to within an hour, and what happens beyond that."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import pytest

from genkan.directory import NO_LIMIT, Braked, BrakeNumbers, Directory, InvalidValue, NotFound
from genkan.directory.brakes import MAX_LIMIT, Stopped, account_key, held_prefix, held_reason
from genkan.smtp.address import Mailbox

if TYPE_CHECKING:
    from pathlib import Path

NOW: Final = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)  # a full hour
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
ANN: Final = "ann@in.test"
ANN_ADDRESS: Final = Mailbox("Ann", "IN.test")
FIXED: Final = BrakeNumbers("fixed", 100)
LEARNED: Final = BrakeNumbers("learned", 100, 5)


def note(directory: Directory, count: int, now: datetime = NOW, numbers: BrakeNumbers = FIXED) -> Stopped | None:
    stopped = directory.brakes.note({ANN: count}, numbers, now)
    assert len(stopped) <= 1
    return stopped[0] if stopped else None


def threshold(directory: Directory, now: datetime = NOW, numbers: BrakeNumbers = LEARNED) -> int | None:
    return directory.brakes.standing(ANN_ADDRESS, numbers, now).threshold


def test_up_to_its_number_an_account_may_send_and_not_one_more(directory: Directory) -> None:
    assert note(directory, 60) is None
    assert note(directory, 40) is None
    assert directory.brakes.list() == ()
    braked = Braked(ANN, NOW, 100, 101)
    assert note(directory, 1) == Stopped(braked, 0, fresh=True)
    assert directory.brakes.list() == (braked,)


def test_of_what_goes_beyond_the_number_the_first_ones_may_still_go(directory: Directory) -> None:
    note(directory, 60)
    assert note(directory, 1000) == Stopped(Braked(ANN, NOW, 100, 1060), 40, fresh=True)


def test_who_is_braked_stays_so_and_is_not_counted(directory: Directory) -> None:
    note(directory, 101)
    later = NOW + 10 * DAY
    assert note(directory, 5, later) == Stopped(Braked(ANN, NOW, 100, 101), 0, fresh=False)
    assert directory.brakes.standing(ANN_ADDRESS, FIXED, later).sent == 0


def test_several_accounts_are_counted_each_by_itself(directory: Directory) -> None:
    stopped = directory.brakes.note({ANN: 100, "bob@in.test": 101, "eve@in.test": 1}, FIXED, NOW)
    assert [one.braked.account for one in stopped] == ["bob@in.test"]


def test_the_hour_slides(directory: Directory) -> None:
    assert note(directory, 100, NOW + timedelta(minutes=59)) is None
    half_past = NOW + 1.5 * HOUR
    assert directory.brakes.standing(ANN_ADDRESS, FIXED, half_past).sent == 50
    assert note(directory, 50, half_past) is None
    stopped = note(directory, 1, half_past)
    assert stopped is not None
    assert stopped.braked.counted == 101


def test_after_two_hours_nothing_counts_any_more(directory: Directory) -> None:
    assert note(directory, 100) is None
    assert note(directory, 100, NOW + 2 * HOUR) is None


def test_a_release_lifts_the_brake_everywhere_and_counts_anew(directory: Directory, elsewhere: Directory) -> None:
    note(directory, 101)
    elsewhere.refresh()
    assert [one.account for one in elsewhere.brakes.list()] == [ANN]
    assert elsewhere.brakes.release(ANN, NOW) == Braked(ANN, NOW, 100, 101)
    directory.refresh()
    assert directory.brakes.list() == ()
    assert note(directory, 100) is None
    assert note(directory, 1) == Stopped(Braked(ANN, NOW, 100, 101), 0, fresh=True)


def test_a_release_also_forgives_the_hour_before(directory: Directory) -> None:
    note(directory, 100)
    note(directory, 100, NOW + HOUR)
    directory.brakes.release(ANN, NOW + HOUR)
    assert note(directory, 100, NOW + HOUR) is None


def test_releasing_who_is_not_braked_lifts_nothing(directory: Directory) -> None:
    assert directory.brakes.release(ANN, NOW) is None


def test_who_always_sends_much_may_send_five_times_his_highest_hour(directory: Directory) -> None:
    for days, count in ((3, 30), (2, 60), (2.5, 40)):
        assert note(directory, count, NOW - days * DAY, LEARNED) is None
    standing = directory.brakes.standing(ANN_ADDRESS, LEARNED, NOW)
    assert (standing.threshold, standing.source, standing.highest) == (300, "learned", 60)
    assert note(directory, 300, NOW, LEARNED) is None
    assert note(directory, 1, NOW, LEARNED) is not None


def test_who_sends_little_may_send_the_minimum(directory: Directory) -> None:
    note(directory, 3, NOW - 2 * DAY, LEARNED)
    standing = directory.brakes.standing(ANN_ADDRESS, LEARNED, NOW)
    assert (standing.threshold, standing.source) == (100, "set")


def test_the_last_day_teaches_nothing_so_that_nobody_raises_his_number_hour_by_hour(directory: Directory) -> None:
    note(directory, 90, NOW - DAY + HOUR, LEARNED)
    assert threshold(directory) == 100
    assert threshold(directory, NOW + 2 * HOUR) == 450


def test_the_hour_of_a_braking_teaches_nothing(directory: Directory) -> None:
    note(directory, 1000, NOW - 2 * DAY, LEARNED)
    directory.brakes.release(ANN, NOW - 2 * DAY)
    note(directory, 50, NOW - 2 * DAY, LEARNED)
    assert threshold(directory) == 100


def test_what_is_older_than_thirty_days_is_forgotten(directory: Directory) -> None:
    note(directory, 90, NOW - 31 * DAY, LEARNED)
    assert threshold(directory) == 100
    assert threshold(directory, NOW - 2 * DAY) == 450
    note(directory, 1, NOW, LEARNED)
    assert directory._store.rows("SELECT count(*) FROM outgoing") == [(1,)]


def test_a_fixed_number_is_not_learned(directory: Directory) -> None:
    note(directory, 90, NOW - 2 * DAY, FIXED)
    assert threshold(directory, NOW, FIXED) == 100


def test_an_accounts_own_number_comes_first(directory: Directory) -> None:
    directory.brakes.set_limit(ANN_ADDRESS, 3)
    standing = directory.brakes.standing(ANN_ADDRESS, LEARNED, NOW)
    assert (standing.account, standing.threshold, standing.source) == (ANN, 3, "own")
    assert note(directory, 4) == Stopped(Braked(ANN, NOW, 3, 4), 3, fresh=True)
    directory.brakes.set_limit(ANN_ADDRESS, None)
    assert threshold(directory) == 100


def test_an_account_may_have_no_limit_or_send_nothing_outside(directory: Directory) -> None:
    directory.brakes.set_limit(ANN_ADDRESS, NO_LIMIT)
    assert threshold(directory) is None
    assert note(directory, MAX_LIMIT) is None
    directory.brakes.set_limit(ANN_ADDRESS, 0)
    assert note(directory, 1) is not None


@pytest.mark.parametrize("limit", [-2, MAX_LIMIT + 1])
def test_a_number_out_of_range_is_refused(directory: Directory, limit: int) -> None:
    with pytest.raises(InvalidValue, match="give 0 to 1000000000"):
        directory.brakes.set_limit(ANN_ADDRESS, limit)


def test_who_is_not_there_has_no_number(directory: Directory) -> None:
    nobody = Mailbox("nobody", "in.test")
    with pytest.raises(NotFound, match="account nobody@in.test is not there; see: genkan account list"):
        directory.brakes.set_limit(nobody, 3)
    with pytest.raises(NotFound, match="account nobody@in.test is not there"):
        directory.brakes.standing(nobody, FIXED, NOW)


@pytest.mark.parametrize("account", ["gone@in.test", "", "no address", '"a b"@in.test', "ünï@in.test", "x" * 5000])
def test_any_text_is_counted_as_an_account(directory: Directory, account: str) -> None:
    assert [one.braked.account for one in directory.brakes.note({account: 101}, FIXED, NOW)] == [account]
    assert directory.brakes.release(account, NOW) is not None


def test_the_counts_are_there_after_a_restart(directory: Directory, tmp_path: Path) -> None:
    note(directory, 100)
    directory.close()
    with Directory.open(tmp_path / "data") as reopened:
        assert note(reopened, 1) is not None


def test_the_outcome_of_what_is_held_names_one_account_only() -> None:
    braked = Braked(account_key(ANN_ADDRESS), NOW, 100, 101)
    assert held_reason(braked) == "brake on <ann@in.test>: 101 recipients outside within an hour, 100 may be"
    assert held_reason(braked).startswith(held_prefix(ANN))
    assert held_prefix("n@in.test") not in held_reason(braked)
