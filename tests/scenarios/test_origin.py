# SPDX-License-Identifier: Apache-2.0
"""Who mail is from, in a real server: what accounts send is signed for the world, and what is not its author's is refused."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.support.dkimpy import need_dkimpy, verified
from tests.support.dns_server import dns_server
from tests.support.load import Client, until_queue_is_empty
from tests.support.next_hop import next_hop
from tests.support.server import maildir
from tests.support.signed_mail import verify

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.next_hop import NextHop
    from tests.support.site import MakeSite, Site

PASSWORD: Final = "open sesame 1"
CLIENT: Final = "192.0.2.7"
ZONE: Final = """
out.test         300 TXT "v=spf1 ip4:192.0.2.7 -all"
_dmarc.out.test  300 TXT "v=DMARC1; p=reject"
_dmarc.bank.test 300 TXT "v=DMARC1; p=none; sp=reject"
"""


@pytest.fixture
def hop() -> Iterator[NextHop]:
    with next_hop() as hop:
        yield hop


def run(site: Site, *words: str, given: str = "") -> Any:
    done = site.genkan(*words, "--json", given=given)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def transact(client: Client, sender: str, recipient: str, content: bytes) -> str:
    """One mail transaction; the reply at its end."""
    for command, code in ((f"MAIL FROM:<{sender}>", "250"), (f"RCPT TO:<{recipient}>", "250"), ("DATA", "354")):
        client.expect(code, client.command(f"{command}\r\n".encode()))
    return client.command(content + b".\r\n")


def submitted(make_site: MakeSite, hop: NextHop, content: bytes) -> tuple[bytes, dict[str, str]]:
    """What the next hop gets of a message that ann submits, and the TXT records of the keys."""
    site = make_site('auth.plaintext = "always"\n')
    run(site, "route", "add", "example.org", f"smtp:127.0.0.1:{hop.port}")
    run(site, "account", "passwd", "ann@in.test", "--password-stdin", given=f"{PASSWORD}\n")
    keys = run(site, "dkim", "add", "in.test")
    site.start()
    with Client(site.port) as client:
        login = b64encode(f"\0ann@in.test\0{PASSWORD}".encode())
        client.expect("235", client.command(b"AUTH PLAIN " + login + b"\r\n"))
        client.expect("250", transact(client, "ann@in.test", "dan@example.org", content))
    [taken] = hop.until_taken(1)
    until_queue_is_empty(site.config)
    assert site.terminate() == 0
    return taken.content, {key["name"]: key["record"] for key in keys}


def test_what_an_account_submits_is_signed_on_its_way_out(make_site: MakeSite, hop: NextHop) -> None:
    sent = b"From: Ann <ann@in.test>\r\nSubject: x\r\n\r\n" + b"hello  there \r\n.. \r\n" * 10_000
    content, records = submitted(make_site, hop, sent)
    assert content.endswith(sent.replace(b"\r\n..", b"\r\n."))
    assert content.startswith(b"DKIM-Signature: ")
    header, _, body = content.partition(b"\r\n\r\n")
    keys = {name: (record,) for name, record in records.items()}
    found = verify(header + b"\r\n", body, keys).dkim
    assert [(one.domain, one.outcome) for one in found] == [("in.test", "pass"), ("in.test", "pass")]


def test_debians_own_library_agrees(make_site: MakeSite, hop: NextHop) -> None:
    need_dkimpy()
    content, records = submitted(
        make_site, hop, b"From: ann@in.test\r\nTo: dan@example.org\r\n\r\nhello  there \r\n\r\n"
    )
    assert verified(content, records) == [True, True]
    assert verified(content.replace(b"hello", b"hallo"), records) == [False, False]


def test_mail_that_is_not_its_authors_is_refused_and_explained(make_site: MakeSite) -> None:
    with dns_server(ZONE) as dns:
        dns_settings = f'dns.servers = ["{dns.address}"]\ndns.timeout = "10s"\n'
        site = make_site(f'{dns_settings}spf.mode = "mark"\ndmarc.mode = "refuse"\n', proxy=True)
        site.start()
        with Client(site.port, proxy_for=CLIENT) as client:
            told = transact(client, "x@out.test", "ann@in.test", b"From: eve@pay.bank.test\r\n\r\nYour account.\r\n")
            assert told[:3] == "550"
            assert "pay.bank.test" in told
            client.expect("250", transact(client, "x@out.test", "ann@in.test", b"From: x@out.test\r\n\r\nhello\r\n"))
        until_queue_is_empty(site.config)
        assert site.terminate() == 0
    refused, accepted = run(site, "explain", "--client", CLIENT)[0]["transactions"]
    decision, facts = refused["content"]["decision"], refused["content"]["facts"]
    assert (decision["check"], decision["reply"], decision["fields"]) == (
        "dmarc",
        "DMARC_REFUSED",
        {"domain": "pay.bank.test"},
    )
    assert (decision["rule"]["document"], decision["rule"]["text"]) == ("dmarc", "p=reject of bank.test")
    assert (facts["dmarc"], facts["dmarc policy"]) == ("fail", "reject of bank.test for pay.bank.test")
    assert accepted["content"]["facts"]["dmarc"] == "pass"
    (message,) = maildir(site.config, "ann@in.test")
    fields = message.partition(b"Authentication-Results: mx.in.test;\r\n dmarc=pass ")
    assert (fields[0].count(b"\r\n"), fields[2].count(b"Authentication-Results")) == (2, 0)
    assert fields[2].index(b"Received: ") < fields[2].index(b"From: x@out.test")
