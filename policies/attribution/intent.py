"""Who wants the thing anyway, as far as it shows in what a person meets: a factor behind the counts of touches.

People with intent search, are retargeted and open mails more often, on all such channels at once. One factor that
explains why these counts rise together stands in for the intent that nobody sees (the deconfounder: Wang and Blei,
"The Blessings of Multiple Causes", 2019). It is learnt from the touches alone, never from who converted.

Letters: J people, C channels, Q points of the quadrature.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from policies.frames import Floats

_POINTS, _MASS = np.polynomial.hermite_e.hermegauss(15)
_SWEEPS, _CLOSE = 60, 1e-3
"""Most sweeps, and the step after which there is no other."""


@dataclass(frozen=True, slots=True, eq=False)
class Intent:
    """Counts are Poisson with means exp(rate + loading x), x standard normal."""

    rate: Floats
    """[C] log of the mean count where x is 0."""
    loading: Floats
    """[C] how far x moves it; the first sign is arbitrary, so most are positive."""

    @classmethod
    def fit(cls, counts: Floats, people: Floats) -> Intent:
        """By expectation and maximisation, a Newton step a sweep, on ``counts`` [J, C] of so many ``people`` [J]."""
        rate = np.log(np.maximum(np.average(counts, axis=0, weights=people), 1e-6))
        loading = np.full(counts.shape[1], 0.3)
        for _ in range(_SWEEPS):
            belief = cls(rate, loading)._posterior(counts) * people[:, None]
            step = _newton(rate, loading, belief.sum(axis=0), counts.T @ belief)
            rate, loading = rate + step[0], loading + step[1]
            if np.abs(step).max() < _CLOSE:
                break
        return cls(rate, loading * np.sign(loading.sum() or 1.0))

    def read(self, counts: Floats) -> Floats:
        """[J] what x is expected to be of people with these ``counts`` [J, C]."""
        return np.asarray(self._posterior(counts) @ _POINTS)

    def _posterior(self, counts: Floats) -> Floats:
        """[J, Q] chances of each point."""
        level = self.rate[:, None] + self.loading[:, None] * _POINTS
        log = counts @ level - np.exp(level).sum(axis=0) + np.log(_MASS)
        chance = np.exp(log - log.max(axis=1, keepdims=True))
        return np.asarray(chance / chance.sum(axis=1, keepdims=True))


def _newton(rate: Floats, loading: Floats, people: Floats, counts: Floats) -> Floats:
    """[2, C] the step of each channel's own Poisson regression on x; ``people`` [Q], ``counts`` [C, Q] by point."""
    mean = people * np.exp(rate[:, None] + loading[:, None] * _POINTS)
    moments = np.stack([mean.sum(axis=1), mean @ _POINTS, mean @ _POINTS**2])
    slope = np.stack([(counts - mean).sum(axis=1), (counts - mean) @ _POINTS])
    spread = np.maximum(moments[0] * moments[2] - moments[1] ** 2, 1e-9)
    step = np.stack([moments[2] * slope[0] - moments[1] * slope[1], moments[0] * slope[1] - moments[1] * slope[0]])
    return np.asarray(np.clip(step / spread, -0.5, 0.5))
