"""Budgets under the caps."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from policies.exposure import within_exposure

SEEDS = st.integers(0, 2**32 - 1)


@given(SEEDS)
def test_budgets_never_pass_the_caps(seed: int) -> None:
    """The worst day, which the day's highest budgets already shape, stays under both caps."""
    rng = np.random.default_rng(seed)
    over = np.array([2.0, 1.75, 1.25, 1.5])
    highest = rng.uniform(0.0, 50.0, (20, 4)) * (rng.random((20, 4)) < 0.7)
    exposure = (highest * over).sum(axis=1) * rng.uniform(1.0, 2.0, 20) + 1e-6
    nominal = highest.sum(axis=1) * rng.uniform(1.0, 2.0, 20) + 1e-6
    target = rng.uniform(0.0, 100.0, (20, 4))
    budget = within_exposure(target, highest, over, exposure, nominal)
    assert (budget >= 0).all()
    assert (budget <= target * (1 + 1e-12)).all()
    assert ((np.maximum(budget, highest) * over).sum(axis=1) <= exposure * (1 + 1e-9)).all()
    assert (budget.sum(axis=1) <= nominal * (1 + 1e-9)).all()
    roomy = within_exposure(target, highest, over, np.full(20, 1e9), np.full(20, 1e9))
    np.testing.assert_allclose(roomy, target)
