# SPDX-License-Identifier: Apache-2.0
"""HTTP servers that are not there, break off, or mean us no good: no mail is lost, and none waits longer than it has to."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import uvloop
from aiohttp import ClientSession, web

from genkan.delivery.carrier import CarrierLost, HopUnreachable
from genkan.delivery.outcome import Deferred, Delivered, Failed
from genkan.delivery.webhook import Webhook, WebhookCarrier, WebhookOpener
from genkan.dns.resolver import Resolver
from tests.delivery.consignments import CONTENT, consignment, unreadable
from tests.delivery.receivers import PATIENT, SECRET, TAKEN, carried, opener, receiver, sent, speaker
from tests.support.dns_server import dns_server
from tests.support.server import StoppedClock

if TYPE_CHECKING:
    from genkan.delivery.consignment import Consignment
    from genkan.delivery.outcome import Outcome
    from tests.delivery.receivers import Receiver, Speaking


def spoken(speak: Speaking, mail: Consignment | None = None, timeout: float = 0.3) -> Outcome:
    """What becomes of mail for one recipient with that server."""

    async def ask() -> list[Outcome]:
        async with speaker(speak) as url:
            return await carried(opener(url, timeout=timedelta(seconds=timeout)), mail or consignment())

    (outcome,) = uvloop.run(ask())
    return outcome


def test_a_server_that_never_answers_costs_no_more_than_the_time_out() -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del writer
        await reader.read(-1)

    reason = "127.0.0.1 did not answer within 0.3 s"
    assert spoken(speak) == Deferred(reason, status="4.4.1", remote="127.0.0.1")


def test_a_server_that_does_not_read_costs_no_more_than_the_time_out() -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del reader, writer
        await asyncio.Event().wait()

    large = consignment(content=b"x" * 20_000_000)
    reason = "127.0.0.1 did not answer within 0.3 s"
    assert spoken(speak, large) == Deferred(reason, status="4.4.1", remote="127.0.0.1")


def test_a_server_that_answers_bit_by_bit_costs_no_more_than_the_time_out() -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nx")
        await reader.read(-1)

    outcome = spoken(speak)
    assert isinstance(outcome, Deferred)
    assert outcome.status == "4.4.1"


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nx",
        b"220 mx.in.test ESMTP\r\n",
        b"\0" * 100,
        b"x" * 100_000,
    ],
)
def test_a_server_that_breaks_off_or_speaks_something_else_defers(octets: bytes) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(octets)

    outcome = spoken(speak, timeout=20)
    assert isinstance(outcome, Deferred)
    assert (outcome.status, outcome.remote) == ("4.4.2", "127.0.0.1")
    assert "token" not in outcome.reason
    assert "/mail" not in outcome.reason


def test_a_header_without_end_is_not_kept() -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1_000_000 + b"\r\n\r\n")

    assert isinstance(spoken(speak, timeout=20), Deferred)


def test_a_server_that_is_not_there_is_found_out_before_any_mail_is_carried() -> None:
    async def ask() -> Deferred | Failed:
        async with speaker(_close) as url:
            pass
        with pytest.raises(HopUnreachable) as caught:
            await opener(url)()
        return caught.value.outcome

    outcome = uvloop.run(ask())
    assert isinstance(outcome, Deferred)
    assert (outcome.status, outcome.remote) == ("4.4.1", "127.0.0.1")
    assert outcome.reason.startswith("127.0.0.1 cannot be reached: ")


def test_names_are_asked_of_our_resolver() -> None:
    async def ask(*, known: bool) -> list[Outcome]:
        clock = StoppedClock()
        with dns_server("crm.in.test 60 A 127.0.0.1" if known else "") as server:
            async with receiver() as found:
                url = found.url.replace("127.0.0.1", "crm.in.test")
                resolver = Resolver((server.address,), PATIENT, clock)
                given = WebhookOpener(Webhook(url, PATIENT), ssl.create_default_context(), resolver, clock)
                return await carried(given, consignment())

    assert uvloop.run(ask(known=True)) == [Delivered(by="crm.in.test: 200 OK")]
    with pytest.raises(
        HopUnreachable, match=r"crm\.in\.test cannot be reached: the DNS has no address for crm\.in\.test"
    ):
        uvloop.run(ask(known=False))


def test_localhost_is_this_machine_without_asking_anybody() -> None:
    async def ask() -> list[Outcome]:
        async with receiver() as found:
            return await carried(opener(found.url.replace("127.0.0.1", "localhost")), consignment())

    assert uvloop.run(ask()) == [Delivered(by="localhost: 200 OK")]


def test_a_server_without_tls_defers_where_the_url_says_https() -> None:
    async def ask() -> Outcome:
        async with speaker(_close) as url:
            (outcome,) = await carried(opener(url.replace("http:", "https:")), consignment())
            return outcome

    outcome = uvloop.run(ask())
    assert isinstance(outcome, Deferred)


@pytest.mark.parametrize("secret", ["", SECRET])
def test_content_that_cannot_be_read_is_never_taken_for_the_whole_message(secret: str) -> None:
    async def ask() -> tuple[list[Outcome], Receiver]:
        async with receiver() as found:
            return await carried(opener(found.url, secret=secret), unreadable()), found

    outcomes, found = uvloop.run(ask())
    assert outcomes == [Deferred("the content cannot be read: Input/output error", status="4.3.0")]
    assert found.messages == []


def test_content_of_another_size_than_the_spool_says_is_never_taken() -> None:
    async def ask(size: int) -> tuple[list[Outcome], Receiver]:
        async with receiver() as found:
            return await carried(opener(found.url), consignment(size=size)), found

    for size in (len(CONTENT) - 1, len(CONTENT) + 1):
        (outcome,), found = uvloop.run(ask(size))
        assert isinstance(outcome, Deferred)
        assert outcome.reason == "the content cannot be read: the content has not the size that the spool says"
        assert found.messages == []


def test_after_a_request_without_answer_the_others_of_the_message_are_not_tried() -> None:
    asked = 0

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        del writer
        asked += bool(await reader.read(100))

    async def ask() -> list[Outcome]:
        async with speaker(speak) as url:
            return await carried(opener(url), consignment(*(f"a{number}@in.test" for number in range(250))))

    outcomes = uvloop.run(ask())
    assert asked == 1
    assert len(outcomes) == 250
    assert set(map(type, outcomes)) == {Deferred}


def test_a_connection_that_was_closed_meanwhile_is_no_fault_of_the_mail() -> None:
    """The server answers once and closes, without saying so, when it is asked again."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await reader.read(1)

    async def ask() -> WebhookCarrier:
        async with speaker(speak) as url:
            carrier = await opener(url)()
            assert await carrier.carry(consignment()) == [TAKEN]
            with pytest.raises(CarrierLost):
                await carrier.carry(consignment())
            await carrier.close()
            return carrier

    assert not uvloop.run(ask()).usable


