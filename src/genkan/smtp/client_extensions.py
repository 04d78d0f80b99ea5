# SPDX-License-Identifier: Apache-2.0
"""What another server announces in its reply to EHLO or LHLO, read by us as its client (RFC 5321, 4.1.1.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from genkan.smtp.client_replies import ServerReply

# RFC 5321, 4.1.1.1: ehlo-line = ehlo-keyword *( SP ehlo-param )
_match_keyword: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*+", re.ASCII).fullmatch
_match_size: Final = re.compile(r"[0-9]{1,20}", re.ASCII).fullmatch


@dataclass(frozen=True, slots=True)
class ServerExtensions:
    """The extensions of a server: their keywords in upper case, each with its arguments as given."""

    keywords: Mapping[str, tuple[str, ...]]

    @property
    def pipelining(self) -> bool:
        """Commands may leave before the replies to earlier ones have come (RFC 2920)."""
        return "PIPELINING" in self.keywords

    @property
    def chunking(self) -> bool:
        """BDAT may be used instead of DATA (RFC 3030)."""
        return "CHUNKING" in self.keywords

    @property
    def takes_size(self) -> bool:
        """MAIL may say SIZE, whether or not the server has told a limit (RFC 1870)."""
        return "SIZE" in self.keywords

    @property
    def size_limit(self) -> int | None:
        """The most octets that the server takes, `None` when it has not said; 0 says no limit (RFC 1870, 4)."""
        argument = next(iter(self.keywords.get("SIZE", ())), "")
        return (int(argument) or None) if _match_size(argument) else None

    @property
    def starttls(self) -> bool:
        """TLS can be started (RFC 3207)."""
        return "STARTTLS" in self.keywords

    @property
    def eightbitmime(self) -> bool:
        """MAIL may say that octets beyond ASCII come (RFC 6152)."""
        return "8BITMIME" in self.keywords

    @property
    def smtputf8(self) -> bool:
        """Addresses and header fields may go beyond ASCII (RFC 6531)."""
        return "SMTPUTF8" in self.keywords

    @property
    def dsn(self) -> bool:
        """The server sends the notifications that NOTIFY asks for (RFC 3461)."""
        return "DSN" in self.keywords

    @property
    def requiretls(self) -> bool:
        """The server passes mail on under TLS only, when asked to (RFC 8689)."""
        return "REQUIRETLS" in self.keywords

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """The AUTH mechanisms in upper case (RFC 4954, 3)."""
        return tuple(name.upper() for name in self.keywords.get("AUTH", ()))


NO_EXTENSIONS: Final = ServerExtensions({})
"""Those of a server that took HELO only."""


def parse_extensions(reply: ServerReply) -> ServerExtensions:
    """The extensions in a positive reply to EHLO or LHLO; a line that is no keyword says nothing.

    A keyword that comes twice has the arguments of both lines.
    """
    keywords: dict[str, tuple[str, ...]] = {}
    for line in reply.lines[1:]:  # the first is the server's domain and its greeting
        keyword, *arguments = line.split()[:50] or ("",)
        if _match_keyword(keyword):
            name = keyword.upper()
            keywords[name] = keywords.get(name, ()) + tuple(arguments)
    return ServerExtensions(keywords)
