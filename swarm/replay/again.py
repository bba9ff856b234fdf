"""Logged hours decided again in one process: the actors' own classes, fed with what the hours were decided from."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import isfinite, nan
from pathlib import Path
from typing import cast

from policies.clock import Traffic
from policies.evidence import Memory
from policies.frames import Evidence
from policies.tuning import Tuning
from swarm import portfolio
from swarm.actors.agent import Shard
from swarm.actors.checkpoint import Checkpoint
from swarm.actors.hour import Done, Hour
from swarm.actors.roster import Roster as ActorsRoster
from swarm.brain import Brain, opening_hyper
from swarm.observe.logging import configure_logging
from swarm.platforms.traffic import HOUR_OF_WEEK
from swarm.replay.children import Agent, Asked, Children, Learning, Now, Outside, Plainly, Remembered, Roster, Taught
from swarm.replay.inputs import Inputs
from swarm.replay.judge import Judge, Scratch
from swarm.replay.log import Decisions, Log
from swarm.spec.campaign import Campaign
from swarm.spec.config import SwarmConfig
from swarm.store.inputs import state_before


@dataclass(frozen=True, slots=True)
class Decided:
    """An hour, as it was decided and as it is decided now."""

    tick: int
    logged: Decisions
    again: Decisions
    logged_mode: tuple[str, float | None]
    """Mode and coherence."""
    again_mode: tuple[str, float | None]
    evidence: Evidence
    """By which it is decided now."""
    memories: Mapping[str, Memory]
    """What each platform's agent has learnt."""


