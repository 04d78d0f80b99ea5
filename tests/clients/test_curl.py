# SPDX-License-Identifier: Apache-2.0
"""curl as a mail client: in clear, under STARTTLS and implicit TLS, with each mechanism it was built with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.support.clients import (
    HOST_NAME,
    PASSWORD,
    Post,
    big_message,
    content_of,
    own_fields,
    program,
    run_client,
)

if TYPE_CHECKING:
    from pathlib import Path
    from subprocess import CompletedProcess

MESSAGE: Final = b"Subject: hello\r\nFrom: <x@out.test>\r\n\r\n.one\r\n..two\r\n.\r\nend\r\n"
SEND_FAILED: Final = 55  # exit statuses of curl(1)
LOGIN_DENIED: Final = 67


class Curl:
    """curl(1), sending what is given on its standard input to one server."""

    def __init__(self, post: Post, home: Path) -> None:
        self._path = program("curl", "curl")
        self._post = post
        self._home = home

    def send(self, role: str, message: bytes, *words: str, sender: str = "x@out.test") -> CompletedProcess[str]:
        scheme = "smtps" if role == "submissions" else "smtp"
        url = f"{scheme}://{HOST_NAME}:{self._post.port(role)}/client.test"
        trust = ["--cacert", str(self._post.authority), "--noproxy", "*"]
        command = [self._path, "-q", "-sS", *trust, "--url", url, "--mail-from", sender, *words, "-T", "-"]
        return run_client(command, self._home, message)

    def has(self, feature: str) -> bool:
        """Whether it was built with that."""
        return feature in run_client([self._path, "--version"], self._home).stdout.split()


@pytest.fixture
def curl(post: Post, tmp_path: Path) -> Curl:
    return Curl(post, tmp_path)


def account(mechanism: str, password: str = PASSWORD) -> list[str]:
    return ["--user", f"ann@in.test:{password}", "--login-options", f"AUTH={mechanism}"]


def test_mail_without_tls_arrives_octet_for_octet(post: Post, curl: Curl) -> None:
    done = curl.send("smtp", MESSAGE, "--mail-rcpt", "ann@in.test")
    assert (done.returncode, done.stderr) == (0, "")
    assert post.contents("ann@in.test") == [MESSAGE]


@pytest.mark.parametrize("role", ["submission", "submissions"])
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256"])
def test_each_mechanism_authenticates_under_tls(post: Post, curl: Curl, role: str, mechanism: str) -> None:
    if mechanism.startswith("SCRAM") and not curl.has("gsasl"):
        pytest.skip("this curl was built without SCRAM (libgsasl); msmtp's tests cover the mechanism")
    done = curl.send(
        role, MESSAGE, "--ssl-reqd", *account(mechanism), "--mail-rcpt", "bob@in.test", sender="ann@in.test"
    )
    assert (done.returncode, done.stderr) == (0, "")
    (message,) = post.received("bob@in.test")
    assert content_of(message) == MESSAGE
    assert b" with ESMTPSA id <" in own_fields(message)
    assert [line["mechanism"] for line in post.logged("authenticated")] == [mechanism]


def test_a_wrong_password_is_told_as_such(post: Post, curl: Curl) -> None:
    done = curl.send(
        "submission", MESSAGE, "--ssl-reqd", *account("PLAIN", "something else"), "--mail-rcpt", "bob@in.test"
    )
    assert done.returncode == LOGIN_DENIED
    assert post.nothing_accepted()


def test_an_unknown_recipient_ends_the_transaction(post: Post, curl: Curl) -> None:
    done = curl.send("smtp", MESSAGE, "--mail-rcpt", "nobody@in.test")
    assert (done.returncode, "550" in done.stderr) == (SEND_FAILED, True)
    assert post.nothing_accepted()


def test_an_unknown_recipient_may_fail_among_others(post: Post, curl: Curl) -> None:
    recipients = ("--mail-rcpt", "ann@in.test", "--mail-rcpt", "nobody@in.test", "--mail-rcpt", "bob@in.test")
    done = curl.send("smtp", MESSAGE, "--mail-rcpt-allowfails", *recipients)
    assert done.returncode == 0
    assert post.contents("ann@in.test") == post.contents("bob@in.test") == [MESSAGE]


def test_relaying_for_strangers_is_refused(post: Post, curl: Curl) -> None:
    done = curl.send("smtp", MESSAGE, "--mail-rcpt", "x@elsewhere.test")
    assert (done.returncode, "550" in done.stderr) == (SEND_FAILED, True)
    assert post.nothing_accepted()


def test_an_address_beyond_ascii_travels_with_smtputf8(paused_post: Post, tmp_path: Path) -> None:
    curl = Curl(paused_post, tmp_path)
    message = "Subject: 玄関\r\n\r\nいらっしゃいませ\r\n".encode()
    done = curl.send("smtp", message, "--mail-rcpt", "ann@in.test", sender="ålesund@out.test")
    assert (done.returncode, done.stderr) == (0, "")
    assert [smtputf8 for _, _, _, smtputf8 in paused_post.envelopes()] == [1]


def test_a_message_of_five_megabytes_arrives_whole(post: Post, curl: Curl) -> None:
    message = big_message(5 << 20)
    done = curl.send("submissions", message, *account("PLAIN"), "--mail-rcpt", "bob@in.test", sender="ann@in.test")
    assert (done.returncode, done.stderr) == (0, "")
    assert post.contents("bob@in.test") == [message]


def test_two_messages_travel_over_one_connection(post: Post, curl: Curl, tmp_path: Path) -> None:
    first = tmp_path / "first.eml"
    first.write_bytes(b"Subject: first\r\n\r\n")
    url = f"smtp://{HOST_NAME}:{post.port('smtp')}/client.test"
    behind = ["--mail-rcpt", "ann@in.test", "-T", str(first), "--next", "-sSv", "--url", url]
    done = curl.send("smtp", MESSAGE, *behind, "--mail-from", "y@out.test", "--mail-rcpt", "bob@in.test")
    assert (done.returncode, "Re-using existing connection" in done.stderr) == (0, True)
    assert post.contents("ann@in.test") == [b"Subject: first\r\n\r\n"]
    assert post.contents("bob@in.test") == [MESSAGE]
