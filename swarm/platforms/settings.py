"""What an advertiser has set on the platforms, and what of it counts as an edit.

Letters: R campaigns, C channels, K creatives, n writes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from swarm.effects.proposals import Field
from swarm.platforms.phases import significant
from swarm.platforms.protocol import Effects

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
