"""How far each attribution is from what switching a channel off would show.

    python -m benchmarks.attribution [--seeds N] [--people N] [--holdout 0.05] [--tuning] [--json FILE]

A seed is an account's month: 50,000 people with at least one touch on eight channels, about six each, of whom 9 to 30
in a hundred convert. People who want the thing anyway meet five of the channels more often; in the second scenario also
more recently; in the third they only search the brand more. Each way to share credit out sees the month twice: without
a holdout, and with one, in which each channel was withheld from 5 % of people at random and what they would have been
shown is logged. Credit is then calibrated by it (``policies.attribution.calibrate``); the conversion model (``swarm``)
is fitted with it instead, and shown with both for comparison.

The truth is each channel's loss of expected conversions, the same people living without it (all drawn alike), as a
share of all channels' losses. Of one market's eight shares:

* ``misplaced``: credit that stands with the wrong channel, half the sum of absolute errors;
* ``largest`` and ``mean``: of the absolute errors;
* ``rank``: Kendall's correlation with the true effects over the pairs that differ by at least 10 % of the greater one;
* ``spearman``: over all channels.

Intervals are 95 %, bootstrapped over seeds. Choices were made on seeds 500 to 599; 9300 and following are reported.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.stats import spearmanr

from benchmarks.machine import describe, paired_interval
from policies import attribution
from policies.attribution import ConversionModel, Paths, calibrate, lift_test
from policies.entities import TOUCH_CHANNELS
from policies.models import weights
from policies.models.attribution import AttributionModel
from swarm.platforms.journeys import (
    Buyers,
    Journeys,
    chance,
    draw_buyers,
    draw_holdout,
    draw_journeys,
    held_out,
    hurried,
    without,
)
from swarm.platforms.world import stream

Floats = NDArray[np.float64]
Credit = Mapping[str, float]
REPORTED, TUNING = 9300, 500
MEASURES = ("misplaced", "largest", "mean", "rank", "spearman")
BEST = "swarm"
"""Credit by removal from the conversion model."""
_CLOSE = 0.1
_READ = 200
"""Journeys that the trained model is asked about, after as many as it was trained to be told of."""
_TOLD = 1000
CLASSICAL: Mapping[str, Callable[[Paths], Credit]] = {
    "first touch": attribution.first_touch,
    "last touch": attribution.last_touch,
    "linear": attribution.linear,
    "time decay": attribution.time_decay,
    "position based": attribution.position_based,
    "Markov": attribution.markov,
    "Shapley": attribution.shapley,
    "Shapley of conversions": attribution.shapley_of_conversions,
}


@dataclass(frozen=True, slots=True)
class Scenario:
    """How intent shows in what people meet."""

    hurry: float = 0.0
    """How strongly it shortens the age of touches."""
    only: str | None = None
    """The one channel that it brings more of; by default the market's five."""


SCENARIOS: Mapping[str, Scenario] = {
    "intent_in_frequency": Scenario(),
    "intent_in_frequency_and_age": Scenario(hurry=0.4),
    "intent_in_one_channel": Scenario(only="brand_search"),
}


def month(seed: int, people: int, scenario: Scenario) -> tuple[Buyers, Journeys, Floats]:
    """The market of ``seed``, who lived in it, and [C] what each channel truly causes."""
    buyers = draw_buyers(seed)
    if scenario.only is not None:
        buyers = replace(buyers, leaning=1.0 * (np.array(TOUCH_CHANNELS) == scenario.only))
    journeys = hurried(buyers, draw_journeys(buyers, people, stream(seed, "month", 0)), scenario.hurry)
    whole = chance(buyers, journeys).sum()
    lost = [whole - chance(buyers, without(journeys, c)).sum() for c in range(len(TOUCH_CHANNELS))]
    return buyers, journeys, np.array(lost)


def paths_of(seed: int, buyers: Buyers, journeys: Journeys, share: float) -> Paths:
    """What the account logs of them where each channel is withheld from a ``share`` of people."""
    rng = stream(seed, "outcome", 0)
    converts, withheld = rng.random(len(journeys.intent)), draw_holdout(journeys, share, rng)
    converted = (converts < chance(buyers, held_out(journeys, withheld))).astype(np.float64)
    path, place = np.nonzero(journeys.mask)
    touch = journeys.channel[path, place], journeys.before_s[path, place]
    return Paths(TOUCH_CHANNELS, path, *touch, np.ones(len(converted)), converted, converted, withheld)


def ways(journeys: Journeys, plain: Paths, tested: Paths, model: AttributionModel) -> dict[str, dict[str, Credit]]:
    """Credit by method, from what was logged without a holdout and with it."""
    found: dict[str, dict[str, Credit]] = {}
    for name, method in CLASSICAL.items():
        found[name] = {"without": method(plain), "with": calibrate(dict(method(tested)), tested)}
    read = trained(model, journeys, plain)
    found["trained graph RoPE"] = {"without": read, "with": calibrate(read, tested)}
    found["holdout alone"] = {"with": {name: lift.effect for name, lift in lift_test(tested).items()}}
    fitted = ConversionModel.fit(tested)
    found[BEST + ", calibrated"] = {"with": calibrate(fitted.removal(tested), tested)}
    found[BEST + ", Shapley"] = {"with": fitted.shapley(tested)}
    found[BEST] = {"without": ConversionModel.fit(plain).removal(plain), "with": fitted.removal(tested)}
    return found


