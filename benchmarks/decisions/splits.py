"""Allocation rivals: how each day's money is split over channels, decided once a day.

Letters: R campaigns, C channels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from benchmarks.allocators import Allocator, Task
from benchmarks.decisions.desk import Desk
from benchmarks.decisions.ours import swarm
from policies.frames import Floats
from swarm.platforms.scenarios import Setup


class Split(Protocol):
    """Shares of a day's money."""

    def shares(self, desk: Desk) -> Floats:
        """[R, C] that add up to 1; asked every hour, free to move at midnight alone."""


class Equal:
    """The same on every allowed channel."""

    def shares(self, desk: Desk) -> Floats:
        """One over the number of channels."""
        allowed = desk.portfolio.allowed
        return np.asarray(allowed / allowed.sum(axis=1, keepdims=True))


class Current:
    """What somebody has set by hand, and left: a uniform draw from all splits."""

    def __init__(self) -> None:
        self._shares = np.zeros(0)

    def shares(self, desk: Desk) -> Floats:
        """As they were first."""
        if self._shares.size == 0:
            drawn = desk.rng.exponential(size=desk.portfolio.allowed.shape) * desk.portfolio.allowed
            self._shares = drawn / drawn.sum(axis=1, keepdims=True)
        return self._shares


class Daily:
    """An allocator of budgets, told at each midnight what the day cost and what it should bring.

    That is the day's clicks at what a click is thought to be worth by then, in conversions: those that are reported
    are few, and of other days' clicks.
    """

    def __init__(self, make: Callable[[Task], Allocator]) -> None:
        self._make = make
        self._allocator: Allocator | None = None
        self._shares, self._seen = np.zeros(0), np.zeros(0)

    def shares(self, desk: Desk) -> Floats:
        """As the allocator has them since midnight."""
        if desk.clock.new_day.any():
            seen = np.stack([desk.evidence.cost, desk.evidence.totals[..., 0].sum(axis=2)])
            if self._allocator is None:
                self._allocator = self._make(Task(desk.portfolio.allowed, desk.clock.money, desk.rng))
            else:
                spend, clicks = seen - self._seen
                self._allocator.observe(spend, clicks * _conversions_a_click(desk))
            self._shares, self._seen = self._allocator.split() / desk.clock.money[:, None], seen
        return self._shares


def _conversions_a_click(desk: Desk) -> Floats:
    unit = desk.portfolio.unit_value[:, None]
    return np.asarray(desk.click_value / np.where(unit > 0, unit, 1.0))


class Ours:
    """The swarm's split, for bidders that have none of their own."""

    def __init__(self, setup: Setup) -> None:
        self._swarm = swarm(setup)

    def shares(self, desk: Desk) -> Floats:
        """What the swarm's planner would split on this evidence."""
        self._swarm.plan(desk)
        assert self._swarm.ledger is not None
        return self._swarm.ledger.split

    @property
    def rotation(self) -> Floats:
        """[R, C, K] the swarm's creatives; of the hour for which ``shares`` was asked."""
        assert self._swarm.ledger is not None
        return self._swarm.ledger.rotation
