# SPDX-License-Identifier: Apache-2.0
"""Mail that is kept back, copied, split or multiplied: whatever happens, it goes where rules and people said, once."""

from __future__ import annotations

import json
import threading
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, Any, Final

import pytest

from genkan.admin.approval_operations import Approvals
from genkan.admin.operations import Operations
from genkan.admin.rule_operations import Remark, has_errors
from genkan.directory import ListSettings
from genkan.opening import open_directory
from genkan.smtp.address import parse_mailbox
from genkan.spool.reading import list_held
from tests.support.load import Client, until_queue_is_empty
from tests.support.server import add_account, maildir, until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from genkan.spool.hold import Choice
    from genkan.spool.reading import QueuedMessage
    from tests.support.site import MakeSite, Site

UNFILTERED: Final = "[filter]\nexempt = []\n"
QUARANTINE: Final = "Virus:watches\nSubject:watches\nLevel:110\nWarning:\nLook at the sender.\nWarningEnd:\nVirusEnd:\n"
SPAM: Final = b"Subject: cheap watches\r\n\r\nbuy\r\n"
THREE: Final = ("ann@in.test", "bob@in.test", "carol@in.test")


def store(site: Site, document: str, text: str, account: str = "") -> None:
    """What `genkan rules import` does, without the time that a process takes to start."""
    with closing(Operations.open(site.config)) as operations:
        place = operations.rules.place(document, parse_mailbox(account) if account else None)
        change = operations.rules.store(place, text.encode(), Remark("test"), datetime.now(UTC))
    assert not has_errors(change.findings), change.findings


def send(site: Site, content: bytes, recipients: Sequence[str] = THREE[:1], sender: str = "x@out.test") -> str:
    """The reply to a message."""
    with Client(site.port) as client:
        client.expect("250", client.command(f"MAIL FROM:<{sender}>\r\n".encode()))
        for recipient in recipients:
            client.expect("250", client.command(f"RCPT TO:<{recipient}>\r\n".encode()))
        client.expect("354", client.command(b"DATA\r\n"))
        return client.command(content + b".\r\n")


def listed(site: Site, *words: str) -> list[dict[str, Any]]:
    """What `genkan approval list` prints as JSON."""
    return list(json.loads(site.genkan("approval", "list", "--json", *words).stdout))


def held(site: Site) -> list[QueuedMessage]:
    """What is held."""
    return list(list_held(site.config.storage_folder, datetime.now(UTC)))


def decide(site: Site, verdict: Choice, *message_ids: str) -> None:
    """What `genkan approval approve` and `reject` do, without the time that a process takes to start."""
    with open_directory(site.config) as directory:
        Approvals(directory, site.config).decide(message_ids, verdict, datetime.now(UTC))


def received(site: Site, address: str, wanted: int = 1) -> list[bytes]:
    """An account's mail, once there is as much as is wanted and nothing waits any more."""
    until(lambda: len(maildir(site.config, address)) >= wanted, f"{wanted} messages for {address}")
    return maildir(site.config, address)


# The quarantine.


def test_a_refused_message_lies_in_the_quarantine_until_somebody_lets_it_go(make_site: MakeSite) -> None:
    site = make_site(UNFILTERED)
    site.start()
    store(site, "mail.dat", QUARANTINE)
    assert send(site, SPAM, THREE[:2])[:3] == "552"
    [message] = listed(site)
    assert (message["reverse_path"], message["client_address"]) == ("x@out.test", "127.0.0.1")
    assert [recipient["mailbox"] for recipient in message["recipients"]] == list(THREE[:2])
    assert (message["held"]["hold"]["kind"], message["held"]["hold"]["rule"]) == ("quarantine", "mail.dat:1")
    shown = site.genkan("approval", "show", message["message_id"]).stdout
    assert "Look at the sender." in shown
    assert "Subject: cheap watches" in shown
    content = site.genkan("approval", "show", "--content", message["message_id"]).stdout
    assert content.endswith(SPAM.decode().replace("\r\n", "\n"))
    assert site.genkan("approval", "approve", message["message_id"]).returncode == 0
    for address in THREE[:2]:
        [delivered] = received(site, address)
        assert delivered.endswith(b"\r\n" + SPAM)
    until_queue_is_empty(site.config)
    assert held(site) == []
    assert site.genkan("approval", "show", message["message_id"]).returncode == 1
    assert site.terminate() == 0


