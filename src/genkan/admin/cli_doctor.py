# SPDX-License-Identifier: Apache-2.0
"""The command that looks at a domain from outside: `genkan doctor`."""

from __future__ import annotations

import click

from genkan.admin.doctor import diagnose
from genkan.admin.doctor_finding import is_broken
from genkan.admin.invocation import DOMAIN, Invocation, pass_invocation
from genkan.admin.output import Output, with_json
from genkan.dmarc.author import plain_domain


def _parse_selectors(_context: click.Context, _parameter: click.Parameter, words: tuple[str, ...]) -> tuple[str, ...]:
    """Each once, in lower case; a usage error for what cannot stand in a name."""
    for word in words:
        if plain_domain(word) is None:
            raise click.BadParameter(f"{word!r} is no selector such as mail2026")
    return tuple(dict.fromkeys(map(str.lower, words)))


@click.command()
@click.argument("domain", type=DOMAIN)
@click.option(
    "--selector",
    "selectors",
    multiple=True,
    callback=_parse_selectors,
    metavar="S",
    help="A DKIM key to look at, by the s= of its signatures; may be repeated. Our own are looked at anyway.",
)
@pass_invocation
@with_json
def doctor(invocation: Invocation, domain: str, selectors: tuple[str, ...]) -> Output:
    """Look at what the world sees of DOMAIN, ours or another, and say what to do; exit status 1 if anything is broken.

    It asks the DNS, fetches the MTA-STS policy, and says EHLO and STARTTLS to the MX hosts; it takes 30 seconds at most.
    """
    found = diagnose(invocation.config(), domain, selectors)
    lines = (line for observation in found for line in observation.lines())
    return Output(found, lines, status=int(is_broken(found)))
