"""One market hour as the coordinator leads it: the children act, the brain decides."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Set
from dataclasses import dataclass, replace
from itertools import starmap
from math import inf
from typing import Any

import numpy as np

from policies.evidence import Memory
from policies.frames import Evidence, Plan, Report
from policies.health import Mode
from swarm.actors import answers
from swarm.actors.agent import Outcomes
from swarm.actors.calls import Caller
from swarm.actors.dispatcher import Standing
from swarm.actors.feedback import Lesson
from swarm.actors.roster import Roster
from swarm.agent import Agent
from swarm.attention.request import Answer, Request
from swarm.brain import SIGNALS, Brain
from swarm.effects.lease import Lease
from swarm.effects.proposals import Proposals
from swarm.errors import Failed, SwarmError
from swarm.replay.inputs import Inputs
from swarm.spec.config import Runtime
from swarm.store.journal import Journal

HOURS_A_DAY = 24
LEASE_BEATS = 3
"""Heartbeats that a lease lasts in wall time: what comes later is of a coordinator that hung, or is no more."""


Observed = tuple[Evidence, Memory, Report | None]
"""What is known of a platform, and its newest report."""


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
    inputs: Inputs
    """What came from outside, for a replay."""
    healthy: bool
    """Whether its signals are of the usual kind."""

    def reported(self) -> list[tuple[float, ...]]:
        """The outcomes as the journal's rows."""
        return [row for columns, part in self.outcomes if part is not None for row in part.rows(columns.start)]

    away: Set[str]
    """Children that were not asked in it."""


