"""``swarm plan``, ``approve``, ``reject`` and ``apply``: what waits for a person's word, and the word.

All of it is in the journal, so it works whether the swarm is up or not; a swarm that is down writes what was approved
once it is up again, if that has not expired and what it was made for is still in force.
"""

from __future__ import annotations

import getpass
import json
import os
from collections.abc import Iterator, Sequence
from math import isnan, nan
from pathlib import Path
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from swarm.cli import views
from swarm.cli.setup import open_journal, open_to_write, read_config, say
from swarm.effects.plans import Setting, expected
from swarm.effects.proposals import Field
from swarm.observe.explain import REASONS, channels_of, promise
from swarm.spec.campaign import Campaign
from swarm.spec.money import MICROS, format_micros
from swarm.store.journal import INTENT_COLUMNS, Journal
from swarm.store.plans import Filed, Verdict, decide, named, plans

_PATH = click.Path(path_type=Path)
NAME = click.option("--name", help="Name of the swarm; by default the settings' own.")
CONFIG = click.option("--config", "file", type=_PATH, help="Settings that differ from the defaults.")
FOLDER = click.option("--folder", type=_PATH, help="Run folder; by default the swarm's own.")
JSON = click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")


def _user() -> str:
    """The user of this machine, who need not have a name in a container."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"


WHO = click.option("--who", default=_user, help="Who says so; by default the user of this machine.")
DIGITS = 12
"""Of a digest, for people."""


class Names:
    """What the journal's numbers stand for."""

    def __init__(self, journal: Journal) -> None:
        self.campaigns = [Campaign.model_validate_json(spec) for _, _, spec in journal.campaigns()]
        self._channels = [channel.name for channel in channels_of(journal)]

    def setting(self, campaign: int, channel: int, field: int, creative: int) -> dict[str, str]:
        """A setting in words; the creative is empty but for a weight."""
        spec = self.campaigns[campaign]
        weight = field == Field.WEIGHT
        return {
            "campaign": spec.name,
            "channel": self._channels[channel],
            "field": Field(field).name.lower(),
            "creative": spec.creatives[creative].id if weight else "",
        }

    def value(self, value: int, campaign: int, field: int) -> str:
        """A value as people write it: money in the campaign's currency, a share in per cent."""
        if field == Field.STATUS:
            return "delivering" if value else "paused"
        if field == Field.WEIGHT:
            return f"{100 * value / MICROS:.1f} %"
        currency = self.campaigns[campaign].currency
        return f"{format_micros(value, currency)} {currency}"


def swarm_folder(name: str | None, file: Path | None, folder: Path | None) -> Path:
    """Where a swarm keeps its journal, by ``folder``, or by ``name`` or the settings' own below the store's."""
    config = read_config(file)
    return folder or Path(config.store.folder) / (name or config.name)


@click.command()
@NAME
@CONFIG
@FOLDER
@JSON
def plan(name: str | None, file: Path | None, folder: Path | None, as_json: bool) -> None:
    """Show what waits for a person's word, and what the guards refused in the newest hour.

    Each move with its value in force and its new one, its reason, what it is expected to bring, and what the guards
    said. `approve` and `apply` let a plan be written, `reject` keeps its moves away for a week.
    """
    place = swarm_folder(name, file, folder)
    journal = open_journal(place, place.parent)
    names, tick = Names(journal), journal.last_tick() + 1
    waiting = [filed for filed in plans(journal) if filed.state(tick) in ("open", "approved", "applied")]
    told = {
        "plans": [_told(filed, names, tick) for filed in waiting],
        "refused": list(_refused(journal, names, tick)),
    }
    if as_json:
        click.echo(json.dumps(told))
        return
    for each in told["plans"]:
        views.console().print(_table(each))
    views.console().print(_refusals(told["refused"]) if told["refused"] else "nothing was refused in the newest hour")
    if not waiting:
        click.echo("no plan waits for a person")


@click.command()
@click.argument("digests", nargs=-1, required=True, metavar="DIGEST...")
@NAME
@CONFIG
@FOLDER
@WHO
@JSON
def approve(digests: tuple[str, ...], who: str, as_json: bool, **where: Any) -> None:
    """Let plans be written in the next market hour; a DIGEST may be shortened to 8 digits."""
    _decide(digests, "approved", who, as_json, **where)


@click.command()
@click.argument("digests", nargs=-1, required=True, metavar="DIGEST...")
@NAME
@CONFIG
@FOLDER
@WHO
@JSON
def apply(digests: tuple[str, ...], who: str, as_json: bool, **where: Any) -> None:
    """Have plans written in the next market hour, those of campaigns in propose too."""
    _decide(digests, "applied", who, as_json, **where)


@click.command()
@click.argument("digests", nargs=-1, required=True, metavar="DIGEST...")
@NAME
@CONFIG
@FOLDER
@WHO
@JSON
def reject(digests: tuple[str, ...], who: str, as_json: bool, **where: Any) -> None:
    """Refuse plans; their moves are not proposed again for a week."""
    _decide(digests, "rejected", who, as_json, **where)


