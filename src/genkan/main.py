# SPDX-License-Identifier: Apache-2.0
"""Builds every part from the configuration, starts them, stops them in order."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import signal
import socket
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import uvloop

from genkan.admin.approval_links import SECRET as LINK_SECRET
from genkan.admin.approval_links import Approval, make_link
from genkan.clock import Clock, SystemClock
from genkan.config import Config, ConfigError, ListenAddress, load_config
from genkan.delivery.dispatcher import Dispatcher, Retry
from genkan.delivery.local import maildir_path
from genkan.delivery.mailbox_usage import MailboxUsage
from genkan.delivery.route import Router
from genkan.directory.directory import Directory
from genkan.dns.resolver import Resolver
from genkan.listener.admission import Admission, LocalCount, RemoteCount, SessionLimits, Unlimited
from genkan.listener.door import Door
from genkan.listener.house import House, reception_rules
from genkan.listener.idle import IdleWatch
from genkan.listener.listener import Listener, bind
from genkan.listener.outside import Outside
from genkan.listener.password_pool import PasswordPool
from genkan.listener.refusals import ClientRefusals
from genkan.listener.supervisor import Supervisor
from genkan.listener.tls import CertificateError, Certificates
from genkan.listener.trials import Trials
from genkan.maillog import LogStream, MailLog
from genkan.message.notice import NoticeLinks
from genkan.policy.chain import Chain
from genkan.policy.rulebook import Rulebook
from genkan.product_logs import DayLog, ProductLogs
from genkan.record.files import FOLDER as RECORD
from genkan.record.volumes import Share
from genkan.record.writer import Recorder
from genkan.scanner.clamd import Scanner
from genkan.smtp.extensions import Extensions, announced_keywords
from genkan.smtp.maildata import BareNewline
from genkan.smtp.reply import Wordbook
from genkan.smtp.session import SessionRules
from genkan.spool.message_ids import MessageIds
from genkan.spool.reading import spool_folders
from genkan.spool.spool import Spool, SpoolLimits
from genkan.storage.engine import StorageError
from genkan.storage.lock import lock_folder

if TYPE_CHECKING:
    from genkan.config import Listener as ListenerSettings
    from genkan.directory.accounts import Account
    from genkan.spool.hold import Hold
    from genkan.spool.settling import Settled

_FIXED: Final = ("workers", "storage", "listener", "directory", "spool", "delivery", "dns", "record", "log")
_FIXED_LIMITS: Final = (
    *("sessions", "sessions_per_client", "connections_per_client", "connection_window"),
    *("idle", "shutdown"),
)
_OPEN_FILES: Final = 1_048_576


class Worker:
    """One process's share of the server: its listeners, its spool, its deliveries."""

    def __init__(self, config: Config, number: int, sockets: list[socket.socket], clock: Clock) -> None:
        """`sockets` are one listening socket for each listener of the configuration; `number` counts from 1."""
        self.config = config
        self.number = number
        self.clock = clock
        self.listeners: list[Listener] = []
        self._sockets = sockets
        self._spools: list[Spool] = []
        self._dispatchers: list[Dispatcher] = []
        self._usage = MailboxUsage()

    async def start(self, admission: Admission, log_descriptor: int = 1) -> None:
        """Open the storage, deliver what is there, then accept. Raises `StorageError`, `CertificateError`, `OSError`."""
        config, loop = self.config, asyncio.get_running_loop()
        self.loop = loop
        self.log = MailLog(LogStream(log_descriptor, loop), self.clock)
        self.directory = Directory.open(
            config.storage_folder, subaddress_delimiter=config.directory.subaddress_delimiter
        )
        self._certificates = _certificates(config)
        for spool in self._spool_numbers():
            self._open_spool(spool)
        self._passwords = PasswordPool(loop)
        self._resolver_of: dict[str, Resolver] = {}
        self._product_logs = self._open_product_logs()
        self._refusals = ClientRefusals(config.storage_folder, loop, self.log)
        self._recorder = self._open_record()
        self.message_ids = MessageIds(self._take_block, loop)
        self.message_ids.prepare()
        self.idle = IdleWatch(config.limits.idle.total_seconds(), self.clock, loop)
        for settings, sock in zip(config.listener, self._sockets, strict=True):
            door = Door(self._house(config), self._rules(config, settings), settings.role, admission, self.idle)
            door.certificates = None if self._certificates is None else self._certificates.context
            self.listeners.append(Listener(settings, sock, door, loop))
        for listener in self.listeners:
            await listener.start()
        self.log.server("worker started", worker=self.number, pid=os.getpid())

    def _spool_numbers(self) -> list[int]:
        """Our own spool, and those of workers that the configuration has no more."""
        left = [int(folder.name) for folder in spool_folders(self.config.storage_folder) if folder.name.isdecimal()]
        workers = self.config.workers
        orphans = [number for number in left if number > workers and (number - 1) % workers + 1 == self.number]
        return [self.number, *sorted(orphans)]

    def _open_spool(self, number: int) -> None:
        config = self.config
        limits = SpoolLimits(config.spool.inline_size, config.spool.segment_size, config.spool.buffer)
        spool = Spool(config.storage_folder / "spool" / str(number), limits, self.loop)
        self._spools.append(spool)
        if config.delivery.paused:
            return
        handoff = config.delivery.handoff
        folder = None if handoff is None else config.path(handoff)
        router = Router(self.directory, config.delivery.maildir, config.home, folder)
        retry = Retry(config.delivery.retry, config.delivery.expire)
        dispatcher = Dispatcher(spool, router, retry, config.hostname, self.log, self.clock)
        dispatcher.when_settled = self._settled
        self._dispatchers.append(dispatcher)
        dispatcher.start()

    def _take_block(self, count: int) -> range:
        """On any thread: a block of message numbers, through a connection of its own."""
        with Directory.open(self.config.storage_folder) as directory:
            return directory.next_message_ids(count)

    def _house(self, config: Config) -> House:
        outside = Outside(self.clock, self._mailbox_usage, self._resolvers)
        rulebook = Rulebook(self.directory.documents.current)
        scanner = config.filter.scanner
        return House(
            hostname=config.hostname,
            banner=config.banner,
            wordbook=Wordbook(config.replies),
            directory=self.directory,
            chain=Chain(config, self.directory, rulebook, outside),
            trials=Trials(config, self.directory),
            spool=self._spools[0],
            message_ids=self.message_ids,
            log=self.log,
            product_logs=self._product_logs,
            clock=self.clock,
            passwords=self._passwords,
            loop=self.loop,
            rules=reception_rules(config),
            recorder=self._recorder,
            scanner=Scanner(scanner, config.filter.scanner_timeout, self.loop) if scanner else None,
            refuse_client=self._refusals.refuse,
            links=self._links if config.approval.url else None,
        )

    def _open_record(self) -> Recorder | None:
        record = self.config.record
        if not record.enabled:
            return None
        share = Share(self.number, self.config.workers, record.age, record.size)
        return Recorder(self.config.storage_folder / RECORD, share, self.clock, self.log, self.loop)

    def _open_product_logs(self) -> ProductLogs:
        logs = [
            None
            if folder is None
            else DayLog(
                self.config.path(folder),
                self.loop,
                lambda error: self.log.server("a product log cannot be written", error=error),
            )
            for folder in (self.config.log.acceptlog, self.config.log.inlog)
        ]
        return ProductLogs(self.config.hostname, self.clock, *logs)

    def _links(self, message_id: str, hold: Hold, approver: str) -> NoticeLinks:
        """The links with which an approver decides (setting `approval.url`)."""
        url, secret = self.config.approval.url, self.directory.secret(LINK_SECRET)
        approve = Approval(message_id, approver, "approve", hold.deadline)
        return NoticeLinks(make_link(url, approve, secret), make_link(url, replace(approve, verdict="reject"), secret))

    def _settled(self, settled: Settled) -> None:
        """The audit trail has what people decided already; what a deadline decided for them is noted here."""
        if not settled.by and settled.kind == "approval":
            now, detail = self.clock.now(), f"{settled.rule}: {settled.reason}"
            self.directory.audit.add(now, "deadline", settled.verdict, settled.message_id, detail)

    def _resolvers(self, server: str) -> Resolver:
        """The resolver for a name server that a rule names, "" for those of the setting `dns.servers`."""
        resolver = self._resolver_of.get(server)
        if resolver is None:
            dns = self.config.dns
            servers = (ListenAddress(server, 53),) if server else dns.servers
            resolver = self._resolver_of[server] = Resolver(servers, dns.timeout, self.clock)
        return resolver

    def _rules(self, config: Config, settings: ListenerSettings) -> SessionRules:
        limits, auth_on = config.limits, config.auth.mode == "on"
        refuse = config.smtp.bare_newline == "refuse" or (
            config.smtp.bare_newline == "auto" and settings.role == "smtp"
        )
        return SessionRules(
            wordbook=Wordbook(config.replies),
            hostname=config.hostname,
            banner=config.banner,
            extensions=Extensions(
                keywords=announced_keywords(config.smtp.extensions, config.replies),
                starttls=self._certificates is not None,
                mechanisms=config.auth.mechanisms if auth_on else (),
                plaintext_always=config.auth.plaintext == "always",
                message_size=limits.message_size,
            ),
            auth_enabled=auth_on,
            vrfy=config.smtp.vrfy,
            bare_newline=BareNewline.REFUSE if refuse else BareNewline.NORMALISE,
            command_line=limits.command_line,
            text_line=limits.text_line,
            bad_commands=limits.commands,
        )

    async def _mailbox_usage(self, account: Account) -> int:
        maildir = maildir_path(self.config.delivery.maildir, self.config.home, account.address)
        return await self.loop.run_in_executor(None, self._usage.usage, maildir)

    def reload(self) -> None:
        """Read configuration and certificates again, for the connections to come; listeners and storage stay."""
        try:
            config = load_config(self.config.file)
            if self._certificates is not None:
                self._certificates.reload()
        except (ConfigError, CertificateError) as error:
            self.log.server("reload refused, everything stays as it was", error=str(error))
            return
        for listener in self.listeners:
            listener.door.renew(self._house(config), self._rules(config, listener.settings))
        self.log.server("reloaded", worker=self.number, needs_restart=self._fixed_at_start(config))

    def _fixed_at_start(self, config: Config) -> list[str]:
        """The changed settings that a reload does not reach."""
        tables = [name for name in _FIXED if getattr(config, name) != getattr(self.config, name)]
        limits = [name for name in _FIXED_LIMITS if getattr(config.limits, name) != getattr(self.config.limits, name)]
        return tables + [f"limits.{name}" for name in limits]

    async def stop(self) -> None:
        """End in order: no new connections, open transactions, deliveries, spools, directory."""
        self.log.server("worker stopping", worker=self.number)
        for listener in self.listeners:
            listener.stop()
        deadline = self.loop.time() + self.config.limits.shutdown.total_seconds()
        while self._open_connections() and self.loop.time() < deadline:  # noqa: ASYNC110  (once in a life, for seconds)
            await asyncio.sleep(0.05)
        for listener in self.listeners:
            for connection in list(listener.door.connections):
                connection.abandon()
        await asyncio.sleep(0)
        self._passwords.close()
        for dispatcher in self._dispatchers:
            await dispatcher.stop()
        for spool in self._spools:
            spool.close()
        self._refusals.close()
        if self._recorder is not None:
            self._recorder.close()
        self._product_logs.drain()
        self.directory.close()
        self.log.server("worker stopped", worker=self.number)
        self.log.drain()

    def _open_connections(self) -> bool:
        return any(listener.door.connections for listener in self.listeners)


