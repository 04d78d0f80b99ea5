# SPDX-License-Identifier: Apache-2.0
"""Signatures over what accounts send: they verify over what goes out, whatever rules do to it, and are for whom they may be."""

from __future__ import annotations

import re
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Final

import pytest

from genkan.directory import Directory
from genkan.directory.dkim_keys import DkimKey
from genkan.dkim.key_pair import make_key_pair
from genkan.smtp.address import parse_mailbox
from tests.listener.ruled import block, call, kept, ruled, send
from tests.listener.test_intake_origin import login
from tests.support.server import START
from tests.support.signed_mail import verify

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from genkan.directory.dkim_keys import KeyState
    from genkan.dkim.key_pair import KeyKind, KeyPair
    from genkan.dkim.key_record import KeyText
    from genkan.dkim.verification import DkimResult
    from tests.listener.ruled import Kept
    from tests.support.server import RunningServer

HEADER: Final = b"From: Ann <ann@in.test>\r\nTo: bob@in.test\r\nSubject: hello\r\n"
BODY: Final = b"\r\nDear Bob,  \r\n\r\nYours, Ann\r\n\r\n"
NOW: Final = int(START.timestamp())
LINE: Final = b"x" * 70 + b"\r\n"
ACCOUNTS: Final = ("kai@in2.test", "eve@deep.in.test")
ALIASES: Final = {"ann.e@in.test": "ann@in.test", "ann@in2.test": "ann@in.test"}


@cache
def pair(kind: KeyKind) -> KeyPair:
    """One key of each kind for all tests."""
    return make_key_pair(kind)


def key(domain: str, selector: str = "sel", kind: KeyKind = "ed25519", state: KeyState = "signing") -> DkimKey:
    return DkimKey(domain, selector, kind, pair(kind).private_pem, state, START)


@contextmanager
def signing(
    home: Path, *keys: DkimKey, settings: str = "", documents: dict[str, str] | None = None
) -> Iterator[RunningServer]:
    """A server whose domains in.test, in2.test and deep.in.test have these keys."""
    with ruled(home, documents or {}, settings) as server:
        with Directory.open(server.config.storage_folder) as directory:
            for address in ACCOUNTS:
                mailbox = parse_mailbox(address)
                directory.domains.add(mailbox.domain)
                directory.accounts.add(mailbox, address)
            for alias, target in ALIASES.items():
                directory.aliases.add(parse_mailbox(alias), parse_mailbox(target))
            for one in keys:
                directory.dkim_keys.add([one])
        yield server


def submit(server: RunningServer, header: bytes = HEADER, body: bytes = BODY, *recipients: bytes) -> int:
    """Send a message as ann; the code at its end."""
    with call(server) as caller:
        login(caller)
        return send(caller, header + body, *(recipients or (b"bob",)), sender=b"ann@in.test")


def signatures(message: Kept) -> Sequence[DkimResult]:
    """What a receiver finds who looks the keys up."""
    header, _, body = (message.trace + message.content).partition(b"\r\n\r\n")
    records: dict[str, KeyText] = {}
    for name, kind in re.findall(r"((\w+)\._domainkey\.[a-z0-9.]+)", " ".join(questions(message))):
        records[name] = (pair("rsa" if kind.startswith("r") else "ed25519").record,)
    return verify(header + b"\r\n", body, records, NOW).dkim


def questions(message: Kept) -> list[str]:
    """The names of the keys that the signatures of a message ask for."""
    fields = re.findall(rb"DKIM-Signature:[^;]+;[^;]+;[^;]+; d=([^;]+);\s+s=([^;]+);", message.trace)
    return [f"{selector.decode()}._domainkey.{domain.decode()}" for domain, selector in fields]


def only(server: RunningServer) -> Kept:
    (message,) = kept(server.config)
    return message


# They verify.


