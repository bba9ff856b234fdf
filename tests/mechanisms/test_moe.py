"""The mixture of experts: dispatch, gates, capacity, losses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from mechanisms.moe import MixtureOfExperts, naive
from mechanisms.routing import balance_loss, route, within_capacity, z_loss

CONFIG = MixtureOfExperts.Config(width=6, key_width=5, value_width=4, experts=4, hidden=7, router_width=3)


def _inputs(batch: int = 3, queries: int = 9) -> tuple[Tensor, Tensor, Tensor]:
    rng = torch.Generator().manual_seed(4)
    shapes = ((batch, queries, 6), (batch, 4, 5), (batch, 4, 4))
    query, key, value = (torch.randn(*s, generator=rng, dtype=torch.float64) for s in shapes)
    return query, key, value


@pytest.mark.parametrize("factor", [0.5, 1.0, 4.0], ids=["scarce", "exact", "ample"])
def test_dispatch_equals_the_dense_loop(factor: float) -> None:
    """Running each expert on its own queries equals running all on all."""
    layer = replace(CONFIG, capacity_factor=factor).build().double()
    query, key, value = _inputs()
    answer = layer(query, key, value)
    expected = naive(layer, query, value, answer.extras["gates"], answer.extras["kept"])
    torch.testing.assert_close(answer.output, expected, rtol=1e-12, atol=1e-12)


def test_gates_sum_to_one_on_top_k_experts() -> None:
    """Two experts answer each query and share it."""
    gates = CONFIG.build().double()(*_inputs()).extras["gates"]
    torch.testing.assert_close(gates.sum(-1), torch.ones(3, 9, dtype=torch.float64))
    assert ((gates > 0).sum(-1) == 2).all()


def test_only_allowed_experts_are_used_and_none_allowed_answers_zero() -> None:
    """The mask removes experts from softmax, gates and capacity."""
    layer = CONFIG.build().double()
    query, key, value = _inputs()
    mask = torch.tensor([[True, False, True, True], [False, True, False, False], [False] * 4])
    answer = layer(query, key, value, mask)
    gates = answer.extras["gates"]
    assert (gates.masked_select(~mask[:, None].expand_as(gates)) == 0).all()
    assert (gates[1, :, 1] == 1).all()
    assert (answer.output[2] == 0).all()
    assert all(x.isfinite().all() for x in (answer.output, answer.weights, *answer.extras.values()))
    kept = mask[0]
    removed, _ = route(layer.logits(query, key)[:1][..., kept], torch.ones(3, dtype=torch.bool), 2)
    torch.testing.assert_close(answer.weights[0][:, kept], removed[0])


def test_no_expert_exceeds_its_capacity_and_the_rest_is_shared() -> None:
    """At factor 0.5, 9 queries, top 2 of 4: ceil(0.5 * 9 * 2 / 4) = 3 per expert and row."""
    answer = replace(CONFIG, capacity_factor=0.5).build().double()(*_inputs())
    gates, kept = answer.extras["gates"], answer.extras["kept"]
    assert kept.sum(1).max() == 3
    assert ((gates > 0) & ~kept).any()
    assert not (kept & (gates == 0)).any()


def test_capacity_prefers_the_strongest_gates() -> None:
    """Who is served depends on the gate, not on the place in line."""
    gates = torch.tensor([0.2, 0.9, 0.0, 0.5]).view(1, 4, 1)
    assert within_capacity(gates, torch.tensor(2)).flatten().tolist() == [False, True, False, True]


def test_balance_loss_is_one_at_uniform_and_grows_with_collapse() -> None:
    """Switch's loss: 1 for a uniform router, E for one that always picks the same expert."""
    allowed = torch.ones(1, 8, 4, dtype=torch.bool)
    flat, flat_gates = route(torch.zeros(1, 8, 4), allowed, 1)
    assert balance_loss(flat, flat_gates, allowed).item() == pytest.approx(1.0)
    sharp, sharp_gates = route(torch.tensor([50.0, 0, 0, 0]).expand(1, 8, 4), allowed, 1)
    assert balance_loss(sharp, sharp_gates, allowed).item() == pytest.approx(4.0)


def test_balance_loss_is_one_at_uniform_over_what_is_allowed() -> None:
    """A forbidden expert is no imbalance."""
    allowed = torch.tensor([True, True, False, False]).expand(1, 8, 4)
    probabilities, gates = route(torch.zeros(1, 8, 4), allowed, 2)
    assert balance_loss(probabilities, gates, allowed).item() == pytest.approx(1.0)


