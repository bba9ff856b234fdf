"""Multi-head attention with learned projections, normalised queries and keys, and learned queries.

``softmax(g_h <q_h, k_h>) v_h`` per head, joined and projected (Vaswani et al. 2017), with
``q`` and ``k`` of unit length (Henry et al. 2020) and, when no query is given, one learned
query per element to pool with (Lee et al. 2019).

Letters: B batch, H heads, Nq queries, Nk keys, W width, d width of a head (W = H d).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mechanisms.base import AttentionOutput, check_shapes, check_width, checked
from mechanisms.dot_product import attend, attention_weights, check_heads, few, join, matrix, mix, project
from mechanisms.registry import register


@register("multi_head")
class MultiHeadAttention(nn.Module):
    """Attention whose projections have no bias, so a fully masked row answers exactly zero."""

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Config:
        """Sizes and start of the layer."""

        width: int = 256
        """W, of the query and of the output."""
        key_width: int = 256
        """Width of a key."""
        value_width: int = 256
        """Width of a value."""
        heads: int = 4
        """H, which divides W."""
        element_queries: int = 0
        """Learned queries used when none is given."""
        qk_norm: bool = True
        """Unit-length queries and keys; the logits of head h lie in [-g_h, g_h]."""
        logit_scale: float = 10.0
        """Start of the learned g_h under ``qk_norm``; without it g_h starts at 1/sqrt(d)."""
        seed: int = 0
        """Of the weights."""

        def build(self) -> MultiHeadAttention:
            """A layer with weights drawn from ``seed``."""
            return MultiHeadAttention(self)

    def __init__(self, config: Config) -> None:
        """Draw the weights.

        Raises:
            ValueError: if the heads do not divide the width.
        """
        super().__init__()
        check_heads(config.width, config.heads)
        self.config = config
        rng = torch.Generator().manual_seed(config.seed)
        self.query_weight = matrix(config.width, config.width, rng)
        self.key_weight = matrix(config.width, config.key_width, rng)
        self.value_weight = matrix(config.width, config.value_width, rng)
        self.output_weight = matrix(config.width, config.width, rng)
        self.queries = nn.Parameter(torch.randn(config.element_queries, config.width, generator=rng))
        start = config.logit_scale if config.qk_norm else 1 / math.sqrt(config.width // config.heads)
        self.scale = nn.Parameter(torch.full((config.heads,), start))

    def forward(
        self,
        query: Tensor | None,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None = None,
        *,
        need_weights: bool = False,
    ) -> AttentionOutput:
        """Attend.

        Args:
            query: [B, Nq, W], or None for the learned ones.
            key: [B, Nk, key_width].
            value: [B, Nk, value_width].
            mask: [B, Nk] boolean, True keeps.
            need_weights: whether to tell who read what; the fused kernel cannot, so it takes longer.

        Returns:
            Output [B, Nq, W]; with ``need_weights`` also weights [B, H, Nq, Nk] and, in extras,
            ``head_outputs`` [B, H, Nq, d], what the output projection joins.

        Raises:
            ValueError: on shapes that disagree, or no query where none is learned.
            RuntimeError: on NaN or infinity.
        """
        query = self._query(query, key)
        self._check(query, key, value, mask)
        heads = self.config.heads
        q = self._unit(F.linear(query, self.query_weight)) * self.scale[:, None]  # [B, Nq, H, d]
        k = self._unit(F.linear(key, self.key_weight))  # [B, Nk, H, d]
        if not need_weights and not few(query.shape[1], key.shape[1], self.config.width, heads):
            read = attend(q.flatten(2), k.flatten(2), F.linear(value, self.value_weight), mask, heads, scale=1.0)
            return AttentionOutput(checked(F.linear(read, self.output_weight), "multi_head"))
        weights = attention_weights(q.transpose(1, 2), k.transpose(1, 2), mask)
        # Values are mixed before they are projected: few mixtures are cheaper to project than all values.
        read = project(mix(weights, value), self.value_weight)
        output = checked(F.linear(join(read), self.output_weight), "multi_head")
        return AttentionOutput(output, weights, {"head_outputs": read}) if need_weights else AttentionOutput(output)

    def _query(self, query: Tensor | None, key: Tensor) -> Tensor:
        if query is not None:
            return query
        if self.config.element_queries == 0:
            raise ValueError("no query given and element_queries is 0")
        return self.queries.expand(key.shape[0], -1, -1)

    def _check(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> None:
        check_shapes(query, key, value, mask)
        check_width("query", query, self.config.width)
        check_width("key", key, self.config.key_width)
        check_width("value", value, self.config.value_width)

    def _unit(self, x: Tensor) -> Tensor:
        """[B, N, W] to [B, N, H, d], each d of length 1 under ``qk_norm``."""
        x = torch.unflatten(x, -1, (self.config.heads, -1))
        return F.normalize(x, dim=-1) if self.config.qk_norm else x


def naive(layer: MultiHeadAttention, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
    """The definition, in float64, one row, query and head at a time: the oracle of ``forward``.

    Args:
        layer: whose weights are used.
        query: [B, Nq, W].
        key: [B, Nk, key_width].
        value: [B, Nk, value_width].
        mask: [B, Nk] boolean.

    Returns:
        [B, Nq, W] in float64.
    """
    w_q, w_k, w_v, w_o, scale = (
        p.double() for p in (layer.query_weight, layer.key_weight, layer.value_weight, layer.output_weight, layer.scale)
    )
    d = layer.config.width // layer.config.heads
    output = torch.zeros(query.shape, dtype=torch.float64)
    for b in range(query.shape[0]):
        kept = [j for j in range(key.shape[1]) if mask is None or mask[b, j]]
        for i in range(query.shape[1]) if kept else ():
            pieces = []
            for h in range(layer.config.heads):
                rows = slice(h * d, (h + 1) * d)
                q = w_q[rows] @ query[b, i].double()
                k = key[b, kept].double() @ w_k[rows].T
                v = value[b, kept].double() @ w_v[rows].T
                if layer.config.qk_norm:
                    q, k = q / q.norm(), k / k.norm(dim=1, keepdim=True)
                pieces.append(torch.softmax(scale[h] * (k @ q), 0) @ v)
            output[b, i] = w_o @ torch.cat(pieces)
    return output