@pytest.mark.parametrize("size", [10, 5_000, 300_000, 3_000_000])
def test_a_signature_stands_before_received_and_verifies(tmp_path: Path, size: int) -> None:
    body = BODY + LINE * (size // len(LINE))
    with signing(tmp_path, key("in.test")) as server:
        assert submit(server, HEADER, body) == 250
    message = only(server)
    assert message.content == HEADER + body
    assert message.trace.startswith(b"DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed; d=in.test; s=sel;")
    assert message.trace.count(b"\nReceived: ") == 1
    (found,) = signatures(message)
    assert (found.outcome, found.domain) == ("pass", "in.test")


@pytest.mark.parametrize("content", [b"From: ann@in.test", b"From: ann@in.test\r\n", b"From: ann@in.test\r\n\r\n"])
def test_a_message_without_body_is_signed_as_well(tmp_path: Path, content: bytes) -> None:
    with signing(tmp_path, key("in.test")) as server:
        assert submit(server, content, b"") == 250
    message = only(server)
    assert message.content == content
    assert questions(message) == ["sel._domainkey.in.test"]


def test_a_key_of_each_kind_makes_its_own_and_the_one_that_all_know_is_on_top(tmp_path: Path) -> None:
    with signing(tmp_path, key("in.test", "e1"), key("in.test", "r1", "rsa")) as server:
        assert submit(server) == 250
    found = signatures(only(server))
    assert [(one.selector, one.algorithm, one.outcome) for one in found] == [
        ("r1", "rsa-sha256", "pass"),
        ("e1", "ed25519-sha256", "pass"),
    ]


@pytest.mark.parametrize("size", [10, 300_000])
def test_what_rules_have_marked_is_signed_as_it_goes_out(tmp_path: Path, size: int) -> None:
    documents = {
        "mail.dat of ann@in.test": block("300", "Tag:[ann]"),
        "mail.dat of bob@in.test": block("400", "Tag:Reply-To: list@in.test"),
    }
    body = BODY + LINE * (size // len(LINE))
    with signing(tmp_path, key("in.test"), documents=documents) as server:
        assert submit(server, HEADER, body, b"ann", b"bob", b"sales") == 250
    first, second = kept(server.config)
    assert first.content == HEADER.replace(b"hello", b"[ann] hello") + body
    assert second.content == b"Reply-To: list@in.test\r\n" + HEADER + body
    assert first.trace != second.trace
    assert [one.outcome for message in (first, second) for one in signatures(message)] == ["pass", "pass"]


def test_what_claimed_to_be_ours_is_gone_before_it_is_signed(tmp_path: Path) -> None:
    forged = b"Authentication-Results: mx.in.test; dmarc=pass\r\n"
    with signing(tmp_path, key("in.test")) as server:
        assert submit(server, forged + HEADER) == 250
    message = only(server)
    assert message.content == HEADER + BODY
    assert [one.outcome for one in signatures(message)] == ["pass"]


def test_a_message_that_is_held_is_signed_too(tmp_path: Path) -> None:
    documents = {"approval-addresses.dat": "*@in.test hold bob@in.test\n"}
    settings = "approval.notify = false\n"
    with signing(tmp_path, key("in.test"), documents=documents, settings=settings) as server:
        assert submit(server) == 250
    message = only(server)
    assert message.hold is not None
    assert [one.outcome for one in signatures(message)] == ["pass"]


# Who may sign for whom: the account is ann@in.test.


@pytest.mark.parametrize(
    ("author", "signed"),
    [
        (b"ann@in.test", "in.test"),
        (b"ANN@IN.TEST", "in.test"),
        (b"ann.e@in.test", "in.test"),
        (b"bob@in.test", "in.test"),
        (b"nobody@in.test", "in.test"),
        (b"ann@in2.test", "in2.test"),
        (b"kai@in2.test", None),
        (b"ann@far.in.test", "in.test"),
        (b"ann@far.in2.test", None),
        (b"eve@deep.in.test", "in.test"),
        (b"x@out.test", None),
        (b"x@test", None),
        (b"ann@in.test, bob@in.test", None),
        (b"ann@in.test\r\nFrom: boss@out.test", None),
        (b"undisclosed:;", None),
        (b"ann", None),
        (b"", None),
    ],
)
def test_an_account_signs_for_its_domain_and_for_its_own_addresses(
    tmp_path: Path, author: bytes, signed: str | None
) -> None:
    with signing(tmp_path, key("in.test"), key("in2.test")) as server:
        assert submit(server, b"From: %b\r\n" % author) == 250
    message = only(server)
    assert questions(message) == ([] if signed is None else [f"sel._domainkey.{signed}"])
    assert [one.outcome for one in signatures(message)] == ([] if signed is None else ["pass"])


def signed_for(server: RunningServer, account: str, author: str) -> list[str]:
    """Whose keys sign a message of another account with this author."""

    def ask() -> list[str]:
        house = server.worker.listeners[0].door.house
        assert house.signing is not None
        house.directory.renew()
        owner = house.directory.account(parse_mailbox(account))
        assert owner is not None
        return [one.domain for one in house.signing._keys(owner, parse_mailbox(author))]

    return server.call(ask)  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("account", "author", "signed"),
    [
        ("eve@deep.in.test", "eve@deep.in.test", ["in.test"]),
        ("eve@deep.in.test", "zoe@deep.in.test", ["in.test"]),
        ("eve@deep.in.test", "ann@in.test", []),
        ("eve@deep.in.test", "x@other.in.test", []),
        ("kai@in2.test", "kai@in2.test", ["in2.test"]),
        ("kai@in2.test", "ann@in2.test", ["in2.test"]),
        ("kai@in2.test", "ann@in.test", []),
    ],
)
def test_a_domain_without_a_key_has_that_of_the_closest_one_above_it(
    tmp_path: Path, account: str, author: str, signed: list[str]
) -> None:
    with signing(tmp_path, key("in.test"), key("in2.test")) as server:
        assert signed_for(server, account, author) == signed


def test_a_domain_with_a_key_of_its_own_needs_no_other(tmp_path: Path) -> None:
    with signing(tmp_path, key("in.test"), key("deep.in.test")) as server:
        assert signed_for(server, "eve@deep.in.test", "eve@deep.in.test") == ["deep.in.test"]
        assert signed_for(server, "ann@in.test", "eve@deep.in.test") == []


def test_who_has_not_authenticated_signs_nothing(tmp_path: Path) -> None:
    documents = {"effect.dat": "192.0.2.10 true\n"}
    with signing(tmp_path, key("in.test"), documents=documents) as server, call(server) as caller:
        assert send(caller, HEADER + BODY, b"bob", sender=b"ann@in.test") == 250
    assert questions(only(server)) == []


# Which keys.


@pytest.mark.parametrize("state", ["waiting", "retired"])
def test_a_key_that_waits_or_is_retired_signs_nothing(tmp_path: Path, state: KeyState) -> None:
    with signing(tmp_path, key("in.test", "e1", state=state)) as server:
        assert submit(server) == 250
    assert questions(only(server)) == []


def test_from_its_rotation_on_the_next_key_signs(tmp_path: Path) -> None:
    keys = (key("in.test", "e1"), key("in.test", "e2", state="waiting"))
    with signing(tmp_path, *keys) as server:
        assert submit(server) == 250
        with Directory.open(server.config.storage_folder) as directory:
            directory.dkim_keys.rotate("in.test")
        assert submit(server) == 250
        with Directory.open(server.config.storage_folder) as directory:
            directory.dkim_keys.remove("in.test", "e2")
        assert submit(server) == 250
    assert [questions(message) for message in kept(server.config)] == [
        ["e1._domainkey.in.test"],
        ["e2._domainkey.in.test"],
        [],
    ]


def test_a_key_that_cannot_be_read_is_told_of_and_the_mail_goes_on(tmp_path: Path) -> None:
    broken = DkimKey("in.test", "e0", "ed25519", b"not a key", "signing", START)
    with signing(tmp_path, broken) as server:
        assert submit(server) == 250
        with Directory.open(server.config.storage_folder) as directory:
            directory.dkim_keys.add([key("in.test", "e1")])
        assert submit(server) == 250
        log = server.log
    assert [questions(message) for message in kept(server.config)] == [[], ["e1._domainkey.in.test"]]
    assert log.count("a key cannot be signed with") == 2
    assert "not a key" not in log


def test_nothing_is_signed_where_the_setting_says_so(tmp_path: Path) -> None:
    with signing(tmp_path, key("in.test"), settings="dkim.sign = false\n") as server:
        assert submit(server) == 250
    assert questions(only(server)) == []
