"""``swarm pause-all`` and ``swarm resume-writes``: the kill switch, with Ray down and with the dispatcher hung.

The switch comes first, in every folder, for it needs nothing but the file system. Then everything that delivers is
paused on the platform itself, past the dispatcher: in the market's own log where no process holds it, else by the
market's actor. The journal is told before and after if it can be; a journal that cannot be written stops no pause.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import click
import numpy as np

from swarm.cli.plans import CONFIG, JSON, WHO
from swarm.cli.setup import read_config, say
from swarm.effects.door import release_kill_switch, throw_kill_switch
from swarm.effects.proposals import Field
from swarm.errors import JournalError, SwarmError
from swarm.platforms.market_log import Cell, append_pauses, delivering, hold_if_free
from swarm.store.journal import INTENT_COLUMNS, Journal
from swarm.store.place import has_journal, journal_of

_PATH = click.Path(path_type=Path)
_NAMES = click.argument("names", nargs=-1, metavar="[NAME]...")
_FOLDERS = click.option(
    "--folder", "folders", type=_PATH, multiple=True, help="A run folder elsewhere; may be repeated."
)
_DEADLINE_S = 10.0
_NOT_TOLD = (ValueError, JournalError)
AskMarket = Callable[[str, int], int]
"""Pauses all by the actor of the swarm of this name, in a market hour; how many it paused."""


@dataclass
class Reached:
    """What was done in one run folder."""

    folder: str
    kill_switch: bool = False
    platform: str = "not reached"
    """By which way the platform was paused, or why it was not."""
    paused: int = 0
    """Channels of campaigns that delivered and are paused now."""
    journal: str = "not told"
    done: bool = False
    """Whether nothing delivers any more."""
    problems: list[str] = field(default_factory=list)


@click.command("pause-all")
@_NAMES
@_FOLDERS
@CONFIG
@WHO
@click.option("--address", help="Address of the Ray cluster; by default the one that runs on this machine.")
@JSON
def pause_all(
    names: tuple[str, ...], folders: tuple[Path, ...], file: Path | None, who: str, address: str | None, as_json: bool
) -> None:
    """Stop everything: throw the kill switch of the swarms NAME..., then pause all that they deliver.

    Works with Ray down and with the dispatcher hung. While the switch is thrown nothing is written but pauses; only
    `swarm resume-writes` releases it. Exit status 1 where something could not be reached, and it says what.
    """
    where = _folders(names, folders, file)
    reached = [Reached(str(folder)) for folder in where]
    for folder, each in zip(where, reached, strict=True):
        _throw(folder, each)
    for folder, each in zip(where, reached, strict=True):
        stop(folder, who, each, lambda name, tick: _ask_market(address, name, tick))
    say([asdict(each) for each in reached], as_json=as_json, text="\n".join(map(_line, reached)))
    raise SystemExit(0 if all(each.kill_switch and each.done for each in reached) else 1)


@click.command("resume-writes")
@_NAMES
@_FOLDERS
@CONFIG
@WHO
@JSON
def resume_writes(
    names: tuple[str, ...], folders: tuple[Path, ...], file: Path | None, who: str, as_json: bool
) -> None:
    """Release the kill switch of the swarms NAME...; what is paused stays so until the swarm starts it again."""
    told = []
    for folder in _folders(names, folders, file):
        release_kill_switch(folder)
        told.append({"folder": str(folder), "kill_switch": False, "journal": _event(folder, "kill_released", who)})
    say(
        told, as_json=as_json, text="\n".join(f"{each['folder']}: released; journal {each['journal']}" for each in told)
    )


def stop(folder: Path, who: str, reached: Reached, ask_market: AskMarket) -> None:
    """Pause all that delivers from ``folder`` on its platform, and say in ``reached`` what came of it."""
    reached.journal = _event(folder, "kill_thrown", who)
    log = folder / "market.jsonl"
    if not log.exists():
        reached.platform, reached.done = "nothing was ever delivered from here", True
        return
    try:
        _pause(folder, log, who, reached, ask_market)
    except (SwarmError, OSError, ValueError) as error:
        reached.platform = f"not reached: {error}"


def _pause(folder: Path, log: Path, who: str, reached: Reached, ask_market: AskMarket) -> None:
    before, tick = delivering(log), _tick(folder)
    told = reached.journal == "told"  # one that is locked is waited for once: the pauses are urgent
    ids = _intend(folder, before, tick, reached) if before and told else []
    held = hold_if_free(log)
    if held is None:
        reached.paused = ask_market(_name(folder), tick)
        reached.platform = "paused by the market's actor"
    else:
        with held:
            if before:
                append_pauses(held, log, before, ids, who, tick)
        reached.paused, reached.platform = len(before), "paused in the market's own log; no market runs"
    left = set(delivering(log))
    reached.done = not left
    if ids:
        _settle(folder, ids, [int(cell in left) for cell in before], reached)


def _throw(folder: Path, reached: Reached) -> None:
    try:
        throw_kill_switch(folder)
        reached.kill_switch = True
    except OSError as error:
        reached.problems.append(f"kill switch not thrown: {error.strerror}")


def _folders(names: Sequence[str], folders: Sequence[Path], file: Path | None) -> list[Path]:
    """Run folders by name below the store's, and those given."""
    config = read_config(file)
    named = names or (() if folders else (config.name,))
    found = [*(Path(config.store.folder) / name for name in named), *folders]
    if missing := [str(folder) for folder in found if not folder.is_dir()]:
        there = ", ".join(sorted(path.name for path in Path(config.store.folder).glob("*/") if has_journal(path)))
        # Others are stopped all the same: a misspelt name must not keep the rest going.
        click.echo(f"no such run folder: {', '.join(missing)}; there are {there or 'none'}", err=True)
    if not (there_are := [folder.resolve() for folder in found if folder.is_dir()]):
        raise SystemExit(2)
    return there_are


