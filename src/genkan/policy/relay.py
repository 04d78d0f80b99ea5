# SPDX-License-Identifier: Apache-2.0
r"""Who may send through this server, and where to: the product's built-in table (its page faq01-79).

| sender \ recipient         | local address | unknown local address | elsewhere           |
|---------------------------|---------------|-----------------------|---------------------|
| local address             | accept        | User unknown          | accept, after AUTH  |
| unknown local address     | refused at MAIL                                             |
| elsewhere, or the null path | accept      | User unknown          | relaying refused    |
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from genkan.policy.verdict import Verdict
from genkan.smtp import replies

if TYPE_CHECKING:
    from genkan.policy.facts import RcptFacts


class Relay:
    """A foreign reverse-path reaches local addresses only, whoever the client is."""

    name = "relay"

    def check(self, rcpt: RcptFacts) -> Verdict | None:
        """Refuse to relay for a sender who is not local."""
        if rcpt.is_local or rcpt.transaction.sender_is_local:
            return None
        path = str(rcpt.forward_path)
        return Verdict(
            self.name, replies.RELAY_DENIED, {"forward_path": path}, f"{rcpt.transaction.reverse_path} is not local"
        )
