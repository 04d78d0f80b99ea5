# SPDX-License-Identifier: Apache-2.0
"""The grammar of mail.dat: every item, what is found wrong, and that any document is read to its end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.findings import Level
from genkan.rules.document import MAX_LINE, Document
from genkan.rules.mail import MAX_FINDINGS, MAX_LINES, parse_mail
from genkan.rules.mail_block import (
    FROM_DIFFERS,
    TAG_FIELD,
    Condition,
    HostList,
    Item,
    MailBlock,
    MailRules,
    Token,
    Treatment,
)
from genkan.smtp.address import Mailbox

EXAMPLE = """\
'------------------------------------------------------
Virus:reject-header
Unique-Header:X-SPAM-mail: X-appliance
Level:110
Warning:
<!>WARNING<!>
'(reason text)

end
WarningEnd:
VirusEnd:
"""


def parse(*lines: str) -> MailRules:
    return parse_mail(Document("mail.dat", "", 7, "\r\n".join(lines)))


def block(*lines: str) -> MailBlock:
    rules = parse("Virus:x", *lines, "VirusEnd:")
    assert rules.findings == ()
    return rules.blocks[0]


def only_finding(*lines: str) -> str:
    """The one finding of a document none of whose blocks apply."""
    rules = parse(*lines)
    assert rules.blocks == ()
    assert [finding.level for finding in rules.findings] == [Level.ERROR]
    return str(rules.findings[0])


def only_weakness(*lines: str) -> str:
    """The one finding of a document whose blocks all apply."""
    rules = parse(*lines)
    assert len(rules.blocks) == sum(line.lower().startswith("virus:") for line in lines)
    assert [finding.level is not Level.ERROR for finding in rules.findings] == [True]
    return str(rules.findings[0])


def tokens(*texts: str) -> list[str]:
    return [token.text for condition in block(*texts, "Level:100").conditions for token in condition.tokens]


keywords = ["Virus", "Comp", "Tag", "Forward", "From", "Subject", "Content-Type", "Unique-Header", "Body", "BodyEnd"]
keywords += ["RBL", "Level", "Warning", "WarningEnd", "VirusEnd", "Other"]
documents = st.lists(
    st.tuples(
        st.sampled_from([f"{word}:" for word in keywords] + ["'", ""]),
        st.sampled_from(
            [
                "",
                "1",
                "110",
                "500",
                "*a*",
                "a@b.test",
                "X: y",
                "list.test\t192.0.2.1,N",
                "=?utf-8?b?YQ==?=",
                FROM_DIFFERS,
            ]
        ),
    ).map("".join),
    max_size=30,
).map("\n".join)


def test_the_documented_example_is_read() -> None:
    rules = parse_mail(Document("mail.dat", "ann@in.test", 7, EXAMPLE))
    assert rules.findings == ()
    (found,) = rules.blocks
    assert str(found.origin) == "mail.dat of ann@in.test:2"
    assert (found.name, found.treatment, found.keep_copy, found.append_client) == (
        "reject-header",
        Treatment.REFUSE,
        True,
        False,
    )
    assert found.conditions == (
        Condition(Item.UNIQUE_HEADER, "x-spam-mail", (Token(3, "X-appliance", ("x-appliance",)),)),
    )
    assert found.warning == "<!>WARNING<!>\n'(reason text)\n\nend"


def test_every_item_is_read_in_any_case_and_with_blanks() -> None:
    found = block(
        "COMP:1",
        " tag : [SPAM]",
        "forward:<Boss@in.test>",
        "from:a",
        "SUBJECT: b*",
        "content-type:*multipart/mixed;*",
        "Unique-header:X-A:c",
        "body:",
        "d",
        "' a comment",
        "",
        "e",
        "BODYEND:",
        'RBL:Multi.surbl.org\t192.0.2.1,n "in.test, *.In.test"',
        "level:611",
        "warning:",
        "WarningEnd:",
    )
    assert [(one.item, one.header, [token.pieces for token in one.tokens]) for one in found.conditions] == [
        (Item.FROM, "from", [("a",)]),
        (Item.SUBJECT, "subject", [("b", "")]),
        (Item.CONTENT_TYPE, "content-type", [("", "multipart/mixed;", "")]),
        (Item.UNIQUE_HEADER, "x-a", [("c",)]),
        (Item.BODY, "", [("d",), ("e",)]),
    ]
    assert found.lists == (HostList(15, "multi.surbl.org", "192.0.2.1", False, ("in.test", "*.in.test"), ""),)
    assert (found.treatment, found.keep_copy, found.append_client) == (Treatment.TAG_SUBJECT_FORWARD, True, True)
    assert (found.tag, found.forward, found.wildcard) == ("[SPAM]", Mailbox("Boss", "in.test"), True)


def test_a_repeated_item_is_an_alternative_and_another_header_a_condition() -> None:
    found = block(
        "Subject:a", "Unique-Header:X-A: 1", "Subject:b", "Unique-Header:x-a: 2", "Unique-Header:X-B: 3", "Level:100"
    )
    assert [(one.header, [token.text for token in one.tokens]) for one in found.conditions] == [
        ("subject", ["a", "b"]),
        ("x-a", ["1", "2"]),
        ("x-b", ["3"]),
    ]


def test_encoded_words_and_raw_jis_in_conditions_are_decoded() -> None:
    jis = "未承諾".encode("iso2022_jp").decode()
    assert (
        tokens("Subject:=?iso-2022-jp?B?GyRCTCQ+NUJ6GyhC?=", f"Subject:{jis}", "Body:", jis, "BodyEnd:")
        == ["未承諾"] * 3
    )


def test_texts_are_folded_for_comparison() -> None:
    (condition,) = block("Subject:ＦＲＥＥ ｶﾞ①Straße", "Level:100").conditions
    assert condition.tokens[0].pieces == ("free ガ1strasse",)


@pytest.mark.parametrize(
    ("level", "treatment", "copy", "append"),
    [
        ("000", Treatment.PASS, False, False),
        ("101", Treatment.REFUSE, False, True),
        ("210", Treatment.ACCEPT, True, False),
        ("300", Treatment.TAG_SUBJECT, False, False),
        ("400", Treatment.TAG_HEADER, False, False),
        ("500", Treatment.FORWARD, False, False),
        ("600", Treatment.TAG_SUBJECT_FORWARD, False, False),
        ("711", Treatment.TAG_HEADER_FORWARD, True, True),
        ("910", Treatment.PASS, True, False),
    ],
)
def test_levels_are_three_answers(level: str, treatment: Treatment, copy: bool, append: bool) -> None:
    found = block(f"Level:{level}", "From:a", "Tag:t", "Forward:a@in.test")
    assert (found.treatment, found.keep_copy, found.append_client) == (treatment, copy, append)


def test_a_treatment_tells_what_it_does() -> None:
    assert [one for one in Treatment if one.forwards] == [5, 6, 7]
    assert [one for one in Treatment if one.tags_subject] == [3, 6]
    assert [one for one in Treatment if one.tags_header] == [4, 7]


def test_a_tag_is_a_field_of_its_own_or_of_ours() -> None:
    assert block("Tag:X-Spam: yes", "From:a", "Level:400").tag_field == ("X-Spam", "yes")
    assert block("Tag:迷惑 メール", "From:a", "Level:400").tag_field == (TAG_FIELD, "迷惑 メール")


def test_a_header_without_text_only_has_to_be_there() -> None:
    assert block("Unique-Header:X-Bulk:", "Level:100").conditions[0].tokens[0].is_any


def test_the_comparison_of_addresses_is_a_token_of_its_own() -> None:
    found = block("Comp:1", "From:*", "Body:", FROM_DIFFERS.lower(), "BodyEnd:", "Level:100")
    assert found.conditions[1].tokens == (Token(5, FROM_DIFFERS, ()),)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a.test", HostList(2, "a.test", "", True, (), "")),
        ("a.test.", HostList(2, "a.test", "", True, (), "")),
        ("a.test\t192.0.2.1,N", HostList(2, "a.test", "192.0.2.1", False, (), "")),
        ("a.test 2001:db8::1 , Y", HostList(2, "a.test", "2001:db8::1", True, (), "")),
        ('a.test\t,Y "b.test"', HostList(2, "a.test", "", True, ("b.test",), "")),
    ],
)
def test_rbl_lines_are_read(value: str, expected: HostList) -> None:
    assert block(f"RBL:{value}", "Level:100").lists == (expected,)


def test_a_white_list_in_a_file_is_named_and_not_read() -> None:
    rules = parse("Virus:x", 'RBL:a.test\t192.0.2.1,N "C:\\mail\\white list.txt"', "Level:100", "VirusEnd:")
    assert rules.blocks[0].lists[0].known_file == "C:\\mail\\white list.txt"
    assert rules.blocks[0].lists[0].known == ()
    assert "is not read" in str(rules.findings[0])


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("To:boss@in.test", "mail.dat:2: is no item of a block: 'To:boss@in.test'"),
        ("Subject spam", "mail.dat:2: is no item of a block: 'Subject spam'"),
        ("Subject:", "mail.dat:2: has no text for Subject"),
        ("Subject:\u200b", "mail.dat:2: has no text for Subject"),
        ("Unique-Header:X-A", "mail.dat:2: names no header field"),
        ("Unique-Header:: a", "mail.dat:2: names no header field"),
        ("Comp:2", "mail.dat:2: is neither Comp:0 nor Comp:1"),
        ("Level:11", "mail.dat:2: is not a level"),
        ("Level:１００", "mail.dat:2: is not a level"),
        ("Level:810", "mail.dat:2: begins with 8"),
        ("Forward:ann", "mail.dat:2: names no address"),
        ("RBL:", "mail.dat:2: names no zone"),
        ("RBL:zone", "mail.dat:2: names no zone"),
        ("RBL:a.test\tns.a.test,Y", "mail.dat:2: names ns.a.test as its server"),
        ("BodyEnd:", "mail.dat:2: is no item of a block"),
        ("From:" + "a" * MAX_LINE, "mail.dat:2: is longer than"),
    ],
)
def test_a_block_with_a_line_that_cannot_be_read_does_not_apply(line: str, says: str) -> None:
    assert says in only_finding("Virus:x", line, "From:a", "Level:100", "VirusEnd:")


@pytest.mark.parametrize("level", ["500", "610", "701"])
@pytest.mark.parametrize("forward", ["From:a", "Forward:"])
def test_a_block_that_forwards_to_nobody_does_not_apply(level: str, forward: str) -> None:
    says = only_finding("Virus:x", f"Level:{level}", "Tag:t", "From:a", forward, "VirusEnd:")
    assert says == (
        "error: mail.dat:1: begins a block that forwards but names no Forward: address, so its block does not apply; "
        "add the address, as in Forward:postmaster@in.test"
    )


def test_a_block_without_a_level_does_not_apply() -> None:
    assert "mail.dat:1: begins a block without Level:" in only_finding("Virus:x", "From:a", "VirusEnd:")


def test_a_body_without_text_is_found() -> None:
    assert "begins a Body: that has no text" in only_finding("Virus:x", "Body:", "BodyEnd:", "Level:100", "VirusEnd:")


GOOD = ("Virus:good", "From:a", "Level:100", "VirusEnd:")


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (("Virus:x", "From:a", "Level:100"), "mail.dat:1: begins the block 'x', which has no VirusEnd:"),
        (("Virus:x", "Level:100", "Body:", "a", "VirusEnd:"), "mail.dat:3: begins a Body: without BodyEnd:"),
        (("Virus:x", "Level:100", "Warning:", "a", "VirusEnd:"), "mail.dat:3: begins a Warning: without WarningEnd:"),
    ],
)
def test_what_has_no_end_is_said_where_it_begins_and_the_rest_applies(lines: tuple[str, ...], says: str) -> None:
    rules = parse(*lines, *GOOD)
    assert [found.name for found in rules.blocks] == ["good"]
    (finding,) = rules.findings
    assert says in str(finding)


def test_a_section_and_its_block_without_an_end_leave_the_next_block_alone() -> None:
    rules = parse("Virus:x", "Level:100", "Body:", "a", *GOOD)
    assert [found.name for found in rules.blocks] == ["good"]
    assert [str(finding)[:18] for finding in rules.findings] == ["error: mail.dat:3:", "error: mail.dat:1:"]


def test_a_section_that_ends_the_document_is_found() -> None:
    rules = parse("Virus:x", "Body:", "a")
    assert [str(finding).partition(";")[0] for finding in rules.findings] == [
        "error: mail.dat:2: begins a Body: without BodyEnd:, so its block does not apply",
        "error: mail.dat:1: begins the block 'x', which has no VirusEnd:, so it does not apply",
    ]


def test_a_section_that_holds_the_beginning_of_a_block_is_suspicious() -> None:
    says = only_weakness("Virus:x", "From:a", "Level:100", "Warning:", " Virus: found", "WarningEnd:", "VirusEnd:")
    assert "mail.dat:4: begins a Warning: that holds the line 5, which begins a block elsewhere" in says


@pytest.mark.parametrize("line", ["From:a", "anything", "VirusEnd:", "BodyEnd:"])
def test_a_line_outside_of_blocks_is_found(line: str) -> None:
    assert "mail.dat:1: stands outside of a block" in only_finding(line)


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (("Level:100",), "has no condition and catches every mail"),
        (("Level:000",), "has no condition and passes every mail"),
        (("Comp:1", "From:*", "Level:100"), "has no condition and catches every mail"),
        (("From:a", "Level:300"), "marks mail but has no Tag:"),
        (("From:a", "Level:129"), "has 2 in the second place, 9 in the third place"),
        (("From:a*", "Level:100"), "has an asterisk"),
        (("From:a", "Level:100", "Level:200"), "mail.dat:4: gives for the second time"),
        (("From:a", "Level:100", "Tag:a", "Tag:b"), "mail.dat:5: gives for the second time"),
    ],
)
def test_a_block_that_applies_may_have_weaknesses(lines: tuple[str, ...], says: str) -> None:
    assert says in only_weakness("Virus:x", *lines, "VirusEnd:")


def test_a_block_with_the_conditions_of_an_earlier_one_never_decides() -> None:
    one = ("Virus:1", "Subject:b", "From:a", "From:c", "Level:100", "VirusEnd:")
    two = ("Virus:2", "From:C", "From:Ａ", "Subject:B", "Level:200", "VirusEnd:")
    assert "mail.dat:7: begins a block that never decides: the one at line 1 has its conditions" in only_weakness(
        *one, *two
    )


def test_below_a_block_that_catches_all_none_decides() -> None:
    rules = parse("Virus:1", "Level:100", "VirusEnd:", *GOOD)
    assert "mail.dat:4: begins a block that never decides: the one at line 1 catches every mail" in str(
        rules.findings[1]
    )


@given(documents)
def test_every_document_is_read_to_its_end(text: str) -> None:
    rules = parse_mail(Document("mail.dat", "", 1, text))
    for found in rules.blocks:
        assert (found.forward is not None) or not found.treatment.forwards
        assert all(condition.tokens for condition in found.conditions)


@given(st.binary(max_size=200), documents)
def test_a_good_block_applies_whatever_stands_above(rubbish: bytes, text: str) -> None:
    document = Document.decode(
        "mail.dat", rubbish + b"\n" + text.encode() + b"\nVirusEnd:\n" + "\n".join(GOOD).encode()
    )
    assert [found.name for found in parse_mail(document).blocks][-1:] == ["good"]


@pytest.mark.parametrize(
    "piece",
    [
        "\n",
        "x\n",
        "Virus:\n",
        "Virus:\nBody:\n",
        "Body:\n",
        "Virus:x\nBody:\nx\nBodyEnd:\n",
        "VirusEnd:\n",
        "\u2028",
        "=?utf-8?b?",
    ],
)
def test_a_hostile_document_gives_few_findings_in_one_pass(piece: str) -> None:
    rules = parse_mail(Document("mail.dat", "", 1, "Virus:x\nSubject:" + piece * (1_000_000 // len(piece))))
    assert len(rules.findings) <= MAX_FINDINGS + 1


def test_lines_beyond_the_bound_are_not_read() -> None:
    rules = parse_mail(Document("mail.dat", "", 1, "\n" * MAX_LINES + "\n".join(GOOD)))
    assert rules.blocks == ()
    assert f"mail.dat:{MAX_LINES + 1}: is beyond" in str(rules.findings[0])
