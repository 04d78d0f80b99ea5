# SPDX-License-Identifier: Apache-2.0
"""An operator changes the queue of a server that is running: what he says counts within a second, and nothing else happens."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from genkan.spool.reading import list_queued
from tests.support.load import Client, until_queue_is_empty
from tests.support.next_hop import Do, next_hop
from tests.support.server import free_port, maildir, until

if TYPE_CHECKING:
    from tests.support.site import MakeSite, Site

RELAYING = '[auth]\nunauthenticated_accounts = "anywhere"\n'
MAIL = b"Subject: x\r\n\r\nhello\r\n"


def send(site: Site, *recipients: str, sender: str = "ann@in.test") -> None:
    with Client(site.port) as client:
        client.expect("250", client.command(f"MAIL FROM:<{sender}>\r\n".encode()))
        for recipient in recipients:
            client.expect("250", client.command(f"RCPT TO:<{recipient}>\r\n".encode()))
        client.expect("354", client.command(b"DATA\r\n"))
        client.expect("250", client.command(MAIL + b".\r\n"))


def run(site: Site, *words: str) -> Any:
    done = site.genkan(*words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def states(site: Site) -> list[str]:
    messages = list_queued(site.config.storage_folder, datetime.now(UTC))
    return [recipient.state for message in messages for recipient in message.recipients]


def dead(site: Site) -> str:
    """Let mail for example.org go where nobody listens."""
    place = f"127.0.0.1:{free_port()}"
    assert site.genkan("route", "add", "example.org", f"smtp:{place}").returncode == 0
    return place


def test_a_corrected_route_frees_mail_at_the_next_attempt(make_site: MakeSite) -> None:
    site = make_site(RELAYING)
    dead(site)
    site.start()
    send(site, "dan@example.org")
    site.until_logged("deferred", 1)
    with next_hop() as hop:
        run(site, "route", "add", "example.org", f"smtp:127.0.0.1:{hop.port}", "--replace")
        run(site, "queue", "retry", "--domain", "example.org")
        hop.until_taken(1)
        until_queue_is_empty(site.config)


def test_a_hop_that_rests_is_tried_at_once_when_the_operator_says_so(make_site: MakeSite) -> None:
    site = make_site(RELAYING)
    place = dead(site)
    site.start()
    send(site, "dan@example.org")
    site.until_logged("next hop rests", 1)
    with next_hop(address=("127.0.0.1", int(place.rpartition(":")[2]))) as hop:
        run(site, "queue", "retry", "--all")
        hop.until_taken(1)
        until_queue_is_empty(site.config)


def test_mail_is_held_and_released_and_sent_another_way(make_site: MakeSite) -> None:
    site = make_site(RELAYING)
    dead(site)
    site.start()
    for name in ("dan", "eve"):
        send(site, f"{name}@example.org")
    site.until_logged("deferred", 2)
    run(site, "queue", "hold", "--recipient", "eve@example.org")
    with next_hop() as hop:
        run(site, "queue", "reroute", "--recipient", "dan@example.org", "--to", f"smtp:127.0.0.1:{hop.port}")
        hop.until_taken(1)
        until(lambda: states(site) == ["held"], "one that is held")
        run(site, "route", "add", "example.org", f"smtp:127.0.0.1:{hop.port}", "--replace")
        run(site, "queue", "release", "--recipient", "eve@example.org")
        hop.until_taken(2)
    until_queue_is_empty(site.config)


@pytest.mark.parametrize("bounce", [True, False], ids=["with a bounce", "without"])
def test_mail_is_deleted_with_and_without_a_bounce(make_site: MakeSite, bounce: bool) -> None:
    site = make_site(RELAYING)
    dead(site)
    site.start()
    send(site, "dan@example.org", "bob@in.test")
    site.until_logged("deferred", 1)
    until(lambda: len(states(site)) == 1, "the local recipient to be delivered")
    run(site, "queue", "delete", "--sender", "ann@in.test", *(["--bounce"] if bounce else []))
    until_queue_is_empty(site.config)
    assert len(maildir(site.config, "ann@in.test")) == int(bounce)


def test_what_waits_for_a_slow_hop_can_still_be_taken_back(make_site: MakeSite) -> None:
    site = make_site(RELAYING + "[delivery]\nconnections_per_hop = 1\n")
    with next_hop({"MAIL": Do("wait")}) as hop:
        assert site.genkan("route", "add", "example.org", f"smtp:127.0.0.1:{hop.port}").returncode == 0
        site.start()
        for number in range(20):
            send(site, f"r{number}@example.org")
        until(lambda: bool(hop.said("MAIL")), "the first one at the hop")
        run(site, "queue", "hold", "--domain", "example.org")
        until(lambda: states(site).count("held") >= 19, "those that wait to be held")
        hop.go.set()
        hop.until_taken(1)
        until(lambda: len(states(site)) == 19, "the first one to be gone")
    assert len(hop.taken) == 1
    assert site.terminate() == 0


def test_an_account_that_suddenly_writes_to_many_is_braked_and_let_go_or_purged(make_site: MakeSite) -> None:
    site = make_site(RELAYING + '[brake]\nmode = "fixed"\nminimum = 10\n')
    with next_hop() as hop:
        assert site.genkan("route", "add", "example.org", f"smtp:127.0.0.1:{hop.port}").returncode == 0
        site.start()
        for number in range(15):
            send(site, f"r{number}@example.org")
        until(lambda: states(site).count("held") == 5, "five that are held")
        hop.until_taken(10)
        until(lambda: len(maildir(site.config, "ann@in.test")) >= 1, "a mail to the owner")
        assert [one["account"] for one in run(site, "brake", "list")["braked"]] == ["ann@in.test"]
        run(site, "brake", "release", "ann@in.test")
        hop.until_taken(15)
        until_queue_is_empty(site.config)
        for number in range(15):
            send(site, f"s{number}@example.org")
        until(lambda: states(site).count("held") >= 1, "some that are held again")
        hop.until_taken(25)
        run(site, "brake", "purge", "ann@in.test")
        until_queue_is_empty(site.config)
    assert len(hop.taken) == 25
