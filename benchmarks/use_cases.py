"""The mechanisms of the eight use cases at the seed's setting, and what is asked of each.

Letters: B batch, Nq queries, Nk keys.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks import peers
from benchmarks.arrays import HEADS, WIDTH, Sdpa, random, three
from benchmarks.case import Case, Inputs
from mechanisms import cross, flash, graph_rope, hyperbolic, linear, moe, multi_head, topology_gated

_HOUR_S = 3600.0
_LONGEST = 16_384


def _multi_head() -> Case:
    """Learned Q, K, V and O."""
    return projected(
        multi_head.naive,
        multi_head.MultiHeadAttention.Config(width=WIDTH, key_width=WIDTH, value_width=WIDTH, heads=HEADS).build(),
        at_most={"p99_ms": 1.15, "peak_mb": 1.25, "sequence_peak_mb": 1.25, "sdpa_ratio": 1.25},
        peers=(
            peers.dot_product("multi_head", "MultiHeadAttention", WIDTH, HEADS, heads=HEADS),
            peers.dot_product("dot", "DotProductAttention", WIDTH),
        ),
    )


def _hyperbolic() -> Case:
    """Curvature -1 at the start."""
    return projected(
        hyperbolic.naive,
        hyperbolic.HyperbolicAttention.Config(
            width=WIDTH, key_width=WIDTH, value_width=WIDTH, heads=HEADS, curvature=-1.0
        ).build(),
        at_most={"p99_ms": 1.55, "peak_mb": 1.0, "sequence_peak_mb": 1.0, "sdpa_ratio": 4.0},
        peers=(peers.hyperbolic(),),
    )


def _flash() -> Case:
    """Blocks of 64 keys."""
    return projected(
        flash.naive,
        flash.FlashAttention.Config(width=WIDTH, heads=HEADS, block_size=64).build(),
        at_most={"p99_ms": 0.9, "peak_mb": 0.25, "sequence_peak_mb": 0.25, "sdpa_ratio": 1.25, "memory_exponent": 1.1},
        peers=(peers.dot_product("flash", "FlashAttention", WIDTH, 64),),
    )


def _graph_rope() -> Case:
    """An event an hour, queries at the last ones; the longest path is raised from 100, which is a check and no cost."""
    layer = graph_rope.GraphRopeAttention.Config(
        width=WIDTH, key_width=WIDTH, value_width=WIDTH, heads=HEADS, max_len=_LONGEST
    ).build()

    def inputs(batch: int, queries: int, keys: int) -> Inputs:
        time = _HOUR_S * torch.arange(keys, dtype=torch.float64).expand(batch, -1)
        return {**three(batch, queries, keys), "query_time": time[:, -queries:], "key_time": time}

    def exact(inputs: Inputs) -> Tensor:
        key, query = inputs["key"], inputs["query"]
        no_path = torch.full((*query.shape[:2], key.shape[1]), -1)
        return graph_rope.naive(layer, **inputs, mask=key.new_ones(key.shape[:2], dtype=torch.bool), distance=no_path)

    return Case(
        module=layer,
        inputs=inputs,
        fast=lambda inputs: layer(**inputs).output,
        exact=exact,
        reference=sdpa(),
        by_query=("query", "query_time"),
        at_most={"p99_ms": 1.4, "peak_mb": 1.1, "sequence_peak_mb": 1.1, "sdpa_ratio": 2.0},
        peers=(peers.rotary(),),
    )


def _cross() -> Case:
    """256 wide queries to 384 wide keys, with the gate open, so that what is read counts."""
    config = cross.CrossAttention.Config(query_width=WIDTH, key_width=384, value_width=384, heads=HEADS, gate=1.0)
    limits = {"p99_ms": 0.75, "peak_mb": 0.9, "sequence_peak_mb": 0.9, "sdpa_ratio": 1.25}
    return projected(cross.naive, config.build(), key_width=384, at_most=limits)


def _moe() -> Case:
    """Four experts, two for a query; as wide together as the other mechanisms' heads."""
    config = moe.MixtureOfExperts.Config(
        width=WIDTH, key_width=WIDTH, value_width=WIDTH, expert_width=WIDTH // peers.EXPERTS,
        experts=peers.EXPERTS, top_k=peers.TOP_K,
    )  # fmt: skip
    return projected(
        lambda *args, **inputs: moe.naive(*args, **inputs)[0],
        config.build().eval(),
        by_query=(),
        at_most={"p99_ms": 1.8, "peak_mb": 1.5, "sequence_peak_mb": 1.5},
        peers=(peers.experts(),),
    )


