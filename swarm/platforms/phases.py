"""Learning phases: after a launch or a significant edit a platform's delivery converts worse for a while.

The loss fades in a straight line with the conversions since then, or with the days, whichever is further.

Letters: R campaigns, C channels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from swarm.platforms.streams import stream

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
DAYS = 7.0
"""After which a phase is over even without conversions."""


@dataclass(frozen=True, slots=True)
class Learning:
    """What a phase costs and how long it lasts."""

    loss: Floats
    """[R, C] share of goals that is lost at its beginning."""
    conversions: Floats
    """[R, C] after which it is over."""

    @classmethod
    def none(cls, rows: int, channels: int) -> Learning:
        """Nothing is lost."""
        return cls(np.zeros((rows, channels)), np.ones((rows, channels)))

    @staticmethod
    def draw(seed: int, key: int, channels: int) -> tuple[Floats, Floats]:
        """[C] ``loss`` from 5 to 20 % and ``conversions`` from 30 to 70."""
        rng = stream(seed, "learning", key)
        return rng.uniform(0.05, 0.2, channels), rng.uniform(30.0, 70.0, channels)

    def rate(self, conversions: Floats, hours: Floats) -> Floats:
        """[R, C] factor on goal rates, ``conversions`` and ``hours`` of delivery into the phase."""
        done = np.maximum(conversions / self.conversions, hours / (24.0 * DAYS))
        return np.asarray(1.0 - self.loss * np.maximum(1.0 - done, 0.0))


def significant(before: Ints, now: Ints, edit: Floats) -> NDArray[np.bool_]:
    """[R, C] whether a setting moved by more than ``edit`` [C] of the smaller value; setting out from 0 is no edit."""
    low, high = np.minimum(before, now), np.maximum(before, now)
    return np.asarray((low > 0) & (high > low * (1.0 + edit)))
