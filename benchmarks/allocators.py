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
    """Past days as two straight pieces a channel, the better half first; the best split within a step of the last.

    Pieces of a channel fall in slope, so the program is a fractional knapsack, and its solution the steepest piece
    first (Dantzig, Operations Research 1957). Straight pieces end in corners, whence practice lets no day's budget move
    by more than a part: without that, and with half outcomes a day, it falls behind the equal split.
    """

    STEP = 0.3

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
        low, high = self._bounds()
        knee = np.clip(near, low, high)
        return low + steepest(np.stack([first, second]), np.stack([knee - low, high - knee]), task.total - low.sum(1))

    def _bounds(self) -> tuple[Floats, Floats]:
        """[S, C] within a step of the last three days' mean, from a tenth of an equal share on."""
        last = np.mean(self.spend[-3:], axis=0) + 1e-3 * self.task.equal
        last = self.task.shared(last)
        return (1.0 - self.STEP) * last, np.maximum((1.0 + self.STEP) * last, 0.1 * self.task.equal)


def steepest(slope: Floats, most: Floats, total: Floats) -> Floats:
    """[S, C] money in pieces of ``slope`` [2, S, C], at most ``most`` [2, S, C] in each, ``total`` [S] in all."""
    slopes, sizes = (np.concatenate(list(each), axis=1) for each in (slope, most))
    order = np.argsort(-slopes, axis=1, kind="stable")
    sizes = np.take_along_axis(sizes, order, axis=1)
    bought = np.clip(total[:, None] - (np.cumsum(sizes, axis=1) - sizes), 0.0, sizes)
    return np.asarray(np.take_along_axis(bought, order.argsort(axis=1), axis=1).reshape(len(total), 2, -1).sum(axis=1))
