"""Commands on a swarm that is up: start it in one terminal, steer and watch it from others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.live import Live

from swarm.cli import views
from swarm.cli.setup import STORE, kept_on, read_campaigns, read_config, say

_PATH = click.Path(path_type=Path)
ADDRESS = click.option("--address", help="Address of the Ray cluster; by default the one that runs on this machine.")
JSON = click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
NAME = click.option("--name", default="swarm", show_default=True, help="Name of the swarm.")
EARLIEST_ZONE = "Pacific/Kiritimati"
"""Where every date begins first: hour 0 of a swarm that campaigns join later."""
FOR_EVER_H = 24 * 365
"""Market hours that a swarm runs for unless it is taken down."""


@click.command()
@click.option("--config", "file", type=_PATH, help="Settings that differ from the defaults.")
@click.option("--tick-seconds", type=click.FloatRange(0.0, 3600.0), help="Wall seconds of a market hour; 1 by default.")
@STORE
@ADDRESS
@JSON
def up(file: Path | None, tick_seconds: float | None, server: str | None, address: str | None, as_json: bool) -> None:
    """Start a swarm, or find it running: a second `up` changes nothing.

    On a Ray cluster that runs already, the command ends when the swarm is ready. Where none runs, it starts one
    on this machine and stays, since that cluster lives as long as the command.
    """
    from swarm.actors.launch import ask, connect, launch, owns_cluster
    from swarm.actors.scenario import Scenario
    from swarm.platforms.channels import CHANNELS

    config = kept_on(read_config(file), server)
    dashboard = connect(address, start=True)
    folder = (Path(config.store.folder) / config.name).resolve()
    scenario = Scenario(config, folder, CHANNELS, config.run.start, FOR_EVER_H // 24, anchor=EARLIEST_ZONE)
    coordinator = launch(scenario)
    period_s = config.run.tick_seconds if tick_seconds is None else tick_seconds
    ask(coordinator, "start", FOR_EVER_H, period_s)
    state = {
        "name": config.name,
        "ready": True,
        "dashboard": dashboard,
        "folder": str(folder),
        "tick_seconds": period_s,
    }
    say(
        state,
        as_json=as_json,
        text=f"swarm {config.name} is up; dashboard {dashboard or 'off'}; journal and logs in {folder}",
    )
    if owns_cluster():
        _stay(coordinator)


def _stay(coordinator: Any) -> None:
    """Wait until the swarm is taken down or the person presses Ctrl-C."""
    from swarm.actors.launch import ask
    from swarm.errors import Gone

    click.echo("Ray runs inside this command: leave it open, Ctrl-C ends the swarm", err=True)
    tick = -1
    try:
        while True:
            tick = ask(coordinator, "progress", tick)["tick"]
    except KeyboardInterrupt:
        ask(coordinator, "stop", pause=True)
    except Gone:
        return


@click.command()
@click.argument("specs", nargs=-1, required=True, type=_PATH, metavar="SPEC...")
@NAME
@ADDRESS
@JSON
def submit(specs: tuple[Path, ...], name: str, address: str | None, as_json: bool) -> None:
    """Hand campaigns to the swarm; what it has already is left as it is."""
    campaigns = read_campaigns(specs)
    answer = ask_swarm(name, address, "submit", campaigns)
    say(answer, as_json=as_json, text="\n".join(f"{campaign}: {what}" for campaign, what in answer.items()))
    if "name taken" in answer.values():
        raise SystemExit(2)


@click.command()
@NAME
@ADDRESS
@JSON
def status(name: str, address: str | None, as_json: bool) -> None:
    """Show where the swarm stands."""
    state = ask_swarm(name, address, "status")
    if as_json:
        click.echo(json.dumps(state))
    else:
        views.console().print(views.status(state))


@click.command()
@click.option("--frames", type=click.IntRange(1), help="Stop after this many changes; by default never.")
@NAME
@ADDRESS
@JSON
def watch(frames: int | None, name: str, address: str | None, as_json: bool) -> None:
    """Watch the swarm live; Ctrl-C ends the watching, not the swarm."""
    coordinator, tick = _find(name, address), -1
    from swarm.actors.launch import ask

    with Live(console=Console(), auto_refresh=False, transient=False) if not as_json else _Lines() as screen:
        while frames is None or frames > 0:
            state = ask(coordinator, "progress", tick)
            if state["tick"] != tick or state["error"]:
                screen.update(json.dumps(state) if as_json else views.status(state), refresh=True)
                frames = None if frames is None else frames - 1
            tick = state["tick"]


class _Lines:
    """A screen for programs: one JSON object a line."""

    def __enter__(self) -> _Lines:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def update(self, text: Any, *, refresh: bool) -> None:
        """Print it."""
        assert refresh
        click.echo(text)


@click.group()
def mode() -> None:
    """Set the mode by hand, or let the gate decide again."""


@mode.command()
@click.argument("to", type=click.Choice(["STABLE", "CAUTIOUS", "FREEZE"], case_sensitive=False))
@NAME
@ADDRESS
@JSON
def hold(to: str, name: str, address: str | None, as_json: bool) -> None:
    """Hold the swarm in a mode; only `mode release` ends it."""
    answer = ask_swarm(name, address, "hold", to.upper())
    say({"mode": answer, "held": True}, as_json=as_json, text=f"held in {answer}")


@mode.command()
@NAME
@ADDRESS
@JSON
def release(name: str, address: str | None, as_json: bool) -> None:
    """Let the gate set the mode again."""
    answer = ask_swarm(name, address, "release")
    say({"mode": answer, "held": False}, as_json=as_json, text=f"released; {answer} until the gate says otherwise")


@click.command()
@click.argument("campaigns", nargs=-1)
@NAME
@ADDRESS
@JSON
def pause(campaigns: tuple[str, ...], name: str, address: str | None, as_json: bool) -> None:
    """Stop delivering CAMPAIGNS, or all, from the next market hour on."""
    answer = ask_swarm(name, address, "pause", list(campaigns))
    say({"paused": answer}, as_json=as_json, text=f"paused: {', '.join(answer)}")


@click.command()
@click.argument("campaigns", nargs=-1)
@NAME
@ADDRESS
@JSON
def resume(campaigns: tuple[str, ...], name: str, address: str | None, as_json: bool) -> None:
    """Let CAMPAIGNS, or all, deliver again."""
    answer = ask_swarm(name, address, "resume", list(campaigns))
    say({"paused": answer}, as_json=as_json, text=f"still paused: {', '.join(answer) or 'none'}")


@click.command()
@click.option("--keep-delivering", is_flag=True, help="Leave campaigns running on the platforms, unattended.")
@NAME
@ADDRESS
@JSON
def down(keep_delivering: bool, name: str, address: str | None, as_json: bool) -> None:
    """End the swarm: pause what it delivers, then stop its actors. The journal stays; `up` goes on from it."""
    from swarm.actors.launch import ask, end

    writes = ask(_find(name, address), "stop", pause=not keep_delivering)
    ended = end(name)
    say(
        {"ended": ended, "writes": writes},
        as_json=as_json,
        text=f"{len(ended)} actors ended; writes: {writes or 'none'}",
    )


def _find(name: str, address: str | None) -> Any:
    from swarm.actors.launch import connect, find

    connect(address, start=False)
    return find(name)


def ask_swarm(name: str, address: str | None, method: str, *args: Any) -> Any:
    """The answer of the coordinator of the swarm called ``name``."""
    from swarm.actors.launch import ask

    return ask(_find(name, address), method, *args)
