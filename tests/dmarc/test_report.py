# SPDX-License-Identifier: Apache-2.0
"""Reports that we write: the XML by the schema of RFC 9990, appendix A, the file, and the mail."""

from __future__ import annotations

import gzip
from dataclasses import replace
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

from hypothesis import given, settings
from hypothesis import strategies as st

from genkan.dmarc.aggregate import (
    MOST_SIGNATURES,
    Override,
    Period,
    PublishedPolicy,
    Report,
    Reporter,
    Row,
    Signature,
    SpfAuthResult,
)
from genkan.dmarc.reading import parse_report, read_report
from genkan.dmarc.report import (
    MOST_ROWS,
    MOST_XML,
    NAMESPACE,
    ReportMail,
    file_name,
    report_file,
    report_id,
    report_xml,
)
from genkan.message.attachments import parts_of
from genkan.message.header import HeaderFields
from genkan.message.visible import visible
from genkan.smtp.address import Mailbox
from tests.dmarc.reports import FAILED, PASSED, PERIOD, REPORT

SENDER, RECIPIENT = Mailbox("postmaster", "in.test"), Mailbox("reports", "example.com")
DATE = datetime(2026, 6, 2, 1, tzinfo=UTC)


def names(element: ET.Element) -> list[str]:
    return [child.tag.removeprefix(f"{{{NAMESPACE}}}") for child in element]


def texts(element: ET.Element) -> dict[str, str]:
    return {child.tag.removeprefix(f"{{{NAMESPACE}}}"): child.text or "" for child in element}


def test_the_xml_has_the_elements_of_the_schema_in_their_order() -> None:
    root = ET.fromstring(report_xml(REPORT))
    assert root.tag == f"{{{NAMESPACE}}}feedback"
    assert names(root) == ["version", "report_metadata", "policy_published", "record", "record"]
    metadata, policy, first, second = root[1:]
    assert texts(metadata) | {"date_range": ""} == {
        "org_name": "In Test",
        "email": "postmaster@in.test",
        "report_id": "1780272000.example.com@in.test",
        "date_range": "",
        "error": "sp is wrong",
        "generator": "Genkan 1",
    }
    assert texts(metadata[3]) == {"begin": "1780272000", "end": "1780358399"}
    assert texts(policy) == {
        "domain": "example.com",
        "discovery_method": "treewalk",
        "p": "reject",
        "sp": "quarantine",
        "np": "none",
        "fo": "1:d",
        "adkim": "s",
        "aspf": "r",
        "testing": "y",
    }
    assert [names(record) for record in (first, second)] == [["row", "identifiers", "auth_results"]] * 2
    assert texts(first[0]) | {"policy_evaluated": ""} == {
        "source_ip": "192.0.2.1",
        "count": "3",
        "policy_evaluated": "",
    }
    assert texts(first[0][2]) == {"disposition": "pass", "dkim": "pass", "spf": "fail"}
    assert texts(first[1]) == {"header_from": "example.com", "envelope_from": "bounce.example.net"}
    assert names(first[2]) == ["dkim", "dkim", "spf"]
    assert texts(first[2][0]) == {"domain": "example.com", "selector": "s1", "result": "pass"}
    assert texts(first[2][2]) == {"domain": "bounce.example.net", "scope": "mfrom", "result": "pass"}
    assert names(second[0][2]) == ["disposition", "dkim", "spf", "reason", "reason"]
    assert texts(second[0][2][4]) == {"type": "local_policy", "comment": "a <known> list & more"}
    assert (texts(second[1])["envelope_from"], names(second[2])) == ("", [])


def test_the_same_report_is_the_same_octets() -> None:
    turned = replace(REPORT, rows=REPORT.rows[::-1])
    assert report_file(turned) == report_file(REPORT)
    assert gzip.decompress(report_file(REPORT)) == report_xml(REPORT)


def test_of_too_many_rows_the_rarest_are_left_out_and_it_says_so() -> None:
    rows = tuple((replace(FAILED, source=f"2001:db8::{number:x}"), 2) for number in range(MOST_ROWS))
    read = parse_report(report_xml(replace(REPORT, rows=((PASSED, 1), *rows))))
    assert len(read.rows) == MOST_ROWS
    assert (PASSED, 1) not in read.rows
    assert read.error == "sp is wrong; records left out, the rarest: 1"


def test_of_too_many_octets_the_rarest_rows_are_left_out_and_it_says_so() -> None:
    long = replace(FAILED, signatures=(Signature("d" * 600, "s" * 600, "fail"),) * MOST_SIGNATURES)
    rows = tuple((replace(long, source=f"2001:db8::{number:x}"), number) for number in range(1, 3001))
    xml = report_xml(replace(REPORT, rows=rows))
    read = parse_report(xml)
    assert MOST_XML - 10_000 < len(xml) <= MOST_XML + 1000
    assert [count for _, count in read.rows] == [*range(3000, 3000 - len(read.rows), -1)]
    assert read.error == f"sp is wrong; records left out, the rarest: {3000 - len(read.rows)}"


