"""Creative rotation: each creative is shown as often as it is likely to be the best one.

``rotation`` is the closed form for creatives that nothing connects; ``CreativeRotator`` adds what creatives share, and
that they wear out.

Letters: R campaigns, K creatives, T days, G quadrature nodes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from policies.bandit import EXPLORATION, Prior, believe, best
from policies.fatigue import FatigueForecaster, Forecast
from policies.frames import Bools, Floats

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(24)
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
    own = level[..., None] + spread[..., None] * _NODES
    with np.errstate(invalid="ignore", divide="ignore"):
        below = ndtr((own[:, :, None, :] - level[:, None, :, None]) / spread[:, None, :, None])
    below[:, np.arange(level.shape[1]), np.arange(level.shape[1])] = 1.0
    chance = np.where(np.isfinite(level), (below.prod(axis=2) * _WEIGHTS).sum(axis=2), 0.0)
    return np.asarray(chance / np.maximum(chance.sum(axis=1, keepdims=True), 1e-300))


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
