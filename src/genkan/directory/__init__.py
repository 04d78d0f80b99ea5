# SPDX-License-Identifier: Apache-2.0
"""Who is who: domains, accounts, aliases, lists; and what else all workers share: rule documents, locks, message numbers."""

from __future__ import annotations

from genkan.directory.accounts import UNCHANGED, Account, Accounts
from genkan.directory.aliases import Alias, Aliases
from genkan.directory.audit import Audit, AuditEntry
from genkan.directory.auto_replies import AutoReplies, AutoReply
from genkan.directory.brakes import NO_LIMIT, Braked, BrakeNumbers, Brakes, Standing
from genkan.directory.directory import Directory
from genkan.directory.documents import DocumentEntry, Documents, Revision, StoredDocument
from genkan.directory.domains import Domains
from genkan.directory.errors import AlreadyExists, DirectoryError, InvalidValue, NotFound
from genkan.directory.forwards import Forward, Forwards
from genkan.directory.grey import GreyEntries, GreyEntry
from genkan.directory.list_members import ListMembers, Member
from genkan.directory.lists import Lists, ListTooLarge
from genkan.directory.locks import FOREVER, Lock, LockKind, Locks
from genkan.directory.passwords import PasswordWrong, ScramKeys
from genkan.directory.resolution import (
    Elsewhere,
    External,
    ListRole,
    ListSettings,
    Local,
    MailingList,
    Resolution,
    Unknown,
)

__all__ = [
    "FOREVER",
    "NO_LIMIT",
    "UNCHANGED",
    "Account",
    "Accounts",
    "Alias",
    "Aliases",
    "AlreadyExists",
    "Audit",
    "AuditEntry",
    "AutoReplies",
    "AutoReply",
    "BrakeNumbers",
    "Braked",
    "Brakes",
    "Directory",
    "DirectoryError",
    "DocumentEntry",
    "Documents",
    "Domains",
    "Elsewhere",
    "External",
    "Forward",
    "Forwards",
    "GreyEntries",
    "GreyEntry",
    "InvalidValue",
    "ListMembers",
    "ListRole",
    "ListSettings",
    "ListTooLarge",
    "Lists",
    "Local",
    "Lock",
    "LockKind",
    "Locks",
    "MailingList",
    "Member",
    "NotFound",
    "PasswordWrong",
    "Resolution",
    "Revision",
    "ScramKeys",
    "Standing",
    "StoredDocument",
    "Unknown",
]
