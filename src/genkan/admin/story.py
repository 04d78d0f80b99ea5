# SPDX-License-Identifier: Apache-2.0
"""Tells the story of a session from its entries in the record, line by line, in English or Japanese. Pure.

The sentences are in `story_words.py`; causes, remedies and the words on the wire come from the reply catalogue.
"""

from __future__ import annotations

from datetime import UTC, datetime
from string import Formatter
from typing import TYPE_CHECKING, Final, NamedTuple

from genkan.admin.output import moment_text
from genkan.admin.story_words import CHECKS, FACTS, SENTENCES, Language
from genkan.smtp import replies
from genkan.smtp.replies import CATALOGUE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from genkan.record.entry import (
        AuthEntry,
        ConnectionEntry,
        ContentEntry,
        Decision,
        Fact,
        RcptEntry,
        Rule,
        Shadow,
        TransactionEntry,
    )
    from genkan.smtp.reply import Reply, ReplyRow, Wordbook
    from genkan.spool.reading import QueuedMessage, QueuedRecipient

_STEP: Final = "  "
_UNKNOWN: Final = "..."  # stands for a field of a reply that was not recorded


class Session(NamedTuple):
    """What is known of one session; there is a connection, or at least one transaction.

    `connection` is missing while it is open. `queued` has those of its accepted messages that are still in the queue, by
    their ids.
    """

    session: str
    connection: ConnectionEntry | None
    transactions: tuple[TransactionEntry, ...]
    queued: Mapping[str, QueuedMessage] = {}

    @property
    def begun(self) -> float:
        """When it began, in Unix seconds, as far as that is known."""
        if self.connection is not None:
            return self.connection.at - self.connection.seconds
        return self.transactions[0].at


