# SPDX-License-Identifier: Apache-2.0
"""What the reception makes of a session's questions: what is kept of a message, AUTH and lock-outs, VRFY, words and the log."""

from __future__ import annotations

import base64
import json
import re
import smtplib
from datetime import timedelta
from email import message_from_bytes
from typing import TYPE_CHECKING, Any, Final

import apsw
import pytest
from scramp import ScramClient

from genkan.smtp.address import Mailbox
from tests.support.caller import BEGIN, MESSAGE, PASSWORD, PLAINTEXT, Caller, connections, listener, proxy_v1, reception
from tests.support.server import maildir, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.server import RunningServer

EHLO: Final = b"EHLO client.test"
ANN: Final = "ann@in.test"
CLIENT: Final = "192.0.2.10"
RIGHT: Final = b"AUTH PLAIN " + base64.b64encode(f"\0{ANN}\0{PASSWORD}".encode())
WRONG: Final = b"AUTH PLAIN " + base64.b64encode(f"\0{ANN}\0wrong-secret".encode())
LOCKING: Final = PLAINTEXT + 'lockout_failures = 3\nlockout_time = "15m"\n'


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    with reception(tmp_path, PLAINTEXT) as running:
        yield running


def entries(server: RunningServer, event: str) -> list[dict[str, Any]]:
    """The lines of the mail log about such an event."""
    return [entry for entry in map(json.loads, server.log.splitlines()) if entry["event"] == event]


def delivered(server: RunningServer, count: int) -> list[bytes]:
    """Ann's mail, once there is so much of it."""
    until(lambda: len(maildir(server.config, ANN)) >= count, f"{count} messages")
    return maildir(server.config, ANN)


def received_field(message: bytes) -> str:
    """Our trace field on one line."""
    return " ".join(str(message_from_bytes(message)["Received"]).split())


# Messages.


def test_two_names_of_one_mailbox_get_one_copy(server: RunningServer) -> None:
    with Caller(server) as caller:
        caller.send(
            BEGIN + b"RCPT TO:<sales@in.test>\r\nRCPT TO:<ANN+news@in.test>\r\nDATA\r\n" + MESSAGE + b".\r\nQUIT\r\n"
        )
        assert caller.codes(8) == [250, 250, 250, 250, 250, 354, 250, 221]
    (message,) = delivered(server, 1)
    assert message.endswith(MESSAGE)


def test_the_trace_field_tells_what_the_session_knew(server: RunningServer) -> None:
    with Caller(server) as caller:
        caller.ask(EHLO, RIGHT)
        caller.send(b"MAIL FROM:<ann@in.test>\r\nRCPT TO:<sales@in.test>\r\nDATA\r\n" + MESSAGE + b".\r\n")
        assert caller.codes(4) == [250, 250, 354, 250]
    (message,) = delivered(server, 1)
    assert received_field(message) == (
        "from client.test (unverified [127.0.0.1]) by mx.in.test (Genkan ESMTP receiver) with ESMTPA "
        "id <B0000000001@mx.in.test> for <sales@in.test>; Mon, 23 Nov 2026 12:00:00 +0000"
    )


def test_no_recipient_is_named_to_another(server: RunningServer) -> None:
    with Caller(server) as caller:
        caller.send(BEGIN + b"RCPT TO:<bob@in.test>\r\nDATA\r\n" + MESSAGE + b".\r\n")
        assert caller.codes(6) == [250, 250, 250, 250, 354, 250]
    (message,) = delivered(server, 1)
    assert " for " not in received_field(message)
    assert b"bob@in.test" not in message


def test_nothing_goes_from_one_message_into_the_next(server: RunningServer) -> None:
    with Caller(server) as caller:
        caller.ask(EHLO)
        for recipient, body in ((b"ann", b"first"), (b"bob", b"second"), (b"ann", b"third")):
            assert caller.ask(b"MAIL FROM:<x@out.test>", b"RCPT TO:<%b@in.test>" % recipient, b"DATA") == [
                250,
                250,
                354,
            ]
            assert caller.ask(b"Subject: x\r\n\r\n%b\r\n." % body) == [250]
    messages = delivered(server, 2)
    assert [message.rpartition(b"\r\n\r\n")[2] for message in messages] == [b"first\r\n", b"third\r\n"]
    accepted = entries(server, "accepted")
    assert [entry["id"] for entry in accepted] == ["B0000000001", "B0000000002", "B0000000003"]
    assert [entry["recipients"] for entry in accepted] == [[ANN], ["bob@in.test"], [ANN]]


