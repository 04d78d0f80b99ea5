# SPDX-License-Identifier: Apache-2.0
"""What lies in the spool of a message whose origin was judged: our field first, nobody else's in our name, the rest untouched."""

from __future__ import annotations

import re
from base64 import b64encode
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pytest

from genkan.directory import Directory
from genkan.record.entry import TransactionEntry
from tests.listener.ruled import CLIENT, block, call, kept, record, ruled, send
from tests.support.caller import PASSWORD
from tests.support.dns_server import dns_server
from tests.support.signed_mail import key_of, signed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.caller import Caller
    from tests.support.server import RunningServer

ZONE: Final = """
out.test        300 TXT "v=spf1 ip4:192.0.2.10 -all"
_dmarc.out.test 300 TXT "v=DMARC1; p=reject"
"""
KEY: Final = key_of("ed25519")
KEY_RECORD: Final = f'sel._domainkey.out.test 300 TXT "{KEY.record}"\n'
TAGS: Final = "v=1; a=ed25519-sha256; c=relaxed/relaxed; d=out.test; s=sel; h=from:subject"
MARK: Final = 'spf.mode = "mark"\ndmarc.mode = "mark"\n'
OURS: Final = (
    b"Authentication-Results: mx.in.test;\r\n"
    b" dmarc=pass policy.dmarc=reject header.from=out.test;\r\n"
    b" spf=pass smtp.mailfrom=x@out.test;\r\n"
    b" dkim=none\r\n"
)
HEADER: Final = b"From: x@out.test\r\nSubject: hello\r\n"
TAGGED: Final = b"From: x@out.test\r\nSubject: [x] hello\r\n"
LINE: Final = b"x" * 70 + b"\r\n"
SIZES: Final = [10, 5_000, 300_000, 3_000_000]
FORGED: Final = (
    b"Authentication-Results: mx.in.test; dmarc=pass\r\n",
    b"authentication-results :\r\n (comment) MX.in.test 1;\r\n spf=pass\r\n",
    b'Authentication-Results: "mx.in.test"; none\r\n',
)
FOREIGN: Final = b"Authentication-Results: other.test; spf=fail\r\n"
IN_BODY: Final = b"Authentication-Results: mx.in.test; dmarc=pass\r\n"


@contextmanager
def judging(home: Path, documents: dict[str, str] | None = None, settings: str = MARK) -> Iterator[RunningServer]:
    """A server that asks a name server of ours; `settings` are keys of the first table."""
    with dns_server(ZONE + KEY_RECORD) as dns:
        text = f'dns.servers = ["{dns.address}"]\ndns.timeout = "10s"\ndns.reverse = false\n{settings}'
        with ruled(home, documents or {}, text) as server:
            yield server


def body_of(size: int, header: bytes = HEADER) -> bytes:
    """A body that makes a message of about so many octets."""
    return b"\r\n" + LINE * ((size - len(header)) // len(LINE)) + b"end\r\n"


def send_data(caller: Caller, content: bytes) -> int:
    """Send a message for ann as DATA does; the code at its end."""
    assert caller.ask(b"MAIL FROM:<x@out.test>", b"RCPT TO:<ann@in.test>", b"DATA") == [250, 250, 354]
    caller.send(content + b".\r\n")
    return caller.code()


def send_in_chunks(caller: Caller, content: bytes) -> int:
    """Send a message for ann as BDAT does, cut within its header section; the code at its end."""
    assert caller.ask(b"MAIL FROM:<x@out.test>", b"RCPT TO:<ann@in.test>") == [250, 250]
    for chunk in (content[:3], content[3:7]):
        caller.send(b"BDAT %d\r\n" % len(chunk) + chunk)
        assert caller.code() == 250
    caller.send(b"BDAT %d LAST\r\n" % len(content[7:]) + content[7:])
    return caller.code()


def login(caller: Caller) -> None:
    """Authenticate as ann."""
    assert caller.ask(b"AUTH PLAIN " + b64encode(b"\0ann@in.test\0" + PASSWORD.encode())) == [235]


@pytest.mark.parametrize("way", [send_data, send_in_chunks])
@pytest.mark.parametrize("size", SIZES)
def test_a_message_begins_with_our_field_and_then_received_and_is_else_as_it_came(
    tmp_path: Path, size: int, way: Callable[[Caller, bytes], int]
) -> None:
    content = b"A:b\r\n\r\nx\r\n" if size == 10 else HEADER + body_of(size)
    with judging(tmp_path) as server, call(server) as caller:
        assert way(caller, content) == 250
    (message,) = kept(server.config)
    assert message.content == content
    field, received, rest = message.trace.partition(b"Received: from client.test")
    assert (received, rest.count(b"Received:")) == (b"Received: from client.test", 0)
    assert field == OURS or (
        size == 10 and field.startswith(b"Authentication-Results: mx.in.test;\r\n dmarc=permerror")
    )


@pytest.mark.parametrize("way", [send_data, send_in_chunks])
@pytest.mark.parametrize(("written", "result"), [(b"end", b"pass"), (b"emd", b"fail")])
def test_a_signature_is_of_all_of_the_body_however_it_comes(
    tmp_path: Path, written: bytes, result: bytes, way: Callable[[Caller, bytes], int]
) -> None:
    text = LINE * 1000 + b"end\r\n"
    content = signed(TAGS, HEADER, text, KEY) + b"\r\n" + text.replace(b"end", written)
    with judging(tmp_path) as server, call(server) as caller:
        assert way(caller, content) == 250
    (message,) = kept(server.config)
    assert re.findall(rb"dkim=(\w+)", message.trace) == [result]
    assert message.content == content


@pytest.mark.parametrize("content", [b"", b"\r\n", b"\r\nbody\r\n", b"no header", b"From: x@out.test", HEADER])
def test_content_without_header_or_body_has_our_field_too(tmp_path: Path, content: bytes) -> None:
    with judging(tmp_path) as server, call(server) as caller:
        assert send(caller, content, b"ann") == 250
    (message,) = kept(server.config)
    assert message.content == content
    assert message.trace.startswith(b"Authentication-Results: mx.in.test;\r\n dmarc=")


@pytest.mark.parametrize("size", SIZES)
def test_each_part_of_a_message_begins_with_our_field(tmp_path: Path, size: int) -> None:
    body = body_of(size)
    documents = {"mail.dat of bob@in.test": block("300", "Tag:[x]")}
    with judging(tmp_path, documents) as server, call(server) as caller:
        assert send(caller, FORGED[0] + HEADER + body, b"ann", b"bob") == 250
    plain, tagged = kept(server.config)
    assert (plain.content, tagged.content) == (HEADER + body, TAGGED + body)
    assert plain.trace == tagged.trace
    assert plain.trace.startswith(OURS + b"Received: ")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("level", "code"), [("110", 552), ("210", 250)])
