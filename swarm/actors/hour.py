"""One market hour as the coordinator leads it: the children act, the brain decides."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import numpy as np

from policies.evidence import Memory
from policies.frames import Evidence, Plan
from policies.health import Mode
from swarm.actors.agent import Outcomes
from swarm.actors.calls import Caller
from swarm.actors.children import Children
from swarm.actors.dispatcher import Standing
from swarm.actors.feedback import Lesson
from swarm.attention.request import Answer, Request
from swarm.brain import Brain
from swarm.effects.lease import Lease
from swarm.effects.proposals import Proposals
from swarm.errors import Failed
from swarm.store.journal import Journal

HOURS_A_DAY = 24
_KEPT_NUMBERS = 1_000_000
"""Answers with more numbers than this are not kept in the journal."""


@dataclass(frozen=True, slots=True)
class Done:
    """What an hour saw and did; it does not count before it is in the journal."""

    evidence: Evidence
    standing: Standing
    result: dict[str, int]
    """Writes by what came of them."""
    memories: dict[str, Memory]
    """By platform."""
    outcomes: list[tuple[slice, Outcomes | None]]
    """Each agent's columns and what its newest reported hour brought."""


class Hour:
    """Leads one hour after another; all that it keeps is in the brain and the journal."""

    def __init__(
        self, slices: dict[str, slice], brain: Brain, children: Children, call: Caller, journal: Journal, log: Any
    ) -> None:
        """``slices``: each platform's columns."""
        self._slices, self._brain, self._children = slices, brain, children
        self._call, self._journal, self._log = call, journal, log

    async def run(self, tick: int) -> Done:
        """Observe, assess, attend, plan, propose and write.

        Raises:
            SwarmError: a child did not do its part; the brain may have moved, and is to be taken back.
        """
        brain, dispatcher = self._brain, self._children["dispatcher"]
        standing: Standing = await self._call(dispatcher, "standing", tick)
        parts, memories, outcomes = zip(*await self._observe(tick), strict=True)
        evidence = Evidence.concat(list(parts))
        await self._assess(tick, evidence)
        await self._attend(tick, evidence)
        plan = brain.plan(brain.calendar.at(tick), evidence, standing.now.highest, standing.room)
        lease = brain.lease(tick)
        asked = await self._propose(tick, plan, standing, lease)
        result = await self._call(dispatcher, "write", Proposals.concat(asked), lease, tick)
        known = dict(zip(self._slices, memories, strict=True))
        return Done(evidence, standing, result, known, list(zip(self._slices.values(), outcomes, strict=True)))

    async def _observe(self, tick: int) -> list[tuple[Evidence, Memory, Outcomes | None]]:
        brain = self._brain
        cells, trust, keep = brain.cells, brain.gate.mode != Mode.FREEZE, brain.keep
        calls = (
            self._call(self._children[f"agent/{platform}"], "observe", tick, cells[:, columns], keep, trust)
            for platform, columns in self._slices.items()
        )
        return list(await asyncio.gather(*calls))

    async def _propose(self, tick: int, plan: Plan, standing: Standing, lease: Lease) -> list[Proposals]:
        calls = (
            self._call(
                self._children[f"agent/{platform}"],
                "propose",
                tick,
                plan.columns(columns),
                standing.now.columns(columns),
                lease,
            )
            for platform, columns in self._slices.items()
        )
        return list(await asyncio.gather(*calls))

    async def _assess(self, tick: int, evidence: Evidence) -> None:
        """Health, mode, and the healthy hour's lesson."""
        request = self._brain.health_request(evidence)
        if request is None:
            return
        answer = await self._ask("health_monitoring", request, tick)
        self._brain.hear_health(answer)
        culprits = self._brain.assess(tick)
        mode, coherence = self._brain.gate.mode, self._brain.attention.coherence
        if culprits:
            self._log.warning("mode_changed", mode=str(mode), coherence=coherence, campaigns=culprits)
        if answer is not None and mode == Mode.STABLE:
            signals = np.array(list(self._brain.attention.signals.values()))
            await self._call(self._children["feedback"], "healthy", tick, signals)

    async def _attend(self, tick: int, evidence: Evidence) -> None:
        """Once a day, or where campaigns are new: creative scores and routes; in STABLE, learn first."""
        brain = self._brain
        known = brain.attention.creative_features is not None
        if known and tick % HOURS_A_DAY:
            return
        if known and brain.gate.mode == Mode.STABLE and tick >= HOURS_A_DAY:
            lesson = self._lesson(tick, evidence)
            brain.tuning = await self._call(
                self._children["feedback"], "learn", lesson, brain.portfolio, brain.tuning.hyper
            )
        creatives, routes = await asyncio.gather(
            self._ask("creative_scoring", brain.creative_request(), tick),
            self._ask("expert_routing", brain.routing_request(), tick),
        )
        if creatives is not None:
            brain.hear_creatives(creatives)
        if routes is not None:
            brain.hear_routes(routes)

    def _lesson(self, tick: int, evidence: Evidence) -> Lesson:
        brain, attention = self._brain, self._brain.attention
        assert attention.creative_features is not None
        assert attention.routing_features is not None
        return Lesson(
            tick,
            evidence,
            brain.shares,
            attention.creative_features,
            attention.routing_features,
            np.where(brain.running, brain.money(brain.calendar.at(tick - HOURS_A_DAY // 2).day), 0.0),
            brain.gate.since <= tick - HOURS_A_DAY,
        )

    async def _ask(self, use_case: str, request: Request, tick: int) -> Answer | None:
        """The service's answer, kept in the journal; None where the request itself was at fault, which is logged."""
        attention = self._brain.attention
        stale = tuple(name for name in attention.stale if name != use_case)
        try:
            answer: Answer = await self._call(self._children["attention"], "compute", use_case, request)
        except Failed as error:
            self._log.error("attention_failed", use_case=use_case, error=str(error))
            attention.stale = (*stale, use_case)
            return None
        attention.stale = stale
        kept = {"output": answer.output} if answer.output.size < _KEPT_NUMBERS else {}
        self._journal.answer(tick, use_case, answer.version, kept)
        return answer
