# SPDX-License-Identifier: Apache-2.0
"""One worker: builds its parts from the configuration, starts them, stops them in order."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal

from genkan.admin.approval_links import SECRET as LINK_SECRET
from genkan.admin.approval_links import Approval, make_link
from genkan.config import Config, ConfigError, load_config
from genkan.config_restart import needs_restart
from genkan.deliveries import Deliveries
from genkan.delivery.local import maildir_path
from genkan.delivery.mailbox_usage import MailboxUsage
from genkan.dns.resolvers import Resolvers
from genkan.findings import Level
from genkan.listener.client_name import ClientNames
from genkan.listener.dmarc_tally import DmarcTally
from genkan.listener.door import Door
from genkan.listener.greylist import Greylist, GreyTimes
from genkan.listener.house import House, reception_rules
from genkan.listener.idle import IdleWatch
from genkan.listener.late_writes import LateWrites
from genkan.listener.listener import Listener
from genkan.listener.password_pool import PasswordPool
from genkan.listener.refusals import ClientRefusals
from genkan.listener.signing import Signing
from genkan.listener.tls import CertificateError, Certificates
from genkan.listener.trials import Trials
from genkan.maillog import LogStream, MailLog
from genkan.message.notice import NoticeLinks
from genkan.opening import open_directory
from genkan.policy.chain import Chain
from genkan.policy.outside import Outside
from genkan.policy.replay import Replay
from genkan.policy.rulebook import Rulebook
from genkan.product_logs import DayLog, ProductLogs
from genkan.record.files import FOLDER as RECORD
from genkan.record.volumes import Share
from genkan.record.writer import Recorder
from genkan.rules.effect import EffectRules
from genkan.rules.effect_findings import effect_findings
from genkan.scanner.clamd import Scanner
from genkan.session_settings import session_rules
from genkan.smtp.reply import Wordbook
from genkan.spool.deciding import Changes
from genkan.spool.foreign import ForeignSpool
from genkan.spool.message_ids import MessageIds
from genkan.spool.reading import last_message_number, spool_folders
from genkan.spool.spool import Spool, SpoolLimits
from genkan.spool.watch import SegmentWatch
from genkan.web.app import make_app, serving

if TYPE_CHECKING:
    import socket

    from genkan.clock import Clock
    from genkan.delivery.dmarc_reports import DmarcReports
    from genkan.directory.accounts import Account
    from genkan.listener.admission import Admission
    from genkan.policy.facts import Role
    from genkan.rules.document import Document
    from genkan.rules.kinds import Ruleset
    from genkan.smtp.session_rules import SessionRules
    from genkan.spool.hold import Hold
    from genkan.spool.settling import Settled

ServerRole = Literal["all", "receive", "deliver"]

_MOST_FINDINGS: Final = 20  # of one text, in the log; `genkan rules check` has them all


class Worker:
    """One process's share of the server: its listeners, its spool, its deliveries."""

    def __init__(
        self, config: Config, number: int, sockets: list[socket.socket], clock: Clock, role: ServerRole = "all"
    ) -> None:
        """`sockets` are one listening socket for each listener of the configuration; `number` counts from 1.

        With the `role` "receive" it delivers nothing, with "deliver" it listens nowhere.
        """
        self.config = config
        self.number = number
        self.clock = clock
        self.role = role
        self.listeners: list[Listener] = []
        self._sockets = sockets
        self._spools: list[Spool] = []
        self._foreign: list[ForeignSpool] = []
        self._watches: list[SegmentWatch] = []
        self.reports: DmarcReports | None = None
        self._usage = MailboxUsage()
        self._pages = AsyncExitStack()

    async def start(self, admission: Admission, log_descriptor: int = 1) -> None:
        """Open the storage, deliver what is there, then accept.

        Raises `StorageError`, `CertificateError`, `AuthorityError`, `OSError`.
        """
        config, loop = self.config, asyncio.get_running_loop()
        self.loop = loop
        self.log = MailLog(LogStream(log_descriptor, loop), self.clock)
        self.directory = open_directory(config)
        self.message_ids = MessageIds(self._take_block, loop)
        self._resolvers = Resolvers(config.dns.servers, config.dns.timeout, self.clock, self._tell_of_dns)
        self._deliveries = Deliveries(
            config, self.directory, self._resolvers(), self.message_ids.next, self.log, self.clock
        )
        for number in self._spool_numbers():
            self._open_spool(number)
        self._avoid_numbers_in_use()
        self.message_ids.prepare()
        self._start_reports()
        if self.role != "deliver":
            self._prepare_reception(admission)
        for listener in self.listeners:
            await listener.start()
        await self._show_pages()
        self.log.server("worker started", worker=self.number, pid=os.getpid(), role=self.role)

    def _prepare_reception(self, admission: Admission) -> None:
        """Everything that listeners need, and the listeners."""
        config, loop = self.config, self.loop
        self._certificates = open_certificates(config)
        self._passwords = PasswordPool(loop)
        self._product_logs = self._open_product_logs()
        self._late_writes = LateWrites(lambda: open_directory(config), loop, self.log)
        self._refusals = ClientRefusals(self._late_writes)
        self._greylist = Greylist(self.directory.grey, self._late_writes, GreyTimes.of(config.spf), self.clock)
        self._dmarc_tally = DmarcTally(self._late_writes, config.dmarc.keep, self.clock)
        self._recorder = self._open_record()
        documents = self.directory.documents
        self._rulebook = Rulebook(documents.current, self.directory.new_cache(), self._rules_parsed)
        self._rulebook_on_trial = Rulebook(documents.on_trial, self.directory.new_cache())
        self.idle = IdleWatch(config.limits.idle.total_seconds(), self.clock, loop)
        for settings, sock in zip(config.listener, self._sockets, strict=True):
            rules = self._session_rules(config, settings.role)
            door = Door(self._house(config), rules, settings.role, admission, self.idle)
            door.certificates = None if self._certificates is None else self._certificates.context
            self.listeners.append(Listener(settings, sock, door, loop))

    async def _show_pages(self) -> None:
        """The pages of mailing lists, shown by the first worker of a server that receives."""
        config = self.config
        address = config.admin.address
        if not config.lists.pages or address is None or self.number != 1 or self.role == "deliver":
            return
        app = make_app(
            lambda: open_directory(config),
            lambda mailing_list, member: self.log.server("left a list", list=mailing_list, member=member),
        )
        await self._pages.enter_async_context(serving(app, address.host, address.port))

    def _spool_numbers(self) -> list[int]:
        """Our own spool, and those of workers that the configuration has no more."""
        left = [int(folder.name) for folder in spool_folders(self.config.storage_folder) if folder.name.isdecimal()]
        workers = self.config.workers
        orphans = [number for number in left if number > workers and (number - 1) % workers + 1 == self.number]
        return [self.number, *sorted(orphans)]

    def _open_spool(self, number: int) -> None:
        config, folder = self.config, self.config.storage_folder / "spool" / str(number)
        delivers = self.role != "receive" and not config.delivery.paused
        if self.role == "deliver":
            foreign = ForeignSpool(folder, self.loop)
            self._foreign.append(foreign)
            if delivers:
                self._deliveries.add(foreign, self._settled).start(Changes(folder, of_everybody=True))
            return
        limits = SpoolLimits(config.spool.inline_size, config.spool.segment_size, config.spool.buffer)
        spool = Spool(folder, limits, self.loop, delivers=self.role == "all")
        self._spools.append(spool)
        self._watches.append(SegmentWatch(spool, self.loop))
        if delivers:
            self._deliveries.add(spool, self._settled).start(Changes(folder))

    def _start_reports(self) -> None:
        """DMARC reports are sent by the first worker of a server that delivers."""
        if self.config.dmarc.reports and self.number == 1 and self.role != "receive":
            queue = (self._spools or self._foreign)[0]
            self.reports = self._deliveries.reports(queue)
            self.reports.start(self.config.hostname)

    def _avoid_numbers_in_use(self) -> None:
        """A directory that was restored from a backup must not give out the ids of what is queued."""
        folders = [*(spool.folder for spool in self._spools), *(spool.folder for spool in self._foreign)]
        self.directory.raise_message_numbers(max(map(last_message_number, folders), default=0) + 1)

    def _take_block(self, count: int) -> range:
        """On any thread: a block of message numbers, through a connection of its own."""
        with open_directory(self.config) as directory:
            return directory.next_message_ids(count)

    def _house(self, config: Config) -> House:
        self._greylist.times = GreyTimes.of(config.spf)
        outside = Outside(self.clock, self._mailbox_usage, self._resolvers, self._greylist.is_patient)
        scanner = config.filter.scanner
        return House(
            hostname=config.hostname,
            banner=config.banner,
            wordbook=Wordbook(config.replies),
            directory=self.directory,
            chain=Chain(config, self.directory, self._rulebook, outside),
            trials=self._trials(config),
            spool=self._spools[0],
            message_ids=self.message_ids,
            log=self.log,
            product_logs=self._product_logs,
            clock=self.clock,
            passwords=self._passwords,
            loop=self.loop,
            rules=reception_rules(config),
            names=ClientNames(self._resolvers() if self.config.dns.reverse else None, config.spf.exempt, self.loop),
            recorder=self._recorder,
            scanner=Scanner(scanner, config.filter.scanner_timeout, self.loop) if scanner else None,
            signing=Signing(self.directory, self.log) if config.dkim.sign else None,
            dmarc_tally=self._dmarc_tally,
            refuse_client=self._refusals.refuse,
            links=self._links if config.approval.url else None,
        )

    def _trials(self, config: Config) -> Trials:
        in_force = Replay(config, self.directory, self._rulebook)
        on_trial = Replay(config, self.directory, self._rulebook_on_trial)
        return Trials(self.directory.documents, in_force, on_trial, self.log)

    def _open_record(self) -> Recorder | None:
        record = self.config.record
        if not record.enabled:
            return None
        share = Share(self.number, self.config.workers, record.age, record.size)
        return Recorder(self.config.storage_folder / RECORD, share, self.clock, self.log, self.loop)

    def _tell_of_dns(self, server: str, why: str) -> None:
        named = {"server": server} if server else {}
        if why:
            self.log.server("the DNS does not answer", **named, reason=why)
        else:
            self.log.server("the DNS answers again", **named)

    def _rules_parsed(self, document: Document, rules: Ruleset) -> None:
        """A text has come into force: what is wrong or dangerous in it is said in the log."""
        found = [*rules.findings]
        if isinstance(rules, EffectRules):
            found += effect_findings(rules, self.directory.domains.list())
        for finding in [finding for finding in found if finding.level is not Level.NOTE][:_MOST_FINDINGS]:
            self.log.server("rule document", revision=document.revision, finding=str(finding))

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

    def _session_rules(self, config: Config, role: Role) -> SessionRules:
        return session_rules(config, role, starttls=self._certificates is not None)

    async def _mailbox_usage(self, account: Account) -> int:
        maildir = maildir_path(self.config.delivery.maildir, self.config.home, account.address)
        return await self.loop.run_in_executor(None, self._usage.usage, maildir)

    def reload(self) -> None:
        """Read configuration and certificates again, for the connections to come; listeners and storage stay."""
        if self.role == "deliver":
            self.log.server("reload refused, restart the server to deliver by other settings")
            return
        try:
            config = load_config(self.config.file)
            if self._certificates is not None:
                self._certificates.reload()
        except (ConfigError, CertificateError) as error:
            self.log.server("reload refused, everything stays as it was", error=str(error))
            return
        for listener in self.listeners:
            listener.door.renew(self._house(config), self._session_rules(config, listener.settings.role))
        self.log.server("reloaded", worker=self.number, needs_restart=needs_restart(self.config, config))

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
        if self.role != "deliver":
            self._passwords.close()
        await self._pages.aclose()
        if self.reports is not None:
            await self.reports.stop()
        await self._deliveries.stop()
        opened: tuple[SegmentWatch | Spool | ForeignSpool, ...] = (*self._watches, *self._spools, *self._foreign)
        for one in opened:
            one.close()
        if self.role != "deliver":
            self._end_reception()
        self.directory.close()
        self.log.server("worker stopped", worker=self.number)
        self.log.drain()

    def _end_reception(self) -> None:
        self._late_writes.close()
        if self._recorder is not None:
            self._recorder.close()
        self._product_logs.drain()

    def _open_connections(self) -> bool:
        return any(listener.door.connections for listener in self.listeners)


def open_certificates(config: Config) -> Certificates | None:
    """The certificate that the configuration names, if it names one. Raises `CertificateError`."""
    if config.tls.certificate is None or config.tls.key is None:
        return None
    return Certificates(config.path(config.tls.certificate), config.path(config.tls.key))
