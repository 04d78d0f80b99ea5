# SPDX-License-Identifier: Apache-2.0
"""What the log may show of a command line."""

from __future__ import annotations

from typing import Final

from genkan.smtp.command import KNOWN_VERBS, WEB_VERBS

MAX_LOGGED: Final = 200  # octets of a refused line that the log shows
_WITH_ARGUMENT: Final = frozenset({b"MAIL", b"RCPT", b"VRFY", b"EXPN"})
_BARE: Final = (
    KNOWN_VERBS | {verb.encode() for verb in WEB_VERBS} | {b"ETRN", b"LHLO", b"TURN", b"XCLIENT", b"XFORWARD"}
)


def loggable(line: bytes) -> str:
    """A command line as the log may show it: addresses, and verbs.

    Clients that lose their place send credentials as commands, and people type them; so nothing else of a line is shown.
    """
    verb = line.partition(b" ")[0].upper()
    if verb in _WITH_ARGUMENT:
        return line[:MAX_LOGGED].decode("utf-8", "replace")
    return verb.decode("ascii") if verb in _BARE else f"{len(line)} octets"
