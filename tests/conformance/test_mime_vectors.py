# SPDX-License-Identifier: Apache-2.0
"""Malformed and old messages from the wild arrive octet for octet behind our own fields, by DATA and BDAT, however cut.

Some files have bare newlines: made CRLF, all are to arrive unchanged; as they are, they meet the rule about bare newlines
(RFC 5321, 2.3.8 and 4.5.2; RFC 3030, 2).
"""

from __future__ import annotations

import random
import re
import socket
from typing import TYPE_CHECKING, Final, Self

import pytest

from tests.support.clients import TLS, Post, running_post
from tests.support.vectors import vectors_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

BARE_NEWLINE: Final = re.compile(rb"(?<!\r)\n|\r(?!\n)")
NEWLINE: Final = re.compile(rb"\r\n|\r|\n")
ENVELOPE: Final = b"MAIL FROM:<x@out.test>\r\nRCPT TO:<ann@in.test>\r\n"

# What the files do not have: dots in every place, no header, no body, no octets, every octet, long lines, much of all.
OWN_MESSAGES: Final = {
    "dots": b".\r\n..\r\n...\r\n.a\r\n..a\r\na.\r\n\r\n.\r\n\r\n..\r\n.. \r\n",
    "only a dot": b".\r\n",
    "commands": b"Subject: a\r\n\r\n.\r\nMAIL FROM:<evil@out.test>\r\nQUIT\r\n.QUIT\r\n",
    "nothing": b"",
    "an empty line": b"\r\n",
    "header alone": b"Subject: a\r\n",
    "folded first line": b" folded\r\n\tfield: a\r\n\r\nbody\r\n",
    "every octet": bytes(octet for octet in range(256) if octet not in b"\r\n") * 3 + b"\r\n",
    "long lines": b"Subject: a\r\n\r\n" + b"." * 60_000 + b"\r\n" + b".x" * 30_000 + b"\r\n",
    "large": b"Subject: a\r\n\r\n" + b"".join(b"." * (n % 5) + b"%07d\r\n" % n for n in range(20_000)),
}


@pytest.fixture(scope="module")
def vectors() -> dict[str, bytes]:
    """All files of the suite by name, as they are."""
    return {path.name: path.read_bytes() for path in sorted(vectors_folder("mime").glob("*.eml"))}


@pytest.fixture
def messages(vectors: dict[str, bytes]) -> dict[str, bytes]:
    """What can be sent: the files with CRLF, and messages of our own."""
    return {name: with_crlf(octets) for name, octets in vectors.items()} | OWN_MESSAGES


@pytest.fixture
def post(tmp_path: Path) -> Iterator[Post]:
    with running_post(tmp_path) as running:
        yield running


@pytest.fixture
def normalising_post(tmp_path: Path) -> Iterator[Post]:
    with running_post(tmp_path, f'{TLS}[smtp]\nbare_newline = "normalise"\n') as running:
        yield running


