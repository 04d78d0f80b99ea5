# SPDX-License-Identifier: Apache-2.0
"""The outside as the checks see it: the DNS by resolvers, each for its server, and the mailboxes."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Final, cast

import pytest
import uvloop

from genkan.dns.resolver import Resolver
from genkan.dns.spf import SpfResult
from genkan.policy.outside import Outside
from genkan.rules.mail_hosts import Lookup
from tests.support.dns_server import DnsServer, Manner, dns_server
from tests.support.server import START, StoppedClock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator

    from genkan.directory.accounts import Account

CLIENT: Final = "192.0.2.10"
ZONE: Final = "10.2.0.192.list.test 300 A 127.0.0.2\nbad.test.uribl.test 300 A 127.0.0.2\n"


async def usage(_account: Account) -> int:
    return 42


class Site:
    """An outside with a name server, and another for who names it by "other"."""

    def __init__(self, server: DnsServer, other: DnsServer) -> None:
        self.server = server
        self.clock = StoppedClock()
        servers = {"": server, "other": other}
        self._resolvers = {
            name: Resolver((each.address,), timedelta(seconds=5), self.clock) for name, each in servers.items()
        }
        self.outside = Outside(self.clock, usage, lambda name: self._resolvers[name], lambda *_: False)

    def listed(self, *zones: str) -> tuple[str | None, bool]:
        """The zone that lists the client, and whether that had to be waited for."""

        async def ask() -> tuple[str | None, bool]:
            answer = self.outside.listed(CLIENT, zones)
            if answer is None or isinstance(answer, str):
                return answer, False
            return await answer, True

        return uvloop.run(ask())

    def spf(self, sender: str) -> tuple[str, bool]:
        """What SPF says, and whether that had to be waited for."""

        async def ask() -> tuple[str, bool]:
            answer = self.outside.spf(CLIENT, sender, "client.test")
            if isinstance(answer, SpfResult):
                return answer.result, False
            return (await answer).result, True

        return uvloop.run(ask())

    def hosts(self, *lookups: Lookup) -> set[Lookup]:
        async def ask() -> set[Lookup]:
            return set(await self.outside.hosts_listed(lookups))

        return uvloop.run(ask())


@pytest.fixture
def site() -> Iterator[Site]:
    with dns_server(ZONE) as server, dns_server("evil.test.own.test 300 A 127.0.0.2\n") as other:
        yield Site(server, other)


def test_the_first_zone_that_lists_the_client_is_named(site: Site) -> None:
    assert site.listed("empty.test", "list.test") == ("list.test", True)
    assert site.listed("empty.test") == (None, False)


def test_what_is_known_is_not_waited_for_until_it_is_too_old(site: Site) -> None:
    assert [site.listed("list.test") for _ in range(2)] == [("list.test", True), ("list.test", False)]
    site.clock.advance(timedelta(seconds=301))
    assert site.listed("list.test") == ("list.test", True)
    assert site.server.count("10.2.0.192.list.test") == 2


def test_a_zone_that_fails_lists_nobody(site: Site) -> None:
    site.server.treat("broken.test", Manner(rcode="SERVFAIL"))
    assert site.listed("broken.test", "list.test")[0] == "list.test"
    assert site.listed("broken.test")[0] is None


def test_of_several_lookups_those_with_a_yes_are_given(site: Site) -> None:
    bad, good = (Lookup(host, "uribl.test", "", cached=True) for host in ("bad.test", "good.test"))
    assert site.hosts(bad, good) == {bad}
    assert site.hosts() == set()


def test_a_lookup_goes_to_the_server_that_it_names(site: Site) -> None:
    here, there = (Lookup("evil.test", "own.test", server, cached=True) for server in ("", "other"))
    assert site.hosts(here, there) == {there}


def test_time_and_mailboxes_are_those_of_the_server(site: Site) -> None:
    assert site.outside.now() == START
    assert asyncio.run(_given(site.outside.mailbox_usage(cast("Account", None)))) == 42


async def _given(answer: Awaitable[int]) -> int:
    return await answer


def test_a_known_spf_record_is_judged_at_once(site: Site) -> None:
    site.server.add('out.test 300 TXT "v=spf1 -all"')
    assert [site.spf("x@out.test"), site.spf("y@out.test")] == [("fail", True), ("fail", False)]
