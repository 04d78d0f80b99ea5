# SPDX-License-Identifier: Apache-2.0
"""The author domain: one, or none and why."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.dmarc.author import MOST_CLAIMED, Author, find_author, plain_domain


@pytest.mark.parametrize(
    ("body", "domain"),
    [
        (b"Ann <ann@Example.TEST>", "example.test"),
        (b"ann@example.test.", "example.test"),
        (b"a@example.test, B <b@EXAMPLE.test>", "example.test"),
        (b"Team: a@example.test;", "example.test"),
        ("あ <a@例え.test>".encode(), "xn--r8jz45g.test"),
        (b"\x82\xa0 <a@example.test>", "example.test"),
        (b"a@xn--r8jz45g.test", "xn--r8jz45g.test"),
        (b"<first..last.@docomo.test>", "docomo.test"),
        (b"<" + b"a" * 200 + b"@example.test>", "example.test"),
        (b'"a@b"@example.test', "example.test"),
        (b"a@under_score.example.test", "under_score.example.test"),
        (b"ceo@bank.test <a@example.test>", "example.test"),
    ],
)
def test_a_message_has_one_author_domain(body: bytes, domain: str) -> None:
    assert find_author([body]) == Author(domain)


@pytest.mark.parametrize(
    ("bodies", "problem"),
    [
        ([], "there is no From field"),
        ([b"a@x.test", b"a@x.test"], "there are several From fields"),
        ([b""], "the From field names nobody"),
        ([b"nobody:;"], "the From field names nobody"),
        ([b"<a@x.test"], "the From field is malformed"),
        ([b"a@x.test, b@y.test"], "the From field has several domains"),
        ([b"ann"], "an address in the From field is malformed"),
        ([b"a@x.test, ann"], "an address in the From field is malformed"),
        ([b"a@b@x.test"], "an address in the From field is malformed"),
        ([b"a@[192.0.2.1]"], "an address in the From field is malformed"),
        ([b"a @ x.test"], "an address in the From field is malformed"),
        ([b"@x.test"], "an address in the From field is malformed"),
        ([b"a@x..test"], "an address in the From field is malformed"),
        ([b"a@\xff.test"], "an address in the From field is malformed"),
        ([b"a@" + b"a." * 127 + b"test"], "an address in the From field is malformed"),
    ],
)
def test_without_one_domain_there_is_none(bodies: list[bytes], problem: str) -> None:
    assert find_author(bodies)[:2] == ("", problem)


@pytest.mark.parametrize(
    ("bodies", "claimed"),
    [
        ([], ()),
        ([b"nobody:;"], ()),
        ([b"a@X.test, b@y.test"], ("x.test", "y.test")),
        ([b'"c@z.test" <a@x.test>, b@y.test'], ("x.test", "y.test")),
        ([b"a@x.test", b"b@y.test", b"a@x.test"], ("x.test", "y.test")),
        ([b"<a@x.test"], ("x.test",)),
        ([b"a @ x.test"], ("x.test",)),
        ([b"a@x.test, ann"], ("x.test",)),
        ([b"a@[192.0.2.1]"], ()),
        ([b"a@" + b"a." * 127 + b"test, b@y.test"], ("y.test",)),
        ([b"a@%d.test" % number for number in range(1000)], ("0.test", "1.test", "2.test", "3.test")),
    ],
)
def test_then_all_domains_that_readers_may_be_shown_are_known(bodies: list[bytes], claimed: tuple[str, ...]) -> None:
    assert find_author(bodies).claimed == claimed
    assert find_author(bodies).domains == (claimed if len(claimed) <= MOST_CLAIMED else ())


@given(st.binary(max_size=60))
def test_whatever_the_field_says_there_is_a_domain_or_a_problem(body: bytes) -> None:
    author = find_author([body])
    assert bool(author.domain) != bool(author.problem)
    assert author.domain in ("", plain_domain(author.domain))
