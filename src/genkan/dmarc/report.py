# SPDX-License-Identifier: Apache-2.0
"""Writes aggregate reports: the XML, its file, and the mail that brings it (RFC 9990, 3.1, 3.5 and appendix A).

The same report is the same octets each time, so that whoever gets it twice can tell (RFC 9990, 3.5.4).
"""

from __future__ import annotations

import binascii
import hashlib
import zlib
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

from genkan.message.plain_mail import Head, head_fields, text_entity
from genkan.message.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from genkan.dmarc.aggregate import Period, PublishedPolicy, Report, Row
    from genkan.smtp.address import Mailbox

NAMESPACE: Final = "urn:ietf:params:xml:ns:dmarc-2.0"
MOST_ROWS: Final = 10_000  # of a report, about 7 MB of XML; of more the rarest are left out, and the report says so
MOST_XML: Final = 8 * 1024 * 1024  # octets of all rows; likewise
MOST_TEXT: Final = 600  # characters of a text; a Report-ID may hold two domains

_GZIP: Final = 31  # zlib's word for a gzip file, which then has no date in it


def report_id(period: Period, policy_domain: str, receiver: str) -> str:
    """The Report-ID of the one report that `receiver` writes for a period about a domain (RFC 9990, 3.5.1)."""
    return f"{_seconds(period.begin)}.{policy_domain}@{receiver}"


def file_name(report: Report, receiver: str) -> str:
    """The name of the compressed file; `receiver` is a domain of ours (RFC 9990, 3.5.2)."""
    period = report.period
    return f"{receiver}!{report.policy.domain}!{_seconds(period.begin)}!{_seconds(period.end)}.xml.gz"


