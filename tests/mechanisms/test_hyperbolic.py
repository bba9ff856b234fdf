"""Hyperbolic attention against its definition, other libraries and its laws."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import geoopt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mechanisms import lorentz
from mechanisms.hyperbolic import HyperbolicAttention, attend, naive
from tests.mechanisms.contract import Contract, Inputs
from tests.mechanisms.memory import peak_bytes
from tests.mechanisms.trees import balanced, embed, flat, hyperbolic, irregular

CONFIG = HyperbolicAttention.Config(width=6, key_width=5, value_width=7, heads=2, radius=2.0)
ONE = torch.ones(1, 1, dtype=torch.float64)


def _rows(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


class TestContract(Contract):
    """Half the rows are beyond the radius and half within, so that both ways are compared."""

    config = CONFIG
    flips = {  # noqa: RUF012
        "width": 8, "key_width": 4, "value_width": 6, "heads": 3, "curvature": -0.5, "sharpness": 2.0, "radius": 1.0,
        "seed": 1,
    }  # fmt: skip

    def inputs(self, rng: torch.Generator, batch: int = 3) -> Inputs:
        query, key, value = (
            2 * torch.randn(batch, n, width, generator=rng, dtype=torch.float64)
            for n, width in ((2, 6), (5, 5), (5, 7))
        )
        mask = torch.rand(batch, 5, generator=rng) < 0.6
        mask[:, 0], mask[:, 1] = True, False
        return {"query": query, "key": key, "value": value, "mask": mask}

    def naive(self, layer: HyperbolicAttention, inputs: Inputs) -> Tensor:
        return naive(layer, **inputs)


def test_gradients_match_finite_differences() -> None:
    """Gradcheck in float64 to inputs and weights, with a mask."""
    layer, given = replace(CONFIG, radius=9.0).build().double(), TestContract().given(2)
    wrt = tuple(x.requires_grad_() for x in (given["query"], given["key"], given["value"])) + tuple(layer.parameters())
    assert torch.autograd.gradcheck(lambda q, k, v, *_: layer(q, k, v, given["mask"]).output, wrt)


def test_equals_geoopt_on_the_same_points() -> None:
    """Weights from the ball's distances, the answer from its midpoint; ``exp0(v / 2)`` there is ``exp0(v)`` here."""
    c = 0.7 * ONE
    ball = geoopt.PoincareBall(c=c[0, 0].clone())  # it writes on what it is given
    query, key, value = _rows(1, 4, 3), _rows(2, 6, 3), _rows(3, 6, 3)
    q, k, v = (ball.expmap0(x / 2) for x in (query, key, value))
    weights = torch.softmax(-1.5 * ball.dist(q[:, None], k), -1)
    middles = torch.stack([ball.weighted_midpoint(v, w, reducedim=[0]) for w in weights])
    output, found = attend(query, key, value, c, 1.5)
    torch.testing.assert_close(found, weights)
    torch.testing.assert_close(output, 2 * ball.logmap0(middles))


@given(st.integers(0, 2**31), st.floats(-2, 2))
def test_isometries_change_no_weight_and_move_the_answer(seed: int, speed: float) -> None:
    """A boost and a rotation of all points: the same weights, and the answer's point moved likewise."""
    query, key, value = _rows(seed, 4, 3), _rows(seed + 1, 6, 3), _rows(seed + 2, 6, 3)
    output, weights = attend(query, key, value, ONE, radius=30.0)
    there = [_moved(x, speed, seed) for x in (query, key, value)]
    moved_output, moved_weights = attend(there[0], there[1], there[2], ONE, radius=30.0)
    torch.testing.assert_close(moved_weights, weights, rtol=1e-7, atol=1e-10)
    torch.testing.assert_close(moved_output, _moved(output, speed, seed), rtol=1e-6, atol=1e-8)


def _moved(v: Tensor, speed: float, seed: int) -> Tensor:
    """Vectors at the origin after a rotation and a boost of space along the first axis."""
    x = lorentz.exp0(v, ONE) @ torch.linalg.qr(_rows(seed, 3, 3))[0]
    first = math.cosh(speed) * x[:, :1] + math.sinh(speed) * lorentz.time(x, ONE)
    return lorentz.log0(torch.cat([first, x[:, 1:]], dim=-1), ONE)


