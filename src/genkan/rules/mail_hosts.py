# SPDX-License-Identifier: Apache-2.0
"""Hosts of links and addresses in the text of mail, and what to ask the DNS about a host (pure, bounded)."""

from __future__ import annotations

import ipaddress
import re
from string import ascii_letters, digits
from typing import TYPE_CHECKING, Final, NamedTuple

from genkan.smtp.address import fold_domain

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_HOSTS: Final = 50
_MAX_SEEN: Final = 200  # different texts in the place of a host; those beyond are not looked at
_MAX_U_LABELS: Final = 100  # characters of a name that is not ASCII; encoding it costs
_MAX_AT: Final = 1000  # at signs; what looks like no address a thousand times is none

_LINK: Final = re.compile(
    r"""(?:https?://|(?<![\w.@/-])(?=www\.))(?:[^\s/?#@<>"'\\]{0,100}@)?([^\s/:?#@<>"'\\()\[\]{},;*|^`]{4,253})""",
    re.IGNORECASE,
)
_HOST: Final = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})+")
_ATEXT: Final = f"{ascii_letters}{digits}!#$%&'*+/=?^_`{{|}}~.-"
_DOMAIN: Final = re.compile(r"[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,20}")
_IN_BRACKETS: Final = re.compile(r"<([^<>]*)>")


class Lookup(NamedTuple):
    """A question to the DNS: is the host listed in the zone? `server` is "" for the usual name servers."""

    host: str
    zone: str
    server: str
    cached: bool

    @property
    def name(self) -> str:
        """The name whose A record says yes; the octets of an address are turned round (RFC 5782, 2.1)."""
        if self.host.replace(".", "").isdecimal():
            return f"{'.'.join(reversed(self.host.split('.')))}.{self.zone}"
        return f"{self.host}.{self.zone}"


def hosts_in(texts: Iterable[str]) -> tuple[str, ...]:
    """The hosts of the links in `texts`, in lower-case A-labels, each once, in their order, 50 at most."""
    seen: set[str] = set()
    hosts: dict[str, None] = {}
    for text in texts:
        for link in _LINK.finditer(text):
            if link[1] in seen:
                continue
            seen.add(link[1])
            host = _host(link[1])
            if host:
                hosts[host] = None
            if len(hosts) >= MAX_HOSTS or len(seen) >= _MAX_SEEN:
                return tuple(hosts)
    return tuple(hosts)


def _host(text: str) -> str:
    """A name that the DNS may know or an IPv4 address, else ""."""
    host = text.strip(".").lower()
    if not host.isascii():
        host = fold_domain(host) if len(host) <= _MAX_U_LABELS else ""
    if not _HOST.fullmatch(host) or len(host) > 253:
        return ""
    if host.rpartition(".")[2].isdecimal():
        return host if _is_ipv4(host) else ""
    return host


def _is_ipv4(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True


def first_address(texts: Iterable[str]) -> str:
    """The first thing in `texts` that looks like a mail address, in lower case; "" when there is none."""
    looked_at = 0
    for text in texts:
        at = text.find("@")
        while at >= 0 and looked_at < _MAX_AT:
            before = text[max(0, at - 64) : at]
            local_part = before[len(before.rstrip(_ATEXT)) :]
            domain = _DOMAIN.match(text, at + 1) if local_part else None
            if domain:
                return f"{local_part}@{domain[0]}".lower()
            looked_at += 1
            at = text.find("@", at + 1)
    return ""


def author_address(from_field: str) -> str:
    """The address in a From field: in the last angle brackets, else the first anywhere; "" when there is none."""
    in_brackets = _IN_BRACKETS.findall(from_field)
    return first_address(in_brackets[-1:]) or first_address([from_field])
