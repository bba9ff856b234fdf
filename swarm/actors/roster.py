"""Who the coordinator's children are, how each is made, and what each must know before it can work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from policies.evidence import Memory
from policies.health import Usual
from swarm import portfolio
from swarm.actors.agent import AgentActor, Shard
from swarm.actors.attention import AttentionActor
from swarm.actors.calls import Caller
from swarm.actors.children import Children
from swarm.actors.dispatcher import DispatcherActor
from swarm.actors.feedback import FeedbackActor
from swarm.actors.market import MarketActor
from swarm.actors.scenario import Scenario
from swarm.brain import Brain
from swarm.store.journal import Journal

_OPTIONS: dict[str, Any] = {"num_cpus": 0, "lifetime": "detached", "max_restarts": 0, "max_task_retries": 0}


class Roster:
    """The children of one swarm."""

    def __init__(
        self, scenario: Scenario, call: Caller, brain: Brain, journal: Journal, now: Callable[[], int]
    ) -> None:
        """None is made yet; ``now`` is the market hour."""
        self._scenario, self._call, self._brain, self._journal, self._now = scenario, call, brain, journal, now
        self._slices = scenario.slices()
        self.memories: dict[str, Memory] = {}
        """What each platform's agent knows, as of the last hour that counts."""
        self.children = Children(scenario, call)
        self._declare()

    async def tell_everybody(self) -> None:
        """The campaigns, to all that work on them; the market first, for the others find it by name."""
        await self._tell_market(self.children["market"])
        await self._tell_dispatcher(self.children["dispatcher"])
        await asyncio.gather(*(self._teller(p)(self.children[f"agent/{p}"]) for p in self._slices))

    def _declare(self) -> None:
        declare = self.children.declare
        declare("market", self._maker(MarketActor, "market"), self._tell_market)
        declare("dispatcher", self._maker(DispatcherActor, "dispatcher"), self._tell_dispatcher)
        declare("attention", lambda: self._maker(AttentionActor, "attention", self._heads())(), _nothing)
        declare("feedback", self._maker(FeedbackActor, "feedback"), _nothing)
        for platform in self._slices:
            declare(f"agent/{platform}", self._maker(AgentActor, f"agent/{platform}", platform), self._teller(platform))

    def _maker(self, actor: Any, name: str, *args: Any) -> Callable[[], Any]:
        options = {**_OPTIONS, "name": name, "namespace": self._scenario.namespace}
        return lambda: actor.options(**options).remote(self._scenario, *args)

    async def _tell_market(self, market: Any) -> None:
        if self._brain.campaigns:
            await self._call(market, "admit", self._brain.campaigns, self._now())

    async def _tell_dispatcher(self, dispatcher: Any) -> None:
        if self._brain.campaigns:
            await self._call(dispatcher, "admit", self._brain.campaigns, self._now())

    def _teller(self, platform: str) -> Any:
        async def tell(agent: Any) -> None:
            if self._brain.campaigns:
                await self._call(agent, "take", self._shard(platform), self.memories.get(platform))

        return tell

    def _shard(self, platform: str) -> Shard:
        brain = self._brain
        steps = portfolio.steps(brain.campaigns)
        return Shard(brain.portfolio.columns(self._slices[platform]), brain.calendar, steps)

    def _heads(self) -> dict[str, Any]:
        """Every model's newest head, for a service that is made again."""
        kept = self._journal.models()
        heads: dict[str, Any] = {name: kept[name] for name in ("creative_scoring", "expert_routing") if name in kept}
        if "usual" in kept:
            version, usual = kept["usual"]
            heads["health_monitoring"] = (version, Usual(usual["mean"], usual["square"]).head())
        return heads


async def _nothing(_: Any) -> None:
    """For children that need not be told anything."""
