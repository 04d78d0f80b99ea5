# SPDX-License-Identifier: Apache-2.0
"""A domain elsewhere whose host has certificates: a right one, one for another name, and one of an authority nobody knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trustme

if TYPE_CHECKING:
    from pathlib import Path

HOST: Final = "mx.dest.test"
DOMAIN: Final = "dest.test"
AUTHORITY: Final = trustme.CA()
RIGHT: Final = AUTHORITY.issue_cert(HOST, key_type=trustme.KeyType.ECDSA)
WRONG: Final = AUTHORITY.issue_cert("other.test", key_type=trustme.KeyType.ECDSA)
STRANGE: Final = trustme.CA().issue_cert(HOST, key_type=trustme.KeyType.ECDSA)
ZONE: Final = f"{DOMAIN} 60 MX 10 {HOST}\n{HOST} 60 A 127.0.0.1\n"


def certificate_files(folder: Path) -> dict[str, tuple[Path, Path]]:
    """The certificates with their keys, as a server reads them: right, wrong and strange."""
    found = {}
    for name, issued in (("right", RIGHT), ("wrong", WRONG), ("strange", STRANGE)):
        chain, key = folder / f"{name}.pem", folder / f"{name}.key"
        chain.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(str(key))
        found[name] = chain, key
    return found
