# SPDX-License-Identifier: Apache-2.0
"""What SPF says of a client, asked as the server would: the operation behind `genkan spf`. Needs no directory and no server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from genkan.clock import SystemClock
from genkan.dns.resolver import Resolver
from genkan.dns.spf import explained_spf
from genkan.smtp.address import AddressError, parse_mailbox

if TYPE_CHECKING:
    from genkan.config import Config
    from genkan.dns.spf import SpfResult


def ask_spf(config: Config, client_address: str, reverse_path: str, hello_domain: str) -> SpfResult:
    """The result for a reverse-path as it stands between the angle brackets, for the HELO identity where it is "".

    The servers of the setting `dns.servers` are asked, within the deadlines of `dns.timeout`. What is no mailbox is judged by
    all that follows its last "@".
    """
    resolver = Resolver(config.dns.servers, config.dns.timeout, SystemClock())
    return asyncio.run(explained_spf(resolver, client_address, _unquoted(reverse_path), hello_domain))


def _unquoted(reverse_path: str) -> str:
    try:
        mailbox = parse_mailbox(reverse_path)
    except AddressError:
        return reverse_path
    return f"{mailbox.local_part}@{mailbox.domain}"
