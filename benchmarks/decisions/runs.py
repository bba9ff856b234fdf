"""Every policy on one scenario: the unit of work of a process."""

from __future__ import annotations

import time
from collections.abc import Sequence

from benchmarks.decisions.desk import play, remembered
from benchmarks.decisions.score import Score, score
from benchmarks.decisions.systems import SYSTEMS
from swarm.platforms.hindsight import hindsight
from swarm.platforms.scenarios import draw


def named_scores(name: str, seeds: Sequence[int], policies: Sequence[str]) -> tuple[str, dict[str, Score]]:
    """The scenario's name and the score of each policy on it, all on the same draws."""
    setup = remembered(draw(name, seeds))
    best = hindsight(setup.world, setup.calendar, setup.budgets)
    found = {}
    for policy in policies:
        began = time.process_time()
        played = play(setup, SYSTEMS[policy](setup))
        found[policy] = score(setup, best, played, time.process_time() - began)
    return name, found
