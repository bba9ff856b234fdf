"""What a candidate is worth, against the regression written out and against many experiments without effect."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from policies.experiment import EFFECT_SD, Effect, effects

WINDOWS, ROWS = 12, 40


def _world(seed: int, effect: tuple[float, float], *, noise: float = 0.06) -> tuple[np.ndarray, np.ndarray]:
    """Outcomes [W, R] and who ran two candidates [2, W, R]; campaigns and windows have levels of their own."""
    rng = np.random.default_rng(seed)
    draw = rng.integers(0, 3, (WINDOWS, ROWS)) * (np.arange(ROWS) < 24)
    ran = np.stack([draw == 1, draw == 2])
    level = rng.normal(0, 1.0, ROWS) + rng.normal(0, 0.1, (WINDOWS, 1))
    outcome = level + effect[0] * ran[0] + effect[1] * ran[1] + noise * rng.standard_normal((WINDOWS, ROWS))
    outcome[rng.random((WINDOWS, ROWS)) < 0.1] = np.nan
    return outcome, ran


def test_effects_are_those_of_a_regression_with_a_column_for_every_campaign_and_window() -> None:
    """Least squares with dummies gives the same where all campaigns are equally steady."""
    outcome, ran = _world(3, (0.05, -0.1), noise=0.02)
    seen = np.isfinite(outcome)
    window, row = np.nonzero(seen)
    columns = [*(ran[a][seen].astype(float) for a in range(2)), *(row == r for r in range(ROWS))]
    design = np.stack([*columns, *(window == w for w in range(1, WINDOWS))], axis=1).astype(float)
    expected = np.linalg.lstsq(design, outcome[seen], rcond=None)[0][:2]
    found = effects(outcome, ran, [])
    assert [effect.mean for effect in found] == pytest.approx(expected, abs=0.004)


def test_errors_are_as_large_as_they_say() -> None:
    """Over many experiments the estimates spread by their own standard deviation."""
    found = [effects(*_world(seed, (0.03, -0.03)), [])[0] for seed in range(120)]
    z = np.array([(effect.mean - 0.03) / effect.sd for effect in found])
    assert abs(z.mean()) < 0.3
    assert 0.85 < z.std() < 1.25


def test_opposite_steps_tell_of_each_other() -> None:
    """With a prior on what they have in common the error is smaller, and a symmetric pair is found as it is."""
    outcome, ran = _world(5, (0.04, -0.04))
    alone, paired = effects(outcome, ran, []), effects(outcome, ran, [(0, 1)])
    assert paired[0].sd < 0.75 * alone[0].sd
    assert paired[0].mean == pytest.approx(0.04, abs=3 * paired[0].sd)


def test_the_evidence_is_the_mixture_that_it_says() -> None:
    """Numerical integration of the likelihood ratio over half normal effects; none without data."""
    mean, sd = 0.021, 0.012

    def ratio(effect: float) -> float:
        return float(2 * norm.pdf(effect, scale=EFFECT_SD) * norm.pdf(mean, effect, sd) / norm.pdf(mean, 0, sd))

    assert Effect(mean, sd).gain == pytest.approx(quad(ratio, 0, 0.5)[0], rel=1e-6)
    assert Effect(-mean, sd).harm == Effect(mean, sd).gain
    assert Effect(0.0, float("nan")).gain == 0.0


def test_looking_every_day_seldom_finds_what_is_not_there() -> None:
    """Of 300 candidates without effect, watched for 60 days, about a tenth ever passes 10, as the theory has it."""
    rng, passed = np.random.default_rng(1), 0
    for _ in range(300):
        mean = np.cumsum(rng.normal(0, 0.06, 60)) / np.arange(1, 61)
        passed += any(Effect(m, 0.06 / np.sqrt(n)).gain >= 10.0 for n, m in enumerate(mean, start=1))
    assert passed <= 300 * 0.1 + 3 * np.sqrt(300 * 0.09)


def test_a_candidate_that_nobody_ran_is_unknown() -> None:
    """Nor is anything made of windows that do not count."""
    outcome, ran = _world(7, (0.0, 0.0))
    found = effects(outcome, np.stack([ran[0], np.zeros_like(ran[0])]), [])
    assert np.isfinite(found[0].sd)
    assert np.isnan(found[1].sd)
