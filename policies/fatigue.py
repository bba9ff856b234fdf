"""Fatigue: whether a creative wears out, and on which day it will have lost a given part of its click rate.

The log of a creative's rate is level + wear + what the day does to all creatives of its campaign (weekday and noise).
Wear is 0, then falls: in a straight line from an onset on (exponential decay), or along a logistic curve. Curves on a
grid of onsets, paces and both shapes are hypotheses; clicks are Poisson, linearised around the fit as in iterated
weighted least squares, so levels, weekdays and noise are integrated out in closed form. What a day does is told by
the other creatives, whose own wear is inferred beside (mean field), and by the weekday; a campaign with one creative
is told less, and its interval says so.

Before the onset nothing can be told: ``wearing`` is low then, and the interval answers only "if it has begun".

Letters: R campaigns, K creatives, T days, H hypotheses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from policies.bandit import counts
from policies.frames import Floats

LOST = 0.25
"""The part of its rate that a fatigued creative has lost."""
PACES = np.geomspace(3.5, 24.0, 14)
"""Days from onset until that is lost, each as likely as the next: half-lives of one week to two months."""
HAZARD = 1.0 / 40.0
"""Chance that a fresh creative begins to wear on a given day."""
CALLED = 0.95
"""How likely it must be that a creative wears before it is said to."""
_BEGUN = 0.02
"""What a logistic curve has lost at its onset."""
_LEVEL, _WEEKDAY, _NOISE = 3.0, 0.15, 0.06
"""Standard deviations in the log of a rate: of levels, of weekdays, of a day beyond its weekday."""
_NOISE_DAYS = 5.0
"""Days that ``_NOISE`` counts for against what is seen of it."""
_INTERVAL = 0.9
_STEP = 0.5
"""Of levels: full ones, taken by all creatives at once, would overshoot together."""
_ROUNDS = 12


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is known of each creative's wear after the last day seen; days count from that one."""

    wearing: Floats
    """[R, K] chance that it has begun to wear."""
    days_left: Floats
    """[R, K] until ``LOST`` is lost, the median if it has begun; 0 or less once it is."""
    low: Floats
    """[R, K] and ``high``: the shortest interval that holds 90 %, likewise."""
    high: Floats
    """[R, K]"""
    wear: Floats
    """[R, K, T + 1] log of what is left of the rate on each day and the next, the mean over all that may be."""
    doubt: Floats
    """[R, K] standard deviation of the next day's."""
    common: Floats
    """[R, 1, T] log of what each day did to all creatives."""

    @property
    def called(self) -> NDArray[np.bool_]:
        """[R, K] creatives that wear, as far as can be told."""
        return self.wearing >= CALLED


class FatigueForecaster:
    """Days left of each creative, from daily impressions and clicks.

    >>> rng, forecaster = np.random.default_rng(0), FatigueForecaster(creatives=2)
    >>> for day in range(22):                                    # the first loses 3 % a day from day 10 on
    ...     left = np.exp(-0.03 * max(day - 10, 0))
    ...     forecaster.update(shown=[50_000, 50_000], clicks=rng.poisson([1_000 * left, 800]))
    >>> forecast = forecaster.forecast()                         # a quarter is lost on day 19.6, 1.4 days ago
    >>> forecast.called, bool(-3 < forecast.days_left[0, 0] < 0)
    (array([[ True, False]]), True)
    """

    def __init__(self, creatives: int, campaigns: int = 1) -> None:
        """Nothing seen yet of K ``creatives`` in each of R ``campaigns``."""
        self.shown, self.clicks = np.zeros((2, campaigns, creatives, 0))

    def update(self, *, shown: ArrayLike, clicks: ArrayLike) -> None:
        """Take in a day's impressions and clicks, [K] or [R, K]; 0 where a creative was not shown.

        Raises:
            ValueError: on other shapes, or numbers that are negative or not finite.
        """
        days = [counts(name, x, self.shown.shape[:2]) for name, x in (("shown", shown), ("clicks", clicks))]
        self.shown, self.clicks = (
            np.concatenate([seen, day[..., None]], axis=2)
            for seen, day in zip((self.shown, self.clicks), days, strict=True)
        )

    def forecast(self) -> Forecast:
        """Seen from the last day.

        Raises:
            ValueError: before the first day.
        """
        if not self.shown.shape[2]:
            raise ValueError("no day seen yet: call update() with a day's impressions and clicks first")
        return forecast(self.shown, self.clicks)


def forecast(shown: Floats, clicks: Floats) -> Forecast:
    """The same of daily ``shown`` and ``clicks`` [R, K, T] at once."""
    days = shown.shape[2]
    curve, fatigued, chance = hypotheses(days)
    weight, common = _posterior(shown, clicks, curve[:, :-1], np.log(chance))
    begun = weight[..., 1:]
    below = np.linspace(0.0, 1.0 - _INTERVAL, 11)
    middle, *ends = _quantiles(fatigued[1:], begun, [0.5, *below, *(below + _INTERVAL)]) - (days - 1)
    low, high = _shortest(np.array(ends[:11]), np.array(ends[11:]))
    wear = weight @ curve
    doubt = np.sqrt(np.maximum(weight @ curve[:, -1] ** 2 - wear[..., -1] ** 2, 0.0))
    return Forecast(begun.sum(axis=2), middle, low, high, wear, doubt, common)


