# SPDX-License-Identifier: Apache-2.0
"""What hostile or merely large clients cost: the memory of the server stays bounded, and it goes on answering."""

from __future__ import annotations

import resource
import threading
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Self

from genkan.spool.reading import list_queued
from tests.support.load import Client, until_queue_is_empty
from tests.support.server import free_port, maildir

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.site import MakeSite, Site

MIB: Final = 1024 * 1024


class Growth:
    """The most that the resident memory of a process has grown by since the beginning, in octets."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._pid = site.pids()[0]
        self._before = site.resident(self._pid)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.octets = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.01):
            self.octets = max(self.octets, self._site.resident(self._pid) - self._before)


def warm(site: Site) -> None:
    """Let the server use everything once."""
    with Client(site.port) as client:
        for size in (100, 100_000):
            assert client.send(b"Subject: warm\r\n\r\n" + b"x" * 70 + b"\r\n" * (size // 2))[:3] == "250"
    until_queue_is_empty(site.config)


def test_large_messages_of_many_sessions_are_never_whole_in_memory(make_site: MakeSite) -> None:
    site = make_site()
    site.start()
    warm(site)
    content = b"Subject: large\r\n\r\n" + (b"x" * 78 + b"\r\n") * (24 * MIB // 80)
    replies: list[str] = []

    def send() -> None:
        with Client(site.port) as client:
            replies.append(client.send(content)[:3])

    threads = [threading.Thread(target=send) for _ in range(10)]
    with Growth(site) as growth:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        until_queue_is_empty(site.config)
    assert replies == ["250"] * 10
    messages = maildir(site.config, "ann@in.test")
    assert [message.endswith(b"\r\n" + content) for message in messages[-10:]] == [True] * 10
    assert growth.octets < 100 * MIB
    assert site.terminate() == 0


def test_a_header_section_without_end_is_refused_in_bounded_memory(make_site: MakeSite) -> None:
    site = make_site()
    site.start()
    warm(site)
    with Growth(site) as growth, Client(site.port) as client:
        for number in range(2):
            line = b"X-Field: " + b"x" * 60 + (b"\r\n" if number else b"\r\n ")
            reply = client.send(line * (24 * MIB // len(line)) + b"\r\n")
            assert reply[0] == "5"
        assert client.command(b"NOOP\r\n")[:3] == "250"
    assert growth.octets < 32 * MIB
    assert site.terminate() == 0


def test_ten_thousand_recipients_are_accepted_and_the_next_is_deferred(make_site: MakeSite) -> None:
    site = make_site(
        f'delivery.smarthost = "127.0.0.1:{free_port()}"\nbrake.mode = "off"\n'
        '[auth]\nunauthenticated_accounts = "anywhere"\n'
    )
    site.start()
    warm(site)
    with Growth(site) as growth, Client(site.port) as client:
        client.expect("250", client.command(b"MAIL FROM:<ann@in.test>\r\n"))
        for start in range(0, 10_000, 100):
            numbers = range(start, start + 100)
            client.socket.sendall(b"".join(b"RCPT TO:<r%d@example.org>\r\n" % number for number in numbers))
            assert [client.reply()[:3] for _ in numbers] == ["250"] * 100
        assert client.command(b"RCPT TO:<bob@in.test>\r\n")[:3] == "452"
        client.expect("354", client.command(b"DATA\r\n"))
        client.expect("250", client.command(b"Subject: many\r\n\r\n.\r\n"))
        site.until_logged("deferred", 10_000)
    [message] = list_queued(site.config.storage_folder, datetime.now(UTC))
    assert len(message.recipients) == 10_000
    assert all("Connection refused" in recipient.last_outcome for recipient in message.recipients)
    assert growth.octets < 64 * MIB
    assert site.terminate() == 0


@contextmanager
def many_open_files() -> Iterator[None]:
    """Allow this process as many as the system does."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_three_thousand_idle_connections_are_cheap_and_still_answered(make_site: MakeSite) -> None:
    site = make_site()
    site.start()
    warm(site)
    with many_open_files(), Growth(site) as growth, ExitStack() as stack:
        clients = [stack.enter_context(Client(site.port)) for _ in range(3000)]
        with Client(site.port) as another:
            assert another.send(b"Subject: still\r\n\r\n")[:3] == "250"
        assert {client.command(b"NOOP\r\n")[:3] for client in clients} == {"250"}
    assert growth.octets < 3000 * 16 * 1024
    assert site.terminate() == 0
