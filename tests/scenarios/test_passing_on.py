# SPDX-License-Identifier: Apache-2.0
"""Forwards, automatic replies, lists and other ends of a real server, with a real next hop behind it."""

from __future__ import annotations

import email
import email.policy
import json
import re
import sys
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.load import Client, until_queue_is_empty
from tests.support.next_hop import lmtp_hop, next_hop
from tests.support.server import free_port, maildir, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.next_hop import NextHop, Taken
    from tests.support.site import MakeSite, Site

MAIL = b"From: <carol@example.net>\r\nTo: <ann@in.test>\r\nMessage-ID: <1@example.net>\r\nSubject: x\r\n\r\nhello\r\n"


@pytest.fixture
def hop() -> Iterator[NextHop]:
    with next_hop() as hop:
        yield hop


def relaying(make_site: MakeSite, hop: NextHop, settings: str = "") -> Site:
    site = make_site(settings)
    for domain in ("example.org", "example.net"):
        run(site, "route", "add", domain, f"smtp:127.0.0.1:{hop.port}")
    return site


def run(site: Site, *words: str, given: str = "") -> Any:
    done = site.genkan(*words, "--json", given=given)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def send(site: Site, recipient: str, sender: str = "carol@example.net", content: bytes = MAIL) -> None:
    with Client(site.port) as client:
        client.expect("250", client.command(f"MAIL FROM:<{sender}>\r\n".encode()))
        client.expect("250", client.command(f"RCPT TO:<{recipient}>\r\n".encode()))
        client.expect("354", client.command(b"DATA\r\n"))
        client.expect("250", client.command(content + b".\r\n"))


def read(octets: bytes) -> Any:
    return email.message_from_bytes(octets, policy=email.policy.default)


def test_forwarded_mail_keeps_a_copy_and_its_bounce_finds_the_way_back(make_site: MakeSite, hop: NextHop) -> None:
    site = relaying(make_site, hop)
    run(site, "account", "forward", "ann@in.test", "--to", "dan@example.org", "--keep")
    site.start()
    send(site, "ann@in.test")
    [taken] = hop.until_taken(1)
    assert taken.recipients == ["dan@example.org"]
    assert taken.reverse_path.startswith("SRS0=")
    assert taken.reverse_path.endswith("@in.test")
    assert taken.content.startswith(b"Delivered-To: ann@in.test\r\nReceived: ")
    assert taken.content.endswith(b"hello\r\n")
    assert len(maildir(site.config, "ann@in.test")) == 1
    send(site, taken.reverse_path, "", b"Subject: bounce\r\n\r\n")
    assert hop.until_taken(2)[1].recipients == ["carol@example.net"]
    until_queue_is_empty(site.config)


def test_mail_that_comes_back_to_who_forwards_it_does_not_go_round(make_site: MakeSite, hop: NextHop) -> None:
    site = relaying(make_site, hop)
    run(site, "account", "forward", "ann@in.test", "--to", "dan@example.org", "--no-keep")
    site.start()
    send(site, "ann@in.test")
    [taken] = hop.until_taken(1)
    send(site, "ann@in.test", "carol@example.net", taken.content)
    bounce = hop.until_taken(2)[1]
    assert (bounce.reverse_path, bounce.recipients) == ("", ["carol@example.net"])
    assert b"loop" in bounce.content
    assert maildir(site.config, "ann@in.test") == []


def test_an_account_answers_each_sender_once(make_site: MakeSite, hop: NextHop) -> None:
    site = relaying(make_site, hop)
    run(site, "account", "reply", "ann@in.test", "--text", "I am away.", "--subject", "Away")
    site.start()
    for _ in range(3):
        send(site, "ann@in.test")
    send(site, "ann@in.test", "", MAIL)
    send(site, "ann@in.test", "eve@example.net", MAIL)
    until(lambda: len(maildir(site.config, "ann@in.test")) == 5, "five mails")
    until_queue_is_empty(site.config)
    answers = hop.until_taken(2)
    assert sorted(taken.recipients[0] for taken in answers) == ["carol@example.net", "eve@example.net"]
    assert {taken.reverse_path for taken in answers} == {""}
    answer = read(answers[0].content)
    assert (answer["Subject"], answer["In-Reply-To"]) == ("Away", "<1@example.net>")
    assert answer["Auto-Submitted"] == "auto-replied"
    assert answer.get_content().strip() == "I am away."


def make_list(site: Site, *options: str) -> None:
    run(site, "list", "add", "dev@in.test", *options)
    for member in ("ann@in.test", "dan@example.org", "eve@example.org"):
        run(site, "list", "member", "add", "dev@in.test", member)


