"""How far values are to be believed: their level, and what their uncertainty means.

An estimate with a standard deviation may already be the best guess, or a measurement that the winner of an auction has
to regress towards the mean of the traffic (the winner's curse). Which of the two, and how far in between, conversions
tell: they are regressed on the correction that normal theory would make of a measurement.

The level, conversions over expected ones, is corrected by as much as it is sure (positive-part James-Stein): nothing
while the difference is noise, nearly all once it is not.

Letters: N rows.
"""

from __future__ import annotations

import numpy as np

from policies.frames import Floats

REMEMBERED = 3_000.0
"""Expected conversions after which older ones begin to be forgotten."""
TRUST, TRUST_ROWS = 0.5, 4.0
"""Part of the correction that is made before conversions speak, and how sure that is (inverse variance)."""
_FORGET = 0.999
_TINY = 1e-300


class Calibration:
    """State of the belief."""

    def __init__(self) -> None:
        self._moments = np.zeros(4)
        """Rows, and their sums of value, squared value and squared deviation."""
        self._expected = self._counted = 0.0
        self._moved, self._weight = TRUST * TRUST_ROWS, TRUST_ROWS

    @property
    def level(self) -> float:
        """Conversions for one that was expected."""
        if not self._expected:
            return 1.0
        excess = self._counted - self._expected
        if (surprise := excess**2 / self._expected) <= 2.0:
            return 1.0
        return 1.0 + excess / self._expected * (1.0 - 2.0 / surprise)

    def correction(self, values: Floats, sigmas: Floats) -> Floats:
        """[N] what is to be added to ``values`` if they are measurements with deviations ``sigmas``."""
        noise = sigmas**2
        self._moments *= _FORGET
        self._moments += (len(values), values.sum(), values @ values, noise.sum())
        rows, total, squares, deviations = self._moments
        mean = total / rows
        signal = max((squares - deviations) / rows - mean**2, 1e-12 * mean**2 + _TINY)
        return np.asarray(noise / (noise + signal) * (mean - values))

    @property
    def trust(self) -> float:
        """Part of the correction that conversions support, 0 to 1."""
        return min(max(self._moved / self._weight, 0.0), 1.0)

    def learn(self, believed: Floats, units: Floats, conversions: Floats, measured: tuple[Floats, Floats] | None) -> None:
        """Take note of ``conversions`` [N] of ``units`` [N] impressions of which ``believed`` [N] each was expected.

        ``measured``: values [N] as they were given, and their full correction [N].
        """
        self._expected += float(believed @ units)
        self._counted += float(conversions.sum())
        if self._expected > REMEMBERED:
            self._counted *= REMEMBERED / self._expected
            self._expected = REMEMBERED
        if measured is not None:
            values, correction = measured
            precise = correction / np.maximum(believed, 1e-12 * values.max() + _TINY)
            self._moved += float(precise @ (conversions - units * values))
            self._weight += float((precise * units) @ correction)