def _certificates(config: Config) -> Certificates | None:
    if config.tls.certificate is None or config.tls.key is None:
        return None
    return Certificates(config.path(config.tls.certificate), config.path(config.tls.key))


def serve(config: Config) -> int:
    """Serve until SIGTERM or SIGINT; the exit status. Errors at the start are printed, each with what to do."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until it can be obeyed: what is starting reads everything anyway
    _raise_open_files()
    try:
        lock = lock_folder(config.storage_folder)
        try:
            _certificates(config)  # worth an error now, not one from each worker
            Directory.open(config.storage_folder).close()  # made and migrated before the workers race for it
            return uvloop.run(_serve_alone(config) if config.workers == 1 else _supervise(config))
        finally:
            os.close(lock)
    except (StorageError, CertificateError, OSError) as error:
        print(f"genkan: {_explained(error, config)}", file=sys.stderr)  # noqa: T201
        return 1


async def _serve_alone(config: Config) -> int:
    limits, clock = SessionLimits.of(config), SystemClock()
    admission = Unlimited() if limits.unlimited else LocalCount(limits, clock.monotonic)
    sockets = [bind(settings.address, shared=False) for settings in config.listener]
    await _run_worker(Worker(config, 1, sockets, clock), admission, asyncio.Event())
    return 0


async def _supervise(config: Config) -> int:
    loop, clock = asyncio.get_running_loop(), SystemClock()
    log = MailLog(LogStream(1, loop), clock)
    status = await Supervisor(config, log, clock).run()
    log.drain()
    return status


async def _serve_supervised(config: Config, number: int, lifeline: socket.socket, sockets: list[socket.socket]) -> None:
    """A worker under a supervisor. `lifeline` carries the count of sessions; when it closes, the supervisor is dead."""
    limits = SessionLimits.of(config)
    stop = asyncio.Event()
    remote = RemoteCount(lifeline, asyncio.get_running_loop(), stop.set)
    await _run_worker(Worker(config, number, sockets, SystemClock()), Unlimited() if limits.unlimited else remote, stop)


async def _run_worker(worker: Worker, admission: Admission, stop: asyncio.Event) -> None:
    """Start a worker, serve until SIGTERM, SIGINT or `stop`, end in order."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await worker.start(admission)
    _calm_collector()
    loop.add_signal_handler(signal.SIGHUP, worker.reload)
    await stop.wait()
    await worker.stop()


