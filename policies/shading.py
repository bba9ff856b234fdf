"""The market that a bidder faces: how dear winning is, the best bid for a worth, and what multipliers buy.

The log of the price to win is ``slope`` times the log of the value plus a rest of any shape (`prices`). The slope is
found from censored prices by putting their expectation in their place (Buckley and James, Biometrika, 1979). At second
price bids are a multiple of the value, so that price over value is all that matters: the slope is 1, rows weigh by
value, and nothing is assumed of how prices follow values.

With worth w = multiplier x value and scale r = value^slope, the best bid at first price is r x argmax_b (w/r - b) F(b):
one table over w/r. Spend and value at every multiplier are the same tables, averaged over the values of the traffic.

Letters: n rows, G cells.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from policies import prices
from policies.frames import Floats
from policies.prices import ABOVE, BELOW, CELLS, PriceDistribution

KEPT = 4096
"""Rows in the window."""
HALF_LIFE = 2048
"""Rows after which a row counts half."""
RIDGE = 10.0
"""Rows of which a slope of a half is taken to be sure, at values as spread as prices are."""
_DECAY = 0.5 ** (np.arange(KEPT - 1, -1, -1) / HALF_LIFE)


class Window:
    """The latest auctions, newest last: log of value, log of price or bid, what it tells, weight, impressions."""

    def __init__(self) -> None:
        self._rows = np.empty((5, 2 * KEPT))
        self._end = 0

    def add(self, rows: Floats) -> None:
        """Append ``rows`` [5, n], of which the last ``KEPT`` are kept."""
        rows = rows[:, -KEPT:]
        count = rows.shape[1]
        if self._end + count > 2 * KEPT:
            self._rows[:, :KEPT] = self.rows
            self._end = KEPT
        self._rows[:, self._end : self._end + count] = rows
        self._end += count

    def __len__(self) -> int:
        return min(self._end, KEPT)

    @property
    def rows(self) -> Floats:
        """[5, n]"""
        return self._rows[:, max(self._end - KEPT, 0) : self._end]


@dataclass(frozen=True, slots=True)
class Response:
    """What multipliers of value buy of a unit of value on offer."""

    log_multiplier: Floats
    """[G] ascending."""
    spend: Floats
    """[G] expected, never falling."""
    value: Floats
    """[G] expected, never falling."""


@dataclass(frozen=True, slots=True)
class Market:
    """A fitted market."""

    slope: float
    origin: float
    """Log value at which prices are those of ``distribution``; about the mean."""
    distribution: PriceDistribution
    worth: Floats
    """[G] log of a worth, at the upper ends of the distribution's cells."""
    shaded: Floats | None
    """[G] log of the best bid for it; None at second price."""
    response: Response

    def bids(self, values: Floats, multiplier: float) -> Floats:
        """[n] best bids for ``values`` [n], each worth ``multiplier`` times itself."""
        if self.shaded is None:
            return values * multiplier
        log_value = np.log(np.where(values > 0.0, values, 1.0))
        scale = self.slope * (log_value - self.origin)
        worth = log_value + math.log(multiplier) - scale
        # A worth below all prices is shaded like the lowest.
        short = np.minimum(worth - self.worth[0], 0.0)
        return np.where(values > 0.0, np.exp(scale + short + np.interp(worth, self.worth, self.shaded)), 0.0)


def fit(window: Window, *, first_price: bool, before: Market | None) -> Market:
    """The market that the window's rows tell of; ``before`` is the last fit."""
    log_value, bound, told, weight, impressions = window.rows
    decay = _DECAY[-len(log_value) :]
    value = np.exp(log_value)
    share = impressions * decay / float((weight * decay) @ value)
    origin = before.origin if before else float(log_value.mean())
    centred = log_value - origin
    if not first_price:
        count = impressions * decay * value / value.mean()
        distribution = prices.fit(bound - centred, told, count, before.distribution if before else None)
        log_multiplier = distribution.upper - origin
        won = distribution.cdf * float(share @ value)
        paid = np.cumsum(distribution.mass * np.exp(log_multiplier - distribution.width / 2)) * float(share @ value)
        return Market(1.0, origin, distribution, distribution.upper, None, Response(log_multiplier, paid, won))
    count = impressions * decay
    slope = _slope(centred, bound, told, count, before) if before else 0.5
    distribution = prices.fit(bound - slope * centred, told, count, before.distribution if before else None)
    shaded = _shaded(distribution)
    response = _response(distribution, shaded, slope, origin, centred, share)
    return Market(slope, origin, distribution, distribution.upper, shaded, response)


def _shaded(distribution: PriceDistribution) -> Floats:
    """[G] log of the bid at which (worth - bid) x P(win) is highest, for a worth at each cell's upper end."""
    price = np.exp(distribution.upper)
    surplus = (price[:, None] - price) * distribution.cdf
    best = np.clip(surplus.argmax(axis=1), 1, CELLS - 2)
    rows = np.arange(CELLS)
    before, at, after = surplus[rows, best - 1], surplus[rows, best], surplus[rows, best + 1]
    # Between cells the optimum is that of a parabola.
    bend = np.minimum(before - 2 * at + after, -1e-12 * np.abs(at) - 1e-300)
    shift = np.clip(0.5 * (before - after) / bend, -0.5, 0.5)
    return np.asarray(np.maximum.accumulate(distribution.upper[best] + distribution.width * shift))


def _response(
    distribution: PriceDistribution, shaded: Floats, slope: float, origin: float, centred: Floats, share: Floats
) -> Response:
    """Tables over worth, averaged over the traffic's values at each multiplier."""
    width, upper = distribution.width, distribution.upper
    win = np.interp(shaded, upper, distribution.cdf)
    pay = np.exp(shaded) * win
    rest = (1.0 - slope) * centred
    first = int(np.floor(rest.min() / width))
    cell = np.round(rest / width).astype(np.int64) - first
    scale = np.exp(slope * centred)
    paying = np.bincount(cell, weights=share * scale)
    winning = np.bincount(cell, weights=share * np.exp(centred + origin))
    span = len(paying)
    # A multiplier's worths are the traffic's cells moved along; beyond the tables all is won at the top bid or nothing.
    spend = np.convolve(np.concatenate([np.zeros(span - 1), pay, np.full(span - 1, pay[-1])]), paying[::-1], "valid")
    value = np.convolve(np.concatenate([np.zeros(span - 1), win, np.full(span - 1, win[-1])]), winning[::-1], "valid")
    log_multiplier = upper[0] - origin - width * (first + span - 1) + width * np.arange(CELLS + span - 1)
    return Response(log_multiplier, spend, value)


def _slope(centred: Floats, bound: Floats, told: Floats, count: Floats, before: Market) -> float:
    """Slope of log price on log value, prices that are not told replaced by what the last fit expects of them."""
    known, slope = before.distribution, before.slope
    rest = bound - slope * centred
    cell = np.clip(((rest - known.low) / known.width).astype(np.int64), 0, CELLS - 1)
    rest = np.where(told == BELOW, known.mean_below()[cell], np.where(told == ABOVE, known.mean_above()[cell], rest))
    price = rest + slope * centred
    total = count.sum()
    x = centred - (count @ centred) / total
    ridge = RIDGE * max(float(known.mass @ known.upper**2) - float(known.mass @ known.upper) ** 2, 0.0)
    moved = (float((count * x) @ price) + 0.5 * ridge) / (float((count * x) @ x) + ridge + 1e-12)
    return float(np.clip(moved, 0.0, 1.0))
