"""The figures of creatives: what shared elements, wear and resemblance are worth, and how well wear is foretold.

    python -m benchmarks.creative [--seeds N] [--only bandit,fatigue,rotation,cold_start] [--json FILE]

Every policy meets the same worlds with the same random numbers; intervals are 95 % bootstraps over seeds, differences
are paired. The worlds are described where they are drawn: ``creative_bandit``, ``creative_fatigue``,
``creative_cold_start``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from benchmarks import creative_bandit as bandit
from benchmarks import creative_cold_start as cold_start
from benchmarks import creative_fatigue as fatigue
from benchmarks.machine import describe, paired_interval
from policies.bandit import EXPLORATION, Prior
from policies.frames import Bools, Floats, Ints

REPORTING_SEEDS = range(9300, 9700)
"""Read by reports alone; nothing was ever tuned on them."""
SHARES = (0.0, 0.25, 0.5, 0.75, 0.9)
FATIGUE_SEEDS = 100
"""At most so many of the seeds for forecasts of fatigue; the bandit has all, for a few campaigns make most regret."""
SLOW_SEEDS = 30
"""At most so many of them for rotation and cold start, which take longer."""
RIVAL = "thompson"
POLICIES: Mapping[str, bandit.Policy] = {
    "beta_thompson": bandit.beta_thompson,
    RIVAL: bandit.of(bandit.alike, 1.0),
    "without_features": bandit.of(bandit.alike, EXPLORATION),
    "elements": bandit.of(bandit.elements, EXPLORATION),
    "swarm": bandit.of(bandit.scored, EXPLORATION),
}
Row = list[float]


def mean_with_interval(values: Floats) -> Row:
    """Mean, low, high."""
    return [float(values.mean()), *paired_interval(values)]


def saved(ours: Floats, theirs: Floats, *, draws: int = 10_000) -> Row:
    """Part of ``theirs`` in all that ``ours`` saves, with a paired bootstrap interval."""
    pick = np.random.default_rng(0).integers(len(ours), size=(draws, len(ours)))
    parts = 1.0 - ours[pick].mean(axis=1) / theirs[pick].mean(axis=1)
    low, high = np.quantile(parts, [0.025, 0.975])
    return [float(1.0 - ours.mean() / theirs.mean()), float(low), float(high)]


def bandit_figures(seeds: Ints) -> dict[str, Any]:
    """Regret of each policy by the share of the variance that elements explain."""
    curve = {}
    for share in SHARES:
        campaigns = bandit.draw(seeds, share)
        lost = {name: bandit.regret(policy, campaigns, int(seeds[0])) for name, policy in POLICIES.items()}
        row: dict[str, Any] = {name: mean_with_interval(values) for name, values in lost.items()}
        row["saved_of_thompson"] = {name: saved(values, lost[RIVAL]) for name, values in lost.items()}
        row["swarm_saves_of_without_features"] = saved(lost["swarm"], lost["without_features"])
        curve[str(share)] = row
    return curve


def fatigue_figures(seeds: Ints) -> dict[str, Any]:
    """Forecasts of fatigue days."""
    seeds = seeds[:FATIGUE_SEEDS]
    world = fatigue.draw(seeds)
    found = {lead: fatigue.foretell(world, np.random.default_rng([int(seeds[0]), lead])) for lead in (4, 6, 8)}
    told = {f"{lead}_days_ahead": _accuracy(said, said.called, seeds) for lead, said in found.items()}
    said = found[fatigue.LEAD]
    for low, high in ((0, 100), (100, 400), (400, 10_000)):
        some = (low <= said.clicks_a_day) & (said.clicks_a_day < high)
        told[f"{low}_to_{high}_clicks_a_day"] = _accuracy(said, some & said.called, seeds, of=some)
    told["whether_called_or_not"] = _accuracy(said, np.ones_like(said.called), seeds)
    return {**told, "called_before_onset": fatigue.false_calls(world, np.random.default_rng([int(seeds[0]), 1]))}


def _accuracy(said: fatigue.Forecasts, counts: Bools, seeds: Ints, of: Bools | None = None) -> dict[str, Any]:
    """Of the forecasts that count, out of those ``of`` which they are; intervals by drawing seeds."""
    among = np.ones_like(counts) if of is None else of
    rng = np.random.default_rng(0)
    groups = [np.flatnonzero(counts & (said.seed == row)) for row in range(len(seeds))]
    drawn = [np.concatenate([groups[g] for g in rng.integers(len(groups), size=len(groups))]) for _ in range(1000)]

    def figure(of: Callable[[Ints], float]) -> Row:
        low, high = np.nanquantile([of(each) for each in drawn if len(each)], [0.025, 0.975])
        return [of(np.flatnonzero(counts)), float(low), float(high)]

    return {
        "forecasts": int(counts.sum()),
        "share_called": float(counts[among].mean()),
        "median_error_days": figure(lambda rows: float(np.median(np.abs(said.error[rows])))),
        "bias_days": figure(lambda rows: float(np.median(said.error[rows]))),
        "coverage": figure(lambda rows: float(said.covered[rows].mean())),
        "width_days": figure(lambda rows: float(np.median(said.width[rows]))),
    }


def rotation_figures(seeds: Ints) -> dict[str, Any]:
    """Regret of rotating creatives that wear, against the best of each day."""
    world = fatigue.draw(seeds[:SLOW_SEEDS])
    lost = {name: fatigue.rotate(name, world, int(seeds[0])) for name in fatigue.ROTATIONS}
    row: dict[str, Any] = {name: mean_with_interval(values) for name, values in lost.items()}
    return {**row, "saved_of_14_days_of_memory": saved(lost["by forecast"], lost["14 days of memory"])}


def cold_start_figures(seeds: Ints) -> dict[str, Any]:
    """Error of the log rates foretold of new creatives, and regret of their first days."""
    accounts = cold_start.accounts(seeds[:SLOW_SEEDS])
    first = int(seeds[0])
    mean = np.array([cold_start.error(each, np.zeros(cold_start.NEW)) for each in accounts])
    alike = cold_start.regret(accounts, Prior.alike(cold_start.NEW, len(accounts)), first)
    nearest = np.array([cold_start.error(each, cold_start.nearest(each)) for each in accounts])
    found: dict[str, Any] = {
        "their mean": {"error": mean_with_interval(mean), "regret": mean_with_interval(alike)},
        "nearest one's": {"error": mean_with_interval(nearest), "error_saved": saved(nearest, mean)},
    }
    for name, distances in cold_start.DISTANCES.items():
        priors = [cold_start.prior(each, distances) for each in accounts]
        errors = np.array([cold_start.error(each, p.mean[0]) for each, p in zip(accounts, priors, strict=True)])
        lost = cold_start.regret(accounts, cold_start.stacked(priors), first)
        found[name] = {
            "error": mean_with_interval(errors), "error_saved": saved(errors, mean),
            "regret": mean_with_interval(lost), "regret_saved": saved(lost, alike),
        }  # fmt: skip
    return found


PARTS = {
    "bandit": bandit_figures,
    "fatigue": fatigue_figures,
    "rotation": rotation_figures,
    "cold_start": cold_start_figures,
}


def table(name: str, found: Mapping[str, Any]) -> Table:
    """A row of every figure with its interval."""
    made = Table(title=name, box=None)
    made.add_column("figure")
    made.add_column("value (95 %)", justify="right")
    for label, value in _flat(found):
        made.add_row(label, value)
    return made


def _flat(found: Mapping[str, Any], above: str = "") -> list[tuple[str, str]]:
    rows = []
    for name, value in found.items():
        label = f"{above} {name.replace('_', ' ')}".strip()
        if isinstance(value, Mapping):
            rows += _flat(value, label)
        elif isinstance(value, list):
            rows.append((label, f"{value[0]:.3f} ({value[1]:.3f} to {value[2]:.3f})"))
        else:
            rows.append((label, f"{value:.3g}"))
    return rows


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=len(REPORTING_SEEDS), help="from 9300 on")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, with commas")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if not 2 <= options.seeds <= len(REPORTING_SEEDS):
        parser.error(f"--seeds is {options.seeds}, expected 2 to {len(REPORTING_SEEDS)}")
    if unknown := sorted(set(options.only.split(",")) - set(PARTS)):
        parser.error(f"unknown part {unknown[0]!r}, expected some of {', '.join(PARTS)}")
    torch.set_num_threads(1)
    seeds, console = np.array(REPORTING_SEEDS[: options.seeds]), Console()
    found: dict[str, Any] = {"machine": describe()}
    for name in options.only.split(","):
        found[name] = PARTS[name](seeds)
        console.print(table(name, found[name]))
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
