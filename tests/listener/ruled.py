# SPDX-License-Identifier: Apache-2.0
"""A server with rule documents, whose delivery is paused, and what lies in its spool and its record."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from genkan.directory import Directory
from genkan.record.files import FOLDER
from genkan.record.reader import RecordReader, Wanted
from genkan.smtp.address import parse_mailbox
from genkan.spool.reading import list_queued, read_content
from tests.support.caller import PLAINTEXT, Caller, install, listener, proxy_v1
from tests.support.server import START, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from genkan.config import Config
    from genkan.record.entry import Entry
    from genkan.spool.hold import Hold
    from tests.support.server import RunningServer

CLIENT: Final = "192.0.2.10"
PAUSED: Final = "[delivery]\npaused = true\n"
MESSAGE: Final = b"Subject: hello\r\n\r\nOne line.\r\n"


class Kept(NamedTuple):
    """A message in the spool: `trace` is our own field, `content` all behind it."""

    message_id: str
    reverse_path: str
    recipients: list[str]
    trace: bytes
    content: bytes
    hold: Hold | None


def block(level: str, *items: str, subject: str = "hello") -> str:
    """A block of mail.dat for a Subject."""
    lines = (f"Virus:{subject}", f"Subject:{subject}", *items, f"Level:{level}", "VirusEnd:", "")
    return "\n".join(lines)


@contextmanager
def ruled(home: Path, documents: dict[str, str], text: str = "") -> Iterator[RunningServer]:
    """A server whose clients come through a proxy; a document's name may be `NAME of ACCOUNT`."""
    config = install(home, text + PAUSED + PLAINTEXT, listener(proxied=True))
    with Directory.open(config.storage_folder) as directory:
        for place, octets in documents.items():
            store(directory, place, octets)
    with serving(config) as server:
        yield server


def store(directory: Directory, place: str, text: str) -> None:
    """Store a document as `ruled` names it."""
    name, _, address = place.partition(" of ")
    account = directory.account(parse_mailbox(address)) if address else None
    directory.documents.store(name, account, text.encode(), "operator")


def call(server: RunningServer, client: str = CLIENT) -> Caller:
    """A client that has said hello."""
    caller = Caller(server, first=proxy_v1(client))
    assert caller.ask(b"EHLO client.test") == [250]
    return caller


def send(caller: Caller, content: bytes, *recipients: bytes, sender: bytes = b"x@out.test") -> int:
    """Send a message as BDAT does, octet by octet what is given; the code at its end."""
    caller.send(b"MAIL FROM:<%b>\r\n" % sender + b"".join(b"RCPT TO:<%b@in.test>\r\n" % each for each in recipients))
    assert caller.codes(1 + len(recipients)) == [250] * (1 + len(recipients))
    caller.send(b"BDAT %d LAST\r\n" % len(content) + content)
    return caller.code()


def kept(config: Config) -> list[Kept]:
    """What lies in the spool, in the order of ids."""
    found = []
    for message in list_queued(config.storage_folder, START):
        octets = b"".join(read_content(message))
        end = octets.index(b"+0000\r\n") + 7
        recipients = [recipient.mailbox for recipient in message.recipients]
        hold = None if message.held is None else message.held.hold
        found.append(Kept(message.message_id, message.reverse_path, recipients, octets[:end], octets[end:], hold))
    return found


def record(config: Config) -> list[Entry]:
    """The record of a server that has stopped."""
    return list(RecordReader(config.storage_folder / FOLDER).oldest_first(Wanted()))
