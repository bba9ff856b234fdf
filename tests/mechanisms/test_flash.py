"""Flash attention: the contract on each of its paths, and what sets it apart."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from mechanisms.flash import FlashAttention, naive
from tests.mechanisms.contract import Contract, Inputs
from tests.mechanisms.memory import peak_bytes

CONFIG = FlashAttention.Config(width=6, heads=2, block_size=4)


def _inputs(rng: torch.Generator, batch: int, queries: int, keys: int = 11) -> Inputs:
    query, key, value = (torch.randn(batch, n, 6, generator=rng, dtype=torch.float64) for n in (queries, keys, keys))
    mask = torch.rand(batch, keys, generator=rng) < 0.6
    mask[:, 0], mask[:, 1] = True, False
    return {"query": query, "key": key, "value": value, "mask": mask}


class _Laws(Contract):
    flips: ClassVar[dict[str, object]] = {"width": 8, "heads": 3, "block_size": 3, "causal": True, "seed": 1}
    queries: ClassVar[int]

    def inputs(self, rng: torch.Generator, batch: int = 3) -> Inputs:
        return _inputs(rng, batch, self.queries)

    def naive(self, layer: Any, inputs: Inputs) -> Tensor:
        return naive(layer, **inputs)

    def fingerprint(self, config: Any) -> object:
        """``block_size`` changes memory, never the result, so the memory of the blockwise form is a mark too."""
        layer = replace(config, causal=True, width=6).build()
        x = torch.zeros(1, 48, 6)
        mask = torch.ones(1, 48, dtype=torch.bool)
        return super().fingerprint(config), peak_bytes(lambda: layer(x, x, x, mask))


class TestManyQueries(_Laws):
    """Torch's kernel on projected keys."""

    config = CONFIG
    queries = 9


class TestOneQuery(_Laws):
    """Torch's kernel on raw keys."""

    config = CONFIG
    queries = 1


