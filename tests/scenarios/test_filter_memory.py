# SPDX-License-Identifier: Apache-2.0
"""What content costs that rules and scanners look at: memory stays bounded, and other clients are answered meanwhile."""

from __future__ import annotations

import base64
import os
import threading
import time
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import pytest

from genkan.admin.operations import Operations
from genkan.admin.rule_operations import Remark
from tests.scenarios.test_memory import MIB, Growth, warm
from tests.support.clamd_server import MARKER, clamd_server
from tests.support.load import Client, until_queue_is_empty

if TYPE_CHECKING:
    from tests.support.site import MakeSite, Site

UNFILTERED: Final = "[filter]\nexempt = []\n"


def store_filter(site: Site, blocks: int, level: str = "100") -> None:
    """A mail.dat with so many blocks of words that no mail here has, as a site's is after years."""
    text = "".join(
        f"Virus:word-{number}\nSubject:forbidden-{number}\nBody:unwanted word {number}\nalso unwanted {number}\n"
        f"BodyEnd:\nLevel:{level}\nVirusEnd:\n"
        for number in range(blocks)
    )
    with closing(Operations.open(site.config)) as operations:
        operations.rules.store(operations.rules.place("mail.dat"), text.encode(), Remark("test"), datetime.now(UTC))


def multipart(octets: int) -> bytes:
    """A mail with HTML, a text and attachments of about so many octets."""
    attachment = base64.encodebytes(os.urandom(3 * octets // 16)).replace(b"\n", b"\r\n")
    html = b"<p>an unwanted paragraph, <b>but</b> harmless</p>\r\n" * (octets // 4 // 50)
    return (
        b"Subject: report\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        b"--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
        + html
        + b"".join(
            b"--b\r\nContent-Type: %b\r\nContent-Transfer-Encoding: base64\r\n\r\n%b" % (kind, attachment)
            for kind in (b"application/pdf", b"text/plain; charset=iso-2022-jp", b"image/png")
        )
        + b"--b--\r\n"
    )


def send_from_many(site: Site, content: bytes, sessions: int) -> list[str]:
    """The codes of the replies to a message that so many sessions send at a time."""
    replies: list[str] = []

    def send() -> None:
        with Client(site.port) as client:
            replies.append(client.send(content)[:3])

    threads = [threading.Thread(target=send) for _ in range(sessions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return replies


def test_many_large_messages_pass_a_long_filter_in_bounded_memory(make_site: MakeSite) -> None:
    site = make_site(UNFILTERED)
    store_filter(site, 200)
    site.start()
    warm(site)
    sessions = 16
    with Growth(site) as growth:
        assert send_from_many(site, multipart(2 * MIB), sessions) == ["250"] * sessions
    assert growth.octets < 40 * MIB + sessions * 4 * MIB
    until_queue_is_empty(site.config)
    assert site.terminate() == 0


def test_a_session_holds_no_more_text_than_the_filter_looks_at(make_site: MakeSite) -> None:
    # A slow disk is not what is measured: little may wait for it.
    site = make_site(f'{UNFILTERED}text_size = "256KB"\n[spool]\nbuffer = "8MB"\n')
    store_filter(site, 200)
    site.start()
    warm(site)
    sessions, text = 40, b"Subject: long\r\n\r\n" + (b"word " * 190 + b"\r\n") * (5 * MIB // 952)
    with Growth(site) as growth, ExitStack() as stack:
        clients = [stack.enter_context(Client(site.port)) for _ in range(sessions)]
        for client in clients:
            for command in (b"MAIL FROM:<x@out.test>\r\n", b"RCPT TO:<ann@in.test>\r\n", b"DATA\r\n"):
                client.command(command)
            client.socket.sendall(text)
        replies = [client.command(b".\r\n")[:3] for client in clients]
    assert replies == ["250"] * sessions
    assert growth.octets < 40 * MIB + sessions * MIB * 3 // 8
    assert site.terminate() == 0


NESTED: Final = b"".join(
    b"Content-Type: multipart/mixed; boundary=%d\r\n\r\n--%d\r\n" % (level, level) for level in range(30)
)
HOSTILE: Final = {
    "deep": NESTED + b"Content-Type: text/html\r\n\r\n" + (b"<a " * 300 + b"\r\n") * (10 * MIB // 902),
    "many parts": b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * (MIB // 2),
    "nearly delimiters": b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--\r\n--bb\r\n" * MIB,
    "one tag without end": b"Content-Type: text/html\r\n\r\n" + (b"<" * 998 + b"\r\n") * (10 * MIB // 1000),
    "entities": b"Content-Type: text/html\r\n\r\n" + (b"&#" * 499 + b"\r\n") * (10 * MIB // 1000),
    "quoted": b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + (b"=41=\r\n" * MIB),
    "encoded words": b"".join(b"Subject: %b\r\n" % (b"=?utf-8?B?44GC44GC44GC?= " * 37) for _ in range(240))
    + b"\r\n"
    + b"x\r\n",
    "not EUC-JP": b"Content-Type: text/plain; charset=euc-jp\r\n\r\n"
    + (b"\x8f\xff" * 490 + b"\r\n") * (4 * MIB // 982),
    "not ISO-2022-JP": b"Content-Type: text/plain; charset=iso-2022-jp\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    + base64.encodebytes(b"\x1b$B\x7f\x7f-!" * (MIB // 2)).replace(b"\n", b"\r\n"),
    "phrases": b"Content-Type: text/html; charset=utf-8\r\n\r\n<b>"
    + ("\ufdfa" * 300 + "\r\n").encode() * (4 * MIB // 902),
    "phrases in UTF-16": b"Content-Type: text/plain; charset=utf-16le\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    + base64.encodebytes("\u331a".encode("utf-16-le") * MIB).replace(b"\n", b"\r\n"),
    "half-width kana": b"Content-Type: text/html; charset=shift_jis\r\n\r\n<b>" + (b"\xb6\xde" * 490 + b"\r\n") * 4000,
    "shift sequences": b"Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n"
    + (b"\x1b$B\x1b(B" * 160 + b"\r\n") * 10_000,
    "accents": b"Content-Type: text/plain; charset=utf-8\r\n\r\n"
    + ("e" + "\u0301\u0327" * 240 + "\r\n").encode() * 10_000,
    "line without end": b"Subject: x\r\n\r\n" + b"y" * 60_000 + b"\r\n",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_others_are_greeted_while_hostile_content_is_read(make_site: MakeSite, kind: str) -> None:
    site = make_site(UNFILTERED)
    store_filter(site, 200)
    site.start()
    warm(site)
    done = threading.Event()
    slowest = 0.0
    replies: list[str] = []

    def send() -> None:
        try:
            with Client(site.port) as hostile:
                replies.append(hostile.send(HOSTILE[kind]))
        finally:
            done.set()

    thread = threading.Thread(target=send)
    thread.start()
    while not done.is_set():
        begun = time.monotonic()
        Client(site.port).close()
        slowest = max(slowest, time.monotonic() - begun)
        done.wait(0.002)
    thread.join()
    assert [reply[:3] for reply in replies] == ["250"]
    assert slowest < 3.0, f"{slowest:.1f} s"  # far more than it takes, for other programs may be busy here
    assert site.terminate() == 0


def test_a_filter_that_refuses_and_keeps_a_copy_ends_the_scan_as_well(make_site: MakeSite) -> None:
    with clamd_server() as clamd:
        site = make_site(f'{UNFILTERED}scanner = "{clamd.address}"\n')
        store_filter(site, 1, "110")
        site.start()
        text = b"Subject: forbidden-0\r\n\r\nunwanted word 0\r\n" + (b"x" * 78 + b"\r\n") * (MIB // 80)
        with Client(site.port) as client:
            for number in range(3):
                assert client.send(text)[:3] == "552"
                clamd.until_ended(number + 1)
        assert site.terminate() == 0


@pytest.mark.parametrize(("failure", "code"), [("defer", "451"), ("accept", "250")])
def test_without_its_scanner_mail_is_treated_as_the_settings_say(make_site: MakeSite, failure: str, code: str) -> None:
    with clamd_server() as clamd:
        site = make_site(f'{UNFILTERED}scanner = "{clamd.address}"\nscanner_failure = "{failure}"\n')
        site.start()
        with Client(site.port) as client:
            assert client.send(b"Subject: x\r\n\r\n" + MARKER + b"\r\n")[:3] == "552"
    with Client(site.port) as client:
        assert client.send(b"Subject: x\r\n\r\n" + MARKER + b"\r\n")[:3] == code
        assert client.command(b"NOOP\r\n")[:3] == "250"
    assert site.terminate() == 0


def test_content_on_its_way_to_a_scanner_is_never_whole_in_memory(make_site: MakeSite) -> None:
    with clamd_server() as clamd:
        site = make_site(f'{UNFILTERED}scanner = "{clamd.address}"\n')
        site.start()
        warm(site)
        body = (b"x" * 78 + b"\r\n") * (24 * MIB // 80)
        with Growth(site) as growth, Client(site.port) as client:
            assert client.send(b"Subject: clean\r\n\r\n" + body)[:3] == "250"
            assert client.send(b"Subject: infected\r\n\r\n" + MARKER + b"\r\n" + body)[:3] == "552"
        assert growth.octets < 40 * MIB
        assert site.terminate() == 0
