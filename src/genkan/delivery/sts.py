# SPDX-License-Identifier: Apache-2.0
"""MTA-STS (RFC 8461): a domain's own word on which hosts take its mail, and that they have to prove who they are.

A policy that was once had is believed until it expires, so that nobody can take it away by keeping us from the domain's DNS or
web server. How it is fetched is in `genkan.delivery.sts_fetch`.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeVar, get_args

from genkan.dns.name import parse_name
from genkan.smtp.address import fold_domain

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from datetime import datetime

    from genkan.clock import Clock
    from genkan.dns.resolver import Resolver

_T = TypeVar("_T")

StsMode = Literal["enforce", "testing", "none"]

LONGEST_AGE: Final = timedelta(seconds=31_557_600)  # RFC 8461, 3.2
MOST_PATTERNS: Final = 200  # of mx in a policy
MOST_DOMAINS: Final = 10_000  # that are remembered
REFRESHED_AFTER: Final = timedelta(days=1)  # RFC 8461, 3.3: well before it expires
NEXT_TRY_AFTER: Final = 300  # seconds after a policy could not be fetched

_match_version: Final = re.compile(r"v=STSv1[ \t]*(?:;|\Z)").match
_match_id: Final = re.compile(r"[ \t]*id=([A-Za-z0-9]{1,32})[ \t]*").fullmatch
_match_field: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]{0,31}):[ \t]*([\x21-\x7e\x80-\U0010ffff \t]*)").fullmatch
_match_age: Final = re.compile(r"[0-9]{1,10}").fullmatch


class PolicyError(Exception):
    """A policy cannot be had or read; the text says why. Raised by what fetches and parses, caught by `StsPolicies`."""


@dataclass(frozen=True, slots=True)
class StsPolicy:
    """A policy as it was fetched; `id` is that of the TXT record then. `mx` are names or `*.` and a name, in lower case."""

    id: str
    mode: StsMode
    mx: tuple[str, ...]
    max_age: timedelta
    fetched: datetime

    @property
    def expires(self) -> datetime:
        """From when on it says nothing any more."""
        return self.fetched + self.max_age


class PolicyStore(Protocol):
    """Keeps policies over a restart; the last `put` for a domain counts."""

    async def get(self, domain: str) -> StsPolicy | None:
        """The policy, expired or not."""
        ...

    async def put(self, domain: str, policy: StsPolicy) -> None:
        """Keep it."""
        ...


class StsPolicies:
    """The policies of all domains."""

    def __init__(
        self,
        resolver: Resolver,
        fetch: Callable[[str], Awaitable[bytes]],
        clock: Clock,
        store: PolicyStore,
        on_failure: Callable[[str, str], None],
    ) -> None:
        """`fetch` gives the policy's text or raises `PolicyError`; `on_failure` is told of domain and reason, to be logged."""
        self._resolver = resolver
        self._fetch = fetch
        self._clock = clock
        self._store = store
        self._on_failure = on_failure
        self._known: dict[str, StsPolicy | None] = {}
        self._failed: dict[str, float] = {}
        self._fetching: dict[str, asyncio.Task[StsPolicy | None]] = {}

    async def policy_of(self, domain: str) -> StsPolicy | None:
        """The policy in force; fetched if the domain has a new one, the old one is a day old, or there is none yet.

        Mail waits for it, as long as a fetch takes at most.
        """
        if domain.startswith("["):
            return None
        name = fold_domain(domain).removesuffix(".")
        kept = await self._kept(name)
        identifier = record_id((await self._resolver.query(f"_mta-sts.{name}", "TXT")).texts)
        if identifier is None or (kept is not None and self._is_fresh(kept, identifier)) or self._has_failed(name):
            return kept
        return await self._fetched(name, identifier) or kept

    async def _kept(self, name: str) -> StsPolicy | None:
        """The policy that is known and has not expired."""
        if name not in self._known:
            _remember(self._known, name, await self._store.get(name))
        policy = self._known.get(name)
        return policy if policy is not None and self._clock.now() < policy.expires else None

    def _is_fresh(self, policy: StsPolicy, identifier: str) -> bool:
        return policy.id == identifier and self._clock.now() < policy.fetched + REFRESHED_AFTER

    def _has_failed(self, name: str) -> bool:
        return self._failed.get(name, 0.0) > self._clock.monotonic()

    async def _fetched(self, name: str, identifier: str) -> StsPolicy | None:
        """Fetch once for all who wait for it; one who stops waiting does not stop it for the others."""
        task = self._fetching.get(name)
        if task is None:
            task = self._fetching[name] = asyncio.create_task(self._renew(name, identifier))
        return await asyncio.shield(task)

    async def _renew(self, name: str, identifier: str) -> StsPolicy | None:
        try:
            policy = parse_policy(await self._fetch(name), identifier, self._clock.now())
            _remember(self._known, name, policy)
            await self._store.put(name, policy)
        except PolicyError as error:
            _remember(self._failed, name, self._clock.monotonic() + NEXT_TRY_AFTER)
            self._on_failure(name, str(error))
            return None
        finally:
            del self._fetching[name]
        return policy


