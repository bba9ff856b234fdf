"""A platform specialist as an actor. It imports no torch, so it starts fast and stays small."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import ray

from policies.clock import Traffic
from policies.evidence import Memory
from policies.frames import Evidence, Floats, Plan, Portfolio, Report
from swarm.actors.bounded import bounded
from swarm.actors.calls import Caller
from swarm.actors.scenario import Scenario
from swarm.agent import Agent, InForce, Steps
from swarm.effects.lease import Lease
from swarm.effects.proposals import Proposals
from swarm.observe.logging import bind_tick, configure_logging
from swarm.platforms.calendar import Calendar
from swarm.platforms.traffic import HOUR_OF_WEEK


@dataclass(frozen=True, slots=True)
class Shard:
    """The campaigns that an agent looks after, on its own channels."""

    portfolio: Portfolio
    calendar: Calendar
    steps: Steps


@dataclass(frozen=True, slots=True)
class Outcomes:
    """One reported hour, summed over creatives."""

    tick: int
    spend: Floats
    """[R, C] currency units."""
    clicks: Floats
    conversions: Floats

    @classmethod
    def of(cls, report: Report) -> Outcomes:
        """The sums of ``report``."""
        return cls(report.tick, report.cost.sum(axis=2), report.clicks.sum(axis=2), report.conversions.sum(axis=2))

    def rows(self, first: int) -> list[tuple[float, ...]]:
        """Tick, campaign, channel, spend, clicks and conversions where anything happened; channels from ``first``."""
        campaign, channel = np.nonzero(self.spend + self.clicks + self.conversions)
        at = (campaign, channel)
        measured = (self.spend[at], self.clicks[at], self.conversions[at])
        columns = (np.full(len(campaign), self.tick), campaign, channel + first, *measured)
        return list(zip(*(column.tolist() for column in columns), strict=True))


@bounded()
class PlatformAgent:
    """Ray shell of one platform agent.

    Guarantees
    ----------
    Durability: none here; its memory travels to the coordinator with every observation.
    Retries: ``observe`` of an hour already known and ``propose`` change nothing, so both may be repeated.
    Ordering: the lease that comes with ``propose`` decides; a lapsed one means FREEZE.
    """

    def __init__(self, scenario: Scenario, platform: str) -> None:
        """Look the outside world up; campaigns come with ``take``."""
        self._log = configure_logging(scenario.config.name, f"agent-{platform}", scenario.folder)
        self._name, self._platform, self._seed = scenario.config.name, platform, scenario.config.run.seed
        self._columns = scenario.slices()[platform]
        self._call = Caller(scenario.config.runtime.call_deadline_s)
        self._namespace = scenario.namespace

    def __repr__(self) -> str:
        return f"PlatformAgent({self._platform}@{self._name})"

    async def ping(self) -> int:
        """The process id."""
        return os.getpid()

    async def take(self, shard: Shard, memory: Memory | None) -> None:
        """Look after ``shard`` from now on, going on from ``memory``."""
        self._shard = shard
        self._market = self._outside()
        self._seen: tuple[int, tuple[Evidence, Memory, Report | None]] | None = None
        self._agent = Agent(self._platform, self._columns)
        self._agent.resume(memory)
        self._log.info("shard_taken", campaigns=shard.portfolio.shape[0], resumed=memory is not None)

    async def observe(
        self, tick: int, rate: Floats, season: Floats, keep: Floats, trust: bool
    ) -> tuple[Evidence, Memory, Report | None]:
        """Learn from the platform's newest report; evidence, all that is known, and the report.

        ``rate`` [R, C, K]: conversions per click that the last plan expected. ``season`` [R]: how far traffic follows
        the usual week. ``keep`` [R]: share of its evidence that an hour keeps. ``trust``: false while conversions
        are not believed.
        """
        bind_tick(tick)
        if self._seen is not None and self._seen[0] == tick:
            return self._seen[1]
        report = await self._call(self._market, "report", self._platform, tick)
        hour = self._shard.calendar.at(tick if report is None else report.tick).hour
        traffic = Traffic(HOUR_OF_WEEK, season)
        evidence = self._agent.observe(
            self._shard.portfolio, report, hour, rate, traffic=traffic, keep=keep, trust=trust
        )
        assert self._agent.memory is not None
        seen = evidence, self._agent.memory, report
        self._seen = (tick, seen)
        return seen

    def _outside(self) -> Any:
        """What the platform's reports are asked of."""
        return ray.get_actor("market", namespace=self._namespace)

    async def propose(self, tick: int, plan: Plan, now: InForce, lease: Lease) -> Proposals:
        """Settings to write in this hour, after ``observe`` of the same hour."""
        bind_tick(tick)
        rng = np.random.default_rng([self._seed, tick, self._columns.start])
        assert self._seen is not None
        lease = lease.at(tick, time.time())
        asked = self._agent.propose(self._shard.portfolio, self._seen[1][0], plan, now, self._shard.steps, lease, rng)
        self._log.info("proposed", writes=len(asked), mode=str(lease.mode), epoch=lease.epoch)
        return asked

    async def calls_made(self) -> int:
        """How many calls this actor has made to others."""
        return self._call.made


AgentActor = ray.remote(PlatformAgent)
