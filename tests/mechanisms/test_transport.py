"""One-dimensional transport and the exact plan, against SciPy, POT and their laws."""

from __future__ import annotations

import numpy as np
import ot
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor

from mechanisms.transport import (
    directions,
    equal_line_cost,
    exact_plan,
    line_cost,
    normalised,
    root,
    sphere_moment,
)

SEEDS = st.integers(0, 2**32 - 1)
POWERS = st.sampled_from([1.0, 1.5, 2.0, 3.0])


def _cloud(rng: torch.Generator, count: int) -> tuple[Tensor, Tensor]:
    points = torch.randn(count, generator=rng, dtype=torch.float64)
    weights = torch.rand(count, generator=rng, dtype=torch.float64)
    return points, normalised(torch.where(weights < 0.2, 0.0, weights) + (torch.arange(count) == 0))


@given(SEEDS, st.integers(1, 9), st.integers(1, 9), POWERS)
@settings(max_examples=40, deadline=None)
def test_a_line_costs_what_pot_says(seed: int, n: int, m: int, power: float) -> None:
    """Weighted clouds of any sizes, some points without weight: as ``ot.wasserstein_1d``."""
    rng = torch.Generator().manual_seed(seed)
    (x, a), (y, b) = _cloud(rng, n), _cloud(rng, m)
    expected = ot.wasserstein_1d(x.numpy(), y.numpy(), a.numpy(), b.numpy(), p=power)
    assert line_cost(x, y, a, b, power).item() == pytest.approx(float(expected), rel=1e-9, abs=1e-12)


def test_the_first_power_is_scipys_wasserstein_distance() -> None:
    """With p = 1, weighted: as ``scipy.stats.wasserstein_distance``."""
    rng = torch.Generator().manual_seed(1)
    (x, a), (y, b) = _cloud(rng, 7), _cloud(rng, 5)
    expected = stats.wasserstein_distance(x.numpy(), y.numpy(), a.numpy(), b.numpy())
    assert line_cost(x, y, a, b, 1.0).item() == pytest.approx(expected, rel=1e-12)


@given(SEEDS, st.integers(1, 9), st.integers(1, 9), POWERS)
@settings(max_examples=40, deadline=None)
def test_equal_shares_are_shares_that_are_equal(seed: int, n: int, m: int, power: float) -> None:
    """The form that knows the levels computes what the general one does."""
    rng = torch.Generator().manual_seed(seed)
    x, y = (torch.randn(3, count, generator=rng, dtype=torch.float64) for count in (n, m))
    a, b = (torch.full((count,), 1 / count, dtype=torch.float64) for count in (n, m))
    torch.testing.assert_close(equal_line_cost(x, y, power), line_cost(x, y, a, b, power), rtol=1e-9, atol=1e-12)


@given(SEEDS, POWERS)
@settings(max_examples=40, deadline=None)
def test_a_line_has_a_metric(seed: int, power: float) -> None:
    """Zero only to itself in any order, the same both ways, no detour shorter."""
    rng = torch.Generator().manual_seed(seed)
    (x, a), (y, b), (z, c) = (_cloud(rng, count) for count in (4, 6, 5))

    def distance(x: Tensor, y: Tensor, a: Tensor, b: Tensor) -> float:
        return float(root(line_cost(x, y, a, b, power), power))

    order = torch.randperm(4, generator=rng)
    assert distance(x, x[order], a, a[order]) == pytest.approx(0.0, abs=1e-5)  # a root of rounding
    assert distance(x, y, a, b) > 1e-6
    assert distance(x, y, a, b) == pytest.approx(distance(y, x, b, a), rel=1e-12)
    assert distance(x, z, a, c) <= distance(x, y, a, b) + distance(y, z, b, c) + 1e-12


def test_gradients_match_finite_differences() -> None:
    """Gradcheck for points and for weights, which are normalised on the way."""
    rng = torch.Generator().manual_seed(2)
    x, y = (torch.randn(n, generator=rng, dtype=torch.float64, requires_grad=True) for n in (4, 3))
    a, b = (torch.rand(n, generator=rng, dtype=torch.float64).requires_grad_() for n in (4, 3))
    assert torch.autograd.gradcheck(lambda x, y, a, b: line_cost(x, y, normalised(a), normalised(b), 2.0), (x, y, a, b))


def test_the_root_has_no_gradient_at_zero_and_the_usual_one_elsewhere() -> None:
    """Two clouds that are the same would otherwise train to NaN."""
    cost = torch.tensor([0.0, 4.0], dtype=torch.float64, requires_grad=True)
    value = root(cost, 2.0)
    (gradient,) = torch.autograd.grad(value.sum(), cost)
    assert value.tolist() == [0.0, 2.0]
    assert gradient.tolist() == [0.0, 0.25]


def test_a_negative_weight_is_refused() -> None:
    """A cloud has no holes."""
    with pytest.raises(RuntimeError, match="a point's weight is negative or NaN"):
        normalised(torch.tensor([1.0, -0.1]))


@given(SEEDS, st.integers(1, 8), st.integers(1, 8))
@settings(max_examples=40, deadline=None)
def test_a_plan_has_its_marginals_and_pots_cost(seed: int, n: int, m: int) -> None:
    """Rows and columns sum to the shares, nothing is negative, and ``ot.emd2`` finds nothing cheaper."""
    rng = torch.Generator().manual_seed(seed)
    cost = torch.rand(n, m, generator=rng, dtype=torch.float64)
    (_, a), (_, b) = _cloud(rng, n), _cloud(rng, m)
    plan = exact_plan(cost, a, b)
    torch.testing.assert_close(plan.sum(1), a, rtol=0, atol=1e-12)
    torch.testing.assert_close(plan.sum(0), b, rtol=0, atol=1e-12)
    assert (plan >= 0).all()
    assert (plan * cost).sum().item() == pytest.approx(float(ot.emd2(a.numpy(), b.numpy(), cost.numpy())), abs=1e-12)


def test_a_plan_of_single_precision_shares() -> None:
    """Shares that sum to 1 only to seven places are no contradiction."""
    rng = torch.Generator().manual_seed(3)
    a, b = (normalised(torch.rand(n, generator=rng)) for n in (60, 47))
    plan = exact_plan(torch.rand(60, 47, generator=rng), a, b)
    torch.testing.assert_close(plan.sum(1), a, rtol=0, atol=1e-6)
    torch.testing.assert_close(plan.sum(0), b, rtol=0, atol=1e-6)


def test_directions_are_orthonormal_within_a_block_and_uniform_over_the_sphere() -> None:
    """A block measures a vector's length without error; over many, each coordinate has the sphere's moments."""
    u = directions(3000, 3, torch.Generator().manual_seed(4))
    block = u[:3]
    torch.testing.assert_close(block @ block.T, torch.eye(3, dtype=torch.float64), rtol=0, atol=1e-14)
    assert u.mean(0).abs().max() < 0.03
    for power in (1.0, 2.0, 3.0):
        assert (u[:, 0].abs() ** power).mean().item() == pytest.approx(sphere_moment(power, 3), rel=0.03)


@pytest.mark.parametrize("power", [1.0, 1.5, 2.0, 3.0])
def test_the_moment_of_the_sphere_is_the_beta_distributions(power: float) -> None:
    """The square of a coordinate of a uniform direction in D dimensions is Beta(1/2, (D-1)/2)."""
    expected = stats.beta(0.5, 3.0).expect(lambda t: t ** (power / 2))
    assert sphere_moment(power, 7) == pytest.approx(expected, rel=1e-6)
    np.testing.assert_allclose(sphere_moment(power, 1), 1.0)
