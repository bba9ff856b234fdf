"""The coordinator: it owns the clock, the mode and the children."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections import deque
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import numpy as np
import ray

from policies.clock import Traffic
from policies.evidence import Memory
from policies.frames import Evidence
from policies.health import RECOMMENDATIONS, Mode, Usual
from swarm.actors.agent import AgentActor, Outcomes, Shard
from swarm.actors.attention import AttentionActor
from swarm.actors.calls import Caller
from swarm.actors.children import Children
from swarm.actors.dispatcher import DispatcherActor, Standing
from swarm.actors.feedback import FeedbackActor, Lesson
from swarm.actors.market import MarketActor
from swarm.actors.reporting import Reporter
from swarm.actors.scenario import Scenario
from swarm.agent import Steps
from swarm.attention.request import Answer, Request
from swarm.brain import Brain
from swarm.effects.proposals import Field, Proposals
from swarm.errors import Failed, SwarmError
from swarm.observe.logging import bind_tick, configure_logging
from swarm.observe.metrics import Metrics
from swarm.platforms.traffic import HOUR_OF_WEEK
from swarm.spec.campaign import Campaign
from swarm.spec.money import MICROS
from swarm.store.journal import Journal

HOURS_A_DAY = 24
_POLL_S = 1.0
_TRIES = 5
CHILD_OPTIONS: dict[str, Any] = {"num_cpus": 0, "lifetime": "detached", "max_restarts": 0, "max_task_retries": 0}


class Coordinator:
    """Ray shell of the brain, and the clock.

    Guarantees
    ----------
    Durability: campaigns, mode, prices and every agent's memory are in the journal before the hour counts.
    Retries: every method may be called again; an hour that fails is taken back and tried again.
    Ordering: its epoch grows with every life and every change of mode; the door refuses older ones.
    Failure: a new life reads the journal, finds the children by name, and goes on with the next hour.
    """

    async def __init__(self, scenario: Scenario) -> None:  # type: ignore[misc]  # Ray awaits it
        """Read the journal, find or make the children, and let the clock run where it ran."""
        self._log = configure_logging(scenario.config.name, "coordinator", scenario.folder)
        self._scenario, self._config = scenario, scenario.config
        self._journal = Journal(scenario.folder / "journal.sqlite")
        self._call = Caller(self._config.runtime.call_deadline_s)
        self._brain = Brain(self._config, scenario.channels, Traffic(HOUR_OF_WEEK))
        self._reporter = Reporter(Metrics(self._config.name), scenario)
        self._memories: dict[str, Memory] = {}
        self._children = Children(scenario, self._call)
        self._tick = self._journal.last_tick() + 1
        self._error = ""
        self._clock: asyncio.Task[None] | None = None
        self._until, self._period_s = 0, 0.0
        self._moved = asyncio.Event()
        self._hour_lock = asyncio.Lock()
        self._tick_ms: deque[float] = deque(maxlen=10_000)
        self._slices = scenario.slices()
        self._declare()
        self._recall()
        await self._children.ensure()
        self._heartbeat = asyncio.create_task(self._beat())
        self._resume_clock()

    def __repr__(self) -> str:
        return f"Coordinator({self._config.name})"

    # ---- what people ask

    async def ping(self) -> int:
        """The process id."""
        return os.getpid()

    async def submit(self, campaigns: list[Campaign]) -> dict[str, str]:
        """Take campaigns on; returns for each name whether it is new, known, or another campaign's.

        A campaign that is known, to the letter, is left as it is, so that submitting twice is harmless.
        """
        known = {name: digest for name, digest, _ in self._journal.campaigns()}
        new = [campaign for campaign in campaigns if campaign.name not in known]
        async with self._hour_lock:
            if new:
                rows = [
                    (len(known) + i, c.name, c.digest(), c.model_dump_json(by_alias=True), self._tick)
                    for i, c in enumerate(new)
                ]
                self._journal.submit(rows)
                self._admit(new)
                await self._tell_everybody()
        self._log.info("submitted", new=len(new), offered=len(campaigns))
        return {
            c.name: "submitted" if c.name not in known else "known" if known[c.name] == c.digest() else "name taken"
            for c in campaigns
        }

    async def start(self, until: int, period_s: float) -> None:
        """Let the clock run to market hour ``until``, one hour in ``period_s`` seconds, 0 as fast as it goes."""
        self._journal.remember("clock", json.dumps({"until": until, "period_s": period_s}))
        self._resume_clock()

    async def progress(self, after: int) -> dict[str, Any]:
        """The status, as soon as the clock is past ``after``, or after a second."""
        if self._tick <= after and not self._error and self._running:
            self._moved.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._moved.wait(), _POLL_S)
        return await self.status()

    async def status(self) -> dict[str, Any]:
        """Where the swarm stands."""
        brain, times = self._brain, sorted(self._tick_ms)
        return {
            "tick": self._tick,
            "until": self._until,
            "running": self._running,
            "error": self._error,
            "time": self._time().isoformat() if brain.campaigns else "",
            "mode": str(brain.gate.mode),
            "held": brain.gate.held,
            "coherence": brain.attention.coherence,
            "recommendations": list(RECOMMENDATIONS[brain.gate.mode]),
            "campaigns": self._reporter.rows(brain),
            "paused": sorted(brain.paused),
            "mode_seconds": self._reporter.mode_seconds(self._journal),
            "hyper_version": brain.hyper.version,
            "proposals": self._journal.counts(),
            "restarts": dict(self._children.restarts),
            "stale_attention": list(brain.attention.stale),
            "calls": self._call.made,
            "tick_ms": {"p50": _quantile(times, 0.5), "p99": _quantile(times, 0.99)},
        }

    async def calls_made(self) -> dict[str, int]:
        """Calls that each actor has made to others so far."""
        made = {"coordinator": self._call.made}
        for name in (*(f"agent/{p}" for p in self._slices), "dispatcher", "feedback"):
            made[name] = await self._call(self._children[name], "calls_made")
        return made

    async def hold(self, mode: str) -> str:
        """A person sets the mode; the gate no longer moves it."""
        self._brain.gate = self._brain.gate.hold(Mode(mode), self._tick)
        self._brain.epoch += 1
        self._checkpoint()
        self._log.warning("mode_held", mode=mode)
        return mode

    async def release(self) -> str:
        """A person lets the gate decide again."""
        self._brain.gate = self._brain.gate.release(self._tick)
        self._brain.epoch += 1
        self._checkpoint()
        self._log.warning("mode_released", mode=str(self._brain.gate.mode))
        return str(self._brain.gate.mode)

    async def pause(self, names: list[str]) -> list[str]:
        """Stop delivering campaigns at the next hour; returns all that are paused."""
        return self._set_paused(self._brain.paused | self._known(names))

    async def resume(self, names: list[str]) -> list[str]:
        """Let campaigns deliver again; returns those that stay paused."""
        return self._set_paused(self._brain.paused - self._known(names))

    async def stop(self, *, pause: bool) -> dict[str, int]:
        """Stop the clock; with ``pause``, stop delivery everywhere first. Returns what came of the writes."""
        if self._clock is not None:
            self._clock.cancel()
        self._journal.remember("clock", json.dumps({"until": 0, "period_s": 0.0}))
        if not pause or not self._brain.campaigns:
            return {}
        standing: Standing = await self._call(self._children["dispatcher"], "standing", self._tick)
        result: dict[str, int] = await self._call(
            self._children["dispatcher"], "write", _pauses(standing), self._brain.lease(self._tick), self._tick
        )
        return result

    # ---- the clock

    @property
    def _running(self) -> bool:
        return self._clock is not None and not self._clock.done()

    def _resume_clock(self) -> None:
        kept = json.loads(self._journal.recall("clock") or '{"until": 0, "period_s": 0.0}')
        self._until, self._period_s = kept["until"], kept["period_s"]
        if not self._running and self._tick < self._until:
            self._error = ""
            self._clock = asyncio.create_task(self._run())

    async def _run(self) -> None:
        try:
            while self._tick < self._until:
                began = time.perf_counter()
                if self._brain.campaigns:
                    async with self._hour_lock:
                        await self._steady_hour()
                    self._tick_ms.append(1000 * (time.perf_counter() - began))
                    self._reporter.tick(self._tick_ms[-1])
                await asyncio.sleep(max(self._period_s - (time.perf_counter() - began), 0.0))
        except Exception as error:  # the supervisor's own failure must be seen, whatever it is
            self._error = f"{type(error).__name__}: {error}"
            self._log.exception("clock_stopped")
        finally:
            self._moved.set()

    async def _steady_hour(self) -> None:
        """One hour; where a child fails in it, the hour is taken back, the child made again, the hour tried again."""
        for left in reversed(range(_TRIES)):
            before = self._brain.state()
            try:
                await self._hour()
            except SwarmError as error:
                self._log.warning("hour_taken_back", error=str(error), tries_left=left)
                if not left:
                    raise
                self._brain.resume(before)
                await self._heal()
            else:
                return

    async def _heal(self) -> None:
        """Make the dead again; where the market is a new one, the others must find it, and settle what was open."""
        healed = await self._children.heal()
        for name in healed:
            self._reporter.restarted(name)
            self._log.warning("made_again", actor=name, times=self._children.restarts[name])
        await self._tell_everybody()

    async def _hour(self) -> None:
        tick = self._tick
        bind_tick(tick)
        moment = self._brain.calendar.at(tick)
        standing: Standing = await self._call(self._children["dispatcher"], "standing", tick)
        trust = self._brain.gate.mode != Mode.FREEZE
        seen = await asyncio.gather(
            *(
                self._call(self._children[f"agent/{p}"], "observe", tick, self._brain.cells[:, cols], trust)
                for p, cols in self._slices.items()
            )
        )
        parts, memories, outcomes = zip(*seen, strict=True)
        evidence = Evidence.concat(list(parts))
        await self._assess(tick, evidence)
        await self._attend(tick, evidence)
        plan = self._brain.plan(moment, evidence, standing.now.highest, standing.room)
        lease = self._brain.lease(tick)
        asked = await asyncio.gather(
            *(
                self._call(
                    self._children[f"agent/{p}"], "propose", tick, plan.columns(cols), standing.now.columns(cols), lease
                )
                for p, cols in self._slices.items()
            )
        )
        result = await self._call(self._children["dispatcher"], "write", Proposals.concat(asked), lease, tick)
        self._memories = dict(zip(self._slices, memories, strict=True))
        self._close(tick, list(zip(self._slices.values(), outcomes, strict=True)), evidence, standing, result)

    async def _assess(self, tick: int, evidence: Evidence) -> None:
        """Health, mode, and the healthy hour's lesson."""
        request = self._brain.health_request(evidence)
        if request is None:
            return
        answer = await self._ask("health_monitoring", request, tick)
        self._brain.hear_health(answer)
        culprits = self._brain.assess(tick)
        mode = self._brain.gate.mode
        if culprits:
            self._log.warning(
                "mode_changed", mode=str(mode), coherence=self._brain.attention.coherence, campaigns=culprits
            )
        if answer is not None and mode == Mode.STABLE:
            signals = np.array(list(self._brain.attention.signals.values()))
            await self._call(self._children["feedback"], "healthy", tick, signals)

    async def _attend(self, tick: int, evidence: Evidence) -> None:
        """Once a day, or where campaigns are new: creative scores and routes; in STABLE, learn first."""
        attention = self._brain.attention
        known = attention.creative_features is not None
        if known and tick % HOURS_A_DAY:
            return
        if known and self._brain.gate.mode == Mode.STABLE and tick >= HOURS_A_DAY:
            lesson = self._lesson(tick, evidence)
            self._brain.hyper = await self._call(
                self._children["feedback"], "learn", lesson, self._brain.portfolio, self._brain.hyper
            )
        creatives, routes = await asyncio.gather(
            self._ask("creative_scoring", self._brain.creative_request(), tick),
            self._ask("expert_routing", self._brain.routing_request(), tick),
        )
        if creatives is not None:
            self._brain.hear_creatives(creatives)
        if routes is not None:
            self._brain.hear_routes(routes)

    def _lesson(self, tick: int, evidence: Evidence) -> Lesson:
        attention = self._brain.attention
        assert attention.creative_features is not None
        assert attention.routing_features is not None
        return Lesson(
            tick,
            evidence,
            self._brain.shares,
            attention.creative_features,
            attention.routing_features,
            self._brain.daily / MICROS,
        )

    async def _ask(self, use_case: str, request: Request, tick: int) -> Answer | None:
        """The service's answer, kept in the journal; None where the request itself was at fault, which is logged."""
        stale = [name for name in self._brain.attention.stale if name != use_case]
        try:
            answer: Answer = await self._call(self._children["attention"], "compute", use_case, request)
        except Failed as error:
            self._log.error("attention_failed", use_case=use_case, error=str(error))
            self._brain.attention.stale = (*stale, use_case)
            return None
        self._brain.attention.stale = tuple(stale)
        kept = {"output": answer.output} if answer.output.size < 1e6 else {}
        self._journal.answer(tick, use_case, answer.version, kept)
        return answer

    def _close(
        self,
        tick: int,
        outcomes: list[tuple[slice, Outcomes | None]],
        evidence: Evidence,
        standing: Standing,
        result: dict[str, int],
    ) -> None:
        """Make the hour count: journal first, then the clock."""
        brain = self._brain
        self._journal.outcomes(
            row for columns, part in outcomes if part is not None for row in _outcome_rows(part, columns.start)
        )
        self._checkpoint()
        signals = {**brain.attention.signals, "culprits": brain.culprits()}
        self._journal.tick(tick, self._time().isoformat(), str(brain.gate.mode), brain.attention.coherence, signals)
        self._reporter.hour(brain, evidence, standing, result, outcomes)
        self._log.info("hour", mode=str(brain.gate.mode), coherence=brain.attention.coherence, **result)
        self._tick = tick + 1
        self._moved.set()

    def _checkpoint(self) -> None:
        if self._brain.campaigns:
            self._journal.model("state/brain", self._brain.epoch, self._tick, self._brain.state())
        for platform, memory in self._memories.items():
            arrays = {name: np.asarray(value) for name, value in asdict(memory).items()}
            self._journal.model(f"state/{platform}", 1, self._tick, arrays)

    # ---- the children

    def _declare(self) -> None:
        scenario = self._scenario
        options = {**CHILD_OPTIONS, "namespace": scenario.namespace}
        declare = self._children.declare
        declare("market", lambda: MarketActor.options(name="market", **options).remote(scenario), self._tell_market)
        declare(
            "dispatcher",
            lambda: DispatcherActor.options(name="dispatcher", **options).remote(scenario),
            self._tell_dispatcher,
        )
        declare(
            "attention",
            lambda: AttentionActor.options(name="attention", **options).remote(scenario, self._heads()),
            _nothing,
        )
        declare("feedback", lambda: FeedbackActor.options(name="feedback", **options).remote(scenario), _nothing)
        for platform in self._slices:
            declare(f"agent/{platform}", self._agent_maker(platform, options), self._agent_teller(platform))

    def _agent_maker(self, platform: str, options: dict[str, Any]) -> Any:
        return lambda: AgentActor.options(name=f"agent/{platform}", **options).remote(self._scenario, platform)

    def _agent_teller(self, platform: str) -> Any:
        async def tell(agent: Any) -> None:
            if self._brain.campaigns:
                await self._call(agent, "take", self._shard(platform), self._memories.get(platform))

        return tell

    async def _tell_market(self, market: Any) -> None:
        if self._brain.campaigns:
            await self._call(market, "admit", self._brain.campaigns, self._tick)

    async def _tell_dispatcher(self, dispatcher: Any) -> None:
        if self._brain.campaigns:
            await self._call(dispatcher, "admit", self._brain.campaigns, self._tick)

    async def _tell_everybody(self) -> None:
        await self._tell_market(self._children["market"])
        await self._tell_dispatcher(self._children["dispatcher"])
        await asyncio.gather(*(self._agent_teller(p)(self._children[f"agent/{p}"]) for p in self._slices))

    def _shard(self, platform: str) -> Shard:
        rails = [campaign.guardrails for campaign in self._brain.campaigns]
        steps = Steps(
            budget=np.array([float(r.max_change_per_step) for r in rails]),
            bid=np.array([float(r.max_bid_change_per_step) for r in rails]),
            least=np.array([float(r.min_change) for r in rails]),
        )
        keep = float(np.exp(-1.0 / (HOURS_A_DAY * self._brain.hyper["memory_days"])))
        return Shard(self._brain.portfolio.columns(self._slices[platform]), self._brain.calendar, steps, keep)

    def _heads(self) -> dict[str, Any]:
        """Every model's newest head, for a service that is made again."""
        kept = self._journal.models()
        heads: dict[str, Any] = {name: kept[name] for name in ("creative_scoring", "expert_routing") if name in kept}
        if "usual" in kept:
            version, usual = kept["usual"]
            heads["health_monitoring"] = (version, Usual(usual["mean"], usual["square"]).head())
        return heads

    async def _beat(self) -> None:
        """Every heartbeat: set the gauges again, and notice who is silent."""
        while True:
            self._reporter.beat(self._children.answered_s)
            await asyncio.sleep(self._config.runtime.heartbeat_s)

    # ---- memory

    def _recall(self) -> None:
        """Go on from the journal."""
        specs = [Campaign.model_validate_json(spec) for _, _, spec in self._journal.campaigns()]
        if not specs:
            self._journal.hyper(1, 0, self._brain.hyper.values, {})
            return
        self._admit(specs)
        kept = self._journal.models()
        if "state/brain" in kept:
            self._brain.resume(kept["state/brain"][1])
        for platform in self._slices:
            if f"state/{platform}" in kept:
                arrays: dict[str, Any] = {**kept[f"state/{platform}"][1]}
                self._memories[platform] = Memory(**{**arrays, "tick": int(arrays["tick"])})

    def _admit(self, new: list[Campaign]) -> None:
        campaigns = [*self._brain.campaigns, *new]
        self._brain.admit(new, self._scenario.calendar(campaigns), self._scenario.budgets(campaigns))
        self._reporter.admit(campaigns)

    def _time(self) -> Any:
        return self._brain.calendar.utc(self._tick)

    def _known(self, names: list[str]) -> frozenset[str]:
        known = {campaign.name for campaign in self._brain.campaigns}
        wrong = sorted(set(names) - known)
        if wrong:
            raise Failed(f"no campaign is called {wrong[0]!r}; there are {', '.join(sorted(known)) or 'none'}")
        return frozenset(names or known)

    def _set_paused(self, names: frozenset[str]) -> list[str]:
        self._brain.paused = names
        self._checkpoint()
        return sorted(names)


def _pauses(standing: Standing) -> Proposals:
    """A pause for everything that delivers."""
    campaign, channel = np.nonzero(standing.now.status == 1)
    count = len(campaign)
    return Proposals(
        campaign=campaign.astype(np.int32),
        channel=channel.astype(np.int32),
        field=np.full(count, Field.STATUS, dtype=np.int8),
        creative=np.full(count, -1, dtype=np.int16),
        new=np.zeros(count, dtype=np.int64),
        reason=np.full(count, "down"),
        estimate=np.zeros(count),
        price=np.zeros(count),
    )


def _outcome_rows(part: Outcomes, first: int) -> list[tuple[float, ...]]:
    campaign, channel = np.nonzero(part.spend + part.clicks + part.conversions)
    at = (campaign, channel)
    columns = (
        np.full(len(campaign), part.tick),
        campaign,
        channel + first,
        part.spend[at],
        part.clicks[at],
        part.conversions[at],
    )
    return list(zip(*(column.tolist() for column in columns), strict=True))


def _quantile(ordered: list[float], share: float) -> float:
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else 0.0


async def _nothing(_: Any) -> None:
    """For children that need not be told anything."""


CoordinatorActor = ray.remote(Coordinator)
