"""Bidding rivals: what each channel's money buys is left to them, hour by hour.

Each is the textbook's form, with the swarm's estimates of what a click is worth.

Letters: R campaigns, C channels.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from benchmarks.decisions.desk import Desk
from policies import planning
from policies.frames import Floats, Report

DAY_H = 24.0


class Bidder(Protocol):
    """Spends a given split."""

    def bids(self, desk: Desk, money: Floats) -> Floats:
        """[R, C] bids for a click that spend ``money`` [R, C] of today; currency units."""


class Fixed:
    """The opening bid for ever."""

    def bids(self, desk: Desk, money: Floats) -> Floats:
        """The middle of the bounds."""
        return np.repeat(planning.opening_bid(desk.portfolio)[:, None], money.shape[1], axis=1)


def _worth(desk: Desk) -> Floats:
    """[R] currency units of a goal unit: the target, or what the opening bid implies."""
    known = desk.portfolio
    implied = planning.opening_bid(known) / np.maximum(desk.click_value.mean(axis=1), 1e-12)
    return np.where(np.isfinite(known.target_cost), known.target_cost, implied)


def _hourly_spend(desk: Desk) -> Floats:
    """[R, C] of the newest reported hour; NaN where there is none, or where there was no money left to pace.

    The literature's flights end when their money does; a rule that went on would take a day's silent rest for a bid
    too low.
    """
    rows = len(desk.clock.money)
    columns = [np.full(rows, np.nan) if each is None else _paced(each) for each in desk.reports]
    return np.stack(columns, axis=1)


def _paced(report: Report) -> Floats:
    """[R] what a channel's hour cost; NaN where it was paused, or cut short by the budget."""
    ran = (report.bid > 0) & ~report.limited
    return np.where(ran, report.cost.sum(axis=2), np.nan)[:, 0]


class Pid:
    """PID control of spend against a plan that follows usual traffic (Zhang et al., "Feedback Control of Real-Time
    Display Advertising", WSDM 2016)."""

    def __init__(self, gains: tuple[float, float, float] = (0.3, 0.05, 0.05)) -> None:
        self._gains = gains
        self._sum, self._last, self._base, self._day = np.zeros(1), np.zeros(1), np.zeros(0), np.zeros(0)

    def bids(self, desk: Desk, money: Floats) -> Floats:
        """Bids at value times a level that the controller moves."""
        left = desk.clock.traffic_left[:, None] + desk.clock.traffic_unseen
        if self._base.size == 0:
            self._base, self._day = _worth(desk)[:, None], left
            self._sum, self._last = np.zeros((2, *money.shape))
        self._day = np.where(desk.clock.new_day[:, None], left, self._day)
        planned = money * np.clip(1.0 - left / np.maximum(self._day, 1e-9), 0.0, 1.0)
        error = np.clip((planned - desk.spent) / np.maximum(money / DAY_H, 1e-12), -5.0, 5.0)
        self._sum = np.clip(self._sum + error, -40.0, 40.0)
        p, i, d = self._gains
        control = np.clip(p * error + i * self._sum + d * (error - self._last), -3.0, 3.0)
        self._last = error
        return np.asarray(self._base * desk.click_value * np.exp(control))


class AdaptivePacing:
    """One multiplier a channel, moved against the gap between spend and an even plan (Balseiro and Gur, Management
    Science 2019).

    The step is the best of those tried on seeds for tuning: the theory's, one over the root of a flight's hours, is
    eight points of value behind where flights begin this far from their price.
    """

    def __init__(self, step: float = 0.5) -> None:
        self._step, self._multiplier, self._worth = step, np.zeros(0), np.zeros(0)

    def bids(self, desk: Desk, money: Floats) -> Floats:
        """Value over one plus the multiplier."""
        if self._multiplier.size == 0:
            self._multiplier, self._worth = np.ones(money.shape), 2.0 * _worth(desk)[:, None]
        gap = np.nan_to_num(1.0 - _hourly_spend(desk) / np.maximum(money / DAY_H, 1e-12))
        self._multiplier = np.maximum(self._multiplier - self._step * np.clip(gap, -5.0, 1.0), 0.0)
        return np.asarray(self._worth * desk.click_value / (1.0 + self._multiplier))


