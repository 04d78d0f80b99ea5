# SPDX-License-Identifier: Apache-2.0
"""A name server on loopback, UDP and TCP on one port, that answers from a zone written in the test and misbehaves on demand.

A zone is lines of `NAME TTL TYPE DATA`; blank ones and those that begin with `;` are skipped, every name is absolute.
"""

from __future__ import annotations

import socketserver
import struct
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.CNAME
import dns.rrset

from genkan.config_values import ListenAddress
from tests.support.server import DEADLINE, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dns.message import Message

_ROOT: Final = dns.name.root
_LOOPBACK: Final = ("127.0.0.1", 0)
_DATAGRAM: Final = 512  # octets of a reply to who does not say that more are welcome


@dataclass(frozen=True)
class Manner:
    """How questions are treated; `times` bounds how many of them, 0 = all from now on."""

    delay: float = 0.0  # seconds before the reply
    held: bool = False  # no reply before `release`
    silent: bool = False  # no reply at all
    rcode: str = ""  # this error, such as SERVFAIL, and no records
    truncated: bool = False  # by UDP only the question, and that there is more
    wrong_id: bool = False  # a reply to another id, and nothing else
    wrong_name: bool = False  # a reply to another question, and nothing else
    raw: bytes | None = None  # these octets behind the right id
    without_edns: bool = False  # FORMERR to whoever uses EDNS
    authentic: bool = False  # as if checked by DNSSEC: the reply has the AD bit if the question has
    exactly: bool = False  # only the name itself and none below it
    times: int = 0


class DnsServer:
    """The server; all of it may be used from any thread."""

    def __init__(self, zone: str = "") -> None:
        self.questions: list[tuple[str, str]] = []
        self.ports: list[int] = []  # that the questions came from by UDP
        self.streams = 0  # questions that came by TCP
        self._lock = threading.Lock()
        self._records: dict[tuple[dns.name.Name, dns.rdatatype.RdataType], dns.rrset.RRset] = {}
        self._manners: list[tuple[dns.name.Name, Manner, list[int]]] = []
        self._released = threading.Event()
        self._stream_server, self._datagram_server = _bind(self)
        self.address = ListenAddress("127.0.0.1", int(self._stream_server.server_address[1]))
        self.add(zone)

    # What a test says and asks.

    def add(self, zone: str) -> None:
        """Add the records of these lines."""
        for line in zone.splitlines():
            if line.strip() and not line.lstrip().startswith(";"):
                self._add_record(*line.split(maxsplit=3))

    def remove(self, name: str) -> None:
        """Take all records of a name away."""
        with self._lock:
            owner = dns.name.from_text(name)
            self._records = {key: rrset for key, rrset in self._records.items() if key[0] != owner}

    def treat(self, name: str, manner: Manner) -> None:
        """Treat questions about this name and those below it so ("." is all); what was said last is looked at first."""
        with self._lock:
            self._manners.insert(0, (dns.name.from_text(name), manner, [0]))

    def release(self) -> None:
        """Send the replies that were held."""
        self._released.set()

    def count(self, name: str, rdtype: str = "A") -> int:
        """How often that was asked, by UDP and TCP."""
        with self._lock:
            return self.questions.count((name, rdtype))

    def until_asked(self, name: str, rdtype: str = "A", times: int = 1) -> None:
        """Wait, in another thread than the asking one, until that was asked so often."""
        until(lambda: self.count(name, rdtype) >= times, f"{times} questions for {name} {rdtype}")

    # What it does.

    def start(self) -> None:
        for server in (self._stream_server, self._datagram_server):
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        self.release()
        for server in (self._stream_server, self._datagram_server):
            server.shutdown()
            server.server_close()

    def reply_to(self, octets: bytes, *, by_stream: bool, port: int) -> bytes | None:
        """The reply to one question, when it is time to send it; `None` for silence."""
        query = dns.message.from_wire(octets)
        question = query.question[0]
        with self._lock:
            self.questions.append((question.name.to_text(omit_final_dot=True), question.rdtype.name))
            if by_stream:
                self.streams += 1
            else:
                self.ports.append(port)
            manner = self._manner(question.name)
        if manner.held:
            assert self._released.wait(DEADLINE)
        if manner.delay:
            threading.Event().wait(manner.delay)
        return None if manner.silent else self._reply(query, manner, by_stream=by_stream)

    def _reply(self, query: Message, manner: Manner, *, by_stream: bool) -> bytes:
        if manner.raw is not None:
            return query.id.to_bytes(2, "big") + manner.raw
        reply = dns.message.make_response(query, recursion_available=True)
        if manner.rcode or (manner.without_edns and query.edns >= 0):
            reply.set_rcode(dns.rcode.from_text(manner.rcode or "FORMERR"))
        else:
            with self._lock:
                self._fill(reply)
        if manner.authentic:
            reply.flags |= query.flags & dns.flags.AD
        if manner.wrong_id:
            reply.id ^= 1
        if manner.wrong_name:
            reply.question[0] = dns.rrset.RRset(dns.name.from_text("strange.test"), dns.rdataclass.IN, dns.rdatatype.A)
        room = 65535 if by_stream else max(query.payload, _DATAGRAM)
        if not manner.truncated or by_stream:
            with suppress(dns.exception.TooBig):
                return reply.to_wire(max_size=room)
        reply.answer, reply.authority, reply.flags = [], [], reply.flags | dns.flags.TC
        return reply.to_wire()

    def _manner(self, name: dns.name.Name) -> Manner:
        for owner, manner, used in self._manners:
            fits = name == owner if manner.exactly else name.is_subdomain(owner)
            if fits and (not manner.times or used[0] < manner.times):
                used[0] += 1
                return manner
        return Manner()

    def _fill(self, reply: Message) -> None:
        """Follow CNAMEs to the records; say "no" with the SOA record of the zone, if it has one (RFC 2308)."""
        question = reply.question[0]
        name = question.name
        for _ in range(20):  # a chain without an end is a chain of this length
            found = self._records.get((name, question.rdtype))
            alias = self._records.get((name, dns.rdatatype.CNAME))
            if found is not None:
                reply.answer.append(found)
                return
            if alias is None:
                break
            if alias not in reply.answer:
                reply.answer.append(alias)
            name = _target(alias)
        if not any(owner.is_subdomain(name) for owner, _ in self._records):
            reply.set_rcode(dns.rcode.NXDOMAIN)
        soas = [rrset for (owner, rdtype), rrset in self._records.items() if rdtype == dns.rdatatype.SOA]
        reply.authority.extend([soa for soa in soas if name.is_subdomain(soa.name)][:1])

    def _add_record(self, name: str, ttl: str, rdtype: str, data: str) -> None:
        owner, kind = dns.name.from_text(name), dns.rdatatype.from_text(rdtype)
        rdata = dns.rdata.from_text(dns.rdataclass.IN, kind, data, origin=_ROOT, relativize=False)
        with self._lock:
            known = self._records.get((owner, kind), dns.rrset.RRset(owner, dns.rdataclass.IN, kind))
            known.add(rdata, int(ttl))
            self._records[owner, kind] = known


