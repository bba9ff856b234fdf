"""Concave curves as tables."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import minimize

from policies.concave import allocate
from policies.frames import Floats
from policies.tabulated import Tabulated

SEEDS = st.integers(0, 2**32 - 1)


def _curves(seed: int, rows: int = 2, channels: int = 3) -> Tabulated:
    """Random falling slopes over six decades of spend."""
    rng = np.random.default_rng(seed)
    log_spend = np.log(np.geomspace(1e-3, 1e3, 25)) + rng.normal(size=(rows, 1))
    fall = rng.uniform(0.05, 0.9, (rows, channels, 25)) * np.diff(log_spend).mean()
    return Tabulated(log_spend, rng.normal(size=(rows, channels, 1)) - fall.cumsum(axis=2))


@given(SEEDS)
def test_the_spend_at_a_margin_has_that_margin(seed: int) -> None:
    """Within the table and beyond both of its ends."""
    curves = _curves(seed)
    price = np.exp(np.random.default_rng(seed).uniform(-12.0, 3.0, 2))
    marginal = curves.marginal(curves.spend_at(price))
    np.testing.assert_allclose(marginal, np.broadcast_to(price[:, None], marginal.shape), rtol=1e-9)


@settings(max_examples=20)
@given(SEEDS, st.floats(1e-4, 1e4))
def test_value_is_the_integral_of_the_marginal_return(seed: int, spend: float) -> None:
    """By SciPy's quadrature in log spend, up to a spend anywhere."""
    curves = _curves(seed, rows=1, channels=2)

    def slope(log_spend: float) -> float:
        return float(curves.marginal(np.full((1, 2), np.exp(log_spend))).sum()) * float(np.exp(log_spend))

    nodes = [x for x in curves.log_spend[0] if x < np.log(spend)]
    edges = [-400.0, *nodes, np.log(spend)]
    total = sum(quad(slope, low, high, limit=200)[0] for low, high in pairwise(edges))
    assert curves.value(np.full((1, 2), spend))[0] == pytest.approx(total, rel=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_the_split_is_the_one_that_a_general_solver_finds(seed: int) -> None:
    """SciPy's SLSQP from the equal split finds nothing better, and comes close."""
    curves = _curves(seed, rows=1, channels=4)
    low, high = np.full((1, 4), 0.2), np.array([[1.0, 9.0, 9.0, 9.0]])
    split = allocate(curves, np.array([8.0]), low, high)

    def loss(spend: Floats) -> float:
        return -float(curves.value(spend[None])[0])

    found = minimize(
        loss,
        np.array([1.0, 2.0, 2.0, 3.0]),
        bounds=list(zip(low[0], high[0], strict=True)),
        constraints={"type": "eq", "fun": lambda spend: spend.sum() - 8.0},
        options={"ftol": 1e-12, "maxiter": 500},
    )
    assert loss(split[0]) <= found.fun + 1e-9
    assert loss(split[0]) == pytest.approx(found.fun, rel=1e-4)