def test_the_space_of_rejected_messages_is_used_again(make_site: MakeSite) -> None:
    site = make_site(f'{UNFILTERED}[spool]\nsegment_size = "1MB"\n')
    site.start()
    store(site, "mail.dat", QUARANTINE)
    segments = site.config.storage_folder / "spool" / "1" / "segments"
    content = SPAM + b"x" * 78 + b"\r\n" + (b"y" * 78 + b"\r\n") * 5000
    files = set()
    for _ in range(5):
        assert [send(site, content)[:3] for _ in range(2)] == ["552"] * 2
        files.add(len(list(segments.iterdir())))
        decide(site, "reject", *(message.message_id for message in held(site)))
        until_queue_is_empty(site.config)
    assert files <= {1, 2}
    assert maildir(site.config, "ann@in.test") == []
    assert site.terminate() == 0


def test_what_is_held_and_what_was_decided_survives_the_death_of_the_server(make_site: MakeSite) -> None:
    site = make_site(f"workers = 2\n{UNFILTERED}")
    store(site, "mail.dat", QUARANTINE)
    site.start()
    for number in range(6):
        assert send(site, b"X-Number: %d\r\n" % number + SPAM)[:3] == "552"
    site.kill()
    ids = [message.message_id for message in held(site)]
    assert len(set(ids)) == 6
    decide(site, "approve", ids[0])  # between decision and execution: nobody is there to carry it out
    decide(site, "reject", ids[1])
    site.start()
    until(lambda: len(held(site)) == 4, "the decisions of the time without a server")
    decide(site, "approve", ids[2])
    decide(site, "reject", ids[3])
    site.kill()
    site.start()
    until(lambda: len(held(site)) == 2, "the decisions just before the death")
    decide(site, "approve", ids[4])
    decide(site, "reject", ids[5])
    until_queue_is_empty(site.config)
    numbers = [message.partition(b"X-Number: ")[2][:1] for message in maildir(site.config, "ann@in.test")]
    assert len(numbers) == len(set(numbers)) == 3
    assert {entry["subject"]: entry["action"] for entry in decisions(site)} == dict(
        zip(ids, ["approve", "reject"] * 3, strict=True)
    )
    assert site.terminate() == 0


def decisions(site: Site) -> list[dict[str, Any]]:
    """What `genkan approval log` prints as JSON."""
    return list(json.loads(site.genkan("approval", "log", "--json").stdout))


# Approval.


def test_held_mail_goes_to_its_recipient_when_its_approver_says_so(make_site: MakeSite) -> None:
    site = make_site(UNFILTERED)
    site.start()
    store(site, "approval-addresses.dat", "*@out.test hold ann@in.test 5d reject\n")
    assert send(site, b"Subject: =?utf-8?B?6KuL5rGC5pu4?=\r\n\r\npay\r\n", ["bob@in.test"])[:3] == "250"
    [message] = listed(site, "--approver", "ann@in.test")
    [notice] = received(site, "ann@in.test")
    assert message["message_id"].encode() in notice
    assert b"Auto-Submitted: auto-generated" in notice
    assert listed(site, "--approver", "bob@in.test") == []
    done = site.genkan("approval", "approve", message["message_id"], "--by", "bob@in.test")
    assert (done.returncode, done.stdout) == (1, "")
    assert "its hold names ann@in.test" in done.stderr
    assert maildir(site.config, "bob@in.test") == []
    words = ("--by", "ann@in.test", "--comment", "seen")
    assert site.genkan("approval", "approve", message["message_id"], *words).returncode == 0
    [delivered] = received(site, "bob@in.test")
    assert delivered.endswith(b"\r\n\r\npay\r\n")
    [entry] = decisions(site)
    assert (entry["actor"], entry["action"], entry["subject"]) == ("ann@in.test", "approve", message["message_id"])
    assert entry["detail"].endswith("; seen")
    again = site.genkan("approval", "reject", message["message_id"])
    assert again.returncode == 1
    assert f"genkan approval log {message['message_id']}" in again.stderr
    assert site.terminate() == 0


