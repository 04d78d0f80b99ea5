# SPDX-License-Identifier: Apache-2.0
"""Python's own smtplib: what it sends is what arrives, and it understands what is refused."""

from __future__ import annotations

import smtplib
import ssl
from contextlib import contextmanager
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from typing import TYPE_CHECKING

import pytest

from genkan.directory.directory import Directory
from genkan.smtp.address import parse_mailbox
from tests.support.clients import HOST_NAME, PASSWORD, TLS, Post, big_message, content_of, own_fields, running_post

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MESSAGE = b"Subject: hello\r\nFrom: <x@out.test>\r\n\r\n.one\r\n..two\r\n.\r\nend\r\n"


@contextmanager
def clear(post: Post, role: str = "smtp") -> Iterator[smtplib.SMTP]:
    with smtplib.SMTP(HOST_NAME, post.port(role), "client.test", timeout=20) as client:
        yield client


@contextmanager
def under_starttls(post: Post, role: str = "submission") -> Iterator[smtplib.SMTP]:
    with clear(post, role) as client:
        client.starttls(context=ssl.create_default_context(cafile=post.authority))
        client.ehlo()
        yield client


def test_mail_without_tls_arrives_octet_for_octet(post: Post) -> None:
    with clear(post) as client:
        assert client.sendmail("x@out.test", "ann@in.test", MESSAGE) == {}
    assert post.contents("ann@in.test") == [MESSAGE]


def test_mail_under_starttls_says_so_in_its_trace_field(post: Post) -> None:
    with under_starttls(post, "smtp") as client:
        client.sendmail("x@out.test", "ann@in.test", MESSAGE)
    (message,) = post.received("ann@in.test")
    assert content_of(message) == MESSAGE
    assert own_fields(message).startswith(
        b"Return-Path: <x@out.test>\r\nDelivered-To: ann@in.test\r\nReceived: from client.test "
    )
    assert b" with ESMTPS id <" in own_fields(message)
    assert b" for <ann@in.test>;" in own_fields(message)


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
def test_each_mechanism_authenticates_under_starttls(post: Post, mechanism: str) -> None:
    with under_starttls(post) as client:
        client.user, client.password = "ann@in.test", PASSWORD  # as login() does
        code, _ = client.auth(mechanism, getattr(client, f"auth_{mechanism.lower().replace('-', '_')}"))
        assert code == 235
        client.sendmail("ann@in.test", "bob@in.test", MESSAGE)
    (message,) = post.received("bob@in.test")
    assert content_of(message) == MESSAGE
    assert b" with ESMTPSA id <" in own_fields(message)


def test_login_without_initial_response_authenticates(post: Post) -> None:
    with under_starttls(post) as client:
        code, _ = client.login("ann@in.test", PASSWORD, initial_response_ok=False)
    assert code == 235


def test_cram_md5_is_chosen_where_no_tls_protects_the_password(post: Post) -> None:
    with clear(post, "submission") as client:
        client.login("ann@in.test", PASSWORD)
        client.sendmail("ann@in.test", "bob@in.test", MESSAGE)
    assert b" with ESMTPA id <" in own_fields(post.received("bob@in.test")[0])


def test_an_account_without_readable_password_falls_back_to_plain_under_tls(post: Post) -> None:
    with under_starttls(post) as client:
        assert client.login("bob@in.test", PASSWORD)[0] == 235


def test_implicit_tls_carries_a_submission(post: Post) -> None:
    context = ssl.create_default_context(cafile=post.authority)
    with smtplib.SMTP_SSL(HOST_NAME, post.port("submissions"), context=context, timeout=20) as client:
        client.login("ann@in.test", PASSWORD)
        client.sendmail("ann@in.test", ["bob@in.test"], MESSAGE)
    assert post.contents("bob@in.test") == [MESSAGE]


def test_a_wrong_password_is_told_as_such(post: Post) -> None:
    with under_starttls(post) as client, pytest.raises(smtplib.SMTPAuthenticationError) as raised:
        client.login("ann@in.test", "something else")
    assert raised.value.smtp_code == 535


def test_submission_without_authentication_is_refused(post: Post) -> None:
    with under_starttls(post) as client, pytest.raises(smtplib.SMTPSenderRefused) as raised:
        client.sendmail("ann@in.test", "bob@in.test", MESSAGE)
    assert raised.value.smtp_code // 100 == 5
    assert post.nothing_accepted()


def test_an_unknown_recipient_does_not_hurt_the_others(post: Post) -> None:
    with clear(post) as client:
        refused = client.sendmail("x@out.test", ["ann@in.test", "nobody@in.test", "bob@in.test"], MESSAGE)
    assert {address: code for address, (code, _) in refused.items()} == {"nobody@in.test": 550}
    assert post.contents("ann@in.test") == post.contents("bob@in.test") == [MESSAGE]


