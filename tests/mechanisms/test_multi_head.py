"""Multi-head attention against torch's own, its definition and its laws."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from mechanisms.multi_head import MultiHeadAttention, naive

CONFIG = MultiHeadAttention.Config(width=8, key_width=6, value_width=5, heads=2)


def _inputs(batch: int = 3, queries: int = 2, keys: int = 5) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    rng = torch.Generator().manual_seed(1)
    query, key, value = (
        torch.randn(batch, n, width, generator=rng, dtype=torch.float64)
        for n, width in ((queries, 8), (keys, 6), (keys, 5))
    )
    mask = torch.rand(batch, keys, generator=rng) < 0.6
    mask[:, 0] = True
    return query, key, value, mask


@pytest.mark.parametrize("qk_norm", [True, False], ids=["normed", "plain"])
@pytest.mark.parametrize("masked", [True, False], ids=["masked", "full"])
def test_equals_its_definition(*, qk_norm: bool, masked: bool) -> None:
    """The batched form computes what the loop in float64 says."""
    layer = replace(CONFIG, qk_norm=qk_norm).build().double()
    query, key, value, mask = _inputs()
    given = mask if masked else None
    expected = naive(layer, query, key, value, given)
    torch.testing.assert_close(layer(query, key, value, given).output, expected, rtol=1e-12, atol=1e-12)


def test_equals_torch_multihead_attention_with_copied_weights() -> None:
    """Outputs and weights agree with ``nn.MultiheadAttention`` of other key and value widths."""
    layer = replace(CONFIG, qk_norm=False).build().double()
    query, key, value, mask = _inputs()
    oracle = torch.nn.MultiheadAttention(8, 2, bias=False, kdim=6, vdim=5, batch_first=True, dtype=torch.float64)
    ours = (layer.query_weight, layer.key_weight, layer.value_weight, layer.output_weight)
    theirs = (oracle.q_proj_weight, oracle.k_proj_weight, oracle.v_proj_weight, oracle.out_proj.weight)
    with torch.no_grad():
        for source, target in zip(ours, theirs, strict=True):
            target.copy_(source)
    output, weights = oracle(query, key, value, key_padding_mask=~mask, average_attn_weights=False)
    answer = layer(query, key, value, mask)
    torch.testing.assert_close(answer.output, output, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(answer.weights, weights, rtol=1e-12, atol=1e-12)


def test_normalised_form_equals_torch_sdpa_and_its_gradients() -> None:
    """With unit queries and keys, one head is SDPA scaled by g, forwards and backwards."""
    layer = replace(CONFIG, heads=1).build().double()
    query, key, value, mask = _inputs()
    q, k = F.linear(query, layer.query_weight), F.linear(key, layer.key_weight)
    read = F.scaled_dot_product_attention(
        F.normalize(q, dim=-1),
        F.normalize(k, dim=-1),
        F.linear(value, layer.value_weight),
        attn_mask=mask[:, None],
        scale=layer.scale.item(),
    )
    expected = F.linear(read, layer.output_weight)
    answer = layer(query, key, value, mask).output
    torch.testing.assert_close(answer, expected, rtol=1e-12, atol=1e-12)
    weights = (layer.query_weight, layer.key_weight, layer.value_weight, layer.output_weight)
    ours = torch.autograd.grad(answer.square().sum(), weights)
    theirs = torch.autograd.grad(expected.square().sum(), weights)
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


def test_gradients_match_finite_differences() -> None:
    """Gradcheck in float64, with a mask."""
    layer = CONFIG.build().double()
    query, key, value, mask = _inputs(batch=2, queries=1, keys=3)
    inputs = tuple(x.requires_grad_() for x in (query, key, value))
    assert torch.autograd.gradcheck(lambda q, k, v: layer(q, k, v, mask).output, inputs)


def test_a_batch_equals_its_rows() -> None:
    """Rows of a batch do not see each other."""
    layer = CONFIG.build().double()
    query, key, value, mask = _inputs()
    one = slice(1, 2)
    alone = layer(query[one], key[one], value[one], mask[one]).output
    torch.testing.assert_close(layer(query, key, value, mask).output[one], alone)


def test_a_masked_key_is_a_removed_key() -> None:
    """What a masked key holds, or that it is there, changes nothing."""
    layer = CONFIG.build().double()
    query, key, value, mask = _inputs(batch=1)
    kept = mask[0]
    removed = layer(query, key[:, kept], value[:, kept]).output
    torch.testing.assert_close(layer(query, key, value, mask).output, removed)
    other = torch.where(mask[..., None], key, 1e3)
    torch.testing.assert_close(layer(query, other, value, mask).output, removed)


def test_order_of_keys_does_not_matter_and_order_of_queries_carries_over() -> None:
    """Invariant to permuting (key, value, mask), equivariant to permuting queries."""
    layer = CONFIG.build().double()
    query, key, value, mask = _inputs()
    expected = layer(query, key, value, mask).output
    p = torch.tensor([3, 0, 4, 1, 2])
    torch.testing.assert_close(layer(query, key[:, p], value[:, p], mask[:, p]).output, expected)
    torch.testing.assert_close(layer(query.flip(1), key, value, mask).output, expected.flip(1))


def test_a_fully_masked_row_answers_zero() -> None:
    """No key kept: zero output, zero weights."""
    query, key, value, mask = _inputs()
    mask[1] = False
    answer = CONFIG.build().double()(query, key, value, mask)
    assert (answer.output[1] == 0).all()
    assert (answer.weights[1] == 0).all()
    assert answer.output.isfinite().all()


def test_learned_queries_pool_when_no_query_is_given() -> None:
    """One answer per learned query, the same as passing them."""
    layer = replace(CONFIG, element_queries=4).build().double()
    _, key, value, mask = _inputs()
    pooled = layer(None, key, value, mask).output
    assert pooled.shape == (3, 4, 8)
    given = layer(layer.queries.expand(3, -1, -1), key, value, mask).output
    torch.testing.assert_close(pooled, given)
    with pytest.raises(ValueError, match="element_queries is 0"):
        CONFIG.build().double()(None, key, value)


@pytest.mark.parametrize(
    "change",
    [
        {"width": 16},
        {"key_width": 7},
        {"value_width": 7},
        {"heads": 4},
        {"element_queries": 5},
        {"qk_norm": False},
        {"logit_scale": 3.0},
        {"seed": 1},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_option_matters(change: dict[str, Any]) -> None:
    """Changing a field changes the shape of a weight or the answer."""
    assert _fingerprint(replace(CONFIG, element_queries=3)) != _fingerprint(
        replace(CONFIG, **({"element_queries": 3} | change))
    )


def _fingerprint(config: MultiHeadAttention.Config) -> tuple[Any, ...]:
    layer = config.build()
    rng = torch.Generator().manual_seed(2)
    key = torch.randn(1, 4, config.key_width, generator=rng)
    value = torch.randn(1, 4, config.value_width, generator=rng)
    shapes = tuple(tuple(p.shape) for p in layer.parameters() if p is not layer.scale)
    return shapes, tuple(layer(None, key, value).output.flatten().tolist())


def test_a_seed_decides_the_weights_and_a_saved_state_restores_them() -> None:
    """Equal seeds, equal layers; a state_dict carries a layer into another."""
    first, second, other = CONFIG.build(), CONFIG.build(), replace(CONFIG, seed=9).build()
    query, key, value, _ = (x.float() for x in _inputs())
    expected = first(query, key, value).output
    assert torch.equal(expected, second(query, key, value).output)
    other.load_state_dict(first.state_dict())
    assert torch.equal(expected, other(query, key, value).output)


def test_float32_stays_near_float64() -> None:
    """Rounding drifts by a few units in the last place, no more."""
    query, key, value, mask = _inputs()
    layer = CONFIG.build()
    single = layer(query.float(), key.float(), value.float(), mask).output
    torch.testing.assert_close(single.double(), naive(layer, query, key, value, mask), rtol=1e-4, atol=1e-5)


def test_widths_and_heads_are_checked() -> None:
    """Wrong widths name both shapes; heads must divide the width."""
    query, key, value, _ = _inputs()
    with pytest.raises(ValueError, match=r"key has shape \(3, 5, 5\), expected \(3, 5, 6\)"):
        CONFIG.build().double()(query, key[..., :5], value)
    with pytest.raises(ValueError, match="width 8 is not a multiple of 3 heads"):
        replace(CONFIG, heads=3).build()
