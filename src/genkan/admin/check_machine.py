# SPDX-License-Identifier: Apache-2.0
"""`genkan check` of the machine: certificate and key, folders and their modes, ports, open files.

Looks only: it makes no file, and holds a port or a lock no longer than it takes to see whether somebody else does.
"""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import socket
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization

from genkan.findings import Finding, error, note, warning

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from genkan.config import Config
    from genkan.config_values import ListenAddress

SOON: Final = timedelta(days=30)
SPARE_FILES: Final = 100  # what a worker opens besides its connections
_SCANNER_TIME: Final = 2.0  # seconds
FEW_FILES: Final = 4096


def check_certificate(config: Config, now: datetime) -> Iterator[Finding]:
    """The certificate can be read, is in force, names this server and goes with its key."""
    if config.tls.certificate is None or config.tls.key is None:
        remedy = "set tls.certificate and tls.key"
        yield warning("tls.certificate", "there is none: mail and passwords travel in clear", remedy)
        return
    file = config.path(config.tls.certificate)
    try:
        certificate = x509.load_pem_x509_certificate(file.read_bytes())
    except OSError as fault:
        yield error(file, f"cannot be read ({fault.strerror})", "correct tls.certificate or the file's mode")
        return
    except ValueError:
        yield error(file, "is no PEM certificate", "put the certificate, then those that signed it, into this file")
        return
    yield from _check_validity(file, certificate, now)
    yield from _check_names(file, certificate, config.hostname)
    yield from _check_key(config.path(config.tls.key), certificate)


def _check_validity(file: Path, certificate: x509.Certificate, now: datetime) -> Iterator[Finding]:
    end = certificate.not_valid_after_utc
    if now > end:
        yield error(file, f"expired on {end:%Y-%m-%d}", "renew the certificate, then send SIGHUP to the server")
    elif now + SOON > end:
        yield warning(file, f"expires on {end:%Y-%m-%d}", "renew the certificate, then send SIGHUP to the server")
    if now < certificate.not_valid_before_utc:
        yield error(
            file, f"is not valid before {certificate.not_valid_before_utc:%Y-%m-%d}", "check this machine's clock"
        )
    if _is_self_signed(certificate):
        yield note(file, "is self-signed: senders cannot tell who we are", "get one from a certificate authority")


