# SPDX-License-Identifier: Apache-2.0
"""The command that receives and delivers mail: `genkan serve`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from genkan.admin.invocation import Invocation, pass_invocation
from genkan.main import serve as run_server

if TYPE_CHECKING:
    from genkan.worker import ServerRole


@click.command()
@click.option(
    "--role",
    type=click.Choice(("all", "receive", "deliver")),
    default="all",
    help="Only receive, or only deliver, beside another process with the other role.",
)
@click.option("--json", "as_json", is_flag=True, help="The log is JSON lines with or without it.")
@pass_invocation
@click.pass_context
def serve(ctx: click.Context, invocation: Invocation, role: ServerRole, as_json: bool) -> None:  # noqa: ARG001, FBT001
    """Receive and deliver mail until SIGTERM; SIGHUP reads configuration and certificate again."""
    ctx.exit(run_server(invocation.config(), role))
