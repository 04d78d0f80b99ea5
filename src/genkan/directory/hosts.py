# SPDX-License-Identifier: Apache-2.0
"""Hosts as operators write them: `mx.in.test`, `192.0.2.1`, `[2001:db8::1]`, each perhaps with `:PORT` (pure).

As values they are folded: a name in lower-case A-labels, an IP address in its shortest form without brackets.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Final

from genkan.directory.errors import InvalidValue
from genkan.smtp.address import AddressError, parse_mailbox

_PLACE: Final = re.compile(r"(\[[^\[\]]*+\]|[^\[\]:]*+)(?::([0-9]{1,5}))?", re.ASCII)
_REMEDY: Final = "write HOST or HOST:PORT, as in mx.in.test:25, 192.0.2.1 or [2001:db8::1]:25"


def parse_place(text: str) -> tuple[str, int | None]:
    """Host and port of `HOST` or `HOST:PORT`, the port `None` where it is missing; raises InvalidValue."""
    match = _PLACE.fullmatch(text)
    if match is None or (match[2] and not 1 <= int(match[2]) <= 65535):
        raise InvalidValue(f"{text!r} is no host with a port from 1 to 65535; {_REMEDY}")
    return parse_host(match[1]), int(match[2]) if match[2] else None


def parse_host(text: str) -> str:
    """The host that `text` names, an IPv6 address in brackets; raises InvalidValue."""
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        address = ip_address(bare)
    except ValueError:
        return _parse_name(text)
    if (address.version == 6) != (bare != text) or "%" in bare:
        raise InvalidValue(f"{text!r} is no host: an IPv6 address has brackets, and no zone; {_REMEDY}")
    return str(address)


def place_text(host: str, port: int | None = None) -> str:
    """What `parse_place` reads as this host and port."""
    written = f"[{host}]" if ":" in host else host
    return written if port is None else f"{written}:{port}"


def is_loopback(host: str) -> bool:
    """Whether only this machine is behind a host; of names that is so of localhost alone (RFC 6761, 6.3)."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _parse_name(text: str) -> str:
    try:
        host = parse_mailbox(f"x@{text}").folded().domain
    except AddressError as error:
        raise InvalidValue(f"{text!r} is no host: {error}; {_REMEDY}") from None
    if host.startswith("[") or host.rpartition(".")[2].isdigit():
        raise InvalidValue(f"{text!r} is neither a host name nor an IP address; {_REMEDY}")
    return host
