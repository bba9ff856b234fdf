"""A run's journal as a replay reads it: who ran on what, what each hour was decided from, and what was decided."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from swarm.actors.scenario import Scenario
from swarm.effects.door import effects_of
from swarm.effects.plans import Due
from swarm.observe.explain import channels_of
from swarm.platforms.protocol import Effects
from swarm.replay.inputs import Inputs
from swarm.spec.campaign import Campaign
from swarm.spec.config import SwarmConfig
from swarm.store.edits import edits
from swarm.store.inputs import hours_with_inputs, submitted
from swarm.store.journal import INTENT_COLUMNS, Journal
from swarm.store.plans import was_due
from swarm.store.schema import INPUTS_SINCE

Place = tuple[int, int, int, int]
"""Campaign, channel, field, creative."""
DECIDED = ("old", "new", "reason", "estimate", "price", "mode", "refused_by")
"""What a decision consists of: the proposal and the door's verdict on it. Epochs count lives, and are left out."""
Decisions = Mapping[Place, tuple[Any, ...]]
_CHUNK_H = 24
_DOWN = "down"
"""The reason of a person's pauses, which no policy decided."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What an hour decided, and what was seen of it on the platforms."""

    decisions: Decisions
    down: Effects
    """A person's pauses, before the hour."""
    effects: Effects
    """The hour's own, as they were read back."""


class Log:
    """A journal whose hours can be decided again.

    Raises:
        ValueError: it does not say what its hours were decided from; the message says since when that is kept.
    """

    def __init__(self, journal: Journal) -> None:
        """``journal`` is read and left as it is."""
        self.journal = journal
        hours = hours_with_inputs(journal)
        facts = json.loads(journal.recall("scenario") or "null")
        if hours is None or facts is None:
            raise ValueError(_nothing_kept(journal))
        self.first, self.end = hours
        self.campaigns = [Campaign.model_validate_json(spec) for _, _, spec in journal.campaigns()]
        self.joined = submitted(journal)
        self.scenario = Scenario(
            config=SwarmConfig.model_validate(facts["config"]),
            folder=Path(),
            channels=channels_of(journal),
            first=date.fromisoformat(facts["first"]),
            days=facts["days"],
            anchor=facts["anchor"],
            daily=None if facts["daily"] is None else np.array(facts["daily"], dtype=np.int64),
        )
        self.modes = {tick: (mode, coherence) for tick, mode, coherence in journal.modes()}
        """Mode and coherence of each hour; None where health was missing."""
        self._rows: dict[int, list[tuple[Any, ...]]] = {}
        self._chunk = -1

    def inputs(self, tick: int) -> Inputs:
        """What hour ``tick`` was decided from.

        Raises:
            ValueError: the journal does not say.
        """
        if (found := Inputs.kept(self.journal, tick)) is None:
            raise ValueError(f"{self.journal.place} does not say what market hour {tick} was decided from")
        return found

    def due(self, tick: int) -> Due:
        """What people had let be written by hour ``tick``."""
        return was_due(self.journal, tick)

    def edits(self, tick: int) -> tuple[Effects, Effects]:
        """What others had set when hour ``tick`` began: all of it, the highest value last; and what of it was left."""
        seen = [(0, *edit[1:5], edit[6]) for edit in edits(self.journal, tick, tick + 1)]
        left = {row[:5]: row for row in seen}.values()
        return _table(sorted(seen, key=itemgetter(5))), _table(left)

    def batch(self, tick: int) -> Batch:
        """What hour ``tick`` decided; of an hour that was tried again, what came last counts."""
        if tick // _CHUNK_H != self._chunk:
            self._chunk = tick // _CHUNK_H
            self._rows = _by_hour(self.journal, len(self.campaigns), self._chunk * _CHUNK_H)
        rows = self._rows.get(tick, [])
        down = [row for row in rows if row[_REASON] == _DOWN]
        own = [row for row in rows if row[_REASON] != _DOWN]
        return Batch(decisions([row[1:] for row in own]), _effects(down), _effects(own))


_REASON = 1 + INTENT_COLUMNS.index("reason")


def decisions(rows: list[tuple[Any, ...]]) -> Decisions:
    """Rows of ``INTENT_COLUMNS`` by place; a number that is none is None, as SQL has it."""
    told = [dict(zip(INTENT_COLUMNS, row, strict=False)) for row in rows]
    return {_place(row): tuple(None if row[name] != row[name] else row[name] for name in DECIDED) for row in told}


def _place(row: Mapping[str, Any]) -> Place:
    return row["campaign"], row["channel"], row["field"], row["creative"]


def _by_hour(journal: Journal, campaigns: int, first: int) -> dict[int, list[tuple[Any, ...]]]:
    """Intents of a day by hour, oldest first: id, as told, read-back."""
    rows = [row for r in range(campaigns) for row in journal.moves(r, first, first + _CHUNK_H)]
    hours: dict[int, list[tuple[Any, ...]]] = {}
    for row in sorted(rows, key=lambda row: int(row[0])):
        hours.setdefault(row[1], []).append(row)
    return hours


def _effects(rows: list[tuple[Any, ...]]) -> Effects:
    """What of ``rows`` was read back; the last value of a setting counts."""
    seen = {_place(dict(zip(INTENT_COLUMNS, row[1:], strict=False))): row for row in rows if row[-1] is not None}
    return _table((row[0], *place, row[-1]) for place, row in seen.items())


def _table(rows: Iterable[tuple[int, ...]]) -> Effects:
    return effects_of(np.array(list(rows), dtype=np.int64).reshape(-1, 6).T)


def _nothing_kept(journal: Journal) -> str:
    schema = journal.schema
    why = f"this one has schema {schema}" if schema < INPUTS_SINCE else "none has run in this one since"
    return (
        f"{journal.place} does not say what its hours were decided from: journals keep that for hours that run "
        f"under schema {INPUTS_SINCE} or later (version 0.1.0), and {why}"
    )
