"""The mechanisms at the seed's setting: 256 wide, 100 long, 4 heads; and what is asked of each.

Letters: B batch, Nq queries, Nk keys.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor
from torch.nn import functional as F

from benchmarks.case import Case, Inputs, Peer
from benchmarks.reference import Sdpa, random
from mechanisms import moe as experts
from mechanisms import multi_head as heads

NAMES = (
    "multi_head", "hyperbolic", "flash", "graph_rope", "cross", "moe", "topology_gated", "linear", "sliced_wasserstein",
    "mixed_curvature", "natural_gradient", "information_bottleneck", "coherence", "diffusion", "unified_report",
)  # fmt: skip
WIDTH, LENGTH, HEADS = 256, 100, 4


def three(batch: int, queries: int, keys: int, *, key_width: int = WIDTH) -> dict[str, Tensor]:
    """Query [B, Nq, 256], key and value [B, Nk, ``key_width``]."""
    rows = {"query": (queries, WIDTH), "key": (keys, key_width), "value": (keys, key_width)}
    return {name: random(batch, *shape, seed=seed) for seed, (name, shape) in enumerate(rows.items())}


def multi_head() -> Case:
    """Learned Q, K, V and O; bare dot-product attention is its own with one head."""
    layer = heads.MultiHeadAttention.Config(width=WIDTH, key_width=WIDTH, value_width=WIDTH, heads=HEADS).build()
    return Case(
        module=layer,
        inputs=three,
        fast=lambda inputs: layer(**inputs).output,
        exact=lambda inputs: heads.naive(layer, **inputs),
        reference=_sdpa(),
        at_most={"p99_ms": 1.15, "peak_mb": 1.25, "sdpa_ratio": 1.25},
        peers=(
            Peer(name="multi_head", make=("MultiHeadAttention", WIDTH, HEADS), ours=_attend(HEADS), at_least=(3, 30)),
            Peer(name="dot", make=("DotProductAttention", WIDTH), ours=_attend(1), at_least=(3, 30)),
            Peer(name="flash", make=("FlashAttention", WIDTH, 64), ours=_attend(1), at_least=(3, 30)),
        ),
    )


def moe() -> Case:
    """Four experts, two of them for a query."""
    layer = experts.MixtureOfExperts.Config(width=WIDTH, key_width=WIDTH, value_width=WIDTH, experts=4, top_k=2).build()

    def inputs(batch: int, queries: int, _keys: int) -> Inputs:
        return three(batch, queries, 4)

    def exact(inputs: Inputs) -> Tensor:
        extras = layer(**inputs).extras
        return experts.naive(layer, inputs["query"], inputs["value"], extras["gates"], extras["kept"])

    return Case(
        module=layer,
        inputs=inputs,
        fast=lambda inputs: layer(**inputs).output,
        exact=exact,
        at_most={"p99_ms": 1.8, "peak_mb": 1.5},
    )


def _sdpa(key_width: int = WIDTH) -> Callable[[Inputs], Tensor]:
    module = Sdpa(WIDTH, key_width, key_width, HEADS)
    return lambda inputs: module(inputs["query"], inputs["key"], inputs["value"])


def _attend(count: int) -> Callable[[Tensor, Tensor, Tensor], Callable[[], Tensor]]:
    def split(x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], count, -1).transpose(1, 2)

    def ours(query: Tensor, key: Tensor, value: Tensor) -> Callable[[], Tensor]:
        return lambda: F.scaled_dot_product_attention(split(query), split(key), split(value)).transpose(1, 2).flatten(2)

    return ours


CASES: Mapping[str, Callable[[], Case]] = {"multi_head": multi_head, "moe": moe}
