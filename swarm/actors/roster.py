"""Who the coordinator's children are, how each is made, and what each must know before it can work."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any

from policies.evidence import Memory
from swarm import portfolio
from swarm.actors.agent import AgentActor, Shard
from swarm.actors.attention import AttentionActor
from swarm.actors.bounded import MOST_PENDING
from swarm.actors.calls import Caller
from swarm.actors.children import Children
from swarm.actors.dispatcher import DispatcherActor
from swarm.actors.feedback import FeedbackActor, heads
from swarm.actors.market import MarketActor
from swarm.actors.scenario import Scenario
from swarm.brain import Brain
from swarm.store.journal import Journal

_OPTIONS: dict[str, Any] = {
    "num_cpus": 0,
    "lifetime": "detached",
    "max_restarts": 0,
    "max_task_retries": 0,
    "max_pending_calls": MOST_PENDING,
}


class Roster:
    """The children of one swarm."""

    def __init__(
        self, scenario: Scenario, call: Caller, brain: Brain, journal: Journal, now: Callable[[], int]
    ) -> None:
        """None is made yet; ``now`` is the market hour."""
        self._scenario, self._call, self._brain, self._journal, self._now = scenario, call, brain, journal, now
        self.slices = scenario.slices()
        """Each platform's columns."""
        self.memories: dict[str, Memory] = {}
        """What each platform's agent knows, as of the last hour that counts."""
        self.children = Children(scenario, self._tell)
        self._declare()

    async def tell_everybody(self) -> None:
        """The campaigns, to all that work on them and are not away."""
        away = self.children.away
        await self._tell(name for name in self._tellers if name not in away)

    async def _tell(self, names: Iterable[str]) -> None:
        """What those named must know; the market first, since the others find it by name, and a new one all of them."""
        named = set(names)
        if "market" in named:
            named |= set(self._tellers) - self.children.away
        for name in ("market", "dispatcher", "attention"):
            if name in named:
                await self._tellers[name]()
        agents = (f"agent/{platform}" for platform in self.slices)
        await asyncio.gather(*(self._tellers[name]() for name in agents if name in named))

    def _declare(self) -> None:
        declare = self.children.declare
        declare("market", self._maker(MarketActor, "market"))
        declare("dispatcher", self._maker(DispatcherActor, "dispatcher"))
        declare("attention", self._maker(AttentionActor, "attention"))
        declare("feedback", self._maker(FeedbackActor, "feedback"))
        for platform in self.slices:
            declare(f"agent/{platform}", self._maker(AgentActor, f"agent/{platform}", platform))
        self._tellers: dict[str, Callable[[], Awaitable[None]]] = {
            "market": partial(self._admit, "market"),
            "dispatcher": partial(self._admit, "dispatcher"),
            "attention": self._tell_attention,
            **{f"agent/{platform}": partial(self._tell_agent, platform) for platform in self.slices},
        }

    def _maker(self, actor: Any, name: str, *args: Any) -> Callable[[], Any]:
        options = {**_OPTIONS, "name": name, "namespace": self._scenario.namespace}
        return lambda: actor.options(**options).remote(self._scenario, *args)

    async def _admit(self, name: str) -> None:
        if self._brain.campaigns:
            await self._call(self.children[name], "admit", self._brain.campaigns, self._now())

    async def _tell_attention(self) -> None:
        """Every model's newest head, for a service that is new, or did not hear of it."""
        for use_case, (version, arrays) in heads(self._journal.models()).items():
            await self._call(self.children["attention"], "set_head", use_case, arrays, version)

    async def _tell_agent(self, platform: str) -> None:
        if self._brain.campaigns:
            agent = self.children[f"agent/{platform}"]
            await self._call(agent, "take", self._shard(platform), self.memories.get(platform))

    def _shard(self, platform: str) -> Shard:
        brain = self._brain
        steps = portfolio.steps(brain.campaigns)
        return Shard(brain.portfolio.columns(self.slices[platform]), brain.calendar, steps)
