# SPDX-License-Identifier: Apache-2.0
"""Certificates and TLS settings of the listeners: STARTTLS (RFC 3207) and implicit TLS (RFC 8314).

No sockets here: the listener hands the context to the event loop. Versions and ciphers follow RFC 9325, 3 and 4.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

# TLS 1.2 suites, all with forward secrecy. The CBC ones stand last, for old senders that would fall back to clear text.
CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES+SHA256:ECDHE+AES+SHA384:!aNULL"


class CertificateError(Exception):
    """A certificate or key cannot be used; the text names the file and what to do. Raised at start and by `reload`."""


class Certificates:
    """The certificate of all listeners, replaceable while they serve.

    `context` stays the same object for the life of the listeners: asyncio holds on to the context it was given. After a
    reload, the context moves every new handshake over to the newly loaded one. The new pair is not loaded into the old
    context, for there an RSA certificate would remain beside the ECDSA one that replaces it, and a file changed at
    the wrong moment would leave a certificate without its key.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        """Load the PEM chain and its PEM key; raises `CertificateError`."""
        self._certificate = certificate
        self._key = key
        self.context: Final = server_context(certificate, key)

    def reload(self) -> None:
        """Read both files again for the handshakes to come; raises `CertificateError` and then changes nothing."""
        fresh = server_context(self._certificate, self._key)

        def take_fresh(connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
            connection.context = fresh

        # OpenSSL calls this for every ClientHello, with or without a server name.
        self.context.sni_callback = take_fresh


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """A server's TLS context for a PEM chain and its key: TLS 1.2 and 1.3; raises `CertificateError`."""
    _check_pem(certificate, b"-----BEGIN CERTIFICATE-----", "certificate", "a PEM certificate chain")
    _check_pem(key, b"PRIVATE KEY-----", "key", "a PEM private key")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = ssl.TLSVersion.TLSv1_3
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_ciphers(CIPHERS)
    try:
        context.load_cert_chain(certificate, key, password=lambda: _refuse_pass_phrase(key))
    except ssl.SSLError as error:
        raise CertificateError(_why_pair_fails(certificate, key, error)) from error
    return context


def tls_summary(connection: ssl.SSLObject | ssl.SSLSocket) -> str:
    """Version and cipher for log and trace field, "TLSv1.3 TLS_AES_256_GCM_SHA384"; "" before the handshake."""
    cipher = connection.cipher()
    return f"{connection.version()} {cipher[0]}" if cipher else ""


def _check_pem(path: Path, mark: bytes, setting: str, wanted: str) -> None:
    """Say which file is unreadable or holds something else; OpenSSL's own errors do not name it."""
    try:
        octets = path.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise CertificateError(f"{path}: {reason}; make the file readable or correct tls.{setting}") from error
    if mark not in octets:
        raise CertificateError(f"{path}: not {wanted}; put one there or correct tls.{setting}")


def _refuse_pass_phrase(key: Path) -> str:
    raise CertificateError(f"{key}: the key has a pass phrase; remove it with `openssl pkey -in OLD -out NEW`")


def _why_pair_fails(certificate: Path, key: Path, error: ssl.SSLError) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return f"{key}: not the key of the first certificate in {certificate}; correct tls.key or tls.certificate"
    reason = (error.reason or "unusable").lower().replace("_", " ")
    return f"{certificate} and {key}: OpenSSL cannot use them ({reason}); renew or replace the damaged file"
