# SPDX-License-Identifier: Apache-2.0
"""Webhooks against a real HTTP server: what arrives, whether it can be verified, and what its answers mean."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import uvloop
from aiohttp import web

from genkan.delivery.outcome import Deferred, Delivered, Failed
from genkan.delivery.webhook import Webhook
from tests.delivery.consignments import CONTENT, FIELDS, consignment
from tests.delivery.receivers import PATIENT, SECRET, TAKEN, Receiver, carried, opener, receiver, sent
from tests.support.server import StoppedClock

if TYPE_CHECKING:
    from genkan.delivery.consignment import Consignment
    from genkan.delivery.outcome import Outcome
    from tests.delivery.receivers import Answering


def answered(answer: Answering, mail: Consignment | None = None) -> list[Outcome]:
    """What becomes of mail when the server answers so."""

    async def ask() -> list[Outcome]:
        async with receiver(answer) as found:
            return await carried(opener(found.url), mail or consignment())

    return uvloop.run(ask())


def said(status: int, text: str = "", **headers: str) -> list[Outcome]:
    """What becomes of mail when the server reads all and answers with this status and text."""

    async def answer(request: web.Request) -> web.StreamResponse:
        await request.read()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=status, text=text, headers=named)

    return answered(answer)


def json_said(document: object, *recipients: str) -> list[Outcome]:
    async def answer(request: web.Request) -> web.StreamResponse:
        await request.read()
        return web.json_response(document)

    return answered(answer, consignment(*recipients))


# What is sent.


def test_envelope_and_message_arrive_as_parts_of_a_form() -> None:
    mail = consignment("ann@in.test", "bob@in.test")
    found = sent(mail)
    assert found.messages == [FIELDS + CONTENT]
    assert json.loads(found.envelopes[0]) == {
        "id": "B0000000007",
        "accepted_at": "2026-11-23T12:00:00.000Z",
        "reverse_path": "eve@out.test",
        "recipients": [
            {
                "number": number,
                "forward_path": f"{name.upper()}@in.test",
                "mailbox": f"{name}@in.test",
                "notify": "",
                "original": "",
                "attempt": 1,
            }
            for number, name in enumerate(("ann", "bob"))
        ],
        "client_address": "192.0.2.7",
        "hello_domain": "mx.out.test",
        "account": "",
        "protocol": "ESMTPS",
        "body": "8BITMIME",
        "smtputf8": False,
        "size": len(FIELDS + CONTENT),
    }


def test_the_raw_format_is_the_message_with_the_envelope_in_the_header() -> None:
    mail = consignment("ann@in.test", "爱@in.test")
    found = sent(mail, body="raw")
    assert found.messages == [FIELDS + CONTENT]
    envelope = json.loads(found.envelopes[0])
    assert [one["mailbox"] for one in envelope["recipients"]] == ["ann@in.test", "爱@in.test"]
    assert found.headers[0]["Content-Length"] == str(len(FIELDS + CONTENT))


def test_the_null_reverse_path_is_empty() -> None:
    assert json.loads(sent(consignment(reverse_path="")).envelopes[0])["reverse_path"] == ""


@pytest.mark.parametrize("body", ["multipart", "raw"])
def test_nothing_but_what_is_needed_stands_in_the_header(body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9/")
    headers = sent(consignment(), body=body, secret=SECRET).headers[0]
    known = {"Host", "Accept", "Accept-Encoding", "User-Agent", "Content-Type", "Content-Length", "Genkan-Id"}
    assert headers.keys() - known == {"Idempotency-Key", "Genkan-Signature"} | (
        {"Genkan-Envelope"} if body == "raw" else set()
    )
    assert (headers["Genkan-Id"], headers["Idempotency-Key"]) == ("B0000000007", "B0000000007:0")
    assert headers["User-Agent"] == "Genkan"


def test_the_same_request_has_the_same_key_at_every_attempt() -> None:
    mail = consignment("ann@in.test", "bob@in.test", "eva@in.test")
    again = replace(mail, leased=tuple(replace(one, attempt=2) for one in mail.leased))
    some = replace(mail, leased=mail.leased[1:])
    keys = [sent(one).headers[0]["Idempotency-Key"] for one in (mail, again, some)]
    assert keys == ["B0000000007:0,1,2", "B0000000007:0,1,2", "B0000000007:1,2"]


def test_content_larger_than_any_buffer_is_streamed() -> None:
    large = consignment(content=b"x" * 20_000_000)
    found = sent(large, secret=SECRET)
    assert hashlib.sha256(found.messages[0]).digest() == hashlib.sha256(FIELDS + b"x" * 20_000_000).digest()


def test_many_recipients_are_divided_among_requests_that_servers_take() -> None:
    long = [f"{'x' * 60}{number:03}@{'y' * 60}.test" for number in range(220)]
    found = sent(consignment(*long))
    assert [len(json.loads(one)["recipients"]) for one in found.envelopes] == [100, 100, 20]
    found = sent(consignment(*long[:40]), body="raw")
    assert sum(len(json.loads(one)["recipients"]) for one in found.envelopes) == 40
    assert max(len(headers["Genkan-Envelope"]) for headers in found.headers) <= 6000


# The signature.


@pytest.mark.parametrize("body", ["multipart", "raw"])
def test_a_receiver_can_verify_who_sent_it(body: str) -> None:
    found = sent(consignment("ann@in.test", "bob@in.test"), body=body, secret=SECRET)
    assert verified(found, found.envelopes[0], found.messages[0], SECRET)
    assert not verified(found, found.envelopes[0], found.messages[0] + b"x", SECRET)
    assert not verified(found, found.envelopes[0].replace(b"ann@", b"eva@"), found.messages[0], SECRET)
    assert not verified(found, found.envelopes[0], found.messages[0], "another")


def test_the_signature_holds_the_time_and_so_a_replay_is_known() -> None:
    clock = StoppedClock()
    first = sent(consignment(), clock=clock, secret=SECRET).headers[0]["Genkan-Signature"]
    clock.advance(timedelta(seconds=61))
    second = sent(consignment(), clock=clock, secret=SECRET).headers[0]["Genkan-Signature"]
    times = [int(one.partition(",")[0].removeprefix("t=")) for one in (first, second)]
    assert times == [int(StoppedClock().now().timestamp()), int(StoppedClock().now().timestamp()) + 61]
    assert first.partition("v1=")[2] != second.partition("v1=")[2]


def test_without_a_secret_nothing_is_signed() -> None:
    assert "Genkan-Signature" not in sent(consignment()).headers[0]


def test_the_secret_is_not_shown() -> None:
    assert SECRET not in repr(Webhook("http://in.test/", PATIENT, secret=SECRET))


def verified(found: Receiver, envelope: bytes, message: bytes, secret: str) -> bool:
    """What docs/ends.md says, in other words."""
    signature = found.headers[0]["Genkan-Signature"]
    time, given = signature.removeprefix("t=").split(",v1=")
    digests = ".".join(hashlib.sha256(octets).hexdigest() for octets in (envelope, message))
    signed = f"{time}.B0000000007.{digests}"
    return hmac.new(secret.encode(), signed.encode(), "sha256").hexdigest() == given


# What is answered.


def test_any_success_is_delivered() -> None:
    assert said(202) == [Delivered(by="127.0.0.1: 202 Accepted")]
    assert said(204) == [Delivered(by="127.0.0.1: 204 No Content")]


def test_a_refusal_is_for_good_with_the_first_words_of_the_answer() -> None:
    reply = "422 no such person [2J"
    assert said(422, "no such\r\nperson\x1b[2J\n") == [
        Failed(f"127.0.0.1 answered {reply}", "5.0.0", "127.0.0.1", reply)
    ]
    assert said(410) == [Failed("127.0.0.1 answered 410 Gone", "5.0.0", "127.0.0.1", "410 Gone")]
    (outcome,) = said(400, "y" * 100_000)
    assert isinstance(outcome, Failed)
    assert outcome.reply == f"400 {'y' * 197}..."


@pytest.mark.parametrize("status", [401, 403, 404, 405])
def test_a_route_that_is_not_set_up_right_bounces_nothing(status: int) -> None:
    (outcome,) = said(status, "no")
    reply = f"{status} no"
    remedy = "correct the URL of the route, its secret, or what the other end lets in"
    assert outcome == Deferred(f"127.0.0.1 answered {reply}; {remedy}", None, "4.3.5", "127.0.0.1", reply)


def test_a_message_too_big_is_refused_as_such() -> None:
    (outcome,) = said(413)
    assert isinstance(outcome, Failed)
    assert outcome.status == "5.3.4"


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 599, 600, 999])
def test_what_may_pass_is_deferred(status: int) -> None:
    (outcome,) = said(status, "later")
    reply = f"{status} later"
    assert outcome == Deferred(f"127.0.0.1 answered {reply}", None, "4.0.0", "127.0.0.1", reply)


def test_a_server_may_say_when_to_try_again() -> None:
    now = StoppedClock().now()
    for field_value, wait in [("120", 120), ("999999999", 86400), ("Mon, 23 Nov 2026 12:10:00 GMT", 600)]:
        (outcome,) = said(503, Retry_After=field_value)
        assert isinstance(outcome, Deferred)
        assert outcome.retry_at == now + timedelta(seconds=wait)


def test_a_redirect_is_not_followed() -> None:
    (outcome,) = said(307, Location="http://127.0.0.1:1/\u00e9elsewhere")
    assert isinstance(outcome, Deferred)
    assert outcome.reason.startswith("127.0.0.1 answered 307 and points to http://127.0.0.1:1/")
    assert outcome.reason.endswith("; put the URL of that into the route")


def test_an_answer_may_speak_of_single_recipients() -> None:
    document = {
        "recipients": {
            "ann@in.test": {"status": 450, "enhanced": "4.2.2", "text": "full"},
            "BOB@in.test": {"status": 550, "enhanced": "5.1.1", "text": "gone\r\n"},
            "eva@in.test": {"status": 250},
            "nobody@in.test": {"status": 550},
        }
    }
    assert json_said(document, "ann@in.test", "bob@in.test", "eva@in.test", "joe@in.test") == [
        Deferred("127.0.0.1 says of this recipient: 450 full", None, "4.2.2", "127.0.0.1", "450 full"),
        Failed("127.0.0.1 says of this recipient: 550 gone", "5.1.1", "127.0.0.1", "550 gone"),
        TAKEN,
        TAKEN,
    ]


@pytest.mark.parametrize(
    ("entry", "status"),
    [
        ({"status": 550, "enhanced": "4.2.2"}, "5.0.0"),
        ({"status": 550, "enhanced": "5.1.1\r\nX: y"}, "5.0.0"),
        ({"status": 451, "enhanced": "nonsense"}, "4.0.0"),
        ({"status": 0}, "4.0.0"),
        ({"status": -550}, "4.0.0"),
        ({"status": 10**15}, "4.0.0"),
    ],
)
def test_codes_that_contradict_each_other_or_mean_nothing_are_not_believed(entry: object, status: str) -> None:
    (outcome,) = json_said({"recipients": {"ann@in.test": entry}})
    assert isinstance(outcome, Failed if status[0] == "5" else Deferred)
    assert outcome.status == status


@pytest.mark.parametrize("document", [{}, [], "ok", None, 7, {"ok": True}])
def test_json_that_says_nothing_of_recipients_is_delivered(document: object) -> None:
    assert json_said(document) == [TAKEN]


@pytest.mark.parametrize(
    "text",
    [
        "{",
        '{"recipients": 3}',
        '{"recipients": {"ann@in.test": 450}}',
        '{"recipients": {"ann@in.test": {}}}',
        '{"recipients": {"ann@in.test": {"status": "450"}}}',
        "[" * 60_000,
        '{"recipients": {"ann@in.test": {"status": ' + "9" * 50_000 + "}}}",
        '{"recipients": {}}' + " " * 70_000,
    ],
)
def test_json_that_cannot_be_understood_defers(text: str) -> None:
    (outcome,) = said(200, text, Content_Type="application/json")
    assert isinstance(outcome, Deferred)
    assert outcome.status == "4.5.0"
    assert outcome.reason.startswith("127.0.0.1 answered 200 with JSON that cannot be understood: ")
    assert len(outcome.reason) < 400


def test_an_endless_answer_is_read_to_its_bound() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        await request.read()
        response = web.StreamResponse(status=422)
        await response.prepare(request)
        while True:
            await response.write(b"z" * 65536)

    (outcome,) = answered(answer)
    assert isinstance(outcome, Failed)
    assert outcome.reply == f"422 {'z' * 197}..."


def test_an_answer_before_the_end_of_the_content_counts() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        del request
        return web.Response(status=413, text="too big")

    large = consignment("ann@in.test", content=b"x" * 1_000_000)
    (outcome,) = answered(answer, large)
    assert isinstance(outcome, Failed)
    assert outcome.reply == "413 too big"