class Storyteller:
    """Tells sessions in one language, with replies in the words of one profile."""

    def __init__(self, language: Language, wordbook: Wordbook, hostname: str) -> None:
        """`hostname` is the name that the server's replies carry."""
        self._language = language
        self._wordbook = wordbook
        self._hostname = hostname

    def tell(self, session: Session) -> Iterator[str]:
        """The lines of one session's story."""
        connection = session.connection
        yield self._say("head", at=_moment(session.begun), session=session.session)
        yield from _indented(self._opening(connection or session.transactions[0]))
        if connection is not None:
            yield from _indented(self._connection(connection))
        for transaction in session.transactions:
            yield f"{_STEP}{self._say('transaction', at=_moment(transaction.at))}"
            yield from _indented(self._transaction(transaction), 2)
            yield from _indented(self._afterwards(transaction, session.queued), 2)
        yield from _indented(self._closing(connection))

    # The connection.

    def _opening(self, entry: TransactionEntry | ConnectionEntry) -> Iterator[str]:
        domain = f" ({entry.client_domain})" if entry.client_domain else ""
        yield self._say("came", client=f"[{entry.client}]{domain}", role=entry.role)
        if entry.hello:
            yield self._say("greeted", verb="EHLO" if entry.esmtp else "HELO", hello=entry.hello)
        else:
            yield self._say("silent")
        how = "" if entry.tls == "yes" else f" ({entry.tls})"
        yield self._say("tls", tls=how) if entry.tls else self._say("clear")

    def _connection(self, connection: ConnectionEntry) -> Iterator[str]:
        known = {"client_address": connection.client}
        decision = connection.decision
        if decision is not None:
            yield from self._objection(self._say("greeting"), decision, known)
        yield from self._grounds(connection.rules, connection.facts, decision)
        yield from self._shadows(connection.shadow, "connect", "", known)
        for auth in connection.auths:
            yield from self._auth(auth, known)
        for refusal in connection.refusals:
            yield from self._objection(self._say("command", line=refusal.line), refusal.decision, known)
        if connection.more:
            yield self._say("more", count=connection.more)

    def _auth(self, auth: AuthEntry, known: Mapping[str, str]) -> Iterator[str]:
        subject = self._say("auth", mechanism=auth.mechanism, login=auth.login)
        if auth.decision is None:
            yield self._say("auth_accepted", subject=subject)
        else:
            yield from self._objection(subject, auth.decision, known)

    def _closing(self, connection: ConnectionEntry | None) -> Iterator[str]:
        if connection is None:
            yield self._say("open")
            return
        yield self._say(
            "closed",
            seconds=f"{connection.seconds:g}",
            reason=connection.reason,
            messages=connection.messages,
            transactions=connection.transactions,
        )

    # A mail transaction.

    def _transaction(self, entry: TransactionEntry) -> Iterator[str]:
        known = {
            "client_address": entry.client,
            "reverse_path": entry.reverse_path or "",
            "message_id": entry.message_id,
        }
        yield self._who(entry)
        yield from self._mail(entry, known)
        for rcpt in entry.rcpts:
            yield from self._rcpt(entry, rcpt, known | {"forward_path": rcpt.forward_path})
        if entry.more_rcpts:
            yield self._say("more_rcpts", count=entry.more_rcpts)
        if entry.content is not None:
            yield from self._content(entry, entry.content, known)
        if entry.end in ("reset", "lost"):
            yield self._say(entry.end)

    def _who(self, entry: TransactionEntry) -> str:
        if entry.account:
            return self._say("account", account=entry.account)
        return self._say("auth_failed" if entry.auth_failed else "no_account")

    def _mail(self, entry: TransactionEntry, known: Mapping[str, str]) -> Iterator[str]:
        path = entry.reverse_path or ""
        if entry.blank:
            subject = self._say("mail_blank")
        elif entry.declared is None:
            subject = self._say("mail", path=path)
        else:
            subject = self._say("mail_size", path=path, size=entry.declared)
        yield from self._verdict(subject, entry.decision, replies.SENDER_OK, known)
        yield from self._grounds(entry.rules, entry.facts, entry.decision)
        yield from self._shadows(entry.shadow, "mail", "", known)

    def _rcpt(self, entry: TransactionEntry, rcpt: RcptEntry, known: Mapping[str, str]) -> Iterator[str]:
        subject = self._say("rcpt", path=rcpt.forward_path)
        yield from self._verdict(subject, rcpt.decision, replies.RECIPIENT_OK, known)
        if rcpt.mailbox and rcpt.mailbox != rcpt.forward_path:
            yield _STEP + self._say("mailbox", mailbox=rcpt.mailbox)
        yield from self._grounds(rcpt.rules, rcpt.facts, rcpt.decision)
        yield from self._shadows(entry.shadow, "rcpt", rcpt.forward_path, known)

    def _content(self, entry: TransactionEntry, content: ContentEntry, known: Mapping[str, str]) -> Iterator[str]:
        subject = self._say("content", size=content.size)
        if content.decision is not None or entry.end == "accepted":
            yield from self._verdict(subject, content.decision, replies.MESSAGE_RECEIVED, known)
        elif entry.end == "refused":
            yield self._say("failed", subject=subject, id=entry.message_id)
        if entry.message_id:
            yield _STEP + self._say("message_id", id=entry.message_id)
        yield _STEP + self._say("received", received=content.received)
        if content.from_field:
            yield _STEP + self._say("from", text=content.from_field)
        if content.fault:
            yield _STEP + self._say("fault", fault=content.fault.lower().replace("_", " "))
        yield from self._grounds(content.rules, content.facts, content.decision)
        yield from (_STEP + self._say("action", action=action) for action in content.actions)
        yield from self._shadows(entry.shadow, "content", "", known)

    # What was decided.

    def _verdict(
        self, subject: str, decision: Decision | None, accepted: ReplyRow, known: Mapping[str, str]
    ) -> Iterator[str]:
        if decision is not None:
            yield from self._objection(subject, decision, known)
        else:
            yield self._say("accepted", subject=subject, reply=self._reply(accepted, known).text)

    def _objection(self, subject: str, decision: Decision, known: Mapping[str, str]) -> Iterator[str]:
        """What the client was told, and all that is known about the reason."""
        row = CATALOGUE.get(decision.reply)
        yield self._objected(subject, decision, row, known)
        yield from _indented(self._reason(decision))
        if row is not None:
            meaning, remedy = (row.meaning, row.remedy) if self._language == "en" else (row.meaning_ja, row.remedy_ja)
            yield _STEP + self._say("cause", text=meaning)
            yield _STEP + self._say("remedy", text=remedy)

    def _objected(self, subject: str, decision: Decision, row: ReplyRow | None, known: Mapping[str, str]) -> str:
        if not decision.reply:
            return self._say("cut_off", subject=subject)
        if row is None:  # another version wrote the entry
            return self._say("refused", subject=subject, reply=decision.reply)
        reply = self._reply(row, {**known, **decision.fields})
        return self._say("deferred" if reply.code < 500 else "refused", subject=subject, reply=reply.text)

    def _reason(self, decision: Decision) -> Iterator[str]:
        words = CHECKS.get(decision.check)
        if words is None:
            yield self._say("check_unknown", check=decision.check)
        else:
            yield self._say("check", check=decision.check, words=getattr(words, self._language))
        if decision.detail:
            yield self._say("detail", detail=decision.detail)
        if decision.rule is not None:
            yield self._rule("rule", decision.rule)

    def _grounds(self, rules: Iterable[Rule], facts: Mapping[str, Fact], decision: Decision | None) -> Iterator[str]:
        """The rules met besides the one that decided, and the facts."""
        decisive = None if decision is None else decision.rule
        yield from (_STEP + self._rule("rule_met", rule) for rule in rules if rule != decisive)
        if facts:
            shown = ", ".join(self._fact(name, value) for name, value in facts.items())
            yield _STEP + self._say("facts", facts=shown)

    def _fact(self, name: str, value: Fact) -> str:
        words = getattr(FACTS[name], self._language) if name in FACTS else name
        shown = str(value).lower() if isinstance(value, bool) else str(value)
        return f"{words} = {shown or self._say('none')}"

    def _shadows(
        self, shadows: Iterable[Shadow], stage: str, forward_path: str, known: Mapping[str, str]
    ) -> Iterator[str]:
        for shadow in shadows:
            if (shadow.stage, shadow.forward_path) != (stage, forward_path):
                continue
            if shadow.decision is None:
                yield _STEP + self._say("shadow_accepted")
                continue
            row = CATALOGUE.get(shadow.decision.reply)
            reply = "-" if row is None else self._reply(row, {**known, **shadow.decision.fields}).text
            yield _STEP + self._say("shadow_refused", reply=reply)
            yield from _indented(self._reason(shadow.decision), 2)

    def _rule(self, sentence: str, rule: Rule) -> str:
        if not rule.line:  # it stands in no document
            return self._say(sentence, rule=f"{rule.document} {rule.text}".rstrip())
        place = self._say(
            "place_of" if rule.account else "place",
            document=rule.document,
            account=rule.account,
            revision=rule.revision,
            line=rule.line,
        )
        return self._say(sentence, rule=f"{place}: {rule.text}" if rule.text else place)

    # What became of it.

    def _afterwards(self, entry: TransactionEntry, queued: Mapping[str, QueuedMessage]) -> Iterator[str]:
        if entry.end != "accepted" or not entry.message_id:
            return
        message = queued.get(entry.message_id)
        if message is None:
            yield self._say("left", id=entry.message_id)
            return
        yield self._say("queued")
        if message.held is not None:
            hold = message.held.hold
            words = {"kind": hold.kind, "reason": hold.reason, "rule": hold.rule, "verdict": hold.verdict}
            yield _STEP + self._say("hold", at=moment_text(hold.deadline), **words)
        for recipient in message.recipients:
            yield from _indented(self._waiting(recipient))

    def _waiting(self, recipient: QueuedRecipient) -> Iterator[str]:
        yield self._say(
            recipient.state,
            path=recipient.forward_path,
            attempts=recipient.attempts,
            at=moment_text(recipient.due_at),
        )
        if recipient.last_outcome:
            yield _STEP + self._say("last_outcome", text=recipient.last_outcome)

    # Words.

    def _say(self, sentence: str, **fields: object) -> str:
        words: str = getattr(SENTENCES[sentence], self._language)
        return words.format_map(fields)

    def _reply(self, row: ReplyRow, known: Mapping[str, str]) -> Reply:
        text = row.in_profile(self._wordbook.profile).text
        names = [name for _, name, _, _ in Formatter().parse(text) if name]
        given = {"fqdn": self._hostname, **known}
        return self._wordbook.reply_utf8(row, **{name: given.get(name, _UNKNOWN) for name in names})


def _indented(lines: Iterable[str], steps: int = 1) -> Iterator[str]:
    return (_STEP * steps + line for line in lines)


def _moment(at: float) -> str:
    return moment_text(datetime.fromtimestamp(at, UTC))