def _ask_market(address: str | None, name: str, tick: int) -> int:
    """By the actor, past coordinator and dispatcher."""
    import ray

    from swarm.actors.launch import ask, connect
    from swarm.errors import Gone

    connect(address, start=False)
    try:
        market = ray.get_actor("market", namespace=f"swarm-{name}")
    except ValueError as error:
        raise Gone(f"a process holds the market's log, but Ray knows no market of a swarm {name!r}") from error
    return int(ask(market, "pause_all", tick, deadline_s=_DEADLINE_S))


def _line(reached: Reached) -> str:
    switch = "kill switch thrown" if reached.kill_switch else "KILL SWITCH NOT THROWN"
    said = [switch, f"{reached.platform} ({reached.paused} channels paused)", f"journal {reached.journal}"]
    return f"{reached.folder}: {'; '.join([*said, *reached.problems])}"


# ---- the journal, if it can be told


def _name(folder: Path) -> str:
    """The swarm's, which may be another than its folder's: `swarm run` counts its folders."""
    try:
        facts = json.loads(Journal(journal_of(folder), read_only=True).recall("scenario") or "null")
    except _NOT_TOLD:
        facts = None
    return str(facts["config"]["name"]) if facts else folder.name


def _tick(folder: Path) -> int:
    """The market hour that runs, 0 where the journal cannot be read: the market's log knows a later one."""
    try:
        journal = Journal(journal_of(folder), read_only=True)
        return journal.last_tick() + 1
    except _NOT_TOLD:
        return 0


def _event(folder: Path, kind: str, who: str) -> str:
    try:
        journal = Journal(journal_of(folder))
        journal.event(journal.last_tick() + 1, kind, folder.name, who)
        journal.close()
    except _NOT_TOLD as error:
        return f"not told: {error}"
    return "told"


def _intend(folder: Path, cells: list[Cell], tick: int, reached: Reached) -> list[int]:
    """Intents of the pauses, kept before they are made; none where the journal cannot be told."""
    try:
        journal = Journal(journal_of(folder))
        epoch, modes = journal.last_epoch(), journal.modes()
        shared: dict[str, Any] = {
            **{"tick": tick, "field": int(Field.STATUS), "creative": -1, "old": 1, "new": 0, "reason": "down"},
            **{"estimate": 0.0, "price": 0.0, "epoch": epoch, "mode": modes[-1][1] if modes else "STABLE"},
            **{"refused_by": "", "state": "intended"},
        }
        told = [{**shared, "campaign": campaign, "channel": channel} for campaign, channel in cells]
        ids: list[int] = journal.intend([tuple(row[name] for name in INTENT_COLUMNS) for row in told]).tolist()
        journal.close()
    except _NOT_TOLD as error:
        reached.journal = f"not told: {error}"
        return []
    return ids


def _settle(folder: Path, ids: list[int], read_back: list[int], reached: Reached) -> None:
    try:
        journal = Journal(journal_of(folder))
        journal.settle(np.array(ids, dtype=np.int64), np.array(read_back, dtype=np.int64))
        journal.close()
    except _NOT_TOLD as error:
        reached.journal = f"told of the pauses, not of their outcome: {error}"
