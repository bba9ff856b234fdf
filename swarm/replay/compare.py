"""How hours decided again differ from the log: nothing, for the same policy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from swarm.effects.proposals import Field
from swarm.replay.again import Decided
from swarm.replay.log import DECIDED, Decisions, Log, Place

_NEW = DECIDED.index("new")
_NONE: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """One decision, then and now."""

    hour: int
    campaign: str
    channel: str
    setting: str
    """The field, with the creative of a weight; or ``mode`` of all campaigns."""
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
    """Decisions of the log, and those that the log does not have."""
    differing: int = 0
    modes_differing: int = 0
    """Hours of another mode or coherence."""
    first: Difference | None = None
    largest: float = 0.0
    """Largest relative difference of a value that both decided to write."""

    def add(self, hour: Decided) -> None:
        """One hour more."""
        self.hours += 1
        self.decisions += len(hour.logged.keys() | hour.again.keys())
        if hour.logged_mode != hour.again_mode:
            self.modes_differing += 1
            self._note(Difference(hour.tick, "", "", "mode", "mode", hour.logged_mode, hour.again_mode))
        for place in differing(hour.logged, hour.again):
            self.differing += 1
            logged, again = hour.logged.get(place, _NONE), hour.again.get(place, _NONE)
            self._note(self._difference(hour.tick, place, logged, again))
            if logged and again:
                old, new = logged[_NEW], again[_NEW]
                self.largest = max(self.largest, abs(new - old) / max(abs(old), 1))

    def _note(self, difference: Difference) -> None:
        self.first = self.first or difference

    def _difference(self, tick: int, place: Place, logged: tuple[Any, ...], again: tuple[Any, ...]) -> Difference:
        campaign, channel, field, creative = place
        setting = Field(field).name.lower() + (f" of creative {creative}" if creative >= 0 else "")
        names = self.log.campaigns[campaign].name, self.log.scenario.channels[channel].name
        told = [dict(zip(DECIDED, row, strict=True)) if row else None for row in (logged, again)]
        if told[0] is None or told[1] is None:
            return Difference(tick, *names, setting, "decision", *told)
        part = next(name for name in DECIDED if told[0][name] != told[1][name])
        return Difference(tick, *names, setting, part, told[0][part], told[1][part])


def differing(logged: Decisions, again: Decisions) -> Iterable[Place]:
    """Places whose decision is another one, or is there on one side alone; in order."""
    return sorted(place for place in logged.keys() | again.keys() if logged.get(place) != again.get(place))
