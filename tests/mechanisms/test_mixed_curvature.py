"""Attention on a product of curved spaces against its definition, geoopt and its laws."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import geoopt
import networkx as nx
import pytest
import torch
from torch import Tensor

from mechanisms import stereographic
from mechanisms.mixed_curvature import MixedCurvatureAttention, naive
from tests.mechanisms.contract import Contract, Inputs
from tests.mechanisms.trees import balanced, steps

CONFIG = MixedCurvatureAttention.Config(widths=(4, 6, 2), heads=2, radius=2.0)
GRID = torch.cartesian_prod(torch.arange(5.0), torch.arange(5.0)).double()


def _rows(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


class TestContract(Contract):
    """Half the rows are beyond the radius and half within, so that both ways are compared."""

    config = CONFIG
    flips = {  # noqa: RUF012
        "widths": (4, 4, 4), "curvatures": (0.1, -1.0, 1.0), "heads": 1, "scale": 0.5, "radius": 0.5, "seed": 1,
    }  # fmt: skip

    def inputs(self, rng: torch.Generator, batch: int = 3) -> Inputs:
        query, key, value = (1.5 * torch.randn(batch, n, 12, generator=rng, dtype=torch.float64) for n in (2, 5, 5))
        mask = torch.rand(batch, 5, generator=rng) < 0.6
        mask[:, 0], mask[:, 1] = True, False
        return {"query": query, "key": key, "value": value, "mask": mask}

    def naive(self, layer: MixedCurvatureAttention, inputs: Inputs) -> Tensor:
        return naive(layer, **inputs)

    def test_compiles_without_a_break(self) -> None:
        """One factor: three are its graph three times, and take three times as long."""
        layer = replace(CONFIG, widths=(4,), curvatures=(-1.0,)).build().double()
        inputs = {name: x if name == "mask" else x[..., :4] for name, x in self.given().items()}
        torch.compiler.reset()
        compiled: Any = torch.compile(layer, backend="aot_eager", fullgraph=True)
        torch.testing.assert_close(compiled(**inputs).output, layer(**inputs).output, rtol=1e-9, atol=1e-10)


def test_gradients_match_finite_differences() -> None:
    """Gradcheck in float64 to inputs and weights, the flat factor's curvature at exactly zero."""
    layer, given = replace(CONFIG, widths=(2, 2, 2), heads=1).build().double(), TestContract().given(1)
    wrt = tuple(0.3 * given[name][..., :6].detach() for name in ("query", "key", "value")) + tuple(layer.parameters())
    wrt = tuple(x.requires_grad_() for x in wrt)
    assert torch.autograd.gradcheck(lambda q, k, v, *_: layer(q, k, v, given["mask"]).output, wrt)


def test_the_distance_is_geoopts_on_the_product() -> None:
    """Scales of 1: the squares of the factors' distances sum to geoopt's squared distance on the product manifold."""
    layer = replace(CONFIG, heads=1, radius=30.0).build().double()
    query, key = 0.5 * _rows(1, 1, 4, 12), 0.5 * _rows(2, 1, 4, 12)
    found = layer(query, key, key, need_weights=True).extras["distances"][0, :, 0].diagonal(dim1=-2, dim2=-1)
    spaces = [geoopt.Stereographic(k=torch.tensor(k, dtype=torch.float64)) for k in (0.0, -1.0, 1.0)]
    product = geoopt.ProductManifold(*((space, width) for space, width in zip(spaces, (4, 6, 2), strict=True)))
    points = []
    for x, name in ((query, "query_weight"), (key, "key_weight")):
        parts = zip(layer.factors, spaces, torch.split(x[0], [4, 6, 2], dim=-1), strict=True)
        points.append(torch.cat([s.expmap0(part @ getattr(f, name).T / 2) for f, s, part in parts], dim=-1))
    torch.testing.assert_close(found.square().sum(0), product.dist(*points).square(), rtol=1e-7, atol=1e-9)


