# SPDX-License-Identifier: Apache-2.0
"""What EHLO announces (RFC 5321, 4.1.1.1), in the product's order: STARTTLS, AUTH, and SIZE on the last line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from genkan.smtp import replies
from genkan.smtp.reply import Profile

if TYPE_CHECKING:
    from genkan.smtp.reply import ReplyRow

IN_CLEAR_TOO: Final = ("PIPELINING", "8BITMIME", "SMTPUTF8", "CHUNKING", "DSN", "ENHANCEDSTATUSCODES")
UNDER_TLS_ONLY: Final = ("REQUIRETLS",)  # RFC 8689, 2
BEYOND_THE_PRODUCT: Final = IN_CLEAR_TOO + UNDER_TLS_ONLY
PLAINTEXT_MECHANISMS: Final = frozenset({"PLAIN", "LOGIN"})

Lines = list[tuple["ReplyRow", dict[str, str]]]


@dataclass(frozen=True, slots=True)
class Extensions:
    """What a listener offers: `keywords` beyond the product's three, TLS, AUTH mechanisms, the size limit (octets, 0: none)."""

    keywords: tuple[str, ...]
    starttls: bool
    mechanisms: tuple[str, ...]
    plaintext_always: bool
    message_size: int

    def offers(self, keyword: str) -> bool:
        """Whether an extension beyond the product's three is announced, so that its parameters and commands count.

        One of `UNDER_TLS_ONLY` counts only there.
        """
        return keyword in self.keywords

    def mechanisms_for(self, *, tls_active: bool) -> tuple[str, ...]:
        """The AUTH mechanisms that may be used now: PLAIN and LOGIN show the password to whoever listens on the way."""
        if tls_active or self.plaintext_always:
            return self.mechanisms
        return tuple(name for name in self.mechanisms if name not in PLAINTEXT_MECHANISMS)

    def auth_refusal(self, mechanism: str, *, tls_active: bool) -> ReplyRow | None:
        """Why AUTH with this mechanism, named in upper case, is refused now; `None` when it is not."""
        if mechanism in self.mechanisms_for(tls_active=tls_active):
            return None
        return replies.AUTH_NEEDS_TLS if mechanism in self.mechanisms else replies.AUTH_MECHANISM_UNKNOWN

    def lines(self, *, tls_active: bool) -> Lines:
        """The rows that follow the first line of the reply to EHLO."""
        keywords = (keyword for keyword in self.keywords if tls_active or keyword not in UNDER_TLS_ONLY)
        lines: Lines = [(replies.EHLO_KEYWORD, {"keyword": keyword}) for keyword in keywords]
        if self.starttls and not tls_active:
            lines.append((replies.EHLO_STARTTLS, {}))
        if mechanisms := self.mechanisms_for(tls_active=tls_active):
            lines.append((replies.EHLO_AUTH, {"mechanisms": " ".join(mechanisms)}))
        lines.append((replies.EHLO_SIZE, {"size": str(self.message_size)}))
        return lines


def announced_keywords(setting: str, profile: Profile) -> tuple[str, ...]:
    """The keywords beyond the product's for the setting `smtp.extensions`; before 4.83 there are no enhanced codes."""
    if setting == "source":
        return ()
    if profile is Profile.EPSTRS_482:
        return tuple(keyword for keyword in BEYOND_THE_PRODUCT if keyword != "ENHANCEDSTATUSCODES")
    return BEYOND_THE_PRODUCT
