"""Cross attention: rows of one width read rows of another, through a gate that starts closed.

``q + tanh(g) W_o softmax(<W_q q, W_k k> / sqrt(d)) W_v v`` (Vaswani et al. 2017; the gate: Alayrac et al. 2022):
at the start ``g = 0`` and the answer is the query itself, so a bridge may be put into something that works.

Letters: B batch, H heads, Nq queries, Nk keys, W width of the query, d width of a head (W = H d).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mechanisms.base import AttentionOutput, check_shapes, check_width, checked
from mechanisms.dot_product import attend_projected, attention_weights, check_heads, join, matrix, mix, project, split
from mechanisms.registry import register


@register("cross")
class CrossAttention(nn.Module):
    """A bridge without biases, so that where no key is kept it adds nothing."""

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Config:
        """Sizes and start of the layer."""

        query_width: int = 256
        """W, of the query and of the output."""
        key_width: int = 384
        """Width of a key."""
        value_width: int = 384
        """Width of a value."""
        heads: int = 4
        """H, which divides W."""
        gate: float = 0.0
        """Start of the learned g; at 0 the answer is the query, to the bit."""
        seed: int = 0
        """Of the weights."""

        def build(self) -> CrossAttention:
            """A layer with weights drawn from ``seed``."""
            return CrossAttention(self)

    def __init__(self, config: Config) -> None:
        """Draw the weights.

        Raises:
            ValueError: if the heads do not divide the query's width.
        """
        super().__init__()
        check_heads(config.query_width, config.heads)
        self.config = config
        rng = torch.Generator().manual_seed(config.seed)
        self.query_weight = matrix(config.query_width, config.query_width, rng)
        self.key_weight = matrix(config.query_width, config.key_width, rng)
        self.value_weight = matrix(config.query_width, config.value_width, rng)
        self.output_weight = matrix(config.query_width, config.query_width, rng)
        self.gate = nn.Parameter(torch.tensor(config.gate))

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, *, need_weights: bool = False
    ) -> AttentionOutput:
        """Add to each query what it reads of the other side.

        Args:
            query: [B, Nq, W].
            key: [B, Nk, key_width].
            value: [B, Nk, value_width].
            mask: [B, Nk] boolean, True keeps; a row with nothing kept answers its query.
            need_weights: whether to tell who read what; the fused kernel cannot, so it takes longer.

        Returns:
            Output [B, Nq, W]; with ``need_weights`` also weights [B, H, Nq, Nk] and, in extras, ``bridge``
            [B, Nq, W], what the gate lets through or not.

        Raises:
            ValueError: on shapes that disagree.
            RuntimeError: on NaN or infinity.
        """
        self._check(query, key, value, mask)
        q = F.linear(query, self.query_weight)
        weights = self._weights(q, key, mask) if need_weights else None
        if weights is None:
            read = attend_projected(q, key, value, self.key_weight, self.value_weight, mask, self.config.heads)
        else:
            read = join(project(mix(weights, value), self.value_weight))
        bridge = F.linear(read, self.output_weight)
        output = checked(query + torch.tanh(self.gate) * bridge, "cross")
        return AttentionOutput(output, weights, {"bridge": bridge} if need_weights else {})

    def _check(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> None:
        check_shapes(query, key, value, mask)
        check_width("query", query, self.config.query_width)
        check_width("key", key, self.config.key_width)
        check_width("value", value, self.config.value_width)

    def _weights(self, q: Tensor, key: Tensor, mask: Tensor | None) -> Tensor:
        """[B, H, Nq, Nk]."""
        k = split(F.linear(key, self.key_weight), self.config.heads)
        return attention_weights(split(q, self.config.heads), k, mask, 1 / math.sqrt(k.shape[-1]))


def naive(layer: CrossAttention, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
    """The definition, in float64, one row, query and head at a time: the oracle of ``forward``; [B, Nq, W]."""
    weights = (layer.query_weight, layer.key_weight, layer.value_weight, layer.output_weight)
    w_q, w_k, w_v, w_o = (weight.double() for weight in weights)
    d = layer.config.query_width // layer.config.heads
    rows = []
    for b in range(query.shape[0]):
        kept = [j for j in range(key.shape[1]) if mask is None or mask[b, j]]
        for i in range(query.shape[1]):
            pieces = []
            for head in (slice(h * d, (h + 1) * d) for h in range(layer.config.heads)):
                k, v = key[b, kept].double() @ w_k[head].T, value[b, kept].double() @ w_v[head].T
                logits = k @ (w_q[head] @ query[b, i].double()) / math.sqrt(d)
                pieces.append(torch.softmax(logits, 0) @ v)
            rows.append(query[b, i].double() + torch.tanh(layer.gate.double()) * (w_o @ torch.cat(pieces)))
    return torch.stack(rows).view(query.shape)
