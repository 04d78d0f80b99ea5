# SPDX-License-Identifier: Apache-2.0
"""What an operator can ask wrongly of the directory; each text says what to do and is printed as it stands."""

from __future__ import annotations


class DirectoryError(Exception):
    """The directory refused what it was asked and changed nothing; raised to operations, never to a client."""


class AlreadyExists(DirectoryError):
    """The address or domain is taken."""


class NotFound(DirectoryError):
    """The address, domain or lock is not there."""


class InvalidValue(DirectoryError):
    """A value can never be accepted as it is written."""
