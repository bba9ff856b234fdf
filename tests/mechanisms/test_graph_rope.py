"""Attention over paths of events in time, against its definition, torch's attention, networkx and its laws."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, ClassVar

import networkx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from mechanisms.graph_rope import GraphRopeAttention, naive
from tests.mechanisms.contract import Contract, Inputs

F64 = torch.float64
EPOCH_S = 1_790_000_000.0
"""A date of today in seconds since 1970."""


class TestGraphRope(Contract):
    """The laws of all, on events of some months with a graph among them."""

    config = GraphRopeAttention.Config(width=12, key_width=7, value_width=5, heads=3, max_hops=2, max_len=8)
    flips: ClassVar = {
        "width": 18,
        "key_width": 8,
        "value_width": 6,
        "heads": 2,
        "shortest_s": 5.0,
        "longest_s": 1e5,
        "decay_s": 1e6,
        "max_hops": 1,
        "causal": False,
        "max_len": 4,
        "seed": 1,
    }
    keyed = ("key", "value", "mask", "key_time")

    def inputs(self, rng: torch.Generator, batch: int = 3) -> Inputs:
        """Three queries in time among five keys; the first key is the earliest and always kept."""
        query, key, value = (
            torch.randn(batch, *shape, generator=rng, dtype=F64) for shape in ((3, 12), (5, 7), (5, 5))
        )
        mask = torch.rand(batch, 5, generator=rng) < 0.6
        mask[:, 0] = True
        key_time = torch.rand(batch, 5, generator=rng, dtype=F64).mul(5e6).sort(-1).values + EPOCH_S
        return {
            "query": query,
            "key": key,
            "value": value,
            "mask": mask,
            "query_time": key_time[:, [1, 3, 4]] + 40.0,
            "key_time": key_time,
            "distance": torch.randint(-1, 5, (batch, 3, 5), generator=rng),
        }

    def naive(self, layer: Any, inputs: Inputs) -> Tensor:
        """The loops."""
        return naive(layer, **inputs)

    def test_padding_changes_nothing(self) -> None:
        """Masked keys may hold anything; the distances to them, whose keys lie on another axis, too."""
        layer, inputs = self.layer(), self.given()
        padded = {name: torch.cat([x, x[:, :2].clone()], 1) if name in self.keyed else x for name, x in inputs.items()}
        padded["mask"][:, 5:] = False
        padded["key_time"][:, 5:] = 37.0
        padded["distance"] = F.pad(inputs["distance"], (0, 2), value=37)
        torch.testing.assert_close(layer(**padded).output, layer(**inputs).output, rtol=1e-9, atol=1e-10)

    def test_gradients_match_finite_differences(self) -> None:
        """Gradcheck, for one query and for several, without and with weights asked for."""
        layer, inputs = self.layer(), self.given(batch=1)
        names = [name for name, _ in layer.named_parameters()]
        values = tuple(p.detach().requires_grad_() for p in layer.parameters())
        for queries, need_weights in ((1, False), (3, False), (3, True)):
            some = {
                name: x[:, :queries] if name in ("query", "query_time", "distance") else x for name, x in inputs.items()
            }

            def run(*given: Tensor, some: Inputs = some, need_weights: bool = need_weights) -> Tensor:
                named = dict(zip(names, given, strict=True))
                answer = torch.func.functional_call(layer, named, (), {**some, "need_weights": need_weights})
                return answer.output  # type: ignore[no-any-return]

            assert torch.autograd.gradcheck(run, values)

    def test_asking_for_weights_or_for_one_query_changes_no_output(self) -> None:
        """The three paths through the layer agree, and weights of what can be read sum to one."""
        layer, inputs = self.layer(), self.given()
        inputs["query_time"][0, 0] = 0.0  # before all keys
        answer = layer(**inputs, need_weights=True)
        fused = layer(**inputs)
        assert fused.weights is None
        torch.testing.assert_close(answer.output, fused.output)
        for i in range(3):
            one = {n: x[:, i : i + 1] if n in ("query", "query_time", "distance") else x for n, x in inputs.items()}
            torch.testing.assert_close(layer(**one).output, fused.output[:, i : i + 1])
        expected = torch.ones(3, 3, 3, dtype=F64)
        expected[0, :, 0] = 0
        torch.testing.assert_close(answer.weights.sum(-1), expected)


CONFIG = TestGraphRope.config


def _given(seed: int = 7) -> Inputs:
    return TestGraphRope().inputs(torch.Generator().manual_seed(seed))


def _layer(**changes: object) -> Any:
    return TestGraphRope().layer(**changes)


def test_equals_rope_at_integer_positions_through_torch_attention() -> None:
    """Base 10,000, no decay, no graph, not causal: rows turned by matrix exponentials, then torch's SDPA."""
    layer = replace(CONFIG, longest_s=10_000.0, decay_s=math.inf, causal=False).build().double()
    inputs = _given()
    query_time, key_time = torch.arange(3, dtype=F64).expand(3, -1), torch.arange(5, dtype=F64).expand(3, -1)
    generator = torch.zeros(4, 4, dtype=F64)
    for i, rate in enumerate((1.0, 0.01)):
        generator[i + 2, i], generator[i, i + 2] = rate, -rate
    q, k, v = (
        F.linear(inputs[name], weight).view(3, -1, 3, 4).transpose(1, 2)
        for name, weight in (("query", layer.query_weight), ("key", layer.key_weight), ("value", layer.value_weight))
    )
    q, k = (torch.stack([x[:, :, t] @ torch.matrix_exp(t * generator).T for t in range(x.shape[2])], 2) for x in (q, k))
    read = F.scaled_dot_product_attention(q, k, v, attn_mask=inputs["mask"][:, None, None])
    expected = F.linear(read.transpose(1, 2).flatten(2), layer.output_weight)
    found = layer(*(inputs[n] for n in ("query", "key", "value", "mask")), query_time=query_time, key_time=key_time)
    torch.testing.assert_close(found.output, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, F64], ids=str)
