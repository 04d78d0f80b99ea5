# SPDX-License-Identifier: Apache-2.0
"""Which block decides: one condition for all encodings, AND and OR, wildcards, lists of hosts, and the same as the plain way."""

from __future__ import annotations

import base64
import quopri
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.message.header import HeaderFields
from genkan.message.mime import TextReader
from genkan.rules.document import Document
from genkan.rules.mail import parse_mail
from genkan.rules.mail_block import FROM_DIFFERS
from genkan.rules.mail_fold import fold, wildcard_in
from genkan.rules.mail_hosts import Lookup
from genkan.rules.mail_match import MailMatcher, MailText, decide

if TYPE_CHECKING:
    from genkan.rules.mail_block import Condition, MailBlock

CODECS = [("ISO-2022-JP", "iso2022_jp"), ("Shift_JIS", "cp932"), ("EUC-JP", "euc_jp"), ("UTF-8", "utf-8")]
WORD = "未承諾広告"


def matcher(*lines: str) -> MailMatcher:
    return MailMatcher(parse_mail(Document("mail.dat", "", 1, "\n".join(lines))).blocks)


def one_block(*lines: str) -> MailMatcher:
    return matcher("Virus:x", *lines, "Level:100", "VirusEnd:")


def mail(content: str | bytes) -> MailText:
    reader = TextReader(100_000)
    reader.feed(content if isinstance(content, bytes) else content.encode())
    reader.finish()
    return MailText(reader.header, reader.texts)


def decides(blocks: MailMatcher, content: str | bytes) -> str | None:
    """The name of the block that decides, without any lookup."""
    match = blocks.first(mail(content))
    return match and match.block.name


@pytest.mark.parametrize("form", ["plain", "b", "q", "raw"])
@pytest.mark.parametrize(("charset", "codec"), CODECS)
def test_one_condition_finds_a_word_of_the_subject_in_every_encoding(charset: str, codec: str, form: str) -> None:
    octets = f"【{WORD}】".encode(codec)
    match form:
        case "b":
            field = f"=?{charset}?B?{base64.b64encode(octets).decode()}?=".encode()
        case "q":
            field = f"=?{charset}?Q?{''.join(f'={octet:02X}' for octet in octets)}?=".encode()
        case _:
            field = octets
    assert decides(one_block(f"Subject:{WORD}"), b"Subject: " + field + b"\n\n") == "x"


@pytest.mark.parametrize("encoding", ["8bit", "base64", "quoted-printable"])
@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize(("charset", "codec"), CODECS)
def test_one_condition_finds_a_word_of_the_body_in_every_encoding(
    charset: str, codec: str, encoding: str, declared: bool
) -> None:
    octets = f"これは{WORD}です".encode(codec)
    if encoding != "8bit":
        octets = base64.encodebytes(octets) if encoding == "base64" else quopri.encodestring(octets)
    parameter = f"; charset={charset}" if declared else ""
    header = f"Content-Type: text/plain{parameter}\nContent-Transfer-Encoding: {encoding}\n\n"
    assert decides(one_block("Body:", WORD, "BodyEnd:"), header.encode() + octets) == "x"


@pytest.mark.parametrize(("charset", "codec"), CODECS)
def test_a_condition_may_be_an_encoded_word_of_any_charset(charset: str, codec: str) -> None:
    condition = f"From:=?{charset}?b?{base64.b64encode(WORD.encode(codec)).decode()}?="
    assert decides(one_block(condition), f"From: {WORD}センター <a@out.test>\n\n") == "x"


def test_words_that_tags_break_are_found() -> None:
    content = f"Content-Type: text/html; charset=utf-8\n\n<p>{WORD[:2]}<b></b>{WORD[2:]}</p>"
    assert decides(one_block("Body:", WORD, "BodyEnd:"), content) == "x"


def test_items_are_all_needed_and_tokens_are_alternatives() -> None:
    blocks = one_block("From:a@", "From:b@", "Subject:win", "Body:", "money", "prize", "BodyEnd:")
    assert decides(blocks, "From: b@out.test\nSubject: You WIN\n\na Prize") == "x"
    assert decides(blocks, "From: c@out.test\nSubject: You WIN\n\na Prize") is None
    assert decides(blocks, "From: b@out.test\nSubject: lose\n\na Prize") is None
    assert decides(blocks, "From: b@out.test\nSubject: You WIN\n\nnothing") is None


