"""The hindsight optimum: the most that could have been expected, had every parameter been known.

It knows all rates, the realised traffic and prices of every hour and each creative's quality, but no outcome of
an impression; it has the same money per day, the same bid bounds and the same cost target. Any bid on a fine
grid and any creative may be chosen in every hour on every channel, and mixed in time: a fractional
multiple-choice knapsack per campaign-day, whose optimum one multiplier finds exactly (Sinha and Zoltners, "The
Multiple-Choice Knapsack Problem", Operations Research 1979).

Letters: R campaigns, D days, T hours, C channels, J choices (bids times creatives, and not to bid).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from swarm.platforms.auction import Auction
from swarm.platforms.calendar import Calendar
from swarm.platforms.world import World

Floats = NDArray[np.float64]
_BIDS = 40
_BISECTIONS = 60


@dataclass(frozen=True, slots=True)
class Choices:
    """What each hour of each channel offers one campaign."""

    cost: Floats
    """[T, C, J] currency units."""
    value: Floats
    """[T, C, J] goal units."""
    day: NDArray[np.int32]
    """[T]"""

    def best(self, price: Floats) -> tuple[Floats, Floats]:
        """[T] cost and value of the best choices at each hour's ``price`` of money."""
        pick = (self.value - price[:, None, None] * self.cost).argmax(axis=2)[..., None]
        cost: Floats = np.take_along_axis(self.cost, pick, axis=2).sum(axis=(1, 2))
        value: Floats = np.take_along_axis(self.value, pick, axis=2).sum(axis=(1, 2))
        return cost, value


@dataclass(frozen=True, slots=True)
class Optimum:
    """What could have been had, by day: [R, D], or [D] of one campaign."""

    value: Floats
    """Expected goal units."""
    spend: Floats
    """Currency units that they take: all of the money, where the market and the cost target can absorb it."""


def hindsight(world: World, calendar: Calendar, budgets: NDArray[np.int64]) -> Optimum:
    """The optimum of every campaign; ``budgets`` [R, D] in micros."""
    moments = [calendar.at(tick) for tick in range(calendar.ticks(budgets.shape[1]))]
    weather = [world.conditions(moment) for moment in moments]
    auction = Auction(world)
    value, spend = np.zeros((2, *budgets.shape))
    for row, listing in enumerate(world.listings):
        one = auction.rows(row)
        low, high = listing.bid_bounds
        bids = np.geomspace(low, high, _BIDS)
        offers = [
            one.run(np.tile(bids, (1, len(world.channels), 1)), w.auctions[[row]], w.price[[row]]) for w in weather
        ]
        days = np.array([moment.day[row] for moment in moments])
        choices = _choices(world, row, [o.cost[0] for o in offers], [o.clicks[0] for o in offers], days)
        best = optimum(choices, budgets[row] / 1e6, listing.target_cost)
        value[row], spend[row] = best.value, best.spend
    return Optimum(value, spend)


def _choices(world: World, row: int, cost: list[Floats], clicks: list[Floats], days: NDArray[np.int32]) -> Choices:
    rate = world.goal_rate[row][:, None, None] * world.quality[row][None, :, None]
    keep = world.creatives[row]
    shape = (len(cost), len(world.channels), -1)
    costs = np.stack(cost)[:, :, keep].reshape(shape)
    values = (np.stack(clicks) * rate)[:, :, keep].reshape(shape)
    none = np.zeros((*costs.shape[:2], 1))
    return Choices(np.concatenate([none, costs], axis=2), np.concatenate([none, values], axis=2), days)


def optimum(choices: Choices, money: Floats, target_cost: float | None) -> Optimum:
    """The best of each day at ``money`` [D], with an average cost of at most ``target_cost`` over all days."""
    price = _day_prices(choices, money)
    cost, value = _spend(choices, price, money)
    if target_cost is None or cost.sum() <= target_cost * value.sum():
        return Optimum(value, cost)
    low, high = 0.0, 1.0 / target_cost  # at this price every purchase meets the target by itself
    for _ in range(_BISECTIONS):
        floor = (low + high) / 2
        cost, value = _spend(choices, np.maximum(price, floor), money)
        low, high = (floor, high) if cost.sum() > target_cost * value.sum() else (low, floor)
    dear = _spend(choices, np.maximum(price, low), money)
    cheap = _spend(choices, np.maximum(price, high), money)
    return _mix_to_target(dear, cheap, target_cost)


def _mix_to_target(dear: tuple[Floats, Floats], cheap: tuple[Floats, Floats], target: float) -> Optimum:
    """The mixture of two neighbouring solutions that meets the target exactly."""
    over = dear[0].sum() - target * dear[1].sum()
    under = target * cheap[1].sum() - cheap[0].sum()
    part = under / max(over + under, 1e-300)
    cost, value = (part * of_dear + (1 - part) * of_cheap for of_dear, of_cheap in zip(dear, cheap, strict=True))
    return Optimum(value, cost)


def _day_prices(choices: Choices, money: Floats) -> Floats:
    """[D] lowest price of money at which a day's best choices cost no more than its money; 0 where all fits."""
    low, high = np.zeros(len(money)), np.full(len(money), 1.0)
    while (_daily(choices, high)[0] > money).any():
        high = np.where(_daily(choices, high)[0] > money, high * 8, high)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        over = _daily(choices, middle)[0] > money
        low, high = np.where(over, middle, low), np.where(over, high, middle)
    return np.where(_daily(choices, np.zeros(len(money)))[0] <= money, 0.0, high)


def _spend(choices: Choices, price: Floats, money: Floats) -> tuple[Floats, Floats]:
    """[D] cost and value at ``price``; where the money runs short of the next step, that step is taken in part."""
    cost, value = _daily(choices, price)
    more_cost, more_value = _daily(choices, price * (1 - 1e-9))
    step = more_cost - cost
    part = np.where(step > 0, np.clip((money - cost) / np.where(step > 0, step, 1.0), 0.0, 1.0), 0.0)
    return cost + part * step, value + part * (more_value - value)


def _daily(choices: Choices, price: Floats) -> tuple[Floats, Floats]:
    """[D] cost and value of the best choices of each day at its price."""
    days = len(price)
    inside = (choices.day >= 0) & (choices.day < days)
    cost, value = choices.best(np.where(inside, price[np.clip(choices.day, 0, days - 1)], 1e300))
    at = np.clip(choices.day, 0, days - 1)
    spend, gain = (np.bincount(at, np.where(inside, each, 0.0), days) for each in (cost, value))
    return spend.astype(np.float64), gain.astype(np.float64)
