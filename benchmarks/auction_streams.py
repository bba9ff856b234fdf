"""Streams of auctions for bidders to be compared on, and what could have been had of them.

Everything that differs between markets is drawn by seed from wide ranges: spread of values (0.4 to 1 in the log) and of
prices given a value (0.3 to 0.9), how far prices follow values (exponent 0.2 to 0.8), the day's traffic (a wave of
20 to 80 % and its second harmonic), its level from day to day (15 %), hourly prices (up to 25 % either way).
``drift`` adds a walk of price and traffic (5 % a round), and a jump of price by a half or
a third after the first day.

Letters: S seeds, D days, T rounds of a day, N auctions of a round (padded: no value, no price).
"""

from __future__ import annotations

from collections.abc import Sequence
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


def draw(
    seeds: Sequence[int], *, days: int = 3, drift: bool = False, first_price: bool = False, target: bool = False
) -> Streams:
    """The markets of ``seeds``: a budget that buys 10 to 60 % of the value, or a target that does.

    With a target a budget is there that seldom binds; at first price budgets are 30 % larger.
    """
    drawn = [_market(np.random.default_rng(seed), days, drift) for seed in seeds]
    values, centre, prices, spread, part = (np.stack(each) for each in zip(*drawn, strict=True))
    money = np.stack([_cost_of(*each) for each in zip(values, prices, part, strict=True)])
    budget, limit = money[:, :, 0].mean(axis=1), np.full(len(spread), np.inf)
    if target:
        budget, limit = 1.5 * money[:, :, 0].max(axis=1), money[:, :, 0].sum(axis=1) / money[:, :, 1].sum(axis=1)
    return Streams(values, prices, centre, spread, budget * (1.3 if first_price else 1.0), limit)


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


def _cost_of(values: Floats, prices: Floats, part: Floats) -> Floats:
    """[D, 2] money and value of each day at the one multiplier that buys ``part`` of the value at second price."""
    days = [_cheapest_first(*day) for day in zip(values, prices, strict=True)]
    ratio, _, value = (np.concatenate(each) for each in zip(*days, strict=True))
    order = ratio.argsort()
    bought = np.cumsum(value[order])
    highest = ratio[order][np.searchsorted(bought, part * bought[-1])]
    return np.array([(price[ratio <= highest].sum(), value[ratio <= highest].sum()) for ratio, price, value in days])


def hindsight(streams: Streams) -> Floats:
    """[S] most value at second price that budgets and target allow, every price known.

    A fractional knapsack a day, the cheapest first. Where a day's budget binds its multiplier is lower than that of the
    others, which the target sets over all days.
    """
    rows = zip(streams.values, streams.prices, streams.budget, streams.target, strict=True)
    return np.array([_best_days(*row) for row in rows])


def _best_days(values: Floats, prices: Floats, budget: float, target: float) -> float:
    days = []
    for day in zip(values, prices, strict=True):
        ratio, price, value = _cheapest_first(*day)
        spent, bought = (np.concatenate([[0.0], np.cumsum(each)]) for each in (price, value))
        days.append((ratio, spent, bought))
    low, high = -30.0, 30.0
    for _ in range(60):
        middle = (low + high) / 2
        spent, bought = np.sum([_within(*day, np.exp(middle), budget) for day in days], axis=0)
        low, high = (middle, high) if spent <= (target * bought if target < np.inf else np.inf) else (low, middle)
    return float(np.sum([_within(*day, np.exp(low), budget) for day in days], axis=0)[1])


def _within(ratio: Floats, spent: Floats, bought: Floats, multiplier: float, budget: float) -> tuple[float, float]:
    """Money and value of a day at a multiplier, the last purchase that the budget allows in part."""
    last = np.searchsorted(ratio, multiplier, side="right")
    money = min(float(spent[last]), budget)
    return money, float(np.interp(money, spent, bought))


def _cheapest_first(values: Floats, prices: Floats) -> tuple[Floats, Floats, Floats]:
    """Price over value, price and value of a day's auctions [T, N]."""
    there = values > 0
    value, price = values[there], prices[there]
    order = (price / value).argsort()
    return (price / value)[order], price[order], value[order]


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
