# SPDX-License-Identifier: Apache-2.0
"""Mail transactions with a next hop that takes mail, refuses some of it, or behaves badly at any place."""

from __future__ import annotations

import asyncio
import errno
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest

from genkan.delivery.carrier import CarrierLost
from genkan.delivery.outcome import Deferred, Delivered, Failed
from genkan.delivery.smtp_carrier import Patience
from tests.delivery.consignments import CONTENT, FIELDS, consignment, unreadable
from tests.delivery.relaying import SERVER, carried, no_socket_left, opened, plan_to, run, turned_until
from tests.delivery.worlds import smtp_world
from tests.support.next_hop import CLOSE, FLOOD, FULL, SILENT, WAIT, Do, lmtp_hop, next_hop

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Sequence

    from genkan.delivery.consignment import Consignment
    from genkan.delivery.outcome import Outcome
    from tests.support.next_hop import Act, NextHop, Script

HASTY: Final = smtp_world(patience=Patience(0.2, 0.2))
WHOLE: Final = FIELDS + CONTENT
WITHOUT_CHUNKING: Final = tuple(word for word in FULL if word != "CHUNKING")
ALL_SETS: Final = [FULL, WITHOUT_CHUNKING, ("CHUNKING",), ("8BITMIME", "SIZE"), ()]
RELAYED: Final = Delivered("127.0.0.1: 250 2.0.0 taken", "relayed")
TAKEN: Final = Delivered("127.0.0.1: 250 2.0.0 taken", "nothing")
LOST: Final = Deferred("127.0.0.1: the server closed the connection", status="4.4.2", remote=SERVER)
LATE: Final = Deferred("127.0.0.1 did not answer in time", status="4.4.2", remote=SERVER)
THREE: Final = ("ann@in.test", "bob@in.test", "cy@in.test")


@pytest.fixture(autouse=True)
def _nothing_is_left_open() -> Iterator[None]:
    with no_socket_left():
        yield


def said(text: str, kind: type[Deferred | Failed] = Deferred) -> Outcome:
    """What becomes of a recipient to which the server says so; `text` has an enhanced code."""
    return kind(f"127.0.0.1 said: {text}", status=text.split()[1], remote=SERVER, reply=text)


def sent_by(
    script: Script, *recipients: str, extensions: tuple[str, ...] = FULL, mail: Consignment | None = None
) -> tuple[list[Outcome], bool, NextHop]:
    """One consignment to a server with this script: the outcomes, whether more could be carried, and the server."""

    async def send() -> tuple[list[Outcome], bool]:
        carrier = await opened(plan_to(hop), HASTY)
        outcomes = await carrier.carry(mail or consignment(*recipients))
        usable = carrier.usable
        await carrier.close()
        return outcomes, usable

    with next_hop(script, extensions=extensions) as hop:
        outcomes, usable = run(send())
    return outcomes, usable, hop


def outcomes_of(script: Script, *recipients: str, extensions: tuple[str, ...] = FULL) -> list[Outcome]:
    outcomes, _, hop = sent_by(script, *recipients, extensions=extensions)
    if not any(isinstance(outcome, Delivered) for outcome in outcomes):
        assert hop.taken == []
    return outcomes


def of_blocks(*blocks: bytes, size: int | None = None) -> Consignment:
    """Content in just these blocks."""

    async def given() -> AsyncGenerator[bytes, None]:
        for block in blocks:
            yield block

    return replace(consignment(), content=given, size=sum(map(len, blocks)) if size is None else size)


def enveloped(mail: Consignment, **changes: Any) -> Consignment:
    return replace(mail, envelope=mail.envelope._replace(**changes))


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
        carrier = await opened(plan_to(hop))
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
        (consignment(size=10), "[Errno 5] the content has not the size that the spool says"),
        (consignment(size=1000), "[Errno 5] the content has not the size that the spool says"),
        (unreadable(), "[Errno 5] Input/output error"),
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
    assert outcomes == [Deferred("the content cannot be read: [Errno 5] Input/output error", status="4.3.0")]
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


# A server that ends it, is silent, floods or talks nonsense.

PLACES: Final = ["MAIL", "RCPT", "DATA", "early", "content"]


@pytest.mark.parametrize("place", PLACES)
def test_421_defers_and_ends_the_connection(place: str) -> None:
    outcomes, usable, hop = sent_by({place: "421 4.3.2 closing"}, *THREE, extensions=WITHOUT_CHUNKING)
    assert outcomes == [said("421 4.3.2 closing")] * 3
    assert not usable
    assert hop.taken == []


@pytest.mark.parametrize("extensions", [FULL, WITHOUT_CHUNKING, ()])
@pytest.mark.parametrize("place", PLACES)
def test_a_server_that_closes_defers(place: str, extensions: tuple[str, ...]) -> None:
    if place == "DATA" and "CHUNKING" in extensions:
        return
    outcomes, usable, hop = sent_by({place: CLOSE}, *THREE, extensions=extensions)
    assert [isinstance(outcome, Deferred) and outcome.status == "4.4.2" for outcome in outcomes] == [True] * 3
    assert not usable
    assert len(hop.taken) == (place == "content")  # there it is taken, and will come again


