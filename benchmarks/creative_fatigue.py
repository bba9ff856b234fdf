"""How early and how well wear is foretold, and what it is worth to know of it.

A creative's click rate is level until a drawn onset, then it falls exponentially or along a logistic curve; its fatigue
day is when a quarter is lost. Half-lives of 10 to 60 days put that 4 to 25 days after the onset, so that there is
something to see 4 days ahead; days differ by weekday and noise, alike for all creatives of a campaign.

Letters: R seeds (a campaign each), K creatives, T days.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from policies.bandit import CreativeBandit, Prior
from policies.creative import CreativeRotator
from policies.fatigue import LOST, forecast
from policies.frames import Bools, Floats, Ints

CREATIVES, DAYS = 6, 64
LEAD = 4
"""Days ahead of the fatigue day, at least, and less than one more."""
MEMORY_DAYS = 14.0
"""Of the rival that forgets."""
_WEEK = 7


@dataclass(frozen=True, slots=True)
class Wearing:
    """One campaign for each seed."""

    shown: Floats
    """[R, K, T] impressions if the creatives share the campaign's equally."""
    rate: Floats
    """[R, K, T] clicks per impression in truth."""
    day: Floats
    """[R, K] fatigue day."""
    onset: Floats
    """[R, K]"""
    clicks_a_day: Floats
    """[R, K] expected while fresh."""


def draw(seeds: Ints) -> Wearing:
    """From 3,000 to 100,000 impressions a creative and day, rates of 0.5 to 4 %, onsets in days 7 to 35."""
    columns = zip(*(_campaign(np.random.default_rng([int(seed), 21])) for seed in seeds), strict=True)
    return Wearing(*(np.stack(column) for column in columns))


def _campaign(rng: np.random.Generator) -> tuple[Floats, ...]:
    day = np.arange(float(DAYS))
    shown = _log_uniform(rng, 3e3, 1e5, CREATIVES)[:, None] * np.exp(0.1 * rng.standard_normal((CREATIVES, DAYS)))
    level = _log_uniform(rng, 0.005, 0.04, CREATIVES)
    onset, pace = rng.uniform(7, 35, CREATIVES), np.log1p(-LOST) / np.log(0.5) * _log_uniform(rng, 10, 60, CREATIVES)
    since = (day - onset[:, None]) / pace[:, None]
    straight = np.log1p(-LOST) * np.maximum(since, 0.0)
    logistic = -np.log1p(np.exp(-np.log(49.0) + np.log(49.0 / 3.0) * since))  # 2 % lost at the onset, 25 % at pace
    wear = np.where(rng.random((CREATIVES, 1)) < 0.5, straight, logistic)
    common = 0.15 * rng.standard_normal(_WEEK)[np.arange(DAYS) % _WEEK]
    common = common + rng.uniform(0.02, 0.12) * rng.standard_normal(DAYS)
    rate = np.minimum(level[:, None] * np.exp(wear + common), 0.5)
    return shown, rate, onset + pace, onset, level * shown.mean(axis=1)


def _log_uniform(rng: np.random.Generator, low: float, high: float, size: int) -> Floats:
    return np.exp(rng.uniform(np.log(low), np.log(high), size))


@dataclass(frozen=True, slots=True)
class Forecasts:
    """One for each creative [n], made ``LEAD`` days before its fatigue day, whether or not it is known to wear."""

    seed: Ints
    error: Floats
    """Days too late."""
    covered: Bools
    width: Floats
    called: Bools
    clicks_a_day: Floats


def foretell(world: Wearing, rng: np.random.Generator, lead: int = LEAD) -> Forecasts:
    """What is said of each creative ``lead`` to ``lead`` + 1 days before its fatigue day, from the data up to then."""
    clicks = rng.poisson(world.shown * world.rate).astype(np.float64)
    made = np.floor(world.day - lead).astype(np.int64)
    found = [_on(day, made == day, world, clicks) for day in range(DAYS) if (made == day).any()]
    return Forecasts(*(np.concatenate(column) for column in zip(*found, strict=True)))


def _on(day: int, due: Bools, world: Wearing, clicks: Floats) -> tuple[Ints | Floats | Bools, ...]:
    rows = due.any(axis=1)
    said = forecast(world.shown[rows, :, : day + 1], clicks[rows, :, : day + 1])
    at, left = due[rows], (world.day - day)[due]
    covered = (said.low[at] <= left) & (left <= said.high[at])
    seed = np.nonzero(due)[0]
    width = (said.high - said.low)[at]
    return seed, said.days_left[at] - left, covered, width, said.called[at], world.clicks_a_day[due]


def false_calls(world: Wearing, rng: np.random.Generator) -> float:
    """Share of creatives that are called on the last day before their onset."""
    clicks = rng.poisson(world.shown * world.rate).astype(np.float64)
    made = np.floor(world.onset).astype(np.int64)
    called = [
        forecast(world.shown[rows, :, : day + 1], clicks[rows, :, : day + 1]).called[(made == day)[rows]]
        for day in range(DAYS)
        if (rows := (made == day).any(axis=1)).any()
    ]
    return float(np.concatenate(called).mean())


class Forgetful(CreativeBandit):
    """The simple answer to wear: what was seen counts less every day."""

    keep = 1.0 - 1.0 / MEMORY_DAYS

    def update(self, *, shown: Floats, clicks: Floats) -> None:  # type: ignore[override]
        """Take in a day."""
        self.shown, self.clicks = self.keep * self.shown, self.keep * self.clicks
        super().update(shown=shown, clicks=clicks)


Rotation = CreativeBandit | CreativeRotator
ROTATIONS: dict[str, Callable[[Prior, np.random.Generator], Rotation]] = {
    "all history": lambda prior, rng: CreativeBandit(prior, rng=rng),
    "14 days of memory": lambda prior, rng: Forgetful(prior, rng=rng),
    "by forecast": lambda prior, rng: CreativeRotator(prior, rng=rng),
}


def rotate(name: str, world: Wearing, seed: int) -> Floats:
    """[R] clicks lost to always showing the creative that is best on the day, as a share of its clicks."""
    campaigns, daily = len(world.day), world.shown.sum(axis=1)
    learner = ROTATIONS[name](Prior.alike(CREATIVES, campaigns), np.random.default_rng([seed, 8]))
    rng, won, possible = np.random.default_rng([seed, 7]), np.zeros(campaigns), np.zeros(campaigns)
    for day in range(DAYS):
        shares, rate = learner.shares(), world.rate[..., day]
        shown = shares * daily[:, day, None]
        learner.update(shown=shown, clicks=rng.poisson(shown * rate).astype(np.float64))
        won, possible = won + (shown * rate).sum(axis=1), possible + daily[:, day] * rate.max(axis=1)
    return np.asarray(1.0 - won / possible)
