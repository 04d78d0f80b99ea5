# SPDX-License-Identifier: Apache-2.0
"""Five days of retries with a stopped clock: when mail is tried, when its sender is warned, when it is given up."""

from __future__ import annotations

import email
import email.policy
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import pytest

from genkan.message.envelope import Recipient
from genkan.smtp.address import Mailbox
from tests.support.next_hop import next_hop
from tests.support.office import Office, office_in
from tests.support.server import START, free_port
from tests.support.spools import ANN, BOB

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

USUAL: Final = 'delivery.retry = ["5m", "15m", "30m", "1h", "2h", "4h"]\n'
DAN: Final = Recipient(Mailbox("dan", "example.org"), Mailbox("dan", "example.org"))
DAY: Final = timedelta(days=1)
MINUTE: Final = timedelta(minutes=1)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with office_in(tmp_path, settings=USUAL) as office:
        yield office


def post(office: Office, recipient: Recipient = DAN, sender: Mailbox | None = BOB.mailbox) -> None:
    """Accept a mail from bob."""
    accepted = office.envelope(1, recipient)._replace(reverse_path=sender)
    assert office.opened.accept(accepted, b"Subject: slow\r\n\r\nbody\r\n") is None


def attempts(office: Office, until: timedelta) -> list[datetime]:
    """Let the time pass, always until the next attempt; the moments of the attempts."""
    moments: list[datetime] = []
    while True:
        ended = len(moments) + 1
        office.opened.turn_until(lambda ended=ended: _attempted(office) >= ended and office.holds_nothing)  # type: ignore[misc]
        moments.append(office.clock.now())
        waiting = [one.due_at for one in office.queued().values() if one.mailbox == str(DAN.mailbox)]
        if not waiting or min(waiting) - START > until:
            return moments
        office.advance(min(waiting) - office.clock.now())


def _attempted(office: Office) -> int:
    return len(office.logged("deferred")) + len(office.logged("failed"))


def mail(office: Office, local_part: str = "bob") -> list[Any]:
    return [email.message_from_bytes(one, policy=email.policy.default) for one in office.mail(local_part)]


def test_mail_for_a_dead_host_is_tried_by_the_schedule_for_five_days_and_its_sender_told_twice(office: Office) -> None:
    office.directory.routes.add("example.org", f"smtp:127.0.0.1:{free_port()}")
    post(office)
    moments = attempts(office, 6 * DAY)
    gaps = [(later - earlier) / MINUTE for earlier, later in pairwise(moments)]
    for gap, planned in zip(gaps, (5, 15, 30, 60, 120, *([240] * 28)), strict=False):
        assert 0.9 * planned - 1 <= gap <= 1.1 * planned + 1
    assert 30 <= len(gaps) <= 36
    assert moments[-1] - START == 5 * DAY
    office.until_empty()
    warning, bounce = sorted(mail(office), key=lambda one: one["Date"].datetime)
    assert (warning["Subject"], bounce["Subject"]) == ("Delayed mail: slow", "Undelivered mail: slow")
    assert timedelta(hours=4) <= warning["Date"].datetime - START <= timedelta(hours=9)
    assert bounce["Date"].datetime - START == 5 * DAY
    [failed] = bounce.get_payload(1).get_payload()[1:]
    assert (failed["Action"], failed["Status"]) == ("failed", "4.4.7")


def test_a_bounce_that_cannot_be_delivered_is_kept_for_the_operator(office: Office) -> None:
    with next_hop({"RCPT": "550 5.1.1 nobody"}) as hop:
        office.directory.routes.add("example.org", f"smtp:127.0.0.1:{hop.port}")
        post(office, DAN, None)
        office.until_logged("failed", 1)
        office.opened.turn_until(lambda: [one.held for one in office.queued().values()] == ["undeliverable"])
    office.advance(30 * DAY)
    office.opened.settle()
    assert [one.held for one in office.queued().values()] == ["undeliverable"]
    assert office.mail("bob") == []


def test_a_sender_who_wants_to_hear_nothing_is_told_nothing(office: Office) -> None:
    office.directory.routes.add("example.org", f"smtp:127.0.0.1:{free_port()}")
    post(office, DAN._replace(notify="NEVER"))
    attempts(office, 6 * DAY)
    office.until_empty()
    assert office.mail("bob") == []


@pytest.mark.parametrize(
    ("extensions", "subjects", "parameters"),
    [
        (("PIPELINING",), ["Relayed mail: slow"], ""),
        (("PIPELINING", "DSN"), [], "NOTIFY=SUCCESS ORCPT=rfc822;dan@example.org"),
    ],
)
def test_success_is_reported_by_whoever_is_the_last_to_know(
    office: Office, extensions: tuple[str, ...], subjects: list[str], parameters: str
) -> None:
    with next_hop(extensions=extensions) as hop:
        office.directory.routes.add("example.org", f"smtp:127.0.0.1:{hop.port}")
        post(office, DAN._replace(notify="SUCCESS", original="rfc822;dan@example.org"))
        office.until_empty()
        assert hop.taken[0].recipient_parameters == [parameters]
    assert [one["Subject"] for one in mail(office)] == subjects


def test_success_in_a_mailbox_here_is_reported_by_us(office: Office) -> None:
    post(office, ANN._replace(notify="SUCCESS,FAILURE"))
    office.until_empty()
    assert [one["Subject"] for one in mail(office)] == ["Delivered mail: slow"]


def test_a_hop_that_comes_back_gets_what_waited_for_it(office: Office) -> None:
    port = free_port()
    office.directory.routes.add("example.org", f"smtp:127.0.0.1:{port}")
    post(office)
    office.until_logged("deferred", 1)
    with next_hop(address=("127.0.0.1", port)) as hop:
        office.advance(timedelta(minutes=6))
        office.until_empty()
        assert len(hop.taken) == 1


def test_what_is_refused_for_good_is_tried_again_only_where_the_operator_says_so(tmp_path: Path) -> None:
    with (
        next_hop({"RCPT": ["554 5.7.1 not today", "250 2.1.5 now"]}) as hop,
        office_in(tmp_path, settings=USUAL + "delivery.retry_permanent = true\n") as office,
    ):
        office.directory.routes.add("example.org", f"smtp:127.0.0.1:{hop.port}")
        post(office)
        office.until_logged("deferred", 1)
        office.advance(timedelta(minutes=6))
        office.until_empty()
        assert len(hop.taken) == 1
        assert office.mail("bob") == []
