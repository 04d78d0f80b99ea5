# SPDX-License-Identifier: Apache-2.0
"""Opens connections to SMTP and LMTP servers: finds their addresses, greets, starts TLS as sure as it has to be, authenticates.

Addresses are tried in their order until one will have us (RFC 5321, 5.1). Whose the fault is, when none will, is said in
one sentence for each of them.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from genkan.delivery.carrier import HopUnreachable
from genkan.delivery.client_tls import tls_requirement
from genkan.delivery.dane import NO_DANE, authenticates, presented_certificates
from genkan.delivery.dane import tlsa_requirement as dane_of
from genkan.delivery.mx import MxTargets, Target, host_targets, next_hops
from genkan.delivery.outcome import Deferred, Failed, words_of
from genkan.delivery.smtp_carrier import SmtpCarrier
from genkan.delivery.smtp_connection import SmtpConnection
from genkan.smtp.client_auth import auth_dialogue
from genkan.smtp.client_commands import STARTTLS, hello_line
from genkan.smtp.client_extensions import NO_EXTENSIONS, parse_extensions
from genkan.smtp.client_replies import ProtocolError

if TYPE_CHECKING:
    import ssl

    from genkan.clock import Clock
    from genkan.delivery.client_tls import ClientContexts, Requirement, TlsWish
    from genkan.delivery.dane import Dane
    from genkan.delivery.mx import Families, OwnNames
    from genkan.delivery.smtp_carrier import Patience
    from genkan.delivery.sts import StsPolicies, StsPolicy
    from genkan.directory.hops import TlsPolicy
    from genkan.dns.resolver import Resolver
    from genkan.smtp.client_extensions import ServerExtensions
    from genkan.smtp.client_replies import ServerReply

_MOST_TRIED: Final = 8  # addresses, before the mail waits for the next attempt; fewer if they take long to answer
_UNREACHED: Final = "4.4.1"
_TLS_TROUBLE: Final = "4.7.5"
_AUTH_TROUBLE: Final = "4.7.8"
_NOT_NOW: Final = "4.3.2"
_LOOP: Final = "4.4.6"


@dataclass(frozen=True, slots=True)
class SmtpWorld:
    """What is the same for all next hops of a worker. `connect` are seconds for one address, `sources` ours by IP version."""

    hostname: str
    resolver: Resolver
    own: OwnNames
    contexts: ClientContexts
    policies: StsPolicies | None
    trusted_dns: bool
    families: Families
    sources: dict[int, str]
    connect: float
    patience: Patience
    messages: int
    clock: Clock


@dataclass(frozen=True, slots=True)
class SmtpPlan:
    """One next hop: a `domain` by its MX hosts, or one `host` and `port`, or a `socket` of this machine (LMTP).

    `login` with its `password` is ours there; `source` the address to connect from, "" for the usual one.
    """

    domain: str = ""
    host: str = ""
    port: int = 25
    socket: str = ""
    lmtp: bool = False
    tls: TlsPolicy = "opportunistic"
    requiretls: bool = False
    source: str = ""
    login: str = ""
    password: str = field(default="", repr=False)


class _Refused(Exception):
    """The server, or TLS, will not do; the text says why. Caught here."""

    def __init__(self, reason: str, status: str, reply: ServerReply | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.reply = reply


class _Demands(NamedTuple):
    """What must be true of the connection to one address, and the TLSA records that may vouch for it."""

    requirement: Requirement
    dane: Dane


class _NoTls(Exception):
    """The handshake failed, and the connection with it; caught here."""


class SmtpOpener:
    """See `Opener`; two are equal when they do the same."""

    def __init__(self, world: SmtpWorld, plan: SmtpPlan) -> None:
        self._world = world
        self._plan = plan

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SmtpOpener) and self._world is other._world and self._plan == other._plan

    def __hash__(self) -> int:
        return hash(self._plan)

    async def __call__(self) -> SmtpCarrier:
        """See `Opener`."""
        if self._plan.socket:
            here = Target(self._plan.socket, self._plan.socket, 0)
            return await self._first_of(MxTargets((here,)), None)
        found = await self._targets()
        if not isinstance(found, MxTargets):
            raise HopUnreachable(found)
        policies, domain = self._world.policies, self._plan.domain
        sts = await policies.policy_of(domain) if policies is not None and domain else None
        return await self._first_of(found, sts)

    async def _targets(self) -> MxTargets | Deferred | Failed:
        world, plan = self._world, self._plan
        if plan.domain:
            return await next_hops(world.resolver, plan.domain, world.own, families=world.families, port=plan.port)
        found = await host_targets(world.resolver, plan.host, plan.port, world.families)
        if isinstance(found, MxTargets) and world.own.include("", (each.address for each in found.targets), plan.port):
            return Deferred(f"{plan.host} port {plan.port} is this server; correct the route", status=_LOOP)
        return found

    async def _first_of(self, targets: MxTargets, sts: StsPolicy | None) -> SmtpCarrier:
        """The first address that will have us. Raises `HopUnreachable` with what all of them said; it fails if all of them do."""
        outcomes: list[Deferred | Failed] = []
        begun = self._world.clock.monotonic()
        for target in targets.targets[:_MOST_TRIED]:
            try:
                return await self._open(target, await self._demands(targets, target, sts))
            except _Refused as error:
                said = "" if error.reply is None else str(error.reply)
                kind = Failed if error.status.startswith("5") else Deferred
                outcome = kind(str(error), status=error.status, remote=target.host, reply=said)
            except TimeoutError:
                outcome = Deferred("no answer in time", status=_UNREACHED, remote=target.host)
            except (OSError, ProtocolError) as error:
                outcome = Deferred(words_of(error), status=_UNREACHED, remote=target.host)
            outcomes.append(replace(outcome, reason=f"{_place(target)}: {outcome.reason}"))
            if self._world.clock.monotonic() - begun > self._world.patience.reply:
                break  # one address after the other that is silent would keep a connection's room for very long
        last = next((one for one in reversed(outcomes) if isinstance(one, Deferred)), outcomes[-1])
        raise HopUnreachable(replace(last, reason="; ".join(outcome.reason for outcome in outcomes)))

    async def _demands(self, targets: MxTargets, target: Target, sts: StsPolicy | None) -> _Demands:
        world, plan = self._world, self._plan
        dane = NO_DANE
        if not plan.lmtp:
            dane = await dane_of(world.resolver, targets, target, trusted=world.trusted_dns)
        vouched = not plan.domain or (world.trusted_dns and targets.authentic)
        wish: TlsWish = "requiretls" if plan.requiretls else "usual"
        return _Demands(tls_requirement(plan.tls, sts, dane, wish, target.host, vouched=vouched), dane)

    async def _open(self, target: Target, demands: _Demands) -> SmtpCarrier:
        """A connection to this address, ready for mail; in clear when TLS fails where it need not be."""
        requirement = demands.requirement
        if requirement.kind in ("deferred", "failed"):
            raise _Refused(requirement.reason, requirement.status)
        try:
            return await self._greeted(target, demands)
        except _NoTls as error:
            if requirement.kind != "opportunistic":
                reason = f"TLS failed: {error} ({requirement.reason})"
                raise _Refused(reason, _TLS_TROUBLE) from error
        return await self._greeted(target, demands._replace(requirement=requirement._replace(kind="none")))

    async def _greeted(self, target: Target, demands: _Demands) -> SmtpCarrier:
        connection = await self._connect(target)
        try:
            extensions = await self._introduce(connection, target, demands)
        except _Refused:
            await connection.leave()
            raise
        except BaseException:
            connection.abort()
            raise
        plan, world = self._plan, self._world
        server = target.host if plan.socket or target.host == target.address else f"{target.host} [{target.address}]"
        return SmtpCarrier(connection, server, extensions, world.patience, lmtp=plan.lmtp, messages=world.messages)

    async def _connect(self, target: Target) -> SmtpConnection:
        loop, world = asyncio.get_running_loop(), self._world
        async with asyncio.timeout(world.connect):
            if self._plan.socket:
                _, connection = await loop.create_unix_connection(lambda: SmtpConnection(loop), self._plan.socket)
                return connection
            version = 6 if ":" in target.address else 4
            source = self._plan.source or world.sources.get(version, "")
            fits = bool(source) and (":" in source) == (version == 6)
            _, connection = await loop.create_connection(
                lambda: SmtpConnection(loop),
                target.address,
                target.port,
                local_addr=(source, 0) if fits else None,
            )
            return connection

    async def _introduce(self, connection: SmtpConnection, target: Target, demands: _Demands) -> ServerExtensions:
        """Greeting, EHLO, STARTTLS and EHLO again, AUTH (RFC 5321, 3.1 and 3.2; RFC 3207; RFC 4954)."""
        greeting = await connection.reply(self._world.patience.reply)
        if not greeting.accepts:
            raise _Refused(f"greeted us with {greeting}", _NOT_NOW, greeting)
        extensions = await self._hello(connection)
        secure = await self._start_tls(connection, target, demands, extensions)
        if secure:
            extensions = await self._hello(connection)
        if demands.requirement.requiretls and not extensions.requiretls:
            raise _Refused("does not offer REQUIRETLS", "5.7.30")
        if self._plan.login:
            await self._authenticate(connection, extensions, secure=secure)
        return extensions

    async def _hello(self, connection: SmtpConnection) -> ServerExtensions:
        plan, world = self._plan, self._world
        connection.write(hello_line("LHLO" if plan.lmtp else "EHLO", world.hostname))
        reply = await connection.reply(world.patience.reply)
        if reply.accepts:
            return parse_extensions(reply)
        if reply.refuses and not plan.lmtp:
            connection.write(hello_line("HELO", world.hostname))
            reply = await connection.reply(world.patience.reply)
            if reply.accepts:
                return NO_EXTENSIONS
        raise _Refused(f"answered our greeting with {reply}", _NOT_NOW, reply)

    async def _start_tls(
        self, connection: SmtpConnection, target: Target, demands: _Demands, extensions: ServerExtensions
    ) -> bool:
        """TLS as the requirement wants it; whether it is there now."""
        requirement = demands.requirement
        if requirement.kind == "none" or (requirement.kind == "opportunistic" and not extensions.starttls):
            return False
        if not extensions.starttls:
            raise _Refused(f"offers no STARTTLS ({requirement.reason})", _TLS_TROUBLE)
        connection.write(STARTTLS)
        reply = await connection.reply(self._world.patience.reply)
        if not reply.accepts:
            if requirement.kind == "opportunistic":
                return False
            raise _Refused(f"answered STARTTLS with {reply}", _TLS_TROUBLE, reply)
        kind = requirement.kind
        assert kind in ("opportunistic", "required", "verified", "dane")
        try:
            await connection.start_tls(self._world.contexts(kind), target.host, self._world.connect)
        except (OSError, ValueError) as error:  # ValueError: a name that no certificate can have
            raise _NoTls(words_of(error)) from error
        if kind == "dane":
            self._check_dane(connection, target, demands.dane)
        return True

    def _check_dane(self, connection: SmtpConnection, target: Target, dane: Dane) -> None:
        presented = presented_certificates(cast("ssl.SSLObject", connection.peer("ssl_object")))
        names = [name for name in (target.host, self._plan.domain) if name]
        if not authenticates(dane.records, presented, names, self._world.clock.now()):
            raise _Refused(f"no TLSA record of {target.host} is of its certificate", _TLS_TROUBLE)

    async def _authenticate(self, connection: SmtpConnection, extensions: ServerExtensions, *, secure: bool) -> None:
        """Say who we are there; a server that will not have it is the operator's matter, so the mail waits."""
        plan = self._plan
        try:
            dialogue = auth_dialogue(extensions.mechanisms, plan.login, plan.password, tls_active=secure)
        except ValueError as error:
            raise _Refused(str(error), _AUTH_TROUBLE) from error
        if dialogue is None:
            offered = " ".join(extensions.mechanisms) or "none"
            raise _Refused(f"offers no AUTH that we can use here (TLS: {secure}; offered: {offered})", _AUTH_TROUBLE)
        line = dialogue.start()
        while line:
            connection.write(line)
            line = dialogue.receive(await connection.reply(self._world.patience.reply))
        if not dialogue.authenticated:
            raise _Refused(f"did not accept our password for {plan.login}: {dialogue.refusal}", _AUTH_TROUBLE)


def _place(target: Target) -> str:
    if not target.port:
        return target.host
    address = f"[{target.address}]:{target.port}"
    return address if target.host == target.address else f"{target.host} {address}"
