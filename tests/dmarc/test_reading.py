# SPDX-License-Identifier: Apache-2.0
"""Reports that others write, of either format, and what nobody should write."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genkan.dmarc.aggregate import Override, Period, PublishedPolicy, Report, Reporter, Row, Signature, SpfAuthResult
from genkan.dmarc.reading import (
    LONGEST_NAME,
    MOST_DEPTH,
    MOST_ELEMENTS,
    MOST_NAMES,
    MOST_NODES,
    MOST_OVERRIDES,
    MOST_ROWS,
    MOST_SIGNATURES,
    PIECE,
    parse_report,
)
from genkan.dmarc.report import report_xml
from genkan.dmarc.unpacking import ReportError
from tests.dmarc.reports import REPORT

# The facts of the sample in RFC 9990, appendix B, with two extensions as its section 5 has them.
SAMPLE: Final = """\
<feedback xmlns="urn:ietf:params:xml:ns:dmarc-2.0" xmlns:ext="urn:x">
 <version>1.0</version>
 <report_metadata>
  <org_name>Sample Reporter</org_name><email>report_sender@example-reporter.com</email>
  <extra_contact_info lang="en">...</extra_contact_info><report_id>3v98abbp8ya9n3va8yr8oa3ya</report_id>
  <date_range><begin>302832000</begin><end>302918399</end></date_range>
  <generator>Example DMARC Aggregate Reporter v1.2</generator>
 </report_metadata>
 <policy_published>
  <domain>example.com</domain><p>quarantine</p><sp>none</sp><np>none</np><testing>n</testing>
  <discovery_method>treewalk</discovery_method>
 </policy_published>
 <extension><ext:arc-override>never<p>no</p></ext:arc-override></extension>
 <record>
  <row>
   <source_ip>192.0.2.123</source_ip><count>123</count>
   <policy_evaluated><disposition>pass</disposition><dkim>pass</dkim><spf>fail</spf></policy_evaluated>
  </row>
  <identifiers><envelope_from>example.com</envelope_from><header_from>example.com</header_from></identifiers>
  <auth_results>
   <dkim><domain>example.com</domain><result>pass</result><selector>abc123</selector></dkim>
   <spf><domain>example.com</domain><result>fail</result></spf>
  </auth_results>
  <ext:arc-results><ext:row/></ext:arc-results>
 </record>
</feedback>
"""

# As reporters of old write: no namespace, no selector, several SPF results, words of their own.
OLD: Final = """\
<?xml version="1.0" encoding="ISO-8859-1" ?>
<feedback>
 <report_metadata>
  <org_name>old.test</org_name><email>x@old.test</email><report_id> 17 </report_id>
  <date_range><begin>1700000000</begin><end>1700086399</end></date_range><error>one</error>
 </report_metadata>
 <policy_published><domain>example.com</domain><adkim>r</adkim><p>reject</p><sp></sp><pct>100</pct></policy_published>
 <record>
  <row>
   <source_ip>2001:DB8::0001</source_ip><count>1</count>
   <policy_evaluated><disposition>None</disposition><dkim>fail</dkim><spf>pass</spf>
    <reason><type>forwarded</type><comment>by a list</comment></reason><reason><type>mailing_list</type></reason>
   </policy_evaluated>
  </row>
  <identifiers><header_from>example.com</header_from></identifiers>
  <auth_results>
   <dkim><domain>example.com</domain><result>permerror</result></dkim>
   <spf><domain>a.example.com</domain><scope>helo</scope><result>pass</result></spf>
   <spf><domain>b.example.com</domain><result>fail</result></spf>
  </auth_results>
 </record>
