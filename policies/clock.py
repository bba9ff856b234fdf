"""Traffic: how much there usually is in each hour of the week, and how far a campaign's follows that.

A campaign's traffic is 1 + season x (usual - 1): with a season of 0 every hour is alike, with 1 it is as usual. Its
season is learnt from what hours bought at a bid of 1.

Letters: R campaigns, C channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from policies.frames import Floats

Hours = NDArray[np.int32]
USUAL_SEASON = 0.8
"""First guess: campaigns follow the week somewhat less than the mean of all traffic does."""
_PRIOR_HOURS = 3.0
"""Hours of the usual swing that the first guess is worth."""
_HIGHEST = 1.5
_LEAST = 0.02
"""Traffic of an hour is never taken for less, over that of the mean hour."""


@dataclass(frozen=True)
class Traffic:
    """A profile of 168 hours about a mean of 1, and each campaign's season; hour 0 is Monday midnight."""

    profile: Floats
    """[168]"""
    season: Floats | float = USUAL_SEASON
    """[R], or one of all campaigns."""

    @cached_property
    def _sum(self) -> Floats:
        return np.concatenate([[0.0], np.cumsum(np.tile(self.profile, 3))])

    def swing(self, hour: Hours) -> Floats:
        """[R] usual traffic of an hour of the week, less the mean hour's."""
        return np.asarray(self.profile[hour % 168] - 1.0)

    def at(self, hour: Hours) -> Floats:
        """[R] traffic to expect in an hour of the week."""
        return followed(self.season, self.swing(hour))

    def ahead(self, hour: Hours, hours: Hours) -> Floats:
        """[R] traffic to expect in the ``hours`` from ``hour`` on."""
        return self._of(self._sum[168 + hour + hours] - self._sum[168 + hour], hours)

    def behind(self, hour: Hours, hours: Hours) -> Floats:
        """[R], or [R, C] as ``hours`` are: traffic to expect in the ``hours`` before ``hour``."""
        return self._of(self._sum[168 + hour] - self._sum[168 + hour - hours], hours)

    def _of(self, usual: Floats, hours: Hours) -> Floats:
        season = np.asarray(self.season)
        season = season.reshape(*season.shape, *(1,) * (usual.ndim - season.ndim)) if season.ndim else season
        return np.asarray(np.maximum(hours + season * (usual - hours), _LEAST * hours))


def followed(season: Floats | float, swing: Floats) -> Floats:
    """Traffic of hours of this usual ``swing``, where so much of it is followed; shapes are broadcast."""
    return np.asarray(np.maximum(1.0 + season * swing, _LEAST))


def season(pattern: Floats) -> Floats:
    """[R] the season that hours tell of.

    ``pattern`` [R, C, 5]: sums over hours of weight, x, y, xx and xy, where x is the usual swing and y what the hour
    bought at a bid of 1, which is level x (1 + season x): a regression on each channel's own level, pooled over
    channels and drawn to the first guess.
    """
    weight, x, y, xx, xy = np.moveaxis(pattern, 2, 0)
    count = np.maximum(weight, 1e-9)
    level = np.where(y > 0, y / count, 1.0)
    moved = ((xy - x * y / count) / level).sum(axis=1)
    seen = (xx - x * x / count).sum(axis=1)
    middle = x.sum(axis=1) / np.maximum(weight.sum(axis=1), 1e-9)
    prior = _PRIOR_HOURS / 3.0  # the swing's variance over a week is about a third
    guess = USUAL_SEASON / (1.0 + USUAL_SEASON * middle)
    slope = (moved + prior * guess) / (seen + prior)  # of an hour over the mean of those seen
    return np.asarray(np.clip(slope / np.maximum(1.0 - slope * middle, 0.1), 0.0, _HIGHEST))
