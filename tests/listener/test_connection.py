# SPDX-License-Identifier: Apache-2.0
"""Connections over real sockets: order, flow, every way to leave, time-outs, limits, the end of the server, failures of ours."""

from __future__ import annotations

import json
import logging
import re
import socket
import threading
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import apsw
import pytest

from genkan.listener import connection as module
from genkan.listener.connection import MOST_BUFFERED
from genkan.record.entry import ConnectionEntry
from genkan.record.files import FOLDER
from genkan.record.reader import RecordReader, Wanted
from tests.support.caller import (
    BEGIN,
    MESSAGE,
    PLAINTEXT,
    TLS,
    Caller,
    client_hello,
    connections,
    install,
    leftovers,
    reception,
)
from tests.support.server import serving, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.server import RunningServer

MINUTE: Final = timedelta(minutes=1)
EHLO: Final = b"EHLO client.test"
MAIL: Final = b"MAIL FROM:<x@out.test>"
RCPT: Final = b"RCPT TO:<ann@in.test>"
SUBMIT: Final = [EHLO, MAIL, RCPT, b"DATA"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    with reception(tmp_path) as running:
        yield running


@pytest.fixture(autouse=True)
def _nothing_unexpected(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """The event loop and its transports complain of nothing."""
    yield
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


def entries(server: RunningServer, event: str) -> list[dict[str, str]]:
    """The lines of the mail log about such an event."""
    return [entry for entry in map(json.loads, server.log.splitlines()) if entry["event"] == event]


def reasons(server: RunningServer) -> list[str]:
    """Why connections have ended, in order."""
    return [entry["reason"] for entry in entries(server, "connection")]


def settle(server: RunningServer) -> None:
    """Let the server read what was sent: a few turns of its event loop."""
    for _ in range(3):
        server.call(lambda: None)


def in_data(server: RunningServer) -> Caller:
    caller = Caller(server)
    assert caller.ask(*SUBMIT) == [250, 250, 250, 354]
    return caller


# Order and flow.


@pytest.mark.parametrize("turn", [0, 10])
def test_commands_in_one_write_get_all_replies_in_order(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch, turn: float
) -> None:
    monkeypatch.setitem(vars(module), "_TURN", turn)
    with Caller(server) as caller:
        caller.send(
            BEGIN
            + b"DATA\r\n"
            + MESSAGE
            + b".\r\nNOOP\r\nMAIL FROM:<>\r\nRCPT TO:<no@in.test>\r\nDATA\r\nRSET\r\nQUIT\r\n"
        )
        assert caller.codes(11) == [250, 250, 250, 354, 250, 250, 250, 550, 503, 250, 221]
        assert caller.rest() == b""


def test_a_client_that_waits_for_the_disk_again_and_again_is_answered_in_order(server: RunningServer) -> None:
    with Caller(server) as caller:
        transaction = BEGIN[18:] + b"DATA\r\n" + MESSAGE + b".\r\n"
        caller.send(EHLO + b"\r\n" + transaction * 50 + b"QUIT\r\n")
        assert caller.codes(1 + 50 * 4 + 1) == [250] + [250, 250, 354, 250] * 50 + [221]


def test_what_is_sent_before_the_greeting_is_answered_after_it(server: RunningServer) -> None:
    with Caller(server, first=b"NOOP\r\nQUIT\r\n", greeted=False) as caller:
        assert caller.codes(3) == [220, 250, 221]


@contextmanager
def held_up(server: RunningServer) -> Iterator[None]:
    """The server's event loop stands still during the block: what is sent meanwhile is read at once."""
    released = threading.Event()
    server._loop.call_soon_threadsafe(released.wait, 10)
    yield
    released.set()


def test_a_client_that_sends_many_commands_at_once_leaves_room_for_others(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(vars(module), "_TURN", 0)
    with Caller(server) as many, Caller(server) as one:
        with held_up(server):
            many.send(b"EHLO x\r\n" + b"MAIL FROM:<>\r\nRSET\r\n" * 1000)
            one.send(b"EHLO x\r\n")
        assert one.code() == 250
        assert any(connection._session.buffered for connection in connections(server))
        assert many.codes(2001) == [250] * 2001


def test_a_client_that_leaves_in_the_middle_of_its_commands_leaves_nothing_behind(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(vars(module), "_TURN", 0)
    with Caller(server) as many:
        with held_up(server):
            many.send(b"EHLO x\r\n" + b"MAIL FROM:<>\r\nRSET\r\n" * 1000)
        many.reset()
        until(lambda: not connections(server), "the end of the connection")
    with Caller(server) as caller:
        assert caller.ask(b"NOOP") == [250]


def test_a_client_that_reads_no_replies_costs_little_and_is_sent_away(tmp_path: Path) -> None:
    with reception(tmp_path, 'replies = "rfc"') as server:
        caller = Caller(server, buffer=4096)
        with held_up(server):
            caller.send_until_full(b"EHLO x\r\n" * 1000)
        caller.send_until_full(b"EHLO x\r\n" * 1000)
        (connection,) = connections(server)
        assert connection._transport.get_write_buffer_size() < 128 * 1024
        assert connection._session.buffered < 512 * 1024
        server.advance(timedelta(minutes=6))
        until(lambda: not connections(server), "the end of the connection")
        caller.close()


def test_a_client_that_reads_its_replies_late_gets_them_all(tmp_path: Path) -> None:
    with reception(tmp_path) as server, Caller(server, buffer=65536) as caller:
        command = b"NOOP and some more words\r\n"
        whole = caller.send_until_full(command) // len(command)
        assert whole > 10_000
        assert caller.octets(15 * whole) == b"250 2.0.0 ok.\r\n" * whole


def test_octets_sent_ahead_of_an_answer_are_held_back_by_the_network(tmp_path: Path) -> None:
    with reception(tmp_path, PLAINTEXT) as server, Caller(server) as caller:
        caller.ask(EHLO)
        caller.send(b"AUTH PLAIN AGFubgB3cm9uZw==\r\n" + b"NOOP\r\n" * 100_000)
        assert caller.code() == 535
        assert caller.octets(15 * 100_000) == b"250 2.0.0 ok.\r\n" * 100_000
        assert MOST_BUFFERED < 600_000


# Leaving.

STAGES: Final = {
    "before a word": b"",
    "within a command": b"EHLO cli",
    "after EHLO": EHLO + b"\r\n",
    "after MAIL": EHLO + b"\r\n" + MAIL + b"\r\n",
    "after RCPT": BEGIN,
    "after DATA": BEGIN + b"DATA\r\n",
    "within content": BEGIN + b"DATA\r\nSubject: a\r\n\r\nhalf a li",
    "within the final dot": BEGIN + b"DATA\r\n" + MESSAGE + b".\r",
    "within big content": BEGIN + b"DATA\r\n" + b"x" * 70 + b"\r\n" + (b"y" * 998 + b"\r\n") * 2000,
    "after the final dot": BEGIN + b"DATA\r\n" + MESSAGE + b".\r\n",
    "within a chunk": BEGIN + b"BDAT 100\r\nSubject: a\r\n",
    "between chunks": BEGIN + b"BDAT 12\r\nSubject: a\r\n",
    "within AUTH": EHLO + b"\r\nAUTH CRAM-MD5\r\n",
    "while a password is checked": EHLO + b"\r\nAUTH PLAIN AGFubgB3cm9uZw==\r\n",
    "before the handshake": EHLO + b"\r\nSTARTTLS\r\n",
    "in refused content": BEGIN + b"DATA\r\na\nb\r\n" + b"x" * 1000,
}


@pytest.mark.parametrize("impolite", [False, True])
def test_whenever_a_client_leaves_nothing_of_it_is_left(tmp_path: Path, impolite: bool) -> None:
    with reception(tmp_path, TLS + PLAINTEXT) as server:
        for octets in STAGES.values():
            caller = Caller(server)
            caller.send(octets)
            caller.reset() if impolite else caller.close()
        until(lambda: len(reasons(server)) == len(STAGES), "the end of all connections")
        assert server.call(lambda: leftovers(server)) == (0, 0)
        assert entries(server, "failure") == []
        live = server.worker._spools[0]._segments._live
        until(lambda: not any(live.values()), "the release of all extents")


def test_a_client_that_ends_its_sending_gets_its_answers_and_is_let_go(server: RunningServer) -> None:
    with Caller(server) as caller:
        caller.send(BEGIN + b"DATA\r\n" + MESSAGE + b".\r\nNOOP\r\n")
        caller.end_sending()
        assert caller.codes(6) == [250, 250, 250, 354, 250, 250]
        assert caller.rest() == b""


def test_the_log_says_how_each_connection_ended(server: RunningServer) -> None:
    with Caller(server) as caller:
        caller.ask(b"QUIT")
        caller.rest()
    with Caller(server) as caller:
        caller.ask(EHLO)
    until(lambda: len(reasons(server)) == 2, "two lines")
    assert reasons(server) == ["quit", "client closed"]


# Time.


@pytest.mark.parametrize(
    "stage", ["before a word", "within a command", "after RCPT", "within content", "within a chunk", "within AUTH"]
)
def test_a_silent_client_is_sent_away(server: RunningServer, stage: str) -> None:
    with Caller(server) as caller:
        caller.send(STAGES[stage])
        settle(server)
        server.advance(5 * MINUTE)
        assert caller.rest().endswith(b"421 mx.in.test closing connection.\r\n")
    until(lambda: reasons(server) == ["idle"], "the end")


def test_a_client_that_sends_a_command_by_the_octet_is_silent(server: RunningServer) -> None:
    with Caller(server) as caller:
        for octet in b"NOOP ":
            caller.send(bytes((octet,)))
            settle(server)
            server.advance(MINUTE)
        assert caller.rest().startswith(b"421 ")


def test_a_client_that_goes_on_with_its_content_is_not_silent(server: RunningServer) -> None:
    with in_data(server) as caller:
        for _ in range(10):
            caller.send(b"a line\r\n")
            settle(server)
            server.advance(4 * MINUTE)
        caller.send(b".\r\n")
        assert caller.code() == 250


def test_a_client_whose_content_is_only_skipped_is_not_silent(tmp_path: Path) -> None:
    with reception(tmp_path, "[limits]\nmessage_size = 1000") as server, in_data(server) as caller:
        for _ in range(10):
            caller.send((b"x" * 900 + b"\r\n") * 2)
            settle(server)
            server.advance(4 * MINUTE)
        caller.send(b".\r\n")
        assert caller.code() == 552


def test_a_client_that_takes_too_long_for_one_message_is_sent_away(server: RunningServer) -> None:
    with in_data(server) as caller:
        for _ in range(17):
            caller.send(b"a line\r\n")
            settle(server)
            server.advance(4 * MINUTE)
        assert caller.rest().startswith(b"421 4.4.2 mx.in.test Mail transaction took too long")


def test_between_transactions_a_client_may_stay_for_long(server: RunningServer) -> None:
    with Caller(server) as caller:
        for _ in range(30):
            assert caller.ask(b"NOOP") == [250]
            server.advance(4 * MINUTE)


# Limits.


def test_one_session_too_many_is_sent_away_until_one_leaves(tmp_path: Path) -> None:
    with reception(tmp_path, "[limits]\nsessions = 2") as server, Caller(server), Caller(server) as second:
        with Caller(server, greeted=False) as third:
            assert third.rest() == b"421 exceeds an accepting limit. ...\r\n"
        second.ask(b"QUIT")
        second.rest()
        until(lambda: len(connections(server)) == 1, "the end of the second")
        Caller(server).close()


def test_a_client_that_was_sent_away_does_not_count(tmp_path: Path) -> None:
    with reception(tmp_path, "[limits]\nsessions_per_client = 1") as server:
        for _ in range(5):
            with Caller(server), Caller(server, greeted=False) as second:
                assert second.code() == 421
            until(lambda: not connections(server), "the end of both")


# The server ends.


def test_when_the_server_stops_idle_sessions_end_and_open_transactions_finish(server: RunningServer) -> None:
    (listener,) = server.worker.listeners
    address = server.address()
    with Caller(server) as idle, in_data(server) as busy:
        server.call(listener.stop)
        assert idle.rest() == b"421 4.3.2 mx.in.test Shutting down, closing connection\r\n"
        busy.send(MESSAGE + b".\r\n")
        assert busy.codes(2) == [250, 421]
        assert busy.rest() == b""
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address)


@pytest.mark.parametrize("ending", [b"RSET", b"BDAT 0 LAST"])
def test_when_the_server_stops_a_session_ends_with_its_transaction(server: RunningServer, ending: bytes) -> None:
    (listener,) = server.worker.listeners
    with Caller(server) as caller:
        caller.ask(*SUBMIT[:3])
        server.call(listener.stop)
        assert caller.ask(b"NOOP", ending) == [250, 250]
        assert caller.rest().startswith(b"421 4.3.2 ")


def test_a_transaction_that_does_not_finish_in_time_is_given_up(tmp_path: Path) -> None:
    with serving(install(tmp_path, '[limits]\nshutdown = "0s"')) as server:
        caller = in_data(server)
    assert caller.rest().startswith(b"421 4.3.2 ")
    caller.close()


def test_a_client_that_reads_nothing_does_not_keep_the_server_from_stopping(tmp_path: Path) -> None:
    with serving(install(tmp_path, '[limits]\nshutdown = "0s"')) as server:
        caller = Caller(server, buffer=4096)
        caller.send_until_full(b"NOOP\r\n" * 1000)
    caller.close()


# STARTTLS.


@pytest.fixture
def tls_server(tmp_path: Path) -> Iterator[RunningServer]:
    with reception(tmp_path, TLS) as running:
        yield running


def test_octets_behind_starttls_end_the_connection_unanswered(tls_server: RunningServer) -> None:
    with Caller(tls_server) as caller:
        caller.ask(EHLO)
        caller.send(b"STARTTLS\r\nMAIL FROM:<x@out.test>\r\n")
        assert caller.rest() == b""
    until(lambda: reasons(tls_server) == ["octets behind STARTTLS"], "the end")


def test_commands_in_place_of_the_handshake_end_the_connection_unanswered(tls_server: RunningServer) -> None:
    for _ in range(20):
        with Caller(tls_server) as caller:
            assert caller.ask(EHLO, b"STARTTLS") == [250, 220]
            caller.send(b"EHLO client.test\r\nMAIL FROM:<x@out.test>\r\n")
            assert b"250" not in caller.rest()


def test_what_comes_right_behind_the_handshake_is_answered_under_tls(tls_server: RunningServer) -> None:
    for _ in range(20):
        with Caller(tls_server) as caller:
            assert caller.ask(EHLO, b"STARTTLS") == [250, 220]
            assert caller.start_tls_and_say(BEGIN + b"QUIT\r\n", 4) == [250, 250, 250, 221]


def test_a_client_may_leave_at_any_point_of_the_handshake(tls_server: RunningServer) -> None:
    hello = client_hello()
    for length in (0, 1, 5, 6, 100, len(hello)):
        with Caller(tls_server) as caller:
            caller.ask(EHLO, b"STARTTLS")
            caller.send(hello[:length])
    until(lambda: len(reasons(tls_server)) == 6, "the end of all connections")
    assert entries(tls_server, "failure") == []


def test_what_was_said_in_clear_is_forgotten_under_tls(tls_server: RunningServer) -> None:
    with Caller(tls_server) as caller:
        caller.ask(EHLO, b"STARTTLS")
        caller.start_tls()
        assert caller.ask(b"AUTH PLAIN =", b"RCPT TO:<ann@in.test>", EHLO, b"STARTTLS") == [503, 503, 250, 503]


def test_the_record_of_a_connection_goes_on_under_tls(tls_server: RunningServer) -> None:
    with Caller(tls_server) as caller:
        caller.ask(EHLO, b"XYZ", b"STARTTLS")
        caller.start_tls()
        assert caller.ask(EHLO, MAIL, b"RSET", b"QUIT") == [250, 250, 250, 221]
    record = RecordReader(tls_server.config.storage_folder / FOLDER)
    until(lambda: len(list(record.oldest_first(Wanted()))) == 2, "both entries")
    transaction, connection = record.oldest_first(Wanted())
    assert isinstance(connection, ConnectionEntry)
    assert transaction.session == connection.session
    assert [refusal.line for refusal in connection.refusals] == ["3 octets"]


def test_a_message_under_tls_is_as_any_other(tls_server: RunningServer) -> None:
    with Caller(tls_server) as caller:
        caller.ask(EHLO, b"STARTTLS")
        caller.start_tls()
        caller.send(BEGIN + b"DATA\r\n" + MESSAGE + (b"x" * 70 + b"\r\n") * 10_000 + b".\r\nQUIT\r\n")
        assert caller.codes(6) == [250, 250, 250, 354, 250, 221]
        assert caller.rest() == b""
    until(lambda: len(entries(tls_server, "connection")) == 1, "the end")
    (entry,) = entries(tls_server, "connection")
    assert entry["tls"].startswith("TLSv1.3 ")


# Failures of ours.


def told_of_failure(server: RunningServer, said: str) -> None:
    """What was said is a 451 with an id, and the log tells the failure under that id."""
    match = re.fullmatch(r"451 4\.3\.0 Local error, try again later, id (\w+)", said)
    assert match, said
    assert [entry["id"] for entry in entries(server, "failure") if entry["id"] == match[1]] == [match[1]]


def damage(server: RunningServer) -> None:
    """Overwrite all pages of the directory but the first, and let the server forget what it has read."""
    file = server.config.storage_folder / "directory.db"
    connection = apsw.Connection(str(file))
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    octets = file.read_bytes()
    with file.open("r+b") as open_file:
        open_file.write(octets[:4096] + b"\xa5" * (len(octets) - 4096))
    store = server.worker.directory._store

    def forget() -> None:
        store.drop_caches()
        store._connection.execute("PRAGMA shrink_memory")

    server.call(forget)


@pytest.mark.parametrize("line", [MAIL, b"MAIL FROM:<ann@in.test>", b"AUTH CRAM-MD5", b"VRFY ann"])
def test_a_damaged_directory_is_a_temporary_error_with_an_id_in_the_log(tmp_path: Path, line: bytes) -> None:
    with reception(tmp_path, "[smtp]\nvrfy = true") as server, Caller(server) as caller:
        caller.ask(EHLO)
        damage(server)
        caller.send(line + b"\r\n")
        said = caller.line()
        if said.startswith("334"):
            caller.send(b"YW5uIDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAw\r\n")
            said = caller.line()
        told_of_failure(server, said)
        assert caller.rest() == b""


def test_a_damaged_directory_greets_nobody(server: RunningServer) -> None:
    damage(server)
    with Caller(server, greeted=False) as caller:
        told_of_failure(server, caller.line())
        assert caller.rest() == b""


def test_a_failure_while_a_password_is_checked_is_no_answer_about_it(tmp_path: Path) -> None:
    with reception(tmp_path, PLAINTEXT) as server, Caller(server) as caller:
        caller.ask(EHLO)
        damage(server)
        caller.send(b"AUTH PLAIN AGFubgB3cm9uZw==\r\n")
        told_of_failure(server, caller.line())


def test_a_failure_in_a_transaction_leaves_no_message_behind(server: RunningServer) -> None:
    with Caller(server) as caller:
        assert caller.ask(EHLO, MAIL, RCPT) == [250, 250, 250]
        damage(server)
        caller.send(b"RCPT TO:<bob@in.test>\r\nDATA\r\n" + MESSAGE + b".\r\n")
        told_of_failure(server, caller.line())
        assert caller.rest() == b""
    assert entries(server, "accepted") == []
