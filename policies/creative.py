"""Creative rotation: each creative is shown as often as it is likely to be the best one.

``rotation`` is the closed form for creatives that nothing connects, and ``Turns`` what it knows of their click rates;
``CreativeRotator`` adds what creatives share, and that they wear out.

Letters: R campaigns, K creatives, T days, G quadrature nodes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from policies.bandit import EXPLORATION, Prior, believe, best
from policies.estimation import OWN_VARIANCE, SHARED_VARIANCE
from policies.fatigue import FatigueForecaster, Forecast
from policies.frames import Bools, Floats

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(16)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()
FLOOR = 0.002
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
    exists, count = np.isfinite(level), level.shape[1]
    own, chance = np.where(exists, level, 0.0)[..., None] + spread[..., None] * _NODES, np.zeros(level.shape)
    for one in range(count):
        below = exists[:, one, None] * _WEIGHTS
        for other in set(range(count)) - {one}:
            below *= ndtr((own[:, one] - level[:, other, None]) / spread[:, other, None])
        chance[:, one] = below.sum(axis=1)
    return np.asarray(chance / np.maximum(chance.sum(axis=1, keepdims=True), 1e-300))


TURN_MEMORY = 500.0
"""Clicks of a campaign that its creatives are compared by: newer ones count more, for creatives wear."""
_WIN_ELASTICITY = 1.5
"""Relative growth of the auctions won with the click rate, by which platforms weigh a bid for a click."""
_APPEAL_VARIANCE = OWN_VARIANCE + SHARED_VARIANCE
"""Of the log of a click rate, over creatives: what is their own, and what their elements do."""


@dataclass(frozen=True, slots=True)
class Turns:
    """What came of the turns that creatives had.

    A bid for a click is worth little with a creative that few people click, so that creative wins few auctions, and its
    impressions alone would never tell how bad it is. Clicks are therefore compared with the share of the auctions that
    the creative was entered in. They go with a higher power of the click rate: more auctions won, and more of those
    clicked. How many auctions there were is not reported; it is what all creatives' clicks together tell.
    """

    counts: Floats
    """[R, K, 3] clicks so far, NaN before they were looked at; recent ones, and how many these would be if all
    creatives were alike."""

    @classmethod
    def none(cls, shape: tuple[int, int]) -> Turns:
        """Nobody had a turn yet."""
        return cls(np.zeros((*shape, 3)))

    @classmethod
    def late(cls, shape: tuple[int, int]) -> Turns:
        """Turns were had, but nobody kept them: what comes from now on counts."""
        counts = np.zeros((*shape, 3))
        counts[..., 0] = np.nan
        return cls(counts)

    def after(self, clicks: Floats, shares: Floats) -> Turns:
        """With the newest ones, given ``clicks`` [R, K] since the start and the ``shares`` [R, K] of the auctions."""
        before, recent, alike = np.moveaxis(self.counts, -1, 0)
        fresh = np.nan_to_num(np.maximum(clicks - before, 0.0))
        total = fresh.sum(axis=1, keepdims=True)
        each = total / np.maximum((shares * self._yield).sum(axis=1, keepdims=True), 1e-12)
        keep = 1.0 / (1.0 + total / TURN_MEMORY)
        return Turns(np.stack([clicks, keep * recent + fresh, keep * alike + shares * each], axis=-1))

    @property
    def appeal(self) -> Floats:
        """[R, K] click rate over the usual one."""
        return np.asarray(self._yield ** (1.0 / (1.0 + _WIN_ELASTICITY)))

    @property
    def variance(self) -> Floats:
        """[R, K] of the log of ``appeal``."""
        return np.asarray(1.0 / ((self.counts[..., 1] + self._strength) * (1.0 + _WIN_ELASTICITY) ** 2))

    @property
    def _yield(self) -> Floats:
        """[R, K] clicks of a turn over the usual: the posterior mean of a Gamma-Poisson model."""
        return np.asarray((self.counts[..., 1] + self._strength) / (self.counts[..., 2] + self._strength))

    @property
    def _strength(self) -> float:
        """Clicks that the prior of a turn's yield is worth."""
        return 1.0 / (_APPEAL_VARIANCE * (1.0 + _WIN_ELASTICITY) ** 2)


class CreativeRotator:
    """Daily shares of creatives that share elements and wear out.

    Clicks are compared with what was due on the days on which they came, to a creative as worn as it was then. So a
    creative is judged by its level, however late it was shown, and chosen by what is left of it tomorrow.

    >>> rotator = CreativeRotator(Prior.alike(2), rng=np.random.default_rng(0))
    >>> for day in range(25):                                                   # the first is better, then wears
    ...     left = np.exp(-0.06 * max(day - 10, 0))
    ...     rotator.update(shown=[20_000, 20_000], clicks=[500 * left, 400])
    >>> rotator.shares().round(1), rotator.forecast().called
    (array([[0., 1.]]), array([[ True, False]]))
    """

    def __init__(
        self,
        prior: Prior,
        *,
        exists: Bools | None = None,
        exploration: float = EXPLORATION,
        rng: np.random.Generator,
    ) -> None:
        """As ``CreativeBandit``."""
        self.prior = prior
        self.exists = np.ones(prior.mean.shape, dtype=np.bool_) if exists is None else exists
        campaigns, creatives = prior.mean.shape
        self.fatigue = FatigueForecaster(creatives, campaigns)
        self._exploration, self._rng = exploration, rng

    def update(self, *, shown: ArrayLike, clicks: ArrayLike) -> None:
        """Take in a day's impressions and clicks, [K] or [R, K].

        Raises:
            ValueError: on shapes that differ, or numbers that are negative or not finite.
        """
        self.fatigue.update(shown=shown, clicks=clicks)

    def forecast(self) -> Forecast:
        """Days left of each creative."""
        return self.fatigue.forecast()

    def shares(self) -> Floats:
        """[R, K] of the next day's impressions."""
        shown, clicks = self.fatigue.shown, self.fatigue.clicks.sum(axis=2)
        if not shown.shape[2]:
            belief = believe(self.prior, self.exists, clicks, clicks)
        else:
            found = self.forecast()
            due = (shown * np.exp(found.wear[..., :-1] + found.common)).sum(axis=2)
            belief = believe(self.prior, self.exists, due, clicks).moved(found.wear[..., -1], found.doubt)
        return best(belief, self.exists, exploration=self._exploration, rng=self._rng)
