"""Several policies on one scenario at once: each plays on rows of its own, a copy of the scenario's.

An hour of numpy costs about as much for thirty rows as for three hundred. The copies are different accounts with the
same luck, so that a policy does what it would do by itself, to the micro.

Letters: R campaigns of one copy, P policies.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from benchmarks.decisions.desk import Desk, Played, Policy, play
from policies.frames import Floats, Portfolio
from policies.specialist import Wanted
from swarm.platforms.calendar import Calendar, Moment
from swarm.platforms.dynamics import Dynamics
from swarm.platforms.scenarios import Setup
from swarm.platforms.world import Conditions, World

Frame = TypeVar("Frame")


def play_beside(setup: Setup, policies: Sequence[Policy], *, seed: int = 0) -> tuple[list[Played], Floats]:
    """What ``play`` says of each of ``policies``, and the seconds [P] of each: its own and its part of the market's."""
    table = _Table(setup, policies, [np.random.default_rng(seed) for _ in policies])
    began = time.process_time()
    all_ = play(_copies(setup, len(policies)), table, seed=seed)
    market = time.process_time() - began - table.seconds.sum()
    found = [Played(*(getattr(all_, f.name)[rows] for f in fields(Played))) for rows in table.rows]
    return found, table.seconds + market / len(policies)


@dataclass
class _Table:
    """Policies that see and set nothing but their own rows."""

    setup: Setup
    policies: Sequence[Policy]
    rngs: Sequence[np.random.Generator]
    seconds: Floats = field(init=False)

    def __post_init__(self) -> None:
        self.seconds = np.zeros(len(self.policies))

    @property
    def rows(self) -> list[slice]:
        """Of each policy."""
        count = len(self.setup.seed)
        return [slice(i * count, (i + 1) * count) for i in range(len(self.policies))]

    def decide(self, desk: Desk) -> Wanted:
        """Everybody's settings, one below the other."""
        wanted = []
        for i, (policy, rows) in enumerate(zip(self.policies, self.rows, strict=True)):
            began = time.process_time()
            wanted.append(policy.decide(self._own(desk, rows, self.rngs[i])))
            self.seconds[i] += time.process_time() - began
        parts = ([getattr(each, f.name) for each in wanted] for f in fields(Wanted))
        return Wanted(*(np.concatenate(part) for part in parts))

    def _own(self, desk: Desk, rows: slice, rng: np.random.Generator) -> Desk:
        return _Own(
            portfolio=self.setup.portfolio,
            moment=_rows(desk.moment, rows),
            clock=_rows(desk.clock, rows),
            evidence=_rows(desk.evidence, rows),
            reports=tuple(None if report is None else _rows(report, rows) for report in desk.reports),
            highest=desk.highest[rows],
            cells=desk.cells[rows],
            rng=rng,
            whole=desk,
            rows=rows,
        )


@dataclass
class _Own(Desk):
    """What one policy can know: its rows of the ``whole``."""

    whole: Desk
    rows: slice

    @cached_property
    def click_value(self) -> Floats:
        """As ``Desk`` has it, for all policies at once."""
        return self.whole.click_value[self.rows]


def _rows(frame: Frame, rows: slice) -> Frame:
    """Some campaigns of a frame in which everything but the tick begins with them."""
    parts = {f.name: getattr(frame, f.name) for f in fields(frame)}  # type: ignore[arg-type]
    return type(frame)(**{name: part if name == "tick" else part[rows] for name, part in parts.items()})


def _copies(setup: Setup, count: int) -> Setup:
    """``setup`` so many times, one below the other."""
    world = _Copies(**_repeated(setup.world, count, but=("channels", "hazards", "lag_h", "dynamics", "listings")))
    return replace(
        setup,
        world=replace(
            world,
            lag_h=np.tile(setup.world.lag_h, (1, count, 1)),
            dynamics=_climates(setup.world.dynamics, count),
            listings=setup.world.listings * count,
            one=setup.world,
        ),
        calendar=Calendar(setup.calendar.first, [each.zone for each in setup.world.listings] * count),
        budgets=_tiled(setup.budgets, count),
        portfolio=_accounts(setup.portfolio, count),
        seed=_tiled(setup.seed, count),
    )


def _tiled(array: Any, count: int) -> Any:
    return None if array is None else np.tile(array, (count, *[1] * (array.ndim - 1)))


def _repeated(frame: object, count: int, *, but: Sequence[str] = ()) -> dict[str, Any]:
    """The fields of ``frame``, the rows of each so many times; ``but`` these."""
    parts = {f.name: getattr(frame, f.name) for f in fields(frame)}  # type: ignore[arg-type]
    return {name: part if name in but else _tiled(part, count) for name, part in parts.items()}


def _climates(dynamics: Dynamics, count: int) -> Dynamics:
    parts = (getattr(dynamics, f.name) for f in fields(dynamics))
    return Dynamics(*(type(part)(**_repeated(part, count)) for part in parts))


def _accounts(portfolio: Portfolio, count: int) -> Portfolio:
    """Nobody learns from another copy."""
    told = Portfolio(**_repeated(portfolio, count, but=("over_delivery", "first_price", "significant_edit", "lag_h")))
    assert portfolio.account is not None
    first = np.arange(count) * (portfolio.account.max(initial=0) + 1)
    return replace(told, account=np.tile(portfolio.account, count) + np.repeat(first, len(portfolio.account)))


@dataclass(frozen=True)
class _Copies(World):
    """A world so many times: the hours of one, and the streams of each seed anew for each copy."""

    one: World | None = None

    def conditions(self, moment: Moment) -> Conditions:
        assert self.one is not None
        now = self.one.conditions(_rows(moment, slice(self.one.shape[0])))
        return Conditions(**_repeated(now, len(self.listings) // self.one.shape[0]))

    @cached_property
    def _seeds(self) -> list[tuple[int, int]]:
        assert self.one is not None
        return self.one.seeds() * (len(self.listings) // self.one.shape[0])
