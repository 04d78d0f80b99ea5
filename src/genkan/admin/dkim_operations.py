# SPDX-License-Identifier: Apache-2.0
"""What an operator can do about the keys that mail is signed with: the operations behind `genkan dkim`."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from genkan.clock import SystemClock
from genkan.directory import AlreadyExists, Directory, DirectoryError
from genkan.directory.dkim_keys import DkimKey
from genkan.dkim.key_pair import make_key_pair, read_private_key, record_of, zone_text
from genkan.dkim.taglist import TagListError, parse_tags
from genkan.dns.answer import Status
from genkan.dns.resolver import Resolver
from genkan.smtp.address import fold_domain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from genkan.config import Config
    from genkan.directory.dkim_keys import KeyAlgorithm, KeyState
    from genkan.dns.answer import Answer

_LETTERS: Final[dict[KeyAlgorithm, str]] = {"rsa": "r", "ed25519": "e"}


class NotPublished(DirectoryError):
    """A key is to be used whose record the world cannot see yet."""


class StillInUse(DirectoryError):
    """A key is to be forgotten without which nothing would be signed."""


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """A key as it may be shown: `name` and `record` are what is to stand in the DNS as TXT, `zone` the line for a zone file."""

    domain: str
    selector: str
    algorithm: str
    state: KeyState
    made_at: datetime
    name: str
    record: str
    zone: str


class DkimOperations:
    """An operator's hand on the keys. Safe beside a running server."""

    def __init__(self, directory: Directory, config: Config) -> None:
        """Work with an open directory."""
        self._directory = directory
        self._config = config

    @property
    def is_on(self) -> bool:
        """Whether anything is signed at all (setting `dkim.sign`)."""
        return self._config.dkim.sign

    def add(
        self, domain: str, algorithms: Sequence[KeyAlgorithm], selector: str | None, now: datetime
    ) -> tuple[KeyEntry, ...]:
        """Make a key of each algorithm; the first of a domain sign at once, later ones wait. Raises DirectoryError."""
        folded, keys = fold_domain(domain), self._directory.dkim_keys
        state: KeyState = "waiting" if keys.signing(folded) else "signing"
        self._directory.domains.require(folded)
        taken = {key.selector for key in keys.list(folded)}
        made = []
        for algorithm in algorithms:
            name = selector.lower() if selector else _free_selector(algorithm, now, taken)
            taken.add(name)
            made.append(DkimKey(folded, name, algorithm, make_key_pair(algorithm).private_pem, state, now))
        keys.add(made)
        return tuple(map(_entry, made))

    def entries(self, domain: str | None = None) -> tuple[KeyEntry, ...]:
        """All keys, or those of a domain, the oldest first."""
        return tuple(map(_entry, self._directory.dkim_keys.list(domain)))

    def rotate(self, domain: str, *, unseen: bool = False) -> tuple[KeyEntry, ...]:
        """Sign with keys that wait in place of those of their kinds; raises `NotFound`, and `NotPublished` unless `unseen`."""
        waiting = [entry for entry in self.entries(domain) if entry.state == "waiting"]
        if not unseen:
            _require_published(waiting, asyncio.run(self._look_up(waiting)))
        self._directory.dkim_keys.rotate(domain)
        return self.entries(domain)

    def remove(self, domain: str, selector: str, *, force: bool = False) -> None:
        """Forget a key for good; raises NotFound, and `StillInUse` for the only one that signs unless `force`."""
        signing = [entry for entry in self.entries(domain) if entry.state == "signing"]
        if not force and [entry.selector for entry in signing] == [selector.lower()]:
            folded = signing[0].domain
            raise StillInUse(
                f"{selector} is the only key that signs for {folded}, and without it nothing is signed; make another and use it"
                f" first (genkan dkim add {folded}, genkan dkim rotate {folded}), or give --force"
            )
        self._directory.dkim_keys.remove(domain, selector)

    async def _look_up(self, entries: Iterable[KeyEntry]) -> list[Answer]:
        dns = self._config.dns
        resolver = Resolver(dns.servers, dns.timeout, SystemClock())
        return [await resolver.query(entry.name, "TXT") for entry in entries]


def _require_published(entries: Sequence[KeyEntry], answers: Sequence[Answer]) -> None:
    """Raises `NotPublished` for the first key whose record is not as it should be."""
    for entry, answer in zip(entries, answers, strict=True):
        if any(publishes(entry.record, text) for text in answer.texts):
            continue
        if answer.status is Status.FAILED:
            found = f"the DNS does not answer for {entry.name} ({answer.detail})"
            raise NotPublished(f"{found}; mend dns.servers or the zone, or give --unseen")
        found = f"{entry.name} has {'another TXT record' if answer.texts else 'no TXT record'} in the DNS"
        raise NotPublished(
            f"{found}; publish what `genkan dkim list {entry.domain} --records` says and wait until it is seen, or give --unseen"
        )


def publishes(record: str, text: str) -> bool:
    """Whether a TXT record publishes the key of our record, whatever else it says, and however it is spaced."""
    try:
        ours, theirs = parse_tags(record), parse_tags(text)
    except TagListError:
        return False
    key = "".join(theirs.get("p", "").split())
    return key == ours["p"] and theirs.get("k", "rsa") == ours["k"]


def _free_selector(algorithm: KeyAlgorithm, now: datetime, taken: set[str]) -> str:
    """A selector that tells when its key was made."""
    first = f"{now:%Y%m%d}{_LETTERS[algorithm]}"
    names = (first, *(f"{first}{number}" for number in range(2, 100)))
    free = next((name for name in names if name not in taken), None)
    if free is None:
        raise AlreadyExists("there are a hundred keys of today; remove some with: genkan dkim remove DOMAIN SELECTOR")
    return free


def _entry(key: DkimKey) -> KeyEntry:
    name = f"{key.selector}._domainkey.{key.domain}"
    record = record_of(read_private_key(key.private_key))
    zone = f"{name}. IN TXT {zone_text(record)}"
    return KeyEntry(key.domain, key.selector, key.algorithm, key.state, key.made_at, name, record, zone)
