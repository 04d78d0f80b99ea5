# SPDX-License-Identifier: Apache-2.0
"""Mail transactions with a next hop that takes mail, refuses some of it, or behaves badly at any place."""

from __future__ import annotations

import asyncio
import errno
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from genkan.delivery.outcome import Deferred, Delivered, Failed
from genkan.delivery.smtp_carrier import Patience
from tests.delivery.consignments import CONTENT, FIELDS, consignment, unreadable
from tests.delivery.dialogues import (
    ALL_SETS,
    RELAYED,
    TAKEN,
    THREE,
    WHOLE,
    WITHOUT_CHUNKING,
    enveloped,
    of_blocks,
    outcomes_of,
    said,
    sent_by,
)
from tests.delivery.relaying import SERVER, carried, no_socket_left, opened, plan_to, run
from tests.delivery.worlds import smtp_world
from tests.support.next_hop import FULL, lmtp_hop, next_hop

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Sequence

    from genkan.delivery.consignment import Consignment
    from tests.support.next_hop import Script


@pytest.fixture(autouse=True)
def _nothing_is_left_open() -> Iterator[None]:
    with no_socket_left():
        yield


# Mail that is taken.


@pytest.mark.parametrize("extensions", ALL_SETS)
def test_a_message_arrives_with_all_recipients_whatever_the_server_offers(extensions: tuple[str, ...]) -> None:
    outcomes, usable, hop = sent_by({}, *THREE, extensions=extensions)
    assert outcomes == [TAKEN if "DSN" in extensions else RELAYED] * 3
    assert usable
    (taken,) = hop.taken
    assert (taken.reverse_path, taken.recipients, taken.content) == ("eve@out.test", list(THREE), WHOLE)
    assert hop.lines[-1] == "QUIT"


def test_parameters_are_told_to_a_server_that_knows_them() -> None:
    mail = consignment()
    recipient = mail.leased[0].recipient._replace(notify="SUCCESS", original="rfc822;ann@in.test")
    mail = replace(mail, leased=(replace(mail.leased[0], recipient=recipient),))
    _, _, hop = sent_by({}, mail=enveloped(mail, smtputf8=True, ret="HDRS", envid="e1"))
    (taken,) = hop.taken
    assert taken.parameters == f"SIZE={len(WHOLE)} BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=e1"
    assert taken.recipient_parameters == ["NOTIFY=SUCCESS ORCPT=rfc822;ann@in.test"]


def test_no_parameters_are_told_to_a_server_that_knows_none() -> None:
    mail = enveloped(consignment(), smtputf8=True, ret="HDRS", envid="e1")
    outcomes, _, hop = sent_by({}, mail=mail, extensions=())
    assert outcomes == [RELAYED]
    assert (hop.taken[0].parameters, hop.taken[0].recipient_parameters) == ("", [""])


def test_the_null_reverse_path_is_told_as_such() -> None:
    outcomes, _, hop = sent_by({}, mail=consignment(reverse_path=""))
    assert outcomes == [TAKEN]
    assert hop.said("MAIL")[0].startswith("MAIL FROM:<> ")


def test_a_server_by_lmtp_answers_for_each_recipient() -> None:
    script: Script = {"content bob@in.test": "452 4.2.2 full", "content cy@in.test": "550 5.2.1 gone"}
    with lmtp_hop(script) as hop:
        (outcomes,) = carried(hop, consignment(*THREE))
    delivered = Delivered("127.0.0.1: 250 2.0.0 taken", "delivered")
    assert outcomes == [delivered, said("452 4.2.2 full"), said("550 5.2.1 gone", Failed)]
    assert hop.lines[0] == "LHLO mx.in.test"


@pytest.mark.parametrize("extensions", [FULL, WITHOUT_CHUNKING])
@pytest.mark.parametrize(
    "blocks",
    [
        (b".\r\n..\r\n.x\r\n", b".\r\n"),
        (b"a\r\n", b".\r\n"),
        (b"a\r", b"\n.", b"\r\n"),
        (b"a\r\n.", b".", b"\r\n"),
        (b"", b".", b"\r\n", b"", b".\r\nQUIT\r\n"),
    ],
)
def test_dots_arrive_as_they_are_wherever_blocks_end(blocks: Sequence[bytes], extensions: tuple[str, ...]) -> None:
    outcomes, _, hop = sent_by({}, mail=of_blocks(*blocks), extensions=extensions)
    assert isinstance(outcomes[0], Delivered)
    assert hop.taken[0].content == FIELDS + b"".join(blocks)