@pytest.mark.parametrize("shift", [1e3, EPOCH_S, 1e11])
def test_shifting_all_times_changes_nothing(dtype: torch.dtype, shift: float) -> None:
    """Only differences count, to 1e-6, for rows in float32 as in float64, and for offsets of three thousand years."""
    layer, inputs = _layer().to(dtype), _given()
    rows = {name: inputs[name].to(dtype) for name in ("query", "key", "value")}
    # Whole sixteenths of a second, so that the shifted times exist in float64.
    times = {name: ((inputs[name] - EPOCH_S) * 16).round() / 16 for name in ("query_time", "key_time")}
    rest = {name: inputs[name] for name in ("mask", "distance")}
    at_zero = layer(**rows, **times, **rest).output
    shifted = layer(**rows, **{name: time + shift for name, time in times.items()}, **rest).output
    torch.testing.assert_close(shifted, at_zero, rtol=1e-6, atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(5)), st.integers(0, 99))
def test_the_order_of_keys_does_not_matter(order: list[int], seed: int) -> None:
    """Their times say when they were, not their places."""
    layer, inputs = _layer(), _given(seed)
    other = {name: x[:, order] if name in TestGraphRope.keyed else x for name, x in inputs.items()}
    other["distance"] = inputs["distance"][:, :, order]
    torch.testing.assert_close(layer(**other).output, layer(**inputs).output)


def test_what_comes_later_is_not_read() -> None:
    """Causal: keys after a query's time get no weight and change nothing; a key at the very time is read."""
    layer, inputs = _layer(), _given()
    inputs["mask"][:] = True
    inputs["query_time"][:, 0] = inputs["key_time"][:, 2]
    weights = layer(**inputs, need_weights=True).weights
    assert (weights[:, :, 0, 3:] == 0).all()
    assert (weights[:, :, 0, :3] > 0).all()
    before = layer(**inputs).output[:, 0]
    inputs["key"][:, 3:] += 9.0
    torch.testing.assert_close(layer(**inputs).output[:, 0], before)


