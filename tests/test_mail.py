# SPDX-License-Identifier: Apache-2.0
"""Mail as a Python function sees it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from genkan.mail import Defer, Mail, MailRecipient, Refuse

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Coroutine

CONTENT = b"Subject: x\r\nFrom: eve@out.test\r\n\r\nfirst\r\n\r\nsecond\r\n"


def run(coroutine: Coroutine[Any, Any, bytes]) -> bytes:
    return asyncio.run(coroutine)


def mail(content: bytes = CONTENT, cut: int = 1000) -> Mail:
    async def blocks() -> AsyncGenerator[bytes, None]:
        for start in range(0, len(content), cut):
            yield content[start : start + cut]

    return replace(Mail.of(content, "eve@out.test", ["ann@in.test", "bob@in.test"]), content=blocks)


def test_mail_for_a_test_is_made_of_octets_and_addresses() -> None:
    made = Mail.of(CONTENT, "", ["ann@in.test", "bob@in.test"])
    assert (made.id, made.reverse_path, made.size) == ("B0000000001", "", len(CONTENT))
    assert made.recipients == (
        MailRecipient("ann@in.test", "ann@in.test", number=0),
        MailRecipient("bob@in.test", "bob@in.test", number=1),
    )


def test_content_is_read_as_often_as_wanted() -> None:
    one = mail(cut=7)
    assert [run(one.read(1000)), run(one.read(1000))] == [CONTENT, CONTENT]


def test_content_beyond_the_limit_is_refused_and_not_read() -> None:
    with pytest.raises(Refuse, match="the message has 51 octets, more than 50") as caught:
        run(mail().read(50))
    assert caught.value.status == "5.3.4"
    assert run(mail().read(51)) == CONTENT


@pytest.mark.parametrize("cut", range(1, 40))
def test_the_header_section_ends_at_the_blank_line_however_content_is_cut(cut: int) -> None:
    assert run(mail(cut=cut).header_section()) == b"Subject: x\r\nFrom: eve@out.test\r\n"


@pytest.mark.parametrize("cut", [1, 2, 3, 1000])
@pytest.mark.parametrize(("content", "section"), [(b"", b""), (b"\r\nbody", b""), (b"a: b\r\n", b"a: b\r\n")])
def test_a_header_section_may_be_empty_or_all_there_is(content: bytes, section: bytes, cut: int) -> None:
    assert run(mail(content, cut).header_section()) == section


@pytest.mark.parametrize("cut", [1, 11, 1000])
def test_a_long_header_section_is_cut_at_the_limit(cut: int) -> None:
    assert run(mail(b"a: " + b"x" * 2000 + b"\r\n\r\n", cut).header_section(limit=100)) == b"a: " + b"x" * 97
    assert run(mail(b"a: b\r\n\r\n", cut).header_section(limit=6)) == b"a: b\r\n"


def test_what_is_said_of_one_recipient_leaves_the_others_alone() -> None:
    one = mail()
    one.recipients[0].defer("full", "4.2.2")
    one.recipients[0].refuse("no such person", "5.1.1")
    said = one.recipients[0].said
    assert isinstance(said, Refuse)
    assert (said.reason, said.status, one.recipients[1].said) == ("no such person", "5.1.1", None)


@pytest.mark.parametrize("status", ["", "550", "4.2.2", "5.1", "5.1.1 ", "5.1.1\n", "2.0.0"])
def test_a_refusal_needs_an_enhanced_code_of_its_class(status: str) -> None:
    with pytest.raises(ValueError, match=r"is no enhanced code of class 5, such as 5.0.0"):
        Refuse("no", status)


def test_a_deferral_needs_an_enhanced_code_of_its_class() -> None:
    assert Defer("full", "4.2.2").status == "4.2.2"
    with pytest.raises(ValueError, match=r"'5.2.2' is no enhanced code of class 4"):
        Defer("full", "5.2.2")
