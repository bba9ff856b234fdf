"""Climate: how much a campaign's market moves by the hour, the day and in the long run.

Letters: R campaigns, C channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from swarm.platforms.streams import stream
from swarm.platforms.traffic import HOUR_OF_WEEK

Floats = NDArray[np.float64]
_DAY = np.array([0.15, 0.12])
_HOUR = np.array([0.08, 0.06])
"""Usual standard deviations of the logs of traffic and of price, by the day and by the hour."""


@dataclass(frozen=True, slots=True)
class Climate:
    """How far each campaign's market is from a stationary one."""

    season: Floats
    """[R] amplitude of traffic's pattern over the week: 0 is the same in every hour, 1 the usual."""
    weather: Floats
    """[R] of what changes from day to day: 0 nothing, 1 the usual."""
    noise: Floats
    """[R] of what changes from hour to hour: 0 nothing, 1 the usual."""
    drift: Floats
    """[R] standard deviation of a day's step of the random walks of log prices and log goal rates."""

    @classmethod
    def usual(cls, rows: int) -> Climate:
        """Seasonal, with weather, without drift."""
        one = np.ones(rows)
        return cls(one, one, one, np.zeros(rows))

    def traffic(self, hour: NDArray[np.int32]) -> Floats:
        """[R] auctions over the mean hour's at each campaign's hour of the week."""
        return np.asarray(1.0 + self.season * (HOUR_OF_WEEK[hour] - 1.0))


def rush(traffic: Floats) -> Floats:
    """Competing prices over their usual at ``traffic`` over the mean hour's: busy hours are dearer."""
    return np.asarray(1.0 + 0.1 * np.clip(traffic - 1.0, -1.0, 1.0))


def weather(seed: int, tick: int, rows: int, channels: int) -> tuple[Floats, Floats, Floats]:
    """[R, C, 2] each: the hour's and the day's logs of traffic and price, and the walks of price and goal rate.

    Levels go from one midnight to the next in a straight line.
    """
    day, hour = divmod(tick, 24)
    noise = stream(seed, "hour", tick).standard_normal((rows, channels, 2))
    level = _between(_daily(seed, day, rows, channels), _daily(seed, day + 1, rows, channels), hour / 24)
    walk = _between(_walk(seed, day, rows, channels), _walk(seed, day + 1, rows, channels), hour / 24)
    return _HOUR * noise, _DAY * level, walk


def _between(today: Floats, tomorrow: Floats, part: float) -> Floats:
    return np.asarray(today + (tomorrow - today) * part)


@lru_cache(maxsize=1024)
def _daily(seed: int, day: int, rows: int, channels: int) -> Floats:
    """[R, C, 2] standard levels of traffic and price; half of each is the platform's, for all campaigns."""
    own = stream(seed, "day", day).standard_normal((rows, channels, 2))
    common = stream(seed, "platform-day", day).standard_normal((1, channels, 2))
    return np.asarray(np.sqrt(0.5) * (own + common))


@lru_cache(maxsize=1024)
def _walk(seed: int, day: int, rows: int, channels: int) -> Floats:
    """[R, C, 2] sums of standard steps since the first midnight, of price and of goal rate."""
    steps = (stream(seed, "drift", each).standard_normal((rows, channels, 2)) for each in range(day))
    return np.asarray(sum(steps, np.zeros((rows, channels, 2))))