def test_the_first_block_that_matches_decides() -> None:
    lines = [line for name in "abc" for line in (f"Virus:{name}", f"Subject:{name}", "Level:100", "VirusEnd:")]
    assert decides(matcher(*lines), "Subject: c b\n\n") == "b"


def test_a_block_without_conditions_decides_what_came_so_far() -> None:
    lines = (
        "Virus:a",
        "Subject:a",
        "Level:100",
        "VirusEnd:",
        "Virus:all",
        "Level:200",
        "VirusEnd:",
        "Virus:b",
        "Subject:b",
        "Level:1",
    )
    assert decides(matcher(*lines), "Subject: a\n\n") == "a"
    assert decides(matcher(*lines), "Subject: b\n\n") == "all"


def test_any_field_of_a_name_counts_and_names_are_compared_in_any_case() -> None:
    blocks = one_block("Unique-Header:X-SPAM-mail: X-appliance")
    assert decides(blocks, "x-spam-MAIL: other\nX-Spam-Mail: by x-APPLIANCE 1\n\n") == "x"
    assert decides(blocks, "X-Spam-Mails: x-appliance\n\nX-SPAM-mail: X-appliance") is None


def test_a_header_without_text_only_has_to_be_there() -> None:
    blocks = one_block("Unique-Header:X-Bulk:")
    assert decides(blocks, "X-Bulk:\n\n") == "x"
    assert decides(blocks, "X-Other: 1\n\n") is None


def test_content_type_is_that_of_the_message() -> None:
    blocks = one_block("Comp:1", "Content-Type:*multipart/mixed;*")
    assert decides(blocks, 'Content-Type: Multipart/Mixed;\n boundary="b"\n\n') == "x"
    assert decides(blocks, "Content-Type: multipart/mixed\n\n") is None
    assert (
        decides(
            one_block("Content-Type:image/png"),
            "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: image/png",
        )
        is None
    )


def test_wildcards_need_comp_and_hold_for_the_whole_text() -> None:
    assert decides(one_block("Comp:1", "Subject:*buy*now*"), "Subject: Buy it NOW!\n\n") == "x"
    assert decides(one_block("Comp:1", "Subject:buy*now"), "Subject: Buy it NOW!\n\n") is None
    assert decides(one_block("Comp:1", "Subject:now"), "Subject: Buy it NOW!\n\n") == "x"
    assert decides(one_block("Subject:buy*now"), "Subject: a buy*now b\n\n") == "x"
    assert decides(one_block("Subject:*buy*"), "Subject: buy\n\n") is None


def test_from_any_is_met_without_the_field_too() -> None:
    assert decides(one_block("Comp:1", "From:*", "Subject:a"), "Subject: a\n\n") == "x"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("From: Ann <ann@in.test>\n\nfrom Ann ANN@in.test", None),
        ("From: Ann <ann@in.test>\n\nBob <bob@in.test> ann@in.test", "x"),
        ("From: Ann <ann@in.test>\n\nno address", None),
        ("From: nobody\n\nbob@in.test", None),
    ],
)
def test_the_first_address_of_the_body_is_compared_with_the_from_field(content: str, expected: str | None) -> None:
    assert decides(one_block("Comp:1", "From:*", "Body:", FROM_DIFFERS, "BodyEnd:"), content) == expected


def test_a_match_says_which_tokens_were_found() -> None:
    match = one_block("Subject:a", "Subject:b", "Body:", "c", "BodyEnd:").first(mail("Subject: b\n\nc"))
    assert match is not None
    assert [(token.line, token.text) for token in match.tokens] == [(3, "b"), (5, "c")]


LISTED = (
    *("Virus:list", 'RBL:l.test\t192.0.2.1,N "*.in.test in.test"', "RBL:m.test", "Level:100", "VirusEnd:"),
    *("Virus:spam", "Subject:spam", "Level:100", "VirusEnd:"),
    *("Virus:late", "RBL:l.test", "Level:100", "VirusEnd:"),
)


