# SPDX-License-Identifier: Apache-2.0
"""Shadow documents: texts on trial beside the ones that count. What they would have decided is noted in the record."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from genkan.policy.replay import Outcome, Replay, differences, recorded
from genkan.policy.rulebook import Rulebook
from genkan.record.entry import Shadow
from genkan.storage.engine import StorageError

if TYPE_CHECKING:
    from genkan.config import Config
    from genkan.directory.accounts import Account
    from genkan.directory.directory import Directory
    from genkan.directory.documents import StoredDocument
    from genkan.record.entry import ConnectionEntry, TransactionEntry
    from genkan.rules.mail_match import MailText


class Trials:
    """Judges what has just been decided once more, by the documents on trial; costs nothing while there is none."""

    def __init__(self, config: Config, directory: Directory) -> None:
        """Settings and directory are those in force."""
        self._documents = directory.documents
        self._replay = Replay(config, directory, Rulebook(self._current))

    def judge(self, entry: TransactionEntry, text: MailText | None) -> None:
        """Note in the entry where the trial says something else; nothing while the directory cannot be asked."""
        with suppress(StorageError):
            if self._documents.has_shadows():
                pairs = differences(recorded(entry), self._replay.transaction(entry, text))
                entry.shadow = [Shadow(after.stage, after.forward_path, after.decision) for _, after in pairs]

    def judge_connection(self, entry: ConnectionEntry) -> None:
        """As `judge`, for the greeting."""
        with suppress(StorageError):
            if self._documents.has_shadows():
                after = self._replay.connection(entry)
                before = Outcome("connect", "", entry.decision)
                if after.said != before.said:
                    entry.shadow = [Shadow("connect", "", after.decision)]

    def _current(self, name: str, account: Account | None) -> StoredDocument | None:
        return self._documents.shadow(name, account) or self._documents.current(name, account)