def _calm_collector() -> None:
    """Nothing on a message's way makes reference cycles: look for garbage rarely, and never at what was there at the start."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _raise_open_files() -> None:
    """As many connections as the system allows; the soft limit of 1024 is meant for select(2)."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _explained(error: Exception, config: Config) -> str:
    if isinstance(error, OSError) and not isinstance(error, StorageError):
        addresses = ", ".join(str(settings.address) for settings in config.listener)
        return f"{error}; the listeners are {addresses}, the storage is {config.storage_folder}"
    return str(error)


def _worker_main(file: str, number: str, lifeline: str, *listening: str) -> int:
    """What the supervisor starts: the configuration file, the worker's number, and inherited sockets."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        config = load_config(Path(file))
    except ConfigError as error:
        return _fail(number, str(error))
    if len(config.listener) != len(listening):
        return _fail(number, f"{file}: its listeners are not those of the start, restart the server")
    sockets = [socket.socket(fileno=int(descriptor)) for descriptor in (lifeline, *listening)]
    for sock in sockets:
        sock.setblocking(False)  # noqa: FBT003
    try:
        uvloop.run(_serve_supervised(config, int(number), sockets[0], sockets[1:]))
    except (StorageError, CertificateError, OSError) as error:
        return _fail(number, _explained(error, config))
    return 0


def _fail(number: str, reason: str) -> int:
    print(f"genkan: worker {number}: {reason}", file=sys.stderr)  # noqa: T201
    return 1


if __name__ == "__main__":
    sys.exit(_worker_main(*sys.argv[1:]))
