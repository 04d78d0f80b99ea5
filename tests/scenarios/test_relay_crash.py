# SPDX-License-Identifier: Apache-2.0
"""kill -9 in every phase of an attempt, and next hops that do what next hops should not: nothing is lost, others get their mail.

A message may come twice only where its next hop had taken it, and the reply did not reach us, or not the disk.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import pytest

from genkan.spool.reading import list_queued
from tests.support.load import Client, until_queue_is_empty
from tests.support.next_hop import CLOSE, FLOOD, FULL, SILENT, WAIT, next_hop
from tests.support.server import free_port, maildir, until

if TYPE_CHECKING:
    from tests.support.next_hop import Act
    from tests.support.site import MakeSite, Site

SETTINGS: Final = """
delivery.retry = ["1s"]
delivery.reply_timeout = "3s"
delivery.final_timeout = "3s"
auth.unauthenticated_accounts = "anywhere"
limits.shutdown = "1s"
"""
PLAIN: Final = tuple(word for word in FULL if word not in ("PIPELINING", "CHUNKING"))
PHASES: Final = ("connect", "EHLO", "MAIL", "RCPT", "DATA", "content")


def send(site: Site, *recipients: str, number: int = 0) -> None:
    with Client(site.port) as client:
        client.expect("250", client.command(b"MAIL FROM:<ann@in.test>\r\n"))
        for recipient in recipients:
            client.expect("250", client.command(f"RCPT TO:<{recipient}>\r\n".encode()))
        client.expect("354", client.command(b"DATA\r\n"))
        client.expect("250", client.command(b"Subject: %d\r\n\r\nhello\r\n.\r\n" % number))


def route(site: Site, domain: str, port: int) -> None:
    done = site.genkan("route", "add", domain, f"smtp:127.0.0.1:{port}", "--replace")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("extensions", [FULL, PLAIN], ids=["pipelining", "plain"])
@pytest.mark.parametrize("phase", PHASES)
def test_a_kill_in_any_phase_loses_nothing(make_site: MakeSite, phase: str, extensions: tuple[str, ...]) -> None:
    if phase == "DATA" and extensions is FULL:
        pytest.skip("with CHUNKING there is no DATA")
    site = make_site(SETTINGS)
    with next_hop({phase: [WAIT, *["250 2.0.0 fine"] * 3] if phase != "DATA" else [WAIT, "354 go on"]}) as hop:
        hop.extensions = extensions
        if phase in ("connect", "EHLO"):
            hop.script[phase] = WAIT
        route(site, "example.org", hop.port)
        site.start()
        send(site, "dan@example.org", "eve@example.org")
        verb = {"connect": "", "content": "DATA" if extensions is PLAIN else "BDAT"}.get(phase, phase)
        until(lambda: bool(hop.said(verb)) if verb else hop.connections > 0, f"{phase} at the hop")
        site.kill()
        hop.script.pop(phase)
        hop.go.set()
        site.start()
        until_queue_is_empty(site.config)
        got = Counter(recipient for taken in hop.taken for recipient in taken.recipients)
    assert got.keys() == {"dan@example.org", "eve@example.org"}
    # The first process has sent everything in one go, or the hop takes the message while nobody hears its reply.
    most = 2 if phase == "content" or extensions is FULL else 1
    assert max(got.values()) <= most
    assert maildir(site.config, "ann@in.test") == []


def test_a_kill_between_the_hops_reply_and_its_record_repeats_at_most_what_was_not_recorded(
    make_site: MakeSite,
) -> None:
    site = make_site(SETTINGS + "workers = 2\n")
    with next_hop() as hop:
        route(site, "example.org", hop.port)
        site.start()
        for number in range(40):
            send(site, f"r{number}@example.org", number=number)
            if number == 20:
                site.kill()
                site.start()
        until_queue_is_empty(site.config)
        got = Counter(recipient for taken in hop.taken for recipient in taken.recipients)
    assert got.keys() == {f"r{number}@example.org" for number in range(40)}
    assert sum(got.values()) <= 40 + 12  # what may have been on its way


def test_a_bounce_is_made_once_however_often_the_server_dies(make_site: MakeSite) -> None:
    site = make_site(SETTINGS)
    with next_hop({"RCPT": [WAIT, "550 5.1.1 nobody"]}) as hop:
        route(site, "example.org", hop.port)
        site.start()
        send(site, "dan@example.org")
        until(lambda: bool(hop.said("RCPT")), "RCPT at the hop")
        site.kill()
        hop.script["RCPT"] = "550 5.1.1 nobody"
        hop.go.set()
        site.start()
        until(lambda: len(maildir(site.config, "ann@in.test")) == 1, "a bounce")
        site.kill()
        site.start()
        until_queue_is_empty(site.config)
    assert len(maildir(site.config, "ann@in.test")) == 1


HOSTILE: Final[dict[str, dict[str, Act]]] = {
    "421 at the greeting": {"connect": "421 4.3.2 too busy"},
    "421 to EHLO": {"EHLO": "421 4.3.2 too busy"},
    "421 to MAIL": {"MAIL": "421 4.3.2 too busy"},
    "421 to RCPT": {"RCPT": "421 4.3.2 too busy"},
    "421 to the content": {"content": "421 4.3.2 too busy"},
    "silent at the greeting": {"connect": SILENT},
    "silent at MAIL": {"MAIL": SILENT},
    "silent at the content": {"content": SILENT},
    "a flood": {"MAIL": FLOOD},
    "gone at the greeting": {"connect": CLOSE},
    "gone at RCPT": {"RCPT": CLOSE},
    "gone behind the final dot": {"content": CLOSE},
    "nonsense": {"EHLO": "hello there"},
}


@pytest.mark.parametrize("script", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_hop_holds_up_nobody_elses_mail(make_site: MakeSite, script: dict[str, Act]) -> None:
    site = make_site(SETTINGS)
    with next_hop(dict(script)) as hostile, next_hop() as healthy:
        route(site, "example.org", hostile.port)
        route(site, "example.net", healthy.port)
        site.start()
        for number in range(30):
            send(site, f"r{number}@example.org")
        for number in range(30):
            send(site, f"r{number}@example.net")
        healthy.until_taken(30)
        site.until_logged("deferred", 1)
        assert maildir(site.config, "ann@in.test") == []
        until(
            lambda: not any(mailbox.endswith("@example.net") for mailbox in queued(site)), "a record of what is taken"
        )
        assert queued(site) == {f"r{number}@example.org" for number in range(30)}
    assert site.terminate() == 0


def queued(site: Site) -> set[str]:
    return {
        recipient.mailbox
        for message in list_queued(site.config.storage_folder, datetime.now(UTC))
        for recipient in message.recipients
    }


def test_a_hop_that_is_not_there_and_a_kill_leave_the_mail_in_the_queue(make_site: MakeSite) -> None:
    site = make_site(SETTINGS + "workers = 2\n")
    port = free_port()
    route(site, "example.org", port)
    site.start()
    for number in range(10):
        send(site, f"r{number}@example.org")
    site.until_logged("deferred", 10)
    site.kill()
    with next_hop(address=("127.0.0.1", port)) as hop:
        site.start()
        assert site.genkan("queue", "retry", "--all").returncode == 0  # what found the hop resting waits half a minute
        until_queue_is_empty(site.config)
        assert sorted(taken.recipients[0] for taken in hop.taken) == sorted(f"r{n}@example.org" for n in range(10))
