"""The command line: one group, a module for each kind of work."""

from __future__ import annotations

import sys
from typing import Any

import click

from swarm.cli import audit, cluster, explain, plans, replay, report, run, safety, specs, tune, undo
from swarm.cli.setup import READ
from swarm.errors import Gone, SwarmError

_SENSELESS = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)
_SHOWN = 120
NOT_UP, FAILED = 3, 1
"""Exit statuses: there is no such swarm; it is there and could not do what was asked. 2 is for wrong input."""


class _Cli(click.Group):
    """Has one line for a journal whose words make no sense: somebody else may have written them."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except _SENSELESS as error:
            if READ not in ctx.meta:
                raise
            place, what = ctx.meta[READ], " ".join(f"{type(error).__name__}: {error}".split())
            raise click.ClickException(
                f"the journal {place} cannot be understood ({what[:_SHOWN]}): `swarm audit verify {place}` says "
                "whether it was altered"
            ) from error


@click.group(cls=_Cli, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="swarm-ads", prog_name="swarm")
def cli() -> None:
    """Spend advertising money over Google Ads, Meta, TikTok and LinkedIn: well, safely, and with reasons."""


for command in (
    specs.validate, specs.schema, specs.init, specs.config, run.run, cluster.up, cluster.submit, cluster.status,
    cluster.watch, cluster.mode, cluster.pause, cluster.resume, cluster.down, plans.plan, plans.approve, plans.reject,
    plans.apply, undo.rollback_, undo.drift, safety.pause_all, safety.resume_writes, explain.command, replay.command,
    report.command, audit.audit, tune.tune,
):  # fmt: skip
    cli.add_command(command)


def main() -> None:
    """Run the command; a failure is one line on standard error and an exit status."""
    try:
        cli()
    except Gone as error:
        click.echo(f"swarm: {error}", err=True)
        sys.exit(NOT_UP)
    except SwarmError as error:
        click.echo(f"swarm: {error}", err=True)
        sys.exit(FAILED)
