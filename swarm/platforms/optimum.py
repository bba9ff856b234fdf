"""What the best bids of known hours are: exact day prices of money for many campaigns side by side.

With one price of money a day, every hour and channel can be solved by itself. At the second price the best bid is
what a click is worth, divided by the price of money; at the first price it is shaded below that, by a function of one
number that is tabulated; the best creative is the one with the largest product of click and goal rate. Cost grows with
the bid without a jump, but where it pays to leave the auctions altogether; there two neighbouring solutions are mixed
in time. This is the
continuous form of the fractional multiple-choice knapsack (Sinha and Zoltners, "The Multiple-Choice Knapsack
Problem", Operations Research 1979).

Letters: R campaigns, T hours, C channels, K creatives, D days.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from swarm.platforms.auction import LOG_RATIO, chances, paid
from swarm.platforms.world import BUCKET_VALUE

Floats = NDArray[np.float64]
_BISECTIONS = 24
_TABLE = np.linspace(-9.0, 9.0, 1024)
"""Logs of worth over the median competing price at which first-price bids are tabulated."""


@dataclass(frozen=True, slots=True)
class Hours:
    """The hours of some campaigns, all parameters known."""

    day: NDArray[np.int64]
    """[R, T] local day; 0 in hours outside the flight, which have no auctions."""
    money: Floats
    """[R, D] currency units."""
    target: Floats
    """[R] highest average cost of a claimed goal unit; inf without a target."""
    bounds: Floats
    """[2, R] lowest and highest bid, currency units a click."""
    first_price: NDArray[np.bool_]
    """[C]"""
    auctions: Floats
    """[R, T, C]"""
    clicks: Floats
    """[R, T, C] clicks of the fresh mean creative, were all auctions won."""
    price: Floats
    """[R, T, C] median competing price a click."""
    spread: Floats
    """[R, C]"""
    worth: Floats
    """[R, T, C] goal units a click of the mean creative."""
    appeal: Floats
    """[R, T, K] click rate over the fresh mean creative's; 0 where there is none."""
    quality: Floats
    """[R, K] goal rate over the mean creative's."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What the campaigns' own past makes of the hours; [R, T, C] each."""

    rivals: Floats
    """Log of competing prices over what they were without the campaign."""
    rate: Floats
    """Factor on what a click is worth."""
    charge: Floats
    """What a click more will cost later by what rivals learn of it, currency units."""

    @classmethod
    def none(cls, hours: Hours) -> Terms:
        """A market without memory."""
        zero = np.zeros(hours.price.shape)
        return cls(zero, np.ones(hours.price.shape), zero)


@dataclass(frozen=True, slots=True)
class Plan:
    """What some bids bring; [R, T, C] each."""

    bid: Floats
    """Currency units a click, over what rivals add to their own."""
    won: Floats
    clicks: Floats
    cost: Floats
    """Currency units, before rivals answer."""
    worth: Floats
    """Goal units, before what ``Terms.rate`` tells."""

    def mixed(self, other: Plan, part: Floats) -> Plan:
        """``part`` [R, T, 1] of ``other`` and the rest of this plan."""
        pairs = ((getattr(self, name), getattr(other, name)) for name in ("won", "clicks", "cost", "worth"))
        return Plan(self.bid, *(mine + part * (theirs - mine) for mine, theirs in pairs))


