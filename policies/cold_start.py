"""Cold start: what is expected of new creatives, from those that they resemble.

The log of a creative's rate is a level, what creatives near to each other share, and its own: a Gaussian process over
creatives (Rasmussen and Williams 2006, section 2.2) with correlation ``exp(-d^2 / 2 reach^2)``. That is a correlation
for sliced Wasserstein distances between clouds of frames (Kolouri et al. 2016) as for Euclidean ones between embeddings
or essences. How far resemblance reaches and how much it tells is weighed by how well it foretells the known creatives,
"not at all" among the answers.

Letters: C known creatives, N new ones, M hypotheses.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import ArrayLike

from policies.bandit import LEVEL, OWNS, SCALES, Prior
from policies.frames import Floats

REACHES = (0.25, 0.5, 1.0, 2.0)
"""In units of the median distance between known creatives."""


def resembling(distances: ArrayLike, log_rate: ArrayLike, deviation: ArrayLike) -> Prior:
    """Prior for a ``CreativeBandit`` over the N new creatives of one campaign, over their mean.

    Args:
        distances: [C + N, C + N], from each creative to each, known ones first.
        log_rate: [C] of the known, such as ``Belief.expected``; levels of their campaigns taken off.
        deviation: [C] standard deviations of those.

    Raises:
        ValueError: on shapes that do not fit each other, or distances that are negative or not finite.

    >>> at, rates = np.array([0.0, 0.1, 1.0, 1.1, 0.05, 1.05]), np.log([0.02, 0.022, 0.01, 0.009])
    >>> prior = resembling(np.abs(at[:, None] - at), rates, np.full(4, 0.1))
    >>> prior.mean.round(1)                                           # the fifth is like the first two
    array([[ 0.3, -0.3]])
    """
    d, y, noise = (np.asarray(values, np.float64) for values in (distances, log_rate, deviation))
    known = len(y)
    if d.ndim != 2 or d.shape[0] != d.shape[1] or len(d) < known or y.shape != noise.shape or y.ndim != 1 or known < 2:
        raise ValueError(
            f"distances {d.shape}, log_rate {y.shape}, deviation {noise.shape}, "
            "expected [C + N, C + N], [C], [C] with C >= 2"
        )
    if not (np.isfinite(d) & (d >= 0)).all():
        raise ValueError(f"distances hold {d.min()}, expected finite numbers that are not negative")
    mean, covariance = _posterior(d, y, noise)
    centred = np.eye(len(mean)) - 1.0 / max(len(mean), 1)
    return Prior.of_covariance(centred @ mean, centred @ covariance @ centred)


def _posterior(d: Floats, y: Floats, noise: Floats) -> tuple[Floats, Floats]:
    """Mean [N] and covariance [N, N] of what is shared, over all hypotheses."""
    known = len(y)
    usual = max(float(np.median(d[:known, :known][np.triu_indices(known, 1)])), 1e-12)
    found = []
    for reach, scale, own in product(REACHES, SCALES, OWNS):
        shared = scale**2 * np.exp(-0.5 * (d / (reach * usual)) ** 2)
        inner = shared[:known, :known] + LEVEL**2 + np.diag(noise**2 + own**2)
        found.append(_conditioned(shared, inner, y - y.mean()))
    evidence, means, covariances = (np.array(column) for column in zip(*found, strict=True))
    weight = np.exp(evidence - evidence.max())
    weight /= weight.sum()
    mean = weight @ means
    apart = means - mean
    return mean, np.tensordot(weight, covariances, 1) + (weight[:, None] * apart).T @ apart


def _conditioned(shared: Floats, inner: Floats, y: Floats) -> tuple[float, Floats, Floats]:
    """Log evidence, and mean and covariance of what is shared by the new, given ``y`` with covariance ``inner``."""
    known = len(y)
    factor = np.linalg.cholesky(inner)
    told = np.linalg.solve(factor, np.column_stack([y, shared[:known, known:]]))
    evidence = -0.5 * float(told[:, 0] @ told[:, 0]) - float(np.log(np.diagonal(factor)).sum())
    return evidence, told[:, 1:].T @ told[:, 0], shared[known:, known:] - told[:, 1:].T @ told[:, 1:]
