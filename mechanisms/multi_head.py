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

from mechanisms.base import AttentionOutput, check_shapes, check_width, masked_softmax
from mechanisms.registry import register


@register("multi_head")
class MultiHeadAttention(nn.Module):
    """Attention whose projections have no bias, so a fully masked row answers exactly zero."""

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Config:
        """Sizes and start of the layer."""

        width: int = 64
        """W, of the query and of the output."""
        key_width: int = 64
        value_width: int = 64
        heads: int = 4
        element_queries: int = 0
        """Learned queries used when none is given."""
        qk_norm: bool = True
        """Unit-length queries and keys; the logits of head h lie in [-g_h, g_h]."""
        logit_scale: float = 10.0
        """Start of the learned g_h under ``qk_norm``; without it g_h starts at 1/sqrt(d)."""
        seed: int = 0

        def build(self) -> MultiHeadAttention:
            """A layer with weights drawn from ``seed``."""
            return MultiHeadAttention(self)

    def __init__(self, config: Config) -> None:
        """Draw the weights.

        Raises:
            ValueError: if the heads do not divide the width.
        """
        super().__init__()
        if config.heads < 1 or config.width % config.heads:
            raise ValueError(f"width {config.width} is not a multiple of {config.heads} heads")
        self.config = config
        rng = torch.Generator().manual_seed(config.seed)
        self.query_weight = _matrix(config.width, config.width, rng)
        self.key_weight = _matrix(config.width, config.key_width, rng)
        self.value_weight = _matrix(config.width, config.value_width, rng)
        self.output_weight = _matrix(config.width, config.width, rng)
        self.queries = nn.Parameter(torch.randn(config.element_queries, config.width, generator=rng))
        start = config.logit_scale if config.qk_norm else 1 / math.sqrt(config.width // config.heads)
        self.scale = nn.Parameter(torch.full((config.heads,), start))

    def forward(self, query: Tensor | None, key: Tensor, value: Tensor, mask: Tensor | None = None) -> AttentionOutput:
        """Attend.

        Args:
            query: [B, Nq, W], or None for the learned ones.
            key: [B, Nk, key_width].
            value: [B, Nk, value_width].
            mask: [B, Nk] boolean, True keeps.

        Returns:
            Output [B, Nq, W]; weights [B, H, Nq, Nk]; no extras.

        Raises:
            ValueError: on shapes that disagree, or no query where none is learned.
        """
        query = self._query(query, key)
        check_shapes(query, key, value, mask)
        check_width("query", query, self.config.width)
        check_width("key", key, self.config.key_width)
        check_width("value", value, self.config.value_width)
        q = self._normal(self._heads(F.linear(query, self.query_weight)))
        k = self._normal(self._heads(F.linear(key, self.key_weight)))
        v = self._heads(F.linear(value, self.value_weight))
        logits = self.scale[:, None, None] * (q @ k.transpose(-1, -2))  # [B, H, Nq, Nk]
        weights = masked_softmax(logits, None if mask is None else mask[:, None, None])
        joined = (weights @ v).transpose(1, 2).flatten(2)  # [B, Nq, W]
        return AttentionOutput(F.linear(joined, self.output_weight), weights)

    def _query(self, query: Tensor | None, key: Tensor) -> Tensor:
        if query is not None:
            return query
        if self.config.element_queries == 0:
            raise ValueError("no query given and element_queries is 0")
        return self.queries.expand(key.shape[0], -1, -1)

    def _heads(self, x: Tensor) -> Tensor:
        """[B, N, W] to [B, H, N, d]."""
        return x.reshape(*x.shape[:2], self.config.heads, -1).transpose(1, 2)

    def _normal(self, x: Tensor) -> Tensor:
        return F.normalize(x, dim=-1) if self.config.qk_norm else x


def _matrix(rows: int, columns: int, rng: torch.Generator) -> nn.Parameter:
    return nn.Parameter(nn.init.xavier_uniform_(torch.empty(rows, columns), generator=rng))


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
                q = layer._normal(w_q[rows] @ query[b, i].double())
                k = layer._normal(key[b, kept].double() @ w_k[rows].T)
                v = value[b, kept].double() @ w_v[rows].T
                pieces.append(torch.softmax(scale[h] * (k @ q), 0) @ v)
            output[b, i] = w_o @ torch.cat(pieces)
    return output
