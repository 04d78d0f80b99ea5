# SPDX-License-Identifier: Apache-2.0
"""The settings about who a message is from: its signatures, and what the domain of its author wants."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field

from genkan.config_types import SECOND, Count, Duration, Networks, Switch, Table, list_of
from genkan.config_values import Expect, parse_host_name, unfit
from genkan.smtp.address import AddressError, parse_mailbox

_ADDRESS: Final = 'an address such as "dmarc@example.org", or ""'


def _domain(value: object) -> str:
    """A domain in lower case."""
    return parse_host_name(value).lower()


def _address(value: object) -> str:
    """An address, or ""."""
    if value == "":
        return ""
    try:
        if isinstance(value, str) and value.isascii():
            return str(parse_mailbox(value))
    except AddressError:
        pass
    raise unfit(_ADDRESS, value)


class Spf(Table):
    """Whether the domain of a reverse-path permits its client (SPF, RFC 7208)."""

    mode: Literal["off", "mark", "defer"] = Field(
        default="mark",
        description='"mark": find the result out and record it; "defer": also defer mail that fails; "off": do not ask',
    )
    softfail: Switch = Field(default=True, description='with "defer": defer softfail, too')
    dns_failure: Literal["mark", "defer"] = Field(
        default="mark", description='with "defer": defer mail, too, whose record the DNS does not give at present'
    )
    grey: Switch = Field(
        default=False,
        description="let a deferred client in that comes again: by the same reverse-path, from the same /24 (IPv6: /48)",
    )
    grey_delay: Duration = Field(
        default=timedelta(minutes=5), ge=SECOND, le=timedelta(hours=6), description="not before this time has passed"
    )
    grey_window: Duration = Field(
        default=timedelta(days=1),
        ge=timedelta(hours=12),
        le=timedelta(days=30),
        description="and not later than this; then it has to come twice again",
    )
    grey_memory: Duration = Field(
        default=timedelta(days=35),
        ge=timedelta(days=1),
        le=timedelta(days=366),
        description="how long one that was let in is not deferred again, since its last mail",
    )
    exempt: Networks = Field(
        default=("127.0.0.0/8",), validate_default=True, description="clients that nothing is asked about"
    )


class Dkim(Table):
    """Signatures over mail (DKIM, RFC 6376; ARC, RFC 8617): those of others are verified, ours are made."""

    verify: Switch = Field(default=True, description="verify the signatures of mail from outside")
    signatures: Count = Field(default=10, ge=1, le=100, description="DKIM signatures of a message that are looked at")
    sign: Switch = Field(
        default=True, description="sign what authenticated accounts send, for domains that have a key (`genkan dkim`)"
    )


class Dmarc(Table):
    """Whether mail is from the domain in its From field, and what becomes of it if not (DMARC, RFC 9989)."""

    mode: Literal["off", "mark", "quarantine", "refuse"] = Field(
        default="mark",
        description='"mark": find out and record; "quarantine": keep back what the domain wants quarantined or rejected;'
        ' "refuse": also refuse what it wants rejected; "off": do not ask',
    )
    dns_failure: Literal["mark", "defer"] = Field(
        default="mark", description="what becomes of mail whose DMARC record cannot be looked up at present"
    )
    trusted_sealers: Annotated[
        tuple[str, ...],
        BeforeValidator(list_of(_domain, "domains")),
        Expect('a list of domains such as ["lists.example.org"]'),
    ] = Field(
        default=(), description="domains of forwarders that are believed when their ARC seal says that DMARC passed"
    )
    keep: Duration = Field(
        default=timedelta(days=30), ge=timedelta(days=1), description="how long the counts of a day are kept"
    )
    reports: Switch = Field(
        default=False, description="send each domain that asks for it a daily report of the mail in its name (RFC 9990)"
    )
    report_from: Annotated[str, BeforeValidator(_address), Expect(_ADDRESS)] = Field(
        default="",
        description='the address of ours that sends them and can be asked about them; "": postmaster@ the default domain',
    )
    report_organization: Annotated[str, Field(max_length=100), Expect("text, at most 100 characters")] = Field(
        default="", description='who reports, in words; "": the hostname'
    )
    keep_received: Duration = Field(
        default=timedelta(days=400),
        ge=timedelta(days=1),
        description="how long reports of others are kept that come to a route dmarc-reports:",
    )