def _decide(
    digests: Sequence[str],
    verdict: Verdict,
    who: str,
    as_json: bool,
    name: str | None,
    file: Path | None,
    folder: Path | None,
) -> None:
    """All of ``digests``, or none where one of them cannot be decided."""
    journal = open_to_write(swarm_folder(name, file, folder))
    names, tick = Names(journal), journal.last_tick() + 1
    try:
        with journal.writing():
            done = [decide(journal, named(journal, digest), who, verdict, tick) for digest in digests]
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    told = [{"digest": filed.digest, "campaign": _campaign(filed, names).name, "verdict": verdict} for filed in done]
    say(
        told,
        as_json=as_json,
        text="\n".join(f"{each['digest'][:DIGITS]} {each['campaign']}: {verdict}" for each in told),
    )


def _campaign(filed: Filed, names: Names) -> Campaign:
    return names.campaigns[int(filed.plan.asked.campaign[0])]


def _told(filed: Filed, names: Names, tick: int) -> dict[str, Any]:
    plan, asked = filed.plan, filed.plan.asked
    effects = expected(asked, plan.old).tolist()
    columns = zip(
        plan.settings, plan.old.tolist(), asked.new.tolist(), asked.reason.tolist(), asked.estimate.tolist(),
        asked.price.tolist(), plan.verdict.tolist(), effects, strict=True,
    )  # fmt: skip
    return {
        "digest": filed.digest,
        "campaign": _campaign(filed, names).name,
        "state": filed.state(tick),
        "by": filed.who,
        "command": plan.word,
        "tick": plan.tick,
        "hours_left": plan.expires - tick,
        "moves": [_move(names, *row) for row in columns],
    }


def _move(
    names: Names, setting: Setting, old: int, new: int, reason: str, click: float, price: float, guard: str,
    effect: float = nan,
) -> dict[str, Any]:  # fmt: skip
    campaign, _, field, _ = setting
    return {
        **names.setting(*setting),
        "old": names.value(old, campaign, field),
        "new": names.value(new, campaign, field),
        "reason": REASONS.get(reason, reason),
        "click_value": click,
        "money_price": price,
        "expected_a_day": None if isnan(effect) else effect,
        "goal": names.campaigns[campaign].goal,
        "guard": guard,
        "promise": promise(guard),
    }


def _refused(journal: Journal, names: Names, tick: int) -> Iterator[dict[str, Any]]:
    """What the guards refused in the hour before ``tick``, and in the one that runs; writes to nowhere left out."""
    for row in range(len(names.campaigns)):
        for _, *values in journal.moves(row, max(tick - 1, 0), tick + 1):
            told = dict(zip((*INTENT_COLUMNS, "read_back"), values, strict=True))
            if told["state"] == "refused" and told["refused_by"] != "known":
                setting = (row, told["channel"], told["field"], told["creative"])
                made_from = (told[name] for name in ("old", "new", "reason", "estimate", "price", "refused_by"))
                yield _move(names, setting, *made_from)


def _table(told: dict[str, Any]) -> Table:
    said = (
        f"{told['state']} by {told['by']}" if told["by"] else f"open: swarm {told['command']} {told['digest'][:DIGITS]}"
    )
    title = f"{told['digest'][:DIGITS]}  {told['campaign']}, hour {told['tick']}, {told['hours_left']} h left; {said}"
    table = Table(
        "setting", "old -> new", "reason", "expected", "guards", title=title, title_justify="left", expand=True
    )
    for move in told["moves"]:
        held = f"held by {move['guard']}; all others let it pass" if move["guard"] else "asked for by a person"
        table.add_row(setting_of(move), _change(move), move["reason"], _expected(move), held)
    return table


def _refusals(rows: Sequence[dict[str, Any]]) -> Table:
    table = Table(
        "setting", "old -> new", "reason", "refused by", title="Refused in the newest hour",
        title_justify="left", expand=True,
    )  # fmt: skip
    for move in rows:
        why = Text.assemble((move["guard"], "red"), f": {move['promise']}")
        table.add_row(setting_of(move), _change(move), move["reason"], why)
    return table


def _expected(move: dict[str, Any]) -> str:
    """A budget's effect at the price of money; for the rest, what a click is worth."""
    if move["expected_a_day"] is not None:
        return f"{move['expected_a_day']:+.3g} {move['goal']} a day"
    return f"a click is worth {move['click_value']:.3g} {move['goal']}" if move["click_value"] else ""


def setting_of(move: dict[str, Any]) -> str:
    """A move's setting on one line."""
    return " ".join(part for part in (move["campaign"], move["field"], move["creative"], "on", move["channel"]) if part)


def _change(move: dict[str, Any]) -> str:
    return f"{move['old']} -> {move['new']}"
