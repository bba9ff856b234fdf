"""The logs that off-policy estimates are measured on, and the figures that are made of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.evaluation import CASES, run, table
from benchmarks.open_bandit import crossed
from benchmarks.rotation_logs import CREATIVES, draw
from policies.bandit_log import weights
from policies.evaluation import ipw

SEED = 501


def test_a_log_is_as_large_as_promised_and_repeats() -> None:
    """At least 200,000 impressions and 1,000 clicks, fewer conversions; the same for the same seed and index."""
    first, again, other = draw(SEED, 0), draw(SEED, 0), draw(SEED, 1)
    assert first.clicks.rounds.sum() == first.conversions.rounds.sum() >= 200_000
    clicks, conversions = (log.rounds @ log.reward for log in (first.clicks, first.conversions))
    assert clicks >= 1_000
    assert 0 < conversions < clicks
    assert np.array_equal(first.clicks.rounds, again.clicks.rounds)
    assert first.value != other.value


def test_rotations_show_what_exists_and_explore() -> None:
    """Chances of every creative that exists are positive, of others 0, logged and judged; the log's move with time."""
    record = draw(SEED, 0)
    logged, judged = record.clicks.propensity, record.target
    assert logged.shape == judged.shape == (len(record.clicks.action), CREATIVES)
    assert np.array_equal(logged > 0, judged > 0)
    assert len(np.unique(logged[:, 0])) > len(np.unique(judged[:, 0]))
    held = draw(SEED, 0, held=True).clicks.propensity
    assert len(np.unique(held[:, 0])) <= 16


def test_the_true_value_is_what_infinitely_many_impressions_show() -> None:
    """A log a thousand times as long agrees within its error, for a policy other than its own."""
    record = draw(SEED, 2, times=1_000, held=True)
    assert not np.allclose(weights(record.clicks, record.target), 1.0)
    for log, name in ((record.clicks, "clicks"), (record.conversions, "conversions")):
        found = ipw(log, record.target)
        assert found.error < 0.02 * found.value
        assert found.value == pytest.approx(record.value[name], abs=4 * found.error)


def test_figures_are_of_every_case_and_estimator() -> None:
    """Coverage lies between 0 and 1, plain weighting is as wide as itself, and the table has a row for each."""
    found = run(range(SEED, SEED + 1))
    assert found.keys() == CASES.keys()
    for estimators in found.values():
        assert list(estimators) == ["ipw", "snipw", "dm", "dr"]
        assert estimators["ipw"]["width_over_ipw"] == [1.0, 1.0, 1.0]
        assert all(0.0 <= each["coverage"][0] <= 1.0 for each in estimators.values())
    assert table(found).row_count == 4 * len(CASES)


def _bandit(path: Path, chances: list[float], rng: np.random.Generator) -> Path:
    """A log of two items at three positions, of which the second is clicked four times as often."""
    lines = [",timestamp,item_id,position,click,propensity_score,user_feature_0"]
    for i in range(4_000):
        item = int(rng.random() >= chances[0])
        click, position, viewer = int(rng.random() < (0.1, 0.4)[item]), rng.integers(1, 4), rng.choice(["a", "b"])
        lines.append(f"{i},2019-11-24,{item},{position},{click},{chances[item]},{viewer}")
    path.write_text("\n".join(lines) + "\n")
    return path


def test_each_bandit_log_tells_the_other_policys_click_rate(tmp_path: Path) -> None:
    """25 % of the uniform policy and 34 % of one that prefers the second item, by its own log and by the other."""
    rng = np.random.default_rng(1)
    even, uneven = _bandit(tmp_path / "even", [0.5, 0.5], rng), _bandit(tmp_path / "uneven", [0.2, 0.8], rng)
    policy, _, estimator, rate, *_ = (list(column.cells) for column in crossed(even, uneven).columns)
    assert estimator == 2 * ["mean", "ipw", "snipw", "dm", "dr"]
    for name, found in zip(policy, rate, strict=True):
        assert float(str(found)) == pytest.approx({"uniform": 25.0, "other": 34.0}[str(name)], abs=3.0)
