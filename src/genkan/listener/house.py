# SPDX-License-Identifier: Apache-2.0
"""What all connections of a worker share: the parts they ask, and the settings they go by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from datetime import timedelta

    from genkan.clock import Clock
    from genkan.config import Config
    from genkan.directory.directory import Directory
    from genkan.listener.client_name import ClientNames
    from genkan.listener.dmarc_tally import DmarcTally
    from genkan.listener.password_pool import PasswordPool
    from genkan.listener.signing import Signing
    from genkan.listener.trials import Trials
    from genkan.maillog import MailLog
    from genkan.message.notice import NoticeLinks
    from genkan.policy.chain import Chain
    from genkan.product_logs import ProductLogs
    from genkan.record.writer import Recorder
    from genkan.scanner.clamd import Scanner
    from genkan.smtp.reply import Wordbook
    from genkan.spool.hold import Hold
    from genkan.spool.message_ids import MessageIds
    from genkan.spool.spool import Spool


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings that a reception goes by."""

    lockout_failures: int
    lockout_time: timedelta
    connection_lockout: timedelta
    unknown_recipients: int
    transaction_time: float  # seconds
    text_size: int
    header_size: int
    kept_header: int
    hold_deadline: timedelta
    hold_verdict: str
    quarantine: timedelta
    notify: bool


def reception_rules(config: Config) -> Rules:
    """What the configuration says of it."""
    limits, approval = config.limits, config.approval
    return Rules(
        lockout_failures=config.auth.lockout_failures,
        lockout_time=config.auth.lockout_time,
        connection_lockout=limits.connection_lockout,
        unknown_recipients=limits.unknown_recipients,
        transaction_time=limits.transaction_time.total_seconds(),
        text_size=config.filter.text_size,
        header_size=limits.header_size,
        kept_header=config.record.header_size if config.record.enabled else 0,
        hold_deadline=approval.deadline,
        hold_verdict=approval.verdict,
        quarantine=approval.quarantine,
        notify=approval.notify,
    )


@dataclass(frozen=True, slots=True)
class House:
    """What all connections of a worker share. `recorder` is `None` where no record is kept, `scanner` where none is set.

    `signing` is `None` where nothing is signed. `refuse_client` writes a client's line into effect.dat; `links` are those of an
    approver, where a page has been set for them.
    """

    hostname: str
    banner: str
    wordbook: Wordbook
    directory: Directory
    chain: Chain
    trials: Trials
    spool: Spool
    message_ids: MessageIds
    log: MailLog
    product_logs: ProductLogs
    clock: Clock
    passwords: PasswordPool
    loop: asyncio.AbstractEventLoop
    rules: Rules
    names: ClientNames
    recorder: Recorder | None
    scanner: Scanner | None
    signing: Signing | None
    dmarc_tally: DmarcTally
    refuse_client: Callable[[str], None]
    links: Callable[[str, Hold, str], NoticeLinks] | None