def test_a_flat_product_is_gaussian_attention_with_linear_maps() -> None:
    """All curvatures zero: ``softmax(-|q - k|^2) v``, mapped."""
    layer = replace(CONFIG, widths=(4,), curvatures=(0.0,), heads=1).build().double()
    query, key = _rows(3, 1, 2, 4), _rows(4, 1, 5, 4)
    (f,) = layer.factors
    weights = torch.softmax(-torch.cdist(query @ f.query_weight.T, key @ f.key_weight.T).square(), -1)
    torch.testing.assert_close(layer(query, key, key).output, weights @ (key @ f.value_weight.T) @ f.output_weight.T)


def test_answers_pass_smoothly_through_zero_curvature() -> None:
    """Curvatures of -1e-6 and 1e-6 lie on both sides of 0, equally near."""
    given = TestContract().given()
    outputs = [replace(CONFIG, curvatures=(k,) * 3).build().double()(**given).output for k in (-1e-6, 0.0, 1e-6)]
    torch.testing.assert_close((outputs[0] + outputs[2]) / 2, outputs[1], rtol=0, atol=1e-10)
    assert (outputs[2] - outputs[0]).abs().max() > 1e-8


def test_a_fully_masked_row_answers_zero_and_extras_come_on_request() -> None:
    """No key kept: exactly zero; nobody asked: no weights and no distances."""
    given, layer = TestContract().given(), CONFIG.build().double()
    given["mask"][1] = False
    answer = layer(**given, need_weights=True)
    assert (answer.output[1] == 0).all()
    assert (answer.weights[1] == 0).all()
    assert answer.extras["distances"].shape == (3, 3, 2, 2, 5)
    bare = layer(**given)
    assert bare.weights is None
    assert bare.extras == {}


@pytest.mark.parametrize(
    ("distances", "sign"),
    [(balanced(4), -1), (torch.cdist(GRID, GRID), 0), (steps(nx.cycle_graph(20)), 1)],
    ids=["tree", "grid", "cycle"],
)
def test_the_sign_of_planted_curvature_is_recovered(distances: Tensor, sign: int) -> None:
    """A plane that starts flat and is trained on distances bends as its graph does, and a flat grid leaves it flat."""
    found = _curvature(distances)
    assert sign * found > 0.3 if sign else abs(found) < 0.02


def _curvature(distances: Tensor) -> float:
    """Learnt curvature in units of the mean distance, from vectors in two dimensions."""
    wanted = distances / distances.mean()
    vectors, k = (0.3 * _rows(5, len(wanted), 2)).requires_grad_(), torch.zeros(1, 1, dtype=torch.float64)
    optimiser = torch.optim.Adam([vectors, k.requires_grad_()], lr=0.04)
    off = ~torch.eye(len(wanted), dtype=torch.bool)
    for _ in range(300):
        points = stereographic.exp0(vectors, k)
        found = stereographic.square_distances(points, points, k)[off].clamp(min=1e-9).sqrt()
        optimiser.zero_grad()
        torch.autograd.backward((found / wanted[off] - 1).square().mean())
        optimiser.step()
    return k.item()


def test_a_flat_layer_learns_the_curvatures_of_a_bent_one() -> None:
    """With the same maps, from the weights of a teacher alone: signs, and values to a tenth."""
    planted = (0.0, -1.0, 1.0)
    teacher = replace(CONFIG, heads=1, curvatures=planted).build().double()
    student = replace(CONFIG, heads=1, curvatures=(0.0, 0.0, 0.0)).build().double()
    rows = 0.8 * _rows(6, 1, 40, 12)
    target = teacher(rows, rows, rows, need_weights=True).weights.detach()
    curvatures = [factor.curvature for factor in student.factors]
    optimiser = torch.optim.Adam(curvatures, lr=0.05)
    for _ in range(120):
        weights = student(rows, rows, rows, need_weights=True).weights
        loss = -(target * weights.log()).sum(-1).mean()
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
    assert [k.item() for k in curvatures] == pytest.approx(planted, abs=0.1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"heads": 4}, "width 6 is not a multiple of 4 heads"),
        ({"widths": (4, 6)}, "2 widths do not pair with 3 curvatures"),
        ({"radius": 0.0}, "radius 0.0 is not above zero"),
    ],
    ids=["heads", "widths", "radius"],
)
def test_impossible_configurations_are_refused(change: dict[str, Any], message: str) -> None:
    """With the value in the message."""
    with pytest.raises(ValueError, match=message):
        replace(CONFIG, **change).build()
