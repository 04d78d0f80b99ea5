# SPDX-License-Identifier: Apache-2.0
"""Certificates and TLS settings, with real handshakes over memory."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from genkan.listener.tls import CertificateError, Certificates, server_context, tls_summary

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

AUTHORITY = trustme.CA(key_type=trustme.KeyType.ECDSA)


def write_pair(folder: Path, name: str = "mx.in.test", kind: trustme.KeyType = trustme.KeyType.ECDSA) -> None:
    leaf = AUTHORITY.issue_cert(name, key_type=kind)
    leaf.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    leaf.private_key_pem.write_to_path(folder / "key.pem")


def load(folder: Path) -> Certificates:
    return Certificates(folder / "cert.pem", folder / "key.pem")


def client_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


def shake_hands(
    server_side: ssl.SSLContext, client_side: ssl.SSLContext, name: str | None = "mx.in.test"
) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """Carry the octets of a handshake to and fro; gives server and client."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = server_side.wrap_bio(to_server, to_client, server_side=True)
    client = client_side.wrap_bio(to_client, to_server, server_hostname=name)
    unfinished = [client, server]
    while unfinished:
        for side in list(unfinished):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            unfinished.remove(side)
    return server, client


def served_name(certificates: Certificates, *, sends_server_name: bool = True) -> str:
    """The DNS name in the certificate a new client is shown."""
    context = client_context()
    context.check_hostname = False
    _, client = shake_hands(certificates.context, context, "any.test" if sends_server_name else None)
    shown = client.getpeercert()
    assert shown is not None
    names: Any = shown["subjectAltName"]
    return str(dict(names)["DNS"])


def test_handshake_with_a_modern_client_is_tls_13(tmp_path: Path) -> None:
    write_pair(tmp_path)
    server, client = shake_hands(load(tmp_path).context, client_context())
    assert tls_summary(server) == tls_summary(client)
    assert tls_summary(server).startswith("TLSv1.3 TLS_")


def test_summary_before_the_handshake_is_empty(tmp_path: Path) -> None:
    write_pair(tmp_path)
    waiting = load(tmp_path).context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_side=True)
    assert tls_summary(waiting) == ""


@pytest.mark.parametrize(
    "cipher", ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-ECDSA-AES128-SHA256"]
)
def test_tls_12_with_forward_secrecy_is_served(tmp_path: Path, cipher: str) -> None:
    write_pair(tmp_path)
    context = client_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(cipher)
    server, _ = shake_hands(load(tmp_path).context, context)
    assert tls_summary(server) == f"TLSv1.2 {cipher}"


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_tls_11_is_refused(tmp_path: Path) -> None:
    write_pair(tmp_path)
    context = client_context()
    context.set_ciphers("ALL:@SECLEVEL=0")  # the client itself would be willing
    context.minimum_version = ssl.TLSVersion.TLSv1_1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError, match=r"(?i)version|protocol"):
        shake_hands(load(tmp_path).context, context)


def test_a_cipher_without_forward_secrecy_is_refused(tmp_path: Path) -> None:
    write_pair(tmp_path, kind=trustme.KeyType.RSA)
    context = client_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES128-GCM-SHA256")
    with pytest.raises(ssl.SSLError, match="NO_SHARED_CIPHER"):
        shake_hands(load(tmp_path).context, context)


def test_compression_and_renegotiation_are_off(tmp_path: Path) -> None:
    write_pair(tmp_path)
    options = load(tmp_path).context.options
    assert options & ssl.OP_NO_COMPRESSION
    assert options & ssl.OP_NO_RENEGOTIATION


@pytest.mark.parametrize("sends_server_name", [True, False])
@pytest.mark.parametrize("kind", [trustme.KeyType.ECDSA, trustme.KeyType.RSA])
def test_reload_serves_the_new_certificate(tmp_path: Path, kind: trustme.KeyType, sends_server_name: bool) -> None:
    write_pair(tmp_path, "old.in.test")
    certificates = load(tmp_path)
    assert served_name(certificates, sends_server_name=sends_server_name) == "old.in.test"
    write_pair(tmp_path, "new.in.test", kind)
    certificates.reload()
    assert served_name(certificates, sends_server_name=sends_server_name) == "new.in.test"


def test_each_reload_serves_the_latest(tmp_path: Path) -> None:
    write_pair(tmp_path, "one.in.test")
    certificates = load(tmp_path)
    context = certificates.context
    for name in ("two.in.test", "three.in.test"):
        write_pair(tmp_path, name)
        certificates.reload()
        assert served_name(certificates) == name
    assert certificates.context is context


def test_files_alone_change_nothing_without_reload(tmp_path: Path) -> None:
    write_pair(tmp_path, "old.in.test")
    certificates = load(tmp_path)
    write_pair(tmp_path, "new.in.test")
    assert served_name(certificates) == "old.in.test"


@pytest.mark.parametrize("damaged", ["cert.pem", "key.pem"])
def test_a_broken_reload_keeps_the_old_certificate(tmp_path: Path, damaged: str) -> None:
    write_pair(tmp_path, "old.in.test")
    certificates = load(tmp_path)
    (tmp_path / damaged).write_text("half written")
    with pytest.raises(CertificateError, match=damaged):
        certificates.reload()
    assert served_name(certificates) == "old.in.test"


def test_a_connection_outlives_a_reload(tmp_path: Path) -> None:
    write_pair(tmp_path, "mx.in.test")
    certificates = load(tmp_path)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = certificates.context.wrap_bio(to_server, to_client, server_side=True)
    client = client_context().wrap_bio(to_client, to_server, server_hostname="mx.in.test")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    with pytest.raises(ssl.SSLWantReadError):
        server.do_handshake()
    write_pair(tmp_path, "new.in.test")
    certificates.reload()
    client.do_handshake()
    server.do_handshake()
    client.write(b"QUIT\r\n")
    assert server.read() == b"QUIT\r\n"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    write_pair(tmp_path)
    (tmp_path / "key.pem").unlink()
    with pytest.raises(CertificateError) as caught:
        load(tmp_path)
    expected = f"{tmp_path}/key.pem: No such file or directory; make the file readable or correct tls.key"
    assert str(caught.value) == expected


def test_swapped_files_are_named(tmp_path: Path) -> None:
    write_pair(tmp_path)
    with pytest.raises(CertificateError, match=r"key\.pem: not a PEM certificate chain"):
        server_context(tmp_path / "key.pem", tmp_path / "cert.pem")


def test_a_key_of_another_certificate_is_named(tmp_path: Path) -> None:
    write_pair(tmp_path)
    AUTHORITY.issue_cert("x.test", key_type=trustme.KeyType.ECDSA).private_key_pem.write_to_path(tmp_path / "key.pem")
    with pytest.raises(CertificateError, match=r"key\.pem: not the key of the first certificate in .*cert\.pem"):
        load(tmp_path)


def test_damaged_content_is_told_with_both_files(tmp_path: Path) -> None:
    write_pair(tmp_path)
    text = (tmp_path / "cert.pem").read_text()
    (tmp_path / "cert.pem").write_text(text[:200])
    with pytest.raises(CertificateError, match=r"cert\.pem and .*key\.pem: OpenSSL cannot use them"):
        load(tmp_path)


def test_a_key_with_a_pass_phrase_is_refused_and_not_asked_for(tmp_path: Path) -> None:
    write_pair(tmp_path)
    key = serialization.load_pem_private_key((tmp_path / "key.pem").read_bytes(), None)
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    (tmp_path / "key.pem").write_bytes(locked)
    with pytest.raises(CertificateError, match="the key has a pass phrase; remove it"):
        load(tmp_path)
