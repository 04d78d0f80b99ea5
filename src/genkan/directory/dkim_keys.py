# SPDX-License-Identifier: Apache-2.0
"""The keys that our domains sign their mail with (DKIM, RFC 6376, 3.1): which of them sign, which wait, which are retired.

A receiver looks a key up days after it has signed, so keys come and go in steps: published, then used, then retired, then
removed. What a key is made of is none of this module's business.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from genkan.directory.errors import AlreadyExists, InvalidValue, NotFound
from genkan.directory.moments import loaded, stored
from genkan.smtp.address import fold_domain

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from genkan.directory.domains import Domains
    from genkan.directory.store import Store

KeyAlgorithm = Literal["rsa", "ed25519"]
KeyState = Literal["waiting", "signing", "retired"]

MOST_SIGNING: Final = 4  # keys of one domain: each costs a signature for every message

_MOST_NAME: Final = 253  # characters of a name in the DNS; RFC 1035, 2.3.4

_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_match_selector: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*").fullmatch  # RFC 6376, 3.1


@dataclass(frozen=True, slots=True)
class DkimKey:
    """One key of a domain; `private_key` is PKCS #8 in PEM."""

    domain: str
    selector: str
    algorithm: KeyAlgorithm
    private_key: bytes = field(repr=False)
    state: KeyState
    made_at: datetime


class DkimKeys:
    """The table of keys, and the cached answer to which of them sign."""

    def __init__(self, store: Store, domains: Domains) -> None:
        self._store = store
        self._queries = store.queries
        self._domains = domains
        self._signing: dict[str, tuple[DkimKey, ...]] = store.cache()

    def add(self, keys: Sequence[DkimKey]) -> None:
        """Keep keys of one local domain; raises `NotFound`, `InvalidValue` for a selector that is none, `AlreadyExists`."""
        with self._store.change():
            for key in keys:
                _check_selector(key.selector, key.domain)
                self._domains.require(key.domain)
                values = (key.domain, key.selector, key.algorithm, key.private_key, key.state, stored(key.made_at))
                if not self._store.rows(self._queries.dkim_key_add, *values):
                    raise AlreadyExists(f"{key.domain} has a key with the selector {key.selector}; choose another one")
            if keys:
                self._require_few(keys[0].domain)

    def list(self, domain: str | None = None) -> tuple[DkimKey, ...]:
        """All keys, or those of a domain, the oldest first."""
        rows = self._store.rows(self._queries.dkim_keys, None if domain is None else fold_domain(domain))
        return tuple(
            DkimKey(name, selector, algorithm, private_key, state, loaded(made_at))
            for name, selector, algorithm, private_key, state, made_at in rows
        )

    def signing(self, domain: str) -> tuple[DkimKey, ...]:
        """The keys that mail of a domain, in lower-case A-labels, is signed with."""
        try:
            return self._signing[domain]
        except KeyError:
            keys = tuple(key for key in self.list(domain) if key.state == "signing")
            return self._store.remember(self._signing, domain, keys)

    def closest(self, domain: str) -> tuple[DkimKey, ...]:
        """The keys that sign for a domain, or for the closest one above it that has any."""
        folded = fold_domain(domain)
        while "." in folded:
            keys = self.signing(folded)
            if keys:
                return keys
            folded = folded.partition(".")[2]
        return ()

    def rotate(self, domain: str) -> None:
        """Sign with the keys that wait, and retire those of the same algorithms that have signed so far.

        The others go on: a receiver that knows no Ed25519 still finds a signature with RSA (RFC 8463, 5.1). Raises `NotFound`
        when no key waits, and `InvalidValue` when too many would sign.
        """
        folded = fold_domain(domain)
        with self._store.change():
            algorithms = {key.algorithm for key in self.list(folded) if key.state == "waiting"}
            if not algorithms:
                raise NotFound(f"no key of {folded} waits to be used; make one with: genkan dkim add {folded}")
            for algorithm in algorithms:
                self._store.rows(self._queries.dkim_key_state, folded, algorithm, "signing", "retired")
                self._store.rows(self._queries.dkim_key_state, folded, algorithm, "waiting", "signing")
            self._require_few(folded)

    def remove(self, domain: str, selector: str) -> None:
        """Forget a key for good; raises `NotFound`."""
        folded = fold_domain(domain)
        with self._store.change():
            if not self._store.rows(self._queries.dkim_key_remove, folded, selector.lower()):
                raise NotFound(f"{folded} has no key with the selector {selector}; see: genkan dkim list")

    def _require_few(self, domain: str) -> None:
        signing = sum(key.state == "signing" for key in self.list(domain))
        if signing > MOST_SIGNING:
            raise InvalidValue(f"{signing} keys of one domain cannot sign; {MOST_SIGNING} is the most")


def _check_selector(selector: str, domain: str) -> None:
    if len(f"{selector}._domainkey.{domain}") > _MOST_NAME or not _match_selector(selector):
        raise InvalidValue(f"{selector!r} is no selector; give letters, digits and hyphens, such as mail2026")
