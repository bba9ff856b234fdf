"""Cross attention: the contract, torch's own layer, the gate, and what a trained bridge is good for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from mechanisms.contrastive import info_nce
from mechanisms.cross import CrossAttention, naive
from tests.mechanisms.contract import Contract, Inputs

CONFIG = CrossAttention.Config(query_width=6, key_width=7, value_width=5, heads=2, gate=0.5)


def _inputs(rng: torch.Generator, batch: int = 3, queries: int = 9, keys: int = 11) -> Inputs:
    shapes = ((queries, 6), (keys, 7), (keys, 5))
    query, key, value = (torch.randn(batch, *shape, generator=rng, dtype=torch.float64) for shape in shapes)
    mask = torch.rand(batch, keys, generator=rng) < 0.6
    mask[:, 0], mask[:, 1] = True, False
    return {"query": query, "key": key, "value": value, "mask": mask}


class _Laws(Contract):
    config = CONFIG
    flips: ClassVar[dict[str, object]] = {
        "query_width": 8,
        "key_width": 8,
        "value_width": 8,
        "heads": 3,
        "gate": 0.0,
        "seed": 1,
    }

    def naive(self, layer: Any, inputs: Inputs) -> Tensor:
        return naive(layer, **inputs)


class TestManyQueries(_Laws):
    """The fused kernel on projected keys."""

    def inputs(self, rng: torch.Generator, batch: int = 3) -> Inputs:
        return _inputs(rng, batch)


class TestOneQuery(_Laws):
    """The fused kernel on raw keys."""

    def inputs(self, rng: torch.Generator, batch: int = 3) -> Inputs:
        return _inputs(rng, batch, queries=1)


@pytest.mark.parametrize("queries", [1, 9], ids=["one", "many"])
def test_equals_torch_multihead_attention_of_other_widths(queries: int) -> None:
    """Bridge and weights by ``nn.MultiheadAttention(kdim, vdim)`` with copied weights."""
    layer, given = CONFIG.build().double(), _inputs(torch.Generator().manual_seed(1), queries=queries)
    oracle = torch.nn.MultiheadAttention(6, 2, bias=False, kdim=7, vdim=5, batch_first=True, dtype=torch.float64)
    ours = (layer.query_weight, layer.key_weight, layer.value_weight, layer.output_weight)
    theirs = (oracle.q_proj_weight, oracle.k_proj_weight, oracle.v_proj_weight, oracle.out_proj.weight)
    with torch.no_grad():
        for source, target in zip(ours, theirs, strict=True):
            target.copy_(source)
    bridge, weights = oracle(given["query"], given["key"], given["value"], ~given["mask"], average_attn_weights=False)
    told = layer(**given, need_weights=True)
    torch.testing.assert_close(told.extras["bridge"], bridge, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(told.weights, weights, rtol=1e-12, atol=1e-12)
    for output in (told.output, layer(**given).output):
        expected = given["query"] + torch.tanh(layer.gate) * bridge
        torch.testing.assert_close(output, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("queries", [1, 9], ids=["one", "many"])
def test_an_untrained_bridge_changes_nothing_and_learns_to_open(queries: int) -> None:
    """By default the answer is the query to the bit; the gate has a gradient, so training can begin."""
    layer = replace(CONFIG, gate=CrossAttention.Config().gate).build().double()
    given = _inputs(torch.Generator().manual_seed(1), queries=queries)
    output = layer(**given).output
    assert torch.equal(output, given["query"])
    (gradient,) = torch.autograd.grad(output.square().sum(), layer.gate)
    assert gradient.abs() > 0


def test_a_row_without_keys_answers_its_query() -> None:
    """An open gate has nothing to let through."""
    given = _inputs(torch.Generator().manual_seed(1))
    given["mask"][1] = False
    output = CONFIG.build().double()(**given).output
    assert torch.equal(output[1], given["query"][1])
    assert not torch.equal(output[0], given["query"][0])


def test_gradients_match_finite_differences() -> None:
    """Gradcheck in float64, with a mask."""
    layer = CONFIG.build().double()
    given = _inputs(torch.Generator().manual_seed(1), batch=2, queries=2, keys=4)
    inputs = tuple(given[name].requires_grad_() for name in ("query", "key", "value"))
    assert torch.autograd.gradcheck(lambda *qkv: layer(*qkv, given["mask"]).output, inputs)


def test_a_trained_bridge_finds_its_partner_on_another_platform() -> None:
    """One side knows half of what an item is, the other's rows the rest; held-out retrieval needs both."""
    rng = torch.Generator().manual_seed(2)
    known, told, sought = (torch.randn(*shape, generator=rng) / 4 for shape in ((8, 16), (8, 24), (16, 16)))

    def draw(items: int) -> tuple[Tensor, Tensor, Tensor]:
        item = torch.randn(items, 16, generator=rng)
        query = (item[:, :8] @ known)[:, None]
        rows = (item[:, 8:] @ told)[:, None] + 0.1 * torch.randn(items, 3, 24, generator=rng)
        return query, rows, item @ sought

    plain = torch.nn.Linear(16, 16, bias=False)
    torch.nn.init.eye_(plain.weight)
    bridge = CrossAttention.Config(query_width=16, key_width=24, value_width=24, heads=2).build()
    alone, bridged = torch.nn.Sequential(plain), torch.nn.Linear(16, 16, bias=False)
    bridged.load_state_dict(plain.state_dict())
    optimiser = torch.optim.Adam([*alone.parameters(), *bridged.parameters(), *bridge.parameters()], lr=0.01)
    for _ in range(200):
        query, rows, target = draw(64)
        loss = info_nce(alone(query[:, 0]), target) + info_nce(bridged(bridge(query, rows, rows).output[:, 0]), target)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    query, rows, target = draw(400)
    assert _found(alone(query[:, 0]), target) < 0.6
    assert _found(bridged(bridge(query, rows, rows).output[:, 0]), target) > 0.9


def _found(answer: Tensor, target: Tensor) -> float:
    """Share of rows whose nearest target by cosine is their own."""
    likeness = torch.cosine_similarity(answer[:, None], target[None], dim=-1)
    return (likeness.argmax(1) == torch.arange(len(target))).double().mean().item()


def test_widths_and_heads_are_checked() -> None:
    """Wrong widths name both shapes; heads must divide the query's width."""
    given = _inputs(torch.Generator().manual_seed(1))
    with pytest.raises(ValueError, match=r"value has shape \(3, 11, 4\), expected \(3, 11, 5\)"):
        CONFIG.build().double()(given["query"], given["key"], given["value"][..., :4])
    with pytest.raises(ValueError, match="width 6 is not a multiple of 4 heads"):
        replace(CONFIG, heads=4).build()