class Client:
    """The plainest of clients: one session, lines in, lines out."""

    def __init__(self, post: Post) -> None:
        self._socket = socket.create_connection(post.server.address("smtp"), 20)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._input = self._socket.makefile("rb")
        self.answers(1)
        self.send(b"EHLO client.test\r\n")
        self.answers(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._input.close()
        self._socket.close()

    def send(self, *pieces: bytes) -> None:
        """Each piece in a write of its own."""
        for piece in pieces:
            self._socket.sendall(piece)

    def answers(self, count: int) -> list[str]:
        """The codes of so many replies; "" where the server has closed."""
        return [self._answer() for _ in range(count)]

    def _answer(self) -> str:
        while (line := self._input.readline())[3:4] == b"-":
            pass
        return line[:3].decode()

    def send_data(self, content: bytes, cut: Callable[[bytes], Iterable[bytes]]) -> str:
        """Send a message with DATA, its mail data cut into writes; the code of the last reply."""
        self.send(ENVELOPE + b"DATA\r\n")
        assert self.answers(3) == ["250", "250", "354"]
        self.send(*cut(stuffed(content)))
        return self._answer()

    def send_chunks(self, content: bytes, cut: Callable[[bytes], Iterable[bytes]]) -> str:
        """Send a message with BDAT, a chunk for each piece, up to 200 chunks in a write; the code of the last reply."""
        self.send(ENVELOPE)
        assert self.answers(2) == ["250", "250"]
        *chunks, last = [*cut(content)] or [b""]
        lines = [b"BDAT %d\r\n%b" % (len(chunk), chunk) for chunk in chunks]
        for start in range(0, len(lines), 200):  # more, and both sides could wait for each other to read
            group = lines[start : start + 200]
            self.send(b"".join(group))
            assert self.answers(len(group)) == ["250"] * len(group)
        self.send(b"BDAT %d LAST\r\n%b" % (len(last), last))
        return self._answer()


def with_crlf(octets: bytes) -> bytes:
    """The message with every newline, of whatever kind, as CRLF, and one at its end."""
    lines = b"\r\n".join(NEWLINE.split(octets))
    return lines if lines.endswith(b"\r\n") else lines + b"\r\n"


def stuffed(content: bytes) -> bytes:
    """Mail data as RFC 5321, 4.5.2 wants it, one line after the other."""
    lines = content.split(b"\r\n")
    assert lines.pop() == b""
    return b"".join(b"." * line.startswith(b".") + line + b"\r\n" for line in lines) + b".\r\n"


def whole(octets: bytes) -> Iterable[bytes]:
    return [octets]


def single_octets(octets: bytes) -> Iterable[bytes]:
    """Octet by octet, but for the long messages, whose first and last 2000 octets are enough."""
    edge = 2000 if len(octets) > 20_000 else len(octets)
    middle = [octets[edge:-edge]] if edge < len(octets) else []
    ends = octets[:edge] + (octets[-edge:] if middle else b"")
    pieces = [ends[at : at + 1] for at in range(len(ends))]
    return [*pieces[:edge], *middle, *pieces[edge:]]


def within_newlines(octets: bytes) -> Iterable[bytes]:
    """Every CR the last octet of its piece."""
    return re.findall(rb"[^\r]*\r|[^\r]+", octets)


def behind_newlines(octets: bytes) -> Iterable[bytes]:
    """Every line a piece, so that each dot at a line's start begins one."""
    return octets.splitlines(keepends=True) if octets.isascii() else re.findall(rb"[^\n]*\n|[^\n]+", octets)


def at_random(octets: bytes) -> Iterable[bytes]:
    """Anywhere, empty pieces among them; the same each time."""
    chance = random.Random(len(octets))  # noqa: S311  (no secret: any numbers do)
    places = sorted(chance.randrange(len(octets) + 1) for _ in range(min(40, len(octets))))
    return [octets[start:end] for start, end in zip([0, *places], [*places, len(octets)], strict=True)]


def then_empty(octets: bytes) -> Iterable[bytes]:
    """In two pieces with nothing in the last."""
    return [octets, b""]


CUTS: Final = (whole, single_octets, within_newlines, behind_newlines, at_random, then_empty)


def arrived(post: Post, names: Iterable[str]) -> dict[str, bytes]:
    """What lies in the Maildir, by the names in the order in which the messages were sent."""
    sent = list(names)
    return dict(zip(sent, post.contents("ann@in.test", len(sent)), strict=True))


def test_all_files_of_the_suite_are_read(vectors: dict[str, bytes]) -> None:
    assert len(vectors) == 77
    assert len([name for name, octets in vectors.items() if BARE_NEWLINE.search(octets)]) == 22


@pytest.mark.parametrize("cut", CUTS)
def test_every_message_arrives_octet_for_octet_by_data(
    post: Post, messages: dict[str, bytes], cut: Callable[[bytes], Iterable[bytes]]
) -> None:
    with Client(post) as client:
        codes = {name: client.send_data(content, cut) for name, content in messages.items()}
    assert codes == dict.fromkeys(messages, "250")
    assert arrived(post, messages) == messages


@pytest.mark.parametrize("cut", CUTS)
def test_every_message_arrives_octet_for_octet_by_chunks(
    post: Post, messages: dict[str, bytes], cut: Callable[[bytes], Iterable[bytes]]
) -> None:
    with Client(post) as client:
        codes = {name: client.send_chunks(content, cut) for name, content in messages.items()}
    assert codes == dict.fromkeys(messages, "250")
    assert arrived(post, messages) == messages


def test_a_message_by_chunks_need_not_end_in_a_newline(post: Post, messages: dict[str, bytes]) -> None:
    open_ended = {name: content.removesuffix(b"\r\n") for name, content in messages.items()}
    with Client(post) as client:
        codes = {name: client.send_chunks(content, at_random) for name, content in open_ended.items()}
    assert codes == dict.fromkeys(messages, "250")
    assert arrived(post, messages) == open_ended


def test_files_with_bare_newlines_are_refused_as_they_are(post: Post, vectors: dict[str, bytes]) -> None:
    bare = {name: octets for name, octets in vectors.items() if BARE_NEWLINE.search(octets)}
    ends = {}
    for name, octets in bare.items():
        with Client(post) as client:
            ends[name] = (client.send_chunks(octets, whole), client.answers(1))
    assert ends == dict.fromkeys(bare, ("550", [""]))
    assert post.nothing_accepted()


@pytest.mark.parametrize("cut", [whole, within_newlines, at_random])
def test_files_with_bare_newlines_arrive_with_crlf_where_newlines_are_normalised(
    normalising_post: Post, vectors: dict[str, bytes], cut: Callable[[bytes], Iterable[bytes]]
) -> None:
    with Client(normalising_post) as client:
        codes = {name: client.send_chunks(octets, cut) for name, octets in vectors.items()}
    assert codes == dict.fromkeys(vectors, "250")
    expected = {name: b"\r\n".join(NEWLINE.split(octets)) for name, octets in vectors.items()}
    assert arrived(normalising_post, vectors) == expected


@pytest.mark.parametrize("cut", [whole, within_newlines, at_random])
def test_files_with_bare_newlines_are_normalised_in_mail_data_as_well(
    normalising_post: Post, vectors: dict[str, bytes], cut: Callable[[bytes], Iterable[bytes]]
) -> None:
    closed = {name: octets.removesuffix(b"\n").removesuffix(b"\r") + b"\r\n" for name, octets in vectors.items()}
    with Client(normalising_post) as client:
        codes = {name: client.send_data(octets, cut) for name, octets in closed.items()}
    assert codes == dict.fromkeys(vectors, "250")
    assert arrived(normalising_post, vectors) == {name: with_crlf(octets) for name, octets in closed.items()}
