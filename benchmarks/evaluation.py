"""How far off-policy estimates are from the truth, and how often their intervals hold it.

    python -m benchmarks.evaluation [--logs 400] [--json FILE]
    python -m benchmarks.evaluation --bandit UNIFORM OTHER

The first judges rotations of creatives by logs of the embedded market (``rotation_logs``), four logs of each seed from
9300 on; nothing was tuned on these. Relative errors, widths and coverage of nominal 95 % intervals, each with a
bootstrap interval over seeds.

The second reads two logs of the Open Bandit Dataset's form, one of a uniform policy and one of another, and estimates
each policy's click rate from the log of the other, beside what its own log shows. Without a truth it is a smoke test.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks import machine, open_bandit
from benchmarks.rotation_logs import Record, draw
from policies.evaluation import Estimate, evaluate
from policies.frames import Floats

SEEDS, PER_SEED = range(9300, 9400), 4
CASES: Mapping[str, tuple[str, int, bool]] = {
    "clicks": ("clicks", 1, False),
    "clicks, rotation held": ("clicks", 1, True),
    "conversions": ("conversions", 1, False),
    "conversions, 25 times the impressions": ("conversions", 25, False),
}
"""What is estimated, from how many times 200,000 to 400,000 impressions, and whether the logged rotation is held."""
Figure = list[float]
"""Mean or median, and its 95 % interval."""


def judged(record: Record, reward: str, rng: np.random.Generator) -> dict[str, Floats]:
    """[4] of each estimator: relative error, whether the interval holds the truth, its relative width, effective share
    of the rounds."""
    log, true = getattr(record, reward), record.value[reward]
    assert log.rounds.sum() >= 200_000
    assert record.clicks.rounds @ record.clicks.reward >= 1_000
    return {name: _row(found, true, log.rounds.sum()) for name, found in evaluate(log, record.target, rng=rng).items()}


def _row(found: Estimate, true: float, rounds: float) -> Floats:
    low, high = found.interval()
    return np.array([found.value / true - 1, low <= true <= high, (high - low) / true, found.effective / rounds])


def run(seeds: range = SEEDS) -> dict[str, dict[str, dict[str, Figure]]]:
    """Figures by case and estimator, of four logs of each seed."""
    return {case: _figures(seeds, *how) for case, how in CASES.items()}


def _figures(seeds: range, reward: str, times: int, held: bool) -> dict[str, dict[str, Figure]]:
    records = (draw(seed, index, times=times, held=held) for seed in seeds for index in range(PER_SEED))
    rows = [judged(record, reward, np.random.default_rng(i)) for i, record in enumerate(records)]
    of = {name: np.array([row[name] for row in rows]).reshape(len(seeds), PER_SEED, 4) for name in rows[0]}
    return {
        name: {
            "median_error": _resampled(np.abs(found[..., 0]), np.median),
            "bias": _resampled(found[..., 0], np.mean),
            "coverage": _resampled(found[..., 1], np.mean),
            "width": _resampled(found[..., 2], np.mean),
            "width_over_ipw": _resampled(found[..., 2] / of["ipw"][..., 2], np.mean),
            "effective_share": _resampled(found[..., 3], np.median),
        }
        for name, found in of.items()
    }


def _resampled(values: Floats, statistic: Callable[..., Any]) -> Figure:
    """``statistic`` of ``values`` [seeds, 4] with its bootstrap interval, whole seeds drawn."""
    draws = np.random.default_rng(0).integers(len(values), size=(2_000, len(values)))
    found = statistic(values[draws].reshape(len(draws), -1), axis=1)
    return [float(statistic(values)), *(float(x) for x in np.quantile(found, [0.025, 0.975]))]


def table(found: Mapping[str, Mapping[str, Mapping[str, Figure]]]) -> Table:
    """A row for each estimator of each case."""
    made = Table(
        "reward",
        "estimator",
        "median error, %",
        "bias, %",
        "coverage, %",
        "width, %",
        "width / ipw",
        "effective, %",
        box=None,
    )
    for case, estimators in found.items():
        for name, figures in estimators.items():
            percent = (_cell(figures[key], 100.0) for key in ("median_error", "bias", "coverage", "width"))
            ratio, share = _cell(figures["width_over_ipw"], 1.0, 3), _cell(figures["effective_share"], 100.0)
            made.add_row(case, name, *percent, ratio, share)
    return made


def _cell(figure: Figure, unit: float, digits: int = 1) -> str:
    mean, low, high = (f"{unit * each:.{digits}f}" for each in figure)
    return f"{mean} ({low} to {high})"


def main() -> None:
    """Measure, print, and write JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--logs", type=int, default=len(SEEDS) * PER_SEED, help="how many, four a seed")
    parser.add_argument("--bandit", type=Path, nargs=2, metavar=("UNIFORM", "OTHER"), help="read these logs instead")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    console = Console(width=180)
    if options.bandit:
        console.print(open_bandit.crossed(*options.bandit))
        return
    if not 0 < options.logs <= len(SEEDS) * PER_SEED or options.logs % PER_SEED:
        parser.error(f"--logs is {options.logs}, expected a multiple of {PER_SEED} up to {len(SEEDS) * PER_SEED}")
    found = run(SEEDS[: options.logs // PER_SEED])
    console.print(f"{machine.describe()}; {options.logs} logs", highlight=False)
    console.print(table(found))
    if options.json:
        options.json.write_text(json.dumps({"machine": machine.describe(), "logs": options.logs, **found}, indent=2))


if __name__ == "__main__":
    main()
