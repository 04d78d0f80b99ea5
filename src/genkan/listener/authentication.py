# SPDX-License-Identifier: Apache-2.0
"""AUTH as the listener leads it: the mechanism's dialogue, the directory's accounts, the expensive hash in a thread.

An unknown account and a wrong password look alike and take alike. Failures are counted for the client address.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from genkan.directory.passwords import (
    PasswordUnverifiable,
    PasswordWrong,
    hash_password,
    needs_rehash,
    verify_cram_md5,
    verify_password,
)
from genkan.listener.password_pool import PoolBusy
from genkan.smtp import replies
from genkan.smtp.sasl import Challenge, Failed, Finished, KeysFound, PasswordGiven, Sources, open_dialogue

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from genkan.directory.accounts import Account
    from genkan.directory.directory import Directory
    from genkan.listener.password_pool import PasswordPool
    from genkan.smtp.reply import ReplyRow
    from genkan.smtp.sasl import Dialogue, Step

    Result = bytes | Account | ReplyRow


class Authentication:
    """One AUTH exchange of a session. A step gives the challenge to send, or the account, or the row of a refusal."""

    __slots__ = ("_dialogue", "_directory", "_pool", "login", "mechanism")

    def __init__(self, mechanism: str, hostname: str, directory: Directory, pool: PasswordPool) -> None:
        """The mechanism is one that was offered."""
        self._directory = directory
        self._pool = pool
        self.mechanism: Final = mechanism
        self.login = ""
        dialogue = open_dialogue(mechanism, Sources(self._keys_for, _cram_challenge(hostname)))
        assert dialogue is not None
        self._dialogue: Dialogue = dialogue

    def start(self, initial: bytes | None) -> Result | Awaitable[Result]:
        """The first step."""
        return self._judge(self._dialogue.start(initial))

    def next(self, response: bytes) -> Result | Awaitable[Result]:
        """The step after the client's answer."""
        return self._judge(self._dialogue.next(response))

    def _judge(self, step: Step) -> Result | Awaitable[Result]:
        match step:
            case Challenge(octets):
                return octets
            case Failed():
                self.login = step.login
                return replies.AUTH_FAILED
            case Finished(login):
                self.login = login
                return self._directory.account_for_login(login) or replies.AUTH_FAILED
            case PasswordGiven(login):
                self.login = login
                return self._verify(step)
        self.login = step.login
        account = self._directory.account_for_login(step.login)
        try:
            verify_cram_md5(account, step.challenge, step.digest.hex())
        except PasswordWrong:
            return replies.AUTH_FAILED
        return account or replies.AUTH_FAILED

    async def _verify(self, given: PasswordGiven) -> Result:
        account = self._directory.account_for_login(given.login)
        try:
            await self._pool.run(verify_password, account, given.password)
        except PasswordWrong:
            return replies.AUTH_FAILED
        except (PasswordUnverifiable, PoolBusy):
            return replies.AUTH_UNAVAILABLE
        if account is None:
            return replies.AUTH_FAILED
        if needs_rehash(account):
            hashed = await self._pool.run(hash_password, given.password)
            self._directory.accounts.store_rehash(account, hashed)
        return account

    def _keys_for(self, login: str) -> KeysFound:
        keys, known = self._directory.scram_keys_for_login(login)
        return KeysFound(keys.salt, keys.stored_key, keys.server_key, keys.iterations, known)


def _cram_challenge(hostname: str) -> bytes:
    """A challenge that never comes twice (RFC 2195, 2)."""
    return f"<{secrets.token_hex(16)}@{hostname}>".encode()
