# SPDX-License-Identifier: Apache-2.0
"""`genkan check` of the settings about who mail is from: those that decide nothing, and those that trust too many."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genkan.findings import Finding, error, note, warning
from genkan.policy.authenticity import asks_dmarc

if TYPE_CHECKING:
    from collections.abc import Iterator

    from genkan.config import Config


def check_authenticity(config: Config) -> Iterator[Finding]:
    """SPF first, then DMARC, which rests on it."""
    yield from _check_spf(config)
    yield from _check_dmarc(config)


def _check_spf(config: Config) -> Iterator[Finding]:
    spf = config.spf
    if spf.mode != "defer":
        sentence, remedy = f'has no effect while spf.mode is "{spf.mode}"', 'set spf.mode to "defer", or take it out'
        if spf.grey:
            yield note("spf.grey", sentence, remedy)
        if spf.dns_failure == "defer":
            yield note("spf.dns_failure", sentence, remedy)
    for network in spf.exempt:
        if network.prefixlen == 0:
            sentence = f"nothing is asked about anybody in {network}: neither SPF nor DKIM nor DMARC is judged"
            yield warning("spf.exempt", sentence, "name only the addresses of clients that you know")


def _check_dmarc(config: Config) -> Iterator[Finding]:
    dmarc = config.dmarc
    if dmarc.mode != "off" and not asks_dmarc(config):
        judge = note if dmarc.mode == "mark" else error
        yield judge(
            "dmarc.mode",
            "DMARC rests on SPF and DKIM, and one of them is off: nobody's mail is judged",
            'set spf.mode to "mark" and dkim.verify to true, or dmarc.mode to "off"',
        )
    for sealer in dmarc.trusted_sealers:
        if "." not in sealer:
            sentence = f"{sealer} is a single label: no forwarder below it is believed, and it seals no mail itself"
            yield warning(
                "dmarc.trusted_sealers", sentence, "name the domains (d=) of the forwarders' ARC seals in full"
            )