@pytest.mark.parametrize("ending", [b"RSET", b"EHLO client.test"])
def test_an_aborted_message_leaves_nothing(tmp_path: Path, ending: bytes) -> None:
    with reception(tmp_path, 'replies = "rfc"') as server, Caller(server) as caller:
        caller.send(
            BEGIN + b"BDAT 5\r\nfirst" + ending + b"\r\nMAIL FROM:<>\r\nRCPT TO:<ann@in.test>\r\nBDAT 6 LAST\r\nsecond"
        )
        assert caller.codes(8) == [250] * 8
        (message,) = delivered(server, 1)
        assert message.endswith(b"\r\nsecond")
        assert b"first" not in message


def test_a_refused_message_leaves_nothing(server: RunningServer) -> None:
    with Caller(server) as caller:
        caller.send(BEGIN + b"DATA\r\n" + b"Received: x\r\n" * 21 + b"\r\n.\r\n")
        assert caller.codes(5) == [250, 250, 250, 354, 554]
        assert caller.ask(b"RCPT TO:<ann@in.test>") == [503]
    assert entries(server, "accepted") == []


def test_size_counts_anew_for_each_message(tmp_path: Path) -> None:
    with reception(tmp_path, "[limits]\nmessage_size = 1000") as server, Caller(server) as caller:
        for size, code in ((995, 250), (1100, 552), (995, 250)):
            caller.send(BEGIN[18:] + b"DATA\r\nS: x\r\n\r\n" + b"x" * (size - 10) + b"\r\n.\r\n")
            assert caller.codes(4) == [250, 250, 354, code]


# The log.


def test_every_refusal_is_in_the_log_with_its_check(server: RunningServer) -> None:
    lines = [
        b"XYZ",
        EHLO,
        b"MAIL FROM:<ann@in.test>",
        b"MAIL FROM:<x@out.test>",
        b"RCPT TO:<no@in.test>",
        b"RCPT TO:<y@out.test>",
    ]
    with Caller(server) as caller:
        assert caller.ask(*lines) == [500, 250, 503, 250, 550, 550]
    assert [(entry["check"], entry["reply"]) for entry in entries(server, "refused")] == [
        ("session", "COMMAND_UNRECOGNIZED"),
        ("authentication", "NEED_EHLO_BEFORE_AUTH"),
        ("known-recipient", "USER_UNKNOWN"),
        ("relay", "RELAY_DENIED"),
    ]


def test_a_refusal_carries_the_id_of_its_own_message_only(server: RunningServer) -> None:
    refused = b"MAIL FROM:<ann@in.test>\r\n"
    too_many_hops = BEGIN[18:] + b"DATA\r\n" + b"Received: x\r\n" * 21 + b"\r\n.\r\n"
    with Caller(server) as caller:
        caller.send(BEGIN + b"DATA\r\n" + MESSAGE + b".\r\n" + refused + too_many_hops + refused)
        assert caller.codes(11) == [250, 250, 250, 354, 250, 503, 250, 250, 354, 554, 503]
    told = [(entry["check"], entry["id"], entry["reverse_path"]) for entry in entries(server, "refused")]
    assert told == [
        ("authentication", None, "ann@in.test"),
        ("hops", "B0000000002", "x@out.test"),
        ("authentication", None, "ann@in.test"),
    ]


