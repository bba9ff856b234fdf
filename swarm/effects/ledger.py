"""The ledger: what is in force on the platforms, and what could be spent because of it.

Integers throughout; a worst case is rounded up.

Letters: R campaigns, C channels, K creatives, n writes.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swarm.effects.proposals import Field
from swarm.platforms.protocol import Channel, Effects, Spending

Ints = NDArray[np.int64]
Index = NDArray[np.integer[Any]]


@dataclass
class Ledger:
    """Settings in force, the day's highest budgets, and reported spending; micros."""

    budget: Ints
    """[R, C] a day."""
    bid: Ints
    """[R, C] a click."""
    status: Ints
    """[R, C] 1 delivers."""
    weight: Ints
    """[R, C, K] parts per million."""
    highest: Ints
    """[R, C] highest budget in force at any time today."""
    midnight: Ints
    """[R, C] budget in force when the local day began, or the first one set in it."""
    today: Ints
    """[R, C] reported spend."""
    month: Ints
    """[R] reported spend, today included."""
    lifetime: Ints
    """[R] reported spend, today included."""

    @classmethod
    def empty(cls, rows: int, channels: int, creatives: int) -> Ledger:
        """Nothing in force."""
        plane = [np.zeros((rows, channels), dtype=np.int64) for _ in range(6)]
        weight = np.zeros((rows, channels, creatives), dtype=np.int64)
        row = [np.zeros(rows, dtype=np.int64) for _ in range(2)]
        budget, bid, status, highest, midnight, today = plane
        return cls(budget, bid, status, weight, highest, midnight, today, *row)

    def copy(self) -> Ledger:
        """The same, for itself."""
        return Ledger(**{f.name: getattr(self, f.name).copy() for f in fields(self)})

    def grow(self, rows: int, creatives: int) -> None:
        """Room for more campaigns; those that are there keep their place."""
        channels = self.budget.shape[1]
        wide = Ledger.empty(rows, channels, creatives)
        for f in fields(self):
            old, new = getattr(self, f.name), getattr(wide, f.name)
            new[tuple(slice(size) for size in old.shape)] = old
            setattr(self, f.name, new)

    def knows(self, field: Index, campaign: Index, channel: Index, creative: Index) -> NDArray[np.bool_]:
        """[n] whether there is such a setting; a negative index would otherwise reach another campaign's."""
        rows, channels, creatives = self.weight.shape
        slot = np.where(field == Field.WEIGHT, (creative >= 0) & (creative < creatives), creative == -1)
        place = (campaign >= 0) & (campaign < rows) & (channel >= 0) & (channel < channels)
        return np.asarray(place & slot & (field >= 0) & (field < len(Field)))

    def value(self, field: Index, campaign: Index, channel: Index, creative: Index) -> Ints:
        """[n] values in force."""
        by_field = [plane[campaign, channel] for plane in (self.budget, self.bid)]
        weight = self.weight[campaign, channel, np.maximum(creative, 0)]
        return np.asarray(np.choose(field, [*by_field, weight, self.status[campaign, channel]]), dtype=np.int64)

    def commit(self, effects: Effects) -> None:
        """Take ``effects`` as in force."""
        for field, plane in ((Field.BUDGET, self.budget), (Field.BID, self.bid), (Field.STATUS, self.status)):
            at = effects.field == field
            plane[effects.campaign[at], effects.channel[at]] = effects.value[at]
        at = effects.field == Field.WEIGHT
        self.weight[effects.campaign[at], effects.channel[at], effects.creative[at]] = effects.value[at]
        self.midnight = np.where(self.midnight == 0, self.budget, self.midnight)
        self.highest = np.maximum(self.highest, self.budget)

    def roll_day(self, rows: NDArray[np.bool_]) -> None:
        """A local day begins for ``rows`` [R]: yesterday's highest budgets and spend no longer count."""
        at = rows[:, None]
        self.highest = np.where(at, self.budget, self.highest)
        self.midnight = np.where(at, self.budget, self.midnight)
        self.today = np.where(at, 0, self.today)

    def report(self, spending: Spending) -> None:
        """What the platforms say was spent."""
        self.today, self.month, self.lifetime = spending.today, spending.month, spending.lifetime


@dataclass(frozen=True, slots=True)
class OverDelivery:
    """Each channel's day factor as an exact fraction."""

    numerator: Ints
    denominator: Ints

    @classmethod
    def of(cls, channels: tuple[Channel, ...]) -> OverDelivery:
        """The factors of ``channels``."""
        pairs = np.array([channel.over_delivery for channel in channels], dtype=np.int64)
        return cls(pairs[:, 0], pairs[:, 1])

    def at(self, channel: Index) -> OverDelivery:
        """The factors [n] of ``channel`` [n]."""
        return OverDelivery(self.numerator[channel], self.denominator[channel])

    def worst(self, budget: Ints) -> Ints:
        """[..., C] most that a day could cost under ``budget`` [..., C], rounded up."""
        return -((-budget * self.numerator) // self.denominator)


def exposure_today(ledger: Ledger, factor: OverDelivery) -> Ints:
    """[R, C] most that today could cost: what is spent, or the worst case of today's highest budget."""
    return np.maximum(ledger.today, factor.worst(ledger.highest))


def exposure_tomorrow(ledger: Ledger, factor: OverDelivery) -> Ints:
    """[R, C] most that a day would cost if nobody ever wrote again."""
    return factor.worst(ledger.budget)
