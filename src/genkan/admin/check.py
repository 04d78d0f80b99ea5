# SPDX-License-Identifier: Apache-2.0
"""`genkan check`: what is wrong or dangerous in settings and directory; the machine's part is in `check_machine.py`.

The order of the checks is read in `findings_of` and nowhere else.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from genkan.admin.check_authenticity import check_authenticity
from genkan.admin.check_delivery import check_delivery
from genkan.admin.check_dkim import check_keys
from genkan.admin.check_dmarc import check_reports
from genkan.admin.check_dns import check_name_servers
from genkan.admin.check_machine import (
    SOON,
    check_certificate,
    check_folders,
    check_handoff,
    check_open_files,
    check_ports,
    check_scanner,
    is_folder,
    open_file_limit,
)
from genkan.admin.check_routes import check_routes
from genkan.admin.rule_operations import RuleOperations, relay_settings
from genkan.directory import Directory, Unknown
from genkan.directory.directory import FILE_NAME
from genkan.findings import Finding, Level, error, note, warning
from genkan.opening import open_directory
from genkan.smtp.address import Mailbox
from genkan.spool.reading import list_queued
from genkan.storage.engine import StorageError, StorageOutdated

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from genkan.config import Config

_ANYBODY: Final = "every client there could pretend to come from any address"


def findings_of(config: Config, now: datetime) -> list[Finding]:
    """All findings, in the order of the configuration file; `now` is an aware moment to judge dates by."""
    return [
        *_check_identity(config, now),
        *_check_listeners(config),
        *check_certificate(config, now),
        *check_folders(config),
        *check_handoff(config),
        *check_delivery(config),
        *check_scanner(config),
        *_check_storage(config, now),
        *_check_auth(config),
        *check_authenticity(config),
        *check_open_files(config, open_file_limit()),
        *check_ports(config),
    ]


def _check_identity(config: Config, now: datetime) -> Iterator[Finding]:
    if "." not in config.hostname:
        yield warning("hostname", f"{config.hostname} has no domain: other servers refuse it", "give the full name")
    if config.expires is None:
        return
    if config.expires <= now.date():
        yield error(
            "expires", f"since {config.expires} every client is sent away", "remove the setting or correct its date"
        )
    elif config.expires <= (now + SOON).date():
        yield warning("expires", f"from {config.expires} on every client is sent away", "correct its date in time")


def _check_listeners(config: Config) -> Iterator[Finding]:
    for number, listener in enumerate(config.listener, 1):
        if any(network.prefixlen == 0 for network in listener.proxy_protocol):
            remedy = "name only the addresses of your proxies"
            yield warning(f"listener[{number}].proxy_protocol", _ANYBODY, remedy)
    if all(listener.role != "smtp" for listener in config.listener):
        yield note("listener", "none takes mail from other servers", 'add a [[listener]] with role = "smtp"')


def _check_auth(config: Config) -> Iterator[Finding]:
    auth = config.auth
    outside = [listener for listener in config.listener if not listener.address.is_loopback]
    if auth.mode == "off":
        yield warning("auth.mode", "nobody can authenticate, so no account can send", 'set it to "on"')
    if auth.plaintext == "always" and outside:
        sentence = f"passwords may travel in clear to {outside[0].address}"
        yield warning("auth.plaintext", sentence, 'set it to "tls"')
    if auth.unauthenticated_accounts == "anywhere":
        sentence = "whoever gives the address of an account as reverse-path may send mail anywhere"
        yield warning("auth.unauthenticated_accounts", sentence, 'set it to "nowhere"')
    if auth.lockout_failures == 0:
        yield warning("auth.lockout_failures", "passwords can be tried without end", "set it to 10 or so")
    if auth.sender_trust == 1:
        yield note("auth.sender_trust", "every account may send under any address", "set it to 2 or 3 to stop that")


def _check_storage(config: Config, now: datetime) -> Iterator[Finding]:
    """Databases open and are of this version; then what stands in the directory."""
    storage = config.storage_folder
    if not is_folder(storage) or not os.access(storage, os.X_OK):
        return  # named by check_folders
    if not (storage / FILE_NAME).exists():
        yield error(storage, "holds no directory", "add the first domain: genkan domain add DOMAIN")
        return
    try:
        with open_directory(config) as directory:
            yield from _check_domains(directory, config)
            yield from _check_passwords(directory, config)
            yield from _check_rules(directory, config)
            yield from check_routes(directory, config)
            yield from check_keys(directory, config)
            yield from check_reports(directory, config)
            yield from check_name_servers(directory, config)
        next(list_queued(storage, now), None)
    except StorageOutdated as fault:
        yield note(storage, "is brought to this version when the server starts", f"back it up first ({fault})")
    except StorageError as fault:
        yield error(storage, "cannot be used", str(fault))


def _check_domains(directory: Directory, config: Config) -> Iterator[Finding]:
    domains = directory.domains.list()
    if not domains:
        yield warning("domain", "there is none, so all mail is refused", "add one: genkan domain add DOMAIN")
    if len(domains) > 1 and "{domain}" not in config.delivery.maildir:
        sentence = "accounts of the same name in different domains share one Maildir"
        yield error("delivery.maildir", sentence, "put {domain} into the path")
    for domain in domains:
        # RFC 5321, 4.5.1: mail to postmaster must be accepted.
        if isinstance(directory.resolve(Mailbox("postmaster", domain)), Unknown):
            remedy = f"give it an owner: genkan alias add postmaster@{domain} ADDRESS"
            yield warning(domain, "postmaster has no mailbox, though RFC 5321 demands one", remedy)


def _check_rules(directory: Directory, config: Config) -> Iterator[Finding]:
    """The rule documents of the server and of all accounts; what is merely superfluous is left to `genkan rules check`."""
    rules = RuleOperations(directory)
    judgement = rules.check(rules.to_check(None, everybody=True), relay_settings(config))
    yield from (finding for finding in judgement.findings if finding.level is not Level.NOTE)
    if directory.documents.current("mail.dat") is not None and not config.filter.enabled:
        yield note("filter.enabled", "mail.dat is there and is not obeyed", "set it to true")


def _check_passwords(directory: Directory, config: Config) -> Iterator[Finding]:
    able = [account for account in directory.accounts.list() if account.can_authenticate]
    without = sum(account.cram_secret is None for account in able)
    if config.auth.mode == "on" and "CRAM-MD5" in config.auth.mechanisms and without:
        sentence = f"CRAM-MD5 is offered, but {without} of {len(able)} accounts cannot use it"
        remedy = "take it out, or set their passwords with: genkan account passwd ADDRESS --reversible"
        yield note("auth.mechanisms", sentence, remedy)
