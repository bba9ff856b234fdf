"""The feedback loop: from matured outcomes to better heads and hyperparameters."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import ray
from numpy.typing import NDArray

from policies import learning, planning
from policies.frames import Evidence, Floats, Portfolio
from policies.health import Usual
from policies.tuning import Hyper
from swarm.actors.calls import Caller
from swarm.actors.scenario import Scenario
from swarm.errors import SwarmError
from swarm.observe.logging import bind_tick, configure_logging
from swarm.store.journal import Journal


@dataclass(frozen=True, slots=True)
class Lesson:
    """What there is to learn from a day."""

    tick: int
    evidence: Evidence
    shares: Floats
    """[R, C] the money's split at equal marginal returns."""
    creative_features: Floats
    routing_features: Floats
    daily: Floats
    """[R, D] what may be spent on each local day, currency units."""


class FeedbackLoop:
    """Ray shell of what the swarm learns.

    Guarantees
    ----------
    Durability: a head is in the journal before the attention service gets it.
    Retries: every fit starts from the prior and the evidence as it stands, so learning twice is learning once.
    Ordering: heads carry versions that only grow.
    Idle outside STABLE: the coordinator does not call.
    """

    def __init__(self, scenario: Scenario) -> None:
        """Go on from the journal's heads."""
        self._log = configure_logging(scenario.config.name, "feedback", scenario.folder)
        self._name, self._namespace = scenario.config.name, scenario.namespace
        self._journal = Journal(scenario.folder / "journal.sqlite")
        self._call = Caller(scenario.config.runtime.call_deadline_s)
        kept = self._journal.models()
        self._versions = {name: version for name, (version, _) in kept.items()}
        usual = kept.get("usual")
        self._usual = (
            Usual.start() if usual is None else Usual(usual[1]["mean"], usual[1]["square"], int(usual[1]["hours"]))
        )

    def __repr__(self) -> str:
        return f"FeedbackLoop({self._name})"

    async def ping(self) -> int:
        """The process id."""
        return os.getpid()

    async def healthy(self, tick: int, signals: Floats) -> None:
        """One healthy hour: what is usual moves a little, and the health model hears of it."""
        bind_tick(tick)
        self._usual = self._usual.update(signals)
        version = self._keep("usual", tick, self._usual.as_arrays())
        await self._publish("health_monitoring", self._usual.head(), version)

    async def learn(self, lesson: Lesson, portfolio: Portfolio, hyper: Hyper) -> Hyper:
        """Refit the heads; the hyperparameters for the next day, which may be the same."""
        bind_tick(lesson.tick)
        item = lesson.evidence
        flat = planning.rates_without_creatives(portfolio, item)
        creative = learning.creative_head(lesson.creative_features, item, portfolio, flat)
        router = learning.router_head(
            lesson.routing_features,
            lesson.shares,
            item.conversions.sum(axis=(1, 2)),
            portfolio.allowed,
            temperature=hyper["routing_temperature"],
        )
        for name, head in (("creative_scoring", creative), ("expert_routing", router)):
            await self._publish(name, head, self._keep(name, lesson.tick, head))
        self._log.info("learnt", creative=self._versions["creative_scoring"], routing=self._versions["expert_routing"])
        return self._tuned(lesson, hyper)

    def _tuned(self, lesson: Lesson, hyper: Hyper) -> Hyper:
        why = {"left": learning.left_over(lesson.evidence, lesson.daily)}
        factors = learning.nudge(why)
        if not factors:
            return hyper
        moved = hyper.moved(factors, why)
        self._journal.hyper(moved.version, lesson.tick, moved.values, why)
        self._log.info("hyperparameters_moved", version=moved.version, **factors, **why)
        return moved

    def _keep(self, name: str, tick: int, arrays: Mapping[str, NDArray[Any]]) -> int:
        version = self._versions.get(name, 0) + 1
        self._journal.model(name, version, tick, arrays)
        self._versions[name] = version
        return version

    async def _publish(self, use_case: str, head: Mapping[str, NDArray[Any]], version: int) -> None:
        """Tell the attention service; one that is away reads the journal when it is back."""
        try:
            service = ray.get_actor("attention", namespace=self._namespace)
            await self._call(service, "set_head", use_case, head, version)
        except (SwarmError, ValueError) as error:
            self._log.warning("head_not_delivered", use_case=use_case, version=version, error=str(error))

    async def calls_made(self) -> int:
        """How many calls this actor has made to others."""
        return self._call.made


FeedbackActor = ray.remote(FeedbackLoop)
