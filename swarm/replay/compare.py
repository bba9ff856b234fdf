"""How hours decided again differ from the log: nothing, for the same policy and the answers that were kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np

from swarm.effects.proposals import Field
from swarm.replay.again import Decided
from swarm.replay.log import DECIDED, Decisions, Log, Place
from swarm.store.journal import Journal

_NUMBERS = ("old", "new", "estimate", "price")
_USE_CASES = ("health_monitoring", "creative_scoring", "expert_routing")
"""What an hour asks attention for."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One decision, then and now."""

    hour: int
    campaign: str
    channel: str
    setting: str
    """The field, with the creative of a weight; or ``mode``, which is of all campaigns."""
    part: str
    """What of the decision differs: one of ``DECIDED``, or ``decision`` where only one side has it."""
    logged: Any
    again: Any


@dataclass(slots=True)
class Comparison:
    """All hours so far."""

    log: Log
    hours: int = 0
    decisions: int = 0
    """Decisions of either side, proposals with the door's verdicts."""
    differing: int = 0
    other_modes: int = 0
    """Hours of another mode or coherence."""
    first: Difference | None = None
    largest: float = 0.0
    """Largest relative difference of a decision's numbers; inf where it differs by more than numbers."""

    def add(self, hour: Decided) -> None:
        """One hour more."""
        self.hours += 1
        self.decisions += len(hour.logged.keys() | hour.again.keys())
        if hour.logged_mode != hour.again_mode:
            self.other_modes += 1
            self._note(Difference(hour.tick, "", "", "mode", "mode", hour.logged_mode, hour.again_mode))
        for place in _differing(hour.logged, hour.again):
            self.differing += 1
            logged, again = _told(hour.logged, place), _told(hour.again, place)
            self._note(self._difference(hour.tick, place, logged, again))
            self.largest = max(self.largest, _distance(logged, again))

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return not self.differing and not self.other_modes

    def _note(self, difference: Difference) -> None:
        self.first = self.first or difference

    def _difference(
        self, tick: int, place: Place, logged: dict[str, Any] | None, again: dict[str, Any] | None
    ) -> Difference:
        campaign, channel, field, creative = place
        setting = Field(field).name.lower() + (f" of creative {creative}" if creative >= 0 else "")
        names = self.log.campaigns[campaign].name, self.log.scenario.channels[channel].name
        if logged is None or again is None:
            return Difference(tick, *names, setting, "decision", logged, again)
        part = next(name for name in DECIDED if logged[name] != again[name])
        return Difference(tick, *names, setting, part, logged[part], again[part])


def _differing(logged: Decisions, again: Decisions) -> Sequence[Place]:
    """Places whose decision is another one, or is there on one side alone; in order."""
    return sorted(place for place in logged.keys() | again.keys() if logged.get(place) != again.get(place))


def _told(decisions: Decisions, place: Place) -> dict[str, Any] | None:
    return dict(zip(DECIDED, decisions[place], strict=True)) if place in decisions else None


def _distance(logged: dict[str, Any] | None, again: dict[str, Any] | None) -> float:
    if logged is None or again is None:
        return inf
    if any(logged[name] != again[name] for name in DECIDED if name not in _NUMBERS):
        return inf
    pairs = [(logged[name], again[name]) for name in _NUMBERS if logged[name] != again[name]]
    return max((abs(b - a) / max(abs(a), abs(b)) if None not in (a, b) else inf for a, b in pairs), default=0.0)


def answers_differ(kept: Journal, own: Journal, tick: int) -> float:
    """Largest difference of an answer's numbers in hour ``tick``, relative to the largest of its array; inf where one
    side alone was answered."""
    found = [(kept.answered(tick, name), own.answered(tick, name)) for name in _USE_CASES]
    return max((_answer_distance(a[1], b[1]) if a and b else inf for a, b in found if a or b), default=0.0)


def _answer_distance(kept: dict[str, Any], own: dict[str, Any]) -> float:
    names = [name for name in kept if name != "source" and kept[name].size]
    return max((_relative(kept[name].astype(np.float64), own[name].astype(np.float64)) for name in names), default=0.0)


def _relative(kept: Any, own: Any) -> float:
    if kept.shape != own.shape:
        return inf
    gap, level = float(np.abs(kept - own).max()), float(np.abs(kept).max())
    return gap / level if level > 0 else gap
