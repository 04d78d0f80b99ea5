# SPDX-License-Identifier: Apache-2.0
"""Shadow documents: texts on trial beside the ones that count. What they would have decided is noted in the record.

Both are asked about the same entry, so that only what the documents make different counts. Nothing here waits, and while
the directory cannot be asked there are no shadows.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from genkan.policy.replay import differences, recorded_greeting
from genkan.record.entry import Shadow
from genkan.storage.engine import StorageError

if TYPE_CHECKING:
    from genkan.directory.documents import Documents
    from genkan.maillog import MailLog
    from genkan.policy.facts import TransactionFacts
    from genkan.policy.replay import Outcome, Replay
    from genkan.record.entry import ConnectionEntry, TransactionEntry
    from genkan.rules.mail_match import MailText


class Trials:
    """Judges what has just been decided once more, by the documents on trial; costs nothing while there is none."""

    def __init__(self, documents: Documents, in_force: Replay, on_trial: Replay, log: MailLog) -> None:
        """The one replay goes by the current documents, the other one by those on trial."""
        self._documents = documents
        self._in_force = in_force
        self._on_trial = on_trial
        self._log = log

    def reads_text(self, transaction: TransactionFacts) -> bool:
        """Whether a document on trial wants to look at the text of this transaction's content."""
        with suppress(StorageError):
            return self._documents.has_shadows() and self._on_trial.chain.reads_text(transaction)
        return False

    def judge(self, entry: TransactionEntry, text: MailText | None) -> None:
        """Note in the entry where the documents on trial say something else than those in force. Raises nothing."""
        try:
            if self._documents.has_shadows():
                entry.shadow = _shadows(
                    self._in_force.transaction(entry, text), self._on_trial.transaction(entry, text)
                )
        except Exception as error:  # noqa: BLE001
            self._tell(entry.session, error)

    def judge_connection(self, entry: ConnectionEntry) -> None:
        """As `judge`, for the greeting."""
        try:
            if self._documents.has_shadows() and recorded_greeting(entry) is not None:
                entry.shadow = _shadows([self._in_force.connection(entry)], [self._on_trial.connection(entry)])
        except Exception as error:  # noqa: BLE001
            self._tell(entry.session, error)

    def _tell(self, session: str, error: Exception) -> None:
        if not isinstance(error, StorageError):  # what is wrong with the storage is told by those who need it
            self._log.failure(session, error)


def _shadows(in_force: list[Outcome], on_trial: list[Outcome]) -> list[Shadow]:
    pairs = differences(in_force, on_trial)
    return [Shadow(after.stage, after.forward_path, after.decision, list(after.actions)) for _, after in pairs]
