# SPDX-License-Identifier: Apache-2.0
"""How a setting is written: sizes, durations, networks, addresses, templates, as text and as values (pure).

Every parser raises `ValueError` with a whole sentence ("expected ..., not ..."), fit to stand behind "FILE:LINE: key:".
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from string import Formatter
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

Network = IPv4Network | IPv6Network

SIZE: Final = 'a size such as "25MB", "64KB" or a whole number of octets'
DURATION: Final = 'a duration such as "90s", "5m", "2h", "5d" or a whole number of seconds'
NETWORK: Final = 'a network such as "192.0.2.0/24", "2001:db8::/32" or one address'
LISTEN_ADDRESS: Final = 'an address with a port such as "127.0.0.1:2525" or "[::1]:25"'
SCANNER: Final = 'an address with a port such as "127.0.0.1:3310", or "unix:" and a path'
SMARTHOST: Final = 'a host with a port such as "smtp.example.test:587", or ""'
BASE_URL: Final = 'an address such as "https://lists.example.test", or ""'
HOST_NAME: Final = 'a host name such as "mx.example.test"'
DATE: Final = "a date without quotes such as 2030-01-31"
TEXT: Final = "printable ASCII text, 1 to 200 characters"
STORAGE_URL: Final = 'a folder such as "sqlite:data"'

_SIZE_UNITS: Final = {"": 1, "B": 1, "KB": 1024, "MB": 1024**2, "GB": 1024**3}
_DURATION_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SIZE: Final = re.compile(r"(\d{1,15}) ?(|B|KB|MB|GB)", re.ASCII | re.IGNORECASE)
_DURATION: Final = re.compile(r"(\d{1,9}) ?([smhd])", re.ASCII)
_HOST: Final = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*", re.ASCII | re.IGNORECASE
)
_BASE_URL: Final = re.compile(
    r"(?:https://[a-z0-9.-]+|http://(?:localhost|127\.0\.0\.1))(?::\d{1,5})?(?:/[\w./~-]*)?", re.ASCII | re.IGNORECASE
)
_LISTEN_ADDRESS: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\[\]:]+)):(\d{1,5})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Expect:
    """What a setting wants, as the words behind "expected"; stands in a setting's `Annotated` type."""

    words: str


class ListenAddress(NamedTuple):
    """Where a listener binds: an IP address or host name without brackets, and a port (0 = any free one)."""

    host: str
    port: int

    def __str__(self) -> str:
        """As the configuration file writes it: HOST:PORT, an IPv6 address in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether only programs of this machine can reach it; a host name other than localhost counts as outside."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host.lower() == "localhost"


def unfit(expected: str, value: object) -> ValueError:
    """The error "expected ..., not VALUE" with the value as the file would show it, cut to 80 characters."""
    return ValueError(f"expected {expected}, not {shown(value)}")


def shown(value: object) -> str:
    """A value as TOML would write it, on one line, cut to 80 characters."""
    if isinstance(value, date):
        return str(value)
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else text[:77] + "..."


def parse_size(value: object) -> int:
    """Octets from a whole number or text such as "25MB" (1 KB = 1024 octets)."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise unfit(SIZE, value)
    return int(match[1]) * _SIZE_UNITS[match[2].upper()]


def size_text(octets: int) -> str:
    """The shortest exact way to write a size: 26214400 is "25MB", 1500 stays "1500"."""
    for unit in ("GB", "MB", "KB"):
        if octets and octets % _SIZE_UNITS[unit] == 0:
            return f"{octets // _SIZE_UNITS[unit]}{unit}"
    return str(octets)


def parse_duration(value: object) -> timedelta:
    """A time span from whole seconds or text such as "90s", "5m", "2h", "5d"."""
    if isinstance(value, timedelta):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**9:
        return timedelta(seconds=value)
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None or int(match[1]) * _DURATION_UNITS[match[2]] >= 10**10:
        raise unfit(DURATION, value)
    return timedelta(seconds=int(match[1]) * _DURATION_UNITS[match[2]])


def duration_text(duration: timedelta) -> str:
    """The shortest exact way to write whole seconds: 300 s is "5m", 86400 s is "1d"."""
    seconds = int(duration.total_seconds())
    for unit in ("d", "h", "m"):
        if seconds and seconds % _DURATION_UNITS[unit] == 0:
            return f"{seconds // _DURATION_UNITS[unit]}{unit}"
    return f"{seconds}s"


def parse_network(value: object) -> Network:
    """An IPv4 or IPv6 network; one address alone is the network of that address."""
    if isinstance(value, Network):
        return value
    if not isinstance(value, str):
        raise unfit(NETWORK, value)
    try:
        return ip_network(value)
    except ValueError:
        raise unfit(NETWORK, value) from None


