# SPDX-License-Identifier: Apache-2.0
"""Rows and policies as text for a database: JSON, the same text for the same value, so that it can be a key."""

from __future__ import annotations

import json

from genkan.dmarc.aggregate import Override, PublishedPolicy, Row, Signature, SpfAuthResult


def row_text(row: Row) -> str:
    """A row; queries may ask for its members source, disposition, dkim and spf."""
    return _written(
        {
            "source": row.source,
            "disposition": row.disposition,
            "dkim": row.dkim_aligned,
            "spf": row.spf_aligned,
            "from": row.header_from,
            "envelope": row.envelope_from,
            "signatures": row.signatures,
            "checked": row.spf,
            "overrides": row.overrides,
        }
    )


def parse_row(text: str) -> Row:
    """The row that `row_text` wrote."""
    said = json.loads(text)
    return Row(
        source=said["source"],
        disposition=said["disposition"],
        dkim_aligned=said["dkim"],
        spf_aligned=said["spf"],
        header_from=said["from"],
        envelope_from=said["envelope"],
        signatures=tuple(Signature(*one) for one in said["signatures"]),
        spf=None if said["checked"] is None else SpfAuthResult(*said["checked"]),
        overrides=tuple(Override(*one) for one in said["overrides"]),
    )


def policy_text(policy: PublishedPolicy) -> str:
    """A published policy, with its domain."""
    return _written(
        [
            *(policy.domain, policy.p, policy.sp, policy.np, policy.adkim, policy.aspf),
            *(policy.fo, policy.testing, policy.discovery),
        ]
    )


def parse_policy(text: str) -> PublishedPolicy:
    """The policy that `policy_text` wrote."""
    return PublishedPolicy(*json.loads(text))


def _written(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
