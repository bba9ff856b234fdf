"""Attention for long sequences: memory linear in the length, and sequences of different length in one tensor.

It is scaled dot-product attention (Vaswani et al. 2017) to the last digit of rounding; what differs is
how it is computed (Dao et al. 2022).  Torch's fused kernel is faster wherever it computes what is asked without
a table of queries by keys; ``blockwise`` does the rest.

Letters: B batch, H heads, Nq queries, Nk keys, W width, d width of a head (W = H d), S sequences.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mechanisms.base import AttentionOutput, check_shapes, check_width, checked
from mechanisms.blockwise import Part, blockwise, weights_of
from mechanisms.dot_product import attend, attend_projected, check_heads, join, matrix, split
from mechanisms.packed import packed
from mechanisms.registry import register


@register("flash")
class FlashAttention(nn.Module):
    """Attention whose projections have no bias, so a fully masked row answers exactly zero."""

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Config:
        """Size and form of the layer."""

        width: int = 256
        """W, of query, key, value and output."""
        heads: int = 4
        """H, which divides W."""
        block_size: int = 64
        """Keys at a time in the blockwise form: memory grows with it, the result does not depend on it."""
        causal: bool = False
        """The last query sees all keys, each one before it one key less."""
        seed: int = 0
        """Of the weights."""

        def build(self) -> FlashAttention:
            """A layer with weights drawn from ``seed``."""
            return FlashAttention(self)

    def __init__(self, config: Config) -> None:
        """Draw the weights.

        Raises:
            ValueError: if the heads do not divide the width, or a block has no keys.
        """
        super().__init__()
        check_heads(config.width, config.heads)
        if config.block_size < 1:
            raise ValueError(f"block_size is {config.block_size}, expected 1 or more")
        self.config = config
        rng = torch.Generator().manual_seed(config.seed)
        self.query_weight = matrix(config.width, config.width, rng)
        self.key_weight = matrix(config.width, config.width, rng)
        self.value_weight = matrix(config.width, config.width, rng)
        self.output_weight = matrix(config.width, config.width, rng)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None = None,
        *,
        query_offsets: Tensor | None = None,
        key_offsets: Tensor | None = None,
        need_weights: bool = False,
    ) -> AttentionOutput:
        """Attend.

        Args:
            query: [B, Nq, W]; packed [1, Tq, W], sequences end to end.
            key: [B, Nk, W]; packed [1, Tk, W].
            value: as ``key``.
            mask: [B, Nk] boolean, True keeps; not with packed sequences, which need none.
            query_offsets: [S + 1] integers from 0 to Tq, where the sequences begin and end.
            key_offsets: [S + 1], the same for keys; those of the queries if left out.
            need_weights: whether to tell who read what, which needs room for queries by keys.

        Returns:
            Output [B, Nq, W]; with ``need_weights`` also weights [B, H, Nq, Nk] and the extra ``lse`` [B, H, Nq],
            the log-sum-exp of the logits, by which parts over different keys are merged; -inf for a query that
            sees no key.

        Raises:
            ValueError: on shapes that disagree, or packed sequences with a mask or ``need_weights``.
            RuntimeError: on NaN or infinity.
        """
        self._check(query, key, value, mask)
        q = F.linear(query, self.query_weight)
        if need_weights and query_offsets is None:
            return self._told(q, *self._projected(key, value), mask)
        if query_offsets is None:
            read = self._attend(q, key, value, mask)
        elif q.shape[0] != 1 or mask is not None or need_weights:
            raise ValueError(f"packed sequences are one row without mask or need_weights, query is {tuple(q.shape)}")
        else:
            read = self._packed(q, key, value, query_offsets, key_offsets)
        return AttentionOutput(self._output(read))

    def _check(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> None:
        check_shapes(query, key, value, mask)
        for name, tensor in (("query", query), ("key", key), ("value", value)):
            check_width(name, tensor, self.config.width)

    def _attend(self, q: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        """The rule: torch's kernel, but not where it would need a mask of queries by keys."""
        if not self.config.causal or (q.shape[1] == 1 and mask is None):  # One query, the last one, sees all keys.
            return attend_projected(q, key, value, self.key_weight, self.value_weight, mask, self.config.heads)
        k, v = self._projected(key, value)
        if mask is None and q.shape[1] == k.shape[1]:
            return attend(q, k, v, heads=self.config.heads, causal=True)
        return join(self._blockwise(q, k, v, mask)[0])

    def _projected(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        return F.linear(key, self.key_weight), F.linear(value, self.value_weight)

    def _output(self, read: Tensor) -> Tensor:
        return checked(F.linear(read, self.output_weight), "flash")

    def _blockwise(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Part:
        c = self.config
        q, k, v = (split(x, c.heads) for x in (q, k, v))
        return blockwise(q, k, v, mask, block_size=c.block_size, causal=c.causal, scale=self._scale())

    def _told(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> AttentionOutput:
        c = self.config
        read, lse = self._blockwise(q, k, v, mask)
        q, k = split(q, c.heads), split(k, c.heads)
        weights = weights_of(q, k, lse, mask, causal=c.causal, scale=self._scale())
        return AttentionOutput(self._output(join(read)), weights, {"lse": lse[..., 0]})

    def _packed(
        self, q: Tensor, key: Tensor, value: Tensor, query_offsets: Tensor, key_offsets: Tensor | None
    ) -> Tensor:
        def attention(q: Tensor, key: Tensor, value: Tensor) -> Tensor:
            return self._attend(q, key, value, None)

        ends = query_offsets if key_offsets is None else key_offsets
        return packed(attention, q[0], key[0], value[0], query_offsets, ends)[None]

    def _scale(self) -> float:
        return 1 / math.sqrt(self.config.width // self.config.heads)


def naive(layer: FlashAttention, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
    """The definition, in float64, one row, query and head at a time: the oracle of ``forward``; [B, Nq, W]."""
    weights = (layer.query_weight, layer.key_weight, layer.value_weight, layer.output_weight)
    w_q, w_k, w_v, w_o = (weight.double() for weight in weights)
    d, late = layer.config.width // layer.config.heads, key.shape[1] - query.shape[1]
    output = torch.zeros(query.shape, dtype=torch.float64)
    for b in range(query.shape[0]):
        for i in range(query.shape[1]):
            seen = [j for j in range(key.shape[1]) if not layer.config.causal or j <= i + late]
            kept = [j for j in seen if mask is None or mask[b, j]]
            pieces = []
            for rows in (slice(h * d, (h + 1) * d) for h in range(layer.config.heads)):
                k, v = key[b, kept].double() @ w_k[rows].T, value[b, kept].double() @ w_v[rows].T
                logits = k @ (w_q[rows] @ query[b, i].double()) / math.sqrt(d)
                pieces.append(torch.softmax(logits, 0) @ v)
            output[b, i] = w_o @ torch.cat(pieces)
    return output
