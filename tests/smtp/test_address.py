# SPDX-License-Identifier: Apache-2.0
"""Mailboxes and paths: what is read, what is refused and why, how it is written and compared."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.smtp.address import (
    AddressError,
    Mailbox,
    NoDomain,
    fold_domain,
    parse_forward_path,
    parse_mailbox,
    parse_reverse_path,
)

LABEL = "a" * 63


def problem(text: str) -> str:
    with pytest.raises(AddressError) as caught:
        parse_mailbox(text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ann@in.test", Mailbox("ann", "in.test")),
        ("Ann.B+x=1@IN.Test", Mailbox("Ann.B+x=1", "IN.Test")),
        ('"ann b"@in.test', Mailbox("ann b", "in.test")),
        ('"a\\"\\\\\\b"@in.test', Mailbox('a"\\b', "in.test")),
        ('"a@b"@in.test', Mailbox("a@b", "in.test")),
        ('""@in.test', Mailbox("", "in.test")),
        ("ann@[192.0.2.1]", Mailbox("ann", "[192.0.2.1]")),
        ("ann@[IPv6:2001:db8::1]", Mailbox("ann", "[IPv6:2001:db8::1]")),
        ("ann@[ipv6:::]", Mailbox("ann", "[ipv6:::]")),
        ("ann@[IPv6:1:2:3:4:5:6:192.0.2.1]", Mailbox("ann", "[IPv6:1:2:3:4:5:6:192.0.2.1]")),
        ("ゆい@例え.テスト", Mailbox("ゆい", "例え.テスト")),
        ('"ゆい 山"@in.test', Mailbox("ゆい 山", "in.test")),
        (f"{'a' * 64}@in.test", Mailbox("a" * 64, "in.test")),
        (f"ann@{LABEL}.test", Mailbox("ann", f"{LABEL}.test")),
        ("ann@xn--r8jz45g.test", Mailbox("ann", "xn--r8jz45g.test")),
    ],
)
def test_a_mailbox_is_read(text: str, expected: Mailbox) -> None:
    assert parse_mailbox(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "the local-part is missing"),
        ("@in.test", "the local-part is missing"),
        (".ann@in.test", "the local-part has a dot at its start, at its end or beside another"),
        ("ann.@in.test", "the local-part has a dot at its start, at its end or beside another"),
        ("ann..b@in.test", "the local-part has a dot at its start, at its end or beside another"),
        ("an n@in.test", "the local-part holds a character that needs quoting"),
        ("a@b@in.test", "the domain is malformed"),
        ("ann\x00@in.test", "the local-part holds a character that needs quoting"),
        ("ann\x85@in.test", "the local-part holds a character that needs quoting"),
        ('"ann@in.test', "the quoted local-part does not end"),
        ('"ann\\', "a backslash stands before a character that cannot be quoted"),
        ('"an\\ゆ"@in.test', "a backslash stands before a character that cannot be quoted"),
        ('"an\x07n"@in.test', "the quoted local-part holds a control character"),
        ('"ann"b@in.test', "the local-part holds a character that needs quoting"),
        ("ann", "the domain is missing"),
        ("ann@", "the domain is missing"),
        ("ann@in.test.", "the domain is malformed"),
        ("ann@-in.test", "the domain is malformed"),
        ("ann@in_1.test", "the domain is malformed"),
        (f"ann@{LABEL}a.test", "the domain is malformed"),
        ("ann@[192.0.2.256]", "the address literal is malformed"),
        ("ann@[192.0.2.1", "the address literal does not end"),
        ("ann@[]", "the address literal is malformed"),
        ("ann@[IPv6:1:2:3:4:5:6:7::]", "the address literal is malformed"),
        ("ann@[IPv6:1::2::3]", "the address literal is malformed"),
        ("ann@[x400:somewhere]", "the address literal is of an unknown kind"),
        (f"{'a' * 65}@in.test", "the local-part is longer than 64 octets"),
        (f"{'ゆ' * 22}@in.test", "the local-part is longer than 64 octets"),
        (f"ann@{'.'.join([LABEL] * 4)}", "the address is too long"),
        ("ann@☃.test", "the domain is not a valid internationalised name"),
        ("ann\ud800@in.test", "the address is not valid UTF-8"),
    ],
)
def test_what_is_no_mailbox_is_refused_with_its_reason(text: str, expected: str) -> None:
    assert problem(text) == expected


@pytest.mark.parametrize("dot", ["\u3002", "\uff0e", "\uff61", "\u2024", "\u2488"])
def test_a_character_that_idna_takes_for_a_dot_does_not_hide_in_a_label(dot: str) -> None:
    assert problem(f"ann@in{dot}test") == "the domain is not a valid internationalised name"


def test_without_smtputf8_an_address_beyond_ascii_is_refused() -> None:
    with pytest.raises(AddressError, match="needs SMTPUTF8"):
        parse_mailbox("ゆい@in.test", smtputf8=False)
    assert parse_mailbox("ann@in.test", smtputf8=False) == Mailbox("ann", "in.test")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<>", None),
        ("<ann@in.test>", Mailbox("ann", "in.test")),
        ('<"a>b"@in.test>', Mailbox("a>b", "in.test")),
        ("<@one.test,@two.test:ann@in.test>", Mailbox("ann", "in.test")),
    ],
)
def test_a_reverse_path_is_read(text: str, expected: Mailbox | None) -> None:
    assert parse_reverse_path(text) == expected


@pytest.mark.parametrize(
    "text", ["", "<", ">", "< >", "ann@in.test", "<ann@in.test", "<<ann@in.test>>", "<postmaster>", "<@one.test>"]
)
def test_what_is_no_reverse_path_is_refused(text: str) -> None:
    with pytest.raises(AddressError):
        parse_reverse_path(text)


@pytest.mark.parametrize(
    "route", ["@:", "@one.test,:", "one.test:", "@one.test,two.test:", "@one..test:", "@[192.0.2.1]:"]
)
def test_a_malformed_source_route_is_refused(route: str) -> None:
    with pytest.raises(AddressError):
        parse_forward_path(f"<{route}ann@in.test>")


@pytest.mark.parametrize("text", ["<postmaster>", "<Postmaster>", "<POSTMASTER>"])
def test_postmaster_needs_no_domain(text: str) -> None:
    assert parse_forward_path(text) == Mailbox("postmaster", "")


@pytest.mark.parametrize("text", ["<ann>", '<"ann b">', "<postmaster2>"])
def test_another_lone_local_part_is_told_apart(text: str) -> None:
    with pytest.raises(NoDomain):
        parse_forward_path(text)


def test_the_null_path_is_no_forward_path() -> None:
    with pytest.raises(AddressError):
        parse_forward_path("<>")


def test_a_path_of_256_octets_is_read_and_one_of_257_is_not() -> None:
    domain = ".".join(["b" * 63, "b" * 63, "b" * 61])
    path = f"<{'a' * 64}@{domain}>"
    assert len(path) == 256
    assert parse_forward_path(path) == Mailbox("a" * 64, domain)
    with pytest.raises(AddressError, match="too long"):
        parse_forward_path(path.replace(">", "b>"))


@pytest.mark.parametrize(
    ("mailbox", "expected"),
    [
        (Mailbox("ann", "in.test"), "ann@in.test"),
        (Mailbox("a b", "in.test"), '"a b"@in.test'),
        (Mailbox('a"\\', "in.test"), '"a\\"\\\\"@in.test'),
        (Mailbox("", "in.test"), '""@in.test'),
        (Mailbox("a..b", "in.test"), '"a..b"@in.test'),
        (Mailbox("ゆい", "例え.テスト"), "ゆい@例え.テスト"),
        (Mailbox("postmaster", ""), "postmaster"),
    ],
)
def test_a_mailbox_is_written_with_quotes_only_where_it_must(mailbox: Mailbox, expected: str) -> None:
    assert str(mailbox) == expected


@pytest.mark.parametrize(
    ("mailbox", "expected"),
    [
        (Mailbox("Ann", "IN.Test"), Mailbox("ann", "in.test")),
        (Mailbox("Zoe\u0308", "in.test"), Mailbox("zo\u00eb", "in.test")),
        (Mailbox("STRASSE", "in.test"), Mailbox("stra\u00dfe", "in.test").folded()),
        (Mailbox("ann", "例え.テスト"), Mailbox("ann", "xn--r8jz45g.xn--zckzah")),
        (Mailbox("ann", "Ä.test"), Mailbox("ann", "xn--4ca.test")),
        (Mailbox("ann", "XN--4CA.test"), Mailbox("ann", "xn--4ca.test")),
        (Mailbox("ann", "[IPv6:2001:DB8::1]"), Mailbox("ann", "[ipv6:2001:db8::1]")),
    ],
)
def test_folding_gives_one_key_for_all_writings_of_a_mailbox(mailbox: Mailbox, expected: Mailbox) -> None:
    assert mailbox.folded() == expected


def test_a_domain_that_idna_refuses_is_folded_to_lower_case() -> None:
    assert fold_domain("☃.TEST") == "☃.test"


def test_equality_is_exact() -> None:
    assert Mailbox("Ann", "in.test") != Mailbox("ann", "in.test")


HOSTILE = [
    '"' * 100_000,
    "<" + "a." * 50_000,
    "@" * 100_000,
    "<" + "@a," * 40_000 + ">",
    "<" + "@a," * 80 + "b>",
    "<a@" + "-" * 250 + ">",
    "<a@" + "a-" * 120 + ">",
    "<a@[IPv6:" + "1:" * 110 + "]>",
    "<a@" + "\u0661" * 120 + ">",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_refused_quickly(text: str) -> None:
    before = time.process_time()
    with pytest.raises(AddressError):
        parse_forward_path(text)
    assert time.process_time() - before < 0.1


local_parts = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=16)


@given(local_parts)
def test_any_local_part_reads_back_from_its_wire_form(local_part: str) -> None:
    mailbox = Mailbox(local_part, "in.test")
    assert parse_mailbox(str(mailbox)) == mailbox


@given(local_parts, st.sampled_from(["in.test", "Ä.test", "例え.テスト", "[192.0.2.1]", "☃.TEST"]))
def test_folding_twice_changes_nothing(local_part: str, domain: str) -> None:
    folded = Mailbox(local_part, domain).folded()
    assert folded.folded() == folded


@given(st.text(max_size=300))
def test_any_text_gives_an_address_or_an_address_error(text: str) -> None:
    for parse in (parse_mailbox, parse_reverse_path, parse_forward_path):
        try:
            result = parse(text)
        except AddressError:
            continue
        assert result is None or isinstance(result, Mailbox)


@given(st.from_regex(r"[a-z0-9.\-\"\\@]{1,12}@[a-z0-9.\-]{1,12}", fullmatch=True))
def test_the_usual_form_and_the_careful_reading_agree(text: str) -> None:
    def outcome(path: str) -> Mailbox | None:
        try:
            return parse_forward_path(path)
        except AddressError:
            return None

    # A source route sends the same mailbox through the grammar functions.
    assert outcome(f"<{text}>") == outcome(f"<@relay.test:{text}>")
