# SPDX-License-Identifier: Apache-2.0
"""`genkan doctor` on reverse names: that each address of the mail servers has a name that leads back to it (RFC 1912, 2.1)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NamedTuple

from genkan.admin.doctor_finding import error, fine, quoted, warning
from genkan.admin.doctor_mx import is_public
from genkan.dns.answer import Status
from genkan.dns.reverse import client_domain, reverse_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from genkan.admin.doctor_case import Examination
    from genkan.admin.doctor_finding import Observation
    from genkan.dns.resolver import Resolver

MOST_ADDRESSES: Final = 20  # over all hosts


class _Place(NamedTuple):
    """An address, the host it is of, and whether we send mail from it."""

    address: str
    host: str
    is_source: bool


async def check_reverse_names(exam: Examination) -> Iterable[Observation]:
    """The public addresses of the MX hosts, and those that we send from, have names that lead back to them."""
    mx, own = await exam.mx(), await exam.own_host()
    home = exam.case.home
    places = {}
    if home is not None and own is not None:
        places = {address: _Place(address, own.name, is_source=True) for address in home.sources or own.addresses}
    for host in mx.hosts:
        for address in host.addresses:
            places.setdefault(address, _Place(address, host.name, is_source=False))
    public = [place for place in places.values() if is_public(place.address)]
    return await asyncio.gather(*(_judge(exam.case.resolver, place) for place in public[:MOST_ADDRESSES]))


async def _judge(resolver: Resolver, place: _Place) -> Observation:
    """One address. Receivers of mail look at the name of who sends it, so there it is no matter of taste."""
    address, host, is_source = place
    answer = await resolver.query(reverse_name(address), "PTR")
    if answer.status is Status.FAILED:
        remedy = "tell whoever gives you the address"
        return warning("reverse name", f"the name of {address} cannot be had: {answer.detail}", remedy)
    confirmed = await client_domain(resolver, address)
    if confirmed:
        other = "" if confirmed == host else f" and not {host}"
        return fine("reverse name", f"{address} is {quoted(confirmed)}{other}")
    fault = f"has the name {quoted(answer.texts[0])}, which does not lead back" if answer.texts else "has no name"
    sentence = f"{address} ({host}) {fault}{': many receivers refuse mail from it' if is_source else ''}"
    judge = error if is_source else warning
    line = f"{reverse_name(address)}. IN PTR {host}."
    return judge("reverse name", sentence, "have this published by whoever gives you the address", line)