def _is_self_signed(certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(certificate)
    except (InvalidSignature, TypeError, ValueError):
        return False
    return True


def _check_names(file: Path, certificate: x509.Certificate, hostname: str) -> Iterator[Finding]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        known = {name.lower() for name in names.get_values_for_type(x509.DNSName)}
    except x509.ExtensionNotFound:
        known = set()
    parent = f"*.{hostname.lower().partition('.')[2]}"
    if hostname.lower() not in known and parent not in known:
        yield warning(file, f"does not name {hostname}", "get a certificate with this name, or correct hostname")


def _check_key(file: Path, certificate: x509.Certificate) -> Iterator[Finding]:
    try:
        key = serialization.load_pem_private_key(file.read_bytes(), None)
    except OSError as fault:
        yield error(file, f"cannot be read ({fault.strerror})", "correct tls.key or the file's owner")
        return
    except TypeError:
        yield error(file, "has a pass phrase", "remove it with: openssl pkey -in OLD -out NEW")
        return
    except ValueError:
        yield error(file, "is no PEM private key", "put the key of the certificate there, or correct tls.key")
        return
    if key.public_key() != certificate.public_key():
        yield error(file, "is not the key of the certificate", "correct tls.key or tls.certificate")
    if file.stat().st_mode & 0o037:
        yield warning(file, "others on this machine may read the key", f"run: chmod 600 {file}")


def check_folders(config: Config) -> Iterator[Finding]:
    """Storage is there and private, the Maildirs' folder can be written, the configuration only by its owner."""
    storage = config.storage_folder
    if not is_folder(storage):
        yield _judge_absence(storage)
    else:
        yield from _check_storage_folder(storage)
    mail = mail_folder(config)
    there = next(folder for folder in (mail, *mail.parents) if is_there(folder))
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        yield error(there, "mail cannot be written there", "correct delivery.maildir or the folder's owner")
    if is_there(config.file) and config.file.stat().st_mode & 0o022:
        yield warning(config.file, "others on this machine may change it", f"run: chmod 640 {config.file}")


def is_folder(path: Path) -> bool:
    """Whether a folder is seen there; what stands behind a folder that may not be entered is not."""
    return is_there(path) and path.is_dir()


def is_there(path: Path) -> bool:
    """Whether anything is seen there, as `is_folder`."""
    try:
        return path.exists()
    except OSError:  # also for a name that is too long
        return False


def _judge_absence(storage: Path) -> Finding:
    above = next(folder for folder in storage.parents if is_there(folder))
    if os.access(above, os.X_OK):
        remedy = "correct storage.url, or make the folder with: genkan init"
        return error(storage, "the storage folder is missing", remedy)
    remedy = f"run this as the owner of {above}, or correct its mode"
    return error(storage, "the storage folder cannot be looked at", remedy)


def _check_storage_folder(storage: Path) -> Iterator[Finding]:
    status = storage.stat()
    if not os.access(storage, os.R_OK | os.W_OK | os.X_OK):
        yield error(storage, "cannot be written", "run this as the owner of the folder, or correct its mode")
    elif status.st_uid != os.geteuid():
        remedy = "run genkan as that owner, or its new files will shut the server out"
        yield warning(storage, "belongs to another account of this machine", remedy)
    if status.st_mode & 0o077:
        yield warning(storage, "others on this machine may read mail and password hashes", f"run: chmod 700 {storage}")


def mail_folder(config: Config) -> Path:
    """The folder all Maildirs lie in: `delivery.maildir` up to the first part with a placeholder, absolute."""
    parts = Path(config.delivery.maildir).parts
    first = next(number for number, part in enumerate(parts) if "{" in part)
    return config.path(Path(*parts[:first]))


def check_handoff(config: Config) -> Iterator[Finding]:
    """The other server's folder, where mail is handed off."""
    if config.delivery.handoff is None:
        return
    folder = config.path(config.delivery.handoff)
    if not is_folder(folder):
        yield error(folder, "is no folder, and all mail is to be handed off there", "correct delivery.handoff")
    elif not os.access(folder, os.W_OK | os.X_OK):
        yield error(
            folder, "may not be written to, and all mail is to be handed off there", "give this user the right to"
        )


def check_scanner(config: Config) -> Iterator[Finding]:
    """The virus scanner takes connections."""
    address = config.filter.scanner
    if not address:
        return
    path = address.removeprefix("unix:")
    family = socket.AF_UNIX if path != address else socket.AF_INET6 if address.startswith("[") else socket.AF_INET
    host, _, port = address.rpartition(":")
    with closing(socket.socket(family)) as sock:
        sock.settimeout(_SCANNER_TIME)
        try:
            sock.connect(path if family is socket.AF_UNIX else (host.strip("[]"), int(port)))
        except OSError as fault:
            result = "put off" if config.filter.scanner_failure == "defer" else "taken without a look"
            sentence = f"no scanner answers at {address} ({fault.strerror or fault}): mail is {result}"
            yield error("filter.scanner", sentence, "start clamd or correct the setting")


def check_open_files(config: Config, allowed: int) -> Iterator[Finding]:
    """The system lets a worker open as many connections as the settings promise; `allowed` as of `open_file_limit`."""
    room = allowed - SPARE_FILES
    remedy = 'raise the limit "ulimit -Hn" (LimitNOFILE of systemd)'
    if config.limits.sessions > room:
        sentence = f"the system allows a process {allowed} open files, too few for {config.limits.sessions} sessions"
        yield warning("limits.sessions", sentence, remedy)
    elif allowed < FEW_FILES:
        yield note("limits.sessions", f"the system allows a worker about {room} connections", remedy)


def open_file_limit() -> int:
    """How many files a process may open at once: the hard limit, up to which the server raises its own."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if hard == resource.RLIM_INFINITY else hard


def is_running(storage: Path) -> bool:
    """Whether a server holds this storage: it keeps its lock files there locked for as long as it lives."""
    return any(_is_locked(file) for file in (storage / "lock", *storage.glob("spool/*/lock")))


def _is_locked(file: Path) -> bool:
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def check_ports(config: Config) -> Iterator[Finding]:
    """Each listener's address can be bound, unless the server that runs has it."""
    for number, listener in enumerate(config.listener, 1):
        fault = _bind_fault(listener.address)
        if fault is None or (fault.errno == errno.EADDRINUSE and is_running(config.storage_folder)):
            continue
        reason = fault.strerror or str(fault)
        yield error(f"listener[{number}].address", f"{listener.address} cannot be used ({reason})", _port_remedy(fault))


def _bind_fault(address: ListenAddress) -> OSError | None:
    try:
        for family, kind, protocol, _, place in socket.getaddrinfo(*address, type=socket.SOCK_STREAM):
            with closing(socket.socket(family, kind, protocol)) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind(place)
    except OSError as fault:
        return fault
    return None


def _port_remedy(fault: OSError) -> str:
    if fault.errno == errno.EADDRINUSE:
        return "stop the program that has this port, or choose another"
    if fault.errno in (errno.EACCES, errno.EPERM):
        return "choose a port from 1024 on, or give the service CAP_NET_BIND_SERVICE"
    return "choose an address of this machine"
