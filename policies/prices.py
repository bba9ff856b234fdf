"""What winning would have cost: a distribution learnt from bids, most of which tell only a part.

A price that is told counts where it is. A bid that lost without a word says "more than this", one that won at first
price without a word says "no more than this". The mass that such bids leave open is spread over the cells they allow in
proportion to what the others say there, until nothing moves: Turnbull's self-consistent estimate (JRSS B, 1976), which
is Kaplan and Meier's where only one side is open. Each turn is smoothed (Silverman, Jones, Wilson and Nychka, JRSS B,
1990), for a bid is to be placed by the shape of the distribution, not by its steps.

Letters: n rows, G cells of the log of a price.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from policies.frames import Floats

EXACT, BELOW, ABOVE = 0, 1, 2
"""What a row tells: its price is the bound, is at most the bound, is above the bound."""
CELLS = 128
TURNS = 8
BASE_WEIGHT = 4.0
"""Rows that the normal distribution of the same mean and spread is worth: it closes gaps and continues the tails."""
_TINY = 1e-300


@dataclass(frozen=True, slots=True)
class PriceDistribution:
    """Shares ``mass`` [G] of the cells that begin at ``low`` and are ``width`` wide, all in logs of a price."""

    low: float
    width: float
    mass: Floats

    @property
    def upper(self) -> Floats:
        """[G] upper ends of the cells."""
        return np.asarray(self.low + self.width * np.arange(1, len(self.mass) + 1))

    @property
    def cdf(self) -> Floats:
        """[G] share of prices up to the upper end of each cell."""
        return np.asarray(np.cumsum(self.mass))

    def mean_below(self) -> Floats:
        """[G] mean log price of those up to each cell's upper end."""
        return np.asarray(np.cumsum(self.mass * (self.upper - self.width / 2)) / np.maximum(self.cdf, _TINY))

    def mean_above(self) -> Floats:
        """[G] mean log price of those above each cell's upper end."""
        middle = self.upper - self.width / 2
        rest = np.maximum(1.0 - self.cdf, _TINY)
        return np.asarray(np.maximum((self.mass @ middle - np.cumsum(self.mass * middle)) / rest, self.upper))


def fit(bound: Floats, told: Floats, weight: Floats, before: PriceDistribution | None) -> PriceDistribution:
    """The distribution that is consistent with all rows.

    Args:
        bound: [n] log of a price or bid.
        told: [n] ``EXACT``, ``BELOW`` or ``ABOVE``.
        weight: [n] rows that each counts for.
        before: an earlier fit, from which the turns begin.
    """
    low, high = _range(bound)
    width = (high - low) / CELLS
    cell = np.clip((bound - low) / width, 0, CELLS - 1).astype(np.int64)
    flat = np.bincount(told.astype(np.int64) * CELLS + cell, weights=weight, minlength=3 * CELLS)
    counts: Floats = flat.astype(np.float64).reshape(3, CELLS)
    edges: Floats = low + width * np.arange(CELLS + 1.0)
    mass = _start(counts, edges, before)
    kernel = _kernel(mass, edges, counts)
    for _ in range(TURNS):
        mass = np.convolve(_turn(mass, counts) + BASE_WEIGHT * _normal(mass, edges), kernel, mode="same")
        mass /= mass.sum()
    return PriceDistribution(low, width, mass)


def _start(counts: Floats, edges: Floats, before: PriceDistribution | None) -> Floats:
    """[G] where the turns begin; what only one side leaves open has a closed form, which turns are slow to reach."""
    exact, below, above = counts
    if not below.any():
        return _product_limit(exact, above)
    if not above.any():
        return _product_limit(exact[::-1], below[::-1])[::-1]
    return _carried(before, edges) if before else np.full(CELLS, 1.0 / CELLS)


def _product_limit(exact: Floats, beyond: Floats) -> Floats:
    """[G] Kaplan and Meier's estimate (JASA, 1958); what lies beyond all rows is spread over the cells there."""
    at_risk = np.cumsum((exact + beyond)[::-1])[::-1]
    survival = np.cumprod(1.0 - exact / np.maximum(at_risk, _TINY))
    mass = -np.diff(survival, prepend=1.0)
    after = min(int(np.flatnonzero(at_risk)[-1]) + 1, CELLS - 1)
    mass[after:] += survival[-1] / (CELLS - after)
    return np.asarray(mass + 1e-6 / CELLS)


def _range(bound: Floats) -> tuple[float, float]:
    """Where the cells lie: all rows but stray ones, and room beyond them for the tails."""
    mean, reach = float(bound.mean()), 4.0 * float(bound.std())
    return max(float(bound.min()), mean - reach) - 1.5, min(float(bound.max()), mean + reach) + 1.5


def _turn(mass: Floats, counts: Floats) -> Floats:
    """[G] rows in each cell, those that left it open shared out by ``mass``."""
    exact, below, above = counts
    upto = np.cumsum(mass)
    left = below / np.maximum(upto, _TINY)
    right = above / np.maximum(1.0 - upto, 1e-9)
    beyond = np.cumsum(right) - right  # an open row lies in the cells after its own
    return np.asarray(exact + mass * (np.cumsum(left[::-1])[::-1] + beyond))


def _normal(mass: Floats, edges: Floats) -> Floats:
    """[G] the normal distribution of the same mean and spread."""
    mean, spread = _moments(mass, edges)
    cdf = ndtr((edges - mean) / spread)
    return np.asarray(cdf[1:] - cdf[:-1])


def _moments(mass: Floats, edges: Floats) -> tuple[float, float]:
    middle = (edges[1:] + edges[:-1]) / 2
    mean = float(mass @ middle)
    return mean, max(float(np.sqrt(mass @ (middle - mean) ** 2)), edges[1] - edges[0])


def _kernel(mass: Floats, edges: Floats, counts: Floats) -> Floats:
    """A smoothing window of the usual width for as many rows (Silverman's rule, 1986)."""
    _, spread = _moments(mass, edges)
    width = 0.5 * spread * max(counts.sum(), 1.0) ** -0.2 / (edges[1] - edges[0])
    reach = np.arange(-int(3 * width + 1), int(3 * width + 1) + 1)[: CELLS - 1]
    kernel = np.exp(-0.5 * (reach / max(width, 0.3)) ** 2)
    return np.asarray(kernel / kernel.sum())


def _carried(before: PriceDistribution, edges: Floats) -> Floats:
    """[G] an earlier distribution on other cells; a little everywhere, for what is empty stays so."""
    old = np.concatenate([[before.low], before.upper])
    cdf = np.interp(edges, old, np.concatenate([[0.0], before.cdf]))
    mass = np.diff(cdf) + 1e-3 / len(edges)
    return np.asarray(mass / mass.sum())