class Again:
    """A swarm that decides the hours of a log again, one after another.

    It begins at the newest state that was kept before ``first``: what was learnt until then is as it was.
    """

    def __init__(
        self, log: Log, folder: Path, first: int, *, config: SwarmConfig | None = None, recompute: bool = False
    ) -> None:
        """``folder``: empty, for files of its own. ``config``: other settings, whose hyperparameters then hold
        throughout. ``recompute``: models are asked anew instead of remembered.

        Raises:
            ValueError: ``first`` comes before all hours that can be replayed.
        """
        self.log, self.journal = log, Scratch(folder / "journal.sqlite")
        begin, heads = state_before(log.journal, first)
        if first < log.first or begin < log.first > 0:
            raise ValueError(f"{log.journal.place} can be replayed from market hour {log.first} on, not from {first}")
        self.tick = max(begin, 0)
        self.scenario = replace(log.scenario, folder=folder, config=_settings(log, config))
        self.journal.submit(
            (row, c.name, c.digest(), c.model_dump_json(by_alias=True), joined)
            for row, (c, joined) in enumerate(zip(log.campaigns, log.joined, strict=True))
            if joined <= self.tick
        )
        for use_case, version, tick, arrays in heads:
            self.journal.model(use_case, version, tick, arrays)
        self._tell_of_the_hour_before()
        self.brain = Brain(self.scenario.config, self.scenario.channels, Traffic(HOUR_OF_WEEK))
        memories = Checkpoint(self.journal).load(self.brain, self.scenario).memories
        if config is not None:
            own = Tuning.start(opening_hyper(config))
            self.brain.tuning = own.grown(len(self.brain.campaigns))
        self._hire(memories, fixed=config is not None, recompute=recompute)

    def _tell_of_the_hour_before(self) -> None:
        if (before := self.log.journal.hour(self.tick - 1)) is not None:
            time, coherence, evidence = before
            mode, _ = self.log.modes[self.tick - 1]
            self.journal.tick(self.tick - 1, time, mode, _number(coherence), evidence)

    def _hire(self, memories: dict[str, Memory], *, fixed: bool, recompute: bool) -> None:
        scenario, slices = self.scenario, self.scenario.slices()
        now = self._now = Now(self.tick, self.log.inputs(self.tick))
        outside, taught = Outside(now, list(slices)), Taught(now, self.brain, fixed=fixed)
        asked = Asked(now, self.journal) if recompute else None
        self.judge = Judge(self.log, scenario, self.journal, now)
        self._agents = {name: Agent(scenario, name, outside) for name in slices}
        children = Children(
            {
                "market": outside,
                "dispatcher": self.judge,
                "attention": asked or Remembered(now, self.log.journal),
                "feedback": Learning(scenario, taught, asked) if asked else taught,
                **{f"agent/{name}": agent for name, agent in self._agents.items()},
            }
        )
        self._roster = Roster(slices, children, memories)
        log = configure_logging(scenario.config.name, "replay", scenario.folder)
        roster = cast(ActorsRoster, self._roster)
        self._hour = Hour(roster, self.brain, Plainly(0.0), self.journal, log, _nobody_dies)

    def hours(self, end: int) -> Iterator[Decided]:
        """Decide all hours to before ``end``."""
        self._catch_up()
        asyncio.run(self._take())
        while self.tick < end:
            yield asyncio.run(self._decide())

    def _catch_up(self) -> None:
        """Let the hours before the first one pass as they did: the ledger begins with the run."""
        for tick in range(self.tick):
            if known := [c for c, joined in zip(self.log.campaigns, self.log.joined, strict=True) if joined <= tick]:
                self.judge.admit(known)
                self.judge.follow(tick)

    async def _take(self) -> None:
        """Tell everybody of the campaigns."""
        brain = self.brain
        self.judge.admit(brain.campaigns)
        steps = portfolio.steps(brain.campaigns)
        for name, agent in self._agents.items():
            columns = self._roster.slices[name]
            shard = Shard(brain.portfolio.columns(columns), brain.calendar, steps)
            await agent.take(shard, self._roster.memories.get(name))

    async def _decide(self) -> Decided:
        tick = self.tick
        self._now.tick, self._now.inputs = tick, self.log.inputs(tick)
        if new := [c for c, joined in zip(self.log.campaigns, self.log.joined, strict=True) if joined == tick]:
            await self._admit(new)
        self._obey(self._now.inputs)
        done = await self._hour.run(tick)
        self._close(done)
        return Decided(
            tick=tick,
            logged=self.judge.logged,
            again=self.judge.decided,
            logged_mode=self.log.modes[tick],
            again_mode=_told(self.brain),
            evidence=done.evidence,
            memories=done.memories,
        )

    async def _admit(self, new: list[Campaign]) -> None:
        known = {campaign.name for campaign in self.brain.campaigns}
        if new := [campaign for campaign in new if campaign.name not in known]:
            campaigns = [*self.brain.campaigns, *new]
            self.brain.admit(new, self.scenario.calendar(campaigns), self.scenario.budgets(campaigns))
            await self._take()

    def _obey(self, inputs: Inputs) -> None:
        """What people asked for and quarantine demanded in the hour."""
        brain, gate = self.brain, inputs.gate
        brain.paused, brain.floor, brain.careful = inputs.paused, inputs.floor, inputs.careful
        self._roster.children.away = inputs.away
        if gate.held:
            brain.gate = gate
        elif brain.gate.held:
            brain.gate = brain.gate.release(self.tick)

    def _close(self, done: Done) -> None:
        brain, tick = self.brain, self.tick
        why = {**brain.attention.signals, "healthy": done.healthy}
        mode, coherence = _told(brain)
        self.journal.tick(tick, brain.calendar.utc(tick).isoformat(), mode, _number(coherence), why)
        self._roster.memories = done.memories
        self.tick = tick + 1


def _settings(log: Log, other: SwarmConfig | None) -> SwarmConfig:
    """``other`` where one is given, but for what the run was: its name, its seed and its days."""
    logged = log.scenario.config
    return logged if other is None else other.model_copy(update={"name": logged.name, "run": logged.run})


def _told(brain: Brain) -> tuple[str, float | None]:
    coherence = brain.attention.coherence
    return str(brain.gate.mode), coherence if isfinite(coherence) else None


def _number(coherence: float | None) -> float:
    return nan if coherence is None else coherence


def _nobody_dies(name: str) -> None:
    raise AssertionError(name)
