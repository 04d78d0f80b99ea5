# SPDX-License-Identifier: Apache-2.0
"""msmtp, a sendmail for accounts: GNU SASL's mechanisms with SCRAM among them, GnuTLS, and DSN parameters."""

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

MESSAGE: Final = b"From: <x@out.test>\r\nSubject: hello\r\n\r\n.one\r\n..two\r\n.\r\nend\r\n"
NOT_TAKEN: Final = 65  # exit statuses of sysexits.h, which msmtp(1) uses
PERMISSION_DENIED: Final = 77


class Msmtp:
    """msmtp(1) sending what is given on its standard input, with the line ends of Unix, to one server."""

    def __init__(self, post: Post, home: Path) -> None:
        self._path = program("msmtp", "msmtp")
        self._post = post
        self._home = home

    def send(
        self, role: str, *words: str, message: bytes = MESSAGE, sender: str = "x@out.test"
    ) -> CompletedProcess[str]:
        settings = {"host": HOST_NAME, "port": str(self._post.port(role)), "domain": "client.test", "from": sender,
                    "tls-trust-file": str(self._post.authority), "set-date-header": "off", "set-msgid-header": "off"}  # fmt: skip
        command = [self._path, "--file=/dev/null", *(f"--{name}={value}" for name, value in settings.items()), *words]
        return run_client(command, self._home, message.replace(b"\r\n", b"\n"))


@pytest.fixture
def msmtp(post: Post, tmp_path: Path) -> Msmtp:
    return Msmtp(post, tmp_path)


def account(mechanism: str, password: str = PASSWORD) -> list[str]:
    return [f"--auth={mechanism}", "--user=ann@in.test", f"--passwordeval=echo '{password}'"]


STARTTLS: Final = ("--tls=on", "--tls-starttls=on")
IMPLICIT: Final = ("--tls=on", "--tls-starttls=off")


def test_mail_without_tls_arrives_with_crlf(post: Post, msmtp: Msmtp) -> None:
    done = msmtp.send("smtp", "ann@in.test")
    assert (done.returncode, done.stderr) == (0, "")
    assert post.contents("ann@in.test") == [MESSAGE]


@pytest.mark.parametrize("mechanism", ["plain", "login", "cram-md5", "scram-sha-256"])
def test_each_mechanism_authenticates_under_starttls(post: Post, msmtp: Msmtp, mechanism: str) -> None:
    done = msmtp.send("submission", *STARTTLS, *account(mechanism), "bob@in.test", sender="ann@in.test")
    assert (done.returncode, done.stderr) == (0, "")
    (message,) = post.received("bob@in.test")
    assert content_of(message) == MESSAGE
    assert b" with ESMTPSA id <" in own_fields(message)


def test_implicit_tls_carries_a_submission(post: Post, msmtp: Msmtp) -> None:
    done = msmtp.send("submissions", *IMPLICIT, *account("scram-sha-256"), "bob@in.test", sender="ann@in.test")
    assert (done.returncode, done.stderr) == (0, "")
    assert post.contents("bob@in.test") == [MESSAGE]


def test_the_mechanism_it_chooses_itself_authenticates(post: Post, msmtp: Msmtp) -> None:
    done = msmtp.send("submission", *STARTTLS, *account("on"), "bob@in.test", sender="ann@in.test")
    assert (done.returncode, done.stderr) == (0, "")
    assert post.contents("bob@in.test") == [MESSAGE]


@pytest.mark.parametrize("mechanism", ["plain", "cram-md5", "scram-sha-256"])
def test_a_wrong_password_is_told_as_such(post: Post, msmtp: Msmtp, mechanism: str) -> None:
    done = msmtp.send("submission", *STARTTLS, *account(mechanism, "something else"), "bob@in.test")
    assert (done.returncode, "535" in done.stderr) == (PERMISSION_DENIED, True)
    assert post.nothing_accepted()


def test_an_unknown_recipient_ends_the_transaction(post: Post, msmtp: Msmtp) -> None:
    done = msmtp.send("smtp", "ann@in.test", "nobody@in.test")
    assert (done.returncode, "nobody@in.test" in done.stderr) == (NOT_TAKEN, True)
    assert post.nothing_accepted()


def test_several_recipients_get_a_copy_each(post: Post, msmtp: Msmtp) -> None:
    assert msmtp.send("smtp", "ann@in.test", "bob@in.test").returncode == 0
    assert post.contents("ann@in.test") == post.contents("bob@in.test") == [MESSAGE]


def test_recipients_and_subject_beyond_ascii_are_read_from_the_header(post: Post, msmtp: Msmtp) -> None:
    message = "From: <x@out.test>\r\nTo: Änne <ann@in.test>\r\nSubject: Größe 玄関\r\n\r\nいらっしゃいませ\r\n".encode()
    done = msmtp.send("smtp", "--read-recipients", message=message)
    assert (done.returncode, done.stderr) == (0, "")
    assert post.contents("ann@in.test") == [message]


def test_dsn_parameters_are_kept_with_the_message(paused_post: Post, tmp_path: Path) -> None:
    words = ("--dsn-notify=failure,delay,success", "--dsn-return=hdrs", "ann@in.test", "bob@in.test")
    done = Msmtp(paused_post, tmp_path).send("smtp", *words)
    assert (done.returncode, done.stderr) == (0, "")
    assert [ret for _, ret, _, _ in paused_post.envelopes()] == ["HDRS"]
    assert [notify for _, notify, _ in paused_post.notifications()] == ["FAILURE,DELAY,SUCCESS"] * 2


def test_a_message_of_five_megabytes_arrives_whole(post: Post, msmtp: Msmtp) -> None:
    message = b"From: <x@out.test>\r\n" + big_message(5 << 20)
    done = msmtp.send("submissions", *IMPLICIT, *account("plain"), "bob@in.test", message=message, sender="ann@in.test")
    assert (done.returncode, done.stderr) == (0, "")
    assert post.contents("bob@in.test") == [message]
