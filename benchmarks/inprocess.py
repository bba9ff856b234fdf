"""The swarm in one process: the actors' own classes and the coordinator's own hour, with no Ray between them.

For experiments of many runs: an hour is the same code and gives the same writes, without the cost of calls.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast
from unittest.mock import patch

import numpy as np

from policies.clock import Traffic
from policies.evidence import Memory
from policies.frames import Floats
from policies.tuning import NAMES, Hyper, Tuning
from swarm import portfolio
from swarm.actors.agent import PlatformAgent, Shard
from swarm.actors.attention import AttentionService
from swarm.actors.calls import Caller
from swarm.actors.dispatcher import Dispatcher
from swarm.actors.feedback import FeedbackLoop
from swarm.actors.hour import Hour
from swarm.actors.market import Market
from swarm.actors.roster import Roster
from swarm.actors.scenario import Scenario
from swarm.brain import Brain
from swarm.observe.logging import configure_logging
from swarm.platforms.traffic import HOUR_OF_WEEK
from swarm.spec.campaign import Campaign
from swarm.store.journal import Journal


class _Method:
    def __init__(self, method: Callable[..., Any]) -> None:
        self.remote = method


class Local:
    """An actor's handle whose calls are plain calls."""

    def __init__(self, actor: Any) -> None:
        """Of an actor in this process."""
        self._actor = actor

    def __getattr__(self, name: str) -> _Method:
        """A method, called as Ray's are."""
        return _Method(getattr(self._actor, name))


class Family(dict[str, Local]):
    """Children by name, of whom none is ever away."""

    away: frozenset[str] = frozenset()
    on_trial: frozenset[str] = frozenset()


class Present:
    """Who is there: the roster of a swarm that nothing happens to."""

    def __init__(self, slices: Mapping[str, slice]) -> None:
        """``slices``: each platform's columns."""
        self.slices, self.children = slices, Family()
        self.memories: dict[str, Memory] = {}


def _nobody_dies(name: str) -> None:
    raise AssertionError(name)


class Swarm:
    """A brain, its children and its journal."""

    def __init__(
        self,
        scenario: Scenario,
        campaigns: Sequence[Campaign],
        values: Mapping[str, float],
        market: type[Market],
        feedback: type[FeedbackLoop],
        attention: type[AttentionService] = AttentionService,
    ) -> None:
        """All campaigns join at hour 0, with the hyperparameters ``values``."""
        self.scenario, self.campaigns, config = scenario, list(campaigns), scenario.config
        self.journal, self.brain = Journal(scenario.folder / "journal.sqlite"), Brain(config, scenario.channels, _WEEK)
        self.brain.tuning = Tuning.start(Hyper(1, {name: values[name] for name in NAMES}))
        self.calendar = scenario.calendar(campaigns)
        self.brain.admit(self.campaigns, self.calendar, scenario.budgets(campaigns))
        self.market = market(scenario)
        self._slices = scenario.slices()
        self._agents = {platform: PlatformAgent(scenario, platform) for platform in self._slices}
        self._dispatcher, self.feedback = Dispatcher(scenario), feedback(scenario)
        self._roster = Present(self._slices)
        self._roster.children |= {
            "market": Local(self.market),
            "dispatcher": Local(self._dispatcher),
            "attention": Local(attention(scenario)),
            "feedback": Local(self.feedback),
            **{f"agent/{platform}": Local(agent) for platform, agent in self._agents.items()},
        }
        log = configure_logging(config.name, "coordinator", scenario.folder)
        self._hour = Hour(cast(Roster, self._roster), self.brain, Caller(60.0), self.journal, log, _nobody_dies)

    async def start(self) -> None:
        """Tell everybody of the campaigns."""
        await self.tell_everybody(0)

    async def tell_everybody(self, tick: int) -> None:
        """Tell everybody of the campaigns before hour ``tick``."""
        await self.market.admit(self.campaigns, tick)
        await self._dispatcher.admit(self.campaigns, tick)
        steps = portfolio.steps(self.campaigns)
        for platform, agent in self._agents.items():
            shard = Shard(self.brain.portfolio.columns(self._slices[platform]), self.calendar, steps)
            await agent.take(shard, self._roster.memories.get(platform))

    async def hour(self, tick: int) -> None:
        """One market hour, kept as the coordinator keeps it."""
        done = await self._hour.run(tick)
        self._roster.memories, brain = done.memories, self.brain
        why = {**brain.attention.signals, "healthy": done.healthy}
        with self.journal.writing():
            self.journal.outcomes(done.reported())
            done.inputs.keep(self.journal, tick)
            self.journal.tick(
                tick, self.calendar.utc(tick).isoformat(), brain.gate.mode, brain.attention.coherence, why
            )

    @contextmanager
    def connected(self) -> Iterator[None]:
        """While this lasts, the actors find each other in this process."""
        with patch("ray.get_actor", lambda name, **_: self._roster.children[name]):
            yield


_WEEK = Traffic(HOUR_OF_WEEK)


def run(
    scenario: Scenario,
    campaigns: Sequence[Campaign],
    values: Mapping[str, float],
    *,
    before: Callable[[Swarm, int], Awaitable[None]],
    market: type[Market] = Market,
    feedback: type[FeedbackLoop] = FeedbackLoop,
    attention: type[AttentionService] = AttentionService,
) -> tuple[Swarm, Floats]:
    """All hours of ``scenario``, and the credited value [R, D]; ``before`` is awaited before every hour."""

    async def live() -> tuple[Swarm, Floats]:
        swarm = Swarm(scenario, campaigns, values, market, feedback, attention)
        ticks = swarm.calendar.ticks(scenario.days)
        with swarm.connected():
            await swarm.start()
            for tick in range(ticks):
                await before(swarm, tick)
                await swarm.hour(tick)
        score = await swarm.market.score(ticks)
        return swarm, np.asarray(score["value"], dtype=np.float64)

    return asyncio.run(live())
