"""What an advertiser has set on the platforms, and what of it counts as an edit.

Letters: R campaigns, C channels, K creatives, n writes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from swarm.effects.proposals import Field
from swarm.platforms.phases import significant
from swarm.platforms.protocol import Capabilities, Changes, Effects

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass
class Settings:
    """What is in force on the platforms; the only thing that an advertiser can change."""

    budget: Ints
    """[R, C] micros a day."""
    bid: Ints
    """[R, C] micros a click."""
    weight: Ints
    """[R, C, K] parts per million."""
    status: Ints
    """[R, C] 1 delivers, 0 is paused."""

    @classmethod
    def empty(cls, rows: int, channels: int, creatives: int) -> Settings:
        """Nothing launched: everything paused at zero."""
        plane = (rows, channels)
        zeros = [np.zeros(plane, dtype=np.int64) for _ in range(3)]
        return cls(zeros[0], zeros[1], np.zeros((*plane, creatives), dtype=np.int64), zeros[2])

    def apply(self, effects: Effects) -> None:
        """Set absolute values."""
        for field in Field:
            rows = effects.field == field
            self._array(field)[self._index(effects, rows, field)] = effects.value[rows]

    def read(self, effects: Effects) -> Ints:
        """[n] the values now in force where ``effects`` points."""
        values = np.zeros(len(effects.value), dtype=np.int64)
        for field in Field:
            rows = effects.field == field
            values[rows] = self._array(field)[self._index(effects, rows, field)]
        return values

    def _array(self, field: Field) -> Ints:
        return (self.budget, self.bid, self.weight, self.status)[field]

    @staticmethod
    def _index(effects: Effects, rows: NDArray[np.bool_], field: Field) -> tuple[NDArray[np.integer], ...]:
        place = (effects.campaign[rows], effects.channel[rows])
        return (*place, effects.creative[rows]) if field == Field.WEIGHT else place

    def change(self, effects: Effects, who: str, tick: int, number: int) -> Changes:
        """Set absolute values for somebody else; what that changed, counted on from change ``number``."""
        at = self.read(effects) != effects.value
        effects = effects.take(at)
        old, count = self.read(effects), len(effects)
        self.apply(effects)
        return Changes(
            number + 1 + np.arange(count), np.full(count, tick), np.full(count, who), effects.campaign,
            effects.channel, effects.field, effects.creative, old, effects.value,
        )  # fmt: skip


def unfit(effects: Effects, capabilities: Capabilities) -> NDArray[np.str_]:
    """[n] why a platform would refuse each write whatever its state, empty where it would not."""
    field, value = effects.field, effects.value
    budget = field == Field.BUDGET
    why = np.full(len(effects), "", dtype="<U32")
    why[(field <= Field.BID) & (value % capabilities.unit != 0)] = "no multiple of the unit"
    why[budget & (value != 0) & (value < capabilities.least_budget)] = "below the least budget"
    why[(field == Field.STATUS) & (value > 1)] = "no such status"
    why[value < 0] = "negative"
    return why


@dataclass
class Known:
    """The last settings other than 0 of each campaign and channel, against which an edit is judged."""

    budget: Ints
    """[R, C] micros."""
    bid: Ints
    """[R, C] micros."""

    def edited(self, settings: Settings, edit: Floats) -> NDArray[np.bool_]:
        """[R, C] whether ``settings`` are a significant edit, by more than ``edit`` [C]; they are known from now on."""
        pairs = ((self.budget, settings.budget), (self.bid, settings.bid))
        moved = np.logical_or(*(significant(before, now, edit) for before, now in pairs))
        self.budget, self.bid = (np.where(now > 0, now, before) for before, now in pairs)
        return np.asarray(moved)
