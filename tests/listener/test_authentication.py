# SPDX-License-Identifier: Apache-2.0
"""AUTH as the listener leads it, on a real directory: every mechanism, right, wrong, and damaged."""

from __future__ import annotations

import asyncio
import hmac
import re
from typing import TYPE_CHECKING, Final

import apsw
import pytest
from scramp import ScramClient

from genkan.directory import Account, Directory
from genkan.listener.authentication import Authentication
from genkan.listener.password_pool import PasswordPool
from genkan.smtp import replies
from genkan.smtp.address import Mailbox
from genkan.smtp.reply import ReplyRow
from genkan.storage.engine import StorageError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from genkan.listener.authentication import Result

PASSWORD: Final = "ann's secret 1"
ANN: Final = "ann@in.test"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("authentication") / "data"


@pytest.fixture(scope="module")
def directory(folder: Path) -> Iterator[Directory]:
    """A readable password for ann, one that is not readable for eve, none for bob."""
    with Directory.open(folder) as opened:
        opened.domains.add("in.test")
        opened.accounts.add(Mailbox("ann", "in.test"), "Ann Example", PASSWORD, reversible=True)
        opened.accounts.add(Mailbox("eve", "in.test"), "Eve Example", PASSWORD)
        opened.accounts.add(Mailbox("bob", "in.test"), "Bob Example")
        yield opened


class Exchange:
    """One AUTH exchange, with the waiting done."""

    def __init__(self, directory: Directory, mechanism: str) -> None:
        self._loop = asyncio.new_event_loop()
        self.authentication = Authentication(mechanism, "mx.in.test", directory, PasswordPool(self._loop))

    def start(self, initial: bytes | None = None) -> Result:
        return self._result(lambda: self.authentication.start(initial))

    def next(self, response: bytes) -> Result:
        return self._result(lambda: self.authentication.next(response))

    def close(self) -> None:
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    def _result(self, step: Callable[[], Result | Awaitable[Result]]) -> Result:
        async def run() -> Result:
            given = step()
            return given if isinstance(given, bytes | Account | ReplyRow) else await given

        return self._loop.run_until_complete(run())


@pytest.fixture
def exchange(directory: Directory, request: pytest.FixtureRequest) -> Iterator[Exchange]:
    opened = Exchange(directory, request.param)
    yield opened
    opened.close()


def with_mechanism(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("exchange", [name], indirect=True)


def told(result: Result) -> str:
    """The account's address, or the name of the refusal."""
    assert isinstance(result, Account | ReplyRow)
    return str(result.address) if isinstance(result, Account) else result.name


def challenge(result: Result) -> bytes:
    assert isinstance(result, bytes)
    return result


@with_mechanism("PLAIN")
@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (f"\0{ANN}\0{PASSWORD}", ANN),
        (f"\0ann\0{PASSWORD}", ANN),
        (f"\0ANN@In.Test\0{PASSWORD}", ANN),
        (f"{ANN}\0{ANN}\0{PASSWORD}", ANN),
        (f"\0{ANN}\0wrong", "AUTH_FAILED"),
        (f"\0{ANN}\0", "AUTH_FAILED"),
        (f"\0bob@in.test\0{PASSWORD}", "AUTH_FAILED"),
        (f"\0nobody@in.test\0{PASSWORD}", "AUTH_FAILED"),
        (f"\0ann@out.test\0{PASSWORD}", "AUTH_FAILED"),
        (f"eve@in.test\0{ANN}\0{PASSWORD}", "AUTH_FAILED"),
        ("nonsense", "AUTH_FAILED"),
        ("", "AUTH_FAILED"),
    ],
)
def test_plain(exchange: Exchange, message: str, expected: str) -> None:
    assert told(exchange.start(message.encode())) == expected


@with_mechanism("PLAIN")
def test_plain_without_an_initial_response_asks_for_it(exchange: Exchange) -> None:
    assert challenge(exchange.start()) == b""
    assert told(exchange.next(f"\0{ANN}\0{PASSWORD}".encode())) == ANN