class MirrorDescent:
    """Plain dual mirror descent with the entropy, one price for all of a campaign's money (Balseiro, Lu and Mirrokni,
    Operations Research 2023)."""

    def __init__(self, step: float = 0.2) -> None:
        self._step, self._price = step, np.zeros(0)

    def bids(self, desk: Desk, money: Floats) -> Floats:
        """Value over price."""
        if self._price.size == 0:
            self._price = 1.0 / _worth(desk)
        spend = _hourly_spend(desk)
        even = np.where(np.isfinite(spend), money, 0.0).sum(axis=1) / DAY_H
        gap = 1.0 - np.nansum(spend, axis=1) / np.maximum(even, 1e-12)
        self._price = self._price * np.exp(-self._step * np.where(even > 0, np.clip(gap, -3.0, 1.0), 0.0))
        return np.asarray(desk.click_value / self._price[:, None])


class AuctionPacer:
    """The contest's pacer with a cost cap: one level, moved by exp(0.25 (aim - last) / aim) within 0.7 and 1.15, capped
    at 1.25, 1 or 0.8 times the target as the cost so far is below 95 %, below 100 % or above it."""

    def __init__(self) -> None:
        self._level = np.zeros(0)

    def bids(self, desk: Desk, money: Floats) -> Floats:
        """Level times value."""
        if self._level.size == 0:
            self._level = _worth(desk)
        spend = _hourly_spend(desk)
        left = np.maximum(money.sum(axis=1) - desk.spent.sum(axis=1), 0.0)
        hours = np.maximum(DAY_H - desk.moment.hour % DAY_H, 1.0)
        aim = np.maximum(left / hours, 1e-9)
        moved = np.clip(np.exp(np.clip(0.25 * (aim - np.nan_to_num(spend).sum(axis=1)) / aim, -5.0, 5.0)), 0.7, 1.15)
        level = self._level * np.where(np.isfinite(spend).any(axis=1), moved, 1.0)
        self._level = np.minimum(level, self._cap(desk))
        return np.asarray(self._level[:, None] * desk.click_value)

    @staticmethod
    def _cap(desk: Desk) -> Floats:
        known, clicks = desk.portfolio, desk.evidence.totals[..., 0]
        value = (clicks.sum(axis=2) * desk.click_value).sum(axis=1)
        has = np.isfinite(known.target_cost)
        target = np.where(has, known.target_cost, 1.0)
        ratio = desk.evidence.cost.sum(axis=1) / np.maximum(value * target, 1e-9)
        return np.where(has, np.select([ratio < 0.95, ratio < 1.0], [1.25, 1.0], 0.8) * target, np.inf)


class ReplayPacer:
    """The replay contest's pacer: bid = value / L, and L rises by 0.02 (paid - what may be paid) / mean price."""

    def __init__(self) -> None:
        self._price = np.zeros(0)

    def bids(self, desk: Desk, money: Floats) -> Floats:
        """Value over price, a price for each channel."""
        if self._price.size == 0:
            self._price = np.repeat(1.0 / _worth(desk)[:, None], money.shape[1], axis=1)
        hours = np.maximum(DAY_H - desk.moment.hour % DAY_H, 1.0)[:, None]
        may = np.maximum(money - desk.spent, 0.0) / hours
        paid = _hourly_spend(desk)
        excess = np.clip(np.nan_to_num((paid - may) / np.maximum(money / DAY_H, 1e-12)), -3.0, 3.0)
        self._price = self._price * (1.0 + 0.02 * excess)
        return np.asarray(desk.click_value / self._price)
