# SPDX-License-Identifier: Apache-2.0
"""Asks the DNS for everybody in the process: each question once at a time, and never longer than its deadline."""

from __future__ import annotations

import asyncio
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Final

import dns.exception
import dns.inet
import dns.resolver

from genkan.config_values import ListenAddress
from genkan.dns.answer import NO_SUCH_NAME, Answer, Status, failure
from genkan.dns.cache import Cache, Question
from genkan.dns.exchange import exchange
from genkan.dns.name import parse_name
from genkan.dns.shares import Shares
from genkan.dns.watch import Watch
from genkan.dns.wire import make_query

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from genkan.clock import Clock
    from genkan.dns.answer import RecordType
    from genkan.dns.name import Name
    from genkan.dns.watch import Tell

MOST_ASKED: Final = 512  # questions on their way at a time; each takes a socket or two
MOST_FOR_CLIENT: Final = 32  # of them for the same client
MOST_SYSTEM_SERVERS: Final = 3  # resolv.conf(5)
_ROUNDS: Final = 2  # how often each server is asked one question
_FAIR: Final = 0.9  # of the time: who has had less may not be said to be silent


class Resolver:
    """The one way to the DNS: `cached` answers at once or not at all, `query` asks.

    While one server is silent the others are asked as well, and whichever answers first is believed. No answer is an
    exception: what cannot be asked or does not come in time is `Status.FAILED`.
    """

    def __init__(
        self,
        servers: Sequence[ListenAddress],
        timeout: timedelta,
        clock: Clock,
        cache: Cache | None = None,
        tell: Tell = lambda _why: None,
    ) -> None:
        """`timeout` is for a whole question, whatever it takes; without `servers` those of the system are asked.

        `tell` is as in `Watch`.
        """
        self.timeout: Final = timeout.total_seconds()
        self.clock: Final = clock
        self._servers = tuple(servers) or system_servers()
        self._step = self.timeout / (_ROUNDS * len(self._servers))
        self._cache = Cache(clock) if cache is None else cache
        self._asked: dict[tuple[Question, str], asyncio.Task[Answer]] = {}
        self._room = asyncio.Semaphore(MOST_ASKED)
        self._shares = Shares(MOST_FOR_CLIENT)
        self._watch = Watch(tell)

    def cached(self, name: str, rdtype: RecordType) -> Answer | None:
        """The answer if it is known and may still be believed; `None`: it has to be asked."""
        answer = self._cache.get(_question(name, rdtype))
        return NO_SUCH_NAME if answer is None and parse_name(name) is None else answer

    def query(self, name: str, rdtype: RecordType, client: str = "") -> asyncio.Future[Answer]:
        """Ask at once, unless the answer is known or on its way; await what is returned. Call it on the event loop.

        `client` is the address of the SMTP client on whose account it is asked, if there is one: it has to wait while it has
        `MOST_FOR_CLIENT` questions on their way, and nobody else waits with it.
        """
        loop = asyncio.get_running_loop()
        answer = self.cached(name, rdtype)
        if answer is not None:
            known: asyncio.Future[Answer] = loop.create_future()
            known.set_result(answer)
            return known
        key = (_question(name, rdtype), client)
        task = self._asked.get(key)
        if task is None:
            parsed = parse_name(name)
            assert parsed is not None  # `cached` has answered for all else
            task = self._asked[key] = loop.create_task(self._find(parsed, *key))
        return asyncio.shield(task)  # one who stops waiting does not stop it for the others

    async def _find(self, name: Name, question: Question, client: str) -> Answer:
        """Ask, and remember; the questioners of this moment all wait for this one task."""
        time = asyncio.get_running_loop().time
        deadline = begun = time() + self.timeout
        try:
            async with asyncio.timeout_at(deadline), self._shares.place(client), self._room:
                begun = time()
                known = self._cache.get(question)
                if known is not None:
                    return known
                answer = await self._ask(name, question.rdtype)
        except TimeoutError:
            answer = failure(f"no answer within {self.timeout:g} s")
            if deadline - begun < _FAIR * self.timeout:  # it had to wait for others, and may well be answered
                return answer
        finally:
            del self._asked[question, client]
        if answer.status is Status.FAILED:
            self._watch.gave_up(begun, answer.detail)
        self._cache.put(question, answer)
        return answer

    async def _ask(self, name: Name, rdtype: RecordType) -> Answer:
        """Ask one server after the other without giving up on the earlier ones; none again that has failed."""
        waiting = deque(self._servers * _ROUNDS)
        attempts: set[asyncio.Task[Answer | None]] = set()
        failures: dict[ListenAddress, str] = {}
        try:
            while True:
                while waiting and waiting[0] in failures:
                    waiting.popleft()
                if waiting:
                    attempts.add(asyncio.create_task(self._try(waiting.popleft(), name, rdtype, failures)))
                elif not attempts:
                    return failure("; ".join(f"{server}: {reason}" for server, reason in failures.items()))
                patience = self._step if waiting else None
                done, attempts = await asyncio.wait(attempts, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
                for answer in (task.result() for task in done):
                    if answer is not None:
                        return answer
        finally:
            for task in attempts:
                task.cancel()

    async def _try(
        self, server: ListenAddress, name: Name, rdtype: RecordType, failures: dict[ListenAddress, str]
    ) -> Answer | None:
        """What one server answers; `None` when it fails, which is noted in `failures`."""
        try:
            reply = await exchange(make_query(name, rdtype), server)
            if reply.edns_unknown:  # RFC 6891, 7
                reply = await exchange(make_query(name, rdtype, edns=False), server)
            answer = reply.answer
            self._watch.replied(asyncio.get_running_loop().time())
        except OSError as error:
            answer = failure(error.strerror or str(error))
        if answer.status is Status.FAILED:
            failures[server] = answer.detail
            return None
        self._prefer(server)
        return answer

    def _prefer(self, server: ListenAddress) -> None:
        """Ask first who answered last, so that a dead server costs its waiting time once and not for every question."""
        if self._servers[0] != server:
            self._servers = (server, *(other for other in self._servers if other != server))


def _question(name: str, rdtype: RecordType) -> Question:
    return Question(name.lower().removesuffix("."), rdtype)


def system_servers(file: Path = Path("/etc/resolv.conf")) -> tuple[ListenAddress, ...]:
    """The servers that the system asks; one on this machine where it names none (resolv.conf(5))."""
    system = dns.resolver.Resolver(configure=False)
    try:
        system.read_resolv_conf(str(file))
    except (dns.exception.DNSException, ValueError):
        return (ListenAddress("127.0.0.1", 53),)
    addresses = [server for server in system.nameservers if isinstance(server, str) and dns.inet.is_address(server)]
    return tuple(ListenAddress(address, 53) for address in addresses[:MOST_SYSTEM_SERVERS])
