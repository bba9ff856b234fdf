"""The mixture of experts: dispatch, gates, capacity, losses, and a router that learns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import normalized_mutual_info_score
from torch import Tensor
from torch.nn import functional as F

from mechanisms.moe import MixtureOfExperts, naive
from mechanisms.routing import balance_loss, capacity, route, routed, z_loss
from tests.mechanisms.contract import Contract, Inputs

CONFIG = MixtureOfExperts.Config(
    width=6, key_width=5, value_width=4, experts=4, expert_width=3, top_k=2, capacity_factor=0.5
)
"""Scarce places, so that the shared expert is at work."""


def _inputs(rng: torch.Generator, batch: int = 3, queries: int = 9, keys: int = 7) -> Inputs:
    shapes = {"query": (batch, queries, 6), "key": (batch, keys, 5), "value": (batch, keys, 4)}
    drawn = {name: torch.randn(*shape, generator=rng, dtype=torch.float64) for name, shape in shapes.items()}
    mask = torch.rand(batch, keys, generator=rng) < 0.7
    mask[:, 0] = True
    return {**drawn, "mask": mask}


def _given(seed: int = 4, **sizes: int) -> Inputs:
    return _inputs(torch.Generator().manual_seed(seed), **sizes)


class TestMixtureOfExperts(Contract):
    """The laws of every mechanism."""

    config: ClassVar[MixtureOfExperts.Config] = CONFIG
    flips: ClassVar[Mapping[str, object]] = {
        "width": 8,
        "key_width": 6,
        "value_width": 6,
        "experts": 5,
        "expert_width": 4,
        "top_k": 1,
        "capacity_factor": 0.3,
        "seed": 1,
    }

    def inputs(self, rng: torch.Generator, batch: int = 3) -> Inputs:
        """Nine queries over seven keys."""
        return _inputs(rng, batch)

    def naive(self, layer: Any, inputs: Inputs) -> Tensor:
        """One query and expert at a time, every projection made."""
        return naive(layer, **inputs)[0]


@pytest.mark.parametrize("factor", [0.1, 0.5, 1.0, 4.0], ids=["one place", "scarce", "exact", "ample"])
@pytest.mark.parametrize("queries", [1, 2, 9])
def test_dispatch_equals_the_loop(factor: float, queries: int) -> None:
    """Whatever overflows, running experts on buffers equals running each on its own queries."""
    layer = replace(CONFIG, capacity_factor=factor).build().double()
    given = _given(queries=queries)
    output, gates = naive(layer, **given)
    answer = layer(**given)
    torch.testing.assert_close(answer.output, output, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(answer.extras["gates"], gates, rtol=1e-12, atol=1e-12)


def test_one_expert_is_sdpa_between_its_projections() -> None:
    """With a single expert, torch's attention on projected keys and values, forwards and backwards."""
    layer = replace(CONFIG, experts=1, top_k=1, capacity_factor=1.0).build().double()
    x = _given()
    parts = (layer.query_weight[0], layer.key_weight[0].T, layer.value_weight[0])
    q, k, v = (each @ w for each, w in zip((x["query"], x["key"], x["value"]), parts, strict=True))
    expected = F.scaled_dot_product_attention(q, k, v, attn_mask=x["mask"][:, None]) @ layer.output_weight[0]
    got = layer(**x).output
    torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)
    weights = (layer.query_weight, layer.key_weight, layer.value_weight, layer.output_weight)
    ours, theirs = (torch.autograd.grad(each.square().sum(), weights) for each in (got, expected))
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


def test_gradients_match_finite_differences() -> None:
    """Gradcheck in float64 where the choice of experts is stable."""
    layer = CONFIG.build().double()
    x = _given(batch=1, queries=3, keys=3)
    inputs = tuple(x[name].requires_grad_() for name in ("query", "key", "value"))
    assert torch.autograd.gradcheck(lambda q, k, v: layer(q, k, v, x["mask"]).output, inputs)


