"""How far values are to be believed: what their uncertainty means, and their level.

An estimate with a standard deviation may already be the best guess, or a measurement that is to be regressed towards
the mean of the traffic, and the price may know of the value what the bidder does not (the winner's curse). Conversions
tell: they are regressed on normal theory's correction of a measurement and on the price, online (Newton steps on the
Poisson likelihood; Hazan, Agarwal and Kale, Machine Learning, 2007). Of rows of known price it does not matter that
only those were seen that were won. The bid that equals what is expected at a price of just that bid follows from both.

The level, conversions over expected ones, is corrected by as much as it is sure (positive-part James-Stein): nothing
while the difference is noise, nearly all once it is not.

Letters: N rows.
"""

from __future__ import annotations

import math

import numpy as np

from policies.frames import Floats

REMEMBERED = 3_000.0
"""Expected conversions after which older ones begin to be forgotten."""
NOISE = 5.0
"""Squared standard score up to which a difference of level is taken for noise."""
PRIOR = np.array([0.0, 0.3, 0.1])
"""Of the log of conversions over expected ones: level, part of the correction, exponent of the price."""
PRIOR_SPREAD = np.array([0.3, 0.3, 0.2])
MOST_CORRECTED = 2.0
"""Log of the most that an estimate is corrected by."""
_FORGET = 0.999
_TINY = 1e-300


class Calibration:
    """State of the belief."""

    def __init__(self) -> None:
        self._moments = np.zeros(4)
        """Rows, and their sums of value, squared value and squared deviation."""
        self._expected = self._counted = 0.0
        self._effects = PRIOR.copy()
        self._information = np.diag(PRIOR_SPREAD**-2.0)
        self._dearness = math.nan
        """Mean log of price over value, of what was won."""

    @property
    def level(self) -> float:
        """Conversions for one that was expected."""
        if not self._expected:
            return 1.0
        excess = self._counted - self._expected
        if (surprise := excess**2 / self._expected) <= NOISE:
            return 1.0
        return 1.0 + excess / self._expected * (1.0 - NOISE / surprise)

    @property
    def trust(self) -> float:
        """Part of the correction to bid by: the larger, the more the price knows."""
        _, corrected, price = self._effects
        return float(np.clip(corrected, 0.0, 1.0) / (1.0 - np.clip(price, 0.0, 0.8)))

    def correction(self, values: Floats, sigmas: Floats) -> Floats:
        """[N] log of the factor by which ``values`` are to be corrected if they are measurements."""
        noise = sigmas**2
        self._moments *= _FORGET
        self._moments += np.array([len(values), values.sum(), values @ values, noise.sum()])
        rows, total, squares, deviations = self._moments
        mean = total / rows
        signal = max((squares - deviations) / rows - mean**2, 1e-4 * mean**2 + _TINY)
        regressed = values + noise / (noise + signal) * (mean - values)
        factor = regressed / np.maximum(values, _TINY)
        return np.asarray(np.log(np.clip(factor, math.exp(-MOST_CORRECTED), math.exp(MOST_CORRECTED))))

    def learn(self, believed: Floats, units: Floats, conversions: Floats) -> None:
        """Take note of ``conversions`` [N] of ``units`` [N] impressions of which ``believed`` [N] each was expected."""
        self._expected += float(believed @ units)
        self._counted += float(conversions.sum())
        if self._expected > REMEMBERED:
            self._counted *= REMEMBERED / self._expected
            self._expected = REMEMBERED

    def learn_noise(
        self, values: Floats, correction: Floats, units: Floats, conversions: Floats, prices: Floats | None
    ) -> None:
        """Learn what ``correction`` [N] of ``values`` [N] as given means; ``prices`` [N] to win, None if not told."""
        won = (units > 0.0) & (values > 0.0)
        if not won.any():
            return
        values, correction, units, conversions = values[won], correction[won], units[won], conversions[won]
        features = np.array([np.ones(len(values)), correction, np.zeros(len(values))])
        if prices is not None:
            dearness = np.log(np.maximum(prices[won], 1e-3 * prices[won].max() + _TINY) / values)
            if math.isnan(self._dearness):
                self._dearness = float(dearness.mean())
            features[2] = dearness - self._dearness
        expected = units * values * np.exp(np.clip(self._effects @ features, -3.0, 3.0))
        self._information += (features * expected) @ features.T
        self._effects += np.linalg.solve(self._information, features @ (conversions - expected))
        self._effects = np.clip(self._effects, -2.0, 2.0)