def hypotheses(days: int) -> tuple[Floats, Floats, Floats]:
    """Curves [H, T + 1] of log wear on ``days`` and the next, the day [H] when each has lost ``LOST``, its chance [H].

    The first is that nothing has begun yet.
    """
    onset, pace = (axis.ravel() for axis in np.meshgrid(np.arange(float(days)), PACES, indexing="ij"))
    since = (np.arange(days + 1.0) - onset[:, None]) / pace[:, None]
    straight = np.log1p(-LOST) * np.maximum(since, 0.0)
    begin, end = (np.log(part / (1.0 - part)) for part in (_BEGUN, LOST))
    logistic = -np.logaddexp(0.0, begin + (end - begin) * since)
    begins = HAZARD * (1.0 - HAZARD) ** onset / (2 * len(PACES))
    return (
        np.concatenate([np.zeros((1, days + 1)), straight, logistic]),
        np.concatenate([[np.inf], onset + pace, onset + pace]),
        np.concatenate([[(1.0 - HAZARD) ** days], begins, begins]),
    )


def _posterior(shown: Floats, clicks: Floats, curve: Floats, log_chance: Floats) -> tuple[Floats, Floats]:
    """[R, K, H] chance of each curve given the clicks, and [R, 1, T] what days did."""
    noise = np.full((len(shown), 1, 1), _NOISE**2)
    level = np.log((clicks.sum(axis=2, keepdims=True) + 0.5) / np.maximum(shown.sum(axis=2, keepdims=True), 1.0))
    wear, spread = np.zeros((2, *shown.shape))
    common = np.zeros_like(shown[:, :1])
    for _ in range(_ROUNDS):
        rate = level + wear + common
        due = shown * np.exp(rate)
        seen = rate + (clicks - due) / np.maximum(due, 1e-12)
        told, day = due / (1.0 + due * spread), seen - level - wear
        all_told, all_day = told.sum(axis=1, keepdims=True), (told * day).sum(axis=1, keepdims=True)
        others = all_told - told
        rest = _days(others, (all_day - told * day) / np.maximum(others, 1e-12), noise)
        weight = _weigh(seen - level - rest.mean, due, rest, curve, log_chance)
        wear = weight @ curve
        spread = np.maximum(weight @ curve**2 - wear**2, 0.0)
        days = _days(all_told, all_day / np.maximum(all_told, 1e-12), noise)
        common = days.mean
        sure = due / (1.0 + due * rest.noise)
        gap = (sure * (seen - level - wear - rest.mean)).sum(axis=2, keepdims=True)
        level = level + _STEP * gap / np.maximum(sure.sum(axis=2, keepdims=True), 1e-12)
        square = ((days.mean - days.weekday) ** 2 + days.noise).sum(axis=2, keepdims=True)
        noise = (_NOISE_DAYS * _NOISE**2 + square) / (_NOISE_DAYS + shown.shape[2])
    return weight, common


@dataclass(frozen=True, slots=True)
class _Days:
    """What days do to all creatives, as far as some of them tell."""

    mean: Floats
    """[R, K, T]"""
    weekday: Floats
    """[R, K, T] the part of it that is the weekday's."""
    noise: Floats
    """[R, K, T] variance that is each day's own."""
    weekdays: Floats
    """[R, K, T, 7] square root of the covariance that days of the same weekday share."""


def _days(told: Floats, day: Floats, noise: Floats) -> _Days:
    """From estimates ``day`` [R, K, T] with precision ``told``; each day is its weekday and noise."""
    which = np.eye(7)[np.arange(told.shape[2]) % 7]
    trust = noise * told / (1.0 + noise * told)
    sure = told / (1.0 + noise * told)
    variance = 1.0 / (_WEEKDAY**-2 + sure @ which)
    weekday = (variance * ((sure * day) @ which)) @ which.T
    shared = (1.0 - trust)[..., None] * np.sqrt(variance)[..., None, :] * which
    return _Days(trust * day + (1.0 - trust) * weekday, weekday, noise * (1.0 - trust), shared)


def _weigh(rest: Floats, due: Floats, days: _Days, curve: Floats, log_chance: Floats) -> Floats:
    """[R, K, H] chance of each curve, given that ``rest`` [R, K, T] is the curve, a level and Gaussian noise.

    The noise has precision ``sure`` on the diagonal and low rank beside it, so its inverse has (Woodbury).
    """
    sure = due / (1.0 + due * days.noise)
    shared = np.concatenate([days.weekdays, np.full((*due.shape, 1), _LEVEL)], axis=3)
    scaled = sure[..., None] * shared
    inner = np.eye(shared.shape[3]) + shared.swapaxes(2, 3) @ scaled
    low = np.linalg.solve(np.linalg.cholesky(inner), scaled.swapaxes(2, 3))
    pull = sure * rest - (low.swapaxes(2, 3) @ (low @ rest[..., None]))[..., 0]
    size = sure @ (curve**2).T - ((low @ curve.T) ** 2).sum(axis=2)
    fit = pull @ curve.T - 0.5 * size + log_chance
    weight = np.exp(fit - fit.max(axis=2, keepdims=True))
    return np.asarray(weight / weight.sum(axis=2, keepdims=True))


def _quantiles(values: Floats, weight: Floats, levels: Sequence[float]) -> Floats:
    """[levels, R, K] of ``values`` [H] under ``weight`` [R, K, H]."""
    order = np.argsort(values)
    below = np.cumsum(weight[..., order], axis=2)
    share = below / below[..., -1:]
    return np.stack([values[order][np.minimum((share < level).sum(axis=2), len(order) - 1)] for level in levels])


def _shortest(low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """[R, K] each, of the intervals ``low`` to ``high`` [n, R, K]."""
    best = (high - low).argmin(axis=0)[None]
    return np.take_along_axis(low, best, 0)[0], np.take_along_axis(high, best, 0)[0]
