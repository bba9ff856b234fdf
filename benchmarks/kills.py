"""Kill -9 of parts of a swarm, and what its journal and the outside world's log say afterwards."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import ray

from swarm.actors.launch import CHILDREN, ask, launch
from swarm.actors.scenario import Scenario
from swarm.errors import Failed, Gone, TimedOut, Unavailable
from swarm.store.journal import INTENT_COLUMNS, Journal

ACTORS = ("coordinator", *CHILDREN)
_BETWEEN_LIVES = (Gone, Unavailable, TimedOut)
_COLUMNS = (*INTENT_COLUMNS, "read_back")
_OF_A_LIFE = "epoch"
_REACHED = ("applied", "unverified")
Row = tuple[Any, ...]


def ledger(folder: Path, end: int) -> list[Row]:
    """Every write before hour ``end`` with all that is known of it, and every refusal, hour by hour.

    Epochs are left out, for they count lives; so are writes that a crash kept from the platforms (void). A refusal
    that was pronounced again after such a crash counts once.
    """
    rows = [dict(zip(_COLUMNS, row, strict=True)) for row in _intents(folder) if row[0] < end]
    told = [(row["state"], tuple(row[name] for name in _COLUMNS if name != _OF_A_LIFE)) for row in rows]
    written = [row for state, row in told if state not in ("refused", "void")]
    return sorted([*written, *{row for state, row in told if state == "refused"}], key=repr)


def strays(folder: Path) -> tuple[int, int]:
    """Writes that the journal has and the platforms have not, or that nobody settled; and the other way round.

    The second number counts as well what the platforms got twice.
    """
    states = dict(enumerate((row[_COLUMNS.index("state")] for row in _intents(folder)), start=1))
    lines = (json.loads(line) for line in (folder / "market.jsonl").read_text().splitlines())
    applied = Counter(intent for line in lines if "effects" in line for intent in line["effects"][0])
    reached = {intent for intent, state in states.items() if state in _REACHED}
    lost = len(reached - set(applied)) + sum(state == "intended" for state in states.values())
    return lost, sum(count - 1 for count in applied.values()) + len(set(applied) - reached)


def _intents(folder: Path) -> list[Row]:
    return Journal(folder / "journal.sqlite", read_only=True).intents()


def kill(scenario: Scenario, names: Iterable[str]) -> None:
    """Kill -9 of the processes of the actors called ``names``, all at once; one between two lives is passed over."""
    pids = [pid for name in names if (pid := _pid(scenario, name)) is not None]
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _pid(scenario: Scenario, name: str) -> int | None:
    try:
        pid: int = ask(ray.get_actor(name, namespace=scenario.namespace), "ping")
    except (ValueError, *_BETWEEN_LIVES):
        return None
    return pid


def follow(scenario: Scenario, tick: int) -> dict[str, Any]:
    """The status when market hour ``tick`` has begun, through as many lives of the coordinator as it takes.

    Raises:
        Failed: the clock stopped before.
    """
    while True:
        try:
            coordinator = launch(scenario)
            status: dict[str, Any] = ask(coordinator, "status")
            while status["tick"] < tick and status["running"]:
                status = ask(coordinator, "progress", status["tick"])
        except _BETWEEN_LIVES:
            continue
        if status["tick"] < tick:
            raise Failed(f"the clock stopped at market hour {status['tick']}: {status['error'] or 'nothing to do'}")
        return status