def _topology_gated() -> Case:
    """The window's coherence is given; the reference has no projections either."""
    layer = topology_gated.TopologyGatedAttention.Config().build()
    given = 0.6

    def exact(inputs: Inputs) -> Tensor:
        coherence = torch.full((len(inputs["query"]),), given)
        return topology_gated.naive(inputs["query"], inputs["key"], inputs["value"], None, layer.gate(coherence))

    return Case(
        module=layer,
        inputs=lambda batch, queries, keys: {**three(batch, queries, keys), "coherence": torch.full((batch,), given)},
        fast=lambda inputs: layer(**inputs).output,
        exact=exact,
        reference=lambda inputs: F.scaled_dot_product_attention(inputs["query"], inputs["key"], inputs["value"]),
        at_most={"p99_ms": 1.25, "peak_mb": 1.15, "sequence_peak_mb": 1.15},
    )


def _linear() -> Case:
    """One query is one event of a stream that has a past; a sequence is a stretch of the stream.."""
    layer = linear.LinearAttention.Config(
        width=WIDTH, key_width=WIDTH, value_width=WIDTH, heads=HEADS, kernel_size=peers.KERNEL
    ).build()

    def inputs(batch: int, queries: int, _keys: int) -> Inputs:
        state = 0.1 * random(*layer.initial_state(batch).shape, seed=3)
        return {**three(batch, queries, queries), "state": state}

    def fast(inputs: Inputs) -> Tensor:
        query, key, value, state = inputs.values()
        if query.shape[1] > 1:
            output: Tensor = layer(query, key, value, state=state).output
            return output
        return layer.step(query[:, 0], key[:, 0], value[:, 0], state)[0][:, None]

    def exact(inputs: Inputs) -> Tensor:
        key = inputs["key"]
        return linear.naive(layer, **inputs, mask=key.new_ones(key.shape[:2], dtype=torch.bool))

    return Case(
        module=layer,
        inputs=inputs,
        fast=fast,
        exact=exact,
        reference=sdpa(),
        by_query=(),
        at_most={"p99_ms": 0.4, "peak_mb": 0.15, "sequence_peak_mb": 0.15, "exponent": 1.1},
        peers=(peers.recurrence(), peers.step()),
    )


def projected(
    naive: Callable[..., Tensor], layer: nn.Module, *, width: int = WIDTH, key_width: int = WIDTH, **more: Any
) -> Case:
    """The form that most have: query, key and value through learned projections, ``naive`` beside them."""
    plain: dict[str, Any] = {
        "inputs": partial(three, width=width, key_width=key_width),
        "fast": lambda inputs: layer(**inputs).output,
        "exact": lambda inputs: naive(layer, **inputs),
        "reference": sdpa(width, key_width),
    }
    return Case(module=layer, **{**plain, **more})


def sdpa(width: int = WIDTH, key_width: int = WIDTH) -> Callable[[Inputs], Tensor]:
    """Torch's attention between as many projections."""
    reference = Sdpa(width, key_width)
    return lambda inputs: reference(inputs["query"], inputs["key"], inputs["value"])


USE_CASES: Mapping[str, Callable[[], Case]] = {
    "multi_head": _multi_head,
    "hyperbolic": _hyperbolic,
    "flash": _flash,
    "graph_rope": _graph_rope,
    "cross": _cross,
    "moe": _moe,
    "topology_gated": _topology_gated,
    "linear": _linear,
}
