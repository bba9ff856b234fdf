"""The rivals with Gaussian processes: one a channel, re-fitted daily, and a knapsack over a grid of budgets.

Letters: S seeds, C channels, W days of a window, G points of the grid.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.allocators import Task, Windowed
from policies.frames import Floats, Ints

STEPS = 48
"""Of the grid: as fine as a knapsack stays quick."""


class GaussianProcess(Windowed):
    """A Gaussian process a channel, re-fitted daily to the window, and a knapsack (Nuara et al. 2022).

    The mean is a square root through the window, the kernel a squared exponential in the root of spend; its length, and
    the noise, are those of highest likelihood on a grid.
    """

    LENGTHS, NOISES = (0.3, 1.0, 3.0), (0.1, 0.3, 1.0)

    def __init__(self, task: Task, index: Callable[[Floats, Floats, np.random.Generator], Floats]) -> None:
        """``index``: what to maximise, [S, C, G] of means [S, C, G] and covariances [S, C, G, G]."""
        super().__init__(task)
        self._index = index
        channels, self._kind = np.unique(task.open.sum(axis=1), return_inverse=True)
        grids = np.sqrt(np.arange(STEPS + 1) / STEPS * channels[:, None])
        self._grid = grids[self._kind]
        """[S, G] roots of the budgets in equal shares."""
        self._prior = np.stack([_kernel(grids, grids, length) for length in self.LENGTHS])
        """[lengths, kinds, G, G] covariances before anything was seen, by the number of channels."""

    def split(self) -> Floats:
        """[S, C] the day's budgets."""
        task = self.task
        if len(self.spend) < 2:
            return task.random()
        value = self._index(*self._posterior(), task.rng)
        value = np.where(task.open[..., None], value, -1e9)
        value[..., 0] = 0.0
        return knapsack(value) * task.total[:, None] / STEPS

    def _posterior(self) -> tuple[Floats, Floats]:
        spend, outcome = (np.moveaxis(past, 0, 2) for past in self.past)
        x = np.sqrt(spend / np.maximum(self.task.equal, 1e-12)[..., None])
        rate = ((outcome * x).sum(axis=2, keepdims=True) + 0.1) / ((x * x).sum(axis=2, keepdims=True) + 0.1)
        left = (outcome - rate * x) / rate
        length, noise = self._fitted(x, left)
        among = _kernel(x, x, length) + noise * np.eye(x.shape[2])
        grid = np.broadcast_to(self._grid[:, None], (*x.shape[:2], STEPS + 1))
        across = _kernel(grid, x, length)
        gain = np.swapaxes(np.linalg.solve(among, np.swapaxes(across, 2, 3)), 2, 3)
        mean = grid + (gain @ left[..., None])[..., 0]
        prior = self._prior[np.searchsorted(self.LENGTHS, length[..., 0, 0]), self._kind[:, None]]
        return rate * mean, rate[..., None] ** 2 * (prior - gain @ np.swapaxes(across, 2, 3))

    def _fitted(self, x: Floats, left: Floats) -> tuple[Floats, Floats]:
        """[S, C, 1, 1] length and noise of each channel."""
        pairs = [(length, noise) for length in self.LENGTHS for noise in self.NOISES]
        kernels = {length: _kernel(x, x, length) for length in self.LENGTHS}
        likely = np.stack([_likelihood(kernels[length] + noise * np.eye(x.shape[2]), left) for length, noise in pairs])
        chosen = np.array(pairs)[likely.argmax(axis=0)]
        return chosen[..., 0, None, None], chosen[..., 1, None, None]


def _kernel(one: Floats, other: Floats, length: Floats | float) -> Floats:
    return np.asarray(0.3 * np.exp(-0.5 * ((one[..., :, None] - other[..., None, :]) / length) ** 2))


def _likelihood(covariance: Floats, left: Floats) -> Floats:
    """[S, C] log density of ``left`` [S, C, W], less a constant."""
    root = np.linalg.cholesky(covariance)
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