def test_no_secret_is_in_the_log(server: RunningServer) -> None:
    secret = base64.b64encode(PASSWORD.encode())
    with Caller(server) as caller:
        caller.ask(
            b"AUTH PLAIN " + secret, EHLO, WRONG, RIGHT, RIGHT, b"AUTH LOGIN " + secret + b" x", b"AUTH " + secret * 500
        )
    with Caller(server) as caller:
        caller.ask(EHLO, b"AUTH LOGIN", base64.b64encode(ANN.encode()), secret)
        caller.ask(b"AUTH PLAIN " + secret + b"\n")
    with Caller(server) as caller:
        caller.ask(EHLO, b"AUTH LOGIN", base64.b64encode(b"p@ssword typed as a login"), secret)
    log = server.log
    assert '"authenticated"' in log
    for text in (PASSWORD, "p@ssword", "wrong-secret", secret.decode(), RIGHT[11:].decode(), WRONG[11:].decode()):
        assert text not in log


# AUTH.


def log_in(server: RunningServer, mechanism: str, password: str, *, initial: bool = True) -> int:
    """Log in as ann with Python's own client; the reply code."""
    host, port = server.address()
    with smtplib.SMTP(host, port, timeout=10) as client:
        client.ehlo()
        client.user, client.password = ANN, password
        method = getattr(client, f"auth_{mechanism.lower().replace('-', '_')}")
        try:
            return client.auth(mechanism, method, initial_response_ok=initial)[0]
        except smtplib.SMTPAuthenticationError as error:
            return error.smtp_code


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
@pytest.mark.parametrize("initial", [True, False])
def test_smtplib_logs_in_by(server: RunningServer, mechanism: str, initial: bool) -> None:
    if mechanism == "CRAM-MD5" and initial:
        initial = False  # the server speaks first
    assert log_in(server, mechanism, PASSWORD, initial=initial) == 235
    assert log_in(server, mechanism, "wrong", initial=initial) == 535
    (entry,) = entries(server, "authenticated")
    assert (entry["account"], entry["mechanism"]) == (ANN, mechanism)


def scram(caller: Caller, password: str, *, initial: bool) -> int:
    """Log in by SCRAM-SHA-256; the last reply code."""

    def turn(line: bytes) -> str:
        caller.send(line + b"\r\n")
        reply = caller.line()
        return base64.b64decode(reply[4:]).decode() if reply.startswith("334 ") else reply

    client = ScramClient(["SCRAM-SHA-256"], ANN, password)
    first = base64.b64encode(client.get_client_first().encode())
    if initial:
        said = turn(b"AUTH SCRAM-SHA-256 " + first)
    else:
        caller.send(b"AUTH SCRAM-SHA-256\r\n")
        assert caller.line() == "334 "
        said = turn(first)
    client.set_server_first(said)
    said = turn(base64.b64encode(client.get_client_final().encode()))
    if said.startswith("v="):
        client.set_server_final(said)
        said = turn(b"")
    return int(said[:3])


@pytest.mark.parametrize("initial", [True, False])
def test_scram_logs_in_and_proves_the_server(server: RunningServer, initial: bool) -> None:
    with Caller(server) as caller:
        caller.ask(EHLO)
        assert scram(caller, "wrong", initial=initial) == 535
        assert scram(caller, PASSWORD, initial=initial) == 235
        assert caller.ask(b"MAIL FROM:<ann@in.test>") == [250]


def test_a_password_that_cannot_be_checked_is_a_temporary_error_and_no_failure_of_the_client(
    server: RunningServer,
) -> None:
    connection = apsw.Connection(str(server.config.storage_folder / "directory.db"))
    connection.execute("UPDATE account SET password_hash = 'damaged' WHERE password_hash IS NOT NULL")
    connection.close()
    server.call(server.worker.directory._store.drop_caches)
    with Caller(server) as caller:
        caller.ask(EHLO)
        caller.send(RIGHT + b"\r\n")
        told = re.fullmatch(r"454 4\.7\.0 Temporary authentication failure, id (\w+)", caller.line())
        assert told
        assert caller.ask(b"NOOP") == [250]
    (entry,) = entries(server, "refused")
    assert (entry["reply"], entry["id"]) == ("AUTH_UNAVAILABLE", told[1])
    assert "PLAIN for ann@in.test" in entry["detail"]


# Lock-outs.


