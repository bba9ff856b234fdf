"""Allocators that a daily budget could be given to instead: all seeds at once, all with the same information.

Letters: S seeds, C channels, W days of a window, G steps of a grid of budgets.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import kron

from policies.concave import Curves, allocate
from policies.frames import Bools, Floats, Ints
from policies.response import Belief, optimism

WINDOW = 40
"""Days that the rivals fit to."""
STEPS = 48
"""Of the grid on which the Gaussian processes split, as fine as a knapsack stays quick."""


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
        self._task = task
        self._belief = Belief.start(task.total / task.open.sum(axis=1), task.open.shape[1])

    def split(self) -> Floats:
        """[S, C] the day's budgets."""
        task = self._task
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


class _Windowed:
    """The last days as arrays."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._spend: list[Floats] = []
        self._outcome: list[Floats] = []

    def observe(self, spend: Floats, outcome: Floats) -> None:
        """What the day brought."""
        self._spend = [*self._spend, spend][-WINDOW:]
        self._outcome = [*self._outcome, outcome][-WINDOW:]

    @property
    def _past(self) -> tuple[Floats, Floats]:
        """Spend and outcomes [W, S, C]."""
        return np.array(self._spend), np.array(self._outcome)


class Proportional(_Windowed):
    """Money in proportion to the window's return on it, from half an outcome a channel on."""

    def split(self) -> Floats:
        """[S, C] the day's budgets."""
        if not self._spend:
            return self._task.equal
        spend, outcome = self._past
        return self._task.shared((outcome.sum(axis=0) + 0.5) / (spend.sum(axis=0) + 1e-9))


class PowerLaws(_Windowed):
    """The appendix's allocator: six random days, power laws by weighted least squares, 7 % random (ABA)."""

    def split(self) -> Floats:
        """[S, C] the day's budgets."""
        task = self._task
        if len(self._spend) < 6:
            return task.random()
        log_spend, log_outcome = (np.log(past + tiny) for past, tiny in zip(self._past, (1e-9, 0.5), strict=True))
        weight = 0.97 ** np.arange(len(log_spend))[::-1][:, None, None]
        x, y = (log - (weight * log).sum(axis=0) / weight.sum() for log in (log_spend, log_outcome))
        exponent = np.clip((weight * x * y).sum(axis=0) / np.maximum((weight * x * x).sum(axis=0), 1e-9), 0.2, 0.95)
        scale = np.exp((log_outcome - y)[0] - exponent * (log_spend - x)[0])
        return 0.93 * task.solved(Curves(scale * task.open, exponent)) + 0.07 * task.random()


class LinearProgram(_Windowed):
    """What past days show as two straight pieces a channel, the better half first, solved by HiGHS for all seeds."""

    def split(self) -> Floats:
        """[S, C] the day's budgets."""
        task = self._task
        if len(self._spend) < 2:
            return task.random()
        spend, outcome = self._past
        order, half = spend.argsort(axis=0), len(spend) // 2
        spend, outcome = (np.take_along_axis(past, order, axis=0) for past in (spend, outcome))
        (near, far), (few, many) = ([past[:half].mean(0), past[half:].mean(0)] for past in (spend, outcome))
        first = (few + 0.1) / (near + 1e-3 * task.equal + 1e-12)
        second = np.clip((many - few) / np.maximum(far - near, 1e-2 * task.equal + 1e-12), 0.05 * first, 0.95 * first)
        return self._solve(np.stack([first, second]), np.maximum(near, 0.1 * task.equal))

    def _solve(self, slope: Floats, first: Floats) -> Floats:
        open_, total = self._task.open, self._task.total[:, None]
        most = np.stack([np.minimum(first, total) * open_, total * open_])
        seeds, channels = open_.shape
        sums = kron(np.ones((1, 2)), kron(np.eye(seeds), np.ones((1, channels))))
        money = np.broadcast_to(total, most.shape).ravel()
        limits = np.stack([np.zeros_like(money), most.ravel() / money], axis=1)
        found = linprog(-slope.ravel() * money, A_eq=sums, b_eq=np.ones(seeds), bounds=limits)
        return np.asarray((found.x * money).reshape(most.shape).sum(axis=0))


