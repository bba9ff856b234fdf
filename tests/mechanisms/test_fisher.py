"""The Fisher metrics against torch.distributions, numbers integrated by SciPy, and their laws."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor, distributions

from mechanisms.fisher import Categorical, FisherMetric, Flat, LogNormal


def _normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _pairs() -> list[tuple[FisherMetric, FisherMetric]]:
    factor = _normal(5, 3, 3)
    fisher = factor @ factor.T
    return [
        (Categorical(_normal(1, 4)), Categorical(_normal(2, 4))),
        (LogNormal(_normal(3, 2)), LogNormal(_normal(4, 2))),
        (Flat(_normal(3, 3), fisher), Flat(_normal(4, 3), fisher)),
    ]


@pytest.mark.parametrize("place", range(3), ids=["categorical", "log-normal", "flat"])
def test_the_matrix_is_the_curvature_of_the_divergence(place: int) -> None:
    """F is the Hessian of KL(self || self + d) at d = 0; apply and solve are the matrix and its inverse."""
    policy, _ = _pairs()[place]
    n = len(policy.coordinates)
    hessian = torch.autograd.functional.hessian(lambda d: policy.kl(policy.moved(d)), torch.zeros(n).double())  # type: ignore[no-untyped-call]
    torch.testing.assert_close(policy.matrix(), hessian, rtol=1e-9, atol=1e-12)
    vector = _normal(6, n)
    torch.testing.assert_close(policy.apply(vector), policy.matrix() @ vector)
    torch.testing.assert_close(policy.apply(policy.solve(policy.apply(vector))), policy.apply(vector))


@pytest.mark.parametrize("place", range(3), ids=["categorical", "log-normal", "flat"])
def test_the_distance_is_a_length(place: int) -> None:
    """Symmetric, 0 to itself, the root of twice the KL when near, and no longer than any path that is walked."""
    first, second = _pairs()[place]
    distance = first.distance(second)
    torch.testing.assert_close(distance, second.distance(first))
    assert first.distance(first).item() == 0.0
    step = 1e-4 * (second.coordinates - first.coordinates)
    near = first.moved(step)
    torch.testing.assert_close(first.distance(near), (2 * first.kl(near)).sqrt(), rtol=1e-3, atol=0.0)
    path = [first.moved(t * 1e4 * step) for t in torch.linspace(0, 1, 400).double()]
    walked = sum(a.distance(b) for a, b in pairwise(path))
    assert distance <= walked + 1e-9


def test_divergences_are_torchs() -> None:
    """KL of both families, by torch.distributions; the log-normal's is the normal's."""
    (p, q), (a, b), _ = _pairs()
    expected = distributions.kl_divergence(*(distributions.Categorical(logits=x.coordinates) for x in (p, q)))
    torch.testing.assert_close(p.kl(q), expected)
    normals = (distributions.LogNormal(x.coordinates[0], (x.coordinates[1] / 2).exp()) for x in (a, b))
    torch.testing.assert_close(a.kl(b), distributions.kl_divergence(*normals))


def test_closed_forms_of_the_distance() -> None:
    """Categorical ``2 arccos sum sqrt(pq)``; log-normal ``sqrt(2) arcosh(1 + ...)`` of the half plane."""
    (p, q), (a, b), _ = _pairs()
    overlap = (torch.softmax(p.coordinates, 0) * torch.softmax(q.coordinates, 0)).sqrt().sum()
    torch.testing.assert_close(p.distance(q), 2 * torch.arccos(overlap))
    (m, s), (k, r) = ((x.coordinates[0], (x.coordinates[1] / 2).exp()) for x in (a, b))
    inner = 1 + ((m - k) ** 2 / 2 + (s - r) ** 2) / (2 * s * r)
    torch.testing.assert_close(a.distance(b), math.sqrt(2) * torch.arccosh(inner))
    far = Categorical(torch.tensor([800.0, 0.0])).distance(Categorical(torch.tensor([0.0, 800.0])))
    assert far.item() == pytest.approx(math.pi, rel=1e-6)
