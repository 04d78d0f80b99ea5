# SPDX-License-Identifier: Apache-2.0
"""What tests with real mail clients share: a server with every kind of listener, the clients' programs, and what arrived."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NoReturn

import pytest
import trustme

from genkan.delivery.local import maildir_path
from genkan.directory.directory import Directory
from genkan.smtp.address import parse_mailbox
from genkan.spool.reading import spool_folders
from genkan.storage.sqlite import open_database
from tests.support.server import RunningServer, configuration, serving, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from genkan.config import Config

PASSWORD: Final = "tea at 4 + milk"
HOST_NAME: Final = "localhost"  # what the certificate says, and what clients connect to
CLIENT_DEADLINE: Final = 30.0  # seconds a client's program may take

TLS: Final = '[tls]\ncertificate = "cert.pem"\nkey = "key.pem"\n'
PAUSED: Final = f"{TLS}[delivery]\npaused = true\n"
LISTENERS: Final = "".join(
    f'[[listener]]\naddress = "127.0.0.1:0"\nrole = "{role}"\n' for role in ("smtp", "submission", "submissions")
)

# The fields in front of delivered content are ours: the date of the Received field is the last thing in them.
_OWN_FIELDS: Final = re.compile(
    rb"Return-Path: <[^\r\n]*>\r\nDelivered-To: [^\r\n]+\r\n"
    rb"(?:Authentication-Results: [^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*)?"
    rb"Received: .+?;\s+[A-Z][a-z]{2}, \d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [+-]\d{4}\r\n",
    re.DOTALL,
)


@dataclass(frozen=True)
class Post:
    """A running server whose certificate is signed by the `authority` in that PEM file."""

    server: RunningServer
    authority: Path

    def port(self, role: str) -> int:
        """Where the listener of that role listens on 127.0.0.1."""
        return self.server.address(role)[1]

    def received(self, address: str, count: int = 1) -> list[bytes]:
        """The files in an account's Maildir, oldest first; waits until there are `count` of them."""
        config = self.server.config
        folder = maildir_path(config.delivery.maildir, config.home, parse_mailbox(address)) / "new"
        until(lambda: folder.is_dir() and len(list(folder.iterdir())) >= count, f"{count} messages for {address}")
        return [path.read_bytes() for path in sorted(folder.iterdir())]

    def contents(self, address: str, count: int = 1) -> list[bytes]:
        """As `received`, without the fields that the server put in front."""
        return [content_of(message) for message in self.received(address, count)]

    def logged(self, event: str) -> list[dict[str, Any]]:
        """The lines of the mail log about that kind of event."""
        lines = [json.loads(line) for line in self.server.log.splitlines()]
        return [line for line in lines if line["event"] == event]

    def nothing_accepted(self) -> bool:
        """Whether no message has been accepted so far."""
        return not self.logged("accepted")

    def envelopes(self) -> list[tuple[str, str, str, int]]:
        """BODY, RET, ENVID and whether SMTPUTF8 was asked for, of each message in the spool."""
        rows = self._spooled("SELECT body, ret, envid, smtputf8 FROM message ORDER BY id")
        return [(str(body), str(ret), str(envid), int(str(utf8))) for body, ret, envid, utf8 in rows]

    def notifications(self) -> list[tuple[str, str, str]]:
        """Forward-path, NOTIFY and ORCPT of each recipient in the spool."""
        rows = self._spooled("SELECT forward_path, notify, original FROM recipient ORDER BY message, number")
        return [(str(forward_path), str(notify), str(original)) for forward_path, notify, original in rows]

    def _spooled(self, query: str) -> list[tuple[object, ...]]:
        (folder,) = spool_folders(self.server.config.storage_folder)
        connection = open_database(folder / "spool.db", read_only=True)
        try:
            return list(connection.execute(query))
        finally:
            connection.close()


@contextmanager
def running_post(home: Path, text: str = TLS, listeners: str = LISTENERS) -> Iterator[Post]:
    """A server in `home` with the accounts ann (her password is kept readable, for CRAM-MD5) and bob."""
    config = configuration(home, text, listeners)
    certificate_authority = trustme.CA()
    issued = certificate_authority.issue_cert(HOST_NAME, "127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(home / "cert.pem")
    issued.private_key_pem.write_to_path(home / "key.pem")
    certificate_authority.cert_pem.write_to_path(home / "authority.pem")
    _add_accounts(config)
    with serving(config) as server:
        yield Post(server, home / "authority.pem")


def _add_accounts(config: Config) -> None:
    with Directory.open(config.storage_folder) as directory:
        directory.domains.add("in.test")
        directory.accounts.add(parse_mailbox("ann@in.test"), "Ann Example", PASSWORD, reversible=True)
        directory.accounts.add(parse_mailbox("bob@in.test"), "Bob Example", PASSWORD)


def content_of(message: bytes) -> bytes:
    """A delivered message without the server's own fields, which must be there."""
    own = _OWN_FIELDS.match(message)
    assert own is not None, message[:500]
    return message[own.end() :]


def own_fields(message: bytes) -> bytes:
    """The fields that the server put in front of a delivered message, unfolded."""
    own = _OWN_FIELDS.match(message)
    assert own is not None, message[:500]
    return re.sub(rb"\r\n[ \t]+", b" ", own[0])


def program(name: str, package: str) -> str:
    """The path of an installed program; without it the test is skipped, and fails under CI=true."""
    path = shutil.which(name)
    if path is None:
        cannot_run(f"{name} is not installed; on Debian and Ubuntu: apt-get install {package}")
    return path


def cannot_run(reason: str) -> NoReturn:
    """Skip the test with that reason; under CI=true fail it."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def run_client(command: list[str], home: Path, given: bytes = b"") -> subprocess.CompletedProcess[str]:
    """Run a client's program with `given` as its input, far from the settings of whoever runs the tests."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        command, input=given, capture_output=True, env=environment, timeout=CLIENT_DEADLINE, check=False
    )
    output, errors = (stream.decode("utf-8", "replace") for stream in (done.stdout, done.stderr))
    return subprocess.CompletedProcess(command, done.returncode, output, errors)


def big_message(octets: int) -> bytes:
    """A message of about `octets`: numbered lines, so that none can be lost, doubled or moved unseen; some begin with dots."""
    count = octets // 64
    lines = (f"{'.' * (number % 4)}{number:08} {'x' * 50}"[:62].encode() for number in range(count))
    return b"Subject: big\r\nFrom: <x@out.test>\r\n\r\n" + b"".join(line + b"\r\n" for line in lines)
