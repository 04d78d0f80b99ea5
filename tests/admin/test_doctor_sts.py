# SPDX-License-Identifier: Apache-2.0
"""What `genkan doctor` says of MTA-STS and of TLS reports."""

from __future__ import annotations

import ssl
import threading
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Final

import pytest
from trustme import CA

from genkan.admin.doctor_sts import check_sts, check_tls_reports
from tests.admin.doctoring import patient
from tests.delivery.certificates import AUTHORITY, HOST, ZONE, certificate_files
from tests.support.dns_server import Manner
from tests.support.next_hop import next_hop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from trustme import LeafCert

    from tests.admin.doctoring import Patient

CERTIFICATE: Final = AUTHORITY.issue_cert("mta-sts.in.test")
RECORD: Final = '_mta-sts.in.test 60 TXT "v=STSv1; id=20260101"\nmta-sts.in.test 60 A 127.0.0.1\n'
ENFORCE: Final = "ok: policy 20260101: mode enforce, max_age 14d"
PROOF: Final = f"{HOST} does not prove that it is the host that the policy names; see what is said of its certificate"


class _Page(BaseHTTPRequestHandler):
    """Answers every question with the policy of its server."""

    def do_GET(self) -> None:
        assert isinstance(self.server, _Web)
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        self.wfile.write(self.server.policy)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


class _Web(ThreadingHTTPServer):
    daemon_threads = True
    policy = b""


@contextmanager
def web(policy: str, certificate: LeafCert = CERTIFICATE) -> Iterator[int]:
    """The port of a web server that has this policy."""
    server = _Web(("127.0.0.1", 0), _Page)
    server.policy = policy.encode()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def published(folder: Path, policy: str, certificate: str = "right") -> Iterator[Patient]:
    """in.test with this policy and the host mx.dest.test, that shows a certificate of `certificate_files`, or none for ""."""
    AUTHORITY.cert_pem.write_to_path(str(folder / "ca.pem"))
    pair = certificate_files(folder)[certificate] if certificate else None
    zone = f"{ZONE}{RECORD}in.test 60 MX 10 {HOST}\n"
    with web(policy) as port, next_hop(certificate=pair) as hop, patient(zone, None, folder / "ca.pem") as one:
        yield one.changed(https_port=port).visited(port=hop.port)


def by(folder: Path, policy: str, certificate: str = "right") -> list[str]:
    with published(folder, policy, certificate) as one:
        return one.said(check_sts)


def policy_text(mode: str = "enforce", mx: str = HOST, max_age: int = 1209600) -> str:
    return f"version: STSv1\nmode: {mode}\nmx: {mx}\nmax_age: {max_age}\n"


@pytest.mark.parametrize("mx", [HOST, "*.dest.test"])
def test_a_policy_that_fits_is_fine(tmp_path: Path, mx: str) -> None:
    assert by(tmp_path, policy_text(mx=mx)) == [ENFORCE]


@pytest.mark.parametrize(("mode", "level"), [("enforce", "error"), ("testing", "warning")])
def test_a_host_that_the_policy_does_not_name_is_lost_by_it(tmp_path: Path, mode: str, level: str) -> None:
    assert by(tmp_path, policy_text(mode, "other.test"))[-1] == (
        f"{level}: the policy does not name {HOST}; add the line `mx: {HOST}` and change the id in the record"
    )


@pytest.mark.parametrize(("mode", "level"), [("enforce", "error"), ("testing", "warning")])
@pytest.mark.parametrize("certificate", ["wrong", "strange", ""])
def test_a_host_that_proves_nothing_is_lost_by_the_policy(
    tmp_path: Path, mode: str, level: str, certificate: str
) -> None:
    assert by(tmp_path, policy_text(mode), certificate)[-1] == f"{level}: {PROOF}"


def test_a_policy_that_demands_nothing_is_noted(tmp_path: Path) -> None:
    for mode in ("testing", "none"):
        note = f"note: mode {mode} keeps nobody from sending without TLS; set it to enforce in time"
        assert by(tmp_path, policy_text(mode)) == [f"ok: policy 20260101: mode {mode}, max_age 14d", note]
    assert len(by(tmp_path, policy_text("none", "other.test"), "wrong")) == 2


def test_a_policy_that_is_soon_forgotten_is_noted(tmp_path: Path) -> None:
    assert by(tmp_path, policy_text(max_age=86400))[1:] == [
        "note: max_age is only 1d; set it to some weeks: the policy protects those who know it already"
    ]


def test_a_policy_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    assert by(tmp_path, "version: STSv1\nmode: strict\n") == [
        (
            "error: the policy has no mode that is known; "
            "senders fetch it from https://mta-sts.in.test/.well-known/mta-sts.txt"
        )
    ]


