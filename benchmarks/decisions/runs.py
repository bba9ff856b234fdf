"""Every policy on one scenario: the unit of work of a process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.decisions.beside import play_beside
from benchmarks.decisions.desk import remembered
from benchmarks.decisions.score import Score, score
from benchmarks.decisions.systems import SYSTEMS
from swarm.platforms.hindsight import hindsight
from swarm.platforms.scenarios import draw

_ROWS = 2_000
"""Of all policies that play beside each other: more no longer fit the processor's cache."""


def named_scores(name: str, seeds: Sequence[int], policies: Sequence[str]) -> tuple[str, dict[str, Score]]:
    """The scenario's name and the score of each policy on it, all on the same draws."""
    setup = remembered(draw(name, seeds))
    best = hindsight(setup.world, setup.calendar, setup.budgets)
    found = {}
    for group in _groups(policies, max(1, _ROWS // len(setup.seed))):
        played, seconds = play_beside(setup, [SYSTEMS[policy](setup) for policy in group])
        for policy, own, each in zip(group, played, seconds, strict=True):
            found[policy] = score(setup, best, own, float(each))
    return name, found


def _groups(policies: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """Of at most ``size`` policies, in order."""
    return (policies[start : start + size] for start in range(0, len(policies), size))