@pytest.mark.parametrize(("setting", "verdict"), [("reject", "approve"), ("approve", "reject"), ("approve", "")])
def test_at_the_deadline_the_default_verdict_is_carried_out(make_site: MakeSite, setting: str, verdict: str) -> None:
    site = make_site(f'{UNFILTERED}[approval]\nnotify = false\nverdict = "{setting}"\n')
    site.start()
    store(site, "approval-subjects.dat", f"invoice\thold\tann@in.test\t1s\t{verdict}\n")
    assert send(site, b"Subject: your INVOICE\r\n\r\npay\r\n", ["bob@in.test"])[:3] == "250"
    assert site.terminate() == 0
    site.start()  # else half a minute may pass before the server looks at what is held
    until_queue_is_empty(site.config)
    expected = verdict or setting
    assert len(maildir(site.config, "bob@in.test")) == (expected == "approve")
    until(lambda: len(site.logged("released" if expected == "approve" else "rejected")) == 1, "the line of the log")
    assert maildir(site.config, "ann@in.test") == []
    assert site.terminate() == 0


def test_subjects_with_what_means_something_elsewhere_are_compared_as_they_are(make_site: MakeSite) -> None:
    site = make_site(UNFILTERED)
    site.start()
    store(site, "approval-subjects.dat", "(a+)+$\trefuse\n.*\trefuse\n[pay]\trefuse\n%s{0}\\\trefuse\n")
    replies = [send(site, b"Subject: %b\r\n\r\n" % word)[:3] for word in (b"a" * 60 + b"!", b"pay", b"x", b"%d")]
    assert replies == ["250"] * 4
    for word in (b"now (A+)+$ now", b"=?utf-8?Q?[pay]?=", b"a .* b", b"%s{0}\\"):
        assert send(site, b"Subject: %b\r\n\r\n" % word)[:1] == "5"
    assert site.terminate() == 0


# Different ends for different recipients.


def three_accounts(site: Site) -> None:
    """The server's two accounts and carol; bob refuses what speaks of watches."""
    add_account(site.config, "carol@in.test")
    store(site, "mail.dat", QUARANTINE.replace("110", "100"), "bob@in.test")


def test_what_one_of_three_refuses_the_other_two_get(make_site: MakeSite) -> None:
    site = make_site(UNFILTERED)
    three_accounts(site)
    site.start()
    assert send(site, SPAM, THREE)[:3] == "250"
    assert send(site, SPAM, ["bob@in.test"])[:3] == "552"
    for address in ("ann@in.test", "carol@in.test"):
        [delivered] = received(site, address)
        assert delivered.endswith(b"\r\n" + SPAM)
    [message] = held(site)
    assert [recipient.mailbox for recipient in message.recipients] == ["bob@in.test"]
    assert message.held is not None
    assert (message.held.hold.kind, message.held.hold.rule) == ("quarantine", "mail.dat of bob@in.test:1")
    assert maildir(site.config, "bob@in.test") == []
    assert site.terminate() == 0


def test_a_copy_that_an_account_keeps_is_for_that_account_alone(make_site: MakeSite) -> None:
    site = make_site(UNFILTERED)
    add_account(site.config, "carol@in.test")
    store(site, "mail.dat", QUARANTINE.replace("110", "310\nTag:[spam]"), "bob@in.test")
    site.start()
    assert send(site, SPAM, THREE)[:3] == "250"
    [tagged] = received(site, "bob@in.test")
    assert tagged.endswith(b"Subject: [spam] cheap watches\r\n\r\nbuy\r\n")
    for address in ("ann@in.test", "carol@in.test"):
        [delivered] = received(site, address)
        assert delivered.endswith(b"\r\n" + SPAM)
    [message] = held(site)
    assert [recipient.mailbox for recipient in message.recipients] == ["bob@in.test"]
    assert site.terminate() == 0


class SplitLoad:
    """Threads that send numbered spam to three recipients until the server dies or they are told to stop."""

    def __init__(self, site: Site, numbers: count[int]) -> None:
        self.acknowledged: set[int] = set()
        self._site = site
        self._numbers = numbers
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._work) for _ in range(8)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> set[int]:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        return self.acknowledged

    def _work(self) -> None:
        try:
            with Client(self._site.port) as client:
                while not self._stop.is_set():
                    number = next(self._numbers)
                    if client.send(numbered(number), THREE).startswith("250"):
                        self.acknowledged.add(number)
        except OSError:
            return


def numbered(number: int) -> bytes:
    """Spam with a number; every fifth is large enough for a content segment."""
    line = b"%d " % number * 9 + b"\r\n"
    return b"X-Number: %d\r\n" % number + SPAM + line * (1000 if number % 5 == 0 else 1)


