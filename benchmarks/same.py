"""The swarm against the same policy in one process: every write and every amount, to the micro.

A run on Ray keeps the answers of attention that it decided by. The same hours are then decided again in one process,
by the same classes with plain calls between them, from those answers, on a market of the same seed that knows
nothing of the first run. What Ray adds (processes, messages, deadlines, order of arrival) must not show. Nor does it
where the hours are replayed from the journal alone, without a market.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.inprocess import Local, Swarm
from policies.frames import Ints
from swarm.actors import answers
from swarm.actors.feedback import FeedbackLoop
from swarm.actors.market import Market
from swarm.actors.scenario import Scenario
from swarm.actors.session import simulate
from swarm.attention.request import Answer, Request
from swarm.brain import opening_hyper
from swarm.errors import Failed
from swarm.replay.again import Again
from swarm.replay.compare import Comparison
from swarm.replay.log import Log
from swarm.spec.campaign import Campaign
from swarm.spec.money import MICROS
from swarm.store.journal import Journal


class Remembered:
    """In place of the attention service: the answers of another run, hour by hour."""

    def __init__(self, kept: Journal, own: Journal) -> None:
        """``kept``: of the run that was; ``own``: of the one that is decided again, whose newest hour says when."""
        self._kept, self._own = kept, own

    async def compute(self, use_case: str, _: Request) -> Answer:
        """What was answered in this hour.

        Raises:
            Failed: there was no answer then.
        """
        if (found := self._kept.answered(self._own.last_tick() + 1, use_case)) is None:
            raise Failed(f"{use_case} was not answered")
        return answers.from_arrays(*found)

    async def set_head(self, use_case: str, arrays: Mapping[str, NDArray[Any]], version: int) -> None:
        """What is learnt is learnt again, and answers nothing here."""


class Again(Swarm):
    """A swarm in one process that decides by the answers in ``kept``."""

    def __init__(self, scenario: Scenario, campaigns: Sequence[Campaign], kept: Journal) -> None:
        """All campaigns join at hour 0, as in a simulated run."""
        super().__init__(scenario, campaigns, opening_hyper(scenario.config).values, Market, FeedbackLoop)
        self.journal.hyper(1, 0, self.brain.tuning.hyper.values, {})
        self._roster.children["attention"] = Local(Remembered(kept, self.journal))


def decided_again(scenario: Scenario, campaigns: Sequence[Campaign], kept: Journal) -> tuple[Journal, Ints]:
    """All hours of ``scenario`` in its own folder; the journal, and micros spent by campaign and channel [R, C]."""

    async def live() -> tuple[Journal, Ints]:
        swarm = Again(scenario, campaigns, kept)
        ticks = swarm.calendar.ticks(scenario.days)
        with swarm.connected():
            await swarm.start()
            for tick in range(ticks):
                await swarm.hour(tick)
        return swarm.journal, np.asarray((await swarm.market.score(ticks))["by_channel"], dtype=np.int64)

    return asyncio.run(live())


def same(scenario: Scenario, campaigns: Sequence[Campaign]) -> dict[str, Any]:
    """``scenario`` on Ray and then again in one process, and how much differs, which is to be nothing.

    Ray must be connected.
    """
    run = simulate(scenario, campaigns, lambda _: None)
    folder = scenario.folder / "again"
    folder.mkdir()
    kept = Journal(scenario.folder / "journal.sqlite", read_only=True)
    own, spent = decided_again(replace(scenario, folder=folder), campaigns, kept)
    return {**compared(kept, own, len(campaigns)), "replay": replayed(kept, folder), "spend": _spend(run, spent)}


def replayed(kept: Journal, folder: Path) -> dict[str, int]:
    """The hours of ``kept`` decided again without a market, from what they were decided from; ``folder`` is for files
    of its own."""
    log = Log(kept)
    own, found = folder / "replay", Comparison(log)
    own.mkdir()
    for hour in Again(log, own, log.first).hours(log.end):
        found.add(hour)
    return {"rows": found.decisions + found.hours, "differing": found.differing + found.other_modes}


def compared(kept: Journal, own: Journal, campaigns: int) -> dict[str, Any]:
    """Two journals of the same hours: how many rows there are of each kind, and how many of them differ."""
    kinds = {
        "writes": [journal.intents() for journal in (kept, own)],
        "hours": [journal.modes() for journal in (kept, own)],
        "reports": [
            [(r, *row) for r in range(campaigns) for row in journal.reported(r, 0, journal.last_tick() + 1)]
            for journal in (kept, own)
        ],
        "hyperparameters": [[row[:3] for row in journal.hypers()] for journal in (kept, own)],
    }
    return {
        name: {"rows": len(theirs), "differing": sum(a != b for a, b in zip_longest(theirs, ours))}
        for name, (theirs, ours) in kinds.items()
    }


def _spend(run: Mapping[str, Any], spent: Ints) -> dict[str, int]:
    """Micros by the truth of both markets, and the sum of all differences of a campaign on a channel."""
    told = [[round(amount * MICROS) for amount in row["by_channel"].values()] for row in run["by_campaign"]]
    theirs = np.array(told, dtype=np.int64)
    return {"micros": int(theirs.sum()), "differing": int(np.abs(theirs - spent).sum())}
