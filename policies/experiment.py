"""What a candidate is worth: an experiment over campaigns and days, judged by a sequential test.

Letters: W windows (days), R campaigns, A candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import log_ndtr

from policies.frames import Bools, Floats

EFFECT_SD = 0.03
"""Size of the effects that the test is most sensitive to, on a log scale."""
CURVATURE_SD = 0.006
"""Size of what a step up and a step down have in common, on a log scale."""
_SWEEPS = 25
_PRIOR_WINDOWS = 5.0


@dataclass(frozen=True, slots=True)
class Effect:
    """What a candidate did to the log of its campaigns' value, against what they would have had without it."""

    mean: float
    sd: float
    """NaN where there is nothing to compare."""

    @property
    def gain(self) -> float:
        """Evidence that it helps: an e-value, which exceeds 1/a with a chance of at most a where it does not."""
        return _evidence(self.mean, self.sd)

    @property
    def harm(self) -> float:
        """Evidence that it harms."""
        return _evidence(-self.mean, self.sd)


def _evidence(mean: float, sd: float) -> float:
    """Likelihood ratio of effects above zero, half normal around it, against none.

    A mixture of likelihood ratios is a martingale where the effect is zero, so it may be looked at every day (Robbins,
    "Statistical methods related to the law of the iterated logarithm", 1970; Johari, Pekelis and Walsh, "Always
    Valid Inference", 2022).
    """
    if not np.isfinite(sd):
        return 0.0
    total = sd**2 + EFFECT_SD**2
    z = mean * EFFECT_SD / (sd * np.sqrt(total))
    return float(np.exp(min(np.log(2.0) + np.log(sd) - 0.5 * np.log(total) + 0.5 * z * z + log_ndtr(z), 700.0)))


def effects(outcome: Floats, ran: Bools, opposites: Sequence[tuple[int, int]]) -> list[Effect]:
    """Each candidate's effect, all at once: a regression with an effect for each campaign and each window.

    Campaigns differ for good and days differ for all, so both are taken out before candidates are compared.
    Campaigns count by how steady their own outcomes are. A step up and a step down do about the opposite of each
    other: what they have in common, the curvature, is small, and a prior says so.

    ``outcome`` [W, R]: log values, NaN where a window does not count. ``ran`` [A, W, R]: who ran what when.
    ``opposites``: pairs of candidates that step up and down from the same value.
    """
    seen, prior = np.isfinite(outcome), _curvature(len(ran), opposites)
    known = np.where(seen, outcome, 0.0)
    alike = seen / max(float(np.nanvar(_centred(known, seen * 1.0)[seen])), 1e-12)
    first, _ = _regressed(known, ran, alike, prior)
    left = _centred(known - np.tensordot(first, ran, axes=1), alike)
    mean, sd = _regressed(known, ran, _steadiness(left, seen), prior)
    return [Effect(float(m), float(s)) for m, s in zip(mean, sd, strict=True)]


def _regressed(outcome: Floats, ran: Bools, weight: Floats, prior: Floats) -> tuple[Floats, Floats]:
    """[A] effects and their standard deviations, NaN where nobody ran one; ``weight`` [W, R]: one over variance."""
    y, w = _centred(outcome, weight).ravel(), weight.ravel()
    x = np.array([_centred(each.astype(np.float64), weight) for each in ran]).reshape(len(ran), -1)
    gram = (x * w) @ x.T
    inverse = np.linalg.pinv(gram + prior, hermitian=True)
    told = np.diag(gram) > 1e-9 * max(float(np.diag(gram).max(initial=0.0)), 1e-300)
    return inverse @ ((x * w) @ y), np.where(told, np.sqrt(np.maximum(np.diag(inverse), 0.0)), np.nan)


def _curvature(count: int, opposites: Sequence[tuple[int, int]]) -> Floats:
    """[A, A] precision of the prior on half the sum of two opposite steps' effects."""
    precision = np.zeros((count, count))
    for pair in opposites:
        precision[np.ix_(pair, pair)] += 0.25 / CURVATURE_SD**2
    return precision


def _steadiness(residual: Floats, seen: Bools) -> Floats:
    """[W, R] one over each campaign's variance, drawn to that of all while it has few windows.

    Of what candidates leave unexplained: a weight that fell with an effect would hide it.
    """
    free = np.maximum(seen.sum(axis=0) - 1, 0)  # one is spent on the campaign's own mean
    usual = float((residual**2).sum() / max(free.sum(), 1))
    variance = ((residual**2).sum(axis=0) + _PRIOR_WINDOWS * usual) / (free + _PRIOR_WINDOWS)
    return np.where(seen, 1.0 / np.maximum(variance, 1e-12), 0.0)


def _centred(values: Floats, weight: Floats) -> Floats:
    """``values`` less their weighted means of campaigns and windows, zero where nothing is seen."""
    by_row, by_window = (np.maximum(weight.sum(axis=axis, keepdims=True), 1e-300) for axis in (0, 1))
    for _ in range(_SWEEPS):
        values = values - (values * weight).sum(axis=0, keepdims=True) / by_row
        values = values - (values * weight).sum(axis=1, keepdims=True) / by_window
    return np.where(weight > 0, values, 0.0)
