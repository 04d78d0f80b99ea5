# SPDX-License-Identifier: Apache-2.0
"""One client's questions wait for one another and not for others': the resolver with a zone that keeps silent."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import pytest

from genkan.dns.answer import Answer, Status
from genkan.dns.resolver import MOST_ASKED, MOST_FOR_CLIENT
from tests.dns.asking import Asking, run
from tests.support.dns_server import Manner

if TYPE_CHECKING:
    from asyncio import Future

FOUND: Final = Answer(Status.FOUND, ("192.0.2.1",), 300)


@pytest.fixture(autouse=True)
def _zones(asking: Asking) -> None:
    asking.server.add("mail.example.test 300 A 192.0.2.1")
    asking.server.treat("silent.test", Manner(silent=True))


def ask_in_vain(asking: Asking, client: str, times: int) -> list[Future[Answer]]:
    return [
        asking.resolver.query(f"{client.replace(':', '-')}.{number}.silent.test", "A", client)
        for number in range(times)
    ]


def asked(asking: Asking) -> int:
    """How many different questions have come to the server."""
    return len({name for name, _ in asking.server.questions if name.endswith("silent.test")})


@pytest.mark.parametrize("other", ["", "192.0.2.9", "2001:db8::9"])
def test_a_client_with_silent_zones_holds_up_nobody_else(asking: Asking, other: str) -> None:
    async def ask() -> Answer:
        ask_in_vain(asking, "192.0.2.8", 2 * MOST_ASKED)
        own = asking.resolver.query("mail.example.test", "A", "192.0.2.8")
        assert await asyncio.wait_for(asking.resolver.query("mail.example.test", "A", other), 5) == FOUND
        assert not own.done()
        return await asking.resolver.query("mail.example.test", "A", "192.0.2.8")

    assert run(ask()) == FOUND
    assert asked(asking) == MOST_FOR_CLIENT


@pytest.mark.parametrize(
    ("clients", "shares"),
    [
        (("192.0.2.8", "192.0.2.9"), 2),
        (("2001:db8::1", "2001:db8::ffff:1"), 1),
        (("fe80::1%lo", "fe80::2"), 1),
        (("2001:db8::1", "2001:db8:0:1::1"), 2),
    ],
)
def test_an_address_has_a_share_and_so_has_an_ipv6_network(
    asking: Asking, clients: tuple[str, ...], shares: int
) -> None:
    async def ask() -> None:
        for client in clients:
            ask_in_vain(asking, client, MOST_FOR_CLIENT)
        await asking.resolver.query("mail.example.test", "A")  # it is sent behind all that may be sent

    run(ask())
    assert asked(asking) == shares * MOST_FOR_CLIENT


def test_that_a_client_had_to_wait_says_nothing_of_the_server(asking: Asking) -> None:
    hasty = asking.hasty(timeout=0.3)

    async def ask() -> tuple[Answer, Answer | None]:
        in_vain = ask_in_vain(hasty, "192.0.2.8", MOST_FOR_CLIENT)
        own = await hasty.resolver.query("mail.example.test", "A", "192.0.2.8")
        known = hasty.resolver.cached("mail.example.test", "A")
        assert (await in_vain[0]) == hasty.resolver.cached("192.0.2.8.0.silent.test", "A")
        return own, known

    in_the_crowd, known = run(ask())
    if in_the_crowd != FOUND:  # as it may be when its turn comes at the last moment
        assert (in_the_crowd.status, in_the_crowd.detail) == (Status.FAILED, "no answer within 0.3 s")
        assert known is None