def test_gates_sum_to_one_on_top_k_experts() -> None:
    """Two experts answer each query and share it."""
    gates = CONFIG.build().double()(**_given()).extras["gates"]
    torch.testing.assert_close(gates.sum(-1), torch.ones(3, 9, dtype=torch.float64))
    assert ((gates > 0).sum(-1) == 2).all()


def test_weights_on_request_are_what_was_read_with() -> None:
    """They sum to 1, are 0 where masked, and asking for them changes nothing else."""
    layer, given = CONFIG.build().double(), _given()
    plain, full = layer(**given), layer(**given, need_weights=True)
    assert plain.weights is None
    assert {"served", "loads"}.isdisjoint(plain.extras)
    torch.testing.assert_close(plain.output, full.output, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(full.weights.sum(-1), torch.ones(3, 9, dtype=torch.float64))
    assert (full.weights.transpose(1, 2)[~given["mask"]] == 0).all()
    given["value"] = given["value"] + 0.7 * torch.eye(4).double()[0]
    same = layer(**given, need_weights=True)
    assert torch.equal(same.weights, full.weights)


def test_a_fully_masked_row_answers_zero() -> None:
    """No key kept: zero output, zero weights."""
    given = _given()
    given["mask"][1] = False
    answer = CONFIG.build().double()(**given, need_weights=True)
    assert (answer.output[1] == 0).all()
    assert (answer.weights[1] == 0).all()


def test_no_expert_exceeds_its_capacity_and_the_rest_is_shared() -> None:
    """At factor 0.5, 9 queries, top 2 of 4: ceil(0.5 * 9 * 2 / 4) = 3 per expert and row, strongest first."""
    extras = CONFIG.build().double()(**_given(), need_weights=True).extras
    gates, served, loads = (extras[name] for name in ("gates", "served", "loads"))
    assert capacity(0.5, 9, 2, 4) == 3 == loads.max()
    assert ((served == gates) | (served == 0)).all()
    assert (served != gates).any()
    weakest = torch.where(served > 0, served, 2.0).amin(1)
    spilled = torch.where(served == 0, gates, 0.0).amax(1)
    assert (spilled <= weakest).all()
    assert torch.equal(loads, (gates > 0).sum(1).clamp(max=3))


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 10_000))
def test_dispatch_loses_nothing_and_adds_nothing(queries: int, places: int, seed: int) -> None:
    """When all experts and the shared one answer with the query itself, the gates' sum times the query comes back."""
    rng = torch.Generator().manual_seed(seed)
    query = torch.randn(2, queries, 3, generator=rng, dtype=torch.float64)
    _, gates = route(torch.randn(2, queries, 5, generator=rng, dtype=torch.float64), None, 2)
    output, served = routed(query, gates, min(places, queries), lambda x: x, lambda x: x)
    torch.testing.assert_close(output, query, rtol=1e-12, atol=1e-12)
    assert (served > 0).sum(1).max() <= places


def test_order_of_queries_carries_over_and_order_of_keys_does_not_matter() -> None:
    """Capacity goes by the strength of a gate, not by the place in line."""
    layer, given = CONFIG.build().double(), _given()
    expected = layer(**given).output
    rng = torch.Generator().manual_seed(0)
    p, r = torch.randperm(9, generator=rng), torch.randperm(7, generator=rng)
    moved = {name: x[:, p] if name == "query" else x[:, r] for name, x in given.items()}
    torch.testing.assert_close(layer(**moved).output, expected[:, p], rtol=1e-10, atol=1e-12)


def test_balance_loss_is_one_at_uniform_and_grows_with_collapse() -> None:
    """Switch's loss: 1 for a uniform router, E for one that always picks the same expert."""
    flat = torch.full((1, 8, 4), 0.25)
    each_once = torch.eye(4)[torch.arange(8) % 4][None]
    assert balance_loss(flat, each_once).item() == pytest.approx(1.0)
    sharp, gates = route(torch.tensor([50.0, 0, 0, 0]).expand(1, 8, 4), None, 1)
    assert balance_loss(sharp, gates).item() == pytest.approx(4.0)
    some, gates = route(torch.tensor([1.0, 0, 0, 0]).expand(1, 8, 4), None, 1)
    assert 1.0 < balance_loss(some, gates).item() < 4.0


