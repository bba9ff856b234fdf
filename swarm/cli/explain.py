"""``swarm explain``: what happened to one campaign and why, from the journal alone."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from swarm.cli import views
from swarm.cli.setup import open_journal, read_config
from swarm.cli.timeline import STATUS, timeline
from swarm.observe.explain import REASONS, Event, Move, clock_of, explain, promise
from swarm.observe.span import LocalClock, boundary
from swarm.spec.campaign import Campaign
from swarm.spec.errors import nearest
from swarm.spec.money import MICROS, format_micros
from swarm.store.journal import Journal

_PATH = click.Path(path_type=Path)
_KINDS = {"Move": "move", "ModeChange": "mode", "Split": "split", "Notice": "notice"}


@click.command("explain")
@click.argument("campaign")
@click.option("--since", metavar="WHEN", help="First date or time, or 3d or 12h back from the newest market hour.")
@click.option("--until", metavar="WHEN", help="Last date, or the time to end before, or 3d or 12h back.")
@click.option("--folder", type=_PATH, help="Run folder; by default the newest one.")
@click.option("--config", "file", type=_PATH, help="Settings that differ from the defaults.")
@click.option("--all", "every", is_flag=True, help="A line for every move, however small.")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def command(
    campaign: str, since: str | None, until: str | None, folder: Path | None, file: Path | None, every: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Tell every move of CAMPAIGN in order of time: why, what the guards said, what came of it.

    Everything comes from the run's journal, so it works while the swarm runs, and after it. Times are the campaign's
    own. Bids and shares that moved several times on one local day stand in one line; the numbers beside each line
    are what its channel reported in the 24 market hours before the first move and after the last.
    """
    journal = open_journal(folder, Path(read_config(file).store.folder))
    row, spec = _find(journal, campaign)
    try:
        clock = clock_of(journal, spec)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    first, end = _span(since, until, clock)
    events = explain(journal, row, spec, clock, first, end)
    if as_json:
        click.echo(json.dumps([plain(event, spec.currency) for event in events]))
    else:
        views.console().print(timeline(events, spec, every=every))


def _find(journal: Journal, name: str) -> tuple[int, Campaign]:
    """Row and specification of a campaign."""
    specs = {known: (row, spec) for row, (known, _, spec) in enumerate(journal.campaigns())}
    if name not in specs:
        hint = f"; did you mean {close!r}?" if (close := nearest(name, specs)) else ""
        raise click.BadParameter(f"no campaign of this run is called {name!r}{hint}", param_hint="CAMPAIGN")
    row, spec = specs[name]
    return row, Campaign.model_validate_json(spec)


def _span(since: str | None, until: str | None, clock: LocalClock) -> tuple[int, int]:
    """First hour, and the hour to end before."""
    edges = [0, clock.newest + 2]
    for side, (option, text) in enumerate((("--since", since), ("--until", until))):
        try:
            edges[side] = edges[side] if text is None else boundary(text, clock, closing=side == 1)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint=option) from error
    if since and until and edges[0] >= edges[1]:
        raise click.UsageError(f"--since {since} is not before --until {until}")
    return edges[0], edges[1]


def plain(event: Event, currency: str) -> dict[str, Any]:
    """An event as JSON has it: money as text, shares as fractions, times with their offset."""
    told = {"kind": _KINDS[type(event).__name__], **asdict(event), "time": event.time.isoformat()}
    if not isinstance(event, Move):
        return told
    values = {name: _plain_value(getattr(event, name), event.field, currency) for name in ("old", "new", "read_back")}
    why = {"why": REASONS.get(event.reason, event.reason), "promise": promise(event.refused_by)}
    return {**told, **values, "currency": currency, **why}


def _plain_value(value: int | None, field: str, currency: str) -> str | float | None:
    if value is None:
        return None
    if field == "weight":
        return value / MICROS
    if field == "status":
        return STATUS[value] if value in (0, 1) else str(value)
    return format_micros(value, currency)
