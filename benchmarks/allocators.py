"""Allocators that a daily budget could be given to instead: all seeds at once, all with the same information.

Letters: S seeds, C channels, W days of a window.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from policies.concave import Curves, allocate
from policies.frames import Bools, Floats
from policies.response import Belief, optimism

WINDOW = 40
"""Days that the rivals fit to."""


@dataclass(frozen=True, slots=True)
class Task:
    """What every allocator is told."""

    open: Bools
    """[S, C]"""
    total: Floats
    """[S] money a day."""
    rng: np.random.Generator

    @property
    def equal(self) -> Floats:
        """[S, C] the equal split."""
        return np.asarray(self.open * self.total[:, None] / self.open.sum(axis=1, keepdims=True))

    def random(self) -> Floats:
        """[S, C] a split drawn evenly."""
        return self.shared(self.rng.exponential(size=self.open.shape))

    def shared(self, weight: Floats) -> Floats:
        """[S, C] the total in proportion to ``weight``."""
        weight = weight * self.open
        return np.asarray(self.total[:, None] * weight / weight.sum(axis=1, keepdims=True))

    def solved(self, curves: Curves) -> Floats:
        """[S, C] the split of equal marginal returns."""
        return allocate(curves, self.total, np.zeros(self.open.shape), self.total[:, None] * self.open)


class Allocator(Protocol):
    """One day after the other."""

    def split(self) -> Floats:
        """[S, C] the day's budgets."""

    def observe(self, spend: Floats, outcome: Floats) -> None:
        """What the day brought, [S, C] each."""


class Swarm:
    """Ours, as ``BudgetAllocator`` has it for one campaign."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self._belief = Belief.start(task.total / task.open.sum(axis=1), task.open.shape[1])

    def split(self) -> Floats:
        """[S, C] the day's budgets."""
        task = self.task
        curves = self._belief.curves(optimism(len(task.total), task.rng))
        return allocate(curves, task.total, np.zeros(task.open.shape), task.total[:, None] * task.open)

    def observe(self, spend: Floats, outcome: Floats) -> None:
        """What the day brought."""
        self._belief = self._belief.observe(spend, outcome)


class Fixed:
    """The same split every day."""

    def __init__(self, budget: Floats) -> None:
        self._budget = budget

    def split(self) -> Floats:
        """[S, C] the day's budgets."""
        return self._budget

    def observe(self, spend: Floats, outcome: Floats) -> None:
        """Nothing is learnt."""


class Windowed:
    """The last days as arrays."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.spend: list[Floats] = []
        self.outcome: list[Floats] = []

    def observe(self, spend: Floats, outcome: Floats) -> None:
        """What the day brought."""
        self.spend = [*self.spend, spend][-WINDOW:]
        self.outcome = [*self.outcome, outcome][-WINDOW:]

    @property
    def past(self) -> tuple[Floats, Floats]:
        """Spend and outcomes [W, S, C]."""
        return np.array(self.spend), np.array(self.outcome)


class Proportional(Windowed):
    """Money in proportion to the window's return on it, from half an outcome a channel on."""

    def split(self) -> Floats:
        """[S, C] the day's budgets."""
        if not self.spend:
            return self.task.equal
        spend, outcome = self.past
        return self.task.shared((outcome.sum(axis=0) + 0.5) / (spend.sum(axis=0) + 1e-9))


class PowerLaws(Windowed):
    """The appendix's allocator: six random days, power laws by weighted least squares, 7 % random (ABA)."""

    def split(self) -> Floats:
        """[S, C] the day's budgets."""
        task = self.task
        if len(self.spend) < 6:
            return task.random()
        log_spend, log_outcome = (np.log(past + tiny) for past, tiny in zip(self.past, (1e-9, 0.5), strict=True))
        weight = 0.97 ** np.arange(len(log_spend))[::-1][:, None, None]
        x, y = (log - (weight * log).sum(axis=0) / weight.sum() for log in (log_spend, log_outcome))
        exponent = np.clip((weight * x * y).sum(axis=0) / np.maximum((weight * x * x).sum(axis=0), 1e-9), 0.2, 0.95)
        scale = np.exp((log_outcome - y)[0] - exponent * (log_spend - x)[0])
        return 0.93 * task.solved(Curves(scale * task.open, exponent)) + 0.07 * task.random()


class LinearProgram(Windowed):
    """What past days show as two straight pieces a channel, the better half first.

    Pieces of a channel fall in slope, so the program is a fractional knapsack, and its solution the steepest piece
    first (Dantzig, Operations Research 1957).
    """

    def split(self) -> Floats:
        """[S, C] the day's budgets."""
        task = self.task
        if len(self.spend) < 2:
            return task.random()
        spend, outcome = self.past
        order, half = spend.argsort(axis=0), len(spend) // 2
        spend, outcome = (np.take_along_axis(past, order, axis=0) for past in (spend, outcome))
        (near, far), (few, many) = ([past[:half].mean(0), past[half:].mean(0)] for past in (spend, outcome))
        first = (few + 0.1) / (near + 1e-3 * task.equal + 1e-12)
        second = np.clip((many - few) / np.maximum(far - near, 1e-2 * task.equal + 1e-12), 0.05 * first, 0.95 * first)
        return self._solve(np.stack([first, second]), np.maximum(near, 0.1 * task.equal))

    def _solve(self, slope: Floats, first: Floats) -> Floats:
        open_, total = self.task.open, self.task.total[:, None]
        most = np.concatenate([np.minimum(first, total) * open_, total * open_], axis=1)
        order = np.argsort(-np.concatenate(list(slope), axis=1), axis=1, kind="stable")
        sizes = np.take_along_axis(most, order, axis=1)
        before = np.cumsum(sizes, axis=1) - sizes
        bought = np.zeros(most.shape)
        np.put_along_axis(bought, order, np.clip(total - before, 0.0, sizes), axis=1)
        return np.asarray(bought.reshape(len(bought), 2, -1).sum(axis=1))