class Solver:
    """The best bids of ``hours`` under any ``Terms``."""

    def __init__(self, hours: Hours) -> None:
        self.hours = hours
        self._first, self._second = np.flatnonzero(hours.first_price), np.flatnonzero(~hours.first_price)
        self._shaded = _shading(hours.spread[:, self._first])
        creative = (hours.appeal * hours.quality[:, None]).argmax(axis=2)
        self._appeal = np.take_along_axis(hours.appeal, creative[..., None], axis=2)
        self._value = hours.worth * np.take_along_axis(hours.quality, creative, axis=1)[..., None]
        days = hours.money.shape[1]
        self._cell = (np.arange(len(hours.day))[:, None] * days + hours.day).ravel()

    def best(self, terms: Terms) -> tuple[Plan, Floats]:
        """The best plan within money and target, and the price of money [R, D] at which it is best."""
        hours = self.hours

        def over(plan: Plan) -> NDArray[np.bool_]:
            return self.daily(plan.cost * np.exp(terms.rivals)) > hours.money

        everything = self._plan(terms, np.zeros(hours.money.shape))
        price = np.stack(self._bracket(lambda at: over(self._plan(terms, at)), hours.money.shape))
        price *= over(everything)
        plan = self._between(terms, price, hours.money)
        if not self._missed(terms, plan).any():
            return plan, price[1]
        return self._to_target(terms, plan, price)

    def daily(self, hourly: Floats) -> Floats:
        """[R, D] sums of [R, T, C] over each local day."""
        shape = self.hours.money.shape
        return np.bincount(self._cell, hourly.sum(axis=2).ravel(), np.prod(shape)).reshape(shape)

    def by_hour(self, daily: Floats) -> Floats:
        """[R, T, 1] of [R, D]."""
        return np.take_along_axis(daily, self.hours.day, axis=1)[..., None]

    def _to_target(self, terms: Terms, plan: Plan, price: Floats) -> tuple[Plan, Floats]:
        """A floor below the price of money, where the target is missed without."""
        rows = len(price[0])
        missed = self._missed(terms, plan)

        def over(floor: Floats) -> NDArray[np.bool_]:
            return self._missed(terms, self._plan(terms, np.maximum(price[1], floor)))

        by_itself = 1.0 / np.where(np.isfinite(self.hours.target), self.hours.target, 1.0)[:, None]
        dear, cheap = self._bracket(over, (rows, 1), by_itself)
        plans = [self._between(terms, np.maximum(price, floor * missed), self.hours.money) for floor in (dear, cheap)]
        above, below = (self._excess(terms, each)[:, None] for each in plans)
        part = np.clip(above / np.where(above > below, above - below, 1.0), 0.0, 1.0)
        return plans[0].mixed(plans[1], (part * missed)[..., None]), np.maximum(price[1], cheap * missed)

    def _excess(self, terms: Terms, plan: Plan) -> Floats:
        """[R] cost beyond what the target allows."""
        target = np.where(np.isfinite(self.hours.target), self.hours.target, 0.0)
        cost = (plan.cost * np.exp(terms.rivals)).sum(axis=(1, 2))
        return np.asarray(np.where(target > 0, cost - target * (plan.worth * terms.rate).sum(axis=(1, 2)), -1.0))

    def _missed(self, terms: Terms, plan: Plan) -> NDArray[np.bool_]:
        return np.asarray(self._excess(terms, plan)[:, None] > 0)

    def _between(self, terms: Terms, price: Floats, money: Floats) -> Plan:
        """The mixture of the plans at two neighbouring prices [2, R, D] that spends the money, where it can."""
        dear, cheap = (self._plan(terms, each) for each in price)
        above, below = (self.daily(each.cost * np.exp(terms.rivals)) for each in (dear, cheap))
        part = np.where(above > money, (above - money) / np.where(above > below, above - below, 1.0), 0.0)
        return dear.mixed(cheap, self.by_hour(np.minimum(part, 1.0)))

    def _bracket(
        self, over: Callable[[Floats], NDArray[np.bool_]], shape: tuple[int, int], high: Floats | None = None
    ) -> tuple[Floats, Floats]:
        """Two neighbouring prices of money; at the lower one the plan is ``over``, at the upper one not."""
        best = (self.hours.worth.max(axis=(1, 2)) * self.hours.quality.max(axis=1))[:, None]
        low = np.log(np.maximum(best, 1e-300) / self.hours.bounds[1][:, None]) - 8.0
        top = np.log(np.maximum(best, 1e-300) / self.hours.bounds[0][:, None]) + 4.0
        a, b = (np.broadcast_to(each, shape) for each in (low, top if high is None else np.log(high)))
        a = np.minimum(a, b - 1.0)
        for _ in range(_BISECTIONS):
            middle = (a + b) / 2
            dear = over(np.exp(middle))
            a, b = np.where(dear, middle, a), np.where(dear, b, middle)
        return np.exp(a), np.exp(b)

    def _plan(self, terms: Terms, price: Floats) -> Plan:
        """The best bids at the price of money [R, D]; all that there is to buy where that is 0."""
        at = self.by_hour(price)
        if not at.any():
            return self._everything(terms)
        value = self._value * terms.rate / np.where(at > 0, at, 1.0) - terms.charge
        some = self._bought(terms, self._appeal, self._value, value)
        return some if at.all() else some.mixed(self._everything(terms), np.where(at > 0, 0.0, 1.0))

    def _everything(self, terms: Terms) -> Plan:
        """All that the highest bid buys, each hour and channel with the creative that brings most there."""
        h, best = self.hours, None
        without_end = np.full(h.price.shape, 1e100)
        for k in range(h.quality.shape[1]):
            value = h.worth * h.quality[:, k, None, None]
            plan = self._bought(terms, h.appeal[..., k, None], value, without_end)
            best = plan if best is None else best.mixed(plan, (plan.worth > best.worth).astype(np.float64))
        assert best is not None
        return best

    def _bought(self, terms: Terms, appeal: Floats, worth: Floats, value: Floats) -> Plan:
        """The best bids where a click of a creative of this ``appeal`` is worth ``value``, currency units of now.

        ``worth`` [R, T, C]: goal units a click of that creative.
        """
        h = self.hours
        price = h.price / np.where(appeal > 0, appeal, 1.0)
        now = price * np.exp(terms.rivals)
        log_bid = self._shade(np.log(np.maximum(value, 1e-300) / now))
        low, high = (np.log(bound[:, None, None] / now) for bound in h.bounds)
        log_bid = np.clip(log_bid, low, high)
        share, clicks = chances(log_bid, h.spread[:, None])
        clicks *= h.clicks * appeal
        bid = np.exp(log_bid) * price
        cost = bid * clicks
        second = self._second
        cost[..., second] = (h.clicks * h.price)[..., second] * paid(log_bid[..., second], h.spread[:, None, second])
        pays = (value * clicks > cost * np.exp(terms.rivals)) & (appeal > 0)
        return Plan(bid * pays, h.auctions * share * pays, clicks * pays, cost * pays, clicks * worth * pays)

    def _shade(self, log_value: Floats) -> Floats:
        """[R, T, C] log of the best bid from that of a click's value, both over the median competing price."""
        at = np.clip((log_value[..., self._first] - _TABLE[0]) / (_TABLE[1] - _TABLE[0]), 0.0, len(_TABLE) - 1.001)
        left = at.astype(np.int64)
        rows, columns = np.ogrid[: len(left), : len(self._first)]
        table = (
            self._shaded[rows[:, None], columns[:, None], left],
            self._shaded[rows[:, None], columns[:, None], left + 1],
        )
        log_bid = log_value.copy()
        log_bid[..., self._first] = table[0] + (table[1] - table[0]) * (at - left)
        return log_bid


def _shading(spread: Floats) -> Floats:
    """[R, C, G] log of the first-price bid of the largest (value - bid) * clicks at each value of ``_TABLE``.

    A bid b is best at the value b + N / N', with N(b) the clicks that it wins.
    """
    _, clicks = chances(_TABLE, spread[..., None])
    z = (_TABLE[:, None] + LOG_RATIO) / spread[..., None, None]
    slope = (np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) * BUCKET_VALUE).mean(axis=-1) / spread[..., None]
    log_value = _TABLE + np.log1p(clicks / slope)
    flat = [np.interp(_TABLE, each, _TABLE) for each in log_value.reshape(-1, len(_TABLE))]
    return np.array(flat).reshape(log_value.shape)