def test_z_loss_is_the_mean_squared_logsumexp() -> None:
    """Zero logits over 4 experts give log(4)^2."""
    torch.testing.assert_close(z_loss(torch.zeros(1, 2, 4)), torch.tensor(4.0).log() ** 2)


def test_losses_are_there_to_train_with_and_reach_the_router() -> None:
    """In training mode alone, each with a gradient that is not 0."""
    layer = CONFIG.build().double()
    extras = layer(**_given()).extras
    for loss in ("balance_loss", "z_loss"):
        assert torch.autograd.grad(extras[loss], layer.router, retain_graph=True)[0].abs().sum() > 0
    assert layer.eval()(**_given()).extras.keys() == {"gates"}


def test_only_allowed_experts_are_routed_to() -> None:
    """A caller's mask over experts; none allowed gives zero gates, not NaN."""
    logits = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    allowed = torch.tensor([[True, False, True, True], [False, True, False, False], [False] * 4])
    probabilities, gates = route(logits, allowed, 2)
    assert (gates[~allowed] == 0).all()
    assert gates[1, 1] == 1
    assert (gates[2] == 0).all()
    torch.testing.assert_close(probabilities[0, allowed[0]], torch.softmax(logits[0, allowed[0]], -1))


def _recovered(top_k: int, seed: int) -> float:
    """NMI of kind and favourite expert; all weights trained on the error of the output and the two losses."""
    rng = torch.Generator().manual_seed(seed)
    kinds = torch.randint(4, (512,), generator=rng)
    signs = 2 * torch.linalg.qr(torch.randn(8, 8, generator=rng))[0][:4]
    query = (signs[kinds] + 0.3 * torch.randn(512, 8, generator=rng))[:, None]
    key, value = torch.zeros(512, 1, 4), torch.randn(512, 1, 4, generator=rng)
    maps = torch.randn(4, 4, 8, generator=rng) / 2
    target = torch.einsum("nv,nvd->nd", value[:, 0], maps[kinds])
    sizes = {"width": 8, "key_width": 4, "value_width": 4, "expert_width": 4}
    layer = MixtureOfExperts.Config(**sizes, top_k=top_k, seed=seed).build()
    optimiser = torch.optim.Adam(layer.parameters(), lr=0.02)
    for _ in range(400):
        optimiser.zero_grad()
        answer = layer(query, key, value)
        error = (answer.output[:, 0] - target).square().mean()
        (error + 0.01 * answer.extras["balance_loss"] + 1e-3 * answer.extras["z_loss"]).backward()
        optimiser.step()
    return float(normalized_mutual_info_score(kinds, answer.extras["gates"][:, 0].argmax(-1)))


@pytest.mark.parametrize("top_k", [1, 2])
def test_a_router_recovers_a_planted_assignment(top_k: int) -> None:
    """Four kinds of query that want four maps of the value find four experts, all trained from nothing: NMI >= 0.95."""
    assert _recovered(top_k, 0) >= 0.95


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 6))
def test_a_planted_assignment_is_recovered_from_any_start(seed: int) -> None:
    """Not by luck of one seed."""
    assert _recovered(2, seed) >= 0.95


def test_wrong_sizes_are_refused() -> None:
    """Another width names both shapes; top_k must be possible."""
    given = _given()
    with pytest.raises(ValueError, match=r"key has shape \(3, 7, 4\), expected \(3, 7, 5\)"):
        CONFIG.build().double()(given["query"], given["key"][..., :4], given["value"])
    with pytest.raises(ValueError, match=r"top_k 5 is not in 1\.\.4 experts"):
        replace(CONFIG, top_k=5).build()
