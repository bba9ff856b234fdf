"""The whole swarm with one mechanism at a time replaced by its simple alternative: what that does to value.

    python -m benchmarks.decisions --ablate [--scenarios ... --seeds 10 --json FILE]

A swarm is 24 campaigns of one named scenario for ten days, enough for every part to act: health looks at four campaigns
and more, tuning at 24. Runs of one seed meet the same luck; changes are paired over seeds.

Letters: S seeds.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.decisions.alternatives import IDLE, REPLACED
from benchmarks.decisions.score import with_interval
from benchmarks.decisions.whole import AS_SHIPPED, drawn, play
from benchmarks.machine import keep_memory
from policies.frames import Floats
from policies.tuner import LEAST_CAMPAIGNS
from swarm.platforms.hindsight import hindsight

SCENARIOS = ("stationary_10", "seasonal", "creative_fatigue", "cold_start", "tracking_outage")
"""Calm, moving, wearing, unknown and struck, by the shock that modes can save most of."""
SEEDS, DAYS = 10, 10
SHIPPED, HINDSIGHT = "as shipped", "hindsight"


@dataclass(frozen=True, slots=True)
class Unit:
    """All runs of one seed of a scenario: the unit of work of a process."""

    name: str
    seed: int
    days: int


def totals(unit: Unit) -> tuple[Unit, dict[str, float]]:
    """Conversions to be expected in all: as shipped, with each replacement, and of hindsight."""
    setup = drawn(unit.name, unit.seed, campaigns=LEAST_CAMPAIGNS, days=unit.days)
    best = hindsight(setup.world, setup.calendar, setup.budgets).value / setup.portfolio.unit_value[:, None]
    parts = {SHIPPED: AS_SHIPPED, **{name: row.parts for name, row in REPLACED.items()}}
    return unit, {
        HINDSIGHT: float(best.sum()),
        **{name: float(play(setup, each).sum()) for name, each in parts.items()},
    }


Found = Mapping[str, Mapping[str, Floats]]
"""[S] totals by scenario and run."""


def ablate(names: Sequence[str], seeds: Sequence[int], console: Console, *, days: int = DAYS) -> Found:
    """Every replacement on every scenario of ``names`` and every seed; says how far it is."""
    units = [Unit(name, seed, days) for seed, name in itertools.product(seeds, names)]
    began, told = time.perf_counter(), dict[tuple[str, int], dict[str, float]]()
    with multiprocessing.get_context("spawn").Pool(os.cpu_count(), initializer=keep_memory) as pool:
        for unit, found in pool.imap_unordered(totals, units):
            told[unit.name, unit.seed] = found
            console.print(f"  {len(told)} of {len(units)}: {time.perf_counter() - began:.0f} s", highlight=False)
    runs = (HINDSIGHT, SHIPPED, *REPLACED)
    return {name: {run: np.array([told[name, seed][run] for seed in seeds]) for run in runs} for name in names}


def changes(found: Found, row: str) -> dict[str, Floats]:
    """[S] change in value where ``row`` is replaced, in parts of the value as shipped; by scenario, and their mean."""
    each = {name: runs[row] / runs[SHIPPED] - 1.0 for name, runs in found.items()}
    return {**each, "mean": np.mean(list(each.values()), axis=0)}


def as_json(found: Found) -> dict[str, Any]:
    """Ready for a file: means with 95 % intervals over seeds."""
    ratio = {name: with_interval(runs[SHIPPED] / runs[HINDSIGHT]) for name, runs in found.items()}
    rows = {row: {name: with_interval(each) for name, each in changes(found, row).items()} for row in REPLACED}
    return {
        "value_ratio": ratio,
        "change": rows,
        "takes_no_decision": {row: each.measured_by for row, each in IDLE.items()},
    }


def ablation_table(found: Found) -> Table:
    """A row for each mechanism; changes in per cent of value, above 0 where the alternative is better."""
    table = Table("", "mechanism", "replaced by", "mean", *found, box=None)
    for row, cells in _rows(found):
        table.add_row(row, *cells)
    return table


def _rows(found: Found) -> Iterator[tuple[str, list[str]]]:
    ratios = [with_interval(runs[SHIPPED] / runs[HINDSIGHT])[0] for runs in found.values()]
    yield "value over hindsight, nothing replaced", ["", "", f"{np.mean(ratios):.3f}", *(f"{x:.3f}" for x in ratios)]
    for row, each in REPLACED.items():
        change = changes(found, row)
        cells = [_per_cent(change[name]) for name in ("mean", *found)]
        yield row, [each.mechanism, each.alternative, *cells]
    for row, idle in IDLE.items():
        yield (
            row,
            [
                idle.mechanism,
                idle.alternative,
                f"no decision; {idle.measured_by}",
                *("" for _ in found),
            ],
        )


def _per_cent(change: Floats) -> str:
    mean, low, high = (100.0 * each for each in with_interval(change))
    return f"{mean:.2f} ({low:.2f} to {high:.2f})"