def test_so_does_a_copy_in_the_quarantine(tmp_path: Path, size: int, level: str, code: int) -> None:
    body = body_of(size)
    with judging(tmp_path, {"mail.dat": block(level)}) as server, call(server) as caller:
        assert send(caller, HEADER + FORGED[1] + body, b"ann") == code
    messages = kept(server.config)
    assert [message.hold is not None for message in messages].count(True) == 1
    for message in messages:
        assert message.content == HEADER + body
        assert message.trace.startswith(OURS + b"Received: ")


def test_what_dmarc_keeps_back_begins_with_the_field_that_says_why(tmp_path: Path) -> None:
    content = b"From: eve@out.test\r\n\r\nYour account.\r\n"
    settings = 'spf.mode = "mark"\ndmarc.mode = "quarantine"\n'
    with judging(tmp_path, settings=settings) as server, call(server, "192.0.2.99") as caller:
        assert send(caller, content, b"ann", b"bob") == 250
    (message,) = kept(server.config)
    assert message.hold is not None
    assert (message.hold.kind, message.hold.reason, message.hold.rule, message.recipients) == (
        "quarantine",
        "DMARC: not proven to be from out.test",
        "dmarc",
        ["ann@in.test", "bob@in.test"],
    )
    assert message.content == content
    assert b" dmarc=fail (nothing that passes is aligned with out.test)" in message.trace


def test_a_document_on_trial_sees_our_field_as_one_in_force_would(tmp_path: Path) -> None:
    rule = "Virus:x\nUnique-Header:Authentication-Results: mx.in.test; dmarc={}\nLevel:100\nVirusEnd:\n"
    content = FORGED[0].replace(b"dmarc=pass", b"dmarc=fail") + HEADER + b"\r\nhello\r\n"
    with judging(tmp_path) as server, Directory.open(server.config.storage_folder) as directory:
        for result in ("pass", "fail"):
            directory.documents.store_shadow("mail.dat", None, rule.format(result).encode(), "operator")
            with call(server) as caller:
                assert send(caller, content, b"ann") == 250
    transactions = [entry for entry in record(server.config) if isinstance(entry, TransactionEntry)]
    noted = [[shadow.decision and shadow.decision.reply for shadow in entry.shadow] for entry in transactions]
    assert noted == [["CAUGHT_BY_FILTER"], []]


# What claims to be ours.


@pytest.mark.parametrize(
    ("client", "settings", "effect", "judged"),
    [
        (CLIENT, MARK, "", True),
        ("127.0.0.1", MARK, "", False),
        (CLIENT, MARK + 'spf.exempt = ["192.0.2.0/24"]\n', "", False),
        (CLIENT, MARK, f"{CLIENT} true\n", False),
        (CLIENT, 'spf.mode = "mark"\ndmarc.mode = "off"\n', "", True),
        (CLIENT, 'spf.mode = "off"\ndmarc.mode = "off"\ndkim.verify = false\n', "", False),
    ],
)
def test_nobody_speaks_in_our_name(tmp_path: Path, client: str, settings: str, effect: str, judged: bool) -> None:
    header = FORGED[0] + FOREIGN + HEADER + FORGED[1] + b"X: y\r\n" + FORGED[2]
    with judging(tmp_path, {"effect.dat": effect}, settings) as server, call(server, client) as caller:
        assert send(caller, header + b"\r\n" + IN_BODY, b"ann") == 250
        login(caller)
        assert send(caller, header + b"\r\n" + IN_BODY, b"ann") == 250
    message, of_account = kept(server.config)
    for one in (message, of_account):
        assert one.content == FOREIGN + HEADER + b"X: y\r\n\r\n" + IN_BODY
    assert of_account.trace.startswith(b"Received: ")
    assert message.trace.startswith(b"Authentication-Results: mx.in.test;" if judged else b"Received: ")
    assert len(re.findall(rb"(?i)authentication-results", message.trace)) == judged
