# SPDX-License-Identifier: Apache-2.0
"""Checks of the content: its size as declared, faults of the mail data, the header section, hops."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from genkan.smtp.command import MailParameters
from genkan.smtp.maildata import Fault
from tests.support.policy_site import ACCEPTED

if TYPE_CHECKING:
    from tests.support.policy_site import Client, Site

LIMIT = "[limits]\nmessage_size = 1000"


def ready(site: Site, settings: str = "") -> Client:
    client = site.client(settings)
    assert client.send("x@out.test", "ann@in.test") == ACCEPTED
    return client


@pytest.mark.parametrize(
    ("declared", "told"), [(None, ACCEPTED), (1000, ACCEPTED), (1001, "MESSAGE_TOO_BIG"), (10**19, "MESSAGE_TOO_BIG")]
)
def test_a_message_that_declares_itself_too_big_is_refused_at_mail(site: Site, declared: int | None, told: str) -> None:
    assert site.client(LIMIT).mail("x@out.test", MailParameters(size=declared)) == told


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (Fault.TOO_BIG, "MESSAGE_TOO_BIG"),
        (Fault.BARE_NEWLINE, "BARE_NEWLINE"),
        (Fault.LINE_TOO_LONG, "TEXT_LINE_TOO_LONG"),
        (None, ACCEPTED),
    ],
)
def test_each_fault_of_mail_data_has_its_refusal(site: Site, fault: Fault | None, told: str) -> None:
    assert ready(site).content(b"Subject: a\r\n", fault) == told


@pytest.mark.parametrize(("octets", "told"), [(1000, ACCEPTED), (1001, "HEADER_TOO_BIG")])
def test_a_header_section_over_the_limit_is_refused(site: Site, octets: int, told: str) -> None:
    header = b"Subject: ".ljust(octets - 2, b"x") + b"\r\n"
    assert ready(site, "[limits]\nheader_size = 1000").content(header) == told


@pytest.mark.parametrize(("lines", "told"), [(100, ACCEPTED), (101, "HEADER_TOO_BIG")])
def test_a_header_section_of_more_lines_than_the_limit_is_refused_and_not_judged(
    site: Site, lines: int, told: str
) -> None:
    client = ready(site, "[limits]\nheader_lines = 100")
    said, content = client.judge_content(b"From: x@out.test\r\n" + b"a:\r\n" * (lines - 1) + b"\r\nbody\r\n")
    assert (said, content.judging is not None) == (told, told == ACCEPTED)


@pytest.mark.parametrize(("hops", "told"), [(0, ACCEPTED), (20, ACCEPTED), (21, "TOO_MANY_HOPS")])
def test_more_received_fields_than_the_limit_are_refused(site: Site, hops: int, told: str) -> None:
    assert ready(site).content(b"Received: from a by b\r\n" * hops) == told


def test_the_first_objection_in_order_is_told(site: Site) -> None:
    header = b"Received: from a by b\r\n" * 1000
    client = ready(site, "[limits]\nheader_size = 1000")
    assert client.content(header, Fault.TOO_BIG) == "MESSAGE_TOO_BIG"
    assert client.content(header) == "HEADER_TOO_BIG"
