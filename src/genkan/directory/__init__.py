# SPDX-License-Identifier: Apache-2.0
"""Who is who: domains, accounts, aliases, passwords, locked clients and message numbers, all in one database."""

from __future__ import annotations

from genkan.directory.accounts import UNCHANGED, Account, Accounts
from genkan.directory.aliases import Alias, Aliases
from genkan.directory.directory import Directory, Elsewhere, External, Local, Resolution, Unknown
from genkan.directory.domains import Domains
from genkan.directory.errors import AlreadyExists, DirectoryError, InvalidValue, NotFound
from genkan.directory.locks import FOREVER, Lock, Locks
from genkan.directory.passwords import PasswordWrong, ScramKeys

__all__ = [
    "FOREVER",
    "UNCHANGED",
    "Account",
    "Accounts",
    "Alias",
    "Aliases",
    "AlreadyExists",
    "Directory",
    "DirectoryError",
    "Domains",
    "Elsewhere",
    "External",
    "InvalidValue",
    "Local",
    "Lock",
    "Locks",
    "NotFound",
    "PasswordWrong",
    "Resolution",
    "ScramKeys",
    "Unknown",
]
