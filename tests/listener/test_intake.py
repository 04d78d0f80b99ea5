# SPDX-License-Identifier: Apache-2.0
"""The content of a transaction on its way in: kept, looked at only by who has to, and left behind without a trace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from genkan.listener.intake import Intake
from genkan.policy.facts import ConnectionFacts, ContentFacts, TransactionFacts
from genkan.smtp.address import Mailbox
from genkan.smtp.command import MailParameters
from genkan.smtp.events import ContentEnded
from tests.listener.ruled import MESSAGE, block, call, kept, ruled, send
from tests.support.caller import Caller, leftovers, proxy_v1
from tests.support.clamd_server import MARKER, clamd_server
from tests.support.server import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import TypeVar

    from tests.support.server import RunningServer

    T = TypeVar("T")

TRACE: Final = b"Received: x\r\n"
FILTERED: Final = {"mail.dat": block("100", subject="other")}


def on_loop(server: RunningServer, function: Callable[[Intake], T], account: str = "", client: str = "192.0.2.10") -> T:
    """Call something with a new intake, which is discarded afterwards."""

    def run() -> T:
        house = server.worker.listeners[0].door.house
        connection = ConnectionFacts(client, "smtp")
        transaction = TransactionFacts(
            connection, 0.0, Mailbox("x", "out.test"), blank=False, parameters=MailParameters()
        )
        owner = house.directory.account(Mailbox(account, "in.test")) if account else None
        if owner is not None:
            transaction.accounts[owner.address] = owner
        intake = Intake(house, transaction, "B0000000001", TRACE)
        try:
            return function(intake)
        finally:
            intake.discard()

    return server.call(run)  # type: ignore[return-value]


def taken(*pieces: bytes) -> Callable[[Intake], ContentFacts]:
    """Feed pieces and end."""

    def take(intake: Intake) -> ContentFacts:
        for piece in pieces:
            intake.feed(piece)
        return intake.ended(ContentEnded(None, sum(map(len, pieces))))

    return take


def test_who_judges_the_content_is_shown_its_header_size_and_text(tmp_path: Path) -> None:
    with ruled(tmp_path, FILTERED) as server:
        facts = on_loop(server, taken(b"Received: a\r\nSub", b"ject: hello\r", b"\n\r\nOne ", b"line.\r\n"))
    assert (facts.size, facts.fault, facts.header.received, facts.header.subject) == (42, None, 1, b"hello")
    assert facts.text is not None
    assert (facts.text.header.text("subject"), list(facts.text.texts)) == ("hello", ["One line.\r\n"])


@pytest.mark.parametrize(
    ("documents", "settings", "account", "reads"),
    [
        ({}, "", "ann", False),
        ({"mail.dat": "' nothing\n"}, "", "ann", False),
        (FILTERED, "", "", True),
        ({"mail.dat of bob@in.test": block("100")}, "", "ann", False),
        ({"mail.dat of bob@in.test": block("100")}, "", "bob", True),
        (FILTERED, "[filter]\nenabled = false\n", "ann", False),
        (FILTERED, '[filter]\nexempt = ["192.0.2.0/24"]\n', "ann", False),
    ],
)
def test_text_is_read_only_where_a_rule_wants_it(
    tmp_path: Path, documents: dict[str, str], settings: str, account: str, reads: bool
) -> None:
    with ruled(tmp_path, documents, settings) as server:
        facts = on_loop(server, taken(MESSAGE), account)
        assert (facts.text is not None) == reads


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(
    ("content", "header"),
    [
        (MESSAGE, b"Subject: hello\r\n"),
        (b"A: b\r\n c\r\nD: e\r\n\r\n\r\nbody\r\n", b"A: b\r\n c\r\nD: e\r\n"),
        (b"\r\nbody\r\n", b""),
        (b"A: b\r\n", b"A: b\r\n"),
        (b"", b""),
    ],
)
def test_the_header_section_is_given_back_as_it_came(tmp_path: Path, content: bytes, header: bytes, size: int) -> None:
    pieces = [content[at : at + size] for at in range(0, len(content), size)]

    def section(intake: Intake) -> bytes:
        taken(*pieces)(intake)
        return intake.section

    with ruled(tmp_path, FILTERED) as server:
        assert on_loop(server, section) == header


def test_the_record_gets_as_much_of_the_header_section_as_it_keeps(tmp_path: Path) -> None:
    def start(intake: Intake) -> bytes:
        taken(b"Subject: hello\r\n", b"X: y\r\n\r\nbody\r\n")(intake)
        return intake.header_start()

    with ruled(tmp_path / "a", {}, "[record]\nheader_size = 20\n") as server:
        assert on_loop(server, start) == b"Subject: hello\r\nX: y"
    with ruled(tmp_path / "b", {}, "[record]\nenabled = false\n") as server:
        assert on_loop(server, start) == b""


def test_what_is_discarded_leaves_nothing(tmp_path: Path) -> None:
    with ruled(tmp_path, FILTERED) as server:
        on_loop(server, taken(MESSAGE + b"x" * 300_000))
        assert server.call(lambda: leftovers(server)) == (0, 0)
    assert kept(server.config) == []


# The scanner.


def scanning(address: str, more: str = "") -> str:
    return f'[filter]\nscanner = "{address}"\n{more}'


def test_the_scanner_is_shown_the_content_and_not_our_field(tmp_path: Path) -> None:
    with clamd_server() as scanner, ruled(tmp_path, {}, scanning(scanner.address)) as server:
        with call(server) as caller:
            assert send(caller, MESSAGE, b"ann") == 250
            assert send(caller, MESSAGE + MARKER, b"ann") == 552
        assert scanner.contents == [MESSAGE, MESSAGE + MARKER]
    assert [message.content for message in kept(server.config)] == [MESSAGE]


def test_an_exempt_client_is_not_scanned(tmp_path: Path) -> None:
    settings = 'exempt = ["192.0.2.0/24"]\n'
    with clamd_server() as scanner, ruled(tmp_path, {}, scanning(scanner.address, settings)) as server:
        with call(server) as caller:
            assert send(caller, MESSAGE + MARKER, b"ann") == 250
        with call(server, "198.51.100.1") as caller:
            assert send(caller, MESSAGE + MARKER, b"ann") == 552
        assert len(scanner.contents) == 1


def test_a_scan_ends_with_its_client(tmp_path: Path) -> None:
    with clamd_server() as scanner, ruled(tmp_path, {}, scanning(scanner.address)) as server:
        with Caller(server, first=proxy_v1("192.0.2.10")) as caller:
            caller.ask(b"EHLO c", b"MAIL FROM:<>", b"RCPT TO:<ann@in.test>", b"DATA")
            caller.send(b"x" * 100_000)
            until(lambda: bool(scanner.chunks), "the beginning of the scan")
        scanner.until_ended()
        assert scanner.contents == []


@pytest.mark.parametrize("level", ["100", "110"])
def test_a_scan_ends_when_a_rule_has_refused_the_message(tmp_path: Path, level: str) -> None:
    with (
        clamd_server() as scanner,
        ruled(tmp_path, {"mail.dat": block(level)}, scanning(scanner.address)) as server,
        call(server) as caller,
    ):
        scanner.silent = True
        caller.ask(b"MAIL FROM:<>", b"RCPT TO:<ann@in.test>", b"DATA")
        caller.send(MESSAGE + b"x\r\n" * 100_000)
        until(lambda: bool(scanner.chunks), "the beginning of the scan")
        assert caller.ask(b".") == [552]
        scanner.silent = False
        scanner.until_ended()
        assert caller.ask(b"NOOP") == [250]
