"""Channels whose true responses are known, for allocators to be judged on: seeds are rows of the same arrays.

A seed draws 2 to 12 channels, each of which answers by a power law, a Hill curve or an exponential saturation. Spend
deviates from the budget that was set, outcomes are counts. A scenario adds what it is named for.

Letters: S seeds, C channels (closed ones at the end), T days, G nodes of spend.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from policies.concave import allocate
from policies.frames import Bools, Floats, Ints
from policies.tabulated import Tabulated

CHANNELS = 12
_NODES = np.geomspace(1e-6, 2.0 * CHANNELS, 400)


@dataclass(frozen=True, slots=True)
class Scenario:
    """What a world has beyond channels that stay as they are."""

    outcomes: float
    """Expected a day, at the optimum."""
    drift: float = 0.0
    """Deviation of a channel's daily step, in logs."""
    jump: float = 0.0
    """Deviation of the one change, in logs, of four channels in ten."""
    season: float = 0.0
    """Deviation of the weekdays, common to all channels, in logs."""
    delayed: bool = False
    """Outcomes are reported 2 to 5 days later in the mean."""
    zeros: bool = False
    """On 30 to 70 % of the days a channel has no outcome at all; more on the others."""


SCENARIOS = {
    "stationary_3": Scenario(3.0),
    "stationary_10": Scenario(10.0),
    "stationary_30": Scenario(30.0),
    "stationary_100": Scenario(100.0),
    "seasonal": Scenario(10.0, season=0.3),
    "drift": Scenario(10.0, drift=0.05),
    "change_point": Scenario(10.0, jump=0.8),
    "delayed": Scenario(10.0, delayed=True),
    "zero_inflated": Scenario(10.0, zeros=True),
}


@dataclass(frozen=True, slots=True)
class World:
    """The truth of S seeds."""

    open: Bools
    """[S, C]"""
    total: Floats
    """[S] money a day."""
    family: Ints
    """[S, C] power law, Hill, exponential saturation."""
    bend: Floats
    """[S, C] exponent of a power law or a Hill curve."""
    middle: Floats
    """[S, C] spend, in equal shares, where a curve begins to saturate."""
    level: Floats
    """[T, S, C] outcomes a day at the equal split."""
    report: Floats
    """[S] chance that an outcome is reported on a day, once it is there."""
    empty: Floats
    """[S] chance of a day without outcomes."""
    deviation: Floats
    """[S] of the log of spend from the budget set."""

    @property
    def share(self) -> Floats:
        """[S, 1] money of a channel under the equal split."""
        return np.asarray(self.total[:, None] / self.open.sum(axis=1, keepdims=True))

    def value(self, spend: Floats, day: int) -> Floats:
        """[S, C] expected outcomes of a split [S, C]."""
        return np.where(self.open, self.level[day] * self._response(spend / self.share) / self._response(1.0), 0.0)

    def best(self, day: int) -> Floats:
        """[S, C] the split of most expected outcomes: marginal returns tabulated finely, then solved."""
        slope = self.level[day][..., None] * self._slopes() / (self._response(1.0) * self.share)[..., None]
        curves = Tabulated(np.log(self.share * _NODES), np.log(np.maximum(slope, 1e-300)))
        return allocate(curves, self.total, np.zeros(self.open.shape), self.total[:, None] * self.open)

    def _response(self, equal_shares: Floats | float) -> Floats:
        ratio = np.asarray(equal_shares / self.middle)
        hill = ratio**self.bend
        return np.asarray(np.choose(self.family, [hill, hill / (1.0 + hill), -np.expm1(-ratio)]))

    def _slopes(self) -> Floats:
        """[S, C, G] marginal responses at the nodes, with a last factor that keeps what underflows falling."""
        bend, middle = self.bend[..., None], self.middle[..., None]
        ratio = _NODES / middle
        power = bend * ratio ** (bend - 1.0)
        families = [power, power / (1.0 + ratio**bend) ** 2, np.exp(-ratio)]
        return np.asarray(np.choose(self.family[..., None], families) / middle * _NODES**-1e-6)


def draw(scenario: Scenario, seeds: Sequence[int], days: int) -> World:
    """The worlds of ``seeds``, scaled so that the optimum has the scenario's outcomes a day in the mean."""
    worlds = [_one(scenario, np.random.default_rng([seed, 5]), days) for seed in seeds]
    world = World(*(np.stack(parts, axis=max(parts[0].ndim - 1, 0)) for parts in zip(*worlds, strict=True)))
    best = np.array([world.value(world.best(day), day).sum(axis=1) for day in range(days)]).mean(axis=0)
    world.level[:] *= (scenario.outcomes / best)[:, None]
    return world


def _one(scenario: Scenario, rng: np.random.Generator, days: int) -> tuple[Floats, ...]:
    open_ = np.arange(CHANNELS) < rng.integers(2, CHANNELS + 1)
    total = np.exp(rng.normal(7.0, 2.0))
    family, bend = rng.integers(3, size=CHANNELS), rng.uniform(0.3, 0.9, CHANNELS)
    bend = np.where(family == 1, 0.5 + bend / 2, bend)
    middle, base = np.exp(rng.normal(0.0, 0.8, CHANNELS)), rng.normal(0.0, 0.6, CHANNELS)
    drift = scenario.drift * rng.normal(size=(days, CHANNELS)).cumsum(axis=0)
    jump = scenario.jump * rng.normal(size=CHANNELS) * (rng.random(CHANNELS) < 0.4)
    after = np.arange(days)[:, None] >= rng.integers(days // 4, days // 2)
    weekdays = scenario.season * rng.normal(size=7)
    level = np.exp(base + drift + jump * after + weekdays[np.arange(days) % 7, None])
    report = 1.0 / (1.0 + rng.uniform(2.0, 5.0)) if scenario.delayed else 1.0
    empty = rng.uniform(0.3, 0.7) if scenario.zeros else 0.0
    scalars = (np.array(value) for value in (report, empty, rng.uniform(0.02, 0.15)))
    return (open_, np.array(total), family, bend, middle, level, *scalars)


class Reports:
    """What the channels report, day by day."""

    def __init__(self, world: World, rng: np.random.Generator) -> None:
        self._world, self._rng = world, rng
        self._due = np.zeros(world.open.shape, dtype=np.int64)

    def of(self, budget: Floats, day: int) -> tuple[Floats, Floats]:
        """Spend and outcomes reported [S, C] of a day's budgets."""
        world, rng = self._world, self._rng
        spend = budget * np.exp(world.deviation[:, None] * rng.normal(size=budget.shape))
        mean = world.value(spend, day) / (1.0 - world.empty[:, None])
        self._due += rng.poisson(mean) * (rng.random(budget.shape) >= world.empty[:, None])
        reported = rng.binomial(self._due, world.report[:, None])
        self._due -= reported
        return spend, reported.astype(np.float64)


def hindsight(world: World) -> Floats:
    """[S] most expected outcomes of all days."""
    return np.asarray(sum(world.value(world.best(day), day).sum(axis=1) for day in range(len(world.level))))