def _target(alias: dns.rrset.RRset) -> dns.name.Name:
    rdata = alias[0]
    assert isinstance(rdata, dns.rdtypes.ANY.CNAME.CNAME)
    return rdata.target


class _Stream(socketserver.ThreadingTCPServer):
    daemon_threads = True
    zone: DnsServer


class _Datagram(socketserver.ThreadingUDPServer):
    daemon_threads = True
    zone: DnsServer


class _StreamQuestion(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, _Stream)
        header = self.rfile.read(2)
        if len(header) < 2:
            return
        octets = self.rfile.read(struct.unpack("!H", header)[0])
        reply = self.server.zone.reply_to(octets, by_stream=True, port=self.client_address[1])
        with suppress(OSError):  # who asked may have gone
            if reply is not None:
                self.wfile.write(struct.pack("!H", len(reply)) + reply)
            self.rfile.read()  # until the asking side closes


class _DatagramQuestion(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, _Datagram)
        octets, sock = self.request
        reply = self.server.zone.reply_to(octets, by_stream=False, port=self.client_address[1])
        if reply is not None:
            with suppress(OSError):
                sock.sendto(reply, self.client_address)


def _bind(zone: DnsServer) -> tuple[_Stream, _Datagram]:
    """Both servers on one port that is free for both."""
    for _ in range(20):
        stream = _Stream(_LOOPBACK, _StreamQuestion)
        try:
            datagram = _Datagram(stream.server_address[:2], _DatagramQuestion)
        except OSError:
            stream.server_close()
            continue
        stream.zone = datagram.zone = zone
        return stream, datagram
    raise AssertionError("no port is free for both UDP and TCP")


@contextmanager
def dns_server(zone: str = "") -> Iterator[DnsServer]:
    """A server for the block; its `address` goes into the setting dns.servers."""
    server = DnsServer(zone)
    server.start()
    try:
        yield server
    finally:
        server.stop()
