# SPDX-License-Identifier: Apache-2.0
"""Passwords: what verifies, what does not, and that nobody learns which accounts exist."""

from __future__ import annotations

import hmac
import time
from typing import TYPE_CHECKING

import pytest
from argon2 import PasswordHasher
from scramp import ScramClient, ScramException, ScramMechanism

from genkan.directory.accounts import Account
from genkan.directory.passwords import (
    PasswordUnverifiable,
    PasswordWrong,
    hash_password,
    make_credentials,
    needs_rehash,
    scram_keys,
    unmatchable_scram_keys,
    verify_cram_md5,
    verify_password,
)
from genkan.smtp.address import Mailbox

if TYPE_CHECKING:
    from collections.abc import Callable

    from genkan.directory.passwords import ScramKeys

PASSWORD = "ann's secret 1"
CHALLENGE = b"<1896.697170952@mx.in.test>"


def account(password_hash: str | None = None, cram_secret: str | None = None) -> Account:
    return Account(1, Mailbox("ann", "in.test"), password_hash=password_hash, cram_secret=cram_secret)


def digest(secret: str) -> str:
    return hmac.new(secret.encode(), CHALLENGE, "md5").hexdigest()


def test_the_right_password_verifies() -> None:
    verify_password(account(hash_password(PASSWORD)), PASSWORD)


@pytest.mark.parametrize("password", ["", "ann's secret 2", "ANN'S SECRET 1", "x" * 1025, "a\0b", "a\r\nb", "\ud800"])
def test_any_other_password_is_wrong(password: str) -> None:
    with pytest.raises(PasswordWrong):
        verify_password(account(hash_password(PASSWORD)), password)


@pytest.mark.parametrize("known", [None, account()])
def test_nobody_has_no_password(known: Account | None) -> None:
    with pytest.raises(PasswordWrong):
        verify_password(known, PASSWORD)


def test_a_hash_is_argon2id_with_the_chosen_costs() -> None:
    assert hash_password(PASSWORD).startswith("$argon2id$v=19$m=19456,t=2,p=1$")


@pytest.mark.parametrize("typed", ["パスワードです", "ﾊﾟｽﾜｰﾄﾞです", "\u00a0パスワードです"])
def test_saslprep_makes_one_password_of_its_writings(typed: str) -> None:
    stored = account(hash_password(" " * typed.startswith("\u00a0") + "パスワードです"))
    verify_password(stored, typed)


def test_a_password_that_saslprep_forbids_still_verifies_in_any_normal_form() -> None:
    newer_than_saslprep = "\U0001f511 cle\u0301 secrète"
    stored = make_credentials(newer_than_saslprep)
    assert stored.scram is None
    verify_password(account(stored.password_hash), "\U0001f511 cl\u00e9 secrète")


@pytest.mark.parametrize("damaged", ["", "plain", "$argon2id$v=19$m=19456,t=2,p=1$AAAA"])
def test_a_damaged_hash_is_a_failure_and_no_wrong_password(damaged: str) -> None:
    if damaged:
        with pytest.raises(PasswordUnverifiable, match="set it anew"):
            verify_password(account(damaged), PASSWORD)
    else:
        with pytest.raises(PasswordWrong):
            verify_password(account(damaged), PASSWORD)


def test_a_hash_with_other_costs_is_to_be_made_again() -> None:
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    verify_password(account(cheap), PASSWORD)
    assert needs_rehash(account(cheap))
    assert not needs_rehash(account(hash_password(PASSWORD)))
    assert not needs_rehash(account())


def _fastest(work: Callable[[], None]) -> float:
    times = []
    for _ in range(4):
        started = time.process_time()
        with pytest.raises(PasswordWrong):
            work()
        times.append(time.process_time() - started)
    return min(times)


def test_an_unknown_account_costs_what_a_wrong_password_costs() -> None:
    stored = account(hash_password(PASSWORD))
    wrong = _fastest(lambda: verify_password(stored, "another one"))
    unknown = _fastest(lambda: verify_password(None, "another one"))
    malformed = _fastest(lambda: verify_password(stored, "a\0b"))
    assert 0.4 < unknown / wrong < 2.5
    assert 0.4 < malformed / wrong < 2.5


def _scram(keys: ScramKeys, password: str) -> None:
    server = ScramMechanism("SCRAM-SHA-256").make_server(
        lambda _login: (keys.salt, keys.stored_key, keys.server_key, keys.iterations)
    )
    client = ScramClient(["SCRAM-SHA-256"], "ann", password)
    server.set_client_first(client.get_client_first())
    client.set_server_first(server.get_server_first())
    server.set_client_final(client.get_client_final())
    client.set_server_final(server.get_server_final())


def test_scram_works_with_the_keys() -> None:
    keys = scram_keys(PASSWORD)
    assert keys is not None
    assert (len(keys.salt), keys.iterations) == (16, 15000)
    _scram(keys, PASSWORD)
    with pytest.raises(ScramException):
        _scram(keys, "another one")


def test_no_password_fits_the_keys_of_nobody() -> None:
    keys = unmatchable_scram_keys(b"k" * 32, "nobody@in.test")
    with pytest.raises(ScramException):
        _scram(keys, PASSWORD)


def test_the_keys_of_nobody_depend_on_installation_and_login_alone() -> None:
    keys = unmatchable_scram_keys(b"k" * 32, "nobody@in.test")
    assert unmatchable_scram_keys(b"k" * 32, "nobody@in.test") == keys
    assert unmatchable_scram_keys(b"k" * 32, "noone@in.test").salt != keys.salt
    assert unmatchable_scram_keys(b"j" * 32, "nobody@in.test").salt != keys.salt
    assert keys.iterations == 15000
    assert keys.stored_key != keys.server_key


def test_the_example_of_rfc_2195_verifies() -> None:
    tim = account("x", "tanstaaftanstaaf")
    challenge = b"<1896.697170952@postoffice.reston.mci.net>"
    verify_cram_md5(tim, challenge, "b913a602c7eda7a495b4e6e7334d3890")
    verify_cram_md5(tim, challenge, "B913A602C7EDA7A495B4E6E7334D3890")


@pytest.mark.parametrize("answer", ["", "0" * 32, "é" * 32, digest("another one"), digest(PASSWORD)[:-1]])
def test_any_other_digest_is_wrong(answer: str) -> None:
    with pytest.raises(PasswordWrong):
        verify_cram_md5(account("x", PASSWORD), CHALLENGE, answer)


@pytest.mark.parametrize("known", [None, account("x")])
@pytest.mark.parametrize("secret", ["", "None", PASSWORD])
def test_a_digest_of_nobody_is_wrong(known: Account | None, secret: str) -> None:
    with pytest.raises(PasswordWrong):
        verify_cram_md5(known, CHALLENGE, digest(secret))


def test_no_secret_shows_in_the_representation() -> None:
    credentials = make_credentials(PASSWORD, reversible=True)
    assert credentials.cram_secret == PASSWORD
    assert PASSWORD not in repr(credentials)
    assert "argon2" not in repr(credentials)
    assert "_key" not in repr(credentials)
