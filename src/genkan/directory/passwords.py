# SPDX-License-Identifier: Apache-2.0
"""Passwords: hash, verify, rehash (RFC 9106, RFC 5802, RFC 2195). No database: all of it may run in a worker thread.

An unknown account costs the same work as a wrong password and looks the same, so that accounts cannot be found out.
"""

from __future__ import annotations

import hmac
import secrets
import unicodedata
from base64 import b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError, VerifyMismatchError
from scramp import ScramException, ScramMechanism
from scramp.utils import saslprep

from genkan.directory.errors import DirectoryError, InvalidValue

if TYPE_CHECKING:
    from genkan.directory.accounts import Account

MIN_PASSWORD: Final = 8  # octets
MAX_PASSWORD: Final = 1024  # octets; bounds the work one AUTH can ask for
SCRAM_ITERATIONS: Final = 15000  # RFC 7677, 4
SCRAM_SALT: Final = 16  # octets

# OWASP's second choice for argon2id: memory enough to be dear for a cracker, little enough for many logins at once.
_MEMORY: Final = 19456  # KiB
_TIME: Final = 2
_PARALLEL: Final = 1
_hasher: Final = PasswordHasher(time_cost=_TIME, memory_cost=_MEMORY, parallelism=_PARALLEL, hash_len=32, salt_len=16)


class PasswordWrong(Exception):
    """No such account, no credentials of that kind, or not its password: the client is told 535 and never which."""


class PasswordUnverifiable(DirectoryError):
    """The stored hash is damaged or there was no memory to compute one: the client is told 454 and may come again."""


@dataclass(frozen=True, slots=True)
class ScramKeys:
    """What SCRAM-SHA-256 needs to know of a password (RFC 5802, 3); keys are 32 octets each."""

    salt: bytes
    iterations: int
    stored_key: bytes = field(repr=False)
    server_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Credentials:
    """All that is kept of a password: an argon2id hash in PHC form, SCRAM keys, and for CRAM-MD5 the password itself.

    `scram` is `None` for a password that SASLprep forbids (RFC 4013, 2.3), `cram_secret` unless it was asked for.
    """

    password_hash: str | None = field(default=None, repr=False)
    scram: ScramKeys | None = None
    cram_secret: str | None = field(default=None, repr=False)


NO_CREDENTIALS: Final = Credentials()


def make_credentials(password: str, *, reversible: bool = False) -> Credentials:
    """Check a new password and hash it (some 30 ms); raises InvalidValue.

    `reversible` keeps the password readable in the database, on purpose: CRAM-MD5 cannot work otherwise (RFC 2195, 2).
    """
    prepared = prepare_password(password)
    if len(password.encode()) < MIN_PASSWORD or len(prepared.encode()) < MIN_PASSWORD:
        raise InvalidValue(f"the password is too short: give at least {MIN_PASSWORD} characters")
    # CRAM-MD5 clients use what was typed, without SASLprep; SCRAM clients and ours prepare it (RFC 5802, 2.2).
    return Credentials(_hasher.hash(prepared), scram_keys(password), password if reversible else None)


def prepare_password(password: str) -> str:
    """The password as it is hashed: after SASLprep (RFC 4013), in NFC where that forbids it; raises InvalidValue."""
    if _octets(password) > MAX_PASSWORD:
        raise InvalidValue(f"the password is too long: give at most {MAX_PASSWORD} octets")
    if any(character in password for character in "\0\r\n"):
        raise InvalidValue("the password holds a line end or a NUL: leave it out")
    try:
        return str(saslprep(password))
    except ScramException:
        return unicodedata.normalize("NFC", password)


def hash_password(password: str) -> str:
    """The argon2id hash of a password in PHC form, with a fresh salt."""
    return _hasher.hash(prepare_password(password))


def verify_password(account: Account | None, password: str) -> None:
    """Return if `password` is the account's; raises PasswordWrong, after the same work if there is no account.

    Raises PasswordUnverifiable when the answer cannot be known.
    """
    known = account.password_hash if account is not None else None
    try:
        prepared = prepare_password(password)
    except InvalidValue:
        known, prepared = None, ""
    try:
        _hasher.verify(known or _UNMATCHABLE, prepared)
    except VerifyMismatchError:
        raise PasswordWrong from None
    except (InvalidHashError, Argon2Error) as error:
        raise PasswordUnverifiable(
            f"the password hash cannot be checked ({error}); set it anew: genkan account passwd"
        ) from None
    if known is None:
        raise PasswordWrong


def needs_rehash(account: Account) -> bool:
    """Whether the account's hash was made with other parameters than today's; then hash the verified password again."""
    return account.password_hash is not None and _hasher.check_needs_rehash(account.password_hash)


def scram_keys(password: str) -> ScramKeys | None:
    """The SCRAM-SHA-256 keys of a password with a fresh salt; `None` when SASLprep forbids it (RFC 5802, 2.2)."""
    mechanism = ScramMechanism("SCRAM-SHA-256")
    salt = secrets.token_bytes(SCRAM_SALT)
    try:
        _, stored_key, server_key, iterations = mechanism.make_auth_info(password, SCRAM_ITERATIONS, salt)
    except ScramException:
        return None
    return ScramKeys(salt, iterations, stored_key, server_key)


def unmatchable_scram_keys(secret: bytes, login: str) -> ScramKeys:
    """Keys no password fits, always the same for one login: who asks twice sees one salt, as of a real account.

    `secret` is random and known to this installation only.
    """
    salt, stored_key, server_key = (
        hmac.digest(secret, f"{purpose}:{login}".encode(), "sha256") for purpose in ("salt", "stored", "server")
    )
    return ScramKeys(salt[:SCRAM_SALT], SCRAM_ITERATIONS, stored_key, server_key)


def verify_cram_md5(account: Account | None, challenge: bytes, digest: str) -> None:
    """Return if `digest` (hexadecimal) answers `challenge` with the account's password (RFC 2195, 2).

    Raises PasswordWrong otherwise. Without an account or without its readable password the same work is done.
    """
    known = account.cram_secret if account is not None else None
    secret = known if known is not None else _UNMATCHABLE
    right = hmac.new(secret.encode(), challenge, "md5").hexdigest()
    if not hmac.compare_digest(right.encode(), digest.lower().encode()) or known is None:
        raise PasswordWrong


def _octets(text: str) -> int:
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise InvalidValue("the password is not valid text: give it in UTF-8") from None


def _phc_base64(octets: bytes) -> str:
    return b64encode(octets).decode("ascii").rstrip("=")


# A hash of nothing: its tag is random, so verifying costs as much as for any account, and never succeeds.
_UNMATCHABLE: Final = (
    f"$argon2id$v=19$m={_MEMORY},t={_TIME},p={_PARALLEL}"
    f"${_phc_base64(secrets.token_bytes(16))}${_phc_base64(secrets.token_bytes(32))}"
)