def parse_listen_address(value: object) -> ListenAddress:
    """HOST:PORT, an IPv6 address in brackets; port 0 takes any free one."""
    if isinstance(value, ListenAddress):
        return value
    match = _LISTEN_ADDRESS.fullmatch(value) if isinstance(value, str) else None
    if match is None or int(match[3]) > 65535:
        raise unfit(LISTEN_ADDRESS, value)
    host = match[1] or match[2]
    is_name = _HOST.fullmatch(host) and not host.replace(".", "").isdigit()
    if match[1] or not is_name:
        try:
            ip_address(host)
        except ValueError:
            raise unfit(LISTEN_ADDRESS, value) from None
    return ListenAddress(host, int(match[3]))


def parse_server_address(value: object) -> ListenAddress:
    """As `parse_listen_address`, for a server to ask: an IP address, and a port that is not 0."""
    address = parse_listen_address(value)
    try:
        ip_address(address.host)
    except ValueError:
        raise unfit(LISTEN_ADDRESS, value) from None
    if not address.port:
        raise unfit(LISTEN_ADDRESS, value)
    return address


def parse_optional_address(value: object) -> ListenAddress | None:
    """As `parse_listen_address`; `None` for ""."""
    return None if value is None or value == "" else parse_listen_address(value)


def parse_smarthost(value: object) -> str:
    """HOST:PORT, the port 25 where it is missing; "" for none."""
    if not isinstance(value, str):
        raise unfit(SMARTHOST, value)
    if not value:
        return value
    has_port = re.search(r"(?:\]|^[^\[:]+):\d+$", value, re.ASCII)
    try:
        address = parse_listen_address(value if has_port else f"{value}:25")
    except ValueError:
        raise unfit(SMARTHOST, value) from None
    if not address.port:
        raise unfit(SMARTHOST, value)
    return str(address)


def parse_source(version: int) -> Callable[[object], str]:
    """A parser for an IP address of that version, or ""."""

    def parse(value: object) -> str:
        try:
            if value == "" or (isinstance(value, str) and ip_address(value).version == version):
                return value
        except ValueError:
            pass
        raise unfit(f"an IPv{version} address", value)

    return parse


def parse_base_url(value: object) -> str:
    """An https address without query, or http for loopback; "" for none. A slash at its end goes."""
    if not isinstance(value, str) or not (value == "" or _BASE_URL.fullmatch(value)):
        raise unfit(BASE_URL, value)
    return value.rstrip("/")


def parse_scanner(value: object) -> str:
    """Where a virus scanner listens: `IP:port`, `unix:PATH`, or "" for none."""
    if not isinstance(value, str):
        raise unfit(SCANNER, value)
    path = value.removeprefix("unix:")
    if not value or (path != value and path and path.isprintable()):
        return value
    try:
        return str(parse_server_address(value))
    except ValueError:
        raise unfit(SCANNER, value) from None


def parse_host_name(value: object) -> str:
    """A domain of letters, digits and hyphens, as it stands in the greeting (RFC 5321, 4.1.2)."""
    if not isinstance(value, str) or not _HOST.fullmatch(value) or any(len(label) > 63 for label in value.split(".")):
        raise unfit(HOST_NAME, value)
    return value


def parse_text(value: object) -> str:
    """Text that may stand in a reply line."""
    if not isinstance(value, str) or not (value.isascii() and value.isprintable() and 1 <= len(value) <= 200):
        raise unfit(TEXT, value)
    return value


def parse_date(value: object) -> date:
    """A TOML local date; a time of day or quoted text is refused."""
    if not isinstance(value, date) or isinstance(value, datetime):
        raise unfit(DATE, value)
    return value


def parse_storage_url(value: object) -> str:
    """The URL of the storage engine; it may hold a password, so an error never repeats it."""
    if isinstance(value, str) and value.startswith(("postgresql:", "postgres:")):
        raise ValueError(f"PostgreSQL is not in this version; expected {STORAGE_URL}")
    if not isinstance(value, str) or not value.startswith("sqlite:") or not value.removeprefix("sqlite:").strip("/ "):
        raise ValueError(f"expected {STORAGE_URL}")
    return value


def parse_maildir_template(value: object) -> str:
    """The path of an account's Maildir with {local_part}, and {domain} where there are several domains."""
    expected = 'a path with {local_part} and perhaps {domain}, such as "mail/{domain}/{local_part}"'
    if not isinstance(value, str) or "\0" in value:
        raise unfit(expected, value)
    try:
        parts = [part[1:] for part in Formatter().parse(value) if part[1] is not None]
    except ValueError:
        raise unfit(expected, value) from None
    plain = all(part in (("domain", "", None), ("local_part", "", None)) for part in parts)
    if not plain or ("local_part", "", None) not in parts:
        raise unfit(expected, value)
    return value
