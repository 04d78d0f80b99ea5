# SPDX-License-Identifier: Apache-2.0
"""gateway.dat as it counts at the moment: the next hops of domains elsewhere that no route names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from genkan.rules.document import Document
from genkan.rules.gateway import GatewayRules, parse_gateway

if TYPE_CHECKING:
    from genkan.directory.documents import Documents
    from genkan.rules.gateway import GatewayRule

NAME: Final = "gateway.dat"


class Gateway:
    """The document, parsed again only when it is another text: its revision tells, since one stands for one text."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._revision = 0
        self._rules = parse_gateway(Document(NAME, "", 0, ""))

    def match(self, domain: str) -> GatewayRule | None:
        """The first line that matches a domain in any writing, `None` without one; may raise StorageError."""
        return self._current().match(domain)

    def _current(self) -> GatewayRules:
        stored = self._documents.current(NAME)
        revision = 0 if stored is None else stored.revision
        if revision != self._revision:
            octets = b"" if stored is None else stored.octets
            self._rules = parse_gateway(Document.decode(NAME, octets, revision=revision))
            self._revision = revision
        return self._rules