def numbers_in(contents: Sequence[bytes]) -> Counter[int]:
    """How often each number is there; fails if one is not as it was sent."""
    found: Counter[int] = Counter()
    for content in contents:
        number = int(content.partition(b"X-Number: ")[2].partition(b"\r\n")[0])
        assert content.endswith(b"\r\n" + numbered(number))
        found[number] += 1
    return found


def test_a_killed_server_has_every_part_of_every_acknowledged_message_once(make_site: MakeSite) -> None:
    site = make_site(f"workers = 2\n{UNFILTERED}")
    three_accounts(site)
    numbers = count(1)
    acknowledged: set[int] = set()
    for _ in range(2):
        site.start()
        load = SplitLoad(site, numbers)
        until(lambda load=load: len(load.acknowledged) >= 60, "60 acknowledged messages")  # type: ignore[misc]
        site.kill()
        acknowledged |= load.stop()
    site.start()
    decide(site, "approve", *(message.message_id for message in held(site)))
    until_queue_is_empty(site.config)
    ann, bob, carol = (numbers_in(maildir(site.config, address)) for address in THREE)
    assert acknowledged <= ann.keys()
    assert ann == bob == carol
    assert set(ann.values()) == {1}
    assert site.terminate() == 0


# Lists and forwarding.


def make_lists(site: Site) -> None:
    """all@ has ann, team@ and an alias of carol; team@ has bob, ann and all@, in a circle; everybody@ leads to all@."""
    add_account(site.config, "carol@in.test")
    ann, bob, _ = THREE
    with closing(Operations.open(site.config)) as operations:
        operations.add_alias(parse_mailbox("caro@in.test"), parse_mailbox("carol@in.test"))
        operations.add_alias(parse_mailbox("everybody@in.test"), parse_mailbox("all@in.test"))
        for name, members in (("all", (ann, "team@in.test", "caro@in.test")), ("team", (bob, ann, "all@in.test"))):
            mailing_list = parse_mailbox(f"{name}@in.test")
            operations.lists.add(mailing_list, ListSettings("authenticated" if name == "all" else "anybody"))
            for member in members:
                operations.lists.add_member(mailing_list, parse_mailbox(member))


def test_a_list_reaches_each_of_its_members_once_also_through_lists_and_aliases(make_site: MakeSite) -> None:
    site = make_site('[auth]\nplaintext = "always"\n')
    make_lists(site)
    assert site.genkan("account", "passwd", "ann@in.test", "--password-stdin", given="open sesame 1\n").returncode == 0
    site.start()
    for address in ("all@in.test", "everybody@in.test"):
        with pytest.raises(ConnectionError, match="^550 5.7.0"):
            send(site, SPAM, [address])
    with Client(site.port) as client:
        client.expect("235", client.command(b"AUTH PLAIN AGFubkBpbi50ZXN0AG9wZW4gc2VzYW1lIDE=\r\n"))
        assert client.send(b"Subject: 1\r\n\r\n", ["all@in.test"])[:3] == "250"
        assert client.send(b"Subject: 2\r\n\r\n", ["everybody@in.test"])[:3] == "250"
    until_queue_is_empty(site.config)
    for address in THREE:
        subjects = [message.partition(b"Subject: ")[2][:1] for message in maildir(site.config, address)]
        assert sorted(subjects) == [b"1", b"2"], address
    assert send(site, b"Subject: 3\r\n\r\n", ["team@in.test"])[:3] == "250"
    until_queue_is_empty(site.config)
    assert [len(maildir(site.config, address)) for address in THREE] == [3, 3, 3]
    assert site.terminate() == 0


def test_mail_that_a_rule_forwards_to_a_list_reaches_its_members(make_site: MakeSite) -> None:
    site = make_site(UNFILTERED)
    make_lists(site)
    store(site, "mail.dat", QUARANTINE.replace("110", "600\nTag:[spam]\nForward:team@in.test"))
    site.start()
    assert send(site, SPAM, ["bob@in.test", "carol@in.test"])[:3] == "250"
    until_queue_is_empty(site.config)
    for address in THREE:
        [delivered] = maildir(site.config, address)
        assert b"\r\nSubject: [spam] cheap watches\r\n" in delivered
    assert site.terminate() == 0
