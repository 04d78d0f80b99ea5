# SPDX-License-Identifier: Apache-2.0
"""Starts the server: one process, or a supervisor and its workers; ends it on a signal."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

import uvloop

from genkan.clock import SystemClock
from genkan.config import Config, ConfigError, load_config
from genkan.delivery.client_tls import AuthorityError
from genkan.listener.admission import Admission, LocalCount, RemoteCount, SessionLimits, Unlimited
from genkan.listener.listener import bind
from genkan.listener.supervisor import Supervisor, listeners_of
from genkan.listener.tls import CertificateError
from genkan.maillog import LogStream, MailLog
from genkan.opening import open_directory
from genkan.storage.engine import StorageError
from genkan.storage.lock import DELIVERY_LOCK, LOCK_FILE, lock_folder
from genkan.worker import ServerRole, Worker, open_certificates

_OPEN_FILES: Final = 1_048_576
_LOCKS: Final[dict[ServerRole, tuple[str, ...]]] = {
    "all": (LOCK_FILE, DELIVERY_LOCK),
    "receive": (LOCK_FILE,),
    "deliver": (DELIVERY_LOCK,),
}


def serve(config: Config, role: ServerRole = "all") -> int:
    """Serve until SIGTERM or SIGINT; the exit status. Errors at the start are printed, each with what to do.

    One process with the `role` "receive" and one with "deliver" may serve the same storage.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until it can be obeyed: what is starting reads everything anyway
    _raise_open_files()
    try:
        locks = [lock_folder(config.storage_folder, name) for name in _LOCKS[role]]
        try:
            open_certificates(config)  # worth an error now, not one from each worker
            open_directory(config).close()  # made and migrated before the workers race for it
            return uvloop.run(_serve_alone(config, role) if config.workers == 1 else _supervise(config, role))
        finally:
            for lock in locks:
                os.close(lock)
    except (StorageError, CertificateError, AuthorityError, OSError) as error:
        print(f"genkan: {_explained(error, config)}", file=sys.stderr)  # noqa: T201
        return 1


async def _serve_alone(config: Config, role: ServerRole) -> int:
    limits, clock = SessionLimits.of(config), SystemClock()
    admission = Unlimited() if limits.unlimited else LocalCount(limits, clock.monotonic)
    sockets = [bind(settings.address, shared=False) for settings in listeners_of(config, role)]
    await _run_worker(Worker(config, 1, sockets, clock, role), admission, asyncio.Event())
    return 0


async def _supervise(config: Config, role: ServerRole) -> int:
    loop, clock = asyncio.get_running_loop(), SystemClock()
    log = MailLog(LogStream(1, loop), clock)
    status = await Supervisor(config, role, log, clock).run()
    log.drain()
    return status


async def _serve_supervised(worker: Worker, lifeline: socket.socket) -> None:
    """A worker under a supervisor. `lifeline` carries the count of sessions; when it closes, the supervisor is dead."""
    config = worker.config
    limits = SessionLimits.of(config)
    stop = asyncio.Event()
    remote = RemoteCount(lifeline, asyncio.get_running_loop(), stop.set)
    await _run_worker(worker, Unlimited() if limits.unlimited else remote, stop)


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


def _worker_main(file: str, number: str, role: ServerRole, lifeline: str, *listening: str) -> int:
    """What the supervisor starts: the configuration file, the worker's number and role, and inherited sockets."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        config = load_config(Path(file))
    except ConfigError as error:
        return _fail(number, str(error))
    if len(listeners_of(config, role)) != len(listening):
        return _fail(number, f"{file}: its listeners are not those of the start, restart the server")
    sockets = [socket.socket(fileno=int(descriptor)) for descriptor in (lifeline, *listening)]
    for sock in sockets:
        sock.setblocking(False)  # noqa: FBT003
    try:
        worker = Worker(config, int(number), sockets[1:], SystemClock(), role)
        uvloop.run(_serve_supervised(worker, sockets[0]))
    except (StorageError, CertificateError, AuthorityError, OSError) as error:
        return _fail(number, _explained(error, config))
    return 0


def _fail(number: str, reason: str) -> int:
    print(f"genkan: worker {number}: {reason}", file=sys.stderr)  # noqa: T201
    return 1


if __name__ == "__main__":
    sys.exit(_worker_main(*sys.argv[1:]))  # type: ignore[arg-type]  # the supervisor's own words
