"""The stereographic model against geoopt and its laws, on both sides of zero curvature."""

from __future__ import annotations

import math

import geoopt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mechanisms import lorentz, stereographic

CURVATURES = (-1.7, -0.3, 0.4, 1.2)


def _rows(seed: int, *shape: int) -> Tensor:
    return 0.5 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _k(value: float) -> Tensor:
    return torch.tensor([value], dtype=torch.float64)


@pytest.mark.parametrize("curvature", CURVATURES)
def test_equals_geoopt(curvature: float) -> None:
    """Sum, distance, maps at the origin and weighted midpoint; geoopt's vectors at the origin are half as long."""
    k, (u, v) = _k(curvature), _rows(1, 2, 9, 4)
    space = geoopt.Stereographic(k=k[0].clone())
    x, y = stereographic.exp0(u, k), stereographic.exp0(v, k)
    torch.testing.assert_close(x, space.expmap0(u / 2))
    torch.testing.assert_close(stereographic.log0(x, k), 2 * space.logmap0(x))
    torch.testing.assert_close(stereographic.add(x, y, k), space.mobius_add(x, y))
    torch.testing.assert_close(stereographic.distance(x, y, k), space.dist(x, y))
    pairs = stereographic.square_distances(x, y, k[:, None])
    torch.testing.assert_close(pairs, space.dist(x[:, None], y).square(), rtol=1e-8, atol=1e-10)
    weights = _rows(2, 1, 9).softmax(-1)
    found = stereographic.gyromidpoint(x, weights, k[:, None])[0]
    torch.testing.assert_close(found, space.weighted_midpoint(x, weights[0], reducedim=[0]))


def test_below_zero_it_is_the_lorentz_model() -> None:
    """The same vectors at the origin have the same distances in both."""
    u, v = _rows(3, 2, 9, 4)
    x, y = (stereographic.exp0(each, _k(-0.7)) for each in (u, v))
    torch.testing.assert_close(stereographic.distance(x, y, _k(-0.7)), lorentz.tangent_distance(u, v, _k(0.7)))


@pytest.mark.parametrize("name", ["tan", "atan", "sin", "cos"])
def test_functions_and_slopes_pass_smoothly_through_zero(name: str) -> None:
    """Against math on both sides, with no jump of value or slope where the power series begins and at zero."""
    of = getattr(stereographic, name)
    above = {"tan": math.tan, "atan": math.atan, "sin": math.sin, "cos": math.cos}[name]
    below = {"tan": math.tanh, "atan": math.atanh, "sin": math.sinh, "cos": math.cosh}[name]
    for z in (-0.5, -1e-2, -9.99e-3, -1e-9, 1e-9, 9.99e-3, 1e-2, 0.5):
        root = math.sqrt(abs(z))
        expected = (above if z > 0 else below)(root) / (1 if name == "cos" else root)
        torch.testing.assert_close(of(_k(z)).item(), expected, rtol=1e-13, atol=0)
        with torch.no_grad():  # which goes without the series
            torch.testing.assert_close(of(_k(z)).item(), expected, rtol=1e-13, atol=0)
    for edge in (-stereographic.SERIES, 0.0, stereographic.SERIES):
        sides = [_k(edge + step).requires_grad_() for step in (-1e-9, 1e-9)]
        slopes = [torch.autograd.grad(of(z), z)[0] for z in sides]
        torch.testing.assert_close(slopes[0], slopes[1], rtol=1e-7, atol=0)


@given(st.integers(0, 2**31), st.floats(1e-9, 1e-4))
def test_flat_space_is_the_limit_from_both_sides(seed: int, size: float) -> None:
    """Distance and midpoint approach the Euclidean ones in proportion to the curvature, on opposite sides."""
    u, v = _rows(seed, 2, 3)
    errors = []
    for k in (_k(-size), _k(0.0), _k(size)):
        x, y = stereographic.exp0(u, k), stereographic.exp0(v, k)
        errors.append(((stereographic.distance(x, y, k) - (u - v).norm()) / size).item())
        points, weights = torch.stack([x, y]), torch.tensor([[0.3, 0.7]], dtype=torch.float64)
        middle = stereographic.log0(stereographic.gyromidpoint(points, weights, k[:, None]), k)
        torch.testing.assert_close(middle[0], 0.3 * u + 0.7 * v, rtol=0, atol=100 * size * (1 + u.norm().item()) ** 3)
    assert abs(errors[1] * size) < 1e-14
    assert abs(errors[0] + errors[2]) < 1e-2 * abs(errors[0]) + 1e-4


@given(st.integers(0, 2**31), st.sampled_from((*CURVATURES, 0.0)))
def test_laws_of_a_gyrovector_space(seed: int, curvature: float) -> None:
    """Left cancellation, the maps' round trip, and the midpoint of two points lies equally far from both."""
    k, (u, v) = _k(curvature), 0.6 * _rows(seed, 2, 3)
    x, y = stereographic.exp0(u, k), stereographic.exp0(v, k)
    torch.testing.assert_close(stereographic.add(-x, stereographic.add(x, y, k), k), y, rtol=1e-8, atol=1e-9)
    torch.testing.assert_close(stereographic.log0(x, k), u)
    torch.testing.assert_close(stereographic.distance(torch.zeros_like(x), x, k), u.norm())
    half = torch.full((1, 2), 0.5, dtype=torch.float64)
    middle = stereographic.gyromidpoint(torch.stack([x, y]), half, k[:, None])[0]
    whole = stereographic.distance(x, y, k)
    for end in (x, y):
        torch.testing.assert_close(stereographic.distance(middle, end, k), whole / 2, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("curvature", [-0.7, 0.0, 1e-3, 0.9])
def test_gradients_match_finite_differences_in_curvature_too(curvature: float) -> None:
    """Gradcheck in float64, at zero curvature as elsewhere."""
    u, v = (x.requires_grad_() for x in _rows(5, 2, 3, 4))
    k = torch.tensor([[curvature]], dtype=torch.float64, requires_grad=True)

    def squares(one: Tensor, other: Tensor, k: Tensor) -> Tensor:
        return stereographic.square_distances(stereographic.exp0(one, k), stereographic.exp0(other, k), k)

    assert torch.autograd.gradcheck(squares, (u, v, k))
    same = torch.autograd.grad(squares(u, u, k).diagonal().sum(), (u, k))
    assert all(grad.isfinite().all() for grad in same)
