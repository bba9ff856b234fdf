"""Decisions on named scenarios against the hindsight optimum and rivals, in one run with paired seeds.

    python -m benchmarks.decisions [--scenarios stationary,drift] [--seeds 30] [--json FILE] [--plot DIR]
    python -m benchmarks.decisions --ablate [--seeds 10] [--json FILE]

With ``--ablate`` the whole swarm plays alone, with one mechanism at a time replaced (``ablation``). Reporting seeds are
9400 on; nothing is tuned on them. ``--first-seed 500`` takes those for tuning.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.decisions import ablation
from benchmarks.decisions.pictures import draw_pictures
from benchmarks.decisions.runs import named_scores
from benchmarks.decisions.score import Score, gap_closed, lead
from benchmarks.decisions.systems import SYSTEMS
from benchmarks.decisions.tables import results_table
from benchmarks.machine import describe, keep_memory
from policies.naming import check_known
from swarm.platforms.scenarios import SCENARIOS

FIRST_SEED, SEEDS = 9400, 30


def main() -> None:
    """Measure, print, write JSON and pictures where asked."""
    options = _options()
    count = options.seeds or (ablation.SEEDS if options.ablate else SEEDS)
    seeds = range(options.first_seed, options.first_seed + count)
    usual = ablation.SCENARIOS if options.ablate else SCENARIOS
    names = options.scenarios.split(",") if options.scenarios else list(usual)
    policies = options.policies.split(",")
    for kind, known, asked in (("scenario", SCENARIOS, names), ("policy", SYSTEMS, policies)):
        for name in asked:
            check_known(kind, name, known)
    console = Console(width=240)
    console.print(f"{describe()}; seeds {seeds.start} to {seeds.stop - 1}", highlight=False)
    if options.ablate:
        _ablate(names, seeds, console, options.json)
    else:
        _compare(names, seeds, policies, console, options)


def _ablate(names: Sequence[str], seeds: range, console: Console, to: Path | None) -> None:
    found = ablation.ablate(names, seeds, console)
    console.print(ablation.ablation_table(found))
    if to:
        _write(to, {**ablation.as_json(found), "about": {"machine": describe(), "seeds": list(seeds)}})


def _compare(
    names: Sequence[str], seeds: range, policies: Sequence[str], console: Console, options: argparse.Namespace
) -> None:
    began, scores = time.perf_counter(), dict[str, dict[str, Score]]()
    heavy_first = sorted(names, key=lambda name: -SCENARIOS[name].campaigns[1])
    with multiprocessing.get_context("spawn").Pool(os.cpu_count(), initializer=keep_memory) as pool:
        run = partial(named_scores, seeds=seeds, policies=policies)
        for name, found in pool.imap_unordered(run, heavy_first):
            scores[name] = found
            console.print(f"  {name}: {time.perf_counter() - began:.0f} s", highlight=False)
    scores = {name: scores[name] for name in names}
    console.print(results_table(scores))
    free = {name: found for name, found in scores.items() if not SCENARIOS[name].bound}
    summary = gap_closed(free) if free and len(policies) > 1 else {}
    console.print_json(json.dumps(summary))
    if options.json:
        told = {name: {policy: each.as_json() for policy, each in found.items()} for name, found in scores.items()}
        leads = {
            name: dict(zip(("best_rival", "ahead_by"), lead(found), strict=True)) for name, found in scores.items()
        }
        about = {"machine": describe(), "seeds": list(seeds), "gap": summary, "leads": leads}
        _write(options.json, {**told, "about": about})
    if options.plot:
        draw_pictures(scores, options.plot)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenarios", help="by comma; all, or five with --ablate")
    parser.add_argument("--policies", default=",".join(SYSTEMS), help="by comma")
    parser.add_argument("--seeds", type=int, help=f"{SEEDS}, or {ablation.SEEDS} with --ablate")
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path, help="folder for the pictures")
    parser.add_argument("--ablate", action="store_true", help="each mechanism of the whole swarm replaced in turn")
    return parser.parse_args()


def _write(path: Path, told: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
