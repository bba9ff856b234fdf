"""Creative fatigue: a creative's click rate wears with the days that it has been live.

Wear goes by the calendar, from the campaign's first day, whether or not a creative is shown; so no policy can save a
creative up, and what is best in hindsight stays exact.

Letters: R campaigns, K creatives.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from swarm.platforms.streams import stream

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Wear:
    """Whence wear is drawn."""

    share: float
    """Of creatives that wear at all within a flight."""
    onset: tuple[float, float]
    """Days, drawn uniformly."""
    rate: tuple[float, float]
    """A day, drawn log-uniformly."""


MILD = Wear(share=0.4, onset=(4.0, 21.0), rate=(0.01, 0.05))
FAST = Wear(share=0.8, onset=(2.0, 8.0), rate=(0.05, 0.2))


@dataclass(frozen=True, slots=True)
class Fatigue:
    """When and how fast creatives wear."""

    onset: Floats
    """[R, K] days without wear."""
    rate: Floats
    """[R, K] of the log of the click rate, a day after that; 0 never wears."""

    @classmethod
    def none(cls, rows: int, creatives: int) -> Fatigue:
        """Creatives that never wear."""
        return cls(np.zeros((rows, creatives)), np.zeros((rows, creatives)))

    @staticmethod
    def draw(seed: int, key: int, creatives: int, wear: Wear) -> tuple[Floats, Floats]:
        """[K] ``onset`` and ``rate`` of one campaign."""
        wears, begins, log_rate = stream(seed, "fatigue", key).random((creatives, 3)).T
        low, high = np.log(wear.rate)
        rate = np.exp(low + (high - low) * log_rate)
        return wear.onset[0] + (wear.onset[1] - wear.onset[0]) * begins, np.where(wears < wear.share, rate, 0.0)

    def wear(self, day: NDArray[np.int32]) -> Floats:
        """[R, K] log of the click rate over the fresh one on local ``day`` [R]."""
        return np.asarray(-self.rate * np.maximum(day[:, None] - self.onset, 0.0))
