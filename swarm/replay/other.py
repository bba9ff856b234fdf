"""Logged hours under other settings or another policy: what it would have decided, and what that may be worth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from policies.frames import Floats
from swarm import portfolio
from swarm.effects.ledger import Ledger
from swarm.platforms.settings import Settings
from swarm.replay.again import Again, Decided
from swarm.replay.log import Log
from swarm.replay.rival import set_by
from swarm.replay.value import Worth, exponent_doubt
from swarm.spec.config import SwarmConfig

Sides = tuple[Decided, Ledger, Ledger | Settings]
"""An hour, what was in force in it, and what the other policy would have had in force."""


@dataclass(slots=True)
class Moved:
    """How far one setting is from the log's, over campaigns, channels and hours."""

    settings: int = 0
    differing: int = 0
    _sum: float = field(default=0.0, repr=False)

    def add(self, logged: Floats, other: Floats) -> None:
        """One hour more."""
        apart = logged != other
        self.settings += apart.size
        self.differing += int(apart.sum())
        self._sum += float((np.abs(other - logged) / np.maximum(np.maximum(other, logged), 1e-12))[apart].sum())

    def told(self) -> dict[str, float]:
        """Counts, and the mean difference of those that differ, as a share of the larger value."""
        return {
            "settings": self.settings,
            "differing": self.differing,
            "mean_difference": self._sum / max(self.differing, 1),
        }


def by_settings(log: Log, folder: Path, config: SwarmConfig, first: int, end: int) -> Iterator[Sides]:
    """Hours under the hyperparameters and thresholds of ``config``."""
    again = Again(log, folder, first, config=config)
    for hour in again.hours(end):
        yield hour, again.judge.in_force, again.judge.wanted


def by_rival(log: Log, folder: Path, rival: str, first: int, end: int) -> Iterator[Sides]:
    """Hours under one of ``swarm.rivals``; what was known of responses is the swarm's own."""
    settings, again = set_by(rival, log), Again(log, folder, first)
    for hour in again.hours(end):
        yield hour, again.judge.in_force, settings[hour.tick]


def judged(log: Log, sides: Iterator[Sides], first: int) -> dict[str, Any]:
    """How the other policy's settings differ from hour ``first`` on, and the estimated difference in value.

    Raises:
        ValueError: campaigns joined after ``first``.
    """
    if (joined := max(log.joined)) > first:
        raise ValueError(f"the last campaign joined in market hour {joined}: another policy is judged from there on")
    scenario = log.scenario
    known = portfolio.portfolio(log.campaigns, scenario.channels)
    worth = Worth(known, scenario.calendar(log.campaigns), portfolio.worth(log.campaigns))
    moved, slices = {name: Moved() for name in ("budget", "bid", "weight", "status")}, list(scenario.slices().values())
    hours = 0
    for hour, logged, other in sides:
        worth.hear(log.inputs(hour.tick).reports, slices)
        if hour.tick < first:
            continue
        hours += 1
        for name, each in moved.items():
            each.add(getattr(logged, name), getattr(other, name))
        worth.meet(hour.tick, logged, other, hour.evidence, exponent_doubt(list(hour.memories.values())))
    gain = worth.gain(np.random.default_rng(scenario.config.run.seed))
    return {"hours": hours, "moved": {name: each.told() for name, each in moved.items()}, "value": asdict(gain)}
