"""Money over concave curves: equal marginal returns, with a certificate.

``Curves`` are the planner's: each channel's response is a power law through its operating point, value = a * spend**g.
Its exponent is not fitted to noisy conversions: marginal over average return equals average over marginal cost of a
click, which prices alone tell.

Letters: R campaigns, C channels. Money in any unit; scaling it scales the answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from policies.frames import Bools, Floats

_LOW, _HIGH = 0.05, 0.95
_ROUNDS = 100


class Concave(Protocol):
    """What a channel's money returns, less and less for each unit more."""

    @property
    def open(self) -> Bools:
        """[R, C] channels that return anything."""

    def value(self, spend: Floats) -> Floats:
        """[R] value of a split [R, C]."""

    def marginal(self, spend: Floats) -> Floats:
        """[R, C] value of the next unit of money."""

    def spend_at(self, price: Floats) -> Floats:
        """[R, C] spend at which the marginal return equals ``price`` [R]."""


@dataclass(frozen=True, slots=True)
class Curves:
    """value = scale * spend**exponent; scale 0 closes a channel."""

    scale: Floats
    """[R, C]"""
    exponent: Floats
    """[R, C] within [0.05, 0.95]."""

    @classmethod
    def through(cls, spend: Floats, value: Floats, exponent: Floats) -> Curves:
        """The curves through the points (``spend``, ``value``) [R, C]; no spend or value closes the channel."""
        exponent = np.clip(exponent, _LOW, _HIGH)
        open_ = (spend > 0) & (value > 0)
        return cls(np.where(open_, value / np.where(open_, spend, 1.0) ** exponent, 0.0), exponent)

    @property
    def open(self) -> Bools:
        """[R, C]"""
        return self.scale > 0

    def value(self, spend: Floats) -> Floats:
        """[R] value of a split [R, C]."""
        return np.asarray((self.scale * np.maximum(spend, 0.0) ** self.exponent).sum(axis=1))

    def marginal(self, spend: Floats) -> Floats:
        """[R, C] value of the next unit of money."""
        with np.errstate(divide="ignore", invalid="ignore"):
            slope = self.scale * self.exponent * np.maximum(spend, 0.0) ** (self.exponent - 1.0)
        return np.where(self.scale > 0, slope, 0.0)

    def spend_at(self, price: Floats) -> Floats:
        """[R, C] spend at which the marginal return equals ``price`` [R]."""
        with np.errstate(divide="ignore", over="ignore"):
            spend = (self.scale * self.exponent / price[:, None]) ** (1.0 / (1.0 - self.exponent))
        return np.where(self.scale > 0, spend, 0.0)


@dataclass(frozen=True, slots=True)
class Certificate:
    """Why a split is the best one on its own model."""

    price: Floats
    """[R] the marginal return shared by all channels off their bounds."""
    marginal: Floats
    """[R, C]"""
    at_minimum: Bools
    """[R, C] true where the lower bound binds."""
    at_maximum: Bools
    """[R, C] true where the upper bound binds."""
    gain_over_equal: Floats
    """[R] value above that of the equal split over open channels."""
    gain_over_current: Floats
    """[R] value above that of the split before."""


def allocate(curves: Concave, total: Floats, low: Floats, high: Floats) -> Floats:
    """[R, C] the split of ``total`` [R] with equal marginal returns within ``low`` and ``high`` [R, C].

    Raises:
        ValueError: where the bounds leave no split, naming the campaign's row and the sums.
    """
    _check(total, low, high)
    floor, ceiling = np.full(len(total), -700.0), np.full(len(total), 700.0)
    for _ in range(_ROUNDS):
        middle = (floor + ceiling) / 2
        above = np.clip(curves.spend_at(np.exp(middle)), low, high).sum(axis=1) > total
        floor, ceiling = np.where(above, middle, floor), np.where(above, ceiling, middle)
    split = np.clip(curves.spend_at(np.exp(ceiling)), low, high)
    return _exact(split, total, low, high)


def _check(total: Floats, low: Floats, high: Floats) -> None:
    bad = (low.sum(axis=1) > total * (1 + 1e-12)) | (high.sum(axis=1) < total * (1 - 1e-12)) | (low > high).any(axis=1)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        sums = f"{low[row].sum():g} to {high[row].sum():g}"
        raise ValueError(f"no split of {total[row]:g} in row {row}: the bounds allow {sums}")


def _exact(split: Floats, total: Floats, low: Floats, high: Floats) -> Floats:
    """What rounding or closed channels leave over goes where the bounds have room."""
    rest = total - split.sum(axis=1)
    room = np.where((rest > 0)[:, None], high - split, split - low)
    room = np.minimum(room, 1e300)
    share = room / np.maximum(room.sum(axis=1, keepdims=True), 1e-300)
    return np.asarray(np.clip(split + rest[:, None] * share, low, high))


def certificate(curves: Concave, split: Floats, current: Floats, low: Floats, high: Floats) -> Certificate:
    """What can be said of ``split``; both other splits are brought to its total first."""
    total = split.sum(axis=1, keepdims=True)
    open_ = curves.open
    equal = total * open_ / np.maximum(open_.sum(axis=1, keepdims=True), 1)
    before = total * current / np.maximum(current.sum(axis=1, keepdims=True), 1e-300)
    marginal = curves.marginal(split)
    at_low, at_high = split <= low * (1 + 1e-9), split >= high * (1 - 1e-9)
    free = open_ & ~at_low & ~at_high
    price = np.where(free, marginal, 0.0).max(axis=1)
    value = curves.value(split)
    return Certificate(price, marginal, at_low, at_high, value - curves.value(equal), value - curves.value(before))
