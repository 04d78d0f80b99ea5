# SPDX-License-Identifier: Apache-2.0
"""What the configuration says of the protocol, as the sessions of a listener want it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genkan.smtp.extensions import Extensions, announced_keywords
from genkan.smtp.maildata import BareNewline
from genkan.smtp.reply import Wordbook
from genkan.smtp.session_rules import SessionRules

if TYPE_CHECKING:
    from genkan.config import Config, Role


def session_rules(config: Config, role: Role, *, starttls: bool) -> SessionRules:
    """What a listener of that role tells its sessions; `starttls` is whether there is a certificate for it."""
    limits, auth_on = config.limits, config.auth.mode == "on"
    refuse = config.smtp.bare_newline == "refuse" or (config.smtp.bare_newline == "auto" and role == "smtp")
    return SessionRules(
        wordbook=Wordbook(config.replies),
        hostname=config.hostname,
        banner=config.banner,
        extensions=Extensions(
            keywords=announced_keywords(config.smtp.extensions, config.replies),
            starttls=starttls,
            mechanisms=config.auth.mechanisms if auth_on else (),
            plaintext_always=config.auth.plaintext == "always",
            message_size=limits.message_size,
        ),
        auth_enabled=auth_on,
        vrfy=config.smtp.vrfy,
        bare_newline=BareNewline.REFUSE if refuse else BareNewline.NORMALISE,
        command_line=limits.command_line,
        text_line=limits.text_line,
        bad_commands=limits.commands,
    )
