"""Streams of auctions for bidders to be compared on, and what could have been had of them.

Everything that differs between markets is drawn by seed from wide ranges: spread of values (0.4 to 1 in the log) and of
prices given a value (0.3 to 0.9), how far prices follow values (exponent 0.2 to 0.8), the day's traffic (a wave of
20 to 80 % and its second harmonic), its level from day to day (15 %), hourly prices (up to 25 % either way).
``drift`` adds a walk of price and traffic (5 % a round) and a jump of price by a half up or down in one of the later days.

Letters: S seeds, D days, T rounds of a day, N auctions of a round (padded: no value, no price).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from policies.frames import Floats

ROUNDS, PER_ROUND = 48, 150


@dataclass(frozen=True, slots=True)
class Streams:
    """Markets side by side."""

    values: Floats
    """[S, D, T, N] expected conversions of an impression; 0 where there is none."""
    prices: Floats
    """[S, D, T, N] lowest bid that wins, currency units; inf where there is none."""
    centre: Floats
    """[S, D, T, N] mean of the log price, given the value and the hour."""
    spread: Floats
    """[S] of the log price about it."""
    budget: Floats
    """[S] of a day; inf without one."""
    target: Floats
    """[S] highest mean cost of a conversion; inf without one."""


def draw(seeds: range, *, days: int = 3, drift: bool = False, first_price: bool = False, target: bool = False) -> Streams:
    """The markets of ``seeds``: a budget that buys 10 to 60 % of the value, or a target that does."""
    drawn = [_market(np.random.default_rng(seed), days, drift) for seed in seeds]
    values, centre, prices, spread, part = (np.stack(each) for each in zip(*drawn, strict=True))
    size = len(seeds)
    endless = Streams(values, prices, centre, spread, np.full(size, np.inf), np.full(size, np.inf))
    spent, bought = bought_at(endless, _multiplier_of_part(endless, part))
    if target:
        limit = spent.sum(axis=1) / bought.sum(axis=1)
        return Streams(values, prices, centre, spread, 1.5 * spent.max(axis=1), limit)
    budget = spent.mean(axis=1)
    return Streams(values, prices, centre, spread, budget * (1.3 if first_price else 1.0), endless.target)


def _market(rng: np.random.Generator, days: int, drift: bool) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Values, centre and prices [D, T, N], spread and part of the value that is to be bought."""
    rate = np.exp(rng.uniform(np.log(0.01), np.log(0.4)))
    spread_value, spread, slope = rng.uniform(0.4, 1.0), rng.uniform(0.3, 0.9), rng.uniform(0.2, 0.8)
    turn = 2 * np.pi * np.arange(ROUNDS) / ROUNDS
    wave = rng.uniform(0.2, 0.8) * np.sin(turn + rng.uniform(0, 7)) + 0.2 * np.sin(2 * turn + rng.uniform(0, 7))
    hourly = rng.uniform(0, 0.25) * np.sin(turn + rng.uniform(0, 7))
    walk = np.cumsum(0.05 * rng.standard_normal((2, days * ROUNDS)) * drift, axis=1).reshape(2, days, ROUNDS)
    jump = rng.integers(ROUNDS, days * ROUNDS) if days > 1 else days * ROUNDS
    jumps = drift * rng.choice([-0.4, 0.4]) * (np.arange(days * ROUNDS).reshape(days, ROUNDS) >= jump)
    level = np.exp(walk[0] + 0.15 * rng.standard_normal((days, 1)))
    count = rng.poisson(np.clip(PER_ROUND * np.maximum(1 + wave, 0.05) * level, 1, 4 * PER_ROUND))
    shape = (days, ROUNDS, 6 * PER_ROUND)
    there = np.arange(shape[2]) < count[..., None]
    log_value = spread_value * rng.standard_normal(shape)
    centre = np.log(rng.uniform(0.5, 5.0)) + slope * log_value + (hourly + walk[1] + jumps)[..., None]
    prices = np.exp(centre + spread * rng.standard_normal(shape))
    values = np.where(there, rate * np.exp(log_value), 0.0)
    part = np.array(rng.uniform(0.1, 0.6))
    return values, centre, np.where(there, prices, np.inf), np.array(spread), part


