# SPDX-License-Identifier: Apache-2.0
"""The envelope of a mail object: paths, their parameters, and where they came from (RFC 5321, 2.3.1; RFC 3461)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime

    from genkan.smtp.address import Mailbox


class Recipient(NamedTuple):
    """One accepted forward-path.

    `forward_path` is what the client gave (original case), `mailbox` where the directory sends it: an account's own address,
    or an address outside. `notify` is the NOTIFY parameter as given ("" when absent), `original` the ORCPT one
    (RFC 3461, 4.1 and 4.2). What a list adds for each member: a `reverse_path` that counts instead of the message's, and
    `fields`, whole header fields that are put before the content. `route` is a destination that the operator has named
    for this mail, instead of what the routes say.
    """

    forward_path: Mailbox
    mailbox: Mailbox
    notify: str = ""
    original: str = ""
    reverse_path: Mailbox | None = None
    fields: bytes = b""
    route: str = ""


class Envelope(NamedTuple):
    """All that is known of a mail transaction besides its content.

    `reverse_path` is `None` for the null reverse-path. `account` is the address of the authenticated account, or "".
    `ret` and `envid` are the DSN parameters as given (RFC 3461, 4.3 and 4.4), `body` the BODY parameter
    ("", "7BITMIME", "8BITMIME"); with `requiretls` it may only pass over verified TLS (RFC 8689).
    """

    message_id: str
    accepted_at: datetime
    reverse_path: Mailbox | None
    recipients: tuple[Recipient, ...]
    client_address: str
    hello_domain: str
    account: str = ""
    protocol: str = "ESMTP"
    body: str = ""
    smtputf8: bool = False
    ret: str = ""
    envid: str = ""
    requiretls: bool = False