def test_no_recipient_means_no_message(post: Post) -> None:
    with clear(post) as client:
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            client.sendmail("x@out.test", ["nobody@in.test", "x@elsewhere.test"], MESSAGE)
        assert client.noop()[0] == 250
    assert post.nothing_accepted()


def test_several_recipients_do_not_learn_of_each_other(post: Post) -> None:
    with clear(post) as client:
        client.sendmail("x@out.test", ["ann@in.test", "bob+news@in.test"], MESSAGE)
    for address in ("ann@in.test", "bob@in.test"):
        (message,) = post.received(address)
        assert content_of(message) == MESSAGE
        assert b" for <" not in own_fields(message)


def test_one_session_carries_one_message_after_the_other(post: Post) -> None:
    messages = [b"Subject: %d\r\n\r\nbody\r\n" % number for number in range(20)]
    with clear(post) as client:
        for message in messages:
            client.sendmail("x@out.test", "ann@in.test", message)
    assert post.contents("ann@in.test", 20) == messages


def test_octets_beyond_ascii_arrive_unchanged(post: Post) -> None:
    message = "Subject: Größe\r\n\r\nblåbærsyltetøy\r\n".encode("latin-1")
    with clear(post) as client:
        client.sendmail("x@out.test", "ann@in.test", message, mail_options=["BODY=8BITMIME"])
    assert post.contents("ann@in.test") == [message]


def test_the_body_parameter_is_kept_with_the_message(paused_post: Post) -> None:
    with clear(paused_post) as client:
        client.sendmail("x@out.test", "ann@in.test", MESSAGE, mail_options=["BODY=8BITMIME"])
    assert paused_post.envelopes() == [("8BITMIME", "", "", 0)]


def test_addresses_and_subject_beyond_ascii_travel_with_smtputf8(post: Post) -> None:
    with Directory.open(post.server.config.storage_folder) as directory:
        directory.accounts.add(parse_mailbox("用户@in.test"), "用户")
    message = EmailMessage(SMTPUTF8)
    message["From"], message["To"], message["Subject"] = "ålesund@out.test", "用户@in.test", "玄関"
    message.set_content("いらっしゃいませ\n", cte="8bit")
    with clear(post) as client:
        assert client.send_message(message) == {}
    (arrived,) = post.received("用户@in.test")
    assert "\r\nSubject: 玄関\r\n".encode() in arrived
    assert arrived.endswith("\r\n\r\nいらっしゃいませ\r\n".encode())
    assert own_fields(arrived).startswith("Return-Path: <ålesund@out.test>\r\nDelivered-To: 用户@in.test\r\n".encode())
    assert b" with UTF8SMTP id <" in own_fields(arrived)


def test_an_address_beyond_ascii_without_smtputf8_is_refused(post: Post) -> None:
    with clear(post) as client:
        client.ehlo()
        client.command_encoding = "utf-8"
        code, _ = client.docmd("MAIL", "FROM:<ålesund@out.test>")
    assert code // 100 == 5


def test_a_message_of_five_megabytes_arrives_whole(post: Post) -> None:
    message = big_message(5 << 20)
    with clear(post) as client:
        client.sendmail("x@out.test", ["ann@in.test", "bob@in.test"], message)
    assert post.contents("ann@in.test") == [message]
    assert post.contents("bob@in.test") == [message]


def test_a_message_above_the_announced_size_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    with running_post(tmp_path, f'{TLS}[limits]\nmessage_size = "1MB"\n') as post, clear(post) as client:
        with pytest.raises(smtplib.SMTPSenderRefused) as raised:
            client.sendmail("x@out.test", "ann@in.test", big_message(2 << 20))
        assert raised.value.smtp_code == 552
        assert client.sendmail("x@out.test", "ann@in.test", MESSAGE) == {}


def test_dsn_parameters_are_kept_with_the_message(paused_post: Post) -> None:
    with clear(paused_post) as client:
        client.sendmail(
            "x@out.test", "ann@in.test", MESSAGE,
            mail_options=["RET=HDRS", "ENVID=QQ314159"],
            rcpt_options=["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;Ann@in.test"],
        )  # fmt: skip
    assert paused_post.envelopes() == [("", "HDRS", "QQ314159", 0)]
    assert paused_post.notifications() == [("ann@in.test", "SUCCESS,FAILURE", "rfc822;Ann@in.test")]


def test_a_mime_message_with_an_attachment_arrives_unchanged(post: Post) -> None:
    message = EmailMessage(SMTP)
    message["From"], message["To"], message["Subject"] = "x@out.test", "ann@in.test", "Übersicht"
    message.set_content("Siehe Anhang.\n")
    message.add_attachment(bytes(range(256)) * 50, "application", "octet-stream", filename="alle Oktette.bin")
    message.set_boundary("part")
    with clear(post) as client:
        client.send_message(message)
    assert post.contents("ann@in.test") == [message.as_bytes()]
