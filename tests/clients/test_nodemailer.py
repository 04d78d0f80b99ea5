# SPDX-License-Identifier: Apache-2.0
"""nodemailer, what most JavaScript programs send mail with: TLS, each mechanism, pools, DSN, SMTPUTF8.

It is installed by npm on continuous integration only; elsewhere the variable NODE_PATH may name a folder that holds it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.clients import (
    HOST_NAME,
    PASSWORD,
    Post,
    big_message,
    cannot_run,
    content_of,
    own_fields,
    program,
    run_client,
)

SCRIPT: Final = Path(__file__).with_name("nodemailer_send.js")
PACKAGE: Final = "nodemailer@10.6.0"
INSTALLATION_LIMIT: Final = 90  # seconds
RAW: Final = "Subject: hello\r\nFrom: <x@out.test>\r\n\r\n.one\r\n..two\r\n.\r\nend\r\n"


@pytest.fixture(scope="session")
def node_modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds nodemailer."""
    for folder in os.environ.get("NODE_PATH", "").split(os.pathsep):
        if (Path(folder) / "nodemailer").is_dir():
            return Path(folder)
    if os.environ.get("CI") != "true":
        pytest.skip(
            "nodemailer is not installed: `npm install nodemailer` in a folder and name its node_modules in NODE_PATH"
        )
    home = tmp_path_factory.mktemp("nodemailer")
    command = [
        program("npm", "npm"),
        "install",
        "--no-audit",
        "--no-fund",
        "--ignore-scripts",
        "--prefix",
        str(home),
        PACKAGE,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALLATION_LIMIT, check=False)
    if done.returncode:
        cannot_run(f"npm did not install {PACKAGE}: {done.stderr[:500]}")
    return home / "node_modules"


class Nodemailer:
    """nodemailer sending to one server."""

    def __init__(self, post: Post, node_modules: Path, home: Path) -> None:
        self._path = program("node", "nodejs")
        self._post = post
        self._node_modules = node_modules
        self._home = home

    def send(self, role: str, *messages: dict[str, object], **transport: object) -> Any:
        """Send the messages; what became of each as `nodemailer_send.js` prints it."""
        options = {
            "host": HOST_NAME,
            "port": self._post.port(role),
            "secure": role == "submissions",
            "requireTLS": role == "submission",
            "name": "client.test",
            "tls": {"ca": self._post.authority.read_text()},
            **transport,
        }
        given = json.dumps({"transport": options, "messages": messages}).encode()
        search = ["env", f"NODE_PATH={self._node_modules}"]
        done = run_client([*search, self._path, str(SCRIPT)], self._home, given)
        assert (done.returncode, done.stderr) == (0, "")
        return json.loads(done.stdout)


@pytest.fixture
def nodemailer(post: Post, node_modules: Path, tmp_path: Path) -> Nodemailer:
    return Nodemailer(post, node_modules, tmp_path)


def raw_message(*recipients: str, sender: str = "x@out.test", raw: str = RAW) -> dict[str, object]:
    return {"envelope": {"from": sender, "to": recipients}, "raw": raw}


def account(mechanism: str, password: str = PASSWORD) -> dict[str, object]:
    return {"user": "ann@in.test", "pass": password, "method": mechanism}


def test_mail_without_tls_arrives_octet_for_octet(post: Post, nodemailer: Nodemailer) -> None:
    outcomes = nodemailer.send("smtp", raw_message("ann@in.test"), ignoreTLS=True)
    assert outcomes == [{"accepted": ["ann@in.test"], "rejected": []}]
    assert post.contents("ann@in.test") == [RAW.encode()]


@pytest.mark.parametrize("role", ["submission", "submissions"])
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
def test_each_mechanism_authenticates_under_tls(post: Post, nodemailer: Nodemailer, role: str, mechanism: str) -> None:
    outcomes = nodemailer.send(role, raw_message("bob@in.test", sender="ann@in.test"), auth=account(mechanism))
    assert outcomes == [{"accepted": ["bob@in.test"], "rejected": []}]
    (message,) = post.received("bob@in.test")
    assert content_of(message) == RAW.encode()
    assert b" with ESMTPSA id <" in own_fields(message)


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
def test_a_wrong_password_is_told_as_such(post: Post, nodemailer: Nodemailer, mechanism: str) -> None:
    outcomes = nodemailer.send("submission", raw_message("bob@in.test"), auth=account(mechanism, "something else"))
    assert outcomes == [{"code": "EAUTH", "responseCode": 535}]
    assert post.nothing_accepted()