def test_decay_is_exponential_in_elapsed_time() -> None:
    """With equal keys and fast pairs left out of the way, weights fall by e in each tau."""
    layer = replace(CONFIG, shortest_s=1e12, longest_s=1e13, decay_s=1000.0).build().double()
    key_time = torch.tensor([[0.0, 1000.0, 4000.0]], dtype=F64)
    same = torch.ones(1, 3, 7, dtype=F64)
    weights = layer(
        torch.ones(1, 1, 12, dtype=F64), same, same[..., :5],
        query_time=torch.tensor([[5000.0]], dtype=F64), key_time=key_time, need_weights=True,
    ).weights  # fmt: skip
    expected = torch.exp(torch.tensor([-5.0, -4.0, -1.0], dtype=F64))
    torch.testing.assert_close(weights[0, :, 0], (expected / expected.sum()).expand(3, -1), rtol=1e-6, atol=0)


def test_bias_follows_the_shortest_paths_of_a_graph() -> None:
    """Hops from networkx: log weights differ by the bias of the hop, farther ones share one, and so does no path."""
    layer = replace(CONFIG, shortest_s=1e12, longest_s=1e13, decay_s=math.inf).build().double()
    with torch.no_grad():
        layer.hop_bias.copy_(torch.tensor([[0.0, 1.0, 2.0, -3.0]], dtype=F64).expand(3, -1))
    graph = networkx.path_graph(5)
    graph.add_node(5)
    hops = networkx.single_source_shortest_path_length(graph, 0)
    distance = torch.tensor([[[hops.get(node, -1) for node in range(6)]]])
    same, time = torch.ones(1, 6, 7, dtype=F64), torch.zeros(1, 6, dtype=F64)
    answer = layer(
        torch.ones(1, 1, 12, dtype=F64), same, same[..., :5],
        query_time=time[:, :1], key_time=time, distance=distance, need_weights=True,
    )  # fmt: skip
    log = answer.weights[0, 0, 0].log()
    torch.testing.assert_close(log - log[0], torch.tensor([0.0, 1.0, 2.0, 2.0, 2.0, -3.0], dtype=F64))


def test_at_the_start_a_graph_changes_nothing() -> None:
    """Biases by hop are learnt from zero."""
    layer, inputs = CONFIG.build().double(), _given()
    with_graph = layer(**inputs).output
    assert torch.equal(with_graph, layer(**{n: x for n, x in inputs.items() if n != "distance"}).output)


@pytest.mark.parametrize("queries", [1, 3])
def test_nothing_to_read_answers_zero(queries: int) -> None:
    """All keys masked, or all later than the query."""
    layer, inputs = _layer(), _given()
    inputs["mask"][0] = False
    inputs["query_time"][1] = 0.0
    some = {n: x[:, :queries] if n in ("query", "query_time", "distance") else x for n, x in inputs.items()}
    output = layer(**some).output
    assert (output[:2] == 0).all()
    assert (output[2] != 0).all()


def test_arguments_are_checked() -> None:
    """Each mistake is named with its shape or dtype."""
    layer, inputs = _layer(), _given()
    for change, message in (
        ({"key_time": inputs["key_time"].float()}, "key_time has dtype torch.float32, expected torch.float64"),
        ({"query_time": inputs["key_time"]}, r"query_time has shape \(3, 5\), expected \(3, 3\)"),
        ({"distance": inputs["distance"][:, :2]}, r"distance has shape \(3, 2, 5\), expected \(3, 3, 5\)"),
        ({"distance": inputs["distance"].double()}, "distance has dtype torch.float64, expected whole hops"),
        ({"key": inputs["key"][..., :6]}, r"key has shape \(3, 5, 6\), expected \(3, 5, 7\)"),
    ):
        with pytest.raises(ValueError, match=message):
            layer(**(inputs | change))
    with pytest.raises(ValueError, match="5 events; max_len 4"):
        _layer(max_len=4)(**inputs)


def test_settings_are_checked() -> None:
    """Odd heads, time scales out of order, decay and hops below zero."""
    for change, message in (
        ({"width": 9}, "width 9 is not an even multiple of 3 heads"),
        ({"shortest_s": 1e9}, "0 < shortest_s <= longest_s does not hold"),
        ({"decay_s": 0.0}, "decay_s 0.0 is not positive"),
        ({"max_hops": -1}, "max_hops -1 is negative"),
    ):
        with pytest.raises(ValueError, match=message):
            replace(CONFIG, **change).build()