@pytest.mark.parametrize("extensions", [FULL, WITHOUT_CHUNKING])
def test_large_content_arrives_with_little_of_it_in_memory(extensions: tuple[str, ...]) -> None:
    block = b"x" * 62 + b"\r\n"
    most = 0

    async def blocks() -> AsyncGenerator[bytes, None]:
        nonlocal most
        for _ in range(5 * 16):
            yield block * 1024
            most = max(most, carriers[0]._connection._transport.get_write_buffer_size())

    async def send() -> None:
        carrier = await opened(plan_to(hop), smtp_world(patience=Patience(30, 30)))
        carriers.append(carrier)
        mail = replace(consignment(), content=blocks, size=5 * 1024 * 1024)
        assert await carrier.carry(mail) == [TAKEN]
        await carrier.close()

    carriers: list[Any] = []
    with next_hop(extensions=extensions) as hop:
        run(send())
    assert hop.taken[0].content == FIELDS + block * 1024 * 80
    assert most <= 3 * 65536


# Mail that is refused.


@pytest.mark.parametrize("extensions", ALL_SETS)
def test_one_recipient_of_three_is_refused(extensions: tuple[str, ...]) -> None:
    outcomes, usable, hop = sent_by({"RCPT bob@in.test": "550 5.1.1 no bob"}, *THREE, extensions=extensions)
    taken = TAKEN if "DSN" in extensions else RELAYED
    assert outcomes == [taken, said("550 5.1.1 no bob", Failed), taken]
    assert usable
    assert hop.taken[0].recipients == ["ann@in.test", "cy@in.test"]


@pytest.mark.parametrize("extensions", ALL_SETS)
def test_all_recipients_are_refused(extensions: tuple[str, ...]) -> None:
    script: Script = {"RCPT": ["550 5.1.1 no", "450 4.2.1 later", "551 5.7.1 never"]}
    expected = [said("550 5.1.1 no", Failed), said("450 4.2.1 later"), said("551 5.7.1 never", Failed)]
    assert outcomes_of(script, *THREE, extensions=extensions) == expected


@pytest.mark.parametrize("extensions", ALL_SETS)
@pytest.mark.parametrize("place", ["MAIL", "DATA", "content"])
@pytest.mark.parametrize(("text", "kind"), [("451 4.3.0 later", Deferred), ("554 5.7.1 never", Failed)])
def test_a_refusal_of_the_message_is_one_of_all_its_recipients(
    place: str, text: str, kind: type[Deferred | Failed], extensions: tuple[str, ...]
) -> None:
    if place == "DATA" and "CHUNKING" in extensions:
        return
    assert outcomes_of({place: text}, *THREE, extensions=extensions) == [said(text, kind)] * 3


def test_a_refusal_without_enhanced_code_has_a_general_one() -> None:
    assert outcomes_of({"MAIL": "451 later"})[0] == Deferred(
        "127.0.0.1 said: 451 later", status="4.0.0", remote=SERVER, reply="451 later"
    )
    assert outcomes_of({"MAIL": "554 no"})[0] == Failed(
        "127.0.0.1 said: 554 no", status="5.0.0", remote=SERVER, reply="554 no"
    )


def test_552_for_a_recipient_is_no_refusal_for_ever() -> None:
    assert outcomes_of({"RCPT": "552 5.2.2 too many"}) == [said("452 4.2.2 too many")]


def test_a_long_reply_is_cut() -> None:
    (outcome,) = outcomes_of({"MAIL": "\r\n".join(["550-" + "x" * 900] * 10 + ["550 end"])})
    assert isinstance(outcome, Failed)
    assert len(outcome.reply) == 1000


def test_content_beyond_the_servers_limit_is_not_begun() -> None:
    outcomes, usable, hop = sent_by({}, *THREE, extensions=("SIZE 50",))
    reason = f"127.0.0.1 takes at most 50 octets, and this message has {len(WHOLE)}"
    assert outcomes == [Failed(reason, "5.3.4", SERVER)] * 3
    assert usable
    assert hop.said("MAIL") == []


