# SPDX-License-Identifier: Apache-2.0
"""What a mailing list writes into a header section: who it is, and how to reach and to leave it (RFC 2369, 2919, 8058).

The body is left alone, and the Subject too unless the list wants its tag there: so a DKIM signature of the author stays valid.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote

from genkan.message.header import HeaderFields
from genkan.message.marking import encoded_text, marked

if TYPE_CHECKING:
    from genkan.smtp.address import Mailbox

# Of lists before this one, and those by which a poster could learn who is on it.
_REPLACED: Final = (
    *(b"list-id", b"list-help", b"list-subscribe", b"list-unsubscribe", b"list-unsubscribe-post", b"list-post"),
    *(b"list-owner", b"list-archive", b"precedence"),
    *(b"return-receipt-to", b"disposition-notification-to", b"x-confirm-reading-to"),
)
_STALE: Final = re.compile(
    rb"^(?:%b)[ \t]*+:[^\n]*+\n(?:[ \t][^\n]*+\n)*+" % b"|".join(_REPLACED), re.IGNORECASE | re.MULTILINE
)
_IN_BRACKETS: Final = re.compile(rb"<\s*([^<>\s]{1,512})\s*>\s*$")
_MAX_LOOPS: Final = 50  # fields of one name that are looked at


class ListWords(NamedTuple):
    """What the fields say. `owner` and `subscribe` are `None` where there is nobody, or no such thing."""

    identifier: str
    post: Mailbox
    title: str = ""
    subject_tag: str = ""
    owner: Mailbox | None = None
    subscribe: Mailbox | None = None


def list_header(header: bytes, words: ListWords) -> bytes:
    """A header section, without the blank line behind it, as the list sends it on; its last line may lack its CRLF."""
    if not header.endswith(b"\n"):
        header += b"\r\n"
    kept = _STALE.sub(b"", header)
    if words.subject_tag and words.subject_tag not in HeaderFields(kept).text("subject"):
        kept = marked(kept, words.subject_tag, ())
    return kept + _list_fields(words)


def has_passed(header: bytes, identifier: str) -> bool:
    """Whether a message comes from the list with this identifier: it goes in a circle."""
    wanted = identifier.lower().encode()
    found = (_IN_BRACKETS.search(body) for body in HeaderFields(header).all("list-id")[:_MAX_LOOPS])
    return any(one is not None and one[1].lower() == wanted for one in found)


def unsubscribe_fields(address: Mailbox, url: str = "") -> bytes:
    """How one member leaves: by mail to `address`, and with one click (RFC 8058, 3) where `url` is an https address."""
    if not url:
        return b"List-Unsubscribe: <%b>\r\n" % _mailto(address)
    fields = b"List-Unsubscribe: <%b>,\r\n <%b>\r\n" % (_mailto(address), url.encode("ascii"))
    if url.startswith("https:"):
        fields += b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
    return fields


def _list_fields(words: ListWords) -> bytes:
    title = encoded_text(_phrase(words.title))
    identifier = words.identifier.encode("ascii")
    fields = [
        b"List-Id: %b<%b>" % (title + b"\r\n " if title else b"", identifier),
        b"List-Post: <%b>" % _mailto(words.post),
    ]
    if words.owner is not None:
        fields += [b"List-Help: <%b?subject=help>" % _mailto(words.owner), b"List-Owner: <%b>" % _mailto(words.owner)]
    if words.subscribe is not None:
        fields.append(b"List-Subscribe: <%b>" % _mailto(words.subscribe))
    fields.append(b"Precedence: list")
    return b"".join(field + b"\r\n" for field in fields)


def _phrase(title: str) -> str:
    """A title as a quoted string, so that no character in it means anything (RFC 2919, 3); encoded words need no quotes."""
    if not title or not title.isascii():
        return title
    escaped = title.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _mailto(address: Mailbox) -> bytes:
    """The URI of an address (RFC 6068, 2)."""
    return f"mailto:{quote(address.local_part, safe='+')}@{quote(address.domain, safe='[]:')}".encode("ascii")