@pytest.fixture
def locking(tmp_path: Path) -> Iterator[RunningServer]:
    with reception(tmp_path, LOCKING, listener(proxied=True)) as running:
        yield running


def cut_off(server: RunningServer, client_address: str) -> bool:
    """Whether a client of that address is sent away without a word."""
    with Caller(server, first=proxy_v1(client_address) + b"QUIT\r\n", greeted=False) as caller:
        return caller.rest() == b""


WRONG_DIGEST: Final = base64.b64encode(b"ann@in.test " + b"0" * 32)
FAILURES: Final = {
    "a wrong password": WRONG,
    "a malformed message": b"AUTH PLAIN nonsense",
    "no base64": b"AUTH PLAIN no-base64",
    "an overlong answer": b"AUTH PLAIN\r\n" + b"x" * 13000,
    "a wrong digest": b"AUTH CRAM-MD5\r\n" + WRONG_DIGEST,
    "a malformed SCRAM message": b"AUTH SCRAM-SHA-256 nonsense",
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_a_client_that_fails_too_often_is_cut_off_for_a_while(locking: RunningServer, failure: bytes) -> None:
    for _ in range(2):
        with Caller(locking, first=proxy_v1(CLIENT)) as caller:
            caller.ask(EHLO)
            caller.send(failure + b"\r\n")
            caller.ask(b"NOOP")
            caller.ask(b"NOOP")
    with Caller(locking, first=proxy_v1(CLIENT)) as caller:
        caller.ask(EHLO)
        caller.send(failure + b"\r\n" + BEGIN[18:] + b"DATA\r\n" + MESSAGE + b".\r\n")
        assert b"250 " not in caller.rest()
    assert cut_off(locking, CLIENT)
    assert not cut_off(locking, "192.0.2.11")
    locking.advance(timedelta(minutes=15))
    with Caller(locking, first=proxy_v1(CLIENT)) as caller:
        assert caller.ask(EHLO, RIGHT) == [250, 235]
        caller.send(BEGIN[18:] + b"DATA\r\n" + MESSAGE + b".\r\n")
        assert caller.codes(4) == [250, 250, 354, 250]
    assert len(entries(locking, "accepted")) == 1


def test_other_connections_of_a_locked_client_end_with_their_next_failure(locking: RunningServer) -> None:
    callers = [Caller(locking, first=proxy_v1(CLIENT)) for _ in range(3)]
    for caller in callers:
        caller.ask(EHLO)
    assert callers[0].ask(WRONG, WRONG, WRONG) == [535, 535, 535]
    for caller in callers[1:]:
        assert caller.ask(WRONG) == [535]
        assert caller.rest() == b""
    for caller in callers:
        caller.close()
    assert cut_off(locking, CLIENT)


def test_the_right_password_of_a_client_that_was_locked_meanwhile_is_a_failure_too(locking: RunningServer) -> None:
    guesser, waiting = (Caller(locking, first=proxy_v1(CLIENT)) for _ in range(2))
    waiting.ask(EHLO)
    assert guesser.ask(EHLO, WRONG, WRONG, WRONG) == [250, 535, 535, 535]
    assert waiting.ask(RIGHT) == [535]
    assert waiting.rest() == b""
    for caller in (guesser, waiting):
        caller.close()


def test_a_client_that_leaves_before_it_is_refused_has_failed_all_the_same(locking: RunningServer) -> None:
    for _ in range(3):
        with Caller(locking, first=proxy_v1(CLIENT)) as caller:
            caller.ask(EHLO)
            caller.send(WRONG + b"\r\n")
        until(lambda: not connections(locking), "the end of the connection")
    locks = locking.worker.directory.locks
    until(lambda: locking.call(lambda: locks.locked_until(CLIENT, locking.clock.now())) is not None, "the lock")
    assert cut_off(locking, CLIENT)


@pytest.mark.parametrize("client_address", ["127.0.0.1", "127.1.2.3"])
def test_loopback_is_never_locked(locking: RunningServer, client_address: str) -> None:
    for _ in range(3):
        with Caller(locking, first=proxy_v1(client_address)) as caller:
            assert caller.ask(EHLO, WRONG, WRONG, WRONG, WRONG) == [250, 535, 535, 535, 535]


def test_a_cancelled_auth_is_no_failure(locking: RunningServer) -> None:
    with Caller(locking, first=proxy_v1(CLIENT)) as caller:
        caller.ask(EHLO)
        assert caller.ask(*[b"AUTH PLAIN", b"*"] * 5) == [334, 501] * 5
        assert caller.ask(RIGHT) == [235]


# VRFY and EXPN.


@pytest.mark.parametrize("replies", ["epstrs-4.A7", "rfc"])
def test_vrfy_and_expn_find_accounts_and_aliases(tmp_path: Path, replies: str) -> None:
    with reception(tmp_path, f'replies = "{replies}"\n[smtp]\nvrfy = true') as server, Caller(server) as caller:
        for argument in (b"ann", b"ann@in.test", b"sales@in.test", b"<ann+x@in.test>"):
            for command in (b"VRFY ", b"EXPN "):
                caller.send(command + argument + b"\r\n")
                said = caller.line()
                assert said.startswith("250 2.")
                assert "Ann Example" in said
        assert caller.ask(b"VRFY nobody", b"VRFY x@out.test", b"VRFY @") == [550, 550, 550]


def test_a_full_name_beyond_ascii_is_not_shown(tmp_path: Path) -> None:
    with reception(tmp_path, "[smtp]\nvrfy = true") as server, Caller(server) as caller:
        accounts = server.worker.directory.accounts
        server.call(lambda: accounts.set(Mailbox("ann", "in.test"), name="\u5b89 \u5c71\u7530"))
        caller.send(b"VRFY ann\r\n")
        assert caller.line() == "250 2.0.0 ann ann ... User ok"


# SMTPUTF8.


def test_a_client_that_asked_for_smtputf8_is_answered_in_utf8(server: RunningServer) -> None:
    with Caller(server) as caller:
        caller.ask(EHLO)
        caller.send("MAIL FROM:<jos\u00e9@out.test> SMTPUTF8\r\nRCPT TO:<jos\u00e9@in.test>\r\nRSET\r\n".encode())
        assert caller.line() == "250 2.0.0 <jos\u00e9@out.test>... Sender ok."
        assert caller.line() == "550 5.1.1 jos\u00e9@in.test ... User unknown."
        caller.line()
        caller.send(b"MAIL FROM:<x@out.test>\r\n")
        caller.send("RCPT TO:<jos\u00e9@in.test>\r\n".encode())
        assert caller.codes(2) == [250, 553]


# Guessing.


def test_who_looks_for_addresses_is_sent_away(tmp_path: Path) -> None:
    with reception(tmp_path, "[limits]\nunknown_recipients = 3\n") as server, Caller(server) as caller:
        caller.ask(EHLO, b"MAIL FROM:<x@out.test>", b"RCPT TO:<ann@in.test>")
        unknown = b"RCPT TO:<nobody@in.test>"
        assert caller.ask(unknown, unknown, unknown) == [550, 550, 550]
        assert caller.rest().startswith(b"421 4.7.0 ")


@pytest.mark.parametrize("line", [b"POST / HTTP/1.1", b"get /", b"Host: mx.in.test", b"CONNECT mx.in.test:25 HTTP/1.1"])
def test_a_browser_is_not_listened_to(server: RunningServer, line: bytes) -> None:
    with Caller(server) as caller:
        caller.send(line + b"\r\n" + BEGIN + b"DATA\r\n" + MESSAGE + b".\r\n")
        assert caller.rest().startswith(b"500 5.5.2 command unrecognized: ")
    assert entries(server, "accepted") == []


def test_a_cancelled_and_an_unreadable_auth_are_in_the_log(server: RunningServer) -> None:
    with Caller(server) as caller:
        assert caller.ask(EHLO, b"AUTH LOGIN", b"*", b"AUTH PLAIN ?") == [250, 334, 501, 535]
    assert [entry["reply"] for entry in entries(server, "refused")] == ["AUTH_CANCELLED", "AUTH_NOT_BASE64"]
