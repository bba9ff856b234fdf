"""What another policy would have earned, from the log of the one that ran.

    log = Log(action, reward, propensity, context=features)
    for name, found in evaluate(log, target, rng=rng).items():
        print(name, found.value, found.interval())

Four estimators of the mean reward of a round under ``target``:

    ipw    weighs rewards by target over propensity; unbiased                    (Horvitz and Thompson 1952)
    snipw  divides by the sum of weights; free of the reward's level             (Swaminathan and Joachims 2015)
    dm     asks a model of rewards; precise, and wrong by as much as the model   (direct method)
    dr     model, corrected by weighted residuals; unbiased with true propensities  (Dudik, Langford and Li 2011)

Each comes with the standard error of its own influence function, so sums per kind of round suffice: a row may stand
for many equal rounds (``counts``).

Letters: n rows, N rounds, A actions, F features.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from policies.bandit_log import Log, distribution, numbers, taken, weights
from policies.frames import Floats
from policies.ridge import PooledRidge, Sums

__all__ = ["FOLDS", "Estimate", "Log", "cross_fitted", "dm", "dr", "evaluate", "ipw", "snipw"]

FOLDS = 5


@dataclass(frozen=True, slots=True)
class Estimate:
    """Mean reward of a round under the target policy."""

    value: float
    error: float
    """Standard error."""
    effective: float
    """Rounds of the target itself that would weigh as evenly: (sum w)^2 / sum w^2 (Kish 1965)."""

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Normal confidence interval."""
        reach = float(ndtri(0.5 + level / 2)) * self.error
        return self.value - reach, self.value + reach


def ipw(log: Log, target: ArrayLike) -> Estimate:
    """Inverse propensity weighting: the mean of w r.

    Args:
        log: rounds with propensities.
        target: [n, A] chances that the judged policy gives each action in each row.

    Raises:
        ValueError: if ``target`` is no distribution, acts where the log never does, or the propensities cannot be
            those of the log: weights that do not average 1.

    >>> log = Log(np.array([0, 1, 1]), np.array([0.0, 1.0, 0.0]), propensity=np.array([0.5, 0.5, 0.5]))
    >>> round(ipw(log, [[0.25, 0.75]] * 3).value, 3)
    0.5
    """
    w = weights(log, target)
    value = log.mean(w * log.reward)
    return _estimate(value, w * log.reward - value, w, log)


def snipw(log: Log, target: ArrayLike) -> Estimate:
    """Self-normalised weighting: sum w r / sum w. Arguments and errors of ``ipw``."""
    w = weights(log, target)
    level = log.mean(w)
    value = log.mean(w * log.reward) / level
    return _estimate(value, w * (log.reward - value) / level, w, log)


def dm(log: Log, target: ArrayLike) -> Estimate:
    """Direct method with a pooled ridge of rewards on context and action. Arguments and errors of ``ipw``.

    The error counts the spread of contexts, that of the model's weights, and what shrinkage may hide; not what a
    regression of this form cannot express.
    """
    q, w = distribution(target, log), weights(log, target)
    x, share = log.x, log.rounds / log.rounds.sum()
    model = PooledRidge.fit(Sums.of(x, log.action, log.reward, log.rounds, q.shape[1]))
    expected = model.predict(x)
    lever, hidden = model.functional(x, q * share[:, None])
    residual = log.reward - taken(expected, log.action)
    by_row = (q * expected).sum(axis=1)
    value = log.mean(by_row)
    found = _estimate(value, by_row - value + log.rounds.sum() * taken(lever, log.action) * residual, w, log)
    return replace(found, error=float(np.hypot(found.error, hidden * np.sqrt(log.mean(residual**2)))))


def dr(
    log: Log, target: ArrayLike, *, rng: np.random.Generator | None = None, predicted: ArrayLike | None = None
) -> Estimate:
    """Doubly robust: the model's value and the weighted mean of its residuals. Arguments and errors of ``ipw``.

    Args:
        log: rounds with propensities; whole ``counts`` where the model is fitted here.
        target: [n, A].
        rng: deals the rounds out to the folds of the model that is fitted here, each predicted by the others.
        predicted: [n, A] rewards of every action by a model of your own, fitted on other rounds.
    """
    if (rng is None) == (predicted is None):
        raise ValueError("dr needs either rng, to fit a model on parts of the log, or the rewards predicted by one")
    q = distribution(target, log)
    weights(log, q)
    if rng is None:
        expected = numbers("predicted", np.asarray(predicted), *q.shape)
    else:
        log, expected = cross_fitted(log, q.shape[1], rng)
        q = np.tile(q, (FOLDS, 1))
    w = taken(q, log.action) / log.chance
    corrected = (q * expected).sum(axis=1) + w * (log.reward - taken(expected, log.action))
    value = log.mean(corrected)
    return _estimate(value, corrected - value, w, log)


def evaluate(log: Log, target: ArrayLike, *, rng: np.random.Generator) -> Mapping[str, Estimate]:
    """All four, by name; arguments and errors of ``dr``."""
    return {
        "ipw": ipw(log, target),
        "snipw": snipw(log, target),
        "dm": dm(log, target),
        "dr": dr(log, target, rng=rng),
    }


def cross_fitted(log: Log, actions: int, rng: np.random.Generator) -> tuple[Log, Floats]:
    """The log with its rounds dealt out to folds, and what the rounds of the other folds predict.

    Returns:
        The log of FOLDS n rows, fold after fold, and rewards [FOLDS n, A].

    Raises:
        ValueError: if ``counts`` are not whole: equal rounds have to be dealt out one by one.
    """
    if (log.rounds != np.rint(log.rounds)).any():
        row = int(np.flatnonzero(log.rounds != np.rint(log.rounds))[0])
        raise ValueError(f"counts must be whole to be dealt out, got {log.rounds[row]} in row {row}")
    dealt = rng.multinomial(log.rounds.astype(np.int64), np.full(FOLDS, 1.0 / FOLDS)).T.astype(np.float64)
    x = log.x
    whole, *parts = (Sums.of(x, log.action, log.reward, each, actions) for each in (log.rounds, *dealt))
    predicted = [PooledRidge.fit(whole.without(part)).predict(x) for part in parts]
    wide = {
        name: np.concatenate([getattr(log, name)] * FOLDS) for name in ("action", "reward", "propensity", "context")
    }
    return Log(**wide, counts=dealt.ravel()), np.concatenate(predicted)


def _estimate(value: float, influence: Floats, w: Floats, log: Log) -> Estimate:
    """The error is that of a mean of ``influence`` [n]."""
    error = np.sqrt(log.mean(influence**2) / log.rounds.sum())
    squares = float(log.rounds @ w**2)
    return Estimate(value, float(error), float(log.rounds @ w) ** 2 / squares if squares > 0 else 0.0)