def by_recipient(taken: list[Taken]) -> dict[str, Taken]:
    return {one.recipients[0]: one for one in taken}


def test_a_lists_mail_has_a_reverse_path_for_each_member_who_leaves_with_one_click(
    make_site: MakeSite, hop: NextHop
) -> None:
    port = free_port()
    pages = f'[lists]\npages = "https://lists.in.test"\n[admin]\naddress = "127.0.0.1:{port}"\n'
    site = relaying(make_site, hop, pages)
    make_list(site, "--subject-tag", "[dev]")
    site.start()
    send(site, "dev@in.test")
    found = by_recipient(hop.until_taken(2))
    assert sorted(found) == ["dan@example.org", "eve@example.org"]
    paths = {one.reverse_path for one in found.values()}
    assert len(paths) == 2
    assert all(path.startswith("dev-bounces+") for path in paths)
    mail = read(found["dan@example.org"].content)
    assert mail["Subject"] == "[dev] x"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    path = re.findall(r"<https://lists\.in\.test(/[^>]+)>", mail["List-Unsubscribe"])[0]
    url = f"http://127.0.0.1:{port}{path}"  # as the proxy that speaks HTTPS for us would
    request = urllib.request.Request(url, b"List-Unsubscribe=One-Click", method="POST")
    with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310
        assert answer.status == 200
    send(site, "dev@in.test")
    until(lambda: len(maildir(site.config, "ann@in.test")) == 2, "the second mail for ann")
    until_queue_is_empty(site.config)
    assert [one.recipients for one in hop.taken[2:]] == [["eve@example.org"]]


def test_a_member_whose_mail_comes_back_is_suspended(make_site: MakeSite, hop: NextHop) -> None:
    site = relaying(make_site, hop)
    make_list(site, "--bounce-limit", "1", "--owner", "bob@in.test")
    hop.script["RCPT dan@example.org"] = "550 5.1.1 no such mailbox"
    site.start()
    send(site, "dev@in.test")
    until_queue_is_empty(site.config)
    until(lambda: len(maildir(site.config, "bob@in.test")) == 1, "a mail to the owner")
    members = {one["member"]: one["suspended"] for one in run(site, "list", "show", "dev@in.test")["members"]}
    assert members == {"ann@in.test": False, "dan@example.org": True, "eve@example.org": False}


def test_mail_of_others_than_the_owners_waits_for_them_where_a_list_is_moderated(
    make_site: MakeSite, hop: NextHop
) -> None:
    site = relaying(make_site, hop)
    make_list(site, "--moderated", "--owner", "bob@in.test")
    site.start()
    send(site, "dev@in.test")
    until(lambda: len(maildir(site.config, "bob@in.test")) == 1, "a notice to the owner")
    assert hop.taken == []
    [held] = run(site, "approval", "list")
    run(site, "approval", "approve", held["message_id"], "--by", "bob@in.test")
    assert sorted(by_recipient(hop.until_taken(2))) == ["dan@example.org", "eve@example.org"]


def test_mail_goes_to_a_program_a_function_and_an_lmtp_server(make_site: MakeSite, tmp_path: Path) -> None:
    code = tmp_path / "code"
    code.mkdir()
    (code / "desk.py").write_text(
        "from pathlib import Path\n"
        "from genkan.mail import Mail\n"
        "async def deliver(mail: Mail) -> None:\n"
        "    Path(__file__).with_name('seen').write_bytes(await mail.read(100_000))\n"
    )
    program = f"pipe:{sys.executable} -c 'import sys; open(sys.argv[1], \"wb\").write(sys.stdin.buffer.read())'"
    site = make_site(f'delivery.handlers = "{code}"\n')
    with lmtp_hop() as lmtp:
        for name, destination in (
            ("tickets", "python:desk:deliver"),
            ("program", f"{program} {tmp_path / 'piped'}"),
            ("store", f"lmtp:127.0.0.1:{lmtp.port}"),
        ):
            run(site, "account", "add", f"{name}@in.test", "--name", name, "--no-auth")
            run(site, "route", "add", f"{name}@in.test", destination)
        site.start()
        for name in ("tickets", "program", "store"):
            send(site, f"{name}@in.test")
        until_queue_is_empty(site.config)
        assert lmtp.taken[0].recipients == ["store@in.test"]
    assert (code / "seen").read_bytes().endswith(b"hello\r\n")
    assert (tmp_path / "piped").read_bytes().endswith(b"hello\r\n")
