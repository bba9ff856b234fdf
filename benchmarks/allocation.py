"""How much of the hindsight optimum allocators of a daily budget reach, beside each other.

    python -m benchmarks.allocation [--scenarios drift,delayed] [--seeds 30] [--days 60] [--tuning] [--json FILE]

Value is expected outcomes of the budgets that were set, over those of the best budgets of each day. All allocators meet
the same worlds and get the same reports; intervals are 95 %, bootstrapped over seeds, differences paired.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.allocators import Allocator, Fixed, LinearProgram, PowerLaws, Proportional, Swarm, Task
from benchmarks.gaussian import GaussianProcess, drawn, upper
from benchmarks.machine import describe, paired_interval
from benchmarks.responses import SCENARIOS, Reports, World, draw, hindsight
from policies.frames import Floats

TUNING, REPORTING = 500, 9300
"""First seeds; nothing was chosen on those of reporting."""

ALLOCATORS: dict[str, Callable[[Task], Allocator]] = {
    "swarm": Swarm,
    "equal": lambda task: Fixed(task.equal),
    "current": lambda task: Fixed(task.random()),
    "proportional": Proportional,
    "power_laws": PowerLaws,
    "linear_program": LinearProgram,
    "gp_ucb": lambda task: GaussianProcess(task, upper),
    "gp_thompson": lambda task: GaussianProcess(task, drawn),
}
"""By name; ours first."""


def play(world: World, make: Callable[[Task], Allocator], seed: int) -> Floats:
    """[S] expected outcomes of all days under an allocator."""
    allocator = make(Task(world.open, world.total, np.random.default_rng([seed, 1])))
    reports, value = Reports(world, np.random.default_rng([seed, 2])), np.zeros(len(world.total))
    for day in range(len(world.level)):
        budget = allocator.split()
        value += world.value(budget, day).sum(axis=1)
        allocator.observe(*reports.of(budget, day))
    return value


def compare(name: str, seeds: Sequence[int], days: int) -> dict[str, dict[str, Any]]:
    """Each allocator's part of hindsight on one scenario, seed by seed."""
    world = draw(SCENARIOS[name], seeds, days)
    best, found = hindsight(world), {}
    for policy, make in ALLOCATORS.items():
        start = time.perf_counter()
        ratio = play(world, make, seeds[0]) / best
        interval = [ratio.mean(), *paired_interval(ratio)]
        found[policy] = {
            "value_ratio": [float(x) for x in interval],
            "seconds": time.perf_counter() - start,
            "seeds": ratio.tolist(),
        }
    return found


def lead(found: Mapping[str, Mapping[str, Any]]) -> tuple[str, float, float, float]:
    """The best rival, and how far ahead of it ours is, with interval."""
    rivals = {name: figures["value_ratio"][0] for name, figures in found.items() if name != "swarm"}
    best = max(rivals, key=lambda name: float(rivals[name]))
    ahead = np.array(found["swarm"]["seeds"]) - np.array(found[best]["seeds"])
    return best, float(ahead.mean()), *paired_interval(ahead)


def gap_closed(found: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> tuple[str, float, float, float]:
    """The rival that is best in the mean over scenarios, and the part of its gap to hindsight that ours closes."""
    ratio = {name: np.mean([one[name]["seeds"] for one in found.values()], axis=0) for name in ALLOCATORS}
    best = max((name for name in ratio if name != "swarm"), key=lambda name: float(ratio[name].mean()))
    rng = np.random.default_rng(0)
    again = rng.integers(len(ratio[best]), size=(10_000, len(ratio[best])))
    gap, ours = 1.0 - ratio[best][again].mean(axis=1), 1.0 - ratio["swarm"][again].mean(axis=1)
    low, high = np.quantile(1.0 - ours / gap, [0.025, 0.975])
    closed = 1.0 - (1.0 - ratio["swarm"].mean()) / (1.0 - ratio[best].mean())
    return best, float(closed), float(low), float(high)


def table(found: Mapping[str, Mapping[str, Any]]) -> Table:
    """A row for each scenario."""
    made = Table("scenario", *(name.replace("_", " ") for name in ALLOCATORS), "ahead of the best rival", box=None)
    for name, figures in found.items():
        cells = [f"{figures[policy]['value_ratio'][0]:.3f}" for policy in ALLOCATORS]
        best, mean, low, high = lead(figures)
        made.add_row(name.replace("_", " "), *cells, f"{mean:+.3f} ({low:+.3f} to {high:+.3f}) {best}")
    return made


def main(arguments: Sequence[str] | None = None) -> None:
    """Play, print, and write JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenarios", default=",".join(SCENARIOS), help="by comma")
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--tuning", action="store_true", help="on the seeds that choices were made on")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    first = TUNING if options.tuning else REPORTING
    seeds = range(first, first + options.seeds)
    found = {name: compare(name, seeds, options.days) for name in options.scenarios.split(",")}
    console = Console(width=200)
    console.print(describe(), highlight=False)
    console.print(table(found), highlight=False)
    best, closed, low, high = gap_closed(found)
    console.print(f"of the gap to hindsight that {best} leaves, {closed:.0%} is closed ({low:.0%} to {high:.0%})")
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
