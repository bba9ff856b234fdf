"""What every platform is to the swarm, the embedded market and real connectors alike.

Letters: R campaigns, C channels, n writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Channel:
    """One place where a campaign's money can be spent."""

    name: str
    platform: str
    """As a campaign file names it."""
    auction: str
    """second_price or first_price."""
    over_delivery: tuple[int, int]
    """Numerator and denominator of what a day may cost over the highest budget in force on it."""
    report_lag_h: int
    """Whole hours by which the platform's reports are late."""
    significant_edit: float = 0.2
    """Part by which a budget or bid may be moved at once without a new learning phase."""


@dataclass(frozen=True, slots=True)
class Effects:
    """A batch of admitted writes: absolute values, one row a write."""

    intent: NDArray[np.int64]
    campaign: NDArray[np.int32]
    channel: NDArray[np.int32]
    field: NDArray[np.int8]
    creative: NDArray[np.int16]
    value: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.intent)


@dataclass(frozen=True, slots=True)
class Spending:
    """What the platforms report of money spent, in micros; late by their lags."""

    today: NDArray[np.int64]
    """[R, C] on each campaign's local day."""
    month: NDArray[np.int64]
    """[R] in the local month, today included."""
    lifetime: NDArray[np.int64]
    """[R]"""
    as_of: NDArray[np.int64]
    """[R, C] the market hour up to which spend is reported, -1 for none."""


class Platform(Protocol):
    """The calls that the door makes; everything else about a platform is the agents' to read."""

    def apply(self, effects: Effects) -> None:
        """Set absolute values; may fail after having set them."""

    def read_back(self, effects: Effects) -> NDArray[np.int64]:
        """[n] the values in force where ``effects`` points."""

    def spending(self) -> Spending:
        """Money spent, as reported."""

    def pause_all(self) -> int:
        """Pause everything; returns how many channels of campaigns were delivering."""
