"""Creative rotation: each creative is shown as often as it is likely to be the best one.

Letters: R campaigns, K creatives, S draws.
"""

from __future__ import annotations

import numpy as np

from policies.frames import Bools, Floats

_DRAWS = 64
_FLOOR = 0.02


def rotation(
    score: Floats, conversions: Floats, exists: Bools, *, exploration: float, strength: float, rng: np.random.Generator
) -> Floats:
    """[R, K] shares by Thompson sampling ("An Empirical Evaluation of Thompson Sampling", 2011), averaged over draws.

    ``score`` [R, K]: goal units per impression. ``conversions`` [R, K]: how many the score rests on;
    ``strength`` pseudo-conversions stand behind a score that rests on none. ``exploration`` scales the spread
    of the draws. Every creative keeps 2 % of the rotation, so that a change is noticed.
    """
    spread = exploration / np.sqrt(conversions + strength)
    draws = np.log(np.maximum(score, 1e-300)) + spread * rng.standard_normal((_DRAWS, *score.shape))
    best = np.where(exists, draws, -np.inf).argmax(axis=2)
    wins = (best[..., None] == np.arange(score.shape[1])).mean(axis=0)
    count = exists.sum(axis=1, keepdims=True)
    return np.where(exists, _FLOOR + (1.0 - _FLOOR * count) * wins, 0.0)
