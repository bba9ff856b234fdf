"""Each platform optimises alone: what an advertiser gets who leaves everything to the platforms.

Each has an equal part of the money and of the caps, and the swarm's planner with nothing but its own results.

Letters: R campaigns, C channels.
"""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np

from benchmarks.decisions.desk import Desk
from benchmarks.decisions.ours import Swarm
from benchmarks.decisions.priors import creatives
from policies.frames import Evidence, Floats, Portfolio
from policies.planning import Clock
from policies.specialist import Wanted
from swarm.platforms.scenarios import Setup


class Apart:
    """A planner for each channel."""

    def __init__(self, setup: Setup) -> None:
        prior, whole = creatives(setup), np.ones((len(setup.seed), 1))
        self._planners = [Swarm(prior, whole) for _ in setup.world.channels]
        self._part: Floats = 1.0 / setup.portfolio.allowed.sum(axis=1)

    def decide(self, desk: Desk) -> Wanted:
        """Every channel's settings, side by side."""
        wanted = [planner.decide(self._alone(desk, slice(c, c + 1))) for c, planner in enumerate(self._planners)]
        parts = ([getattr(each, f.name) for each in wanted] for f in fields(Wanted))
        return Wanted(*(np.concatenate(part, axis=1) for part in parts))

    def _alone(self, desk: Desk, at: slice) -> Desk:
        """What one channel can know."""
        return Desk(
            portfolio=self._own(desk.portfolio, at),
            moment=desk.moment,
            clock=self._paid(desk.clock, at),
            evidence=_of_channel(desk.evidence, at),
            reports=desk.reports[at],
            highest=desk.highest[:, at],
            cells=desk.cells[:, at],
            rng=desk.rng,
        )

    def _own(self, portfolio: Portfolio, at: slice) -> Portfolio:
        """All campaigns are on it; the desk keeps off those that are not."""
        own, part = portfolio.columns(at), self._part
        return replace(
            own,
            allowed=np.ones_like(own.allowed),
            exposure_cap=part * own.exposure_cap,
            nominal_cap=part * own.nominal_cap,
        )

    def _paid(self, clock: Clock, at: slice) -> Clock:
        return replace(clock, money=self._part * clock.money, traffic_unseen=clock.traffic_unseen[:, at])


def _of_channel(evidence: Evidence, at: slice) -> Evidence:
    parts = {f.name: getattr(evidence, f.name) for f in fields(evidence)}
    return Evidence(**{name: part[at] if name == "tick" else part[:, at] for name, part in parts.items()})