def test_recipients_that_were_answered_before_the_end_keep_their_answer() -> None:
    script: Script = {"RCPT ann@in.test": "550 5.1.1 no ann", "RCPT bob@in.test": CLOSE}
    assert outcomes_of(script, *THREE) == [said("550 5.1.1 no ann", Failed), LOST, LOST]


@pytest.mark.parametrize("extensions", [FULL, WITHOUT_CHUNKING, ()])
@pytest.mark.parametrize("place", ["MAIL", "RCPT", "DATA", "content"])
def test_a_silent_server_is_waited_for_so_long(place: str, extensions: tuple[str, ...]) -> None:
    if place == "DATA" and "CHUNKING" in extensions:
        return
    outcomes, usable, _ = sent_by({place: SILENT}, extensions=extensions)
    assert outcomes == [LATE]
    assert not usable


@pytest.mark.parametrize("extensions", [("CHUNKING",), ()])
def test_a_server_that_does_not_read_is_waited_for_so_long(extensions: tuple[str, ...]) -> None:
    mail = of_blocks(*[b"x" * 65536] * 400)
    outcomes, usable, _ = sent_by({"early": SILENT}, mail=mail, extensions=extensions)
    assert outcomes == [LATE]
    assert not usable


@pytest.mark.parametrize("extensions", [("CHUNKING",), ()])
@pytest.mark.parametrize("end", ["deaf", "raw"])
def test_an_early_refusal_ends_the_content(end: str, extensions: tuple[str, ...]) -> None:
    mail = of_blocks(*[b"x" * 65536] * 400)
    script: Script = {"early": Do(end, "552 5.3.4 too much\r\n")}
    outcomes, usable, hop = sent_by(script, mail=mail, extensions=extensions)
    assert outcomes == [said("552 5.3.4 too much", Failed)]
    assert not usable
    assert hop.taken == []


@pytest.mark.parametrize("place", ["MAIL", "RCPT", "DATA", "content", "early"])
def test_a_flood_of_replies_ends_at_a_bound(place: str) -> None:
    (outcome,), usable, _ = sent_by({place: FLOOD}, extensions=("8BITMIME",))
    reason = "127.0.0.1: the server sent a reply of more than 100 lines or 16384 octets"
    assert outcome == Deferred(reason, status="4.5.0", remote=SERVER)
    assert not usable


def test_a_flood_that_nobody_asked_for_is_not_read() -> None:
    async def send() -> tuple[bool, int]:
        carrier: Any = await opened(plan_to(hop), HASTY)
        assert await carrier.carry(consignment()) == [TAKEN]
        connection = carrier._connection
        await turned_until(lambda: not connection._reading)
        await asyncio.sleep(0)
        usable, octets = carrier.usable, len(connection._reader._data)
        await carrier.close()
        return usable, octets

    with next_hop({"after": FLOOD}) as hop:
        usable, octets = run(send())
    assert not usable
    assert octets <= 1024 * 1024


@pytest.mark.parametrize("place", ["MAIL", "RCPT", "DATA", "content"])
@pytest.mark.parametrize(
    "octets",
    ["HTTP/1.1 200 OK\r\n", "\r\n", "\0\0\xff\xff\r\n", "250-a\r\n550 b\r\n", "150 x\r\n", "9" * 5000, "25 x\r\n"],
)
def test_what_is_no_reply_defers(place: str, octets: str) -> None:
    (outcome,), usable, hop = sent_by({place: Do("raw", octets)}, extensions=("8BITMIME",))
    assert isinstance(outcome, Deferred)
    assert (outcome.status, outcome.remote) == ("4.5.0", SERVER)
    assert not usable
    assert len(hop.taken) == 0


@pytest.mark.parametrize(
    ("place", "text"), [("MAIL", "354 go on"), ("RCPT", "334 x"), ("DATA", "250 2.0.0 fine"), ("content", "354 go on")]
)
def test_a_reply_that_is_none_to_the_command_defers(place: str, text: str) -> None:
    (outcome,), usable, hop = sent_by({place: text}, extensions=("8BITMIME",))
    assert isinstance(outcome, Deferred)
    assert outcome.status == "4.5.0"
    assert not usable
    assert hop.taken == []


# One connection, many messages.


@pytest.mark.parametrize("extensions", ALL_SETS)
def test_a_connection_is_used_for_many_messages(extensions: tuple[str, ...]) -> None:
    with next_hop(extensions=extensions) as hop:
        outcomes = carried(hop, *[consignment(f"r{number}@in.test") for number in range(50)])
    assert outcomes == [[TAKEN if "DSN" in extensions else RELAYED]] * 50
    assert [taken.recipients for taken in hop.taken] == [[f"r{number}@in.test"] for number in range(50)]
    assert (hop.connections, hop.said("RSET")) == (1, [])