def test_becomes_euclidean_as_curvature_vanishes() -> None:
    """At c = 1e-8: softmax of negative Euclidean distances, and the mean."""
    query, key, value = _rows(1, 4, 3), _rows(2, 6, 3), _rows(3, 6, 3)
    output, weights = attend(query, key, value, 1e-8 * ONE, 2.0)
    expected = torch.softmax(-2 * torch.cdist(query, key), -1)
    torch.testing.assert_close(weights, expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(output, expected @ value, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("apart", "bound"), [(0.0, 0.08), (1.2, 3e-3), (4.0, 3e-4)])
def test_the_fast_logits_are_as_exact_in_float32_as_their_docstring_says(apart: float, bound: float) -> None:
    """At radius 5, for points about that far apart across the way from the origin."""
    out = torch.nn.functional.normalize(_rows(1, 200, 64), dim=-1)
    aside = torch.nn.functional.normalize(_rows(2, 200, 64), dim=-1)
    turn = apart / math.sinh(4.99)
    near = torch.nn.functional.normalize(out + turn * (aside - (aside * out).sum(-1, keepdim=True) * out), dim=-1)
    query, key = (4.99 * out).float(), (4.99 * near).float()
    truth = lorentz.tangent_distance(query.double(), key.double(), ONE[0])
    found = -_logits(query, key)
    assert (found.double() - truth).abs().max() <= bound


def _logits(query: Tensor, key: Tensor) -> Tensor:
    """Logits of pairs [N, d] and [N, d] read off the weights of two keys, the other at the query's antipode, [N]."""
    keys = torch.stack([key, -query / 100], dim=1)
    _, weights = attend(query[:, None], keys, keys, ONE[None].float())
    odds = (weights[:, 0, 0].double() / weights[:, 0, 1].double()).log()
    return (odds - lorentz.tangent_distance(query.double(), -query.double() / 100, ONE[0])).float()


def test_what_lies_beyond_the_radius_keeps_its_direction() -> None:
    """Vectors of length 8 and 9 at radius 2 are as one of length 2, and nothing overflows in float32."""
    key = torch.nn.functional.normalize(_rows(1, 6, 3), dim=-1)
    expected = attend(key, key, 2 * key, ONE, radius=2.0)[0]
    torch.testing.assert_close(attend(key, key, 9 * key, ONE, radius=2.0)[0], expected)
    long = 1e6 * key.float()
    far = attend(long, long, long, ONE.float())[0]
    assert far.isfinite().all()


def test_a_fully_masked_row_answers_zero_and_weights_come_on_request() -> None:
    """No key kept: exactly zero; nobody asked: no weights."""
    given = TestContract().given()
    given["mask"][1] = False
    layer = CONFIG.build().double()
    answer = layer(**given, need_weights=True)
    assert (answer.output[1] == 0).all()
    assert (answer.weights[1] == 0).all()
    assert answer.weights.shape == (3, 2, 2, 5)
    torch.testing.assert_close(answer.weights[0].sum(-1), torch.ones(2, 2, dtype=torch.float64))
    assert layer(**given).weights is None


def test_keys_and_values_in_another_order_give_the_same() -> None:
    """Invariant to permuting (key, value, mask)."""
    layer, given = CONFIG.build().double(), TestContract().given()
    order = torch.tensor([3, 0, 4, 1, 2])
    other = {name: x if name == "query" else x[:, order] for name, x in given.items()}
    torch.testing.assert_close(layer(**other).output, layer(**given).output)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"heads": 4}, "width 6 is not a multiple of 4 heads"),
        ({"curvature": 0.0}, "curvature 0.0 is not below zero"),
        ({"sharpness": 0.0}, "sharpness 0.0 is not above zero"),
        ({"radius": -1.0}, "radius -1.0 is not above zero"),
    ],
    ids=["heads", "curvature", "sharpness", "radius"],
)
def test_impossible_configurations_are_refused(change: dict[str, Any], message: str) -> None:
    """With the value in the message."""
    with pytest.raises(ValueError, match=message):
        replace(CONFIG, **change).build()


def test_learns_who_descends_from_whom() -> None:
    """Curvature, sharpness and maps have gradients that train: the loss on a tree's parents halves."""
    steps = balanced(3)
    rows, target = torch.eye(len(steps))[None], (-2 * steps).softmax(-1).float()
    layer = HyperbolicAttention.Config(width=16, key_width=15, value_width=15, heads=1).build()
    query = torch.nn.functional.pad(rows, (0, 1))
    optimiser = torch.optim.Adam(layer.parameters(), lr=0.02)
    losses = []
    for _ in range(150):
        weights = layer(query, rows, rows, need_weights=True).weights
        losses.append(-(target * weights[0, 0].clamp(min=1e-9).log()).sum(-1).mean())
        optimiser.zero_grad()
        losses[-1].backward()
        optimiser.step()
    floor = -(target * target.log()).sum(-1).mean()
    assert losses[-1] - floor < 0.5 * (losses[0] - floor)


def test_a_sequence_of_a_hundred_takes_less_than_a_megabyte() -> None:
    """At width 256, without gradients: what a step of the way needs is given back before the next."""
    layer = HyperbolicAttention.Config(width=256, key_width=256, value_width=256).build()
    x = torch.ones(1, 100, 256)
    with torch.inference_mode():
        assert peak_bytes(lambda: layer(x, x, x)) < 1e6


def test_a_small_tree_is_embedded_with_less_than_half_the_distortion() -> None:
    """31 nodes in three dimensions, flat and hyperbolic space trained equally."""
    steps = balanced(4)
    plane, curved = (embed(steps, 3, distance, rounds=400).distortion for distance in (flat, hyperbolic))
    assert curved < 0.5 * plane


@pytest.mark.slow
@pytest.mark.parametrize("dimensions", [2, 3, 5])
@pytest.mark.parametrize(
    "steps", [balanced(5), *(irregular(60, seed) for seed in (1, 2, 3))], ids=["balanced", "grown1", "grown2", "grown3"]
)
def test_trees_are_embedded_with_less_than_half_the_distortion(steps: Tensor, dimensions: int) -> None:
    """In 2 to 5 dimensions, flat and hyperbolic space of the same dimension trained equally."""
    plane, curved = (embed(steps, dimensions, distance, rounds=2000).distortion for distance in (flat, hyperbolic))
    assert curved < 0.5 * plane
