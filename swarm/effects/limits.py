"""The limits that people set, as arrays: what the door holds every write to.

Letters: R campaigns, C channels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NO_CAP = 2**62
"""Stands for a cap that was not set, in micros."""


@dataclass(frozen=True, slots=True)
class Limits:
    """One row per campaign; money in micros, steps as fractions of the value in force."""

    daily_exposure: NDArray[np.int64]
    """[R] most that the platforms could spend in a day, over-delivery included."""
    daily_nominal: NDArray[np.int64]
    """[R] highest sum of daily budgets."""
    monthly: NDArray[np.int64]
    lifetime: NDArray[np.int64]
    bid_min: NDArray[np.int64]
    bid_max: NDArray[np.int64]
    budget_min: NDArray[np.int64]
    """[R] lowest daily budget of a channel; 0 closes it."""
    budget_max: NDArray[np.int64]
    max_step: NDArray[np.float64]
    """[R] of a budget in one write."""
    max_day_change: NDArray[np.float64]
    """[R] of a budget against its value at local midnight."""
    max_bid_step: NDArray[np.float64]
    month_left: NDArray[np.int64]
    """[R] whole days after today, within the month, on which budgets stay live if nobody writes again."""
    life_left: NDArray[np.int64]
    """[R] the same to the campaign's end; to the month's where it has none."""
    allowed: NDArray[np.bool_]
    """[R, C]"""
    auto: NDArray[np.bool_]
    """[R] campaigns that the swarm may write to without asking."""
