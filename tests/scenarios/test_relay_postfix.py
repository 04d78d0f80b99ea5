# SPDX-License-Identifier: Apache-2.0
"""Mail passed on to a real Postfix: what it makes of our dialogue, and what our senders hear of its refusals."""

from __future__ import annotations

import re
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import pytest

from genkan.message.envelope import Recipient
from genkan.smtp.address import Mailbox
from tests.support.clients import big_message
from tests.support.load import Client, until_queue_is_empty
from tests.support.office import office_in
from tests.support.postfix import DOMAIN, REFUSED, WORDS, postfix
from tests.support.server import maildir, until
from tests.support.spools import ANN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.support.postfix import Postfix
    from tests.support.site import MakeSite, Site

SETTINGS: Final = 'auth.unauthenticated_accounts = "anywhere"\n'
CONTENT: Final = b"Subject: hello\r\nFrom: <ann@in.test>\r\n\r\n.one\r\n..two\r\nend\r\n"
KEEPING: Final = "keeping.test"  # a domain whose mail Postfix keeps in its queue, over the listener without extensions
MIB: Final = 1024 * 1024
MANY: Final = 120
_reported: Final = re.compile(r"(?<=\r\n\r\n)(?:Original|Final)-Recipient:.+?(?=\r\n\r\n)", re.DOTALL).findall
_report_fields: Final = re.compile(r"^([\w-]+): ([^\r]+)\r$", re.MULTILINE).findall
_queue_ids: Final = re.compile(rb"by mx\.hop\.test \(Postfix\) with (\w+) id (\w+)").findall


@pytest.fixture(scope="module")
def hop() -> Iterator[Postfix]:
    with postfix() as hop:
        yield hop


@pytest.fixture
def site(make_site: MakeSite, hop: Postfix) -> Site:
    site = make_site(SETTINGS)
    for domain, port in ((DOMAIN, hop.port), (KEEPING, hop.keeping_port)):
        assert site.genkan("route", "add", domain, f"smtp:127.0.0.1:{port}").returncode == 0
    site.start()
    return site


def send(site: Site, recipients: Sequence[str], content: bytes, mail: str = "", rcpt: str = "") -> None:
    """Mail by ann, with parameters of MAIL and of each RCPT; it has left the queue afterwards."""
    commands = [f"MAIL FROM:<ann@in.test>{mail}\r\n", *(f"RCPT TO:<{one}>{rcpt}\r\n" for one in recipients)]
    dotted = (b"\r\n" + content).replace(b"\r\n.", b"\r\n..").removeprefix(b"\r\n")
    with Client(site.port) as client:
        for command in commands:
            client.expect("250", client.command(command.encode()))
        client.expect("354", client.command(b"DATA\r\n"))
        client.expect("250", client.command(dotted + b".\r\n"))
    until_queue_is_empty(site.config)


def received(hop: Postfix, text: bytes, count: int = 1) -> list[bytes]:
    """The messages with that text in the Maildir of Postfix, which all tests share; waits for so many."""
    until(lambda: sum(text in message for message in hop.mail()) >= count, f"{count} messages with {text!r}")
    return [message for message in hop.mail() if text in message]


def reports(site: Site) -> list[dict[str, str]]:
    """What the reports to ann say of each recipient."""
    texts = [message.decode() for message in maildir(site.config, "ann@in.test")]
    return [dict(_report_fields(part)) for text in texts for part in _reported(text)]


def test_many_recipients_share_a_transaction_and_nothing_is_changed_on_the_way(site: Site, hop: Postfix) -> None:
    content = CONTENT.replace(b"hello", b"to many")
    send(site, [f"r{number}@{DOMAIN}" for number in range(MANY)], content)
    messages = received(hop, b"Subject: to many\r\n", MANY)
    assert [message for message in messages if not message.endswith(b"\r\n" + content)] == []
    recipients = Counter(re.findall(rb"^Delivered-To: (.+)\r\n", message, re.MULTILINE)[0] for message in messages)
    assert recipients == Counter(f"r{number}@{DOMAIN}".encode() for number in range(MANY))
    transactions = Counter(_queue_ids(message)[0][1] for message in messages)
    assert sorted(transactions.values()) == [20, 100]


def test_tls_is_used_where_it_is_offered(site: Site, hop: Postfix) -> None:
    send(site, [f"secret@{DOMAIN}"], CONTENT.replace(b"hello", b"under TLS"))
    (message,) = received(hop, b"Subject: under TLS\r\n")
    assert [protocol for protocol, _ in _queue_ids(message)] == [b"ESMTPS"]
    assert re.search(rb"\(using TLSv1\.[23] with cipher ", message)
    assert b"from mx.in.test (" in message


