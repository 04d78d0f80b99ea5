# SPDX-License-Identifier: Apache-2.0
"""The author domain: one, or none and why."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.dmarc.author import MOST_FIELDS, Author, find_author, plain_domain


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
        (b"Ann a@example.test", "example.test"),
        (b"a @ example . test", "example.test"),
        (b"a@(at)example.test", "example.test"),
        (b"a@example(dot).(com)\ttest", "example.test"),
        (b"<a@example .test>", "example.test"),
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
        ([b"ann"], "the From field is malformed"),
        ([b"a@x.test, ann"], "the From field is malformed"),
        ([b"a@b@x.test"], "the From field is malformed"),
        ([b"a@[192.0.2.1]"], "the From field is malformed"),
        ([b"@x.test"], "the From field is malformed"),
        ([b"a@x..test"], "the From field is malformed"),
        ([b"a@\xff.test"], "the From field is malformed"),
        ([b"a@" + b"a." * 127 + b"test"], "the From field is malformed"),
    ],
)
def test_without_one_domain_there_is_none(bodies: list[bytes], problem: str) -> None:
    assert find_author(bodies)[:2] == ("", problem)


@pytest.mark.parametrize(
    ("bodies", "claimed"),
    [
        ([], ()),
        ([b"nobody:;"], ()),
        ([b"<>"], ()),
        ([b"Ann"], ()),
        ([b"a@[192.0.2.1]"], ()),
        ([b"a@ [192.0.2.1]"], ()),
        ([b"a@X.test, b@y.test"], ("x.test", "y.test")),
        ([b'"c@z.test" <a@x.test>, b@y.test'], ("x.test", "y.test")),
        ([b"a@x.test", b"b@y.test", b"a@x.test"], ("x.test", "y.test")),
        ([b"a@x.test, b@(x)y.test"], ("x.test", "y.test")),
        ([b"<a@x.test"], ("x.test",)),
        ([b"Boss, Big <a@x.test>"], ("x.test",)),
        ([b"a@x.test, ann"], ("x.test",)),
        ([b"=?utf-8?b?YUB4LnRlc3Q=?="], ("x.test",)),
        ([b"<=?utf-8?q?a=40x.test?=>"], ("x.test",)),
    ],
)
def test_then_all_domains_that_readers_may_be_shown_are_known(bodies: list[bytes], claimed: tuple[str, ...]) -> None:
    author = find_author(bodies)
    assert (author.domain, author.claimed, author.is_unclear, author.domains) == ("", claimed, False, claimed)


@pytest.mark.parametrize(
    "bodies",
    [
        [b"a@x.test, b@pay+safe.y.test"],
        [b"a@" + b"x" * 64 + b".test"],
        [b"a@" + b"a." * 127 + b"test"],
        ["a@☕.x.test".encode()],
        [b"a@.x.test"],
        [b"a@x..test"],
        [b"<a@x.test\0>"],
        [b"'a@x.test'"],
        [b'a@"x.test"'],
        [b"<a@(x)x.test>"],
        [b"a@x.test <" + b"x" * 20_000],
        [b"a@%d.test" % number for number in range(4)],
        [b"a@a.test, a@b.test, a@c.test, a@d.test"],
        [b""] * (MOST_FIELDS + 1),
    ],
    ids=range(14),
)
def test_where_there_may_be_others_that_is_known_too(bodies: list[bytes]) -> None:
    author = find_author(bodies)
    assert (author.domain, author.is_unclear, author.domains) == ("", True, ())


@pytest.mark.parametrize(
    "body",
    ["@é.é.é,\r\n ".encode() * 25_000, ("a@" + "ü." * 75 + "x,").encode() * 99, b"()" * 125_000, "@é,".encode() * 5000],
    ids=["no addresses", "many labels", "comments", "names beyond ASCII"],
)
def test_a_hostile_field_takes_a_moment(body: bytes) -> None:
    begun = time.process_time()
    find_author([body] * 10)
    assert time.process_time() - begun < 0.5


@given(st.binary(max_size=60))
def test_whatever_the_field_says_there_is_a_domain_or_a_problem(body: bytes) -> None:
    author = find_author([body])
    assert bool(author.domain) != bool(author.problem)
    assert author.domain in ("", plain_domain(author.domain))
