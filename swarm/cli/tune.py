"""``swarm tune``: what was tried on the canary and what came of it; and a person's own candidate."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from policies.tuning import BOUNDS, NAMES, Hyper
from swarm.cli import views
from swarm.cli.cluster import ADDRESS, JSON, NAME, ask_swarm
from swarm.cli.setup import open_journal, read_config, say
from swarm.store.journal import Journal

_PATH = click.Path(path_type=Path)


@click.group()
def tune() -> None:
    """See how the swarm tunes itself, or try values of your own."""


@tune.command()
@click.option("--folder", type=_PATH, help="Run folder; by default the newest one.")
@click.option("--config", "file", type=_PATH, help="Settings that differ from the defaults.")
@JSON
def history(folder: Path | None, file: Path | None, as_json: bool) -> None:
    """Show every version of the hyperparameters and every candidate, from the journal alone.

    An effect is what a candidate did to its campaigns' value, in per cent, with its standard deviation; evidence is how
    many times likelier the outcomes are if it helps (or harms) than if it does nothing.
    """
    journal = open_journal(folder, Path(read_config(file).store.folder))
    told = {"versions": _versions(journal), "candidates": journal.tried()}
    if as_json:
        click.echo(json.dumps(told))
        return
    views.console().print(_version_table(told["versions"]))
    views.console().print(_candidate_table(told["candidates"]) if told["candidates"] else _NOTHING_TRIED)


_NOTHING_TRIED = (
    "nothing was tried yet: a canary needs 24 campaigns, a day's lesson and a swarm that is STABLE at its end"
)


def _versions(journal: Journal) -> list[dict[str, Any]]:
    return [
        {"version": version, "tick": tick, "values": values, "evidence": why}
        for version, tick, values, why in journal.hypers()
    ]


def _version_table(versions: list[dict[str, Any]]) -> Table:
    table = Table("version", "hour", *NAMES, "because of", title="Hyperparameters in use")
    before: Mapping[str, float] = {}
    for row in versions:
        values = [_value(row["values"][name], before.get(name)) for name in NAMES]
        because = f"candidate {row['evidence']['candidate']}" if row["evidence"] else "the configuration"
        table.add_row(str(row["version"]), str(row["tick"]), *values, because)
        before = row["values"]
    return table


def _value(value: float, before: float | None) -> str:
    return f"{value:.3g}" if before in (None, value) else f"[bold]{value:.3g}[/bold]"


def _candidate_table(candidates: list[dict[str, Any]]) -> Table:
    table = Table("no.", "hours", "why", "changes", "result", "effect", "helps", "harms", title="Tried on the canary")
    for row in candidates:
        changes = ", ".join(f"{name} {value:.3g}" for name, value in row["changes"].items())
        hours = f"{row['opened_tick']} to {'now' if row['closed_tick'] is None else row['closed_tick']}"
        table.add_row(str(row["number"]), hours, row["reason"], changes, row["result"], *_evidence(row["evidence"]))
    return table


def _evidence(why: Mapping[str, Any] | None) -> tuple[str, str, str]:
    if why is None or why["effect"] is None:
        return "", "", ""
    effect = f"{100 * why['effect']:+.1f} % ± {100 * why['sd']:.1f}"
    return effect, f"{why['gain_evidence']:.3g}", f"{why['harm_evidence']:.3g}"


@tune.command("try")
@click.argument("changes", nargs=-1, required=True, metavar="NAME=VALUE...")
@NAME
@ADDRESS
@JSON
def try_out(changes: tuple[str, ...], name: str, address: str | None, as_json: bool) -> None:
    """Try values of your own on the canary, from the next lesson on, in place of the swarm's candidates.

    They are judged as any other candidate is: promoted to all campaigns if they help, taken back if they harm.
    """
    values = dict(map(_change, changes))
    ask_swarm(name, address, "try_out", values)
    say({"asked": values}, as_json=as_json, text="asked for; `swarm tune history` tells what comes of it")


def _change(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        Hyper(1, {each: low for each, (low, _) in BOUNDS.items()}).changed({name: float(value)}, {})
    except ValueError as error:
        raise click.BadParameter(f"{text!r}: {error}", param_hint="NAME=VALUE") from error
    return name, float(value)