@pytest.mark.parametrize("extensions", ALL_SETS)
@pytest.mark.parametrize("place", ["MAIL", "RCPT", "DATA", "content"])
def test_what_was_refused_does_not_touch_what_comes_behind_it(place: str, extensions: tuple[str, ...]) -> None:
    with next_hop({place: ["550 5.0.0 no", "250 2.0.0 yes"]}, extensions=extensions) as hop:
        if place == "DATA":
            hop.script[place] = ["550 5.0.0 no", "354 go on"]
        _, second = carried(hop, consignment("ann@in.test"), consignment("bob@in.test"))
    assert isinstance(second[0], Delivered)
    assert hop.taken[-1].recipients == ["bob@in.test"]
    assert hop.connections == 1


def test_a_server_that_forgets_nothing_gets_nothing_more() -> None:
    script: Script = {"RCPT": "550 5.1.1 no", "RSET": "500 5.5.1 what?"}
    with next_hop(script) as hop:
        outcomes = carried(hop, consignment(), consignment())
    reason = "127.0.0.1: the server would not forget the transaction before: 500 5.5.1 what?"
    assert outcomes == [[said("550 5.1.1 no", Failed)], [Deferred(reason, status="4.5.0", remote=SERVER)]]


def test_after_so_many_messages_a_connection_is_used_up() -> None:
    async def send() -> list[bool]:
        carrier = await opened(plan_to(hop), smtp_world(messages=2))
        usable = [carrier.usable]
        for _ in range(2):
            await carrier.carry(consignment())
            usable.append(carrier.usable)
        await carrier.close()
        return usable

    with next_hop() as hop:
        assert run(send()) == [True, True, False]
    assert hop.lines[-1] == "QUIT"


@pytest.mark.parametrize("octets", ["250 2.0.0 unasked\r\n", "2", "421 4.4.2 idle\r\n"])
def test_what_comes_unasked_makes_a_connection_unusable(octets: str) -> None:
    async def send() -> bool:
        carrier: Any = await opened(plan_to(hop))
        assert await carrier.carry(consignment()) == [TAKEN]
        await turned_until(lambda: carrier._connection.has_input)
        usable: bool = carrier.usable
        await carrier.close()
        return usable

    with next_hop({"after": Do("raw", octets)}) as hop:
        assert not run(send())


def lost_on_second(script: Script, extensions: tuple[str, ...] = FULL) -> str:
    """What `CarrierLost` says about a second message, when the first was taken."""

    async def send() -> str:
        carrier = await opened(plan_to(hop), HASTY)
        assert isinstance((await carrier.carry(consignment()))[0], Delivered)
        try:
            await carrier.carry(consignment())
        except CarrierLost as error:
            assert not carrier.usable
            await carrier.close()
            return str(error)
        raise AssertionError("it was carried")

    with next_hop(script, extensions=extensions) as hop:
        lost = run(send())
    assert len(hop.taken) == 1
    return lost


@pytest.mark.parametrize("extensions", ALL_SETS)
def test_a_connection_that_was_closed_between_two_messages_is_lost(extensions: tuple[str, ...]) -> None:
    assert lost_on_second({"MAIL": ["250 2.1.0 fine", CLOSE]}, extensions) == "the server closed the connection"


@pytest.mark.parametrize("extensions", ALL_SETS)
def test_421_to_the_first_command_of_a_later_message_means_that_the_connection_is_lost(
    extensions: tuple[str, ...],
) -> None:
    script: Script = {"MAIL": ["250 2.1.0 fine", "421 4.7.0 too many"]}
    assert lost_on_second(script, extensions) == "421 4.7.0 too many"


def test_421_later_in_a_later_message_is_an_answer_to_it() -> None:
    with next_hop({"RCPT": ["250 2.1.5 fine", "421 4.7.0 too many"]}) as hop:
        assert carried(hop, consignment(), consignment()) == [[TAKEN], [said("421 4.7.0 too many")]]


def test_421_or_silence_to_rset_carries_nothing() -> None:
    acts: list[Act] = ["421 4.3.2 closing", CLOSE]
    for act in acts:
        with next_hop({"RCPT": "550 5.1.1 no", "RSET": act}) as hop, pytest.raises(CarrierLost):
            carried(hop, consignment(), consignment())
    with next_hop({"RCPT": "550 5.1.1 no", "RSET": SILENT}) as hop:
        assert carried(hop, consignment(), consignment(), world=HASTY)[1] == [LATE]


def test_a_server_that_does_not_answer_quit_holds_nobody_up() -> None:
    async def send() -> float:
        carrier = await opened(plan_to(hop))
        assert await carrier.carry(consignment()) == [TAKEN]
        loop = asyncio.get_running_loop()
        begun = loop.time()
        await carrier.close()
        return loop.time() - begun

    with next_hop({"QUIT": WAIT}) as hop:
        assert run(send()) < 5
