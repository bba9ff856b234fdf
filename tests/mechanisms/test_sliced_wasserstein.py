"""Attention between clouds against POT, the Gaussian closed form, its definition and its laws."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import ot
import pytest
import torch
from scipy import linalg
from torch import Tensor

from mechanisms.sliced_wasserstein import SlicedWassersteinAttention, naive
from tests.mechanisms.contract import Contract, Inputs

Config = SlicedWassersteinAttention.Config


class TestContract(Contract):
    """Query of 4 points, 5 candidates of up to 6 points; the mask is one of points."""

    config = Config(width=3, projections=7, temperature=0.7)
    flips: ClassVar[Mapping[str, object]] = {
        "width": 2,
        "projections": 8,
        "power": 1.0,
        "temperature": 2.0,
        "seed": 1,
    }
    keyed = ("key", "value", "mask", "key_weights")

    def inputs(self, rng: torch.Generator, batch: int = 3) -> Inputs:
        """Some points are masked, some have no weight, some candidates have no points."""
        shapes = {"query": (4, 3), "key": (5, 6, 3), "value": (5, 2)}
        found = {n: torch.randn(batch, *s, generator=rng, dtype=torch.float64) for n, s in shapes.items()}
        found["query_weights"] = 0.1 + torch.rand(batch, 4, generator=rng, dtype=torch.float64)
        found["key_weights"] = 0.1 + torch.rand(batch, 5, 6, generator=rng, dtype=torch.float64)
        found["mask"] = torch.rand(batch, 5, 6, generator=rng) < 0.6
        found["mask"][:, 0, 0] = True
        found["mask"][:, 3] = False
        return found

    def naive(self, layer: Any, inputs: Inputs) -> Tensor:
        """By pouring."""
        return naive(layer, **inputs)


def _given(seed: int = 1) -> tuple[Any, Inputs]:
    """A layer of its own directions in float64, and inputs."""
    return TestContract.config.build().double(), TestContract().inputs(torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("power", [1.0, 2.0, 3.0])
def test_distances_are_pots_with_the_same_projections(power: float) -> None:
    """But for the constant that puts them on the scale of the space itself."""
    layer = Config(width=3, projections=7, power=power).build().double()
    _, inputs = _given()
    del inputs["mask"]
    found = layer(**inputs).extras["distance"]
    for row, c in np.ndindex(*found.shape):
        a, b = inputs["query_weights"][row], inputs["key_weights"][row, c]
        points = inputs["query"][row], inputs["key"][row, c]
        expected = ot.sliced_wasserstein_distance(
            *points, a / a.sum(), b / b.sum(), p=power, projections=layer.directions.T
        )
        scale = {1.0: 0.5, 2.0: 1 / 3, 3.0: 0.25}[power] ** (-1 / power)  # E|u|^p on the sphere in space: 1/(p+1)
        assert found[row, c].item() == pytest.approx(scale * float(expected), rel=1e-9)


def test_without_weights_all_points_count_the_same() -> None:
    """No weights and no mask: as with ones."""
    layer, inputs = _given()
    bare = {name: inputs[name] for name in ("query", "key", "value")}
    ones = bare | {"query_weights": torch.ones_like(inputs["query_weights"])}
    torch.testing.assert_close(layer(**bare).output, layer(**ones).output, rtol=1e-12, atol=1e-12)


def test_two_points_are_as_far_apart_as_they_are_in_space() -> None:
    """A whole block of directions has no error at all for p = 2, in any number of dimensions."""
    rng = torch.Generator().manual_seed(5)
    x, y = (torch.randn(4, 1, 40, generator=rng, dtype=torch.float64) for _ in range(2))
    layer = Config(width=40, projections=40).build().double()
    layer.directions = torch.linalg.qr(layer.directions.mT).Q.mT  # they are stored in single precision
    distance = layer(x, y[:, None], x[..., :1]).extras["distance"][:, 0]
    torch.testing.assert_close(distance, torch.linalg.vector_norm(x - y, dim=-1)[:, 0], rtol=1e-12, atol=1e-12)


def test_a_gaussian_cloud_is_as_far_as_the_closed_form_says() -> None:
    """Along u Gaussians are ``(u.(m1-m2))^2 + (s1(u) - s2(u))^2`` apart; Bures in space is an upper bound."""
    rng = np.random.default_rng(0)
    mean, factor = rng.normal(size=(2, 3)), rng.normal(size=(2, 3, 3))
    clouds = [torch.tensor(rng.normal(size=(4000, 3)) @ factor[i].T + mean[i]) for i in range(2)]
    layer = Config(width=3, projections=60).build().double()
    found = layer(clouds[0][None], clouds[1][None, None], clouds[0][None, :1]).extras["distance"].item()
    u = layer.directions.numpy()
    spread = [np.sqrt(np.einsum("pi,ij,pj->p", u, f @ f.T, u)) for f in factor]
    expected = np.sqrt(3 * np.mean((u @ (mean[0] - mean[1])) ** 2 + (spread[0] - spread[1]) ** 2))
    assert found == pytest.approx(expected, rel=0.03)
    c1, c2 = (f @ f.T for f in factor)
    bures = np.trace(c1 + c2 - 2 * np.real(linalg.sqrtm(linalg.sqrtm(c1) @ c2 @ linalg.sqrtm(c1))))
    assert found <= 1.03 * np.sqrt(((mean[0] - mean[1]) ** 2).sum() + bures)


def test_the_error_falls_as_the_root_of_the_projections() -> None:
    """The slope of log error on log P is minus one half, over whole blocks and many seeds."""
    rng = torch.Generator().manual_seed(6)
    x = torch.randn(1, 20, 3, generator=rng, dtype=torch.float64)
    y = torch.rand(1, 1, 15, 3, generator=rng, dtype=torch.float64) ** 3
    value = torch.zeros(1, 1, 1, dtype=torch.float64)

    def distance(projections: int, seed: int) -> float:
        layer = Config(width=3, projections=projections, seed=seed).build().double()
        return float(layer(x, y, value).extras["distance"])

    truth = distance(300_000, 0)
    counts = [6, 24, 96, 384]
    errors = [np.sqrt(np.mean([(distance(count, s) - truth) ** 2 for s in range(1, 101)])) for count in counts]
    slope = np.polyfit(np.log(counts), np.log(errors), 1)[0]
    assert slope == pytest.approx(-0.5, abs=0.07)


def test_order_within_a_cloud_does_not_matter_and_order_of_candidates_carries_over() -> None:
    """Points with their weights may be shuffled; shuffled candidates shuffle distance, weights and best."""
    layer, inputs = _given()
    expected = layer(**inputs, need_weights=True)
    p, c = torch.tensor([3, 0, 5, 1, 2, 4]), torch.tensor([4, 2, 0, 1, 3])
    shuffled = inputs | {name: inputs[name][:, :, p] for name in ("key", "mask", "key_weights")}
    shuffled |= {name: inputs[name][:, [2, 0, 3, 1]] for name in ("query", "query_weights")}
    torch.testing.assert_close(layer(**shuffled).output, expected.output, rtol=1e-9, atol=1e-12)
    found = layer(**inputs | {n: inputs[n][:, c] for n in ("key", "value", "mask", "key_weights")}, need_weights=True)
    torch.testing.assert_close(found.output, expected.output, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(found.extras["distance"], expected.extras["distance"][:, c], rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(found.weights, expected.weights[..., c], rtol=1e-9, atol=1e-12)
    assert torch.equal(c[found.extras["best"]], expected.extras["best"])


def test_the_plan_moves_the_query_onto_its_best_match() -> None:
    """Its marginals are the shares, masked points get nothing, and POT finds nothing cheaper."""
    layer, inputs = _given()
    extras = layer(**inputs, need_weights=True).extras
    for row, c in enumerate(extras["best"].tolist()):
        assert c == extras["distance"][row].argmin()
        a = inputs["query_weights"][row]
        b = torch.where(inputs["mask"][row, c], inputs["key_weights"][row, c], 0.0)
        plan, (a, b) = extras["plan"][row], (w / w.sum() for w in (a, b))
        torch.testing.assert_close(plan.sum(1), a, rtol=0, atol=1e-12)
        torch.testing.assert_close(plan.sum(0), b, rtol=0, atol=1e-12)
        cost = torch.cdist(inputs["query"][row], inputs["key"][row, c]).square()
        expected = ot.emd2(a.numpy(), b.numpy(), cost.numpy())
        assert (plan * cost).sum().item() == pytest.approx(float(expected), rel=1e-9)


def test_a_cloud_finds_itself_among_others() -> None:
    """Distance 0, best, and a plan that moves nothing; gradients stay finite there."""
    layer, inputs = _given()
    query = inputs["query"].requires_grad_()
    key = torch.cat([inputs["key"][:, :2, :4], query.detach()[:, None].flip(2)], 1)
    answer = layer(query, key, inputs["value"][:, :3], need_weights=True)
    assert answer.extras["best"].tolist() == [2, 2, 2]
    assert answer.extras["distance"][:, 2].abs().max() < 1e-12
    torch.testing.assert_close(answer.extras["plan"], torch.eye(4, dtype=torch.float64).flip(1).expand(3, 4, 4) / 4)
    (gradient,) = torch.autograd.grad(answer.output.sum(), query)
    assert gradient.isfinite().all()


def test_nobody_there() -> None:
    """A candidate without points is infinitely far; without any, and for an empty query, the answer is zero."""
    layer, inputs = _given()
    inputs["mask"][0] = False
    inputs["query_weights"][1] = 0.0
    answer = layer(**inputs, need_weights=True)
    assert (answer.output[:2] == 0).all()
    assert (answer.weights[:2] == 0).all()
    assert answer.extras["best"].tolist()[:2] == [-1, -1]
    assert answer.extras["distance"][:2].isposinf().all()
    assert (answer.extras["plan"][:2] == 0).all()
    assert answer.extras["distance"][2, 3].isposinf()
    assert answer.weights[2].sum().item() == pytest.approx(1.0)


def test_weights_and_plan_are_given_on_request_only() -> None:
    """The plan costs a linear programme a row."""
    layer, inputs = _given()
    answer = layer(**inputs)
    assert answer.weights is None
    assert set(answer.extras) == {"distance", "best"}


def test_gradients_match_finite_differences() -> None:
    """Gradcheck in float64 for points, values and weights."""
    layer, inputs = _given()
    mask = inputs.pop("mask")[:1]
    names = list(inputs)
    given = tuple(inputs[name][:1].requires_grad_() for name in names)
    assert torch.autograd.gradcheck(lambda *g: layer(mask=mask, **dict(zip(names, g, strict=True))).output, given)


def test_points_can_be_trained_towards_a_cloud() -> None:
    """Descent on the distance moves a cloud onto another, most of the way at least: there are local minima."""
    rng = torch.Generator().manual_seed(8)
    target = torch.randn(1, 1, 6, 3, generator=rng) + 2.0
    points = torch.randn(1, 6, 3, generator=rng).requires_grad_()
    layer = Config(width=3, projections=30).build()
    optimiser = torch.optim.Adam([points], lr=0.1)
    before = layer.distance(points, target).item()
    for _ in range(200):
        (points.grad,) = torch.autograd.grad(layer.distance(points, target).square().sum(), points)
        optimiser.step()
    assert layer.distance(points, target).item() < 0.1 * before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"key": (3, 5, 3)}, r"key has shape \(3, 5, 3\), expected \[B, C, M, D\]"),
        ({"key": (3, 5, 6, 2)}, r"key has shape \(3, 5, 6, 2\), expected \(3, 5, 6, 3\)"),
        ({"query": (3, 4)}, r"query has shape \(3, 4\), expected \[B, N, D\]"),
        ({"value": (3, 4, 2)}, r"value \(3, 4, 2\) does not pair with key \(3, 5, 6, 3\)"),
        ({"query_weights": (3, 5)}, r"query_weights \(3, 5\) does not pair with points \(3, 4, 3\)"),
        ({"mask": (3, 5)}, r"mask \(3, 5\) does not pair with points \(3, 5, 6, 3\)"),
        ({"mask": (3, 5, 6)}, r"mask has dtype torch.float64"),
    ],
    ids=["rank", "width", "query", "value", "weights", "mask", "dtype"],
)
def test_shapes_are_checked(change: dict[str, tuple[int, ...]], message: str) -> None:
    """What disagrees is named with both shapes."""
    layer, inputs = _given()
    wrong = {name: torch.ones(shape, dtype=torch.float64) for name, shape in change.items()}
    with pytest.raises(ValueError, match=message):
        layer(**inputs | wrong)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"power": 0.5}, "power is 0.5, expected at least 1"), ({"temperature": 0.0}, "must be positive")],
    ids=["power", "temperature"],
)
def test_settings_are_checked(change: dict[str, float], message: str) -> None:
    """Below p = 1 the triangle inequality fails; a temperature of 0 divides by it."""
    with pytest.raises(ValueError, match=message):
        Config(**change).build()  # type: ignore[arg-type]
