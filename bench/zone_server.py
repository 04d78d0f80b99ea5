# SPDX-License-Identifier: Apache-2.0
"""A name server for the benchmark of the DNS's part: TXT and PTR from a file of lines "NAME TXT", all else does not exist.

python zone_server.py FILE      prints its port on 127.0.0.1, and answers until it is ended
"""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.rrset


def main() -> None:
    """Answer by UDP, one question after the other."""
    lines = (line.split(" ", 1) for line in Path(sys.argv[1]).read_text().splitlines())
    zone = {f"{name}.".lower(): text for name, text in lines}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        print(sock.getsockname()[1], flush=True)
        while True:
            octets, asker = sock.recvfrom(4096)
            sock.sendto(_answer(octets, zone), asker)


def _answer(octets: bytes, zone: dict[str, str]) -> bytes:
    query = dns.message.from_wire(octets)
    reply = dns.message.make_response(query)
    reply.flags |= dns.flags.RA
    question = query.question[0]
    name = question.name.to_text().lower()
    if name not in zone:
        reply.set_rcode(dns.rcode.NXDOMAIN)
    elif question.rdtype == dns.rdatatype.TXT:
        strings = " ".join(f'"{zone[name][at : at + 200]}"' for at in range(0, len(zone[name]), 200))
        reply.answer.append(dns.rrset.from_text(name, 3600, "IN", "TXT", strings))
    return reply.to_wire()


if __name__ == "__main__":
    main()
