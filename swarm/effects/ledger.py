"""The ledger: what is in force on the platforms, and what could be spent because of it.

Integers throughout; a worst case is rounded up.

Letters: R campaigns, C channels, K creatives, n writes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swarm.effects.proposals import Field
from swarm.platforms.calendar import Began
from swarm.platforms.protocol import Channel, Effects, Spending

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Index = NDArray[np.integer[Any]]
NEVER = -(2**40)
"""A market hour before every other."""


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
    reserved: Ints
    """[R, C] the budget in force, or a higher one that was asked for and of which nobody knows yet."""
    eve: Ints
    """[R, C] highest budget of the local day before."""
    as_of: Ints
    """[R, C] newest market hour whose spend is reported, -1 for none."""
    raised: Ints
    """[R, C] market hour of the last raise of the budget, ``NEVER`` before the first."""
    touched: Bools
    """[R, C] whether the budget was changed on this local day."""
    learning: Bools
    """[R, C] whether the platform says that it is learning."""

    @classmethod
    def empty(cls, rows: int, channels: int, creatives: int) -> Ledger:
        """Nothing in force."""
        budget, bid, status, highest, midnight, today, reserved, eve = np.zeros((8, rows, channels), dtype=np.int64)
        month, lifetime = np.zeros((2, rows), dtype=np.int64)
        touched, learning = np.zeros((2, rows, channels), dtype=np.bool_)
        weight = np.zeros((rows, channels, creatives), dtype=np.int64)
        as_of, raised = (np.full((rows, channels), value, dtype=np.int64) for value in (-1, NEVER))
        return cls(
            budget, bid, status, weight, highest, midnight, today, month, lifetime, reserved, eve, as_of, raised,
            touched, learning,
        )  # fmt: skip

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

    def reserve(self, effects: Effects) -> None:
        """Count raised budgets from now on: they may come into force, whatever is heard of them."""
        at = effects.field == Field.BUDGET
        place = effects.campaign[at], effects.channel[at]
        self.reserved[place] = np.maximum(self.reserved[place], effects.value[at])

    def commit(self, effects: Effects, tick: int) -> None:
        """Take ``effects`` as in force since hour ``tick``."""
        at = effects.field == Field.BUDGET
        place = effects.campaign[at], effects.channel[at]
        self.raised[place] = np.where(effects.value[at] > self.budget[place], tick, self.raised[place])
        self.touched[place] |= effects.value[at] != self.budget[place]
        for field, plane in ((Field.BUDGET, self.budget), (Field.BID, self.bid), (Field.STATUS, self.status)):
            at = effects.field == field
            plane[effects.campaign[at], effects.channel[at]] = effects.value[at]
        at = effects.field == Field.WEIGHT
        self.weight[effects.campaign[at], effects.channel[at], effects.creative[at]] = effects.value[at]
        self.reserved[place] = self.budget[place]
        self.midnight = np.where(self.midnight == 0, self.budget, self.midnight)
        self.highest = np.maximum(self.highest, self.budget)

    def edited(self, effects: Effects, tick: int) -> None:
        """Others have set this: it is in force, and every budget's cooldown begins anew."""
        self.commit(effects, tick)
        at = effects.field == Field.BUDGET
        self.raised[effects.campaign[at], effects.channel[at]] = tick

    def roll_day(self, rows: Bools) -> None:
        """A local day begins for ``rows`` [R]: yesterday's highest budgets and spend no longer count for today."""
        at = rows[:, None]
        self.eve = np.where(at, self.highest, self.eve)
        self.highest = np.where(at, self.budget, self.highest)
        self.midnight = np.where(at, self.budget, self.midnight)
        self.today = np.where(at, 0, self.today)
        self.touched &= ~at

    def report(self, spending: Spending) -> None:
        """What the platforms say was spent."""
        self.today, self.month, self.lifetime = spending.today, spending.month, spending.lifetime
        self.as_of = spending.as_of


def restore_budgets(ledger: Ledger, writes: Iterable[tuple[int, int, int, int, int, bool]], began: Began) -> None:
    """What ``ledger``, which knows what is in force, would have kept of the budgets' ``writes``, oldest first.

    A write: market hour, campaign, channel, value before, value read back, whether others made it.
    """
    ledger.reserved, ledger.highest = ledger.budget.copy(), ledger.budget.copy()
    ledger.midnight, ledger.eve = ledger.budget.copy(), ledger.budget.copy()
    today, yesterday = dict[tuple[int, int], list[int]](), dict[tuple[int, int], list[int]]()
    for tick, campaign, channel, old, value, foreign in writes:
        place = campaign, channel
        if tick >= began.day[campaign]:
            today.setdefault(place, [old]).append(value)
        elif tick >= began.eve[campaign]:
            yesterday.setdefault(place, [old]).append(value)
        ledger.raised[place] = tick if foreign or value > old else ledger.raised[place]
        ledger.touched[place] |= value != old and tick >= began.day[campaign]
    for place, values in today.items():
        ledger.highest[place] = max(values)
        ledger.midnight[place] = next((value for value in values if value), 0)
        ledger.eve[place] = values[0]
    for place, values in yesterday.items():
        ledger.eve[place] = max(values)


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
    return np.maximum(ledger.today, factor.worst(np.maximum(ledger.highest, ledger.reserved)))


def unreported(ledger: Ledger, factor: OverDelivery, day_began: Ints) -> Ints:
    """[R, C] most that yesterday could still add to what is reported of month and lifetime.

    ``day_began`` [R]: first market hour of the local day. Until a platform has reported the whole of yesterday, nobody
    knows how much of its worst case is in the sums already, so that all of it counts once more.
    """
    return np.where(ledger.as_of < day_began[:, None] - 1, factor.worst(ledger.eve), 0)
