# SPDX-License-Identifier: Apache-2.0
"""`genkan brake` on accounts that have sent too much, and on the mail that is held for it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import apsw
import pytest

from genkan.directory import BrakeNumbers, Directory
from genkan.directory.brakes import held_reason
from genkan.message.envelope import Envelope, Recipient
from genkan.smtp.address import Mailbox
from tests.support.spools import open_spool

if TYPE_CHECKING:
    from tests.admin.conftest import Installation

DAN: Final = Recipient(Mailbox("dan", "example.org"), Mailbox("dan", "example.org"))


@pytest.fixture
def now() -> datetime:
    """The moment of the braking: not that of the import, for an hour ends sometimes."""
    return datetime.now(UTC)


@pytest.fixture
def braked(installation: Installation, now: datetime) -> Installation:
    """Ann and Joann are braked; the brake holds message 1 of Ann, and 2 of Joann; 3 is the operator's hold on mail of Ann."""
    outcomes: list[Exception | None] = []
    for name in ("ann", "joann"):
        installation.text("account", "add", f"{name}@in.test", "--no-auth")
    with open_spool(installation.config.storage_folder / "spool/1") as spool:
        for number, name in ((1, "ann"), (2, "joann"), (3, "ann")):
            draft = spool.begin()
            path = Mailbox(name, "in.test")
            envelope = Envelope(f"B{number:010}", now, path, (DAN,), "192.0.2.10", "client.test")
            spool.accept(envelope, draft, outcomes.append)
    assert outcomes == [None] * 3
    with Directory.open(installation.config.storage_folder) as directory:
        stopped = directory.brakes.note({"ann@in.test": 1000, "joann@in.test": 300}, BrakeNumbers(), now)
    connection = apsw.Connection(str(installation.config.storage_folder / "spool/1/spool.db"))
    for number, one in enumerate(stopped, start=1):
        statement = "UPDATE recipient SET held = 'brake', outcome = ? WHERE message = ?"
        connection.execute(statement, (held_reason(one.braked), number))
    connection.close()
    installation.text("queue", "hold", "B0000000003")
    return installation


def held(installation: Installation) -> list[str]:
    return [message["message_id"] for message in installation.json("queue", "list", "--state", "held")]


def test_nobody_is_braked_at_first(installation: Installation) -> None:
    assert installation.call("brake", "list").stderr == "nobody is braked\n"
    assert installation.json("brake", "list") == {"braked": [], "held": 0}


def test_where_the_brake_is_off_the_list_says_so(installation: Installation) -> None:
    installation.set('mode = "learned"', 'mode = "off"')
    assert installation.call("brake", "list").stderr == 'nobody is braked: brake.mode is "off"\n'


def test_the_braked_accounts_are_listed(braked: Installation, now: datetime) -> None:
    since = f"{now:%Y-%m-%d %H:%M:%S} UTC"
    assert braked.text("brake", "list") == (
        "account        since                    recipients  allowed\n"
        f"ann@in.test    {since}  1000        200\n"
        f"joann@in.test  {since}  300         200\n"
        "held: 2 recipients; see: genkan queue list --state held\n"
    )


def test_a_release_lifts_the_brake_and_sends_what_it_held_of_this_account_only(braked: Installation) -> None:
    assert braked.text("brake", "release", "Ann@in.test") == (
        "lifted the brake on ann@in.test\nreleased: 1 recipient of 1 message\n"
    )
    assert held(braked) == ["B0000000002", "B0000000003"]
    assert [one["account"] for one in braked.json("brake", "list")["braked"]] == ["joann@in.test"]


def test_a_purge_deletes_what_it_held_and_lifts_the_brake(braked: Installation) -> None:
    let = braked.json("brake", "purge", "joann@in.test")
    assert (let["account"], let["lifted"]["counted"]) == ("joann@in.test", 300)
    assert let["mail"] == {"recipients": 1, "messages": 1, "under_way": 0, "for_approval": 0}
    assert held(braked) == ["B0000000001", "B0000000003"]
    [_, entry] = braked.json("queue", "log")
    assert (entry["action"], entry["detail"]) == ("queue delete", "1 recipient of 1 message")


def test_a_purge_may_return_the_mail_instead(braked: Installation) -> None:
    text = braked.text("brake", "purge", "joann@in.test", "--bounce")
    assert text.splitlines()[1] == "to be returned to the sender: 1 recipient of 1 message"


@pytest.mark.parametrize("command", ["release", "purge"])
def test_who_is_not_braked_needs_neither(installation: Installation, command: str) -> None:
    expected = "ann@in.test is not braked, and nothing of it is held; see: genkan brake list"
    assert installation.refusal("brake", command, "ann@in.test") == expected


def test_what_was_held_after_the_release_is_released_by_another(braked: Installation, now: datetime) -> None:
    with Directory.open(braked.config.storage_folder) as directory:
        directory.brakes.release("ann@in.test", now)
    assert braked.text("brake", "release", "ann@in.test") == "released: 1 recipient of 1 message\n"


def test_an_account_is_shown_with_its_number(braked: Installation, now: datetime) -> None:
    assert braked.text("brake", "show", "ann@in.test") == (
        "account       ann@in.test\n"
        "last hour     1000\n"
        "allowed       200 (brake.minimum)\n"
        "highest hour  0\n"
        f"braked        since {now:%Y-%m-%d %H:%M:%S} UTC\n"
    )
    assert "is not there" in braked.refusal("brake", "show", "nobody@in.test")


@pytest.mark.parametrize(
    ("limit", "shown"),
    [("7", "7 (its own)"), ("0", "0 (its own)"), ("none", "no limit (its own)"), ("learned", "200 (brake.minimum)")],
)
def test_an_account_gets_a_number_of_its_own(braked: Installation, limit: str, shown: str) -> None:
    assert braked.text("account", "set", "ann@in.test", "--external-limit", limit) == "changed ann@in.test\n"
    assert braked.text("brake", "show", "ann@in.test").splitlines()[2] == f"allowed       {shown}"
    braked.text("account", "set", "ann@in.test", "--name", "Ann")
    assert braked.text("brake", "show", "ann@in.test").splitlines()[2] == f"allowed       {shown}"


@pytest.mark.parametrize("limit", ["-1", "many", "1.5", "9999999999999", "\uff17"])
def test_what_is_no_number_is_an_error(braked: Installation, limit: str) -> None:
    error = braked.misuse("account", "set", "ann@in.test", f"--external-limit={limit}")
    assert 'is no whole number, and neither "learned" nor "none"' in error