def test_a_policy_that_cannot_be_fetched_is_an_error(tmp_path: Path) -> None:
    with published(tmp_path, policy_text()) as one:
        one.server.remove("mta-sts.in.test")
        (line,) = one.said(check_sts)
    assert line.startswith("error: the policy cannot be fetched: ")


EXPIRED: Final = AUTHORITY.issue_cert(
    "mta-sts.in.test", not_before=datetime(2019, 1, 1, tzinfo=UTC), not_after=datetime(2020, 1, 1, tzinfo=UTC)
)


@pytest.mark.parametrize(
    ("certificate", "reason", "remedy"),
    [
        (EXPIRED, "certificate has expired", "renew the certificate of mta-sts.in.test"),
        (
            AUTHORITY.issue_cert("in.test"),
            "Hostname mismatch, certificate is not valid for 'mta-sts.in.test'",
            "get a certificate that names mta-sts.in.test",
        ),
        (
            CA().issue_cert("mta-sts.in.test"),
            "unable to get local issuer certificate",
            "get a certificate for mta-sts.in.test from an authority, and serve it with those that signed it",
        ),
    ],
    ids=["expired", "another name", "unknown authority"],
)
def test_a_certificate_that_keeps_senders_from_the_policy_is_told_with_its_remedy(
    tmp_path: Path, certificate: LeafCert, reason: str, remedy: str
) -> None:
    AUTHORITY.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with web(policy_text(), certificate) as port, patient(ZONE + RECORD, None, tmp_path / "ca.pem") as one:
        lines = one.changed(https_port=port).said(check_sts)
    assert lines == [f"error: the policy cannot be fetched: {reason}; {remedy}"]


def sts(zone: str) -> list[str]:
    with patient(f"in.test 60 A 192.0.2.1\n{zone}") as one:
        return one.said(check_sts)


def test_without_a_policy_it_is_said_how_to_begin() -> None:
    assert sts('_mta-sts.in.test 60 TXT "something else"') == [
        (
            "note: there is no policy: who stands between can take TLS away; "
            "put a policy at https://mta-sts.in.test/.well-known/mta-sts.txt, then publish this"
        ),
        '_mta-sts.in.test. IN TXT "v=STSv1; id=20261123120000"',
    ]


@pytest.mark.parametrize(
    ("records", "fault"),
    [
        (["v=STSv1; id=1", "v=STSv1; id=2"], "several records are there, and so none counts"),
        (["v=STSv1;"], "the record has no id"),
    ],
)
def test_a_record_that_does_not_count_is_an_error(records: list[str], fault: str) -> None:
    zone = "".join(f'_mta-sts.in.test 60 TXT "{record}"\n' for record in records)
    assert sts(zone)[0] == f"error: {fault}; keep one"


def test_records_that_cannot_be_had_are_errors() -> None:
    with patient("in.test 60 A 192.0.2.1") as one:
        one.server.treat("in.test", Manner(rcode="SERVFAIL"))
        for check in (check_sts, check_tls_reports):
            (line,) = one.said(check)
            assert line.startswith("error: the record cannot be had: ")


# TLS reports.

TLS_RECORD: Final = '_smtp._tls.in.test. IN TXT "v=TLSRPTv1; rua=mailto:postmaster@in.test"'


def reports(*records: str) -> list[str]:
    zone = "".join(f'_smtp._tls.in.test 60 TXT "{record}"\n' for record in records)
    with patient(f"in.test 60 A 192.0.2.1\n{zone}") as one:
        return one.said(check_tls_reports)


def test_reports_may_go_to_mailboxes_and_web_servers() -> None:
    assert reports("v=TLSRPTv1; rua=mailto:a@in.test, https://in.test/tls", "something else") == [
        "ok: reports go to mailto:a@in.test, https://in.test/tls"
    ]


def test_without_a_record_one_is_proposed() -> None:
    assert reports() == ["note: nobody is told when senders have trouble with TLS; publish this", TLS_RECORD]


@pytest.mark.parametrize(
    ("records", "line"),
    [
        (["v=TLSRPTv1; rua=mailto:a@in.test", "v=TLSRPTv1; rua=mailto:b@in.test"], "several records"),
        (["v=TLSRPTv1"], "rua names nobody; publish one such as this"),
        (["v=TLSRPTv1; rua=a@in.test"], "rua has 'a@in.test', which is neither mailto: nor https:; publish one such"),
        (["v=TLSRPTv1; rua=http://in.test/"], "rua has 'http://in.test/', which is neither"),
        (["v=TLSRPTv1; rua"], "the record is broken: the tag list has a part that is no tag; publish one such"),
    ],
)
def test_a_record_that_sends_no_reports_is_an_error(records: list[str], line: str) -> None:
    first = reports(*records)[0]
    assert first.startswith("error: ")
    assert line in first