@with_mechanism("LOGIN")
@pytest.mark.parametrize(("password", "expected"), [(PASSWORD, ANN), ("wrong", "AUTH_FAILED")])
@pytest.mark.parametrize("early", [True, False])
def test_login_with_and_without_an_initial_response(
    exchange: Exchange, early: bool, password: str, expected: str
) -> None:
    if early:
        asked = exchange.start(ANN.encode())
    else:
        assert challenge(exchange.start()) == b"Username:"
        asked = exchange.next(ANN.encode())
    assert challenge(asked) == b"Password:"
    assert told(exchange.next(password.encode())) == expected
    assert exchange.authentication.login == ANN


@with_mechanism("CRAM-MD5")
@pytest.mark.parametrize(
    ("login", "password", "expected"),
    [
        (ANN, PASSWORD, ANN),
        (ANN, "wrong", "AUTH_FAILED"),
        ("eve@in.test", PASSWORD, "AUTH_FAILED"),
        ("bob@in.test", PASSWORD, "AUTH_FAILED"),
        ("nobody@in.test", PASSWORD, "AUTH_FAILED"),
    ],
)
def test_cram_md5_needs_a_readable_password(exchange: Exchange, login: str, password: str, expected: str) -> None:
    given = challenge(exchange.start())
    digest = hmac.new(password.encode(), given, "md5").hexdigest()
    assert told(exchange.next(f"{login} {digest}".encode())) == expected
    assert exchange.authentication.login == login


def test_no_cram_md5_challenge_comes_twice(directory: Directory) -> None:
    exchanges = [Exchange(directory, "CRAM-MD5") for _ in range(20)]
    challenges = {challenge(exchange.start()) for exchange in exchanges}
    for exchange in exchanges:
        exchange.close()
    assert len(challenges) == 20
    assert all(re.fullmatch(rb"<[0-9a-f]{32}@mx\.in\.test>", given) for given in challenges)


def log_in_by_scram(exchange: Exchange, login: str, password: str) -> str:
    client = ScramClient(["SCRAM-SHA-256"], login, password)
    client.set_server_first(challenge(exchange.start(client.get_client_first().encode())).decode())
    proof = exchange.next(client.get_client_final().encode())
    if isinstance(proof, bytes):
        client.set_server_final(proof.decode())
        proof = exchange.next(b"")
    return told(proof)


@with_mechanism("SCRAM-SHA-256")
@pytest.mark.parametrize(
    ("login", "password", "expected"),
    [
        (ANN, PASSWORD, ANN),
        ("eve@in.test", PASSWORD, "eve@in.test"),
        (ANN, "wrong", "AUTH_FAILED"),
        ("bob@in.test", PASSWORD, "AUTH_FAILED"),
        ("nobody@in.test", PASSWORD, "AUTH_FAILED"),
    ],
)
def test_scram_proves_both_sides(exchange: Exchange, login: str, password: str, expected: str) -> None:
    assert log_in_by_scram(exchange, login, password) == expected


def test_scram_shows_the_same_salt_each_time_whether_or_not_the_account_exists(directory: Directory) -> None:
    def salt_of(login: str) -> bytes:
        exchange = Exchange(directory, "SCRAM-SHA-256")
        first = challenge(exchange.start(f"n,,n={login},r=abcdefghijkl".encode()))
        exchange.close()
        return first.partition(b",s=")[2]

    for login in (ANN, "bob@in.test", "nobody@in.test"):
        assert salt_of(login) == salt_of(login)
        assert salt_of(login).endswith(b",i=15000")


def test_a_damaged_hash_is_not_taken_for_a_wrong_password(tmp_path: Path) -> None:
    with Directory.open(tmp_path / "data") as directory:
        directory.domains.add("in.test")
        directory.accounts.add(Mailbox("ann", "in.test"), "Ann Example", PASSWORD)
        connection = apsw.Connection(str(tmp_path / "data" / "directory.db"))
        connection.execute("UPDATE account SET password_hash = 'damaged'")
        connection.close()
        directory.refresh()
        exchange = Exchange(directory, "PLAIN")
        assert exchange.start(f"\0{ANN}\0{PASSWORD}".encode()) is replies.AUTH_UNAVAILABLE
        exchange.close()


def test_an_unreadable_directory_is_an_error_and_never_an_answer(tmp_path: Path) -> None:
    directory = Directory.open(tmp_path / "data")
    directory.close()
    exchange = Exchange(directory, "PLAIN")
    with pytest.raises(StorageError):
        exchange.start(f"\0{ANN}\0{PASSWORD}".encode())
    exchange.close()
