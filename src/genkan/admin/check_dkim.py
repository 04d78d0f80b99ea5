# SPDX-License-Identifier: Apache-2.0
"""`genkan check` of the keys that mail is signed with: whether they sign, and with something that every receiver knows.

Whether they are published is `genkan doctor`'s to say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from genkan.findings import Finding, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from genkan.config import Config
    from genkan.directory import Directory


def check_keys(directory: Directory, config: Config) -> Iterator[Finding]:
    """Each domain that has keys signs with one of them at least, and with one of RSA."""
    if not config.dkim.sign:
        return
    for domain in dict.fromkeys(key.domain for key in directory.dkim_keys.list()):
        signing = directory.dkim_keys.signing(domain)
        if not signing:
            remedy = f"use those that wait: genkan dkim rotate {domain}, or make others: genkan dkim add {domain}"
            yield warning(domain, "has DKIM keys, and none of them signs", remedy)
        elif all(key.algorithm != "rsa" for key in signing):
            sentence = "none of the DKIM keys that sign is an RSA one, and not every receiver knows others"
            yield warning(domain, sentence, f"add one beside them: genkan dkim add {domain} --algorithm rsa")
