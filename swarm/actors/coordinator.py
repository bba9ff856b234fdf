"""The coordinator: it owns the clock, the mode and the children."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections import deque
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import datetime
from math import isfinite
from typing import Any

import ray

from policies.clock import Traffic
from policies.health import RECOMMENDATIONS, Gate, Mode
from swarm.actors.alerts import Alerts
from swarm.actors.bounded import bounded
from swarm.actors.calls import Caller
from swarm.actors.checkpoint import Checkpoint
from swarm.actors.hour import Done, Hour
from swarm.actors.reporting import Reporter
from swarm.actors.roster import Roster
from swarm.actors.scenario import Scenario
from swarm.actors.supervision import Supervision
from swarm.brain import Brain
from swarm.errors import Failed, JournalError, SwarmError
from swarm.observe.logging import bind_tick, configure_logging
from swarm.observe.metrics import Metrics
from swarm.platforms.traffic import HOUR_OF_WEEK
from swarm.portfolio import limits
from swarm.spec.campaign import Campaign
from swarm.store.inputs import STATE_EVERY_H, inputs_of, keep_state
from swarm.store.journal import Journal
from swarm.store.place import journal_of

_POLL_S = 1.0
_TRIES = 5
_LONGEST_S = 3600.0


@bounded()
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
        self._journal = Journal(journal_of(scenario.folder))
        self._journal.remember("channels", json.dumps([asdict(channel) for channel in scenario.channels]))
        self._call = Caller(self._config.runtime.call_deadline_s)
        self._brain = Brain(self._config, scenario.channels, Traffic(HOUR_OF_WEEK))
        self._reporter = Reporter(Metrics(self._config.name), scenario)
        self._tick = self._journal.last_tick() + 1
        self._checkpoint = Checkpoint(self._journal)
        self._roster = Roster(scenario, self._call, self._brain, self._journal, lambda: self._tick)
        self._children = self._roster.children
        self._error, self._waits_for = "", ""
        self._counts: dict[str, Any] = {"mode_seconds": {}, "proposals": {}}
        self._clock: asyncio.Task[None] | None = None
        self._until, self._period_s = 0, 0.0
        self._moved = asyncio.Event()
        self._hour_lock = asyncio.Lock()
        self._tick_ms: deque[float] = deque(maxlen=10_000)
        self._supervision = Supervision(
            self._roster, self._brain, self._journal, self._reporter, self._log, lambda: self._tick
        )
        self._alerts = Alerts(self._config, scenario.folder, self._journal, self._brain, self._log)
        self._alerts.verify(self._tick)
        self._hour = Hour(self._roster, self._brain, self._call, self._journal, self._log, self._supervision.mend)
        self._recall()
        await self._supervision.begin()
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

        Raises:
            Failed: one shares caps that the configuration does not have.
        """
        try:
            limits(campaigns, self._scenario.channels, self._scenario.config)
        except ValueError as error:
            raise Failed(str(error)) from error
        async with self._hour_lock:
            # The digest as today's program has it: a field that has come since has its default in both.
            kept = ((name, Campaign.model_validate_json(spec)) for name, _, spec in self._journal.campaigns())
            known = {name: campaign.digest() for name, campaign in kept}
            if new := [campaign for campaign in campaigns if campaign.name not in known]:
                rows = [
                    (len(known) + i, c.name, c.digest(), c.model_dump_json(by_alias=True), self._tick)
                    for i, c in enumerate(new)
                ]
                self._journal.submit(rows)
                self._admit(new)
                await self._roster.tell_everybody()
        self._log.info("submitted", new=len(new), offered=len(campaigns))
        return {
            c.name: "submitted" if c.name not in known else "known" if known[c.name] == c.digest() else "name taken"
            for c in campaigns
        }

    async def start(self, until: int, period_s: float) -> None:
        """Let the clock run to market hour ``until``, one hour in ``period_s`` seconds, 0 as fast as it goes.

        Raises:
            Failed: not an hour, or not a time; the clock goes on as before.
        """
        if not (isinstance(until, int) and isinstance(period_s, int | float) and 0.0 <= period_s <= _LONGEST_S):
            raise Failed(
                f"the clock runs to a whole hour, and an hour takes 0 to {_LONGEST_S:.0f} s: {until}, {period_s}"
            )
        self._journal.remember("clock", json.dumps({"until": until, "period_s": period_s}))
        self._resume_clock()

    async def progress(self, after: int) -> dict[str, Any]:
        """The status, as soon as the clock is past ``after``, or after a second."""
        if self._tick <= after and not self._error and self._running:
            self._moved.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._moved.wait(), _POLL_S)
        return self._status()

    async def status(self) -> dict[str, Any]:
        """Where the swarm stands."""
        return self._status()

    def _status(self) -> dict[str, Any]:
        brain, times = self._brain, sorted(self._tick_ms)
        return {
            "tick": self._tick,
            "until": self._until,
            "running": self._running,
            "error": self._error,
            "waits_for": self._waits_for,
            "time": self._time().isoformat() if brain.campaigns else "",
            "mode": str(brain.gate.mode),
            "held": brain.gate.held,
            "coherence": brain.attention.coherence if isfinite(brain.attention.coherence) else None,
            "recommendations": list(RECOMMENDATIONS[brain.gate.mode]),
            "channels": [channel.name for channel in self._scenario.channels],
            "campaigns": self._reporter.rows(brain),
            "paused": sorted(brain.paused),
            "hyper_version": brain.tuning.hyper.version,
            "restarts": dict(self._children.restarts),
            "quarantined": self._supervision.status(),
            "stale_attention": list(brain.attention.stale),
            "calls": self._call.made,
            "tick_ms": {"p50": _quantile(times, 0.5), "p99": _quantile(times, 0.99)},
            **self._counted(),
        }

    def _counted(self) -> dict[str, Any]:
        """What the journal knows, or last knew where it cannot be read: status must say so then, not fail."""
        with suppress(JournalError):
            self._counts = {
                "mode_seconds": self._reporter.mode_seconds(self._journal), "proposals": self._journal.counts(),
            }  # fmt: skip
        return self._counts

    async def calls_made(self) -> dict[str, int]:
        """Calls that each actor has made to others so far."""
        made = {"coordinator": self._call.made}
        for name in (*(f"agent/{p}" for p in self._roster.slices), "dispatcher", "feedback"):
            made[name] = await self._call(self._children[name], "calls_made")
        return made

    async def hold(self, mode: str) -> str:
        """A person sets the mode; the gate no longer moves it."""
        await self._keep(self._set_gate(self._brain.gate.hold(Mode(mode), self._tick)), "hold", [mode])
        return mode

    async def release(self) -> str:
        """A person lets the gate decide again."""
        gate = self._brain.gate.release(self._tick)
        await self._keep(self._set_gate(gate), "release", [str(gate.mode)])
        return str(gate.mode)

    async def try_out(self, changes: dict[str, float]) -> None:
        """Try a person's values of hyperparameters on the canary, from the next lesson on."""
        await self._call(self._children["feedback"], "ask", changes, self._tick)
        self._log.info("candidate_asked_for", **changes)

    async def pause(self, names: list[str]) -> list[str]:
        """Stop delivering campaigns at the next hour; returns all that are paused."""
        known = self._known(names)
        return await self._set_paused("pause", known, self._brain.paused | known)

    async def resume(self, names: list[str]) -> list[str]:
        """Let campaigns deliver again; returns those that stay paused."""
        known = self._known(names)
        return await self._set_paused("resume", known, self._brain.paused - known)

    async def stop(self, *, pause: bool) -> dict[str, int]:
        """Stop the clock; with ``pause``, stop delivery everywhere first. Returns what came of the writes."""
        self._journal.remember("clock", json.dumps({"until": 0, "period_s": 0.0}))
        async with self._hour_lock:  # an hour in flight could still launch what is paused here
            if self._clock is not None:
                self._clock.cancel()
            return await self._pause_all() if pause and self._brain.campaigns else {}

    async def _pause_all(self) -> dict[str, int]:
        lease, tick = self._brain.lease(self._tick), self._tick
        result: dict[str, int] = await self._call(self._children["dispatcher"], "pause_all", lease, tick)
        return result

    # ---- the clock

    @property
    def _running(self) -> bool:
        return self._clock is not None and not self._clock.done()

    def _resume_clock(self) -> None:
        kept = json.loads(self._journal.recall("clock") or '{"until": 0, "period_s": 0.0}')
        self._until, self._period_s = kept["until"], kept["period_s"]
        self._hour.in_wall_time(self._period_s > 0, self._config.runtime)
        if not self._running and self._tick < self._until:
            self._error = ""
            self._clock = asyncio.create_task(self._run())

    async def _run(self) -> None:
        try:
            while self._tick < self._until:
                began = time.perf_counter()
                rest_s = self._period_s
                if self._brain.campaigns:
                    async with self._hour_lock:
                        counts = await self._steady_hour()
                    if not counts:
                        rest_s = max(rest_s, self._config.runtime.heartbeat_s)
                    self._tick_ms.append(1000 * (time.perf_counter() - began))
                    self._reporter.tick(self._tick_ms[-1])
                await asyncio.sleep(max(rest_s - (time.perf_counter() - began), 0.0))
        except Exception as error:  # the supervisor's own failure must be seen, whatever it is
            self._error = f"{type(error).__name__}: {error}"
            self._log.exception("clock_stopped")
        finally:
            self._moved.set()

    async def _steady_hour(self) -> bool:
        """One hour; where a child fails in it, the hour is taken back, the child made again, the hour tried again.

        Returns False where none is possible for now: nothing can be written without the market or the dispatcher, nor
        decided without the journal.
        """
        tries = _TRIES
        while self._supervision.may_write():
            before, attention = self._brain.state(), replace(self._brain.attention)
            bind_tick(self._tick)
            try:
                self._close(await self._hour.run(self._tick))
            except SwarmError as error:
                self._brain.attention = attention
                self._brain.take_back(before)
                self._log.warning("hour_taken_back", error=str(error), tries_left=tries)
                if isinstance(error, JournalError) and self._period_s:
                    self._waits_for = str(error)
                    self._alerts.not_kept(self._tick, error)
                    return False
                tries -= not await self._supervision.heal()  # an hour that fails though all are alive may fail for ever
                if not tries:
                    raise
            else:
                self._waits_for = ""
                return True
        return False

    def _close(self, done: Done) -> None:
        """Make the hour count: journal first, then the clock."""
        brain, tick = self._brain, self._tick
        why = {**brain.attention.signals, "culprits": brain.culprits(), "healthy": done.healthy}
        why["floor"] = str(brain.floor)
        if alarms := brain.alarms():
            why["charts"] = [asdict(alarm) for alarm in alarms]
        if (ended := brain.calendar.at(tick).hours_left == 1).any():
            why["allocation"] = brain.proof(ended)
        with self._journal.writing():  # half an hour in the journal would be done again on top of itself
            if self._journal.last_tick() < tick:  # a commit whose answer was lost may have come through
                self._keep_hour(done, tick, why)
        self._roster.memories = done.memories
        self._reporter.hour(brain, done)
        self._log.info("hour", mode=str(brain.gate.mode), coherence=brain.attention.coherence, **done.result)
        self._supervision.hour_counts(done.away)
        self._alerts.hour(tick, done.standing, time.monotonic() if self._period_s else 3600.0 * tick)
        self._tick = tick + 1
        self._moved.set()

    def _keep_hour(self, done: Done, tick: int, why: dict[str, Any]) -> None:
        self._journal.outcomes(done.reported())
        done.inputs.keep(self._journal, tick)
        self._checkpoint.save(self._brain, done.memories, tick + 1)
        if (tick + 1) % STATE_EVERY_H == 0:
            keep_state(self._journal, tick + 1)
        gate, coherence = self._brain.gate, self._brain.attention.coherence
        self._journal.tick(tick, self._time().isoformat(), str(gate.mode), coherence, why)

    async def _beat(self) -> None:
        """Every heartbeat: ask for signs of life and set the gauges again."""
        while True:
            await self._children.ping()
            self._reporter.beat(self._children.answered_s)
            await asyncio.sleep(self._config.runtime.heartbeat_s)

    # ---- memory

    def _recall(self) -> None:
        """Go on from the journal."""
        if not self._journal.campaigns():
            self._journal.hyper(1, 0, self._brain.tuning.hyper.values, {})
            return
        if self._tick and inputs_of(self._journal, self._tick - 1) is None:  # of before inputs were kept
            keep_state(self._journal, self._tick)
        kept = self._checkpoint.load(self._brain, self._scenario)
        self._roster.memories = kept.memories
        if kept.anew:
            self._log.warning("begins_anew", parts=list(kept.anew), why="another version kept the journal")
        self._reporter.admit(self._brain.campaigns)
        self._reporter.recall(self._journal.totals())

    def _admit(self, new: list[Campaign]) -> None:
        campaigns = [*self._brain.campaigns, *new]
        self._brain.admit(new, self._scenario.calendar(campaigns), self._scenario.budgets(campaigns))
        self._reporter.admit(campaigns)

    def _time(self) -> datetime:
        return self._brain.calendar.utc(self._tick)

    def _known(self, names: list[str]) -> frozenset[str]:
        known = {campaign.name for campaign in self._brain.campaigns}
        wrong = sorted(set(names) - known)
        if wrong:
            raise Failed(f"no campaign is called {wrong[0]!r}; there are {', '.join(sorted(known)) or 'none'}")
        return frozenset(names or known)

    def _set_gate(self, gate: Gate) -> int:
        self._brain.gate = gate
        self._brain.epoch += 1
        return self._tick

    async def _set_paused(self, kind: str, names: frozenset[str], paused: frozenset[str]) -> list[str]:
        self._brain.paused = paused
        await self._keep(self._tick, kind, sorted(names))
        return sorted(paused)

    async def _keep(self, tick: int, kind: str, subjects: list[str]) -> None:
        """Keep what a person asked for in hour ``tick``, between two hours; it is in force already."""
        async with self._hour_lock:
            with self._journal.writing():
                for subject in subjects:
                    self._journal.event(tick, kind, subject, "a person")
                self._checkpoint.save(self._brain, self._roster.memories, self._tick)
        self._log.warning("a_person_asked", kind=kind, subjects=subjects)


def _quantile(ordered: list[float], share: float) -> float:
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else 0.0


CoordinatorActor = ray.remote(Coordinator)
