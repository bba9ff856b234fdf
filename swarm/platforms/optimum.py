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
_PRECISION = 1e-3
"""On a log scale, of the two prices between which a plan is mixed; what is lost goes with its square."""
_NEAR, _BEYOND, _FLOORS = 0.25, 6.0, 5.0
"""Logs of how far a price is searched from a known one, past the prices of the bid bounds, and below the target."""
_TABLE = np.linspace(-9.0, 9.0, 2048)
"""Logs of bids, and of what a click is worth, over the median competing price, at which outcomes are tabulated."""


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
    """Factor on what one click more is worth."""
    claimed: Floats
    """Factor on the goal units that platforms report."""
    charge: Floats
    """What a click more will cost later by what rivals learn of it, currency units."""

    @classmethod
    def none(cls, hours: Hours) -> Terms:
        """A market without memory."""
        zero, one = np.zeros(hours.price.shape), np.ones(hours.price.shape)
        return cls(zero, one, one, zero)


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
        self._first = np.flatnonzero(hours.first_price)
        self._shaded = _shading(hours.spread[:, self._first])
        self._outcomes = _outcomes(hours.spread)
        creative = (hours.appeal * hours.quality[:, None]).argmax(axis=2)
        self._appeal = np.take_along_axis(hours.appeal, creative[..., None], axis=2)
        self._value = hours.worth * np.take_along_axis(hours.quality, creative, axis=1)[..., None]
        days = hours.money.shape[1]
        self._cell = (np.arange(len(hours.day))[:, None] * days + hours.day).ravel()

    def best(self, terms: Terms, near: Floats | None = None) -> tuple[Plan, Floats]:
        """The best plan within money and target, and the price of money [R, D] at which it is best.

        ``near`` [R, D]: a price from which to search, as under terms that were much like these; None searches all.
        """
        hours = self.hours

        def over(price: Floats) -> NDArray[np.bool_]:
            return self.daily(self._plan(terms, price).cost * np.exp(terms.rivals)) > hours.money

        price = self._bracket(over, self._range(near, hours.money.shape))
        plan = self._between(terms, price)
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
        missed = self._missed(terms, plan)

        def over(floor: Floats) -> NDArray[np.bool_]:
            return self._missed(terms, self._plan(terms, np.maximum(price[1], floor)))

        target = np.where(np.isfinite(self.hours.target), self.hours.target, 1.0)[:, None]
        by_itself = np.log(1.0 / target)  # at this price every purchase meets the target by itself
        floor = self._bracket(over, np.stack([by_itself - _FLOORS, by_itself]))
        plans = [self._between(terms, np.maximum(price, each * missed)) for each in floor]
        above, below = (self._excess(terms, each)[:, None] for each in plans)
        part = np.clip(above / np.where(above > below, above - below, 1.0), 0.0, 1.0)
        return plans[0].mixed(plans[1], (part * missed)[..., None]), np.maximum(price[1], floor[1] * missed)

    def _excess(self, terms: Terms, plan: Plan) -> Floats:
        """[R] cost beyond what the target allows."""
        target = np.where(np.isfinite(self.hours.target), self.hours.target, 0.0)
        cost = (plan.cost * np.exp(terms.rivals)).sum(axis=(1, 2))
        return np.asarray(np.where(target > 0, cost - target * (plan.worth * terms.claimed).sum(axis=(1, 2)), -1.0))

    def _missed(self, terms: Terms, plan: Plan) -> NDArray[np.bool_]:
        return np.asarray(self._excess(terms, plan)[:, None] > 0)

    def _between(self, terms: Terms, price: Floats) -> Plan:
        """The mixture of the plans at two neighbouring prices [2, R, D] that spends the money, where it can."""
        dear, cheap = (self._plan(terms, each) for each in price)
        above, below = (self.daily(each.cost * np.exp(terms.rivals)) for each in (dear, cheap))
        money = self.hours.money
        part = np.where(above > money, (above - money) / np.where(above > below, above - below, 1.0), 0.0)
        return dear.mixed(cheap, self.by_hour(np.minimum(part, 1.0)))

    def _range(self, near: Floats | None, shape: tuple[int, ...]) -> Floats:
        """[2, R, D] logs of prices of money: next to nothing is bid at the upper one, all that may be at the lower."""
        if near is not None:
            return np.stack([np.log(near) - _NEAR, np.log(near) + _NEAR])
        best = self.hours.worth.max(axis=(1, 2)) * self.hours.quality.max(axis=1)
        ends = np.log(np.maximum(best, 1e-300) / self.hours.bounds[::-1]) + np.array([[-_BEYOND], [_BEYOND]])
        return np.broadcast_to(ends[..., None], (2, *shape))

    @staticmethod
    def _bracket(over: Callable[[Floats], NDArray[np.bool_]], ends: Floats) -> Floats:
        """[2, ...] neighbouring prices from the logs ``ends``: at the lower one the plan is ``over``, at the upper not.

        The lower one is 0 where nothing within the range is over.
        """
        low, high = ends
        steps = int(np.ceil(np.log2(np.max(high - low) / _PRECISION)))
        for _ in range(steps):
            middle = (low + high) / 2
            dear = over(np.exp(middle))
            low, high = np.where(dear, middle, low), np.where(dear, high, middle)
        return np.stack([np.where(low > ends[0], np.exp(low), 0.0), np.exp(high)])

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
        share, clicks, paid_second = np.moveaxis(_lookup(self._outcomes, log_bid), -1, 0)
        clicks = clicks * h.clicks * appeal
        bid = np.exp(log_bid) * price
        cost = np.where(h.first_price, bid * clicks, h.clicks * h.price * paid_second)
        pays = (value * clicks > cost * np.exp(terms.rivals)) & (appeal > 0)
        return Plan(bid * pays, h.auctions * share * pays, clicks * pays, cost * pays, clicks * worth * pays)

    def _shade(self, log_value: Floats) -> Floats:
        """[R, T, C] log of the best bid from that of a click's value, both over the median competing price."""
        log_bid = log_value.copy()
        log_bid[..., self._first] = _lookup(self._shaded, log_value[..., self._first])[..., 0]
        return log_bid


