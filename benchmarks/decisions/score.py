"""What a play was worth: value over the hindsight optimum, caps and cost targets, with intervals over seeds.

Letters: R campaigns, D days, S seeds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.decisions.desk import Played
from benchmarks.machine import paired_interval
from policies.frames import Bools, Floats
from swarm.platforms.hindsight import Optimum
from swarm.platforms.scenarios import Setup
from swarm.spec.money import MICROS

MOSTLY = 0.95
SURE_CONVERSIONS, SLACK = 1_500.0, 1.05
"""From so many expected conversions on, the cost may pass its target by a twentieth; with n fewer by 2 / sqrt(n)."""


@dataclass(frozen=True, slots=True)
class Score:
    """One policy on one scenario."""

    ratio: Floats
    """[S] value over hindsight; values of one account add up as conversions."""
    overspend_micros: int
    """Past the caps, all campaigns and days."""
    spend: float
    """Of the budgets."""
    target_error: float
    """Mean over campaigns with a target of the expected cost over it, less 1; NaN without any."""
    target_kept: float
    """Share of those within what chance allows; NaN without any."""
    seconds: float

    def keeps(self, other: Score) -> bool:
        """Whether targets are kept in 95 % of campaigns, or as often as by ``other``: value above a target is dear."""
        return not self.target_kept < min(MOSTLY, other.target_kept)

    def as_json(self) -> dict[str, Any]:
        """Ready for a file."""
        return {
            "value_ratio": with_interval(self.ratio),
            "overspend_micros": self.overspend_micros,
            "spend": self.spend,
            "target_error": _or_none(self.target_error),
            "target_kept": _or_none(self.target_kept),
            "seconds": self.seconds,
        }


def score(setup: Setup, best: Optimum, played: Played, seconds: float) -> Score:
    """Judge ``played`` by the optimum of the same world."""
    known = setup.portfolio
    worth = 1.0 / np.where(known.unit_value > 0, known.unit_value, 1.0)
    value, most = (by_seed(setup, each.sum(axis=1) * worth) for each in (played.value, best.value))
    cap = np.floor(known.exposure_cap * MICROS)[:, None]
    error, kept = _against_target(setup, played)
    return Score(
        ratio=value / most,
        overspend_micros=int(np.maximum(played.spend - cap, 0).sum()),
        spend=float(played.spend.sum() / setup.budgets.sum()),
        target_error=float(error.mean()) if len(error) else float("nan"),
        target_kept=float(kept.mean()) if len(kept) else float("nan"),
        seconds=seconds,
    )


def by_seed(setup: Setup, values: Floats) -> Floats:
    """[S] sums over the rows [R] of each seed."""
    _, group = np.unique(setup.seed, return_inverse=True)
    return np.bincount(group, values).astype(np.float64)


def _against_target(setup: Setup, played: Played) -> tuple[Floats, Bools]:
    """Of campaigns with a target that bought anything: cost over target less 1, and whether chance explains it."""
    target, unit = setup.portfolio.target_cost, setup.portfolio.unit_value
    claimed = played.claimed.sum(axis=1)
    rows = np.isfinite(target) & (claimed > 0)
    error = played.spend.sum(axis=1)[rows] / MICROS / (target[rows] * claimed[rows]) - 1.0
    conversions = claimed[rows] / np.where(unit[rows] > 0, unit[rows], 1.0)
    allowed = np.where(conversions >= SURE_CONVERSIONS, SLACK - 1.0, 2.0 / np.sqrt(conversions))
    return error, error <= allowed


def with_interval(values: Floats) -> list[float]:
    """Mean, and its 95 % bootstrap interval over seeds."""
    return [float(values.mean()), *paired_interval(values)]


def lead(found: Mapping[str, Score], ours: str = "swarm") -> tuple[str, list[float]]:
    """The rival of the highest mean among those that keep their targets, and how far ahead of it ours is.

    ``ours`` itself where there is none.
    """
    rivals = [name for name, each in found.items() if name != ours and each.keeps(found[ours])]
    best = max(rivals, key=lambda name: float(found[name].ratio.mean()), default=ours)
    return best, with_interval(found[ours].ratio - found[best].ratio)


def gap_closed(scores: Mapping[str, Mapping[str, Score]], ours: str = "swarm") -> dict[str, Any]:
    """How much of the gap to hindsight that the best single rival leaves is closed, in the mean over scenarios.

    The best single rival is the one with the highest mean over all scenarios of ``scores``, by scenario and policy.
    """
    names = set.intersection(*(set(each) for each in scores.values())) - {ours}
    means = {name: np.mean([each[name].ratio for each in scores.values()], axis=0) for name in names}
    best = max(means, key=lambda name: float(means[name].mean()))
    own = np.mean([each[ours].ratio for each in scores.values()], axis=0)
    rng = np.random.default_rng(0)
    picks = rng.integers(len(own), size=(10_000, len(own)))
    draws = (own - means[best])[picks].mean(axis=1) / (1.0 - means[best][picks].mean(axis=1))
    low, high = np.quantile(draws, [0.025, 0.975])
    closed = (own - means[best]).mean() / (1.0 - means[best].mean())
    return {"best_single_rival": best, "its_mean": float(means[best].mean()), "closed": [closed, low, high]}


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else value