def test_an_address_beyond_ascii_needs_a_server_with_smtputf8() -> None:
    outcomes, usable, hop = sent_by({}, "アン@in.test", extensions=("8BITMIME",))
    assert outcomes == [Failed("127.0.0.1 does not take addresses beyond ASCII", "5.6.7", SERVER)]
    assert usable
    assert hop.said("MAIL") == []
    assert sent_by({}, "アン@in.test")[0] == [TAKEN]


@pytest.mark.parametrize("cut", [1, 3, 20, 1000])
def test_header_fields_beyond_ascii_need_a_server_with_smtputf8(cut: int) -> None:
    refused = Failed("127.0.0.1 does not take header fields beyond ASCII", "5.6.7", SERVER)
    for content, expected in [
        ("Subject: x\r\nFrom: é\r\n\r\nx\r\n", refused),
        ("Subject: x\r\n\r\né\r\n", RELAYED),
        ("\r\né\r\n", RELAYED),
        ("Subject: x\r\n", RELAYED),
    ]:
        octets = content.encode()
        blocks = [octets[start : start + cut] for start in range(0, len(octets), cut)]
        mail = enveloped(replace(of_blocks(*blocks), fields=b""), smtputf8=True)
        assert sent_by({}, mail=mail, extensions=())[0] == [expected]


def test_mail_that_requires_tls_does_not_go_to_a_server_that_does_not_know_of_it() -> None:
    outcomes, usable, hop = sent_by({}, mail=enveloped(consignment(), requiretls=True))
    reason = "127.0.0.1 does not offer REQUIRETLS, which this message requires"
    assert outcomes == [Failed(reason, "5.7.30", SERVER)]
    assert usable
    assert hop.said("MAIL") == []


def test_mail_that_requires_tls_may_end_at_an_lmtp_server() -> None:
    with lmtp_hop() as hop:
        assert carried(hop, enveloped(consignment(), requiretls=True)) == [[Delivered(TAKEN.by, "delivered")]]
    assert "REQUIRETLS" not in hop.taken[0].parameters


# Content that is not as the spool says.


@pytest.mark.parametrize("extensions", [FULL, ("CHUNKING",), WITHOUT_CHUNKING, ()])
@pytest.mark.parametrize(
    ("mail", "reason"),
    [
        (consignment(size=10), "the content has not the size that the spool says"),
        (consignment(size=1000), "the content has not the size that the spool says"),
        (unreadable(), "Input/output error"),
    ],
)
def test_content_that_cannot_be_read_is_not_ended(mail: Consignment, reason: str, extensions: tuple[str, ...]) -> None:
    outcomes, usable, hop = sent_by({}, mail=mail, extensions=extensions)
    assert outcomes == [Deferred(f"the content cannot be read: {reason}", status="4.3.0")]
    assert not usable
    assert hop.taken == []
    assert hop.said("QUIT") == []


def test_a_header_that_cannot_be_read_leaves_the_connection_as_it_was() -> None:
    async def blocks() -> AsyncGenerator[bytes, None]:
        for cut in range(2):
            if cut:
                raise OSError(errno.EIO, "Input/output error")
            yield b"Subject"

    mail = enveloped(replace(consignment(), content=blocks), smtputf8=True)
    outcomes, usable, _ = sent_by({}, mail=mail, extensions=())
    assert outcomes == [Deferred("the content cannot be read: Input/output error", status="4.3.0")]
    assert usable


def test_whoever_is_cancelled_within_the_content_leaves_nothing_behind_it() -> None:
    async def send() -> None:
        carrier = await opened(plan_to(hop))
        begun = asyncio.Event()

        async def blocks() -> AsyncGenerator[bytes, None]:
            yield CONTENT[:-6]  # as many octets as QUIT has
            begun.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(carrier.carry(replace(consignment(), content=blocks)))
        await begun.wait()
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert not carrier.usable
        await carrier.close()

    for extensions in (FULL, ()):
        with next_hop(extensions=extensions) as hop:
            run(send())
        assert hop.taken == []