def _lookup(table: Floats, at: Floats) -> Floats:
    """[R, T, C, N] between the two nearest rows of ``table`` [R, C, G, N], which has the arguments of ``_TABLE``."""
    place = np.clip((at - _TABLE[0]) / (_TABLE[1] - _TABLE[0]), 0.0, len(_TABLE) - 1.001)
    left = place.astype(np.int64)
    rows, _, channels = np.ogrid[: at.shape[0], :1, : at.shape[2]]
    flat, index = table.reshape(-1, table.shape[-1]), (rows * at.shape[2] + channels) * len(_TABLE) + left
    low, high = flat.take(index, axis=0), flat.take(index + 1, axis=0)
    return np.asarray(low + (high - low) * (place - left)[..., None])


def _outcomes(spread: Floats) -> Floats:
    """[R, C, G, 3] share won, clicks and second-price cost at each bid of ``_TABLE``, as ``chances`` and ``paid``."""
    share, clicks = chances(_TABLE, spread[..., None])
    return np.stack([share, clicks, paid(_TABLE, spread[..., None])], axis=-1)


def _shading(spread: Floats) -> Floats:
    """[R, C, G, 1] log of the first-price bid of the largest (value - bid) * clicks at each value of ``_TABLE``.

    A bid b is best at the value b + N / N', with N(b) the clicks that it wins.
    """
    _, clicks = chances(_TABLE, spread[..., None])
    z = (_TABLE[:, None] + LOG_RATIO) / spread[..., None, None]
    slope = (np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) * BUCKET_VALUE).mean(axis=-1) / spread[..., None]
    log_value = _TABLE + np.log1p(clicks / slope)
    flat = [np.interp(_TABLE, each, _TABLE) for each in log_value.reshape(-1, len(_TABLE))]
    return np.array(flat).reshape(*log_value.shape, 1)
