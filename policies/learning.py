"""What the feedback loop learns of creatives: the scorer's head, refitted from matured outcomes.

Every fit starts from the prior and the evidence as it stands, so that nothing is counted twice and a lost
update costs nothing.

Letters: R campaigns, C channels, K creatives, F features.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from policies.bayes import BayesianLinear
from policies.estimation import OWN_VARIANCE, CreativePrior
from policies.frames import Bools, Evidence, Floats, Portfolio

Head = dict[str, NDArray[Any]]
_CREATIVE_PRIOR = 25.0


def creative_head(
    features: Floats, evidence: Evidence, portfolio: Portfolio, cells: Floats, opening: Head | None = None
) -> Head:
    """Weights of the creative scorer: log of each creative's conversions over what its campaign expects.

    ``features`` [R, K, 64]; ``cells`` [R, C, K]: conversions per click without the creative's own factor. A log
    ratio varies by what is the creative's own and by one over its conversions. ``root`` [65, 65] is a square root
    of the weights' covariance, bias last, so that the model can say how sure it is of a creative. ``opening``: the
    shipped head, where there is one; the fit begins with it, else with weights around 0.
    """
    seen = evidence.conversions.sum(axis=1)
    due = (evidence.matured_clicks * cells).sum(axis=1)
    rows = portfolio.creatives & (portfolio.unit_value > 0)[:, None] & (due > 1.0)
    target = np.log((seen + 1.0) / (due + 1.0))[rows]
    width = features.shape[2]
    x = np.concatenate([features[rows], np.ones((int(rows.sum()), 1))], axis=1)
    weight = 1.0 / (OWN_VARIANCE + 1.0 / (seen + 1.0))
    fit = _opening(width + 1, opening).update(x, target, weight[rows])
    return {"weights": fit.mean[:width], "bias": fit.mean[width:], "root": fit.covariance_root}


def _opening(width: int, head: Head | None) -> BayesianLinear:
    """Before any evidence of the run."""
    if head is None:
        return BayesianLinear.start(width, prior=_CREATIVE_PRIOR)
    root = np.asarray(head["root"], np.float64)
    mean = np.concatenate([head["weights"], head["bias"]]).astype(np.float64)
    return BayesianLinear.around(mean, root)


def creative_prior(overall: Floats, doubt: Floats, exists: Bools) -> CreativePrior:
    """From predicted logs [R, K] and their variances [R, K]; factors have a geometric mean of 1 per campaign."""
    count = np.maximum(exists.sum(axis=1, keepdims=True), 1)
    centred = overall - np.where(exists, overall, 0.0).sum(axis=1, keepdims=True) / count
    factor = np.where(exists, np.exp(np.clip(centred, -1.0, 1.0)), 1.0)
    return CreativePrior(factor, np.where(exists, doubt, 0.0), OWN_VARIANCE)


def prior_shares(gates: Floats, allowed: Bools, *, weight: float, temperature: Floats) -> Floats:
    """[R, C] shares for campaigns without data: routing's gates, mixed with equal shares so that none is shut out.

    ``gates`` [R, C] are a softmax at temperature 1; ``temperature`` [R] makes them softer or sharper.
    """
    equal = allowed / np.maximum(allowed.sum(axis=1, keepdims=True), 1)
    sharp = gates ** (1.0 / temperature[:, None])
    total = sharp.sum(axis=1, keepdims=True)
    chosen = np.where(total > 0, sharp / np.where(total > 0, total, 1.0), equal)
    return np.asarray((1.0 - weight) * equal + weight * chosen)
