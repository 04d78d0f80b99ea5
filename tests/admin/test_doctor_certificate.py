# SPDX-License-Identifier: Apache-2.0
"""What `genkan doctor` says of MX hosts that it has visited: their STARTTLS, their certificates, their TLSA records."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Final

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import load_pem_x509_certificate

from genkan.admin.doctor_certificate import EXPIRES_SOON, check_certificates, check_dane
from genkan.findings import warning
from tests.admin.doctoring import HOME, patient
from tests.delivery.certificates import AUTHORITY, HOST, RIGHT, STRANGE, ZONE, certificate_files
from tests.delivery.relaying import no_socket_left
from tests.support.dns_server import Manner
from tests.support.next_hop import CLOSE, FLOOD, SILENT, Do, next_hop
from tests.support.server import StoppedClock, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import trustme

    from tests.admin.doctoring import Patient
    from tests.support.next_hop import NextHop, Script

IN_ZONE: Final = f"{ZONE}in.test 60 MX 10 {HOST}\n"
END: Final = load_pem_x509_certificate(RIGHT.cert_chain_pems[0].bytes()).not_valid_after_utc
UNREACHED: Final = "; many networks block port 25: look from another one, too"


@pytest.fixture(autouse=True)
def _nothing_is_left_open() -> Iterator[None]:
    with no_socket_left():
        yield


@contextmanager
def visiting(
    folder: Path, certificate: str = "right", script: Script | None = None, zone: str = ""
) -> Iterator[tuple[Patient, NextHop]]:
    """in.test with the host mx.dest.test, that shows a certificate of `certificate_files`, or none for ""."""
    AUTHORITY.cert_pem.write_to_path(str(folder / "ca.pem"))
    pair = certificate_files(folder)[certificate] if certificate else None
    with next_hop(script, certificate=pair) as hop, patient(f"{IN_ZONE}{zone}", None, folder / "ca.pem") as one:
        yield one.visited(port=hop.port), hop


def certificates_of(folder: Path, certificate: str = "right", script: Script | None = None) -> list[str]:
    with visiting(folder, certificate, script) as (one, _):
        return one.said(check_certificates)


def test_a_certificate_of_a_known_authority_for_the_name_is_fine(tmp_path: Path) -> None:
    with visiting(tmp_path) as (one, hop):
        assert one.said(check_certificates) == [f"ok: the certificate of {HOST} is good until {END:%Y-%m-%d}"]
    assert hop.lines == ["EHLO mx.in.test", "STARTTLS", "QUIT"]


def test_a_certificate_that_ends_soon_is_a_warning(tmp_path: Path) -> None:
    clock = StoppedClock()
    clock.advance(END - EXPIRES_SOON - clock.now() + EXPIRES_SOON / 2)
    with visiting(tmp_path) as (one, _):
        assert one.visited(clock=clock).said(check_certificates) == [
            f"warning: the certificate of {HOST} is good until {END:%Y-%m-%d}, which is soon; renew it"
        ]


@pytest.mark.parametrize(
    ("certificate", "reason"),
    [
        ("wrong", f"Hostname mismatch, certificate is not valid for '{HOST}'"),
        ("strange", "unable to get local issuer certificate"),
    ],
)
def test_a_certificate_that_does_not_prove_the_name_is_a_warning(tmp_path: Path, certificate: str, reason: str) -> None:
    assert certificates_of(tmp_path, certificate) == [
        (
            f"warning: {HOST} does not prove who it is: {reason}; "
            f"get a certificate for {HOST} from an authority, and serve it with those that signed it"
        )
    ]


def test_a_host_without_starttls_is_a_warning(tmp_path: Path) -> None:
    expected = [f"warning: {HOST} offers no STARTTLS: mail travels in clear; give it a certificate"]
    assert certificates_of(tmp_path, "") == expected
    assert certificates_of(tmp_path, "", {"EHLO": "502 5.5.1 what?"}) == expected


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ({"STARTTLS": "454 4.7.0 not now"}, "STARTTLS is answered with 454 4.7.0 not now"),
        ({"handshake": CLOSE}, ""),
        ({"handshake": Do("raw", "this is no TLS\r\n")}, ""),
        ({"STARTTLS": Do("raw", "220 go\r\n250 injected\r\n")}, "the server sent something in clear behind its answer"),
    ],
)
def test_tls_that_is_offered_and_fails_is_an_error(tmp_path: Path, script: Script, reason: str) -> None:
    (line,) = certificates_of(tmp_path, "right", script)
    assert line.startswith(f"error: {HOST} offers STARTTLS, and then TLS fails: {reason}")
    assert line.endswith("; correct its TLS")


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ({"connect": "554 5.7.1 go away"}, "it greets with 554 5.7.1 go away"),
        ({"EHLO": "450 4.7.1 later"}, "it answers EHLO with 450 4.7.1 later"),
        ({"connect": CLOSE}, "the server closed the connection"),
        (
            {"connect": Do("raw", "HTTP/1.1 400 Bad Request\r\n")},
            "the server sent a line that is no reply: HTTP/1.1 400",
        ),
        ({"connect": FLOOD}, "the server sent a reply of more than 100 lines or 16384 octets"),
    ],
)
def test_a_host_that_will_not_talk_to_us_is_a_warning(tmp_path: Path, script: Script, reason: str) -> None:
    (line,) = certificates_of(tmp_path, "right", script)
    assert line.startswith(f"warning: {HOST} cannot be asked: [127.0.0.1]: {reason}")
    assert line.endswith(UNREACHED)


@pytest.mark.parametrize("place", ["connect", "EHLO", "STARTTLS", "handshake"])
def test_a_silent_host_is_left_in_time(tmp_path: Path, place: str) -> None:
    with visiting(tmp_path, script={place: SILENT}) as (one, _):
        assert one.visited(patience=0.3).said(check_certificates) == [
            f"warning: {HOST} cannot be asked: no answer within 0.3 s{UNREACHED}"
        ]


def test_a_closed_port_is_a_warning(tmp_path: Path) -> None:
    with visiting(tmp_path) as (one, _):
        (line,) = one.visited(port=free_port()).said(check_certificates)
    assert line == f"warning: {HOST} cannot be asked: [127.0.0.1]: Connection refused{UNREACHED}"


def test_the_next_address_is_tried_when_one_does_not_answer(tmp_path: Path) -> None:
    with visiting(tmp_path, zone=f"{HOST} 60 A 127.0.0.0") as (one, _):
        (line,) = one.said(check_certificates)
    assert line.startswith("ok: ")


def test_what_is_wrong_with_our_own_file_is_said_too(tmp_path: Path) -> None:
    home = replace(HOME, certificate=(warning("tls/cert.pem", "expires on 2026-12-01", "renew it"),))
    with visiting(tmp_path) as (one, _):
        lines = one.changed(home=home).said(check_certificates)
    assert lines[1:] == ["warning: tls/cert.pem expires on 2026-12-01; renew it"]


# TLSA records.


def tlsa(certificate: trustme.LeafCert, usage: int = 3) -> str:
    """Its public key by SHA-256, as a record has it."""
    key = load_pem_x509_certificate(certificate.cert_chain_pems[0].bytes()).public_key()
    octets = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"TLSA {usage} 1 1 {sha256(octets).hexdigest()}"


def dane_of(folder: Path, *records: str, certificate: str = "right", script: Script | None = None) -> list[str]:
    """What is said of these records, in a signed zone; the port stands as PORT."""
    with visiting(folder, certificate, script) as (one, hop):
        one.server.treat(".", Manner(authentic=True))
        one.server.add("".join(f"_{hop.port}._tcp.{HOST} 60 {record}\n" for record in records))
        return [line.replace(f"_{hop.port}._tcp", "_PORT._tcp") for line in one.said(check_dane)]


def test_without_tlsa_records_there_is_nothing_to_say(tmp_path: Path) -> None:
    assert dane_of(tmp_path) == []


def test_a_record_of_the_certificate_is_fine_whoever_has_signed_it(tmp_path: Path) -> None:
    assert dane_of(tmp_path, tlsa(RIGHT)) == [f"ok: a TLSA record of {HOST} is of its certificate"]
    assert dane_of(tmp_path, tlsa(RIGHT), tlsa(STRANGE), certificate="strange") == [
        f"ok: a TLSA record of {HOST} is of its certificate"
    ]


def test_a_record_of_another_certificate_is_an_error_with_the_right_one(tmp_path: Path) -> None:
    assert dane_of(tmp_path, tlsa(STRANGE)) == [
        (
            f"error: no TLSA record of {HOST} is of its certificate: senders who use DANE put its mail off; "
            "publish this beside the others"
        ),
        f"_PORT._tcp.{HOST}. IN {tlsa(RIGHT)}",
    ]


def test_records_that_mail_has_no_use_for_are_a_warning(tmp_path: Path) -> None:
    useless = (
        f"warning: {HOST} has TLSA records that mail has no use for; publish such as 3 1 1 or 2 1 1 (RFC 7672, 3.1)"
    )
    assert dane_of(tmp_path, tlsa(RIGHT, usage=1)) == [useless]
    assert dane_of(tmp_path, tlsa(RIGHT, usage=1), tlsa(RIGHT)) == [
        useless,
        f"ok: a TLSA record of {HOST} is of its certificate",
    ]


def test_records_without_tls_are_an_error_and_without_a_host_not_known(tmp_path: Path) -> None:
    assert dane_of(tmp_path, tlsa(RIGHT), certificate="") == [
        f"error: {HOST} has TLSA records and no TLS: senders who use DANE put its mail off; correct its TLS"
    ]
    assert dane_of(tmp_path, tlsa(RIGHT), script={"connect": CLOSE}) == [
        f"note: {HOST} cannot be compared with its TLSA records; look from another network"
    ]


def test_records_that_dnssec_does_not_vouch_for_are_noted(tmp_path: Path) -> None:
    with visiting(tmp_path) as (one, hop):
        one.server.add(f"_{hop.port}._tcp.{HOST} 60 {tlsa(RIGHT)}")
        assert one.said(check_dane) == [
            (
                f"note: the name server does not say that DNSSEC vouches for the TLSA records of {HOST}; "
                "sign the zone, or ask a name server that checks DNSSEC (dns.servers)"
            ),
            f"ok: a TLSA record of {HOST} is of its certificate",
        ]


def test_records_that_cannot_be_had_are_an_error(tmp_path: Path) -> None:
    with visiting(tmp_path) as (one, _):
        one.server.treat(f"_tcp.{HOST}", Manner(rcode="SERVFAIL"))
        (line,) = one.said(check_dane)
    assert line.startswith(f"error: the TLSA records of {HOST} cannot be had: ")
