# SPDX-License-Identifier: Apache-2.0
"""What all sessions of a listener share: made from the configuration at the start, and again when that is reloaded."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from genkan.smtp import replies

if TYPE_CHECKING:
    from genkan.smtp.extensions import Extensions
    from genkan.smtp.maildata import BareNewline
    from genkan.smtp.reply import Reply, Wordbook


@dataclass(frozen=True, slots=True)
class SessionRules:
    """What all sessions of a listener share; sizes in octets, 0 is no limit."""

    wordbook: Wordbook
    hostname: str
    banner: str
    extensions: Extensions
    auth_enabled: bool
    vrfy: bool
    bare_newline: BareNewline
    command_line: int
    text_line: int
    bad_commands: int
    greeting: Reply = field(init=False)
    closing: Reply = field(init=False)
    ehlo_lines: tuple[bytes, bytes] = field(init=False)  # in clear, under TLS

    def without(self, mechanism: str) -> SessionRules:
        """The same rules with one AUTH mechanism less."""
        mechanisms = tuple(name for name in self.extensions.mechanisms if name != mechanism)
        return replace(self, extensions=replace(self.extensions, mechanisms=mechanisms))

    def __post_init__(self) -> None:
        """Find the words once that are the same for every session."""
        wordbook, extensions = self.wordbook, self.extensions
        greeting = wordbook.reply(replies.GREETING, fqdn=self.hostname, banner=self.banner)
        object.__setattr__(self, "greeting", greeting)
        object.__setattr__(self, "closing", wordbook.reply(replies.CLOSING, fqdn=self.hostname))
        lines = tuple(wordbook.lines(extensions.lines(tls_active=tls_active)) for tls_active in (False, True))
        object.__setattr__(self, "ehlo_lines", lines)
