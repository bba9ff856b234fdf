"""The truth about journeys: what touches on several channels do to a person, and who gets them.

Each touch adds to the channel's stock, which halves every half-life (advertising stock, as in media-mix models); more
of the same adds less; some pairs of channels help each other. Stocks multiply an organic hazard of converting, which
is high for people who want the thing anyway. The same people search for the brand, are retargeted and open mails more
often: so these channels look better in any report than they are. Touches of one person come in bursts, seconds apart,
within a search that takes from an hour to a month.

Letters: J journeys, L touches, C channels.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from policies.entities import TOUCH_CHANNELS
from swarm.platforms.world import effects, stream

HOUR_S = 3600.0
LONGEST_S = 30 * 24 * HOUR_S
"""Length of the window in which touches count."""
MOST_TOUCHES = 20
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_LEANING = np.array([0.3, 1.0, 0.0, 0.9, 0.0, 0.1, 0.7, 0.3])
"""[C] the usual ``Buyers.leaning``."""


@dataclass(frozen=True, slots=True)
class Buyers:
    """How the people of one market react."""

    organic: float
    """Hazard of converting in the window's end without any touch, at mean intent."""
    pull: float
    """How far intent moves the log hazard."""
    lift: Floats
    """[C] what one fresh touch adds to the hazard, in organic hazards."""
    half_life_s: Floats
    """[C] seconds."""
    saturation: Floats
    """[C] exponent of a stock, below 1."""
    synergy: Floats
    """[C, C] what two stocks add together, in organic hazards."""
    frequency: Floats
    """[C] touches of a journey at mean intent."""
    leaning: Floats = field(default_factory=_LEANING.copy)
    """[C] the usual ``Buyers.leaning``."""


@dataclass(frozen=True, slots=True)
class Journeys:
    """People, and the touches that they had."""

    intent: Floats
    """[J] standard normal; nobody can see it."""
    channel: NDArray[np.int64]
    """[J, L] place in ``TOUCH_CHANNELS``."""
    before_s: Floats
    """[J, L] seconds from the touch to the window's end."""
    mask: Bools
    """[J, L] which touches there are: the earliest first."""


def draw_buyers(seed: int) -> Buyers:
    """One market's people. Half of what a channel does and how long it lasts is the same in all markets."""
    rng = stream(seed, "buyers", 0)
    count = len(TOUCH_CHANNELS)
    lift, life, frequency = (effects(seed, "journeys", what, count) for what in ("lift", "life", "frequency"))
    pairs = np.triu(rng.random((count, count)) < 0.12, 1)
    return Buyers(
        organic=float(np.exp(rng.uniform(np.log(0.008), np.log(0.04)))),
        pull=float(rng.uniform(0.3, 1.2)),
        lift=np.exp(0.9 * lift),
        half_life_s=HOUR_S * np.exp(np.log(36.0) + 1.0 * life),
        saturation=rng.uniform(0.4, 0.9, count),
        synergy=pairs * rng.uniform(0.5, 3.0, pairs.shape),
        frequency=0.6 * np.exp(0.5 * frequency),
    )


def draw_journeys(buyers: Buyers, count: int, rng: np.random.Generator) -> Journeys:
    """``count`` people who had at least one touch, at most ``MOST_TOUCHES``."""
    intent = rng.standard_normal(count)
    rate = buyers.frequency * np.exp(buyers.leaning * intent[:, None] - 0.5 * buyers.leaning**2)
    length = np.clip(rng.poisson(rate.sum(axis=1)), 1, MOST_TOUCHES)
    mask = np.arange(MOST_TOUCHES) < length[:, None]
    which = np.cumsum(rate, axis=1) / rate.sum(axis=1, keepdims=True)
    channel = (rng.random((count, MOST_TOUCHES, 1)) > which[:, None]).sum(axis=2)
    return Journeys(intent, np.minimum(channel, len(TOUCH_CHANNELS) - 1), _times(mask, rng), mask)


def _times(mask: Bools, rng: np.random.Generator) -> Floats:
    """[J, L] seconds before the end, falling: sessions within the search, touches seconds apart within a session."""
    count, most = mask.shape
    search = np.exp(rng.uniform(np.log(HOUR_S), np.log(LONGEST_S), (count, 1)))
    fresh = rng.random((count, most)) < 0.6
    session = np.maximum.accumulate(np.where(fresh, np.arange(most), 0), axis=1)
    start = np.take_along_axis(search * rng.random((count, most)), session, axis=1)
    before = np.minimum(start + np.exp(rng.normal(np.log(40.0), 1.5, (count, most))), LONGEST_S)
    return -np.sort(np.where(mask, -before, 0.0), axis=1)


def chance(buyers: Buyers, journeys: Journeys) -> Floats:
    """[J] probability that each person converts."""
    stock = _stocks(buyers, journeys)
    own = (buyers.lift * stock**buyers.saturation).sum(axis=1)
    together = np.einsum("jc,cd,jd->j", np.sqrt(stock), buyers.synergy, np.sqrt(stock))
    hazard = buyers.organic * np.exp(buyers.pull * journeys.intent) * (1.0 + own + together)
    return np.asarray(1.0 - np.exp(-hazard))


def _stocks(buyers: Buyers, journeys: Journeys) -> Floats:
    """[J, C] what is left of each channel's touches at the window's end."""
    left = 0.5 ** (journeys.before_s / buyers.half_life_s[journeys.channel]) * journeys.mask
    return np.stack([(left * (journeys.channel == c)).sum(axis=1) for c in range(len(TOUCH_CHANNELS))], axis=1)


def without(journeys: Journeys, channel: int) -> Journeys:
    """The same people as if ``channel`` had been switched off."""
    return replace(journeys, mask=journeys.mask & (journeys.channel != channel))


def hurried(buyers: Buyers, journeys: Journeys, strength: float) -> Journeys:
    """The same people where intent also shortens the time since a touch, on the channels that it leans to.

    Who is about to buy searches the brand now: so even the touches' age tells of the person, not of the touch alone.
    At ``strength`` 0 nothing changes; at 1 a standard deviation of intent divides ages on a channel of leaning 1 by e.
    """
    ages = journeys.before_s * np.exp(-strength * buyers.leaning[journeys.channel] * journeys.intent[:, None])
    ages = np.where(journeys.mask, np.minimum(ages, LONGEST_S), 0.0)
    order = np.argsort(np.where(journeys.mask, -ages, 1.0), axis=1, kind="stable")
    channel = np.take_along_axis(journeys.channel, order, axis=1)
    return replace(journeys, channel=channel, before_s=np.take_along_axis(ages, order, axis=1))


def draw_holdout(journeys: Journeys, share: float, rng: np.random.Generator) -> Bools:
    """[J, C] from which people each channel is withheld, a random ``share`` of them, each channel by itself."""
    return np.asarray(rng.random((len(journeys.intent), len(TOUCH_CHANNELS))) < share)


def held_out(journeys: Journeys, withheld: Bools) -> Journeys:
    """The same people without the touches that a holdout [J, C] keeps from them."""
    return replace(journeys, mask=journeys.mask & ~np.take_along_axis(withheld, journeys.channel, axis=1))
