"""Classes of the npm package beside the functions that our mechanisms use inside, without projections.

Letters: H heads, N events.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.arrays import HEADS, LENGTH, WIDTH, random
from benchmarks.case import Peer
from mechanisms import delta_rule, linear, moe, routing
from mechanisms import hyperbolic as curved
from mechanisms.dot_product import attend
from mechanisms.rotary import rates, rotary_attention, turn

EXPERTS, TOP_K = 4, 2
KERNEL = 16
"""Key features of a head of linear attention."""


def dot_product(name: str, *make: str | int, heads: int = 1) -> Peer:
    """Exact attention, whatever it is called there."""

    def ours(query: Tensor, key: Tensor, value: Tensor) -> Callable[[], Tensor]:
        return lambda: attend(query, key, value, heads=heads)

    return Peer(name=name, make=make, ours=ours, same=True, at_least=(3, 30))


def rotary() -> Peer:
    """At whole positions; theirs has its table from the constructor, ours has the turns of these positions."""

    def ours(query: Tensor, key: Tensor, value: Tensor) -> Callable[[], Tensor]:
        place = torch.arange(key.shape[1], dtype=torch.float64)
        rate = rates(WIDTH // 2, 1.0, 10_000.0)
        turns = (turn(time, rate, query.dtype) for time in (place[-query.shape[1] :], place))
        q, k, v, q_turn, k_turn = query[:, None], key[:, None], value[:, None], *turns
        return lambda: rotary_attention(q, k, v, q_turn, k_turn)[:, 0]

    make = ("GraphRoPeAttention", {"dim": WIDTH, "maxPosition": LENGTH})
    return Peer(name="rotary", make=make, ours=ours, same=True, positions=True, at_least=(1.5, 25))


def experts() -> Peer:
    """Router, dispatch and four experts that attend without projections; theirs are two plain and two hyperbolic."""
    router = random(WIDTH, EXPERTS) / math.sqrt(WIDTH)

    def ours(query: Tensor, key: Tensor, value: Tensor) -> Callable[[], Tensor]:
        places = routing.capacity(1.25, query.shape[1], TOP_K, EXPERTS)

        def read(asked: Tensor) -> Tensor:
            e, b, c, _ = asked.shape
            rows = asked.transpose(0, 1).flatten(1, 2)
            found = moe.read(rows, key, value, None, scale=1 / math.sqrt(WIDTH))
            return found.view(b, e, c, -1).transpose(0, 1)

        def call() -> Tensor:
            _, gates = routing.route(query @ router, None, TOP_K)
            return routing.routed(query, gates, places, read, read)[0]

        return call

    make = ("MoEAttention", {"dim": WIDTH, "numExperts": EXPERTS, "topK": TOP_K})
    return Peer(name="experts", make=make, ours=ours, at_least=(None, 10))


def hyperbolic() -> Peer:
    """Distances in the Lorentz model and its centroid; theirs searches the mean in the Poincare ball."""
    c = torch.tensor(1.0)

    def ours(query: Tensor, key: Tensor, value: Tensor) -> Callable[[], Tensor]:
        return lambda: curved.attend(query, key, value, c)[0]

    make = ("HyperbolicAttention", WIDTH, -1)
    return Peer(name="hyperbolic", make=make, ours=ours, at_least=(25, 300))


def recurrence() -> Peer:
    """State update and read of an event, after the events before it; theirs works through all keys anew."""

    def ours(query: Tensor, key: Tensor, value: Tensor) -> Callable[[], Tensor]:
        q, k, v = (_features(x[..., : HEADS * size], size) for x, size in ((query, KERNEL), (key, KERNEL), (value, 64)))
        q, k = F.normalize(q, dim=-1), F.normalize(k, dim=-1)
        empty = torch.zeros(1, HEADS, KERNEL, v.shape[-1])
        log_keep, write = (torch.full(k.shape[:3], fill) for fill in (-0.01, 0.5))
        if query.shape[1] > 1:
            return lambda: delta_rule.chunked(q, k, v, log_keep, write, empty, 64)[0].transpose(1, 2).flatten(2)
        past_k, past_v, past_keep, past_write = (x[:, :, :-1] for x in (k, v, log_keep, write))
        _, state = delta_rule.chunked(past_k, past_k, past_v, past_keep, past_write, empty, 64)
        event = (x[:, :, -1:] for x in (q, k, v, log_keep.exp()[..., None], write[..., None]))
        rows = [x.flatten(0, 1).contiguous() for x in (state, *event)]  # a memory a head
        return lambda: delta_rule.update(*rows)[0].view(1, 1, -1)

    return Peer(name="recurrence", make=("LinearAttention", WIDTH, KERNEL), ours=ours, at_least=(30, None))


def step() -> Peer:
    """An event through a whole layer with learned projections; theirs has none."""
    layer = linear.LinearAttention.Config(
        width=WIDTH, key_width=WIDTH, value_width=WIDTH, heads=HEADS, kernel_size=KERNEL
    ).build()

    def ours(query: Tensor, key: Tensor, value: Tensor) -> Callable[[], Tensor]:
        if query.shape[1] > 1:
            return lambda: layer(query, key, value).output
        state = layer(key, key, value).extras["state"]
        event = query[:, 0], key[:, -1], value[:, -1]
        return lambda: layer.step(*event, state)[0][:, None]

    return Peer(name="step", make=("LinearAttention", WIDTH, KERNEL), ours=ours, at_least=(8, None))


def _features(x: Tensor, size: int) -> Tensor:
    """[1, N, H size] to [1, H, N, size]."""
    return x.view(*x.shape[:2], HEADS, size).transpose(1, 2)
