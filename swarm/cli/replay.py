"""``swarm replay``: logged hours decided again, by the same policy or by another."""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from swarm.cli.setup import opened, place_of, read_config
from swarm.store.journal import Journal

if TYPE_CHECKING:
    from swarm.replay.log import Log

POLICIES = ("equal_split",)
"""Of ``swarm.rivals``, those that do not steer by their own spend, which the log of another policy does not have."""
AGREES = 1e-5
"""Relative difference within which models that are asked again agree with their earlier answers."""
_PATH = click.Path(path_type=Path)


@click.command("replay")
@click.argument("where", metavar="JOURNAL")
@click.option(
    "--from", "first", type=click.IntRange(0), metavar="HOUR", help="First market hour; by default the first."
)
@click.option("--to", "last", type=click.IntRange(0), metavar="HOUR", help="Last market hour; by default the last.")
@click.option("--recompute", is_flag=True, help="Ask the models again instead of taking their logged answers.")
@click.option("--config", "file", type=_PATH, help="Decide by these settings, and judge what that changes.")
@click.option("--policy", type=click.Choice(POLICIES), help="Decide by a simple rival, and judge what that changes.")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def command(
    where: str, first: int | None, last: int | None, recompute: bool, file: Path | None, policy: str | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Decide the hours in JOURNAL, a run's folder, file or server URL, once more, and compare with what was decided.

    The journal keeps what each hour was decided from, so no market is needed and nothing is written. The same
    settings must come to the same decisions, the door's verdicts included: the exit status is 1 where one differs.

    With --config or --policy every hour starts as it was logged and is decided otherwise. The difference in value is
    an estimate by what the evidence says of responses, at equal money, with a 95 % interval of its conversion rates;
    the status is then 0.
    """
    if sum((recompute, file is not None, policy is not None)) > 1:
        raise click.UsageError("give one of --recompute, --config and --policy")
    try:
        log, begin, end = _hours(opened(place_of(where)), first, last)
        with tempfile.TemporaryDirectory(prefix="swarm-replay-") as folder:
            if file is not None or policy is not None:
                found = _otherwise(log, Path(folder), begin, end, file, policy)
                text, differs = _judgement(found), False
            else:
                found = _again(log, Path(folder), begin, end, recompute=recompute)
                text, differs = _agreement(found), not found["same"]
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    click.echo(json.dumps(found) if as_json else text)
    sys.exit(int(differs))


def _hours(journal: Journal, first: int | None, last: int | None) -> tuple[Log, int, int]:
    """The log, the first hour, and the hour to end before.

    Raises:
        ValueError: there are no such hours.
    """
    from swarm.replay.log import Log

    log = Log(journal)
    begin, end = log.first if first is None else first, log.end if last is None else last + 1
    if not log.first <= begin < end <= log.end:
        raise ValueError(
            f"--from {begin} --to {end - 1} is not within market hours {log.first} to {log.end - 1}, which "
            f"{journal.place} has the inputs of"
        )
    return log, begin, end


def _again(log: Log, folder: Path, begin: int, end: int, *, recompute: bool) -> dict[str, Any]:
    from swarm.replay.again import Again
    from swarm.replay.compare import Comparison, answers_differ

    again, comparison, answers = Again(log, folder, begin, recompute=recompute), Comparison(log), 0.0
    for hour in again.hours(end):
        if hour.tick >= begin:
            comparison.add(hour)
            answers = max(answers, answers_differ(log.journal, again.journal, hour.tick) if recompute else 0.0)
    found = {
        "from": begin,
        "to": end - 1,
        "hours": comparison.hours,
        "decisions": comparison.decisions,
        "differing": comparison.differing,
        "hours_of_another_mode": comparison.other_modes,
        "first": None if comparison.first is None else asdict(comparison.first),
        "same": comparison.same,
    }
    if not recompute:
        return found
    largest = comparison.largest
    return {**found, "same": max(answers, largest) <= AGREES, "answers": answers, "largest": largest}


def _otherwise(log: Log, folder: Path, begin: int, end: int, file: Path | None, policy: str | None) -> dict[str, Any]:
    from swarm.replay.other import by_rival, by_settings, judged

    if policy is not None:
        sides = by_rival(log, folder, policy, begin, end)
    else:
        sides = by_settings(log, folder, read_config(file), begin, end)
    return {"from": begin, "to": end - 1, "policy": policy or str(file), **judged(log, sides, begin)}


def _agreement(found: dict[str, Any]) -> str:
    lines = [
        f"market hours {found['from']} to {found['to']}: {found['hours']:,} hours, {found['decisions']:,} decisions "
        f"compared, {found['differing']:,} differ"
    ]
    if found["hours_of_another_mode"]:
        lines.append(f"hours of another mode or coherence: {found['hours_of_another_mode']}")
    if "answers" in found:
        lines.append(f"largest relative difference: answers {found['answers']:.1e}, decisions {found['largest']:.1e}")
    if (one := found["first"]) is not None:
        where = f"{one['campaign']} on {one['channel']}, {one['setting']}" if one["campaign"] else one["setting"]
        lines.append(
            f"first difference: hour {one['hour']}, {where}: {one['part']} was {one['logged']}, is {one['again']}"
        )
    return "\n".join(lines)


def _judgement(found: dict[str, Any]) -> str:
    value, moved = found["value"], found["moved"]
    low, high = (None if value[name] is None else _share(value, name) for name in ("low", "high"))
    interval = "no interval: too far from the log" if low is None else f"95 % interval {low} to {high}"
    lines = [f"market hours {found['from']} to {found['to']} by {found['policy']}: {found['hours']:,} hours"]
    lines += [
        f"{name}: {each['differing']:,} of {each['settings']:,} settings in force differ, by "
        f"{100 * each['mean_difference']:.1f} % in the mean"
        for name, each in moved.items()
    ]
    lines.append(
        f"estimated difference in value at equal money: {_share(value, 'difference')} ({interval}), "
        f"{value['difference']:+.1f} on {value['logged']:.1f} conversions"
    )
    lines.append(
        f"it would have spent {value['spend']:.2f} times the log's money; {100 * value['far']:.0f} % of its bids are "
        "further than a factor of 2 from the log's"
    )
    return "\n".join(lines)


def _share(value: dict[str, float], name: str) -> str:
    return f"{100 * value[name] / max(value['logged'], 1e-12):+.1f} %"
