"""``swarm run``: everything in one command, in simulated time."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from swarm.cli import views
from swarm.cli.setup import STORE, fresh_folder, kept_on, read_campaigns, read_config, read_history
from swarm.platforms.log import COLUMNS, AccountLog
from swarm.spec.campaign import Campaign
from swarm.spec.config import SwarmConfig
from swarm.spec.errors import nearest
from swarm.spec.money import MINOR_DIGITS
from swarm.spec.shipped import shipped

_PATH = click.Path(path_type=Path)


def _renamed(_context: click.Context, _option: click.Parameter, pairs: tuple[str, ...]) -> dict[str, str]:
    """``name=column`` texts as a mapping."""
    columns = {}
    for pair in pairs:
        name, is_pair, column = pair.partition("=")
        if not is_pair or name not in COLUMNS:
            hint = f"; did you mean {close!r}?" if (close := nearest(name, COLUMNS)) else ""
            raise click.BadParameter(f"{pair!r} is not NAME=COLUMN with a NAME of {', '.join(COLUMNS)}{hint}")
        columns[name] = column
    return columns


@click.command()
@click.argument("specs", nargs=-1, type=_PATH, metavar="[SPEC]...")
@click.option("--days", type=click.IntRange(1, 366), help="Market days to run; 14 by default.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), help="Seed of the market and of all that is random.")
@click.option("--market", type=click.Choice(["embedded"]), default="embedded", help="Where the money is spent.")
@click.option("--history", type=_PATH, help="A real account's daily log (CSV) to fit the market to, instead of SPECs.")
@click.option(
    "--column",
    "columns",
    multiple=True,
    callback=_renamed,
    metavar="NAME=COLUMN",
    help=f"What the log calls one of {', '.join(COLUMNS)}; repeatable.",
)
@click.option(
    "--currency",
    type=click.Choice(sorted(MINOR_DIGITS)),
    default="USD",
    show_default=True,
    metavar="CODE",
    help="Currency of the log.",
)
@click.option("--config", "file", type=_PATH, help="Settings that differ from the defaults.")
@STORE
@click.option("--address", help="Address of a running Ray cluster; by default Ray is started here.")
@click.option("--json", "out", type=_PATH, help="Write the results to this file; - for standard output.")
def run(
    specs: tuple[Path, ...],
    days: int | None,
    seed: int | None,
    market: str,
    history: Path | None,
    columns: dict[str, str],
    currency: str,
    file: Path | None,
    server: str | None,
    address: str | None,
    out: Path | None,
) -> None:
    """Run the campaigns in SPEC files or folders through simulated market days, as fast as ticks finish.

    Without SPEC, the example campaigns that come with this program run.

    Everything is in this one command: a Ray cluster on this machine, the embedded market, the swarm, and at the
    end the value measured against the hindsight optimum and two simple rivals.

    With --history, the market is fitted to a log of date, campaign, clicks, cost and budget, and its last days are
    run again: one campaign with each day's logged money, its channels the logged campaigns, is measured against
    what the logged budgets would have bought. How well the fit foretells days that it has not seen comes first.
    """
    assert market == "embedded"
    if specs and history is not None:
        raise click.UsageError("give campaigns, SPEC files or folders, or a log with --history, not both")
    config = kept_on(_configured(read_config(file), days, seed), server)
    if history is None:
        console = Console(stderr=True)
        found = _on_specs(_campaigns(specs, console), config, address, console)
    else:
        told = Console(stderr=True) if str(out) == "-" else views.console()
        found = _on_history(read_history(history, columns), config, currency, address, told)
    if out is not None and str(out) != "-":
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    if str(out) == "-":
        click.echo(json.dumps(found))
    else:
        views.console().print(views.results(found))


def _configured(config: SwarmConfig, days: int | None, seed: int | None) -> SwarmConfig:
    changes = {name: value for name, value in (("days", days), ("seed", seed)) if value is not None}
    return config.model_copy(update={"name": f"{config.name}-run", "run": config.run.model_copy(update=changes)})


def _campaigns(specs: tuple[Path, ...], console: Console) -> list[Campaign]:
    """The campaigns in ``specs``; where there are none the examples, and a line that says so."""
    if specs:
        return read_campaigns(specs)
    examples = read_campaigns([shipped() / "campaigns"])
    names = ", ".join(campaign.name for campaign in examples)
    console.print(f"no SPEC given, so the examples run: {names}", highlight=False)
    return examples


def _on_specs(campaigns: list[Campaign], config: SwarmConfig, address: str | None, console: Console) -> dict[str, Any]:
    from swarm.actors.scenario import Scenario
    from swarm.platforms.channels import CHANNELS

    folder = fresh_folder(Path(config.store.folder), config.name)
    return play(
        Scenario(config, folder.resolve(), CHANNELS, config.run.start, config.run.days), campaigns, address, console
    )


def _on_history(
    log: AccountLog, config: SwarmConfig, currency: str, address: str | None, told: Console
) -> dict[str, Any]:
    from swarm.account import replay
    from swarm.platforms.history import held_out

    try:
        scenario, campaign = replay(log, config, Path(config.store.folder), currency)
    except ValueError as error:
        raise click.UsageError(f"{error}: see --days and --currency") from error
    fit = held_out(log)
    told.print(views.fit(log, fit, currency))
    folder = fresh_folder(scenario.folder, config.name).resolve()
    found = play(replace(scenario, folder=folder), [campaign], address, Console(stderr=True))
    return {**found, "history": {**found["history"], "fit": None if fit is None else asdict(fit)}}


def play(scenario: Any, campaigns: list[Campaign], address: str | None, console: Console) -> dict[str, Any]:
    """Connect to Ray, run, and show how far it is."""
    from swarm.actors.launch import connect
    from swarm.actors.session import simulate

    with console.status("starting Ray and the swarm"):
        dashboard = connect(address or os.environ.get("RAY_ADDRESS", "local"), start=True)
    console.print(
        f"{len(campaigns)} campaigns, {scenario.days} market days, seed {scenario.config.run.seed}"
        + (f"; dashboard {dashboard}" if dashboard else ""),
        highlight=False,
    )
    with _bar(console) as bar:
        task = bar.add_task("starting", total=None)

        def show(status: dict[str, Any]) -> None:
            bar.update(
                task,
                total=status["until"],
                completed=status["tick"],
                description=f"{status['mode']:8} {status['time'][:13]}h",
            )

        return simulate(scenario, campaigns, show)


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total} h"),
        TimeElapsedColumn(),
        console=console,
    )