</feedback>
"""


def test_the_sample_of_the_rfc_is_read() -> None:
    assert parse_report(SAMPLE.encode()) == Report(
        Reporter("Sample Reporter", "report_sender@example-reporter.com", "Example DMARC Aggregate Reporter v1.2"),
        "3v98abbp8ya9n3va8yr8oa3ya",
        Period(datetime(1979, 8, 7, tzinfo=UTC), datetime(1979, 8, 7, 23, 59, 59, tzinfo=UTC)),
        PublishedPolicy("example.com", "quarantine", "none", "none", discovery="treewalk"),
        (
            (
                Row(
                    "192.0.2.123",
                    "pass",
                    dkim_aligned=True,
                    spf_aligned=False,
                    header_from="example.com",
                    envelope_from="example.com",
                    signatures=(Signature("example.com", "abc123", "pass"),),
                    spf=SpfAuthResult("example.com", "fail"),
                ),
                123,
            ),
        ),
    )


@pytest.mark.parametrize("namespace", ["", "http://dmarc.org/dmarc-xml/0.1", "http://dmarc.org/dmarc-xml/0.2"])
def test_a_report_of_old_is_read(namespace: str) -> None:
    xml = OLD.replace("<feedback>", f'<feedback xmlns="{namespace}">')
    read = parse_report(xml.encode())
    assert (read.id, read.error, read.policy) == ("17", "one", PublishedPolicy("example.com", "reject", adkim="r"))
    assert read.rows == (
        (
            Row(
                "2001:db8::1",
                "none",
                dkim_aligned=False,
                spf_aligned=True,
                header_from="example.com",
                signatures=(Signature("example.com", "", "permerror"),),
                spf=SpfAuthResult("a.example.com", "pass"),
                overrides=(Override("other", "forwarded by a list"), Override("mailing_list")),
            ),
            1,
        ),
    )


def test_results_may_be_missing_but_not_what_was_decided() -> None:
    begin, end = OLD.index("<auth_results>"), OLD.index("</record>")
    row, _ = parse_report((OLD[:begin] + OLD[end:]).encode()).rows[0]
    assert (row.signatures, row.spf) == ((), None)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("<count>123</count>", "<count>many</count>", "count is 'many', which is no number"),
        ("<count>123</count>", "<count>-1</count>", "count is '-1', which is no number"),
        ("<count>123</count>", f"<count>{'9' * 5000}</count>", None),
        ("<count>123</count>", "<count>\N{SUPERSCRIPT TWO}</count>", None),
        ("<count>123</count>", "<count/>", "count in row is empty"),
        ("<count>123</count>", "", "row has no count"),
        ("<begin>302832000</begin>", "<begin>1.5</begin>", "begin is '1.5', which is no number"),
        ("<begin>302832000</begin>", "<begin>302918400</begin>", "the period is from 302918400 to 302918399"),
        ("<end>302918399</end>", "<end>999999999999</end>", "the period is from 302832000 to 999999999999"),
        ("192.0.2.123", "nowhere", "source_ip is 'nowhere', which is no address"),
        ("<disposition>pass", "<disposition>eaten", "disposition is 'eaten'"),
        ("<p>quarantine</p>", "<p/>", "p in policy_published is empty"),
        ("<p>quarantine</p>", "<p>shoot</p>", "p is 'shoot'"),
        ("<sp>none</sp>", "<sp>shoot</sp>", "sp is 'shoot'"),
        ("<domain>example.com</domain><p>", "<p>", "policy_published has no domain"),
        ("<header_from>example.com</header_from>", "", "identifiers has no header_from"),
        ("<result>fail</result>", "", "spf has no result"),
        ("<org_name>Sample Reporter</org_name>", "", "report_metadata has no org_name"),
        ("report_metadata>", "metadata>", "feedback has no report_metadata"),
        ("feedback", "rss", "the XML is no report"),
        ("dmarc-2.0", "dmarc-9.0", "the XML is no report"),
        ("</record>", "", "the XML is broken: mismatched tag, line 26"),
        ("<feedback", "<!DOCTYPE feedback><feedback", "the XML has a document type"),
        ("Sample Reporter", "&me;", "the XML is broken: undefined entity, line 4"),
    ],
)
def test_what_is_wrong_with_a_report_is_said(old: str, new: str, reason: str | None) -> None:
    assert old in SAMPLE
    with pytest.raises(ReportError) as caught:
        parse_report(SAMPLE.replace(old, new).encode())
    assert reason is None or str(caught.value) == reason


@pytest.mark.parametrize(
    "xml",
    [
        b"",
        b"nothing",
        b"\xff\xfe<\0",
        b"<feedback>" * (MOST_DEPTH + 1),
        b"<feedback>" + b"<x/>" * (MOST_NODES + 1) + b"</feedback>",
        b"<feedback><record>" + b"<x/>" * (MOST_NODES + 1),
        b"<feedback xmlns:a='a'><record>" + b"<a:x/>" * (MOST_NODES + 1),
        SAMPLE.replace("Sample", "\x01").encode(),
        SAMPLE.replace("Sample", "\N{LATIN SMALL LETTER E WITH ACUTE}").encode("latin-1"),
    ],
)
def test_what_is_no_report_is_an_error(xml: bytes) -> None:
    with pytest.raises(ReportError):
        parse_report(xml)


def test_entities_cannot_grow() -> None:
    laughs = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    xml = f'<!DOCTYPE feedback [<!ENTITY a0 "ha">{laughs}]>{SAMPLE.replace("Sample", "&a9;")}'
    with pytest.raises(ReportError, match="^the XML has a document type$"):
        parse_report(xml.encode())


def test_no_text_is_kept_whole_and_none_has_more_than_one_line() -> None:
    xml = SAMPLE.replace("Sample Reporter", "a\n\tb" + "x" * 1_000_000)
    organization = parse_report(xml.encode()).reporter.organization
    assert (organization[:4], len(organization)) == ("a bx", LONGEST_NAME)


def test_a_row_keeps_only_so_many_signatures_and_reasons_and_no_long_name() -> None:
    long = "x" * 1000
    signature = f"<dkim><domain>{long}</domain><selector>{long}</selector><result>pass</result></dkim>"
    reason = f"<reason><type>sampled_out</type><comment>{long}</comment></reason>"
    xml = SAMPLE.replace("<auth_results>", f"<auth_results>{signature * 100}")
    xml = xml.replace("</policy_evaluated>", f"{reason * 100}</policy_evaluated>")
    ((row, _),) = parse_report(xml.encode()).rows
    assert (len(row.signatures), len(row.overrides)) == (MOST_SIGNATURES, MOST_OVERRIDES)
    texts = (*row.signatures[0][:2], row.overrides[0].comment)
    assert [len(text) for text in texts] == [LONGEST_NAME] * 3


def test_results_that_nobody_knows_are_left_out() -> None:
    xml = SAMPLE.replace("<result>pass<", "<result>splendid<").replace("<result>fail<", "<result>hard<")
    ((row, _),) = parse_report(xml.encode()).rows
    assert (row.signatures, row.spf) == ((), None)


def test_a_report_has_only_so_many_rows() -> None:
    begin, end = SAMPLE.index(" <record>"), SAMPLE.index("</feedback>")
    record = SAMPLE[begin:end].replace("\n", "")
    with pytest.raises(ReportError, match=f"^the report has more than {MOST_ROWS} records$"):
        parse_report((SAMPLE[:begin] + record * (MOST_ROWS + 1) + SAMPLE[end:]).encode())


def test_a_report_has_only_so_many_elements_those_of_extensions_included() -> None:
    begin, end = SAMPLE.index(" <record>"), SAMPLE.index("</feedback>")
    record = SAMPLE[begin:end].replace("<ext:row/>", "<ext:row/>" * (MOST_NODES // 2))
    with pytest.raises(ReportError, match="^the XML has too many elements$"):
        parse_report((SAMPLE[:begin] + record * (2 * MOST_ELEMENTS // MOST_NODES) + SAMPLE[end:]).encode())


@pytest.mark.parametrize(
    "tag",
    ["a{}", "a b{}=''", "a xmlns:b{}='u'", "a xmlns='u{}'"],
    ids=["elements", "attributes", "prefixes", "namespaces"],
)
def test_a_report_has_only_so_many_different_names(tag: str) -> None:
    begin, end = SAMPLE.index(" <record>"), SAMPLE.index("</feedback>")
    rows = (SAMPLE[begin:end].replace("<ext:row/>", f"<{tag.format(number)}/>") for number in range(MOST_NAMES))
    with pytest.raises(ReportError, match="^the XML has too many different names$"):
        parse_report((SAMPLE[:begin] + "".join(rows) + SAMPLE[end:]).encode())


@pytest.mark.parametrize("token", ["<a b='{}'/>", "<a {}/>", "<{}/>", "<!--{}-->", "<?a {}?>", "&{};"])
def test_nothing_that_has_to_be_read_at_once_may_be_long(token: str) -> None:
    """It would be looked at again with each piece, and no other thread runs while a piece is."""
    xml = SAMPLE.replace("<version>", f"{token.format('x' * 2 * PIECE)}<version>")
    with pytest.raises(ReportError, match=f"^the XML has a tag or comment of more than {PIECE} octets$"):
        parse_report(xml.encode())


def test_it_does_not_matter_where_a_piece_ends() -> None:
    expected = parse_report(SAMPLE.encode())
    for blanks in range(PIECE - len(SAMPLE), PIECE, 7):
        assert parse_report(SAMPLE.replace("<version>", f"{' ' * blanks}<version>").encode()) == expected


XML: Final = report_xml(REPORT)


@given(st.integers(0, len(XML)), st.integers(0, 30), st.binary(max_size=8))
def test_whatever_is_damaged_nothing_but_the_error_is_raised(start: int, length: int, octets: bytes) -> None:
    try:
        parse_report(XML[:start] + octets + XML[start + length :])
    except ReportError as error:
        assert str(error)  # noqa: PT017  # not every damage is an error


@pytest.mark.parametrize(
    "piece",
    ["<a:b/>", "<record><a:b/></record>", "<!---->", "&lt;", " ", "<![CDATA[<]]>", "<a:b a:c='x'>y</a:b>", "<?x?>"],
)
def test_no_xml_takes_long(piece: str) -> None:
    xml = f'<feedback xmlns:a="urn:a">{piece * (1024 * 1024 // len(piece))}</feedback>'.encode()
    before = time.process_time()
    with pytest.raises(ReportError):
        parse_report(xml)
    assert time.process_time() - before < 1.5
