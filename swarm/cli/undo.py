"""``swarm rollback`` and ``swarm drift``: earlier values again, and what others changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from swarm.cli.plans import CONFIG, DIGITS, FOLDER, JSON, NAME, WHO, Names, setting_of, swarm_folder
from swarm.cli.setup import open_journal, open_to_write, say
from swarm.effects.plans import Plan, Setting
from swarm.effects.rollback import Write, rollback
from swarm.spec.errors import nearest
from swarm.store.edits import drifted, now
from swarm.store.journal import INTENT_COLUMNS, Journal
from swarm.store.plans import file_decided, named, plans


@click.command("rollback")
@click.argument("digest", required=False)
@click.option("--hour", type=click.IntRange(0), help="Undo what was written in this market hour.")
@click.option("--campaign", help="Of this campaign alone; without --hour, what was written to it last.")
@NAME
@CONFIG
@FOLDER
@WHO
@JSON
def rollback_(
    digest: str | None, hour: int | None, campaign: str | None, who: str, as_json: bool, **where: Any
) -> None:
    """Restore what was in force before a plan (DIGEST), a market hour, or a campaign's last moves.

    The earlier values are written in the next market hour, through the caps like every write. A setting whose value in
    force is not the one that the write left is a conflict: it is told and left alone. Exit status 1 if there is any.
    """
    if (digest is None) == (hour is None and campaign is None):
        raise click.UsageError("say what to undo: a DIGEST, or --hour, or --campaign, or both of these")
    journal = open_to_write(swarm_folder(**where))
    names, tick = Names(journal), journal.last_tick() + 1
    try:
        writes = _of_plan(journal, digest) if digest else _of_hour(journal, hour, _row(names, campaign))
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    plan, conflicts = rollback(writes, now(journal), tick)
    filed = file_decided(journal, plan, who)
    told = {
        "digests": filed,
        "restored": [_told(names, setting, now=old, back=new) for setting, old, new in _moves(plan)],
        "conflicts": [_told(names, each.setting, left=each.left, now=each.now, back=each.back) for each in conflicts],
    }
    say(told, as_json=as_json, text="\n".join(_lines(told)))
    raise SystemExit(1 if conflicts else 0)


def _row(names: Names, campaign: str | None) -> int | None:
    known = [spec.name for spec in names.campaigns]
    if campaign is None or campaign in known:
        return None if campaign is None else known.index(campaign)
    hint = f"; did you mean {close!r}?" if (close := nearest(campaign, known)) else ""
    raise ValueError(f"no campaign of this swarm is called {campaign!r}{hint}")


def _of_plan(journal: Journal, prefix: str) -> list[Write]:
    digest = named(journal, prefix)
    (filed,) = (each for each in plans(journal) if each.digest == digest)
    if filed.end != "written":
        state = filed.state(journal.last_tick() + 1)
        raise ValueError(f"plan {digest[:DIGITS]} is {state}, not written: there is nothing to undo")
    settings = set(filed.plan.settings)
    written = _writes(journal, int(filed.plan.asked.campaign[0]), filed.ended, filed.ended + 1)
    return [write for _, write in written if write.setting in settings]


def _of_hour(journal: Journal, hour: int | None, row: int | None) -> list[Write]:
    end = journal.last_tick() + 2
    if hour is None:
        assert row is not None
        told = list(_writes(journal, row, 0, end))
        return [write for tick, write in told if tick == told[-1][0]]
    rows = range(len(journal.campaigns())) if row is None else (row,)
    return [write for each in rows for _, write in _writes(journal, each, hour, hour + 1)]


def _writes(journal: Journal, row: int, first: int, end: int) -> Iterator[tuple[int, Write]]:
    """Hour and write of all that reached a platform, or may have, from hour ``first`` to before ``end``."""
    for _, *values in journal.moves(row, first, end):
        told = dict(zip((*INTENT_COLUMNS, "read_back"), values, strict=True))
        if told["state"] not in ("refused", "void"):
            setting = (row, told["channel"], told["field"], told["creative"])
            yield told["tick"], Write(setting, told["old"], told["read_back"])


def _moves(plan: Plan) -> Iterator[tuple[Setting, int, int]]:
    return zip(plan.settings, plan.old.tolist(), plan.asked.new.tolist(), strict=True)


def _told(names: Names, setting: Setting, **values: int | None) -> dict[str, str | None]:
    campaign, _, field, _ = setting
    shown = {key: None if value is None else names.value(value, campaign, field) for key, value in values.items()}
    return {**names.setting(*setting), **shown}


def _lines(told: dict[str, Any]) -> Iterator[str]:
    for each in told["restored"]:
        yield f"{setting_of(each)}: {each['now']} -> {each['back']} in the next market hour"
    for each in told["conflicts"]:
        left = "is not known yet" if each["left"] is None else f"was {each['left']}"
        yield (
            f"conflict: {setting_of(each)} stays {each['now']}: what the write left {left}, so somebody or a later "
            f"write set it; not restored to {each['back']}"
        )
    yield f"{len(told['restored'])} to restore, {len(told['conflicts'])} conflicts"


@click.command()
@NAME
@CONFIG
@FOLDER
@JSON
def drift(name: str | None, file: Path | None, folder: Path | None, as_json: bool) -> None:
    """Show settings in force that are not as the swarm left them: edits by people, or by the platform itself."""
    place = swarm_folder(name, file, folder)
    journal = open_journal(place, place.parent)
    names = Names(journal)
    told = [
        {
            **_told(names, each.setting, ours=each.ours, theirs=each.theirs),
            "who": each.who,
            "hour": each.tick,
            "seen": each.seen,
        }
        for each in drifted(journal)
    ]
    lines = [
        f"{setting_of(each)}: ours {each['ours']}, in force {each['theirs']}; changed by {each['who']} in hour "
        f"{each['hour']}, seen in hour {each['seen']}"
        for each in told
    ]
    say(told, as_json=as_json, text="\n".join(lines) or "nothing: all that is in force is as the swarm left it")