class Hour:
    """Leads one hour after another; all that it keeps is in the brain and the journal."""

    def __init__(
        self,
        roster: Roster,
        brain: Brain,
        call: Caller,
        journal: Journal,
        log: Any,
        mend: Callable[[str], None],
    ) -> None:
        """``mend``: makes a child again while the hour goes on."""
        self._roster, self._slices, self._children, self._brain = roster, roster.slices, roster.children, brain
        self._mend = mend
        self._call, self._journal, self._log = call, journal, log
        self._waits, self._lease_s = True, inf

    def in_wall_time(self, wall: bool, limits: Runtime) -> None:
        """In wall time no hour waits for attention, and a lease lapses; in simulated time the clock waits for all."""
        self._waits, self._lease_s = not wall, LEASE_BEATS * limits.heartbeat_s if wall else inf

    async def run(self, tick: int) -> Done:
        """Observe, assess, attend, plan, propose and write.

        Raises:
            SwarmError: a child did not do its part; the brain may have moved, and is to be taken back.
        """
        brain, dispatcher = self._brain, self._children["dispatcher"]
        await self._usual(tick)
        tuning = brain.tuning
        standing: Standing = await self._call(dispatcher, "standing", tick)
        away = self._children.away
        parts, memories, reports = zip(*await self._observe(tick, away), strict=True)
        evidence = Evidence.concat(list(parts))
        healthy = await self._assess(tick, evidence)
        await self._attend(tick, evidence)
        plan = brain.plan(brain.calendar.at(tick), evidence, standing.now.highest, standing.room)
        lease = brain.lease(tick, time.time() + self._lease_s)
        inputs = Inputs.of(brain, reports, standing, frozenset(away))
        if brain.tuning is not tuning:
            inputs = replace(inputs, tuning=brain.tuning)
        asked = await self._propose(tick, plan, standing, lease, away)
        result = await self._call(dispatcher, "write", Proposals.concat(asked), lease, tick)
        known = dict(zip(self._slices, memories, strict=True))
        outcomes = [None if report is None else Outcomes.of(report) for report in reports]
        parts_of = list(zip(self._slices.values(), outcomes, strict=True))
        return Done(evidence, standing, result, known, parts_of, inputs, healthy, away)

    async def _observe(self, tick: int, away: Set[str]) -> list[Observed]:
        brain = self._brain
        cells, believed = brain.cells, (brain.traffic.season, brain.keep, brain.gate.mode != Mode.FREEZE)

        async def seen(platform: str, columns: slice) -> Observed:
            if (name := f"agent/{platform}") in away:
                return self._nothing_new(tick, platform, columns)
            answer: Observed = await self._call(self._children[name], "observe", tick, cells[:, columns], *believed)
            return answer

        return list(await asyncio.gather(*starmap(seen, self._slices.items())))

    def _nothing_new(self, tick: int, platform: str, columns: slice) -> Observed:
        """What is known of a platform whose agent is away."""
        brain = self._brain
        stand_in = Agent(platform, columns)
        stand_in.resume(self._roster.memories.get(platform))
        hour, part = brain.calendar.at(tick).hour, brain.portfolio.columns(columns)
        evidence = stand_in.observe(
            part, None, hour, brain.cells[:, columns], traffic=brain.traffic, keep=brain.keep, trust=False
        )
        assert stand_in.memory is not None
        return evidence, stand_in.memory, None

    async def _propose(
        self, tick: int, plan: Plan, standing: Standing, lease: Lease, away: Set[str]
    ) -> list[Proposals]:
        async def asked(platform: str, columns: slice) -> Proposals:
            if (name := f"agent/{platform}") in away:
                return self._rest(plan, standing, columns)
            parts = plan.columns(columns), standing.now.columns(columns)
            proposals: Proposals = await self._call(self._children[name], "propose", tick, *parts, lease)
            return proposals

        return list(await asyncio.gather(*starmap(asked, self._slices.items())))

    def _rest(self, plan: Plan, standing: Standing, columns: slice) -> Proposals:
        """Pauses alone, for a platform whose agent is away: a person's word and a campaign's end reach it still."""
        status = np.zeros_like(standing.now.status)
        status[:, columns] = np.where(plan.deliver[:, None], 0, standing.now.status[:, columns])
        return Proposals.pauses(status, reason="rest")

    async def _usual(self, tick: int) -> None:
        """Tell the feedback loop of the last hour if it was healthy, and tell it once.

        Told in its own hour it could count twice, and the hour, asked again, would be judged by what it taught itself.
        """
        if "feedback" in self._children.away or self._journal.model_tick("usual") >= tick - 1:
            return
        last = self._journal.hour(tick - 1)
        if last is None or not last[2].get("healthy"):
            return
        signals = np.array([last[2][name] for name in SIGNALS])
        await self._call(self._children["feedback"], "healthy", tick - 1, signals)

    async def _assess(self, tick: int, evidence: Evidence) -> bool:
        """Health and mode; whether the hour was a healthy one."""
        request, answer = self._brain.health_request(evidence), None
        if request is not None:
            answer = await self._ask("health_monitoring", request, tick)
            self._brain.hear_health(answer)
        culprits = self._brain.assess(tick)
        mode, coherence = self._brain.gate.mode, self._brain.attention.coherence
        if culprits:
            self._log.warning("mode_changed", mode=str(mode), coherence=coherence, campaigns=culprits)
        return answer is not None and mode == Mode.STABLE

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
        return Lesson(
            tick,
            evidence,
            attention.creative_features,
            np.where(brain.running, brain.money(brain.calendar.at(tick - HOURS_A_DAY // 2).day), 0.0),
            brain.gate.since <= tick - HOURS_A_DAY,
        )

    async def _ask(self, use_case: str, request: Request, tick: int) -> Answer | None:
        """The service's answer, kept in the journal; None where there is none, and the last table holds."""
        attention = self._brain.attention
        stale = tuple(name for name in attention.stale if name != use_case)
        answer = await self._answer(use_case, request)
        attention.stale = stale if answer is not None else (*stale, use_case)
        if answer is None:
            return None
        self._journal.answer(tick, use_case, answer.version, answers.as_arrays(answer))
        return answer

    async def _answer(self, use_case: str, request: Request) -> Answer | None:
        """None where the request itself was at fault, or the service is away and the clock does not wait for it."""
        if "attention" in self._children.away:
            self._log.warning("attention_away", use_case=use_case)
            return None
        try:
            answer: Answer = await self._call(self._children["attention"], "compute", use_case, request)
        except Failed as error:
            self._log.error("attention_failed", use_case=use_case, error=str(error))
        except SwarmError as error:
            if self._waits or "attention" in self._children.on_trial:
                raise
            self._log.warning("attention_away", use_case=use_case, error=str(error))
            self._mend("attention")
        else:
            return answer
        return None