def test_the_mails_to_several_differ_by_whom_they_are_to() -> None:
    mail = ReportMail(REPORT, "in.test", SENDER)
    first, second = (mail.to(Mailbox("reports", domain), DATE) for domain in ("example.com", "example.net"))
    assert first.replace(b"To: reports@example.com", b"To: reports@example.net") == second


def test_names_are_those_that_whoever_collects_reports_expects() -> None:
    assert report_id(PERIOD, "example.com", "in.test") == REPORT.id
    period = Period(datetime.fromtimestamp(1013662812, UTC), datetime.fromtimestamp(1013749130, UTC))
    sample = replace(REPORT, period=period)  # RFC 9990, 3.5.2
    assert (
        file_name(sample, "mail.receiver.example") == "mail.receiver.example!example.com!1013662812!1013749130.xml.gz"
    )


def test_the_mail_has_the_report_as_a_file() -> None:
    mail = ReportMail(REPORT, "in.test", SENDER).to(RECIPIENT, DATE)
    header = HeaderFields(mail.partition(b"\r\n\r\n")[0])
    assert header.first("from") == b"In Test <postmaster@in.test>"
    assert header.first("to") == b"reports@example.com"
    assert header.first("subject") == (
        b"Report Domain: example.com Submitter: in.test Report-ID: <1780272000.example.com@in.test>"
    )
    assert header.first("message-id") == b"<1780272000.example.com@in.test>"
    assert header.first("auto-submitted") == b"auto-generated"
    text, file = parts_of(mail)
    assert (text.content_type, text.octets.startswith(b"A report by in.test")) == ("text/plain", True)
    assert file == ("application/gzip", "in.test!example.com!1780272000!1780358399.xml.gz", report_file(REPORT))
    assert mail.isascii()
    assert max(map(len, mail.split(b"\r\n"))) <= 78


def test_a_subject_of_long_domains_is_whole() -> None:
    domain = f"{'a' * 60}.{'b' * 60}.{'c' * 60}.example.com"
    long = replace(REPORT, id=f"1780272000.{domain}@in.test", policy=replace(REPORT.policy, domain=domain))
    mail = ReportMail(long, "in.test", SENDER).to(RECIPIENT, DATE)
    assert HeaderFields(mail).first("subject") == (
        f"Report Domain: {domain} Submitter: in.test Report-ID: <1780272000.{domain}@in.test>".encode()
    )
    assert max(map(len, mail.split(b"\r\n"))) <= 998
    assert read_report(mail) == long


# What is written can be read.

WORD = st.text(max_size=40).map(visible)
NAME = WORD.filter(bool)
RESULT = st.sampled_from(["pass", "fail", "none", "temperror", "permerror", "neutral"])
ROW = st.builds(
    Row,
    source=st.ip_addresses().map(str),
    disposition=st.sampled_from(["none", "pass", "quarantine", "reject"]),
    dkim_aligned=st.booleans(),
    spf_aligned=st.booleans(),
    header_from=NAME,
    envelope_from=WORD,
    signatures=st.lists(st.builds(Signature, WORD, WORD, RESULT), max_size=3).map(tuple),
    spf=st.none() | st.builds(SpfAuthResult, WORD, RESULT),
    overrides=st.lists(st.builds(Override, st.sampled_from(["local_policy", "other"]), WORD), max_size=2).map(tuple),
)
POLICIES = st.sampled_from(["none", "quarantine", "reject"])
MODES = st.sampled_from(["", "r", "s"])
PUBLISHED = st.builds(
    PublishedPolicy, NAME, POLICIES, POLICIES | st.just(""), POLICIES | st.just(""), MODES, MODES, WORD, st.booleans()
)
MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1)).map(lambda at: at.replace(microsecond=0, tzinfo=UTC))
PERIODS = st.tuples(MOMENTS, MOMENTS).map(sorted).map(lambda both: Period(*both))
REPORTS = st.builds(
    Report,
    st.builds(Reporter, NAME, WORD, WORD),
    NAME,
    PERIODS,
    PUBLISHED,
    st.lists(st.tuples(ROW, st.integers(1, 10**9)), max_size=4).map(tuple),
    WORD,
)


@given(REPORTS)
@settings(max_examples=50)
def test_a_report_is_read_as_it_was_written(report: Report) -> None:
    read = parse_report(report_xml(report))
    assert sorted(read.rows, key=repr) == sorted(report.rows, key=repr)
    assert replace(read, rows=()) == replace(report, rows=())