def test_lookups_are_named_and_decide_when_listed() -> None:
    blocks, text = matcher(*LISTED), mail("Subject: spam\n\nhttp://a.test http://www.in.test")
    candidates = blocks.candidates(text)
    assert [candidate.block.name for candidate in candidates] == ["list", "spam"]
    assert candidates[0].lookups == (
        Lookup("a.test", "l.test", "192.0.2.1", False),
        Lookup("a.test", "m.test", "", True),
        Lookup("www.in.test", "m.test", "", True),
    )
    match = decide(candidates, {candidates[0].lookups[1]})
    assert match is not None
    assert (match.block.name, match.listed) == ("list", Lookup("a.test", "m.test", "", True))
    unlisted = decide(candidates, ())
    assert unlisted is not None
    assert (unlisted.block.name, unlisted.listed) == ("spam", None)


def test_without_links_no_list_decides() -> None:
    assert matcher(*LISTED).first(mail("Subject: x\n\nno link")) is None


def test_other_conditions_come_before_lookups() -> None:
    blocks = one_block("Subject:a", "RBL:l.test")
    assert blocks.candidates(mail("Subject: b\n\nhttp://a.test")) == ()


def test_no_blocks_match_nothing() -> None:
    assert MailMatcher(()).first(mail("Subject: x\n\nx")) is None


def test_words_are_found_across_the_windows_of_a_long_text() -> None:
    blocks = one_block("Body:", "needle", "x", "BodyEnd:")
    for before in (65530, 65533, 65536, 131070):
        assert blocks.first(MailText(HeaderFields(b""), ["." * before + "NEEDLE" + "." * 9])) is not None


def test_a_word_of_one_letter_in_a_text_full_of_it_is_no_burden() -> None:
    blocks = one_block("Body:", "a", "aa", "aaa", "BodyEnd:")
    assert blocks.first(MailText(HeaderFields(b""), ["a" * 500_000])) is not None


ALPHABET = "aB1 あ*"
words = st.text(alphabet=ALPHABET, min_size=1, max_size=4).filter(
    lambda word: word.strip() and word.strip(" ")[0] != "'"
)
items = st.one_of(
    st.builds(
        "{}:{}".format, st.sampled_from(["From", "Subject", "Content-Type", "Unique-Header:X-A", "Comp:1\nFrom"]), words
    ),
    st.builds("Body:\n{}\n{}\nBodyEnd:".format, words, words),
)
blocks_of_items = st.lists(st.lists(items, min_size=1, max_size=4), max_size=6)
texts = st.lists(st.text(alphabet=ALPHABET, max_size=8), max_size=3)


def _plainly(block: MailBlock, text: MailText) -> bool:
    """Whether a block matches, asked token by token."""

    def met(condition: Condition) -> bool:
        places = text.header.texts(condition.header) if condition.header else text.texts
        folded = [fold(place) for place in places]
        anything = condition.header != "x-a" and any(token.is_any for token in condition.tokens)
        return anything or any(wildcard_in(token.pieces, place) for token in condition.tokens for place in folded)

    return all(met(condition) for condition in block.conditions)


@given(blocks_of_items, st.lists(st.text(alphabet=ALPHABET, max_size=8), min_size=4, max_size=4), texts)
def test_the_block_found_is_the_one_found_plainly(
    blocks: list[list[str]], fields: list[str], bodies: list[str]
) -> None:
    lines = [line for block in blocks for line in ("Virus:x", *block, "Level:100", "VirusEnd:")]
    rules = parse_mail(Document("mail.dat", "", 1, "\n".join(lines)))
    names = ("From", "Subject", "Content-Type", "X-A")
    header = "".join(f"{name}: {field}\n" for name, field in zip(names, fields, strict=True) if field)
    text = MailText(HeaderFields(header.encode()), bodies)
    match = MailMatcher(rules.blocks).first(text)
    expected = next((block for block in rules.blocks if _plainly(block, text)), None)
    assert (match and match.block) == expected