def bought_at(streams: Streams, multiplier: Floats) -> tuple[Floats, Floats]:
    """[S, D] money and value of each day when ``multiplier`` [S] or [S, D] times the value is bid at second price.

    Dearest last, and no more than the day's budget: the fractional knapsack.
    """
    ratio, price, value = _sorted(streams)
    within = ratio <= (multiplier[:, None, None] if multiplier.ndim == 1 else multiplier[..., None])
    money = np.cumsum(np.where(within, price, 0.0), axis=2)
    part = np.clip((streams.budget[:, None, None] - (money - price)) / np.where(price > 0, price, 1.0), 0.0, 1.0)
    part = np.where(within, part, 0.0)
    return (part * price).sum(axis=2), (part * value).sum(axis=2)


def hindsight(streams: Streams) -> Floats:
    """[S] most value at second price that budgets and target allow, every price known.

    Where a day's budget binds its multiplier is lower than the others', which the target sets over all days.
    """
    low, high = np.full(len(streams.spread), -25.0), np.full(len(streams.spread), 25.0)
    for _ in range(40):
        middle = (low + high) / 2
        spent, value = (x.sum(axis=1) for x in bought_at(streams, np.exp(middle)))
        met = spent <= np.where(np.isfinite(streams.target), streams.target * value, np.inf)
        low, high = np.where(met, middle, low), np.where(met, high, middle)
    return bought_at(streams, np.exp(low))[1].sum(axis=1)


def best_response(streams: Streams) -> Floats:
    """[S] most expected value at first price within each day's budget, the distributions of prices known.

    Bids are those of a worth, value times a multiplier: the best of 60 parts of it against the true distribution.
    """
    out = np.zeros(len(streams.spread))
    for row in range(len(out)):
        for day in range(streams.values.shape[1]):
            there = streams.values[row, day] > 0
            args = streams.values[row, day][there], streams.centre[row, day][there], streams.spread[row]
            out[row] += _best_day(*args, streams.budget[row])
    return out


def _best_day(value: Floats, centre: Floats, spread: float, budget: float) -> float:
    some = slice(None, None, max(len(value) // 1500, 1))  # a sample of the day is enough for its expectation
    scale = len(value) / len(value[some])
    value, centre = value[some], centre[some]
    part = np.linspace(0.02, 1.0, 60)
    low, high, best = -25.0, 25.0, 0.0
    for _ in range(18):
        middle = (low + high) / 2
        bid = np.exp(middle) * value[:, None] * part
        win = ndtr((np.log(bid) - centre[:, None]) / spread)
        chosen = ((np.exp(middle) * value[:, None] - bid) * win).argmax(axis=1)
        rows = np.arange(len(value))
        spent = scale * float((bid * win)[rows, chosen].sum())
        if spent <= budget:
            low, best = middle, scale * float((value * win[rows, chosen]).sum())
        else:
            high = middle
    return best


def _sorted(streams: Streams) -> tuple[Floats, Floats, Floats]:
    """[S, D, T x N] price over value, price and value, the cheapest first."""
    size, days = streams.values.shape[:2]
    value = streams.values.reshape(size, days, -1)
    price = np.where(value > 0, streams.prices.reshape(size, days, -1), 0.0)
    ratio = np.where(value > 0, price / np.where(value > 0, value, 1.0), np.inf)
    order = ratio.argsort(axis=2)
    return tuple(np.take_along_axis(each, order, axis=2) for each in (ratio, price, value))  # type: ignore[return-value]


def _multiplier_of_part(streams: Streams, part: Floats) -> Floats:
    """[S] multiplier that buys ``part`` [S] of the value there is."""
    ratio = streams.prices / np.where(streams.values > 0, streams.values, 1.0)
    out = np.empty(len(part))
    for row, wanted in enumerate(part):
        there = streams.values[row] > 0
        order = ratio[row][there].argsort()
        bought = np.cumsum(streams.values[row][there][order])
        out[row] = ratio[row][there][order][np.searchsorted(bought, wanted * bought[-1])]
    return out
