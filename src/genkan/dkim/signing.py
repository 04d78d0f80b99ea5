# SPDX-License-Identifier: Apache-2.0
"""Signs a message: makes its DKIM-Signature field (RFC 6376, 5; RFC 8301; RFC 8463).

Header and body are hashed in relaxed form, and the whole body, so that nothing can be added.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256

from genkan.dkim.header_section import HeaderField
from genkan.smtp.address import fold_domain

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from genkan.dkim.header_section import HeaderSection

# Signed where there are any; RFC 6376, 5.4.1, and what lists and MIME have added.
SIGNED_NAMES: Final = (
    *("From", "To", "Cc", "Subject", "Date", "Message-ID", "Reply-To", "In-Reply-To", "References"),
    *("MIME-Version", "Content-Type", "Content-Transfer-Encoding"),
    *("List-Id", "List-Help", "List-Post", "List-Owner", "List-Archive", "List-Subscribe"),
    *("List-Unsubscribe", "List-Unsubscribe-Post"),
)
# Signed once more than there are, so that nobody can add another; RFC 6376, 8.15.
SEALED_NAMES: Final = frozenset({"From", "To", "Subject", "Date"})
MOST_OF_ONE_NAME: Final = 10  # fields of one name that are signed, from the bottom up

_LINE_AIM: Final = 78  # characters without CRLF; RFC 5322, 2.1.1
_PADDING: Final = PKCS1v15()
_PREHASHED: Final = Prehashed(SHA256())


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs for a domain. The public half of `key` is to stand in the DNS at `selector`._domainkey.`domain`."""

    domain: str
    selector: str
    key: RSAPrivateKey | Ed25519PrivateKey

    def field(self, header: HeaderSection, body_hash: bytes, now: int) -> bytes:
        """The DKIM-Signature field with its CRLF, for the top of a message with this header section.

        `body_hash` is that of the whole body in relaxed form (`BodyHash`), `now` in seconds since 1970.
        """
        names = _covered(header)
        unsigned = self._unsigned_field(names, body_hash, now)
        own = HeaderField(b"dkim-signature", unsigned)
        digest = header.digest((name.lower().encode() for name in names), "relaxed", own)
        return unsigned + _folded([*_chunks(b64encode(self._sign(digest)).decode())], "", 3).encode() + b"\r\n"

    def _unsigned_field(self, names: list[str], body_hash: bytes, now: int) -> bytes:
        """The field up to the "=" of b=, its last tag."""
        algorithm = "rsa-sha256" if isinstance(self.key, RSAPrivateKey) else "ed25519-sha256"
        tags = ["v=1;", f"a={algorithm};", "c=relaxed/relaxed;", f"d={fold_domain(self.domain)};"]
        tags += [f"s={fold_domain(self.selector)};", f"t={now};", f"bh={b64encode(body_hash).decode()};"]
        covered = [f"{name}:" for name in names[:-1]] + [f"{names[-1]};"]
        covered[0] = f"h={covered[0]}"
        return f"DKIM-Signature: {_folded(tags, ' ', 16)}\r\n {_folded(covered, '', 1)}\r\n b=".encode()

    def _sign(self, digest: bytes) -> bytes:
        if isinstance(self.key, RSAPrivateKey):
            return self.key.sign(digest, _PADDING, _PREHASHED)
        return self.key.sign(digest)


def _covered(header: HeaderSection) -> list[str]:
    """The names of h=, each as often as there are such fields; From is always among them."""
    names: list[str] = []
    for name in SIGNED_NAMES:
        count = min(header.count(name.lower().encode()), MOST_OF_ONE_NAME)
        names += [name] * (count + (name in SEALED_NAMES))
    return names


def _chunks(text: str) -> list[str]:
    """A value in base64 in pieces that fill a line."""
    width = _LINE_AIM - 3
    return [text[start : start + width] for start in range(0, len(text), width)]


def _folded(words: list[str], blank: str, used: int) -> str:
    """The words with `blank` between them, broken where a line, `used` characters of it taken, would pass 78 characters."""
    folded, width = words[0], used + len(words[0])
    for word in words[1:]:
        fits = width + len(blank) + len(word) <= _LINE_AIM
        folded += f"{blank}{word}" if fits else f"\r\n {word}"
        width = width + len(blank) + len(word) if fits else 1 + len(word)
    return folded
