# SPDX-License-Identifier: Apache-2.0
"""What is recorded of a connection and of a mail transaction: every verdict, the rules met, the facts the checks used.

An entry is one line of JSON, and holds all that is needed to ask the same checks again. Secrets have no place in it: a login
is written as the log may show it, and a refused line as `smtp.redaction` gives it.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

Fact = str | int | bool
End = Literal["accepted", "refused", "reset", "lost"]
Stage = Literal["connect", "mail", "rcpt", "content"]

Moment = Annotated[float, Meta(ge=0, le=253402300799)]  # Unix seconds, up to the year 9999
Seconds = Annotated[float, Meta(ge=0, le=1e9)]

MOST_RCPTS: Final = 200
MOST_AUTHS: Final = 50
MOST_REFUSALS: Final = 50
MOST_TEXT: Final = 500  # characters of a text that somebody else chose the length of


def cut(text: str) -> str:
    """A text as an entry may hold it: one that is too long ends in "..."."""
    return text if len(text) <= MOST_TEXT else f"{text[: MOST_TEXT - 3]}..."


class Rule(Struct, frozen=True, omit_defaults=True, gc=False):
    """An operator's rule that was met: where it stands, in the order of `rules.document.Origin`, and its words.

    What was not set in a document has no line: `list dev@in.test`.
    """

    document: str
    account: str = ""
    revision: int = 0
    line: int = 0
    text: str = ""

    def __str__(self) -> str:
        """Its place and its words: `effect.dat:3 192.0.2.0/24 false`, `mail.dat of ann@in.test:12 Virus:spam`."""
        return f"{self.place} {self.text}".rstrip()

    @property
    def place(self) -> str:
        """Where it stands: `effect.dat:3`, `mail.dat of ann@in.test:12`."""
        owner = f" of {self.account}" if self.account else ""
        line = f":{self.line}" if self.line else ""
        return f"{self.document}{owner}{line}"


class Decision(Struct, frozen=True, omit_defaults=True, gc=False):
    """An objection: the reply's name ("": cut off without a word), the check's, what it saw, the rule it obeyed.

    `fields` are those of the reply.
    """

    reply: str
    check: str
    detail: str = ""
    rule: Rule | None = None
    fields: dict[str, str] = {}


class Shadow(Struct, frozen=True, omit_defaults=True, gc=False):
    """Where the shadow documents would have decided otherwise: by an objection, or without one by `actions`."""

    stage: Stage
    forward_path: str = ""
    decision: Decision | None = None
    actions: list[str] = []


class RcptEntry(Struct, omit_defaults=True, gc=False):
    """One RCPT. `mailbox` is where the directory sends it; `decision` is `None` when it was accepted."""

    forward_path: str
    mailbox: str = ""
    decision: Decision | None = None
    rules: list[Rule] = []
    facts: dict[str, Fact] = {}


class ContentEntry(Struct, omit_defaults=True, gc=False):
    """The content once it was complete.

    `header` is the start of the header section, one character (Latin-1) for each octet. `actions` are what rules did to the
    message besides refusing it.
    """

    size: int = 0
    fault: str = ""
    received: int = 0
    from_field: str = ""
    header: str = ""
    decision: Decision | None = None
    rules: list[Rule] = []
    actions: list[str] = []
    facts: dict[str, Fact] = {}


class TransactionEntry(Struct, omit_defaults=True, gc=False, tag="transaction"):
    """One mail transaction from MAIL to its end; `at` is that end.

    `tls` is "" in clear, else version and cipher, or "yes". `reverse_path` is `None` for the null one, and `blank` says that
    there was none at all; `declared` is SIZE at MAIL.
    `decision`, `rules` and `facts` are those of MAIL. `rcpts` has the first `MOST_RCPTS`, `more_rcpts` counts the rest.
    `end` is "reset" when the client gave up, "lost" when the connection broke off.
    """

    at: Moment
    session: str
    client: str
    role: str
    client_domain: str = ""
    hello: str = ""
    esmtp: bool = True
    tls: str = ""
    account: str = ""
    auth_failed: bool = False
    reverse_path: str | None = None
    blank: bool = False
    declared: int | None = None
    body: str = ""
    smtputf8: bool = False
    decision: Decision | None = None
    rules: list[Rule] = []
    facts: dict[str, Fact] = {}
    rcpts: list[RcptEntry] = []
    more_rcpts: int = 0
    content: ContentEntry | None = None
    message_id: str = ""
    end: End = "lost"
    shadow: list[Shadow] = []

    def add_rcpt(self, rcpt: RcptEntry) -> None:
        """Note one more RCPT; beyond `MOST_RCPTS` it is only counted."""
        if len(self.rcpts) < MOST_RCPTS:
            self.rcpts.append(rcpt)
        else:
            self.more_rcpts += 1


class AuthEntry(Struct, frozen=True, omit_defaults=True, gc=False):
    """One AUTH: for which login, as the log may show it; `decision` is `None` when it succeeded."""

    mechanism: str
    login: str = ""
    decision: Decision | None = None


class Refusal(Struct, frozen=True, omit_defaults=True, gc=False):
    """A command that the protocol itself refused, as the log may show it."""

    line: str
    decision: Decision


class ConnectionEntry(Struct, omit_defaults=True, gc=False, tag="connection"):
    """One connection, at its end (`at`). `reason` is why it ended.

    `transactions` counts the entries of the same session, `messages` the accepted ones among them. `decision`, `rules` and
    `facts` are those of the greeting. `more` counts what `auths` and `refusals` had no room for.
    """

    at: Moment
    session: str
    client: str
    role: str
    client_domain: str = ""
    reason: str = ""
    hello: str = ""
    esmtp: bool = True
    tls: str = ""
    account: str = ""
    seconds: Seconds = 0.0
    transactions: int = 0
    messages: int = 0
    decision: Decision | None = None
    rules: list[Rule] = []
    facts: dict[str, Fact] = {}
    auths: list[AuthEntry] = []
    refusals: list[Refusal] = []
    more: int = 0
    shadow: list[Shadow] = []

    def add_auth(self, auth: AuthEntry) -> None:
        """Note one more AUTH; beyond `MOST_AUTHS` it is only counted."""
        if len(self.auths) < MOST_AUTHS:
            self.auths.append(auth)
        else:
            self.more += 1

    def add_refusal(self, refusal: Refusal) -> None:
        """Note one more refused command; beyond `MOST_REFUSALS` it is only counted."""
        if len(self.refusals) < MOST_REFUSALS:
            self.refusals.append(refusal)
        else:
            self.more += 1


Entry = TransactionEntry | ConnectionEntry