def test_unknown_recipients_are_told_one_by_one(post: Post, nodemailer: Nodemailer) -> None:
    outcomes = nodemailer.send("smtp", raw_message("ann@in.test", "nobody@in.test", "bob@in.test", "nil@in.test"))
    assert outcomes == [{"accepted": ["ann@in.test", "bob@in.test"], "rejected": ["nobody@in.test", "nil@in.test"]}]
    assert post.contents("ann@in.test") == post.contents("bob@in.test") == [RAW.encode()]


def test_no_recipient_means_no_message(post: Post, nodemailer: Nodemailer) -> None:
    assert nodemailer.send("smtp", raw_message("nobody@in.test")) == [{"code": "EENVELOPE", "responseCode": 550}]
    assert post.nothing_accepted()


def test_a_pool_of_connections_carries_many_messages(post: Post, nodemailer: Nodemailer) -> None:
    messages = [raw_message("bob@in.test", sender="ann@in.test", raw=f"Subject: {n}\r\n\r\n") for n in range(30)]
    outcomes = nodemailer.send(
        "submission", *messages, pool=True, maxConnections=3, maxMessages=4, auth=account("PLAIN")
    )
    assert outcomes == [{"accepted": ["bob@in.test"], "rejected": []}] * 30
    assert sorted(post.contents("bob@in.test", 30)) == sorted(f"Subject: {n}\r\n\r\n".encode() for n in range(30))


def test_a_composed_message_arrives_with_all_its_parts(post: Post, nodemailer: Nodemailer) -> None:
    message: dict[str, object] = {
        "from": "Ann <ann@in.test>", "to": "Bøb <bob@in.test>", "subject": "玄関", "text": "いらっしゃいませ\n.\n..\n",
        "html": "<p>いらっしゃいませ", "attachments": [{"filename": "a.bin", "content": "AAEC/w==", "encoding": "base64"}],
    }  # fmt: skip
    assert nodemailer.send("submissions", message, auth=account("PLAIN"))[0]["accepted"] == ["bob@in.test"]
    (content,) = post.contents("bob@in.test")
    assert b"\r\nSubject: =?UTF-8?" in content
    assert re.search(rb"\r\nContent-Transfer-Encoding: base64\r\n[^\0]*\r\n\r\nAAEC/w==\r\n", content)


def test_an_address_beyond_ascii_travels_with_smtputf8(paused_post: Post, node_modules: Path, tmp_path: Path) -> None:
    nodemailer = Nodemailer(paused_post, node_modules, tmp_path)
    outcomes = nodemailer.send("smtp", raw_message("ann@in.test", sender="ålesund@out.test"))
    assert outcomes == [{"accepted": ["ann@in.test"], "rejected": []}]
    assert [smtputf8 for _, _, _, smtputf8 in paused_post.envelopes()] == [1]


def test_dsn_parameters_are_kept_with_the_message(paused_post: Post, node_modules: Path, tmp_path: Path) -> None:
    wanted = {"id": "QQ=1", "return": "headers", "notify": ["failure", "delay"], "recipient": "x@out.test"}
    Nodemailer(paused_post, node_modules, tmp_path).send("smtp", raw_message("ann@in.test") | {"dsn": wanted})
    assert paused_post.envelopes() == [("", "HDRS", "QQ+3D1", 0)]
    assert paused_post.notifications() == [("ann@in.test", "FAILURE,DELAY", "rfc822;x@out.test")]


def test_a_message_of_five_megabytes_arrives_whole(post: Post, nodemailer: Nodemailer) -> None:
    message = big_message(5 << 20)
    sent = raw_message("bob@in.test", sender="ann@in.test", raw=message.decode())
    outcomes = nodemailer.send("submission", sent, auth=account("PLAIN"))
    assert outcomes == [{"accepted": ["bob@in.test"], "rejected": []}]
    assert post.contents("bob@in.test") == [message]
