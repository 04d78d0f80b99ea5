# SPDX-License-Identifier: Apache-2.0
"""MTA-STS policies that are kept no longer than the test."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from genkan.delivery.sts import StsPolicy


class KeptPolicies:
    """A `PolicyStore`; `asked` are the domains whose policy it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._policies: dict[str, StsPolicy] = {}

    async def get(self, domain: str) -> StsPolicy | None:
        self.asked.append(domain)
        return self._policies.get(domain)

    async def put(self, domain: str, policy: StsPolicy) -> None:
        self._policies[domain] = policy
