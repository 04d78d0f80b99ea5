# SPDX-License-Identifier: Apache-2.0
"""`genkan init`: a folder with configuration, self-signed certificate, storage, mail, and the first domain.

The configuration is written last: where it exists the installation is complete, and is never touched again.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from genkan.admin.config_file import config_text
from genkan.config import Config, Listener, Tls
from genkan.config_values import ListenAddress
from genkan.directory import AlreadyExists, Directory
from genkan.smtp.address import AddressError, parse_mailbox

DEFAULT_LISTENERS: Final = (
    Listener(address=ListenAddress("127.0.0.1", 2525), role="smtp"),
    Listener(address=ListenAddress("127.0.0.1", 2587), role="submission"),
    Listener(address=ListenAddress("127.0.0.1", 2465), role="submissions"),
)
VALIDITY: Final = timedelta(days=3652)


class InitError(Exception):
    """The folder cannot be set up; the text says what is in the way. Shown by the command line."""


@dataclass(frozen=True, slots=True)
class Installation:
    """What was made: the configuration file, and beside it certificate, key, storage and mail folder (absolute)."""

    file: Path
    domain: str
    certificate: Path
    key: Path
    storage: Path
    mail: Path


def create_installation(folder: Path, domain: str, hostname: str, listeners: tuple[Listener, ...]) -> Installation:
    """Make all that `serve` needs in `folder`; raises `InitError` when it has a configuration or cannot be written."""
    home = folder.absolute()
    made = Installation(
        home / "genkan.toml",
        _checked_domain(domain),
        home / "tls/cert.pem",
        home / "tls/key.pem",
        home / "data",
        home / "mail",
    )
    if made.file.exists():
        raise InitError(f"{made.file} exists already; change it with an editor, or choose another folder")
    config = Config(
        hostname=hostname,
        listener=listeners,
        tls=Tls(certificate=Path("tls/cert.pem"), key=Path("tls/key.pem")),
    )
    try:
        _make_folders(made)
        _make_certificate(made, hostname)
        _make_directory(made)
        _write_new(made.file, config_text(config).encode(), 0o640)
    except OSError as error:
        raise InitError(f"{error.filename or home}: {error.strerror}; choose a folder you may write to") from error
    return made


def self_signed(hostname: str, now: datetime) -> tuple[bytes, bytes]:
    """A certificate for one name and its key, both PEM: EC P-256, ten years (RFC 5280); not for the open network."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hostname[:64])])
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + VALIDITY)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(hostname)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM), private


def _checked_domain(domain: str) -> str:
    try:
        return parse_mailbox(f"postmaster@{domain}").folded().domain
    except AddressError as error:
        raise InitError(f"{domain!r} is no domain ({error}); give one such as in.test") from None


def _make_folders(made: Installation) -> None:
    made.file.parent.mkdir(parents=True, exist_ok=True)
    made.certificate.parent.mkdir(exist_ok=True)
    for private in (made.storage, made.mail):
        private.mkdir(mode=0o700, exist_ok=True)


def _make_certificate(made: Installation, hostname: str) -> None:
    if made.certificate.exists() and made.key.exists():
        return  # the operator's own, or of an init that was interrupted
    certificate, key = self_signed(hostname, datetime.now(UTC) - timedelta(hours=1))
    made.key.unlink(missing_ok=True)
    made.certificate.unlink(missing_ok=True)
    _write_new(made.key, key, 0o600)
    _write_new(made.certificate, certificate, 0o644)


def _make_directory(made: Installation) -> None:
    with Directory.open(made.storage) as directory, suppress(AlreadyExists):
        directory.domains.add(made.domain)


def _write_new(path: Path, octets: bytes, mode: int) -> None:
    """Write a file that must not exist yet, with exactly this mode whatever the umask."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        file.write(octets)
        file.flush()
        os.fsync(descriptor)