def trained(model: AttributionModel, journeys: Journeys, paths: Paths) -> dict[str, float]:
    """Credit by the shipped model, which has learnt on other markets and is told of the first people of this one."""
    rows, converted = slice(_TOLD, _TOLD + _READ), paths.conversions[:_TOLD]
    met = paths.per_path(np.ones(len(paths.path)))[:_TOLD] > 0
    told = np.stack([met.sum(axis=0), converted @ met], axis=1)
    mask, channel = journeys.mask[rows], journeys.channel[rows]
    key = np.eye(len(TOUCH_CHANNELS))[channel] * mask[..., None]
    inputs = {
        "query": torch.tensor([[[_TOLD, converted.sum()]]]).float().expand(_READ, 1, 2),
        "key": torch.tensor(key).float(),
        "value": torch.tensor(told[channel] * mask[..., None]).float(),
        "mask": torch.tensor(mask),
        "query_time": torch.zeros(_READ, 1).double(),
        "key_time": torch.tensor(-journeys.before_s[rows]),
    }
    with torch.inference_mode():
        credit = model.credit(**inputs)["credit"].double().numpy()
    return paths.named(np.einsum("bl,blc->c", credit, key))


def measured(credit: Credit, true: Floats) -> dict[str, float]:
    """The measures of one market."""
    given = np.array(list(attribution.shares(dict(credit)).values()))
    error = np.abs(given - true / true.sum())
    rank, spearman = counted_rank(np.array(list(credit.values())), true), float(spearmanr(given, true).statistic)
    return dict(zip(MEASURES, (0.5 * error.sum(), error.max(), error.mean(), rank, spearman), strict=True))


def counted_rank(credit: Floats, true: Floats) -> float:
    """Concordant less discordant pairs, of those whose true effects differ by at least a tenth of the greater one."""
    a, b = np.triu_indices(len(true), 1)
    counted = np.abs(true[a] - true[b]) >= _CLOSE * np.maximum(true[a], true[b])
    agree = np.sign(true[a] - true[b]) * np.sign(credit[a] - credit[b])
    return float(agree[counted].mean())


def run(seeds: range, people: int, holdout: float, scenario: Scenario, model: AttributionModel) -> dict[str, Any]:
    """{method: {without, with: {measure: [seeds]}}}"""
    each = []
    for seed in seeds:
        buyers, journeys, true = month(seed, people, scenario)
        plain, tested = (paths_of(seed, buyers, journeys, share) for share in (0.0, holdout))
        found = ways(journeys, plain, tested, model)
        each.append({n: {k: measured(credit, true) for k, credit in w.items()} for n, w in found.items()})
    return {
        name: {kind: {m: [one[name][kind][m] for one in each] for m in MEASURES} for kind in kinds}
        for name, kinds in each[0].items()
    }


def summary(found: Mapping[str, Any]) -> dict[str, Any]:
    """Means with intervals, and by how much more each method misplaces than the best one with the holdout."""
    best = np.array(found[BEST]["with"]["misplaced"])
    told: dict[str, Any] = {}
    for name, kinds in found.items():
        told[name] = {kind: {m: _interval(np.array(x)) for m, x in each.items()} for kind, each in kinds.items()}
        for kind, each in kinds.items():
            told[name][kind]["behind"] = _interval(np.array(each["misplaced"]) - best)
    return told


def _interval(x: Floats) -> list[float]:
    return [round(float(v), 4) for v in (x.mean(), *paired_interval(x))]


def table(title: str, told: Mapping[str, Any]) -> Table:
    """A row for each method, without and with the holdout."""
    made = Table("credit", "holdout", *MEASURES, "misplaced beyond swarm's", title=title, box=None)
    for name, kinds in told.items():
        for kind, each in kinds.items():
            made.add_row(name, kind, *("{:.3f} ({:.3f} to {:.3f})".format(*each[m]) for m in (*MEASURES, "behind")))
    return made


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--people", type=int, default=50_000)
    parser.add_argument("--holdout", type=float, default=0.05)
    parser.add_argument("--scenarios", nargs="+", choices=SCENARIOS, default=list(SCENARIOS))
    parser.add_argument("--tuning", action="store_true", help="on the seeds for choices instead of those reported")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = AttributionModel().eval()
    weights.load(model, "attribution")
    first, console = TUNING if args.tuning else REPORTED, Console(width=200)
    console.print(describe())
    told = {}
    for name in args.scenarios:
        found = run(range(first, first + args.seeds), args.people, args.holdout, SCENARIOS[name], model)
        told[name] = summary(found)
        console.print(table(f"{name}: {args.seeds} seeds, {args.people:,} people", told[name]))
    if args.json:
        args.json.write_text(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
