# SPDX-License-Identifier: Apache-2.0
"""AUTH as a client: with our own server's mechanisms, and with servers that leave theirs."""

from __future__ import annotations

import base64

import pytest
from scramp import ScramMechanism

from genkan.smtp.client_auth import MAX_AUTH_LINE, MAX_ITERATIONS, AuthDialogue, auth_dialogue
from genkan.smtp.client_replies import ProtocolError, ServerReply
from genkan.smtp.sasl import (
    Challenge,
    Finished,
    KeysFound,
    PasswordGiven,
    Sources,
    Step,
    decode_base64,
    decode_initial_response,
    open_dialogue,
)

LOGIN = "relay,1@in.test"
PASSWORD = "rélay's secret"
ALL = ("PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256")
SALT = base64.b64encode(b"s" * 16).decode()
DONE = ServerReply(235, "2.7.0", "welcome", ("welcome",))
REFUSED = ServerReply(535, "5.7.8", "no", ("no",))


def opened(*mechanisms: str, login: str = LOGIN, password: str = PASSWORD) -> AuthDialogue:
    dialogue = auth_dialogue(mechanisms, login, password, tls_active=True)
    assert dialogue is not None
    return dialogue


def challenge(octets: bytes) -> ServerReply:
    text = base64.b64encode(octets).decode()
    return ServerReply(334, "", text, (text,))


def keys_for(_login: str) -> KeysFound:
    salt, stored_key, server_key, iterations = ScramMechanism("SCRAM-SHA-256").make_auth_info(PASSWORD, salt=b"s" * 16)
    return KeysFound(salt, stored_key, server_key, iterations, known=True)


def converse(dialogue: AuthDialogue) -> Step:
    """Lead the dialogue with our own server's side; the step that ends it there."""
    verb, name, *rest = dialogue.start().removesuffix(b"\r\n").split(b" ")
    server = open_dialogue(name.decode(), Sources(keys_for, b"<1@mx>"))
    assert (verb, server is not None) == (b"AUTH", True)
    assert server is not None
    step = server.start(decode_initial_response(rest[0]) if rest else None)
    while isinstance(step, Challenge):
        response = decode_base64(dialogue.receive(challenge(step.octets)).removesuffix(b"\r\n"))
        assert response is not None
        step = server.next(response)
    return step


@pytest.mark.parametrize(
    ("offered", "tls_active", "chosen"),
    [
        (ALL, True, "SCRAM-SHA-256"),
        (ALL, False, "SCRAM-SHA-256"),
        (("LOGIN", "PLAIN"), True, "PLAIN"),
        (("CRAM-MD5", "LOGIN"), True, "LOGIN"),
        (("LOGIN", "PLAIN"), False, None),
        (("CRAM-MD5", "XOAUTH2"), True, None),
        ((), True, None),
    ],
)
def test_the_best_mechanism_is_chosen_and_in_clear_none_that_shows_the_password(
    offered: tuple[str, ...], tls_active: bool, chosen: str | None
) -> None:
    dialogue = auth_dialogue(offered, LOGIN, PASSWORD, tls_active=tls_active)
    assert (dialogue.mechanism if dialogue is not None else None) == chosen


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "SCRAM-SHA-256"])
def test_our_own_server_understands_it(mechanism: str) -> None:
    dialogue = opened(mechanism)
    expected = Finished(LOGIN) if mechanism == "SCRAM-SHA-256" else PasswordGiven(LOGIN, PASSWORD)
    assert converse(dialogue) == expected
    assert dialogue.receive(DONE) == b""
    assert (dialogue.authenticated, dialogue.refusal) == (True, None)


def test_plain_leaves_with_the_command() -> None:
    assert opened("PLAIN", login="a", password="b").start() == b"AUTH PLAIN AGEAYg==\r\n"


