"""Multi-head attention against torch's own, its definition and its laws."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from mechanisms.dot_product import few
from mechanisms.multi_head import MultiHeadAttention, naive
from tests.mechanisms.contract import Contract, Inputs

CONFIG = MultiHeadAttention.Config(width=6, key_width=7, value_width=5, heads=2)
MANY, ONE = 9, 1
"""Numbers of queries for which all keys are projected, and for which the mixture is."""


def _inputs(rng: torch.Generator, batch: int = 3, queries: int = MANY, keys: int = 11) -> Inputs:
    query, key, value = (
        torch.randn(batch, n, width, generator=rng, dtype=torch.float64)
        for n, width in ((queries, 6), (keys, 7), (keys, 5))
    )
    mask = torch.rand(batch, keys, generator=rng) < 0.6
    mask[:, 0], mask[:, 1] = True, False
    return {"query": query, "key": key, "value": value, "mask": mask}


def _given(queries: int = MANY, batch: int = 3, keys: int = 11) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    made = _inputs(torch.Generator().manual_seed(1), batch, queries, keys)
    return made["query"], made["key"], made["value"], made["mask"]


class _Laws(Contract):
    flips: ClassVar[dict[str, object]] = {
        "width": 8,
        "key_width": 8,
        "value_width": 8,
        "heads": 3,
        "element_queries": 2,
        "qk_norm": False,
        "logit_scale": 3.0,
        "seed": 1,
    }

    def naive(self, layer: Any, inputs: Inputs) -> Tensor:
        return naive(layer, **inputs)


class TestManyQueries(_Laws):
    """The fused kernel on projected keys and values."""

    config = CONFIG

    def inputs(self, rng: torch.Generator, batch: int = 3) -> Inputs:
        return _inputs(rng, batch)


class TestOneQuery(_Laws):
    """The form that mixes values before it projects them."""

    config = CONFIG

    def inputs(self, rng: torch.Generator, batch: int = 3) -> Inputs:
        return _inputs(rng, batch, queries=ONE)


def test_the_two_sizes_take_the_two_paths() -> None:
    """One query is few, nine are many, so the laws above hold for both forms."""
    assert few(ONE, 11, 6, 2)
    assert not few(MANY, 11, 6, 2)


@pytest.mark.parametrize("queries", [MANY, ONE], ids=["many", "one"])
@pytest.mark.parametrize("qk_norm", [True, False], ids=["normed", "plain"])
@pytest.mark.parametrize("masked", [True, False], ids=["masked", "full"])
def test_equals_its_definition_with_and_without_weights(*, queries: int, qk_norm: bool, masked: bool) -> None:
    """Asking for weights changes how it is computed, not what."""
    layer = replace(CONFIG, qk_norm=qk_norm).build().double()
    query, key, value, mask = _given(queries)
    given = mask if masked else None
    expected = naive(layer, query, key, value, given)
    for need_weights in (False, True):
        found = layer(query, key, value, given, need_weights=need_weights).output
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("queries", [MANY, ONE], ids=["many", "one"])
def test_equals_torch_multihead_attention_with_copied_weights(queries: int) -> None:
    """Outputs and weights agree with ``nn.MultiheadAttention`` of other key and value widths."""
    layer = replace(CONFIG, qk_norm=False).build().double()
    query, key, value, mask = _given(queries)
    oracle = torch.nn.MultiheadAttention(6, 2, bias=False, kdim=7, vdim=5, batch_first=True, dtype=torch.float64)
    ours = (layer.query_weight, layer.key_weight, layer.value_weight, layer.output_weight)
    theirs = (oracle.q_proj_weight, oracle.k_proj_weight, oracle.v_proj_weight, oracle.out_proj.weight)
    with torch.no_grad():
        for source, target in zip(ours, theirs, strict=True):
            target.copy_(source)
        layer.scale.fill_(3**-0.5)  # Its start is drawn in float32.
    output, weights = oracle(query, key, value, key_padding_mask=~mask, average_attn_weights=False)
    torch.testing.assert_close(layer(query, key, value, mask).output, output, rtol=1e-12, atol=1e-12)
    answer = layer(query, key, value, mask, need_weights=True)
    torch.testing.assert_close(answer.weights, weights, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("queries", [MANY, ONE], ids=["many", "one"])
def test_normalised_form_equals_torch_sdpa_and_its_gradients(queries: int) -> None:
    """With unit queries and keys, one head is SDPA scaled by g, forwards and backwards."""
    layer = replace(CONFIG, heads=1).build().double()
    query, key, value, mask = _given(queries)
    q, k = (F.normalize(F.linear(*pair), dim=-1) for pair in ((query, layer.query_weight), (key, layer.key_weight)))
    v = F.linear(value, layer.value_weight)
    with sdpa_kernel(SDPBackend.MATH):
        read = F.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None], scale=layer.scale.item())
    expected = F.linear(read, layer.output_weight)
    answer = layer(query, key, value, mask).output
    torch.testing.assert_close(answer, expected, rtol=1e-12, atol=1e-12)
    weights = (layer.query_weight, layer.key_weight, layer.value_weight, layer.output_weight)
    ours = torch.autograd.grad(answer.square().sum(), weights)
    theirs = torch.autograd.grad(expected.square().sum(), weights)
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("queries", [4, ONE], ids=["many", "one"])
def test_gradients_match_finite_differences(queries: int) -> None:
    """Gradcheck in float64, with a mask."""
    layer = CONFIG.build().double()
    query, key, value, mask = _given(queries, batch=2, keys=3)
    inputs = tuple(x.requires_grad_() for x in (query, key, value))
    assert torch.autograd.gradcheck(lambda q, k, v: layer(q, k, v, mask).output, inputs)


def test_head_outputs_are_what_the_output_projection_joins() -> None:
    """On request: each head's reading; without asking, neither they nor the weights."""
    layer = CONFIG.build().double()
    given = _given()
    answer = layer(*given, need_weights=True)
    heads = answer.extras["head_outputs"]
    assert heads.shape == (3, 2, MANY, 3)
    torch.testing.assert_close(F.linear(heads.transpose(1, 2).flatten(2), layer.output_weight), answer.output)
    plain = layer(*given)
    assert (plain.weights, plain.extras) == (None, {})