def test_a_connection_serves_many_messages() -> None:
    async def ask() -> list[str]:
        peers: list[str] = []

        async def answer(request: web.Request) -> web.StreamResponse:
            await request.read()
            assert request.transport is not None
            peers.append(str(request.transport.get_extra_info("peername")))
            return web.Response()

        async with receiver(answer) as found:
            carrier = await opener(found.url)()
            for _ in range(3):
                assert await carrier.carry(consignment()) == [TAKEN]
            await carrier.close()
        return peers

    peers = uvloop.run(ask())
    assert len(peers) == 3
    assert len(set(peers)) == 1


def test_mail_that_requires_tls_goes_over_no_network_in_clear() -> None:
    mail = consignment()
    strict = replace(mail, envelope=mail.envelope._replace(requiretls=True))
    assert uvloop.run(_without_knocking("http://crm.in.test/mail", strict)) == [
        Failed("the message requires TLS (RFC 8689), and the URL on crm.in.test is not https", "5.7.10", "crm.in.test")
    ]
    assert len(sent(strict).messages) == 1


async def _without_knocking(url: str, mail: Consignment) -> list[Outcome]:
    carrier = WebhookCarrier(Webhook(url, PATIENT), ClientSession(), StoppedClock())
    outcomes = await carrier.carry(mail)
    await carrier.close()
    return outcomes


async def _close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    del reader
    writer.close()