def test_z_loss_is_the_mean_squared_logsumexp() -> None:
    """Zero logits over 4 experts give log(4)^2, over 2 allowed log(2)^2."""
    allowed = torch.tensor([[[True] * 4, [True, True, False, False]]])
    expected = (torch.tensor(4.0).log() ** 2 + torch.tensor(2.0).log() ** 2) / 2
    torch.testing.assert_close(z_loss(torch.zeros(1, 2, 4), allowed), expected)


def test_gradient_reaches_the_router_and_the_experts() -> None:
    """Output and losses train every part."""
    layer = replace(CONFIG, capacity_factor=0.5).build().double()
    answer = layer(*_inputs())
    answer.output.square().sum().backward(retain_graph=True)
    for name, weight in layer.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.abs().sum() > 0, name
    for loss in ("balance_loss", "z_loss"):
        grad = torch.autograd.grad(answer.extras[loss], layer.router_direct, retain_graph=True)[0]
        assert grad.abs().sum() > 0, loss


def test_gradients_match_finite_differences() -> None:
    """Gradcheck in float64 where the choice of experts is stable."""
    layer = CONFIG.build().double()
    inputs = tuple(x.requires_grad_() for x in _inputs(batch=1, queries=3))
    assert torch.autograd.gradcheck(lambda q, k, v: layer(q, k, v).output, inputs)


def test_a_batch_equals_its_rows_and_order_of_queries_carries_over() -> None:
    """Capacity is per row, so a neighbour in the batch takes nothing away."""
    layer = replace(CONFIG, capacity_factor=0.5).build().double()
    query, key, value = _inputs()
    expected = layer(query, key, value).output
    torch.testing.assert_close(layer(query[1:2], key[1:2], value[1:2]).output, expected[1:2])
    p = torch.randperm(9, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(layer(query[:, p], key, value).output, expected[:, p])


def test_a_router_learns_a_planted_assignment() -> None:
    """From the error of the output alone, queries of a kind find the expert that fits them."""
    rng = torch.Generator().manual_seed(0)
    kinds = torch.arange(64) % 4
    query = torch.cat([2 * torch.eye(4)[kinds], 0.3 * torch.randn(64, 2, generator=rng)], 1)
    layer = replace(CONFIG, top_k=4, capacity_factor=4.0).build()
    planted = torch.tensor([2, 0, 3, 1])[kinds]
    key, value = torch.zeros(1, 4, 5), torch.zeros(1, 4, 4)
    each = torch.stack([layer.expert(e, query, value[0, e].expand(64, -1)) for e in range(4)])
    target = each[planted, torch.arange(64)].detach()
    optimiser = torch.optim.Adam([layer.router_direct], lr=0.1)
    for _ in range(100):
        optimiser.zero_grad()
        (layer(query[None], key, value).output[0] - target).square().mean().backward()
        optimiser.step()
    chosen = layer(query[None], key, value).weights[0].argmax(-1)
    assert planted.tolist() == chosen.tolist()


@pytest.mark.parametrize(
    "change",
    [
        {"width": 8},
        {"key_width": 6},
        {"value_width": 6},
        {"experts": 5},
        {"hidden": 9},
        {"router_width": 4},
        {"top_k": 1},
        {"capacity_factor": 0.3},
        {"seed": 1},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_option_matters(change: dict[str, Any]) -> None:
    """Changing a field changes the answer."""
    assert _fingerprint(CONFIG) != _fingerprint(replace(CONFIG, **change))


def _fingerprint(config: MixtureOfExperts.Config) -> tuple[float, ...]:
    rng = torch.Generator().manual_seed(2)
    shapes = (
        (1, 9, config.width),
        (1, config.experts, config.key_width),
        (1, config.experts, config.value_width),
    )
    return tuple(config.build()(*(torch.randn(*s, generator=rng) for s in shapes)).output.flatten().tolist())


def test_a_saved_state_restores_the_layer() -> None:
    """A state_dict carries a layer into one of another seed."""
    inputs = tuple(x.float() for x in _inputs())
    first, other = CONFIG.build(), replace(CONFIG, seed=3).build()
    other.load_state_dict(first.state_dict())
    assert torch.equal(first(*inputs).output, other(*inputs).output)


def test_wrong_sizes_are_refused() -> None:
    """Another number of experts names both shapes; top_k must be possible."""
    query, key, value = _inputs()
    with pytest.raises(ValueError, match=r"key has shape \(3, 3, 5\), expected \(3, 4, 5\)"):
        CONFIG.build().double()(query, key[:, :3], value[:, :3])
    with pytest.raises(ValueError, match=r"top_k 5 is not in 1\.\.4 experts"):
        replace(CONFIG, top_k=5).build()
