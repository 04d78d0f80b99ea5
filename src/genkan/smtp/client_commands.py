# SPDX-License-Identifier: Apache-2.0
"""Command lines that we say to another server as its client (RFC 5321, 4.1.1, and the extensions' RFCs).

MAIL and RCPT are written from the same values that `command.py` reads. Only what the server has announced is said. A line
with a control character is never made: that is misuse, and raises ValueError.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal

from genkan.smtp.address import Mailbox, fold_domain
from genkan.smtp.command import MAX_ORIGINAL

if TYPE_CHECKING:
    from genkan.smtp.client_extensions import ServerExtensions
    from genkan.smtp.command import Mail, Rcpt

STARTTLS: Final = b"STARTTLS\r\n"
RSET: Final = b"RSET\r\n"
QUIT: Final = b"QUIT\r\n"

HelloVerb = Literal["EHLO", "HELO", "LHLO"]

_find_unsafe: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]").search
_beyond_ascii: Final = re.compile(r"[^\x00-\x7f]")


def command_line(text: str) -> bytes:
    """`text` as the octets of a line; raises ValueError for a control character, which could begin another command."""
    if not (text.isascii() and text.isprintable()) and _find_unsafe(text):
        msg = "a command line must not hold a control character"
        raise ValueError(msg)
    return f"{text}\r\n".encode()


def hello_line(verb: HelloVerb, domain: str) -> bytes:
    """The greeting with our own name, as a domain or an address literal (RFC 5321, 4.1.1.1; RFC 2033, 4.1)."""
    return command_line(f"{verb} {domain}")


def needs_smtputf8(mailbox: Mailbox) -> bool:
    """Whether a server without SMTPUTF8 cannot be told this mailbox; a domain alone can, in A-labels (RFC 6531, 3.2)."""
    return not mailbox.local_part.isascii() or not fold_domain(mailbox.domain).isascii()


def mail_line(mail: Mail, extensions: ServerExtensions, *, utf8: bool) -> bytes:
    """MAIL; with `utf8` the transaction uses SMTPUTF8 (RFC 6531, 3.4).

    Raises ValueError when REQUIRETLS is asked for and the server lacks it, for such mail must not go there (RFC 8689, 4.2.1).
    """
    given = mail.parameters
    path = "" if mail.reverse_path is None else _path(mail.reverse_path, utf8=utf8)
    words = [f"MAIL FROM:<{path}>"]
    if given.size is not None and extensions.takes_size:
        words.append(f"SIZE={given.size}")
    if given.body == "8BITMIME" and extensions.eightbitmime:
        words.append("BODY=8BITMIME")
    if utf8:
        words.append("SMTPUTF8")
    if given.requiretls:
        if not extensions.requiretls:
            msg = "mail that requires TLS must not go to a server without REQUIRETLS"
            raise ValueError(msg)
        words.append("REQUIRETLS")
    if given.ret and extensions.dsn:
        words.append(f"RET={given.ret}")
    if given.envid and extensions.dsn:
        words.append(f"ENVID={given.envid}")
    return command_line(" ".join(words))


def rcpt_line(rcpt: Rcpt, extensions: ServerExtensions, *, utf8: bool) -> bytes:
    """RCPT, with NOTIFY and ORCPT for a server that has DSN (RFC 3461, 4.1 and 4.2)."""
    line = f"RCPT TO:<{_path(rcpt.forward_path, utf8=utf8)}>"
    notify, original = rcpt.parameters
    if (notify or original) and extensions.dsn:
        if notify:
            line = f"{line} NOTIFY={notify}"
        original = original if utf8 else _ascii_original(original)
        if 0 < len(original) <= MAX_ORIGINAL:
            line = f"{line} ORCPT={original}"
    return command_line(line)


def _path(mailbox: Mailbox, *, utf8: bool) -> str:
    text = str(mailbox)
    if utf8 or text.isascii():
        return text
    if needs_smtputf8(mailbox):
        msg = "the mailbox needs SMTPUTF8"
        raise ValueError(msg)
    return str(Mailbox(mailbox.local_part, fold_domain(mailbox.domain)))


def _ascii_original(original: str) -> str:
    # RFC 6533, 3: utf-8-addr-xtext writes what is beyond ASCII as EmbeddedUnicodeChar.
    return _beyond_ascii.sub(lambda match: f"\\x{{{ord(match[0]):X}}}", original)