class GaussianProcess(_Windowed):
    """A Gaussian process a channel, re-fitted daily to the window, and a knapsack (Nuara et al. 2022).

    The mean is a square root through the window, the kernel a squared exponential in the root of spend; its length, and
    the noise, are those of highest likelihood on a grid.
    """

    LENGTHS, NOISES = (0.3, 1.0, 3.0), (0.1, 0.3, 1.0)

    def __init__(self, task: Task, index: Callable[[Floats, Floats, np.random.Generator], Floats]) -> None:
        """``index``: what to maximise, [S, C, G] of means [S, C, G] and covariances [S, C, G, G]."""
        super().__init__(task)
        self._index = index
        channels = task.open.sum(axis=1)[:, None]
        self._grid = np.sqrt(np.arange(STEPS + 1) / STEPS * channels)
        """[S, G] roots of the budgets in equal shares."""

    def split(self) -> Floats:
        """[S, C] the day's budgets."""
        task = self._task
        if len(self._spend) < 2:
            return task.random()
        value = self._index(*self._posterior(), task.rng)
        value = np.where(task.open[..., None], value, -1e9)
        value[..., 0] = 0.0
        return knapsack(value) * task.total[:, None] / STEPS

    def _posterior(self) -> tuple[Floats, Floats]:
        spend, outcome = (np.moveaxis(past, 0, 2) for past in self._past)
        x = np.sqrt(spend / np.maximum(self._task.equal, 1e-12)[..., None])
        rate = ((outcome * x).sum(axis=2, keepdims=True) + 0.1) / ((x * x).sum(axis=2, keepdims=True) + 0.1)
        left = (outcome - rate * x) / rate
        length, noise = self._fitted(x, left)
        among = _kernel(x, x, length) + noise * np.eye(x.shape[2])
        grid = np.broadcast_to(self._grid[:, None], (*x.shape[:2], STEPS + 1))
        across = _kernel(grid, x, length)
        gain = np.swapaxes(np.linalg.solve(among, np.swapaxes(across, 2, 3)), 2, 3)
        mean = grid + (gain @ left[..., None])[..., 0]
        return rate * mean, rate[..., None] ** 2 * (_kernel(grid, grid, length) - gain @ np.swapaxes(across, 2, 3))

    def _fitted(self, x: Floats, left: Floats) -> tuple[Floats, Floats]:
        """[S, C, 1, 1] length and noise of each channel."""
        pairs = [(length, noise) for length in self.LENGTHS for noise in self.NOISES]
        likely = np.stack([_likelihood(x, left, *pair) for pair in pairs])
        chosen = np.array(pairs)[likely.argmax(axis=0)]
        return chosen[..., 0, None, None], chosen[..., 1, None, None]


def _kernel(one: Floats, other: Floats, length: Floats | float) -> Floats:
    return np.asarray(0.3 * np.exp(-0.5 * ((one[..., :, None] - other[..., None, :]) / length) ** 2))


def _likelihood(x: Floats, left: Floats, length: float, noise: float) -> Floats:
    root = np.linalg.cholesky(_kernel(x, x, length) + noise * np.eye(x.shape[2]))
    white = np.linalg.solve(root, left[..., None])[..., 0]
    return np.asarray(-0.5 * (white**2).sum(axis=2) - np.log(np.diagonal(root, axis1=2, axis2=3)).sum(axis=2))


def upper(mean: Floats, covariance: Floats, rng: np.random.Generator) -> Floats:
    """One deviation above the mean (GP-UCB)."""
    del rng
    return np.asarray(mean + np.sqrt(np.maximum(np.diagonal(covariance, axis1=2, axis2=3), 0.0)))


def drawn(mean: Floats, covariance: Floats, rng: np.random.Generator) -> Floats:
    """A curve of the posterior (GP Thompson sampling)."""
    scale = np.maximum(np.diagonal(covariance, axis1=2, axis2=3).max(axis=2), 1e-12)[..., None, None]
    root = np.linalg.cholesky(covariance + 1e-6 * scale * np.eye(mean.shape[2]))
    return np.asarray(mean + (root @ rng.normal(size=(*mean.shape, 1)))[..., 0])


def knapsack(value: Floats) -> Ints:
    """[S, C] steps of each channel, which sum to G - 1, of highest summed ``value`` [S, C, G]."""
    seeds, channels, steps = value.shape
    back = np.arange(steps)[:, None] - np.arange(steps)
    best, choice = np.where(np.arange(steps) > 0, -np.inf, np.zeros((seeds, 1))), []
    for channel in range(channels):
        before = np.where(back >= 0, best[:, np.maximum(back, 0)], -np.inf)
        sums = before + value[:, channel, None, :]
        choice.append(sums.argmax(axis=2))
        best = sums.max(axis=2)
    split, left = np.zeros((seeds, channels), dtype=np.int64), np.full(seeds, steps - 1)
    for channel in reversed(range(channels)):
        split[:, channel] = choice[channel][np.arange(seeds), left]
        left = left - split[:, channel]
    return split


ALLOCATORS: dict[str, Callable[[Task], Allocator]] = {
    "swarm": Swarm,
    "equal": lambda task: Fixed(task.equal),
    "current": lambda task: Fixed(task.random()),
    "proportional": Proportional,
    "power_laws": PowerLaws,
    "linear_program": LinearProgram,
    "gp_ucb": lambda task: GaussianProcess(task, upper),
    "gp_thompson": lambda task: GaussianProcess(task, drawn),
}
"""By name; ours first."""