def record_id(texts: Iterable[str]) -> str | None:
    """The id in the TXT records of `_mta-sts`; `None` if there is no policy, as when two records say so (RFC 8461, 3.1)."""
    records = [text for text in texts if _match_version(text)]
    if len(records) != 1:
        return None
    ids = [match[1] for match in map(_match_id, records[0].split(";")[1:]) if match]
    return ids[0] if ids else None


def parse_policy(octets: bytes, identifier: str, fetched: datetime) -> StsPolicy:
    """The policy in a file's text (RFC 8461, 3.2). Raises `PolicyError`; of a field given twice the first counts."""
    fields, patterns = _fields(octets)
    if fields.get("version") != "STSv1":
        raise PolicyError("the policy is not of version STSv1")
    mode = next((mode for mode in get_args(StsMode) if mode == fields.get("mode")), None)
    if mode is None:
        raise PolicyError("the policy has no mode that is known")
    if not _match_age(fields.get("max_age", "")):
        raise PolicyError("the policy has no max_age in seconds")
    if not patterns and mode != "none":
        raise PolicyError("the policy names no mx")
    max_age = min(timedelta(seconds=int(fields["max_age"])), LONGEST_AGE)
    return StsPolicy(identifier, mode, tuple(map(_pattern, patterns)), max_age, fetched)


def matches_mx(policy: StsPolicy, host: str) -> bool:
    """Whether the policy names this MX host; `*` stands for exactly one label (RFC 8461, 4.1)."""
    name = host.lower().removesuffix(".")
    _, _, parent = name.partition(".")
    return name in policy.mx or (bool(parent) and f"*.{parent}" in policy.mx)


def _fields(octets: bytes) -> tuple[dict[str, str], list[str]]:
    """All fields but mx, and the values of mx."""
    try:
        text = octets.decode()
    except UnicodeDecodeError as error:
        raise PolicyError("the policy is not in UTF-8") from error
    fields: dict[str, str] = {}
    patterns: list[str] = []
    for line in text.replace("\r\n", "\n").split("\n"):
        if not line.strip(" \t"):
            continue
        match = _match_field(line)
        if match is None:
            raise PolicyError("the policy has a line that is no field")
        name, value = match[1], match[2].rstrip(" \t")
        if name == "mx":
            patterns.append(value)
        else:
            fields.setdefault(name, value)
    if len(patterns) > MOST_PATTERNS:
        raise PolicyError(f"the policy has more than {MOST_PATTERNS} mx")
    return fields, patterns


def _pattern(text: str) -> str:
    name = fold_domain(text.removeprefix("*.")).removesuffix(".")
    if "*" in name or parse_name(name) is None:
        raise PolicyError("the policy has an mx that is no name of a host")
    return f"*.{name}" if text.startswith("*.") else name


def _remember(known: dict[str, _T], name: str, value: _T) -> None:
    """Keep a value as the newest; the oldest makes room."""
    known.pop(name, None)
    known[name] = value
    if len(known) > MOST_DOMAINS:
        del known[next(iter(known))]
