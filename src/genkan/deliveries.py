# SPDX-License-Identifier: Apache-2.0
"""Builds the delivery side of one worker from the configuration: routes, ways out, and a dispatcher for each spool."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from genkan.delivery.attempts import Attempts
from genkan.delivery.batches import Batches
from genkan.delivery.brake import Brake, BrakeNotices
from genkan.delivery.client_tls import ClientContexts
from genkan.delivery.dispatcher import Dispatcher
from genkan.delivery.dmarc_desk import DeskSettings, ReportDesk
from genkan.delivery.dmarc_reader import ReaderSettings, ReportsOpener
from genkan.delivery.dmarc_reports import DmarcReports
from genkan.delivery.errands import Errands, ErrandSettings
from genkan.delivery.hop import HopLimits, Hops
from genkan.delivery.mx import OwnNames
from genkan.delivery.reporting import Reporter, Retry
from genkan.delivery.route import Router, RouterSettings
from genkan.delivery.smtp_carrier import Patience
from genkan.delivery.smtp_opener import SmtpWorld
from genkan.delivery.sts import StsPolicies
from genkan.delivery.sts_fetch import PolicyFetcher
from genkan.delivery.sts_store import DirectoryPolicies
from genkan.delivery.ways import WayLimits, Ways
from genkan.directory.brakes import BrakeNumbers
from genkan.directory.rewritten_paths import SECRET as REWRITING_SECRET
from genkan.opening import open_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from genkan.clock import Clock
    from genkan.config import Config
    from genkan.delivery.consignment import Consignment
    from genkan.delivery.outcome import Outcome
    from genkan.directory.directory import Directory
    from genkan.dkim.key_pair import KeyFileError
    from genkan.dkim.message_signer import StoredKey
    from genkan.dns.resolver import Resolver
    from genkan.maillog import MailLog
    from genkan.spool.queue import Leased, Queue
    from genkan.spool.settling import Settled


class Deliveries:
    """Delivers from the spools of one worker. Lives on the event loop."""

    def __init__(
        self,
        config: Config,
        directory: Directory,
        resolver: Resolver,
        next_id: Callable[[], str],
        log: MailLog,
        clock: Clock,
    ) -> None:
        """`next_id` gives message ids. Raises `AuthorityError` when the file `delivery.tls_ca` cannot be used."""
        self._config = config
        self._directory = directory
        self._next_id = next_id
        self._log = log
        self._clock = clock
        self._resolver = resolver
        self._dispatchers: list[Dispatcher] = []
        settings = config.delivery
        world = _smtp_world(config, directory, resolver, log, clock)
        limits = WayLimits(
            connections=settings.connections_per_hop,
            together=settings.recipients_per_transaction,
            tls=settings.tls,
            timeout=settings.end_timeout,
            webhook=settings.webhook_format,
            folder=config.home,
        )
        reading = ReaderSettings(config.hostname, config.dmarc.keep_received)
        reader = ReportsOpener(lambda: open_directory(config), reading, clock)
        self._router = Router(
            directory,
            RouterSettings(settings.maildir, config.home, _path(config, settings.handoff), settings.smarthost),
            Ways(directory, world, limits, reader),
        )
        directory.secret(REWRITING_SECRET)  # made now if it is missing, since that waits for the disk
        self._brake = _brake(config, directory, next_id, log, clock)
        if settings.handlers is not None:
            sys.path.insert(0, str(config.path(settings.handlers)))

    def add(self, queue: Queue, when_settled: Callable[[Settled], None]) -> Dispatcher:
        """A dispatcher for a spool, to be started."""
        config, log, clock = self._config, self._log, self._clock
        settings = config.delivery
        attempts: Attempts

        def told(outcomes: list[tuple[Leased, Outcome]]) -> None:
            attempts.told(outcomes)

        def carried(consignment: Consignment, outcomes: Sequence[Outcome]) -> None:
            attempts.carried(consignment, outcomes)

        batches = Batches(queue.folder, config.hostname, log, told)
        hops = Hops(HopLimits(settings.connections, settings.keep_open.total_seconds()), carried, log, clock)
        errands = Errands(
            lambda: open_directory(config),
            ErrandSettings(config.hostname, config.lists.pages, config.limits.hops),
            batches,
            self._next_id,
            clock,
        )
        attempts = Attempts(self._router, batches, hops, errands, self._brake, log)
        retry = Retry(settings.retry, settings.expire, settings.warn, settings.retry_permanent, settings.returned_size)
        reporter = Reporter(config.hostname, retry, batches, self._next_id, log, clock)
        dispatcher = Dispatcher(queue, attempts, reporter, log, clock)
        dispatcher.when_settled = when_settled
        self._dispatchers.append(dispatcher)
        return dispatcher

    def reports(self, queue: Queue) -> DmarcReports:
        """Who sends DMARC reports through this queue, to be started."""
        config, log, loop = self._config, self._log, asyncio.get_running_loop()

        def unusable(key: StoredKey, error: KeyFileError) -> None:
            details = {"domain": key.domain, "selector": key.selector, "error": str(error)}
            loop.call_soon_threadsafe(lambda: log.server("a key cannot be signed with", **details))

        dmarc = config.dmarc
        settings = DeskSettings(config.hostname, dmarc.report_from, dmarc.report_organization, config.dkim.sign)
        desk = ReportDesk(lambda: open_directory(config), settings, unusable)
        return DmarcReports(queue, desk, self._resolver, self._next_id, log, self._clock)

    async def stop(self) -> None:
        """Begin nothing more; what is under way may end within `limits.shutdown`."""
        patience = self._config.limits.shutdown.total_seconds()
        for dispatcher in self._dispatchers:
            await dispatcher.stop(patience)
        self._brake.close()


def _smtp_world(config: Config, directory: Directory, resolver: Resolver, log: MailLog, clock: Clock) -> SmtpWorld:
    settings = config.delivery
    contexts = ClientContexts(_path(config, settings.tls_ca))
    policies = StsPolicies(
        resolver,
        PolicyFetcher(resolver, contexts("verified")),
        clock,
        DirectoryPolicies(directory, lambda: open_directory(config)),
        lambda domain, reason: log.server("MTA-STS policy not fetched", domain=domain, reason=reason),
    )
    places = frozenset((listener.address.host, listener.address.port) for listener in config.listener)
    return SmtpWorld(
        hostname=config.hostname,
        resolver=resolver,
        own=OwnNames(frozenset({config.hostname.lower()}), places),
        contexts=contexts,
        policies=policies if settings.mta_sts else None,
        trusted_dns=config.dns.trusted,
        families=settings.addresses,
        sources={4: settings.source_ipv4, 6: settings.source_ipv6},
        connect=settings.connect_timeout.total_seconds(),
        patience=Patience(
            settings.reply_timeout.total_seconds(),
            settings.final_timeout.total_seconds(),
            settings.transaction_timeout.total_seconds(),
        ),
        messages=settings.messages_per_connection,
        clock=clock,
    )


def _path(config: Config, path: Path | None) -> Path | None:
    return None if path is None else config.path(path)


def _brake(config: Config, directory: Directory, next_id: Callable[[], str], log: MailLog, clock: Clock) -> Brake:
    settings = config.brake
    return Brake(
        directory,
        lambda: open_directory(config),
        None if settings.mode == "off" else BrakeNumbers(settings.mode, settings.minimum, settings.factor),
        BrakeNotices(directory, config.hostname, next_id),
        log,
        clock,
    )
