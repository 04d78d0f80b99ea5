# SPDX-License-Identifier: Apache-2.0
"""The settings of what happens to mail that was accepted: see `config.py`."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from genkan import config_values as values
from genkan.config_types import KB, MB, SECOND, Count, Duration, Durations, OptionalPath, Size, Switch, Table
from genkan.config_values import Expect, ListenAddress

_DAY = timedelta(days=1)


class Delivery(Table):
    """Where accepted mail goes."""

    maildir: Annotated[str, BeforeValidator(values.parse_maildir_template), Expect("a path with {local_part}")] = Field(
        default="mail/{domain}/{local_part}", description="Maildir of an account"
    )
    handoff: OptionalPath = Field(
        default=None, description='folder "incoming" of an E-POST server that is given all mail instead'
    )
    smarthost: Annotated[str, BeforeValidator(values.parse_smarthost), Expect(values.SMARTHOST)] = Field(
        default="",
        description='host:port for all external mail that no route and no line of gateway.dat names; "": by MX',
    )
    paused: Switch = Field(default=False, description="true: keep everything in the queue")
    retry: Durations = Field(
        default=tuple(timedelta(minutes=minutes) for minutes in (5, 15, 30, 60, 120, 240)),
        min_length=1,
        description="waiting times between attempts; the last repeats",
    )
    expire: Duration = Field(
        default=timedelta(days=5), ge=SECOND, description="age at which mail is given up and the sender is told"
    )
    warn: Duration = Field(
        default=timedelta(hours=4), description="age at which the sender is told that mail is late; 0: not at all"
    )
    retry_permanent: Switch = Field(
        default=False, description="true: try again also what a next hop has refused for good (5yz)"
    )
    returned_size: Size = Field(
        default=50 * KB,
        le=MB,
        description="largest message that a bounce returns whole, if the sender asks for that",
    )
    connections: Count = Field(default=200, ge=1, le=10000, description="connections to next hops, of one worker")
    connections_per_hop: Count = Field(default=10, ge=1, le=1000, description="of these to one next hop")
    recipients_per_transaction: Count = Field(
        default=100, ge=1, le=10000, description="recipients of one message that a next hop is given together"
    )
    messages_per_connection: Count = Field(
        default=1000, ge=1, description="messages over one connection to a next hop, then another one is opened"
    )
    keep_open: Duration = Field(
        default=timedelta(seconds=5),
        le=timedelta(minutes=5),
        description="how long a connection to a next hop waits for more mail",
    )
    connect_timeout: Duration = Field(
        default=timedelta(seconds=30), ge=SECOND, le=_DAY, description="for one address of a next hop"
    )
    reply_timeout: Duration = Field(
        default=timedelta(minutes=5),
        ge=SECOND,
        le=_DAY,
        description="for one reply of a next hop, or one block of content",
    )
    final_timeout: Duration = Field(
        default=timedelta(minutes=10), ge=SECOND, le=_DAY, description="for the reply to the end of the content"
    )
    transaction_timeout: Duration = Field(
        default=timedelta(hours=1),
        ge=SECOND,
        le=_DAY,
        description="for one message to a next hop up to the end of the content, however promptly each reply comes",
    )
    end_timeout: Duration = Field(
        default=timedelta(minutes=1),
        ge=SECOND,
        le=_DAY,
        description="for a webhook's answer, a Python function, a program",
    )
    addresses: Literal["any", "ipv4", "ipv6"] = Field(default="any", description="addresses of next hops that are used")
    source_ipv4: Annotated[str, BeforeValidator(values.parse_source(4)), Expect("an IPv4 address")] = Field(
        default="", description='IPv4 address to connect from; "": as the system chooses'
    )
    source_ipv6: Annotated[str, BeforeValidator(values.parse_source(6)), Expect("an IPv6 address")] = Field(
        default="", description='IPv6 address to connect from; "": as the system chooses'
    )
    tls: Literal["none", "opportunistic", "required", "verified"] = Field(
        default="opportunistic",
        description="TLS to next hops; required: never in clear; verified: and only with a certificate for their name",
    )
    tls_ca: OptionalPath = Field(
        default=None, description="PEM file of authorities instead of the system's, for verified TLS and for webhooks"
    )
    mta_sts: Switch = Field(default=True, description="ask for MTA-STS policies (RFC 8461) and keep to them")
    webhook_format: Literal["multipart", "raw"] = Field(
        default="multipart", description="body of webhooks: envelope and message as parts, or the message alone"
    )
    handlers: OptionalPath = Field(default=None, description="folder with the modules of python: destinations")


class Brake(Table):
    """When mail of an account that suddenly writes to very many outside is held."""

    mode: Literal["learned", "fixed", "off"] = Field(
        default="learned",
        description="external recipients an hour: so many times what the account is used to, a fixed number, no limit",
    )
    minimum: Count = Field(
        default=200, ge=1, description="the fixed number; with learned numbers, what everybody may send anyway"
    )
    factor: Count = Field(default=5, ge=1, le=1000, description="learned: times the highest hour of the last 30 days")


class Lists(Table):
    """Mailing lists."""

    pages: Annotated[str, BeforeValidator(values.parse_base_url), Expect(values.BASE_URL)] = Field(
        default="",
        description='public address of the pages where members unsubscribe with one click (RFC 8058); "": by mail only',
    )


class Admin(Table):
    """Pages that this server shows."""

    address: Annotated[
        ListenAddress | None, BeforeValidator(values.parse_optional_address), Expect(values.LISTEN_ADDRESS)
    ] = Field(
        default=ListenAddress("127.0.0.1", 8025),
        description='IP:port of the pages, for a proxy that speaks HTTPS; "": none; used where lists.pages is set',
    )
