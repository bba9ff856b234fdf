"""Creative rotation: each creative is shown as often as it is likely to be the best one.

Letters: R campaigns, K creatives, G quadrature nodes.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from policies.frames import Bools, Floats

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(24)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()
FLOOR = 0.01
"""Share that every creative keeps, so that a change in it is noticed."""


def rotation(score: Floats, variance: Floats, exists: Bools, *, exploration: Floats) -> Floats:
    """[R, K] shares: the chance that Thompson sampling would draw each creative, without drawing.

    The expected share under Thompson sampling ("An Empirical Evaluation of Thompson Sampling", 2011) is the
    probability of being the best, which has one integral over the creative's own draw.

    ``score`` [R, K]: goal units per impression; ``variance`` [R, K] of its log; ``exploration`` [R] scales its spread.
    """
    level = np.where(exists, np.log(np.maximum(score, 1e-300)), -np.inf)
    wins = _best(level, exploration[:, None] * np.sqrt(np.maximum(variance, 1e-12)))
    count = exists.sum(axis=1, keepdims=True)
    return np.where(exists, FLOOR + (1.0 - FLOOR * count) * wins, 0.0)


def _best(level: Floats, spread: Floats) -> Floats:
    """[R, K] probability that the normal draw around ``level`` is the highest of its row; -inf never is."""
    own = level[..., None] + spread[..., None] * _NODES
    with np.errstate(invalid="ignore", divide="ignore"):
        below = ndtr((own[:, :, None, :] - level[:, None, :, None]) / spread[:, None, :, None])
    below[:, np.arange(level.shape[1]), np.arange(level.shape[1])] = 1.0
    chance = np.where(np.isfinite(level), (below.prod(axis=2) * _WEIGHTS).sum(axis=2), 0.0)
    return np.asarray(chance / np.maximum(chance.sum(axis=1, keepdims=True), 1e-300))