def test_an_initial_response_that_is_too_long_waits_for_an_empty_challenge() -> None:
    dialogue = opened("PLAIN", password="x" * MAX_AUTH_LINE)
    assert dialogue.start() == b"AUTH PLAIN\r\n"
    assert decode_base64(dialogue.receive(challenge(b""))[:-2]) == f"\0{LOGIN}\0{'x' * MAX_AUTH_LINE}".encode()


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "SCRAM-SHA-256"])
def test_a_refusal_ends_the_dialogue(mechanism: str) -> None:
    dialogue = opened(mechanism)
    dialogue.start()
    assert dialogue.receive(REFUSED) == b""
    assert (dialogue.authenticated, dialogue.refusal) == (False, REFUSED)


@pytest.mark.parametrize(("mechanism", "challenges"), [("PLAIN", 1), ("LOGIN", 3)])
def test_a_server_that_asks_for_more_than_there_is_leaves_the_mechanism(mechanism: str, challenges: int) -> None:
    dialogue = opened(mechanism)
    dialogue.start()
    for _ in range(challenges - 1):
        dialogue.receive(challenge(b"?"))
    with pytest.raises(ProtocolError, match=f"more than {mechanism} has"):
        dialogue.receive(challenge(b"?"))


@pytest.mark.parametrize("mechanism", ["LOGIN", "SCRAM-SHA-256"])
def test_a_success_before_its_time_is_none(mechanism: str) -> None:
    dialogue = opened(mechanism)
    dialogue.start()
    with pytest.raises(ProtocolError, match="before its time"):
        dialogue.receive(DONE)
    assert not dialogue.authenticated


def nonce_of(dialogue: AuthDialogue) -> str:
    initial = decode_base64(dialogue.start()[:-2].rpartition(b" ")[2])
    assert initial is not None
    return initial.decode().rpartition(",r=")[2]


@pytest.mark.parametrize(
    "message",
    [
        "",
        "x",
        "r=NONCE1",
        "r=other,s=SALT,i=4096",
        "r=NONCE,s=SALT,i=4096",
        "r=NONCE1,s=SALT,i=1",
        "r=NONCE1,s=!,i=4096",
        "e=other",
    ],
)
def test_a_malformed_scram_message_is_an_error(message: str) -> None:
    dialogue = opened("SCRAM-SHA-256")
    first = message.replace("NONCE", nonce_of(dialogue)).replace("SALT", SALT)
    with pytest.raises(ProtocolError, match="malformed"):
        dialogue.receive(challenge(first.encode()))


@pytest.mark.parametrize("text", ["not base64", "/w==", "ü"])
def test_a_scram_challenge_that_is_no_text_is_an_error(text: str) -> None:
    dialogue = opened("SCRAM-SHA-256")
    dialogue.start()
    with pytest.raises(ProtocolError, match="malformed"):
        dialogue.receive(ServerReply(334, "", text, (text,)))


def test_a_server_cannot_make_us_compute_for_ever() -> None:
    dialogue = opened("SCRAM-SHA-256")
    first = f"r={nonce_of(dialogue)}1,s={SALT},i={MAX_ITERATIONS + 1}"
    with pytest.raises(ProtocolError, match="more than 1000000 iterations"):
        dialogue.receive(challenge(first.encode()))


def test_a_server_that_does_not_know_the_password_is_found_out() -> None:
    dialogue = opened("SCRAM-SHA-256")
    dialogue.receive(challenge(f"r={nonce_of(dialogue)}1,s={SALT},i=4096".encode()))
    with pytest.raises(ProtocolError, match="does not know the password"):
        dialogue.receive(challenge(b"v=" + base64.b64encode(b"x" * 32)))
    assert not dialogue.authenticated


@pytest.mark.parametrize(
    ("mechanism", "login", "password"),
    [("PLAIN", "a\0b", "c"), ("PLAIN", "a", "b\0c"), ("SCRAM-SHA-256", "", "c"), ("SCRAM-SHA-256", "a", "b\x07secret")],
)
def test_what_a_mechanism_cannot_carry_is_misuse_and_not_shown(mechanism: str, login: str, password: str) -> None:
    with pytest.raises(ValueError, match="login or password|login nor password") as caught:
        opened(mechanism, login=login, password=password)
    assert "secret" not in str(caught.value)
