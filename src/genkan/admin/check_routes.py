# SPDX-License-Identifier: Apache-2.0
"""`genkan check` of routes and next hops: domains nobody can write to, programs and modules that are not there, passwords.

Looks only: no program is started and no module imported. The commands that add a route or set a next hop say the same.
"""

from __future__ import annotations

import os
import socket
import sys
from contextlib import closing
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING, Final

from genkan.directory.destination import ByMx, LmtpSocket, Maildir, Pipe, PythonFunction, SmtpHop
from genkan.directory.resolution import ListRole, Local, MailingList
from genkan.findings import Finding, note, warning
from genkan.policy.rulebook import Rulebook
from genkan.rules.effect import EffectAction
from genkan.smtp.address import parse_mailbox

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from genkan.config import Config
    from genkan.directory import Directory
    from genkan.directory.destination import Destination
    from genkan.directory.hops import Hop
    from genkan.directory.routes import Route

_RELAYING: Final = (EffectAction.TRUE, EffectAction.ONLY)


def check_routes(directory: Directory, config: Config) -> Iterator[Finding]:
    """What is odd about all routes and next hops."""
    for route in directory.routes.list():
        yield from route_findings(route, directory, config)
    for hop in directory.hops.list():
        yield from hop_findings(hop, config)


def route_findings(route: Route, directory: Directory, config: Config) -> Iterator[Finding]:
    """What keeps mail from taking a route, or from arriving at its end."""
    domain = route.pattern.rpartition("@")[2]
    if directory.is_local_domain(domain):
        yield from _local_findings(route, directory)
    else:
        yield from _foreign_findings(route, domain, may_relay=_may_relay(directory, config))
    yield from end_findings(route.origin, route.destination, config)


def hop_findings(hop: Hop, config: Config) -> Iterator[Finding]:
    """Whether AUTH at a next hop can work, and whether its connections can come from where they are to."""
    subject = f"hop {hop.name}"
    if hop.username and (hop.tls or config.delivery.tls) == "none":
        sentence = "AUTH is wanted but TLS is not, and without TLS no password is told: only SCRAM-SHA-256 would work"
        yield warning(subject, sentence, f"run: genkan hop set {hop.name} --tls required")
    if hop.source and not is_own(hop.source):
        sentence = f"{hop.source} is not an address of this machine, so nothing can be sent from it"
        yield warning(subject, sentence, "give the machine this address, or name another one with --source")


def _local_findings(route: Route, directory: Directory) -> Iterator[Finding]:
    if "@" not in route.pattern:
        return
    mailbox = parse_mailbox(route.pattern)
    found = directory.resolve(mailbox)
    if isinstance(found, MailingList | ListRole):
        yield warning(route.origin, "mail of lists takes no route", "remove it, and add routes for the members")
    elif not isinstance(found, Local):
        remedy = f"name the address of an account, or add it: genkan account add {route.pattern}"
        yield warning(route.origin, "no account has this address, so no mail takes the route", remedy)
    elif found.account.address.folded() != mailbox.folded():
        remedy = f"remove it and add one for {found.account.address}"
        yield warning(route.origin, f"its mail goes by the routes of {found.account.address}", remedy)


def _foreign_findings(route: Route, domain: str, *, may_relay: bool) -> Iterator[Finding]:
    place = "other domains" if domain.startswith("*") else domain
    add = f"genkan domain add {domain}"
    if isinstance(route.destination, Maildir):
        yield warning(route.origin, f"{domain} is not local, and only accounts here have a Maildir", f"run: {add}")
    elif not may_relay:
        sentence = f"nobody may relay, so no mail for {place} is taken"
        remedy = "let somebody relay in effect.dat"
        yield warning(route.origin, sentence, remedy if domain.startswith("*") else f"{remedy}, or run: {add}")
    elif not domain.startswith("*") and not isinstance(route.destination, ByMx | SmtpHop):
        sentence = f"{domain} is not local: only who may relay can write there"
        yield note(route.origin, sentence, f"if everybody is to, run: {add}")


def _may_relay(directory: Directory, config: Config) -> bool:
    """Whether there can be anybody at all who may; who that is says `genkan rules check effect.dat`."""
    if config.auth.mode == "on" or config.auth.unauthenticated_accounts != "nowhere":
        return True
    rules = Rulebook(directory.documents.current, {}).effect().rules
    return any(rule.action in _RELAYING for rule in rules)


def end_findings(subject: str, destination: Destination, config: Config) -> Iterator[Finding]:
    """What is missing on this machine where a destination ends."""
    match destination:
        case LmtpSocket(path) if not Path(path).is_socket():
            remedy = "start the server that makes it, or correct the route"
            yield warning(subject, f"there is no socket {path} now", remedy)
        case Pipe(program) if not (os.access(program, os.X_OK) and Path(program).is_file()):
            sentence = f"{program} is no program that can be started here"
            yield warning(subject, sentence, "install it, correct its mode, or correct the route")
        case PythonFunction(module):
            handlers = config.delivery.handlers
            folders = sys.path if handlers is None else [str(config.path(handlers)), *sys.path]
            if not _is_there(module, folders):
                remedy = "put it into the folder of delivery.handlers, or correct the route"
                yield warning(subject, f"there is no module {module}", remedy)


def _is_there(module: str, folders: Sequence[str]) -> bool:
    """Whether a module could be imported, without importing it or the packages it lies in."""
    name = ""
    path: Sequence[str] | None = folders
    for part in module.split("."):
        name = f"{name}.{part}" if name else part
        found = None if path is None else PathFinder.find_spec(name, path)
        if found is None:
            return False
        path = found.submodule_search_locations
    return True


def is_own(address: str) -> bool:
    """Whether connections can come from this IP address."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with closing(socket.socket(family)) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True
