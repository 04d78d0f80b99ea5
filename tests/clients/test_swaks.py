# SPDX-License-Identifier: Apache-2.0
"""swaks, the tool mail administrators test with: TLS, each mechanism, pipelining, the PROXY protocol, odd content."""

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
    running_post,
)

if TYPE_CHECKING:
    from pathlib import Path
    from subprocess import CompletedProcess

MESSAGE: Final = b"Subject: hello\r\nFrom: <x@out.test>\r\n\r\n.one\r\n..two\r\n.\r\nend\r\n"
MAIL_REFUSED: Final = 23  # exit statuses of swaks(1)
NO_RECIPIENT: Final = 24
AUTH_FAILED: Final = 28

PROXIED: Final = '[[listener]]\naddress = "127.0.0.1:0"\nrole = "smtp"\nproxy_protocol = ["127.0.0.0/8"]\n'


class Swaks:
    """swaks(1) sending to one server; its output is the dialogue."""

    def __init__(self, post: Post, home: Path) -> None:
        self._path = program("swaks", "swaks libnet-ssleay-perl")
        self._post = post
        self._home = home

    def send(
        self, role: str, *words: str, message: bytes = MESSAGE, sender: str = "x@out.test"
    ) -> CompletedProcess[str]:
        file = self._home / "message.eml"
        file.write_bytes(message.removesuffix(b"\r\n"))  # it adds a line end of its own
        where = [
            "--server",
            HOST_NAME,
            "--port",
            str(self._post.port(role)),
            "--ehlo",
            "client.test",
            "--suppress-data",
        ]
        trust = ["--tls-verify", "--tls-ca-path", str(self._post.authority)]
        command = [self._path, *where, *trust, "--from", sender, "--data", f"@{file}", *words]
        return run_client(command, self._home)


@pytest.fixture
def swaks(post: Post, tmp_path: Path) -> Swaks:
    return Swaks(post, tmp_path)


def account(mechanism: str, password: str = PASSWORD) -> list[str]:
    return ["--auth", mechanism, "--auth-user", "ann@in.test", "--auth-password", password]


def test_mail_without_tls_arrives_octet_for_octet(post: Post, swaks: Swaks) -> None:
    done = swaks.send("smtp", "--to", "ann@in.test")
    assert (done.returncode, done.stderr) == (0, "")
    assert post.contents("ann@in.test") == [MESSAGE]


@pytest.mark.parametrize(("role", "encryption"), [("submission", "--tls"), ("submissions", "--tls-on-connect")])
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
def test_each_mechanism_authenticates_under_tls(
    post: Post, swaks: Swaks, role: str, encryption: str, mechanism: str
) -> None:
    done = swaks.send(role, encryption, *account(mechanism), "--to", "bob@in.test", sender="ann@in.test")
    assert (done.returncode, done.stderr) == (0, "")
    (message,) = post.received("bob@in.test")
    assert content_of(message) == MESSAGE
    assert b" with ESMTPSA id <" in own_fields(message)


def test_a_wrong_password_is_told_as_such(post: Post, swaks: Swaks) -> None:
    done = swaks.send("submission", "--tls", *account("LOGIN", "something else"), "--to", "bob@in.test")
    assert done.returncode == AUTH_FAILED
    assert "535" in done.stdout
    assert post.nothing_accepted()


def test_submission_without_authentication_is_refused(post: Post, swaks: Swaks) -> None:
    done = swaks.send("submission", "--tls", "--to", "bob@in.test", sender="ann@in.test")
    assert done.returncode == MAIL_REFUSED
    assert post.nothing_accepted()


def test_an_unknown_recipient_is_refused(post: Post, swaks: Swaks) -> None:
    done = swaks.send("smtp", "--to", "nobody@in.test")
    assert (done.returncode, "550" in done.stdout) == (NO_RECIPIENT, True)
    assert post.nothing_accepted()


def test_several_recipients_get_a_copy_each_and_the_unknown_one_none(post: Post, swaks: Swaks) -> None:
    done = swaks.send("smtp", "--to", "ann@in.test,nobody@in.test,bob@in.test")
    assert done.returncode == 0
    assert post.contents("ann@in.test") == post.contents("bob@in.test") == [MESSAGE]


def test_pipelined_commands_are_answered_in_order(post: Post, swaks: Swaks) -> None:
    done = swaks.send("smtp", "--pipeline", "--to", "ann@in.test,nobody@in.test,bob@in.test")
    assert done.returncode == 0
    assert post.contents("ann@in.test") == post.contents("bob@in.test") == [MESSAGE]
    replies = [line[4:7] for line in done.stdout.splitlines() if line.startswith(("<-  ", "<** "))]
    assert [code for code in replies if code != "250"] == ["220", "550", "354", "221"]


def test_a_pipelined_submission_under_tls_arrives(post: Post, swaks: Swaks) -> None:
    words = ("--tls", "--pipeline", *account("PLAIN"), "--to", "bob@in.test")
    assert swaks.send("submission", *words, sender="ann@in.test").returncode == 0
    assert post.contents("bob@in.test") == [MESSAGE]


def test_the_null_reverse_path_is_accepted(post: Post, swaks: Swaks) -> None:
    assert swaks.send("smtp", "--to", "ann@in.test", sender="<>").returncode == 0
    assert post.received("ann@in.test")[0].startswith(b"Return-Path: <>\r\n")


def test_an_old_client_that_says_helo_is_served(post: Post, swaks: Swaks) -> None:
    done = swaks.send("smtp", "--protocol", "SMTP", "--to", "ann@in.test")
    assert done.returncode == 0
    assert b" with SMTP id <" in own_fields(post.received("ann@in.test")[0])


@pytest.mark.parametrize("version", ["1", "2"])
def test_a_proxy_header_gives_the_clients_address(tmp_path: Path, version: str) -> None:
    with running_post(tmp_path, listeners=PROXIED) as post:
        done = Swaks(post, tmp_path).send(
            "smtp", "--to", "ann@in.test", "--proxy-version", version,
            "--proxy-family", "TCP4" if version == "1" else "AF_INET",
            "--proxy-source", "192.0.2.77", "--proxy-source-port", "4711",
            "--proxy-dest", "192.0.2.1", "--proxy-dest-port", "25",
            *(("--proxy-protocol", "STREAM", "--proxy-command", "PROXY") if version == "2" else ()),
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        assert b" (unverified [192.0.2.77]) " in own_fields(post.received("ann@in.test")[0])


def test_a_message_of_five_megabytes_arrives_whole(post: Post, swaks: Swaks) -> None:
    message = big_message(5 << 20)
    done = swaks.send("smtp", "--tls", "--to", "ann@in.test", message=message)
    assert (done.returncode, done.stderr) == (0, "")
    assert post.contents("ann@in.test") == [message]
