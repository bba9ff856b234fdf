"""The simple things that the swarm must beat, on the same market, with the same reports and the same caps.

Letters: R campaigns, C channels, K creatives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from policies.estimation import CreativePrior, estimate
from policies.frames import Floats, Ints, Portfolio, Report
from policies.planning import guess, opening_bid
from swarm.platforms.calendar import of_day
from swarm.platforms.market import Market
from swarm.spec.money import MICROS

PACER_BUDGET = 0.4
"""Of the day's money, the budget of each channel under the pacer: its worst case then fits the example caps."""


def equal_split(market: Market, portfolio: Portfolio, ticks: int) -> Market:
    """Each day's money in equal budgets on all allowed channels, the opening bid on all, equal rotation."""
    share = 1.0 / np.maximum(portfolio.allowed.sum(axis=1, keepdims=True), 1)
    _launch(market, portfolio, share)
    market.settings.bid[:] = _micros(opening_bid(portfolio)[:, None])
    for tick in range(ticks):
        _rebudget(market, portfolio, share, tick)
        market.advance()
    return market


@dataclass
class _Pacer:
    """State of the auction pacer: bid = a x expected value of a click."""

    level: Floats
    """[R] what a goal unit may cost."""
    clicks: Floats
    conversions: Floats


def auction_pacer(market: Market, portfolio: Portfolio, ticks: int) -> Market:
    """The 20-line auction pacer with a cost cap.

    Each hour the spend aimed at is what is left over the hours left; the level moves by
    exp(0.25 (aim - last spend) / aim), limited to 0.7 to 1.15, and is then capped at 1.25, 1.0 or 0.8 times the
    target as the expected cost so far is below 95 %, below 100 %, or above it. Values are the pooled
    conversion rates that the swarm itself starts from.
    """
    _launch(market, portfolio, np.full((len(portfolio.allowed), 1), PACER_BUDGET))
    rows, channels, creatives = portfolio.shape
    start = np.where(
        np.isfinite(portfolio.target_cost), portfolio.target_cost, opening_bid(portfolio) / _value(portfolio, None)
    )
    pacer = _Pacer(start, np.zeros((rows, channels, creatives)), np.zeros((rows, channels, creatives)))
    seen = [-1] * channels
    for tick in range(ticks):
        reports = [market.report(channel) for channel in range(channels)]
        for channel, report in enumerate(reports):
            if report is not None and report.tick > seen[channel]:
                pacer.clicks[:, channel] += report.clicks[:, channel]
                pacer.conversions[:, channel] += report.conversions[:, channel]
                seen[channel] = report.tick
        _rebudget(market, portfolio, PACER_BUDGET, tick)
        _pace(market, portfolio, pacer, reports, tick)
        market.advance()
    return market


def _pace(market: Market, portfolio: Portfolio, pacer: _Pacer, reports: Sequence[Report | None], tick: int) -> None:
    moment, money = market.calendar.at(tick), _money(market, tick)
    spending = market.spending()
    left = np.maximum(money - spending.today.sum(axis=1), 0) / MICROS
    last = sum((r.cost[:, c].sum(axis=1) for c, r in enumerate(reports) if r is not None), np.zeros(len(left)))
    aim = np.maximum(left / moment.hours_left, 1e-9)
    factor = np.clip(np.exp(np.clip(0.25 * (aim - last) / aim, -5.0, 5.0)), 0.7, 1.15)
    known = tick > 2
    pacer.level = _capped(portfolio, pacer, spending.lifetime / MICROS, pacer.level * np.where(known, factor, 1.0))
    rate = _rates(portfolio, pacer)
    bid = np.clip(pacer.level[:, None] * rate, portfolio.bid_low[:, None], portfolio.bid_high[:, None])
    market.settings.bid[:] = _micros(bid)
    market.settings.status[:] = portfolio.allowed & (left > 0.002 * money / MICROS)[:, None]


def _capped(portfolio: Portfolio, pacer: _Pacer, spent: Floats, level: Floats) -> Floats:
    rate = _rates(portfolio, pacer)[:, :, None]
    value = (pacer.clicks * rate).sum(axis=(1, 2))
    ratio = spent / np.maximum(value * np.where(np.isfinite(portfolio.target_cost), portfolio.target_cost, 1.0), 1e-9)
    cap = np.select([ratio < 0.95, ratio < 1.0], [1.25, 1.0], 0.8) * portfolio.target_cost
    return np.where(value > 0, np.minimum(level, cap), level)


def _rates(portfolio: Portfolio, pacer: _Pacer) -> Floats:
    """[R, C] goal units per click."""
    flat = CreativePrior.none(portfolio.creatives.shape)
    rates = estimate(pacer.conversions, pacer.clicks, guess=_value_guess(portfolio), prior=flat)
    return _value(portfolio, rates.base[:, None] * rates.channel)


def _value_guess(portfolio: Portfolio) -> Floats:
    return np.where(portfolio.unit_value > 0, guess(portfolio), 0.03)


def _value(portfolio: Portfolio, rate: Floats | None) -> Floats:
    """Goal units per click from conversions per click; from the first guess where ``rate`` is None."""
    if rate is None:
        return np.where(portfolio.unit_value > 0, _value_guess(portfolio) * portfolio.unit_value, 1.0)
    unit = portfolio.unit_value[:, None]
    return np.where(unit > 0, rate * unit, 1.0)


def _money(market: Market, tick: int) -> Ints:
    """[R] micros of each campaign's local day; 0 before the first day and after the last."""
    return of_day(market.budgets, market.calendar.at(tick).day)


def _rebudget(market: Market, portfolio: Portfolio, share: Floats | float, tick: int) -> None:
    """Budgets as shares of the day's money; they stay as they are while a campaign rests."""
    money = _money(market, tick)[:, None]
    budget = np.where(portfolio.allowed, money * share, 0).astype(np.int64)
    market.settings.budget[:] = np.where(money > 0, budget, market.settings.budget)


def _launch(market: Market, portfolio: Portfolio, share: Floats) -> None:
    first = market.budgets.max(axis=1, keepdims=True)
    market.settings.budget[:] = np.where(portfolio.allowed, first * share, 0).astype(np.int64)
    market.settings.status[:] = portfolio.allowed
    weight = portfolio.creatives / np.maximum(portfolio.creatives.sum(axis=1, keepdims=True), 1)
    market.settings.weight[:] = _micros(weight)[:, None, :]


def _micros(amount: Floats) -> Ints:
    return np.rint(amount * MICROS).astype(np.int64)


RIVALS: dict[str, Callable[[Market, Portfolio, int], Market]] = {
    "equal_split": equal_split,
    "auction_pacer": auction_pacer,
}
"""By the name under which a run reports them."""
