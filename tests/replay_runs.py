"""A run in one process, whose hours tests decide again: three days of five campaigns, and what people asked for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.inprocess import Swarm, run
from policies.health import Gate, Mode
from swarm.actors.checkpoint import Checkpoint
from swarm.actors.scenario import Scenario
from swarm.brain import opening_hyper
from swarm.spec.campaign import Campaign
from swarm.store.inputs import keep_state
from swarm.store.journal import Journal
from tests.conftest import scenario_of

STATE = 48
"""The hour before which the state is kept."""
PAUSED, HELD = range(30, 36), range(52, 58)
"""Hours in which a person had one campaign paused, and the mode held."""


def played(folder: Path, campaigns: Sequence[Campaign], *, days: int = 3) -> Scenario:
    """The run; its journal is in ``folder``."""
    scenario = scenario_of("replayed", days, folder)

    async def before(swarm: Swarm, tick: int) -> None:
        if tick == 0:
            _know(swarm)
        swarm.brain.paused = frozenset({campaigns[0].name} if tick in PAUSED else ())
        if tick == HELD.start:
            swarm.brain.gate = swarm.brain.gate.hold(Mode.CAUTIOUS, tick)
        if tick == HELD.stop:
            swarm.brain.gate = swarm.brain.gate.release(tick)
        if tick == STATE:
            keep(swarm, tick)

    run(scenario, campaigns, opening_hyper(scenario.config).values, before=before)
    return scenario


def keep(swarm: Swarm, tick: int) -> None:
    """Keep the state before hour ``tick``, as the coordinator does."""
    Checkpoint(swarm.journal).save(swarm.brain, swarm._roster.memories, tick)
    keep_state(swarm.journal, tick)


def _know(swarm: Swarm) -> None:
    """Let the journal know what the coordinator lets it know at the start."""
    scenario = swarm.scenario
    swarm.journal.remember("scenario", json.dumps(scenario.facts()))
    swarm.journal.remember("channels", json.dumps([asdict(channel) for channel in scenario.channels]))
    rows = [(r, c.name, c.digest(), c.model_dump_json(by_alias=True), 0) for r, c in enumerate(swarm.campaigns)]
    swarm.journal.submit(rows)


def opened(scenario: Scenario) -> Journal:
    """The run's journal, to read."""
    return Journal(scenario.folder / "journal.sqlite", read_only=True)


__all__ = ["Gate", "HELD", "PAUSED", "STATE", "keep", "opened", "played"]
