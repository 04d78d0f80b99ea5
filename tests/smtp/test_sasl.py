# SPDX-License-Identifier: Apache-2.0
"""AUTH dialogues: published exchanges, wrong turns, and that no secret shows."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scramp import ScramClient, ScramMechanism

from genkan.smtp.sasl import (
    MECHANISMS,
    Challenge,
    Dialogue,
    DigestGiven,
    Failed,
    Finished,
    KeysFound,
    PasswordGiven,
    Sources,
    Step,
    decode_base64,
    decode_initial_response,
    open_dialogue,
)

CRAM_CHALLENGE = b"<1896.697170952@mx.in.test>"
PASSWORD = "ann's secret 1"
LOGIN = "ann@in.test"


class DirectoryDownError(Exception):
    pass


def keys_for(login: str) -> KeysFound:
    salt, stored_key, server_key, iterations = ScramMechanism("SCRAM-SHA-256").make_auth_info(PASSWORD, salt=b"s" * 16)
    return KeysFound(salt, stored_key, server_key, iterations, known=login == LOGIN)


def no_keys(_login: str) -> KeysFound:
    raise DirectoryDownError


def dialogue(mechanism: str, sources: Sources | None = None) -> Dialogue:
    opened = open_dialogue(mechanism, sources or Sources(keys_for, CRAM_CHALLENGE))
    assert opened is not None
    return opened


def malformed(step: Step) -> bool:
    return isinstance(step, Failed) and step.malformed


def test_each_mechanism_opens_under_its_own_name() -> None:
    assert [dialogue(name).mechanism for name in MECHANISMS] == list(MECHANISMS)


def test_an_unknown_mechanism_opens_nothing() -> None:
    assert open_dialogue("DIGEST-MD5", Sources(keys_for, CRAM_CHALLENGE)) is None


# PLAIN


def test_plain_reads_the_message_that_came_with_auth() -> None:
    step = dialogue("PLAIN").start(b"\0ann@in.test\0ann's secret 1")
    assert step == PasswordGiven(LOGIN, PASSWORD)


def test_plain_asks_with_an_empty_challenge() -> None:
    plain = dialogue("PLAIN")
    assert plain.start(None) == Challenge(b"")
    assert plain.next(b"ann@in.test\0ann@in.test\0x") == PasswordGiven(LOGIN, "x", LOGIN)


def test_plain_refuses_to_act_as_another() -> None:
    assert dialogue("PLAIN").start(b"bob@in.test\0ann@in.test\0x") == Failed(
        "one account may not act as another", LOGIN
    )


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\0",
        b"\0ann",
        b"\0ann\0",
        b"\0\0x",
        b"\0ann\0x\0y",
        b"\0\xff\0x",
        b"\0ann\0\xff",
        b"\xff\0ann\0x",
        b"\0a\nb\0x",
    ],
)
def test_a_malformed_plain_message_fails(message: bytes) -> None:
    assert malformed(dialogue("PLAIN").start(message))


def test_a_login_name_beyond_255_octets_is_malformed() -> None:
    assert malformed(dialogue("PLAIN").start(b"\0" + b"a" * 256 + b"\0x"))


# LOGIN


def test_login_prompts_for_name_and_password() -> None:
    login = dialogue("LOGIN")
    steps = [login.start(None), login.next(b"ann@in.test"), login.next("päss".encode())]
    assert steps == [Challenge(b"Username:"), Challenge(b"Password:"), PasswordGiven(LOGIN, "päss")]


def test_login_takes_the_name_that_came_with_auth() -> None:
    login = dialogue("LOGIN")
    assert [login.start(b"ann@in.test"), login.next(b"x")] == [Challenge(b"Password:"), PasswordGiven(LOGIN, "x")]


def test_login_without_a_name_fails() -> None:
    assert malformed(dialogue("LOGIN").start(b""))


def test_a_password_that_is_not_utf8_is_a_wrong_one() -> None:
    login = dialogue("LOGIN")
    login.start(b"ann@in.test")
    assert login.next(b"\xff") == Failed("the password is not UTF-8", LOGIN)


# CRAM-MD5


def test_cram_md5_hands_over_the_digest_of_its_challenge() -> None:
    cram = dialogue("CRAM-MD5")
    assert cram.start(None) == Challenge(CRAM_CHALLENGE)
    digest = hmac.new(PASSWORD.encode(), CRAM_CHALLENGE, "md5")
    answer = b"ann@in.test " + digest.hexdigest().encode()
    assert cram.next(answer) == DigestGiven(LOGIN, CRAM_CHALLENGE, digest.digest())


def test_cram_md5_reads_the_example_of_rfc_2195() -> None:
    challenge = b"<1896.697170952@postoffice.reston.mci.net>"
    cram = dialogue("CRAM-MD5", Sources(keys_for, challenge))
    cram.start(None)
    step = cram.next(b"tim b913a602c7eda7a495b4e6e7334d3890")
    assert isinstance(step, DigestGiven)
    assert step.digest == hmac.digest(b"tanstaaftanstaaf", challenge, hashlib.md5)


@pytest.mark.parametrize(
    "answer", [b"", b"ann", b" " + b"0" * 32, b"ann " + b"0" * 31, b"ann " + b"g" * 32, b"\xff " + b"0" * 32]
)
def test_a_malformed_cram_md5_answer_fails(answer: bytes) -> None:
    cram = dialogue("CRAM-MD5")
    cram.start(None)
    assert malformed(cram.next(answer))


def test_cram_md5_refuses_an_initial_response() -> None:
    assert malformed(dialogue("CRAM-MD5").start(b""))


# SCRAM-SHA-256


def test_scram_speaks_the_exchange_of_rfc_7677() -> None:
    salt = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
    made = ScramMechanism("SCRAM-SHA-256").make_auth_info("pencil", iteration_count=4096, salt=salt)
    keys = KeysFound(made[0], made[1], made[2], made[3], known=True)
    scram = dialogue("SCRAM-SHA-256", Sources(lambda _login: keys, b"", "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"))
    nonce = b"rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    steps = [
        scram.start(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"),
        scram.next(b"c=biws,r=" + nonce + b",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="),
        scram.next(b""),
    ]
    assert steps == [
        Challenge(b"r=" + nonce + b",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"),
        Challenge(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="),
        Finished("user"),
    ]


def converse(login: str, password: str, first_flag: str = "n") -> Step:
    scram = dialogue("SCRAM-SHA-256")
    client = ScramClient(["SCRAM-SHA-256"], login, password)
    assert scram.start(None) == Challenge(b"")
    step = scram.next(client.get_client_first().replace("n,,", f"{first_flag},,", 1).encode())
    assert isinstance(step, Challenge)
    client.set_server_first(step.octets.decode())
    step = scram.next(client.get_client_final().encode())
    if isinstance(step, Challenge):
        client.set_server_final(step.octets.decode())
        step = scram.next(b"")
    return step


def test_scram_proves_a_right_password() -> None:
    assert converse(LOGIN, PASSWORD) == Finished(LOGIN)


def test_scram_refuses_a_wrong_password() -> None:
    assert converse(LOGIN, "wrong") == Failed("the SCRAM proof is wrong", LOGIN)


def test_scram_refuses_an_unknown_login_even_when_the_invented_keys_fit() -> None:
    assert converse("nobody@in.test", PASSWORD) == Failed("the SCRAM proof is wrong", "nobody@in.test")


def test_scram_detects_a_channel_binding_flag_changed_on_the_way() -> None:
    assert converse(LOGIN, PASSWORD, first_flag="y") == Failed("the SCRAM proof is wrong", LOGIN)


@pytest.mark.parametrize(
    "first",
    [
        b"",
        b"n,,",
        b"n,,n=ann",
        b"n,,r=abc,n=ann",
        b"n,,n=,r=abc",
        b"n,,n=a=b,r=abc",
        b"n,,m=x,n=ann,r=abc",
        b"p=tls-unique,,n=ann,r=abc",
        b"n,a=bob,n=ann,r=abc",
        b"x,,n=ann,r=abc",
        b"n,,n=\xff,r=abc",
        b"n,,n=" + b"a" * 3000 + b",r=abc",
    ],
)
def test_a_malformed_first_scram_message_fails(first: bytes) -> None:
    assert malformed(dialogue("SCRAM-SHA-256").start(first))


@pytest.mark.parametrize("flag", [b"n", b"y"])
def test_scram_takes_clients_with_and_without_channel_binding(flag: bytes) -> None:
    assert isinstance(dialogue("SCRAM-SHA-256").start(flag + b",,n=ann,r=abc"), Challenge)


def test_scram_wants_an_empty_answer_to_its_proof() -> None:
    scram = dialogue("SCRAM-SHA-256")
    client = ScramClient(["SCRAM-SHA-256"], LOGIN, PASSWORD)
    step = scram.start(client.get_client_first().encode())
    assert isinstance(step, Challenge)
    client.set_server_first(step.octets.decode())
    assert isinstance(scram.next(client.get_client_final().encode()), Challenge)
    assert malformed(scram.next(b"x"))


def test_a_failing_directory_is_not_a_failed_authentication() -> None:
    scram = dialogue("SCRAM-SHA-256", Sources(no_keys, CRAM_CHALLENGE))
    with pytest.raises(DirectoryDownError):
        scram.start(b"n,,n=ann,r=abc")


# All of them


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_after_the_end_a_dialogue_only_fails(mechanism: str) -> None:
    ended = dialogue(mechanism)
    ended.start(b"\0")
    assert malformed(ended.next(b"\0ann\0x"))
    assert malformed(ended.next(b"\0ann\0x"))


@given(st.sampled_from(MECHANISMS), st.none() | st.binary(max_size=60), st.lists(st.binary(max_size=60), max_size=4))
def test_any_answers_give_steps(mechanism: str, initial: bytes | None, answers: list[bytes]) -> None:
    talking = dialogue(mechanism)
    steps = [talking.start(initial), *(talking.next(answer) for answer in answers)]
    assert all(isinstance(step, Step) for step in steps)
    assert not any(isinstance(step, Finished) for step in steps)


scram_parts = st.sampled_from(
    ["n", "y", "p=tls-unique", "", "n=ann", "r=abc", "r=", "c=biws", "p=AAAA", "p=A", "a=b", "m=x", "=", "\u00ad"]
)


@given(st.lists(scram_parts, max_size=7), st.lists(scram_parts, max_size=7))
def test_any_scram_like_messages_give_steps(first: list[str], final: list[str]) -> None:
    scram = dialogue("SCRAM-SHA-256")
    steps = [scram.start(",".join(first).encode()), scram.next(",".join(final).encode())]
    assert all(isinstance(step, Challenge | Failed) for step in steps)


def test_no_secret_shows_in_a_representation() -> None:
    shown = repr([PasswordGiven(LOGIN, "hush"), DigestGiven(LOGIN, CRAM_CHALLENGE, b"hush"), dialogue("LOGIN")])
    assert "hush" not in shown


@pytest.mark.parametrize(
    ("line", "expected"), [(b"", b""), (b"AA==", b"\0"), (b"QUJD", b"ABC"), (b"+/+/", b"\xfb\xff\xbf")]
)
def test_base64_is_decoded(line: bytes, expected: bytes) -> None:
    assert decode_base64(line) == expected


@pytest.mark.parametrize(
    "line", [b"*", b"=", b"A", b"AA", b"AAA", b"AB==", b"AA== ", b" AA==", b"AA==AA==", b"A-_A", b"QU\nJD", b"\xff"]
)
def test_what_is_not_canonical_base64_is_refused(line: bytes) -> None:
    assert decode_base64(line) is None


def test_base64_beyond_the_bound_is_refused() -> None:
    assert decode_base64(b"AAAA" * 3072) == bytes(9216)
    assert decode_base64(b"AAAA" * 3073) is None


def test_an_equals_sign_is_the_empty_initial_response() -> None:
    assert [decode_initial_response(argument) for argument in (b"=", b"QUJD", b"==")] == [b"", b"ABC", None]


@given(st.binary(max_size=100))
def test_base64_of_any_octets_is_decoded(octets: bytes) -> None:
    assert decode_base64(base64.b64encode(octets)) == octets
