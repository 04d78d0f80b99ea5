# SPDX-License-Identifier: Apache-2.0
"""`genkan check` of DMARC reports to others: whether there is anything to report, and whether they would be believed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genkan.directory import External, Unknown
from genkan.dmarc.daily import identity_of
from genkan.findings import Finding, note, warning
from genkan.policy.authenticity import asks_dmarc

if TYPE_CHECKING:
    from collections.abc import Iterator

    from genkan.config import Config
    from genkan.directory import Directory


def check_reports(directory: Directory, config: Config) -> Iterator[Finding]:
    """What keeps reports from being sent, or read by who gets them."""
    settings = config.dmarc
    if not settings.reports:
        return
    if not asks_dmarc(config):
        remedy = 'set dmarc.mode and spf.mode to "mark" at least, and dkim.verify to true'
        yield warning("dmarc.reports", "nothing is counted, so there is nothing to report", remedy)
    sender = identity_of(config.hostname, "", settings.report_from, directory.domains.default()).sender
    if isinstance(directory.resolve(sender), External | Unknown):
        sentence = f"{sender} is no address here, so no report is sent"
        remedy = "name an address in a domain of ours"
        if directory.domains.is_local(sender.domain):
            remedy = f"make it: genkan alias add {sender} ADDRESS, or name another one"
        yield warning("dmarc.report_from", sentence, remedy)
    elif not config.dkim.sign or not directory.dkim_keys.closest(sender.domain):
        sentence = f"reports of {sender} are not signed, and without a signature not all are read"
        yield note("dmarc.reports", sentence, f"make a key: genkan dkim add {sender.domain}, and have dkim.sign = true")
