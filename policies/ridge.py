"""Ridge regression of a reward on context and action, in which actions are alike until the data tell them apart.

The reward of action a is ``x (shared + own_a)``: the own parts are drawn to 0 and the shared one, its constant apart,
too, so that rare actions borrow from frequent ones (partial pooling; Gelman and Hill 2006, chapter 12). Own parts are
eliminated from the normal equations, whose solution so takes A + 1 systems of the width of x.

Letters: n rows, A actions, F features, a constant first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from policies.frames import Floats, Ints

_PSEUDO_REWARDS = 8.0
"""Rewards behind the belief that an effect is 0: effects are about 35 % of the mean reward, 1 / 0.35 squared."""


@dataclass(frozen=True, slots=True)
class Sums:
    """All that the regression needs of the rounds; sums of disjoint rounds add up."""

    gram: Floats
    """[A, F, F] of x x^T."""
    moment: Floats
    """[A, F] of x r."""
    scale: Floats
    """[3] of 1, |r| and r^2."""

    @classmethod
    def of(cls, x: Floats, action: Ints, reward: Floats, counts: Floats, actions: int) -> Sums:
        """``x`` [n, F]; the others [n]."""
        gram, moment = np.zeros((actions, x.shape[1], x.shape[1])), np.zeros((actions, x.shape[1]))
        for a in np.unique(action):
            rows = action == a
            weighted = x[rows].T * counts[rows]
            gram[a], moment[a] = weighted @ x[rows], weighted @ reward[rows]
        return cls(gram, moment, np.array([counts.sum(), counts @ np.abs(reward), counts @ reward**2]))

    def without(self, part: Sums) -> Sums:
        """Of the rounds that are not in ``part``."""
        return Sums(self.gram - part.gram, self.moment - part.moment, self.scale - part.scale)

    @property
    def penalty(self) -> float:
        """Rounds that weigh as much as the belief that an effect is 0; no unit of the reward changes it."""
        rounds, size, square = self.scale
        return float(_PSEUDO_REWARDS * (rounds * square / size**2 if size > 0 else max(rounds, 1.0)))


@dataclass(frozen=True, slots=True)
class PooledRidge:
    """The fitted regression."""

    sums: Sums
    shared: Floats
    """[F]"""
    own: Floats
    """[A, F]"""

    @classmethod
    def fit(cls, sums: Sums) -> PooledRidge:
        """The posterior mean."""
        return cls(sums, *_solve(sums, sums.moment.sum(axis=0), sums.moment))

    def predict(self, x: Floats) -> Floats:
        """[n, A] expected rewards at ``x`` [n, F]."""
        return np.asarray(x @ (self.shared + self.own).T)

    def functional(self, x: Floats, weight: Floats) -> tuple[Floats, float]:
        """How the sum over rows and actions of ``weight`` [n, A] times prediction at ``x`` [n, F] comes about.

        Returns:
            [n, A] its derivative by the reward of a round at x; and how much shrinkage biases it, as a standard
            deviation over effects of the size that the penalty believes in, for rewards of noise variance 1.
        """
        g = weight.T @ x
        shared, own = _solve(self.sums, g.sum(axis=0), g)
        hidden = self.sums.penalty * (np.square(shared[1:]).sum() + np.square(own).sum())
        return np.asarray(x @ (shared + own).T), float(np.sqrt(hidden))


def _solve(sums: Sums, right: Floats, right_own: Floats) -> tuple[Floats, Floats]:
    """Shared [F] and own [A, F] solution of the penalised normal equations with right-hand sides [F] and [A, F]."""
    penalty, eye = sums.penalty, np.eye(len(right))
    inverse = np.linalg.inv(sums.gram + penalty * eye)
    eliminated = penalty * np.einsum("aij,ajk->ik", inverse, sums.gram)
    rest = right - np.einsum("aij,ajk,ak->i", sums.gram, inverse, right_own, optimize=True)
    eliminated += penalty * np.diag([0.0] + [1.0] * (len(right) - 1))
    shared = np.linalg.solve(eliminated, rest)
    return shared, np.einsum("aij,aj->ai", inverse, right_own - sums.gram @ shared)