def report_xml(report: Report) -> bytes:
    """The report as XML in UTF-8. Rows stand by how often they were counted, and then in a fixed order."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f'<feedback xmlns="{NAMESPACE}">', "<version>1.0</version>"]
    rows = sorted(report.rows, key=lambda counted: (-counted[1], repr(counted[0])))
    records = _records(rows[:MOST_ROWS])
    lines.extend(_metadata(report, len(rows) - len(records)))
    lines.extend(_policy(report.policy))
    lines.extend(records)
    lines.append("</feedback>\n")
    return "\n".join(lines).encode()


def _records(rows: Sequence[tuple[Row, int]]) -> list[str]:
    """The records of the first rows, as many as there is room for."""
    records: list[str] = []
    room = MOST_XML
    for row, count in rows:
        record = "\n".join(_record(row, count))
        room -= len(record.encode()) + 1
        if room < 0:
            break
        records.append(record)
    return records


def report_file(report: Report) -> bytes:
    """The XML, compressed (RFC 1952)."""
    compressor = zlib.compressobj(level=9, wbits=_GZIP)
    return compressor.compress(report_xml(report)) + compressor.flush()


class ReportMail:
    """The mail that brings a report, but for whom it is to. The file in it is made once, however many get it."""

    def __init__(self, report: Report, receiver: str, sender: Mailbox) -> None:
        """It has to pass DMARC for the domain of `sender` (RFC 9990, 3.5.2)."""
        self._report = report
        self._receiver = receiver
        self._sender = sender
        self._body = _mail_body(report, receiver)

    def to(self, recipient: Mailbox, date: datetime) -> bytes:
        """The whole mail for one address."""
        head = Head(
            name=self._report.reporter.organization,
            sender=self._sender,
            recipient=recipient,
            subject=_subject(self._report, self._receiver),
            identifier=self._report.id,
            date=date,
            submitted="auto-generated",
        )
        return head_fields(head) + self._body


def _mail_body(report: Report, receiver: str) -> bytes:
    """All from the field that says which parts it has."""
    boundary = b"=_" + hashlib.sha256(report.id.encode()).hexdigest()[:32].encode()  # in no base64 and quoted-printable
    text = f"A report by {receiver} about mail in the name of {report.policy.domain} (RFC 9990) is attached.\n"
    return b"\r\n".join(
        (
            b'Content-Type: multipart/mixed; boundary="' + boundary + b'"',
            b"",
            b"--" + boundary,
            text_entity(text).removesuffix(b"\r\n"),
            b"--" + boundary,
            _attachment(report, receiver),
            b"--" + boundary + b"--",
            b"",
        )
    )


def _subject(report: Report, receiver: str) -> bytes:
    """RFC 9990, 3.5.2: dmarc-subject, folded as in the example there."""
    return f"Report Domain: {report.policy.domain}\r\n Submitter: {receiver}\r\n Report-ID: <{report.id}>".encode(
        "ascii"
    )


def _attachment(report: Report, receiver: str) -> bytes:
    name = file_name(report, receiver)
    octets = binascii.b2a_base64(report_file(report), newline=False)
    lines = [octets[start : start + 76] for start in range(0, len(octets), 76)]
    fields = (
        f'Content-Type: application/gzip;\r\n name="{name}"\r\n'
        f'Content-Disposition: attachment;\r\n filename="{name}"\r\n'
        "Content-Transfer-Encoding: base64\r\n\r\n"
    )
    return fields.encode("ascii") + b"\r\n".join(lines)


def _metadata(report: Report, left_out: int) -> Iterator[str]:
    reporter, period = report.reporter, report.period
    errors = [report.error] if report.error else []
    if left_out > 0:
        errors.append(f"records left out, the rarest: {left_out}")
    yield "<report_metadata>"
    yield _element("org_name", reporter.organization)
    yield _element("email", reporter.email)
    yield _element("report_id", report.id)
    yield f"<date_range><begin>{_seconds(period.begin)}</begin><end>{_seconds(period.end)}</end></date_range>"
    yield from _optional("error", "; ".join(errors))
    yield from _optional("generator", reporter.generator)
    yield "</report_metadata>"


def _policy(policy: PublishedPolicy) -> Iterator[str]:
    yield "<policy_published>"
    yield _element("domain", policy.domain)
    yield from _optional("discovery_method", policy.discovery)
    yield _element("p", policy.p)
    yield from _optional("sp", policy.sp)
    yield from _optional("np", policy.np)
    yield from _optional("fo", policy.fo)
    yield from _optional("adkim", policy.adkim)
    yield from _optional("aspf", policy.aspf)
    yield _element("testing", "y" if policy.testing else "n")
    yield "</policy_published>"


def _record(row: Row, count: int) -> Iterator[str]:
    yield "<record><row>"
    yield _element("source_ip", row.source) + f"<count>{count}</count>"
    yield "<policy_evaluated>"
    yield _element("disposition", row.disposition)
    yield _element("dkim", "pass" if row.dkim_aligned else "fail")
    yield _element("spf", "pass" if row.spf_aligned else "fail")
    for override in row.overrides:
        comment = "".join(_optional("comment", override.comment))
        yield f"<reason>{_element('type', override.type)}{comment}</reason>"
    yield "</policy_evaluated></row>"
    header_from, envelope_from = _element("header_from", row.header_from), _element("envelope_from", row.envelope_from)
    yield f"<identifiers>{header_from}{envelope_from}</identifiers>"
    yield "<auth_results>"
    for domain, selector, result in row.signatures:
        yield f"<dkim>{_element('domain', domain)}{_element('selector', selector)}{_element('result', result)}</dkim>"
    if row.spf is not None:
        yield f"<spf>{_element('domain', row.spf.domain)}<scope>mfrom</scope>{_element('result', row.spf.result)}</spf>"
    yield "</auth_results></record>"


def _optional(name: str, text: str) -> Iterator[str]:
    if text:
        yield _element(name, text)


def _element(name: str, text: str) -> str:
    """An element of one line; no character is left that XML forbids (XML 1.0, 2.2)."""
    return f"<{name}>{escape(visible(text, MOST_TEXT))}</{name}>"


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
