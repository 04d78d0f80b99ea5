# SPDX-License-Identifier: Apache-2.0
"""What other servers announce, also in odd forms."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from genkan.smtp.client_extensions import NO_EXTENSIONS, ServerExtensions, parse_extensions
from genkan.smtp.client_replies import ServerReply


def announced(*lines: str) -> ServerExtensions:
    texts = ("mx.out.test at your service", *lines)
    return parse_extensions(ServerReply(250, "", " ".join(texts), texts))


def test_keywords_are_in_upper_case_with_their_arguments() -> None:
    extensions = announced("Size 1000", "auth plain Login", "8bitmime")
    assert extensions.keywords == {"SIZE": ("1000",), "AUTH": ("plain", "Login"), "8BITMIME": ()}
    assert extensions.mechanisms == ("PLAIN", "LOGIN")


def test_each_extension_is_found_under_its_keyword() -> None:
    one = announced("PIPELINING", "CHUNKING", "SIZE", "STARTTLS", "8BITMIME")
    assert (one.pipelining, one.chunking, one.takes_size, one.starttls, one.eightbitmime) == (True,) * 5
    assert (one.smtputf8, one.dsn, one.requiretls) == (False,) * 3
    other = announced("SMTPUTF8", "DSN", "REQUIRETLS", "ENHANCEDSTATUSCODES")
    assert (other.smtputf8, other.dsn, other.requiretls) == (True,) * 3
    assert (other.pipelining, other.chunking, other.takes_size, other.starttls, other.eightbitmime) == (False,) * 5


def test_the_first_line_is_no_keyword() -> None:
    assert parse_extensions(ServerReply(250, "", "PIPELINING", ("PIPELINING",))) == NO_EXTENSIONS


def test_the_size_limit_is_none_when_none_is_told() -> None:
    limits = [announced(*lines).size_limit for lines in ([], ["SIZE"], ["SIZE 0"], ["SIZE big"], ["SIZE " + "9" * 21])]
    assert limits == [None] * 5
    assert announced("SIZE 26214400").size_limit == 26214400


def test_a_keyword_that_comes_twice_has_the_arguments_of_both() -> None:
    assert announced("AUTH PLAIN", "AUTH LOGIN").mechanisms == ("PLAIN", "LOGIN")


def test_lines_that_are_no_keywords_say_nothing() -> None:
    assert announced("", "-X", "=1", "Über", "X_Y").keywords == {}


@given(st.lists(st.text(max_size=40), max_size=8))
def test_any_lines_are_read(lines: list[str]) -> None:
    extensions = announced(*lines)
    assert all(keyword == keyword.upper() for keyword in extensions.keywords)
    assert extensions.size_limit is None or extensions.size_limit > 0
