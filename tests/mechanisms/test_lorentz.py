"""The Lorentz model against mpmath, geoopt and its laws."""

from __future__ import annotations

import math
from collections.abc import Sequence

import geoopt
import mpmath as mp
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mechanisms import lorentz

ONE = torch.ones(1, dtype=torch.float64)
CURVATURES = (0.3, 1.0, 2.5)


def _rows(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _full(x: Tensor, c: Tensor) -> Tensor:
    """All d + 1 coordinates, [..., d] to [..., d + 1]."""
    return torch.cat([lorentz.time(x, c), x], dim=-1)


@pytest.mark.parametrize("c", CURVATURES)
@pytest.mark.parametrize(
    ("radius", "apart", "bound"), [(1, 1e-3, 1e-6), (15, 1e-3, 1e-6), (15, 3, 1e-6), (30, 1, 1e-3)]
)
@pytest.mark.parametrize("d", [2, 64])
def test_distances_are_as_exact_as_promised(d: int, radius: float, apart: float, bound: float, c: float) -> None:
    """In both representations, for pairs at the least distance in all directions, against 60 digits."""
    for u, v in _pairs(d, radius / math.sqrt(c), apart / math.sqrt(c), c):
        k = torch.tensor([c], dtype=torch.float64)
        truth = _truth(u.tolist(), v.tolist(), c)
        assert apart <= math.sqrt(c) * truth <= 4 * apart
        assert float(abs(lorentz.tangent_distance(u, v, k).item() / truth - 1)) <= bound
        x, y = lorentz.exp0(u, k), lorentz.exp0(v, k)
        assert float(abs(lorentz.distance(x, y, k).item() / _truth_of_points(x.tolist(), y.tolist(), c) - 1)) <= bound


def _pairs(d: int, radius: float, apart: float, c: float) -> list[tuple[Tensor, Tensor]]:
    """Vectors to points at and near ``radius``, at least ``apart`` from one another in all directions."""
    found, root = [], math.sqrt(c)
    for seed in range(24):
        out, aside = (x / x.norm() for x in _rows(seed, 2, d))
        across = aside - (aside @ out) * out
        step, way = (3 if seed % 2 else 1.5) * apart, math.pi * seed / 23
        other = radius - abs(step * math.cos(way))
        # The turn that is worth ``step sin(way)`` between circles of the two radii.
        chord = math.sinh(root * step * math.sin(way) / 2)
        turn = 2 * math.asin(chord / math.sqrt(math.sinh(root * radius) * math.sinh(root * other)))
        end = other * (out * math.cos(turn) + across / across.norm() * math.sin(turn))
        found.append((radius * out, end))
    return found


def _truth(u: Sequence[float], v: Sequence[float], c: float) -> mp.mpf:
    with mp.workdps(60):
        us, vs, s = [mp.mpf(x) for x in u], [mp.mpf(x) for x in v], mp.sqrt(mp.mpf(c))
        a, b = (s * mp.sqrt(mp.fdot(x, x)) for x in (us, vs))
        cosine = s**2 * mp.fdot(us, vs) / (a * b)
        return mp.acosh(mp.cosh(a) * mp.cosh(b) - mp.sinh(a) * mp.sinh(b) * cosine) / s


def _truth_of_points(x: Sequence[float], y: Sequence[float], c: float) -> mp.mpf:
    with mp.workdps(60):
        xs, ys, k = [mp.mpf(a) for a in x], [mp.mpf(a) for a in y], mp.mpf(c)
        first = mp.sqrt(1 / k + mp.fdot(xs, xs)) * mp.sqrt(1 / k + mp.fdot(ys, ys))
        return mp.acosh(k * (first - mp.fdot(xs, ys))) / mp.sqrt(k)


def test_equals_geoopt() -> None:
    """Distance, and the maps at the origin and at a point; geoopt's k is 1 / c."""
    c = torch.tensor([0.7], dtype=torch.float64)
    manifold = geoopt.Lorentz(k=1 / c[0])
    u, v, w = _rows(1, 3, 9, 4)
    x, y = lorentz.exp0(u, c), lorentz.exp0(v, c)
    full_x, full_y = _full(x, c), _full(y, c)
    lifted = manifold.expmap0(torch.cat([torch.zeros(9, 1, dtype=torch.float64), u], dim=-1))
    torch.testing.assert_close(full_x, lifted)
    torch.testing.assert_close(lorentz.distance(x, y, c), manifold.dist(full_x, full_y))
    torch.testing.assert_close(lorentz.tangent_distance(u, v, c), manifold.dist(full_x, full_y))
    torch.testing.assert_close(lorentz.inner(x, y, c), manifold.inner(full_x, full_x, full_y, keepdim=True))
    torch.testing.assert_close(lorentz.log(x, y, c), manifold.logmap(full_x, full_y)[..., 1:])
    at_x = torch.cat([(x * w).sum(-1, keepdim=True) / lorentz.time(x, c), w], dim=-1)
    torch.testing.assert_close(_full(lorentz.exp(x, w, c), c), manifold.expmap(full_x, at_x))


def test_the_centroid_is_the_midpoint_of_the_poincare_ball() -> None:
    """Closed forms of two models agree: geoopt's weighted midpoint of the same points."""
    c = torch.tensor([[0.7]], dtype=torch.float64)
    points, weights = lorentz.exp0(_rows(2, 6, 3), c[0]), _rows(3, 1, 6).softmax(-1)
    ball = geoopt.PoincareBall(c=c[0, 0].clone())  # it writes on what it is given
    found = lorentz.centroid(points, weights, c)
    expected = ball.weighted_midpoint(_to_ball(points, c), weights[0], reducedim=[0])
    torch.testing.assert_close(_to_ball(found, c)[0], expected)


def _to_ball(x: Tensor, c: Tensor) -> Tensor:
    return x / (1 + c.sqrt() * lorentz.time(x, c))


def test_the_centroid_makes_the_squared_lorentz_distance_least() -> None:
    """No step from it in any direction has a smaller ``sum w |x - m|_L^2``, and the slope there is zero."""
    points, weights = lorentz.exp0(_rows(4, 6, 3), ONE), _rows(5, 1, 6).softmax(-1)
    middle = lorentz.centroid(points, weights, ONE[None])[0]
    step = torch.zeros(3, dtype=torch.float64, requires_grad=True)

    def cost(tangent: Tensor) -> Tensor:
        moved = lorentz.exp(middle.expand_as(points), tangent.expand_as(points), ONE)
        return (weights[0] * (-2 - 2 * lorentz.inner(points, moved, ONE)[:, 0])).sum()

    (slope,) = torch.autograd.grad(cost(step), step)
    torch.testing.assert_close(slope, torch.zeros_like(slope), rtol=0, atol=1e-12)
    assert all(cost(0.1 * way) > cost(0 * way) for way in _rows(6, 20, 3))


@given(st.integers(0, 2**31), st.sampled_from(CURVATURES), st.floats(0.01, 8))
def test_maps_come_back(seed: int, curvature: float, size: float) -> None:
    """log0 after exp0, and log after exp at any point, give the vector; exp0 goes as far as the vector is long."""
    c = torch.tensor([curvature], dtype=torch.float64)
    u, v = size * torch.nn.functional.normalize(_rows(seed, 2, 5), dim=-1)
    x = lorentz.exp0(u, c)
    torch.testing.assert_close(lorentz.log0(x, c), u)
    torch.testing.assert_close(lorentz.distance(torch.zeros_like(x), x, c).item(), size)
    near = lorentz.exp0(u / size, c)
    back = lorentz.log(near, lorentz.exp(near, v / size, c), c)
    torch.testing.assert_close(back, v / size, rtol=1e-8, atol=1e-10)


@given(st.integers(0, 2**31), st.sampled_from(CURVATURES))
def test_distance_is_a_metric(seed: int, curvature: float) -> None:
    """Symmetric to the bit, zero only from a point to itself, and no detour is shorter."""
    c = torch.tensor([curvature], dtype=torch.float64)
    u, v, w = _rows(seed, 3, 4)
    between = lorentz.tangent_distance(u, v, c)
    assert between == lorentz.tangent_distance(v, u, c) > 0
    assert lorentz.tangent_distance(u, u, c) < 1e-100
    assert between <= lorentz.tangent_distance(u, w, c) + lorentz.tangent_distance(w, v, c) + 1e-12


def test_distance_becomes_euclidean_as_curvature_vanishes() -> None:
    """At c = 1e-12 it is ``|u - v|`` to twelve digits."""
    u, v = _rows(7, 2, 5, 4)
    found = lorentz.tangent_distance(u, v, torch.tensor([1e-12], dtype=torch.float64))
    torch.testing.assert_close(found, (u - v).norm(dim=-1), rtol=1e-11, atol=0)


def test_gradients_match_finite_differences_and_are_finite_where_points_meet() -> None:
    """Gradcheck in float64; zero slope at a coincidence, and none of it NaN at the origin."""
    u, v = (x.requires_grad_() for x in _rows(8, 2, 3, 4))
    c = torch.tensor([0.7], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lorentz.tangent_distance, (u, v, c))
    assert torch.autograd.gradcheck(lorentz.distance, (u, v, c))
    for start in (u.detach(), torch.zeros(3, 4, dtype=torch.float64)):
        one, other = (start.clone().requires_grad_() for _ in range(2))
        grads = torch.autograd.grad(lorentz.tangent_distance(one, other, ONE).sum(), (one, other))
        assert all(grad.isfinite().all() for grad in grads)
