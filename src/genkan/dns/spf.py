# SPDX-License-Identifier: Apache-2.0
"""Whether a domain permits a client to send in its name: SPF (RFC 7208). The one place that knows the library for it.

All questions go through our resolver, with its cache and its deadlines. Whoever runs the zone writes the records, so long ones,
which would keep everybody on the event loop waiting, are not looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple, cast, get_args

from spftrace import BaseResolver, Evaluator, Limits, SpfPermError

from genkan.dns.answer import Status
from genkan.dns.name import name_text, parse_name
from genkan.dns.reverse import plain_address

if TYPE_CHECKING:
    from genkan.dns.answer import RecordType
    from genkan.dns.resolver import Resolver

SpfOutcome = Literal["pass", "fail", "softfail", "neutral", "none", "temperror", "permerror"]

LONGEST_RECORD: Final = 4096  # octets; RFC 7208, 3.4, wants 512 at most
PATIENCE: Final = 3  # the whole evaluation may take so many times as long as one question

_VERSION: Final = "v=spf1"
_RCODES: Final = {
    Status.FOUND: "NOERROR",
    Status.NO_DATA: "NOERROR",
    Status.NO_SUCH_NAME: "NXDOMAIN",
    Status.FAILED: "SERVFAIL",
}


class SpfResult(NamedTuple):
    """What the domain says; `explanation` is its own text on a fail (RFC 7208, 6.2), so nothing to be believed."""

    result: SpfOutcome
    explanation: str = ""


def outcome_of(text: object) -> SpfOutcome | None:
    """The outcome of that name, `None` for anything else."""
    return next((outcome for outcome in get_args(SpfOutcome) if outcome == text), None)


async def spf(resolver: Resolver, client_address: str, sender: str, hello_domain: str) -> SpfResult:
    """The result for a mailbox, written without quoting, or for the HELO identity where `sender` is "" (RFC 7208, 2.3, 2.4).

    Does not raise, and ends within `PATIENCE` times the resolver's deadline: then it is "temperror".
    """
    local_part, _, domain = (sender or f"postmaster@{hello_domain}").rpartition("@")
    name = None if domain.startswith("[") else parse_name(domain)
    if name is None:  # RFC 7208, 4.3
        return SpfResult("none")
    limits = Limits(
        time_limit=PATIENCE * resolver.timeout, max_queries=None
    )  # those of RFC 7208, 4.6.4, are bound enough
    evaluator = Evaluator(_Questions(resolver), limits, receiver="unknown")
    identity = f"{local_part or 'postmaster'}@{name_text(name)}"
    try:
        found = await evaluator.evaluate(str(plain_address(client_address)), identity, hello_domain)
    except (
        ValueError
    ):  # the library lets some through for records that nobody should write: numbers of thousands of digits
        return SpfResult("permerror")
    return SpfResult(cast("SpfOutcome", found.result), found.explanation or "")


class _Questions(BaseResolver):
    """Our resolver as the library wants one."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

    async def _lookup(self, name: str, rtype: str) -> tuple[str, list[str]]:
        answer = await self._resolver.query(name, cast("RecordType", rtype))
        if rtype == "MX":
            return _RCODES[answer.status], [exchange.name for exchange in answer.exchanges]
        texts = [text for text in answer.texts if rtype != "TXT" or _is_readable(text, name)]
        return _RCODES[answer.status], texts


def _is_readable(text: str, name: str) -> bool:
    """Whether a TXT record is short enough. Raises `SpfPermError`, which the library catches, for an SPF record that is not."""
    if len(text) <= LONGEST_RECORD:
        return True
    if text[: len(_VERSION)].lower() == _VERSION:
        raise SpfPermError(f"the SPF record of {name} has more than {LONGEST_RECORD} octets")
    return False