# Torch's own tracing makes an instance of an autograd function, and warns of it.
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
class TestCausal(_Laws):
    """The blockwise form: causal with a mask, and fewer queries than keys."""

    config = replace(CONFIG, causal=True)
    flips: ClassVar[dict[str, object]] = _Laws.flips | {"causal": False}
    queries = 9

    def test_padding_changes_nothing(self) -> None:
        """The last query sees the last key, so padding stands in front of the keys here."""
        layer, inputs = self.layer(), self.given()
        front = {"query": inputs["query"]}
        for name in ("key", "value"):
            front[name] = torch.cat([torch.full_like(inputs[name][:, :2], 37), inputs[name]], dim=1)
        front["mask"] = torch.cat([torch.zeros(3, 2, dtype=torch.bool), inputs["mask"]], dim=1)
        torch.testing.assert_close(layer(**front).output, layer(**inputs).output, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("causal", [False, True], ids=["full", "causal"])
@pytest.mark.parametrize("queries", [1, 4, 11], ids=["one", "fewer", "as many"])
@pytest.mark.parametrize("masked", [False, True], ids=["open", "masked"])
def test_every_path_is_the_definition(*, causal: bool, queries: int, masked: bool) -> None:
    """Whichever form the rule chooses, with weights or without."""
    layer = replace(CONFIG, causal=causal).build().double()
    given = _inputs(torch.Generator().manual_seed(3), 2, queries)
    if not masked:
        del given["mask"]
    expected = naive(layer, **given)
    torch.testing.assert_close(layer(**given).output, expected, rtol=1e-10, atol=1e-10)
    told = layer(**given, need_weights=True)
    torch.testing.assert_close(told.output, expected, rtol=1e-10, atol=1e-10)
    visible = told.extras["lse"].isfinite()
    torch.testing.assert_close(told.weights.sum(-1), visible.double())


def test_equals_torch_multihead_attention_with_copied_weights() -> None:
    """Outputs and weights, causal, by torch's own layer."""
    layer = replace(CONFIG, causal=True).build().double()
    given = _inputs(torch.Generator().manual_seed(3), 2, 11)
    oracle = torch.nn.MultiheadAttention(6, 2, bias=False, batch_first=True, dtype=torch.float64)
    with torch.no_grad():
        oracle.in_proj_weight.copy_(torch.cat([layer.query_weight, layer.key_weight, layer.value_weight]))
        oracle.out_proj.weight.copy_(layer.output_weight)
    late = torch.ones(11, 11, dtype=torch.bool).triu(1)
    output, weights = oracle(
        given["query"], given["key"], given["value"], ~given["mask"], attn_mask=late, average_attn_weights=False
    )
    told = layer(**given, need_weights=True)
    torch.testing.assert_close(layer(**given).output, output, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(told.weights, weights, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("causal", [False, True], ids=["full", "causal"])
def test_packed_sequences_are_single_ones_in_values_and_gradients(*, causal: bool) -> None:
    """Lengths 3, 1, 3 and 4, other numbers of keys; each answers as it would alone."""
    layer = replace(CONFIG, causal=causal).build().double()
    q_ends, k_ends = torch.tensor([0, 3, 4, 7, 11]), torch.tensor([0, 3, 5, 8, 14])
    rng = torch.Generator().manual_seed(5)
    query, key, value = (torch.randn(1, n, 6, generator=rng, dtype=torch.float64) for n in (11, 14, 14))
    found = layer(query, key, value, query_offsets=q_ends, key_offsets=k_ends).output
    alone = [
        layer(query[:, a:b], key[:, c:d], value[:, c:d]).output
        for a, b, c, d in zip(q_ends, q_ends[1:], k_ends, k_ends[1:], strict=False)
    ]
    expected = torch.cat(alone, dim=1)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    ours, theirs = (torch.autograd.grad(x.square().sum(), list(layer.parameters())) for x in (found, expected))
    torch.testing.assert_close(ours, theirs)


def test_keys_have_the_offsets_of_the_queries_unless_told() -> None:
    """A sequence that attends to itself needs one list."""
    layer, ends = CONFIG.build(), torch.tensor([0, 2, 5])
    x = torch.randn(1, 5, 6, generator=torch.Generator().manual_seed(0))
    twice = layer(x, x, x, query_offsets=ends, key_offsets=ends).output
    assert torch.equal(layer(x, x, x, query_offsets=ends).output, twice)


def test_gradients_match_finite_differences() -> None:
    """Gradcheck of the blockwise path in float64: causal, fewer queries than keys, masked."""
    layer = replace(CONFIG, causal=True, block_size=2).build().double()
    given = _inputs(torch.Generator().manual_seed(3), 2, 3, keys=5)
    inputs = tuple(given[name].requires_grad_() for name in ("query", "key", "value"))
    assert torch.autograd.gradcheck(lambda *qkv: layer(*qkv, given["mask"]).output, inputs)


@pytest.mark.parametrize("causal", [False, True], ids=["full", "causal"])
@pytest.mark.parametrize("masked", [False, True], ids=["open", "masked"])
def test_no_path_takes_memory_of_queries_by_keys(*, causal: bool, masked: bool) -> None:
    """From 512 to 2,048 rows, forwards and backwards: an exponent of at most 1.1 (2 would be 16 times as much)."""
    layer = FlashAttention.Config(width=16, heads=2, causal=causal).build()

    def peak(length: int) -> int:
        x = torch.zeros(1, length, 16, requires_grad=True)
        mask = torch.ones(1, length, dtype=torch.bool) if masked else None
        return peak_bytes(lambda: layer(x, x, x, mask).output.sum().backward())

    assert peak(2048) / peak(512) <= 4**1.1


def test_what_cannot_be_is_refused() -> None:
    """Blocks without keys, heads that do not divide, a mask for what needs none."""
    x = torch.zeros(1, 5, 6)
    with pytest.raises(ValueError, match="block_size is 0"):
        replace(CONFIG, block_size=0).build()
    with pytest.raises(ValueError, match="width 6 is not a multiple of 4 heads"):
        replace(CONFIG, heads=4).build()
    with pytest.raises(ValueError, match=r"packed sequences are one row without mask .* query is \(1, 5, 6\)"):
        CONFIG.build()(x, x, x, torch.ones(1, 5, dtype=torch.bool), query_offsets=torch.tensor([0, 5]))
