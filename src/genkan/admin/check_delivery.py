# SPDX-License-Identifier: Apache-2.0
"""`genkan check` of the settings that say how mail goes on: authorities, the folder of functions, source addresses."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from genkan.admin.check_machine import is_folder
from genkan.admin.check_routes import is_own
from genkan.findings import Finding, error, note, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from genkan.config import Config


def check_delivery(config: Config) -> Iterator[Finding]:
    """What keeps the server from starting, or mail from going where the settings say."""
    yield from _check_authorities(config)
    delivery = config.delivery
    if delivery.handlers is not None and not is_folder(config.path(delivery.handlers)):
        remedy = "make it, or correct the setting"
        yield warning("delivery.handlers", f"{config.path(delivery.handlers)} is no folder", remedy)
    for name in ("source_ipv4", "source_ipv6"):
        address = getattr(delivery, name)
        if address and not is_own(address):
            sentence = f"{address} is not an address of this machine, so nothing can be sent from it"
            yield warning(f"delivery.{name}", sentence, "give the machine this address, or name another one")
    if delivery.warn >= delivery.expire:
        yield note("delivery.warn", "no sender is ever told that mail is late", "make it shorter than delivery.expire")


def _check_authorities(config: Config) -> Iterator[Finding]:
    """The file can be read, since the server does not start without it."""
    if config.delivery.tls_ca is None:
        return
    file = config.path(config.delivery.tls_ca)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(file)
    except ssl.SSLError:
        yield error(file, "is no PEM file of certificate authorities", "put one there, or correct delivery.tls_ca")
    except OSError as fault:
        yield error(file, f"cannot be read ({fault.strerror})", "correct delivery.tls_ca or the file's mode")