@pytest.mark.parametrize("queries", [MANY, ONE], ids=["many", "one"])
def test_a_masked_key_is_a_removed_key(queries: int) -> None:
    """That a masked key is there changes nothing."""
    layer = CONFIG.build().double()
    query, key, value, mask = _given(queries, batch=1)
    removed = layer(query, key[:, mask[0]], value[:, mask[0]]).output
    torch.testing.assert_close(layer(query, key, value, mask).output, removed)


@pytest.mark.parametrize("queries", [MANY, 2], ids=["many", "two"])
@given(order=st.permutations(range(11)))
@settings(max_examples=20, deadline=None)
def test_order_of_keys_does_not_matter_and_order_of_queries_carries_over(queries: int, order: list[int]) -> None:
    """Invariant to permuting (key, value, mask), equivariant to permuting queries."""
    layer = CONFIG.build().double()
    query, key, value, mask = _given(queries)
    expected = layer(query, key, value, mask).output
    torch.testing.assert_close(layer(query, key[:, order], value[:, order], mask[:, order]).output, expected)
    torch.testing.assert_close(layer(query.flip(1), key, value, mask).output, expected.flip(1))


@pytest.mark.parametrize("need_weights", [False, True], ids=["fused", "weights"])
@pytest.mark.parametrize("queries", [MANY, ONE], ids=["many", "one"])
def test_a_fully_masked_row_answers_zero(*, queries: int, need_weights: bool) -> None:
    """No key kept: zero output, zero weights."""
    query, key, value, mask = _given(queries)
    mask[1] = False
    answer = CONFIG.build().double()(query, key, value, mask, need_weights=need_weights)
    assert (answer.output[1] == 0).all()
    assert answer.weights is None or (answer.weights[1] == 0).all()


def test_learned_queries_pool_when_no_query_is_given() -> None:
    """One answer per learned query, the same as passing them, and each learns."""
    layer = replace(CONFIG, element_queries=4).build().double()
    _, key, value, mask = _given()
    pooled = layer(None, key, value, mask).output
    assert pooled.shape == (3, 4, 6)
    given = layer(layer.queries.expand(3, -1, -1), key, value, mask).output
    torch.testing.assert_close(pooled, given)
    (gradient,) = torch.autograd.grad(pooled.square().sum(), layer.queries)
    assert (gradient.abs().amax(1) > 0).all()
    with pytest.raises(ValueError, match="element_queries is 0"):
        CONFIG.build().double()(None, key, value)


def test_a_learned_query_finds_its_element() -> None:
    """Trained on a sum of two planted elements, each query reads its own: heads would not be told apart."""
    layer = MultiHeadAttention.Config(width=8, key_width=8, value_width=8, heads=2, element_queries=2).build()
    rng = torch.Generator().manual_seed(3)
    optimiser = torch.optim.Adam(layer.parameters(), lr=0.02)
    for _ in range(150):
        x = torch.randn(64, 4, 8, generator=rng)
        x[..., :4] = torch.eye(4)  # Which element a row is; the other columns are what it says.
        answer = layer(None, x, x).output[..., 0]
        loss = (answer - x[:, [2, 0], 5]).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    weights = layer(None, x, x, need_weights=True).weights
    assert weights is not None
    assert weights.mean((0, 1)).argmax(-1).tolist() == [2, 0]
    assert loss < 0.1


def test_widths_and_heads_are_checked() -> None:
    """Wrong widths name both shapes; heads must divide the width."""
    query, key, value, _ = _given()
    with pytest.raises(ValueError, match=r"key has shape \(3, 11, 5\), expected \(3, 11, 7\)"):
        CONFIG.build().double()(query, key[..., :5], value)
    with pytest.raises(ValueError, match="width 6 is not a multiple of 4 heads"):
        replace(CONFIG, heads=4).build()
