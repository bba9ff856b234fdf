"""Logs in the form of the Open Bandit Dataset: impressions of items at positions of a page, with click and propensity.

(Saito, Aihara, Matsutani and Narita, "Open Bandit Dataset and Pipeline", NeurIPS 2021.)

Letters: n impressions, A items, P positions.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from rich.table import Table

from policies.bandit_log import Log
from policies.evaluation import Estimate, evaluate
from policies.frames import Floats


def crossed(uniform: Path, other: Path) -> Table:
    """Each policy's click rate by its own log, and by the other's with every estimator."""
    even, uneven = read(uniform), read(other)
    items = 1 + int(max(even.action.max(), uneven.action.max()))
    table = Table("policy", "log", "estimator", "click rate, %", "95 % interval", "effective impressions", box=None)
    cases = (
        ("uniform", "other", even, uneven, np.full((len(uneven.action), items), 1.0 / items)),
        ("other", "uniform", uneven, even, _mean_policy(uneven, items)[_position(even)]),
    )
    for policy, log, own, foreign, target in cases:
        table.add_row(policy, policy, "mean", *_cells(_seen(own)))
        for name, found in evaluate(foreign, target, rng=np.random.default_rng(0)).items():
            table.add_row(policy, log, name, *_cells(found))
    return table


def read(path: Path) -> Log:
    """One log; its context is the position and the viewer's features, each value a column."""
    with path.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    column = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    kinds = ["position", *sorted(name for name in column if name.startswith("user_feature_"))]
    return Log(
        action=column["item_id"].astype(np.int64),
        reward=column["click"].astype(np.float64),
        propensity=column["propensity_score"].astype(np.float64),
        context=np.concatenate([_indicators(column[kind]) for kind in kinds], axis=1),
    )


def _indicators(values: np.ndarray) -> Floats:
    return np.asarray(values[:, None] == np.unique(values), dtype=np.float64)


def _position(log: Log) -> np.ndarray:
    """[n] which of the three positions, the first features."""
    assert log.context is not None
    return np.asarray(log.context[:, :3].argmax(axis=1))


def _mean_policy(log: Log, items: int) -> Floats:
    """[P, A] how often each item was shown at each position: the mean of a policy that moved."""
    shown = np.zeros((3, items))
    np.add.at(shown, (_position(log), log.action), 1.0)
    return np.asarray(shown / shown.sum(axis=1, keepdims=True))


def _seen(log: Log) -> Estimate:
    """The log's own mean."""
    mean, spread = log.reward.mean(), log.reward.std()
    return Estimate(float(mean), float(spread / np.sqrt(len(log.reward))), float(len(log.reward)))


def _cells(found: Estimate) -> tuple[str, str, str]:
    low, high = (100 * each for each in found.interval())
    return f"{100 * found.value:.2f}", f"{low:.2f} to {high:.2f}", f"{found.effective:,.0f}"