def test_mail_goes_in_clear_where_no_tls_is_offered(site: Site, hop: Postfix) -> None:
    send(site, [f"open@{KEEPING}"], CONTENT.replace(b"hello", b"in clear"))
    assert " with ESMTP id " in hop.kept("Subject: in clear")


def test_what_a_sender_wants_to_hear_of_is_passed_on(site: Site, hop: Postfix) -> None:
    asked = " NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Bob+2Bx@example.com"
    send(site, [f"bob@{KEEPING}"], CONTENT.replace(b"hello", b"with DSN"), " RET=HDRS ENVID=QQ314+3D1", asked)
    kept = hop.kept("Subject: with DSN").splitlines()
    asked_for = {line.removeprefix("named_attribute: ") for line in kept if line.startswith("named_attribute: ")}
    assert {
        "envelope_id=QQ314=1",
        "ret_flags=2",  # HDRS
        "notify_flags=10",  # SUCCESS and DELAY
        "dsn_orig_rcpt=rfc822;Bob+x@example.com",
    } - asked_for == set()
    assert "sender: ann@in.test" in kept


def test_who_is_refused_is_bounced_in_the_words_of_postfix_and_the_others_get_their_mail(
    site: Site, hop: Postfix
) -> None:
    content = CONTENT.replace(b"hello", b"to three")
    send(site, [f"one@{DOMAIN}", REFUSED, f"two@{DOMAIN}"], content)
    assert len(received(hop, b"Subject: to three\r\n", 2)) == 2
    (refused,) = reports(site)
    assert refused["Final-Recipient"] == f"rfc822;{REFUSED}"
    assert (refused["Action"], refused["Status"]) == ("failed", "5.1.1")
    assert refused["Diagnostic-Code"] == f"smtp; {WORDS}"


def test_addresses_and_fields_beyond_ascii_arrive_where_they_are_taken(site: Site, hop: Postfix) -> None:
    content = "Subject: grüße\r\nFrom: <ann@in.test>\r\n\r\näöü\r\n".encode()
    send(site, [f"jörg@{DOMAIN}"], content, " SMTPUTF8 BODY=8BITMIME")
    (message,) = received(hop, "Subject: grüße\r\n".encode())
    assert message.endswith(b"\r\n" + content)
    assert f"\r\nDelivered-To: jörg@{DOMAIN}\r\n".encode() in message
    assert [protocol for protocol, _ in _queue_ids(message)] == [b"UTF8SMTPS"]


def test_an_address_beyond_ascii_is_bounced_where_it_is_not_taken(site: Site) -> None:
    send(site, [f"jörg@{KEEPING}"], CONTENT, " SMTPUTF8")
    (refused,) = reports(site)
    assert refused["Final-Recipient"] == f"utf-8;jörg@{KEEPING}"
    assert (refused["Action"], refused["Status"]) == ("failed", "5.6.7")


def test_ten_mebibytes_arrive_octet_for_octet(site: Site, hop: Postfix) -> None:
    content = big_message(10 * MIB)
    send(site, [f"big@{DOMAIN}"], content)
    (message,) = received(hop, b"Subject: big\r\n")
    assert message.endswith(b"\r\n" + content)


def test_a_message_larger_than_postfix_takes_is_bounced_and_not_tried_again(site: Site) -> None:
    send(site, [f"big@{DOMAIN}"], big_message(21 * MIB))
    (refused,) = reports(site)
    assert (refused["Action"], refused["Status"]) == ("failed", "5.3.4")


def test_mail_waits_for_a_stopped_postfix_and_goes_when_it_is_back(tmp_path: Path) -> None:
    with postfix(start=False) as hop, office_in(tmp_path) as office:
        office.directory.routes.add(DOMAIN, f"smtp:127.0.0.1:{hop.port}")
        mailboxes = [Mailbox(f"r{number}", DOMAIN) for number in range(5)]
        for number, mailbox in enumerate(mailboxes, start=1):
            letter = office.envelope(number, Recipient(mailbox, mailbox))._replace(reverse_path=ANN.mailbox)
            assert office.opened.accept(letter, CONTENT) is None
        office.until_logged("deferred", 5)
        assert {one.state for one in office.queued().values()} == {"waiting"}
        hop.start()
        office.advance(timedelta(minutes=11))
        office.until_empty()
        assert len(received(hop, CONTENT, 5)) == 5
        assert office.mail("ann") == []
