# SPDX-License-Identifier: Apache-2.0
"""The command that looks for mistakes: `genkan check`."""

from __future__ import annotations

import click

from genkan.admin.check import findings_of
from genkan.admin.invocation import Invocation, pass_invocation
from genkan.admin.output import Output, with_json
from genkan.config import ConfigError
from genkan.findings import Finding, Level, error


@click.command()
@pass_invocation
@with_json
def check(invocation: Invocation) -> Output:
    """Say what is wrong or dangerous; exit status 1 if anything does not work."""
    findings = _findings(invocation)
    broken = any(finding.level is Level.ERROR for finding in findings)
    return Output(findings, map(str, findings), hint="nothing to say: all is well", status=int(broken))


def _findings(invocation: Invocation) -> list[Finding]:
    try:
        return findings_of(invocation.config(), invocation.now())
    except ConfigError as fault:
        faults = (line.split(": ", 2) for line in str(fault).split("\n"))
        return [error(": ".join(parts[:-1]), parts[-1], "correct the file") for parts in faults]
