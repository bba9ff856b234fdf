"""The limits that people set, as arrays: what the door holds every write to.

Letters: R campaigns, C channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

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
    month_ahead: NDArray[np.int64]
    """[2, R, C] what the days after today, within the month, could cost if nobody writes again: parts of a daily budget
    as ``horizon.budgets_ahead`` has them."""
    life_ahead: NDArray[np.int64]
    """[2, R, C] the same to the campaign's end; to the month's where it has none."""
    allowed: NDArray[np.bool_]
    """[R, C]"""
    autonomy: NDArray[np.int64]
    """[R] how far the swarm is trusted, by ``Autonomy``."""
    running: NDArray[np.bool_]
    """[R] on their schedule today."""
    cooldown_h: NDArray[np.int64]
    """[R] market hours between two raises of a budget."""
    protect_learning: NDArray[np.bool_]
    """[R]"""
    max_age_h: NDArray[np.int64]
    """[R] oldest report of spending on which a raise may rest, beyond the hour that is running."""
    ask_above: NDArray[np.float64]
    """[R] share by which a raise needs a person's word."""
    ask_above_amount: NDArray[np.int64]
    """[R] budget from which a raise needs a person's word."""
    max_actions: NDArray[np.int64]
    """[R] most writes of one run, pauses not counted."""
    shared: Shared
    max_paused: float = 1.0
    """Of what delivers: the share that one run may pause by itself."""
    max_fall: float = 1.0
    """Of the budgets at midnight: the share by which one day may lower them by itself."""


@dataclass(frozen=True, slots=True)
class Shared:
    """Caps that several campaigns share; P of them."""

    of: NDArray[np.int64]
    """[R] each campaign's, -1 for none."""
    rate: NDArray[np.float64]
    """[R] micros of the shared cap's currency for one of the campaign's, margin included."""
    daily_exposure: NDArray[np.int64]
    """[P] micros of its own currency."""
    monthly: NDArray[np.int64]
    """[P]"""

    @classmethod
    def none(cls, rows: int) -> Shared:
        """Every campaign for itself."""
        nothing = np.zeros(0, dtype=np.int64)
        return cls(np.full(rows, -1), np.ones(rows), nothing, nothing)


class Autonomy(IntEnum):
    """How far the swarm is trusted with a campaign."""

    OBSERVE = 0
    """It watches; nothing is written."""
    PROPOSE = 1
    """A person makes each write."""
    APPROVE = 2
    """A raise needs a person's word; what lowers or pauses does not."""
    AUTO = 3
    """It writes by itself, but for raises above what its owner set."""
