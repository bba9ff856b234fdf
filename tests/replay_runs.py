"""A run in one process, whose hours tests decide again: three days of five campaigns, and what people asked for."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from benchmarks.inprocess import Swarm, run
from policies.health import Mode
from swarm.actors.checkpoint import Checkpoint
from swarm.actors.scenario import Scenario
from swarm.brain import opening_hyper
from swarm.replay.inputs import Inputs
from swarm.spec.campaign import Campaign
from swarm.store.inputs import keep_state
from swarm.store.journal import Journal
from tests.conftest import scenario_of

JOINS, STATE = 26, 48
"""The hours before which the last campaign joins, and the state is kept."""
PAUSED, HELD = range(30, 36), range(52, 58)
"""Hours in which a person had one campaign paused, and the mode held."""


Then = Callable[[Swarm, int], Awaitable[None]]
"""Something else that happens before an hour."""


def played(
    folder: Path, campaigns: Sequence[Campaign], *, days: int = 3, late: int = 1, then: Then | None = None
) -> Scenario:
    """The run; its journal is in ``folder``. The ``late`` last campaigns join in mid-run."""
    scenario = scenario_of("replayed", days, folder)
    first, last = campaigns[: len(campaigns) - late], campaigns[len(campaigns) - late :]

    async def before(swarm: Swarm, tick: int) -> None:
        if tick == 0:
            _know(swarm, first, 0)
        if tick == JOINS and late:
            await _join(swarm, last, tick)
        if tick == STATE:
            Checkpoint(swarm.journal).save(swarm.brain, swarm._roster.memories, tick)
            keep_state(swarm.journal, tick)
        brain = swarm.brain
        brain.paused = frozenset({campaigns[0].name} if tick in PAUSED else ())
        if tick == HELD.start:
            brain.gate = brain.gate.hold(Mode.CAUTIOUS, tick)
        if tick == HELD.stop:
            brain.gate = brain.gate.release(tick)
        if then:
            await then(swarm, tick)

    run(scenario, first, opening_hyper(scenario.config).values, before=before)
    return scenario


def _know(swarm: Swarm, campaigns: Sequence[Campaign], tick: int) -> None:
    """Let the journal know what the coordinator lets it know."""
    swarm.journal.remember("scenario", json.dumps(swarm.scenario.facts()))
    swarm.journal.remember("channels", json.dumps([asdict(channel) for channel in swarm.scenario.channels]))
    known = len(swarm.journal.campaigns())
    rows = [(known + n, c.name, c.digest(), c.model_dump_json(by_alias=True), tick) for n, c in enumerate(campaigns)]
    swarm.journal.submit(rows)


async def _join(swarm: Swarm, new: Sequence[Campaign], tick: int) -> None:
    """More campaigns, as the coordinator takes them on."""
    _know(swarm, new, tick)
    campaigns, scenario = [*swarm.brain.campaigns, *new], swarm.scenario
    swarm.brain.admit(list(new), scenario.calendar(campaigns), scenario.budgets(campaigns))
    swarm.campaigns, swarm.calendar = campaigns, scenario.calendar(campaigns)
    await swarm.tell_everybody(tick)


def tampered(scenario: Scenario, folder: Path, hour: int) -> Path:
    """The run's journal with twice the clicks in what one platform reported in ``hour``."""
    journal = Journal(path := copied(scenario, folder))
    inputs = Inputs.kept(journal, hour)
    assert inputs is not None
    one, *others = inputs.reports
    assert one is not None
    assert np.any(one.clicks)
    replace(inputs, reports=(replace(one, clicks=2 * one.clicks), *others)).keep(journal, hour)
    journal.close()
    return path


def copied(scenario: Scenario, folder: Path) -> Path:
    """The run's journal once more, in ``folder``."""
    path = folder / "journal.sqlite"
    with closing(sqlite3.connect(scenario.folder / path.name)) as source, closing(sqlite3.connect(path)) as copy:
        source.backup(copy)
    return path


def opened(path: Path) -> Journal:
    """A journal, to read."""
    return Journal(path, read_only=True)
