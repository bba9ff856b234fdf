"""Entailment cones: an order on hyperbolic space."""

from __future__ import annotations

import geoopt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mechanisms import lorentz
from mechanisms.cones import exterior_angle, half_angle, outside

C = torch.tensor([0.7], dtype=torch.float64)


def _rows(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_angle_and_opening_equal_those_in_the_poincare_ball() -> None:
    """The formulas of Ganea et al. on the same points, with geoopt's logarithm for the angle."""
    u, v = _rows(1, 2, 9, 4)
    ball = geoopt.PoincareBall(c=C[0].clone())  # it writes on what it is given
    x, y = ball.expmap0(u / 2), ball.expmap0(v / 2)
    onward = ball.logmap(x, y)
    cosine = torch.nn.functional.cosine_similarity(onward, x, dim=-1)
    torch.testing.assert_close(exterior_angle(u, v, C), cosine.acos())
    norm = C[0].sqrt() * x.norm(dim=-1)
    expected = (0.1 * (1 - norm.square()) / norm).clamp(max=1).asin()
    torch.testing.assert_close(half_angle(u, C), expected)


@given(st.integers(0, 2**31), st.floats(0.4, 2.0), st.floats(-0.99, 0.99), st.floats(-0.99, 0.99), st.floats(0.1, 3.0))
def test_the_order_is_transitive(seed: int, out: float, first: float, second: float, step: float) -> None:
    """Who lies in the cone of one that lies in a third's cone lies in the third's; who lies beside it, in none."""
    grandparent = out * torch.nn.functional.normalize(_rows(seed, 3), dim=-1)
    parent = _walked(grandparent, seed, first, step)
    child = _walked(parent, seed + 1, second, step)
    assert outside(grandparent, parent, C) == 0
    assert outside(parent, child, C) < 1e-9
    assert outside(grandparent, child, C) < 1e-9
    assert outside(grandparent, _walked(grandparent, seed, 1.01, step), C) > 0


def _walked(x: Tensor, seed: int, share: float, step: float) -> Tensor:
    """From ``x`` a step long, at a share of the half-angle of its cone from the way on."""
    point, angle = lorentz.exp0(x, C), share * half_angle(x, C)
    onward = lorentz.log(point, lorentz.exp0(x + x / x.norm(), C), C)
    aside = torch.linalg.cross(x, _rows(seed + 2, 3))
    way = angle.cos() * onward + angle.sin() * aside / aside.norm()
    return lorentz.log0(lorentz.exp(point, step * way, C), C)


def test_a_stated_order_is_learnt() -> None:
    """By the loss alone children move into their parents' cones, and a stranger is told apart."""
    parents = torch.tensor([0, 0, 1, 1, 2, 2])
    vectors = _rows(3, 7, 3).requires_grad_()
    optimiser = torch.optim.Adam([vectors], lr=0.05)
    for _ in range(200):
        wrong = outside(vectors[[1, 1, 2, 2]], vectors[[5, 6, 3, 4]], C)
        loss = outside(vectors[parents], vectors[1:], C).sum() + (0.2 - wrong).clamp(min=0).sum()
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
    assert outside(vectors[parents], vectors[1:], C).max() < 1e-2
    assert outside(vectors[[1, 1, 2, 2]], vectors[[5, 6, 3, 4]], C).min() > 0.15


@pytest.mark.parametrize("opening", [0.05, 0.2])
def test_a_wider_opening_holds_more_and_gradients_match_finite_differences(opening: float) -> None:
    """K scales the sine of the half-angle; gradcheck in float64."""
    u, v = (x.requires_grad_() for x in _rows(4, 2, 5, 3) + 2)
    sines = [half_angle(u, C, each).sin() for each in (opening, 2 * opening)]
    torch.testing.assert_close(sines[1], 2 * sines[0])
    assert torch.autograd.gradcheck(lambda x, y: outside(x, y, C, opening), (u, v))
