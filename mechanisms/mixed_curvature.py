"""Attention on a product of spaces whose curvatures are learned: flat, hyperbolic and spherical at the start.

``softmax_j(-sum_i s_i^2 d_i(q_i, k_ij)^2)``, the squared geodesic of the product with a scale s_i for each factor;
values meet in each factor's gyromidpoint, and the answer is its vector at the origin (Gu et al. 2019; Bachmann et al.
2020; Cho et al. 2023).  A curvature is a plain real number: a factor may pass through zero and change its sign.

Letters: B batch, H heads, Nq queries, Nk keys, F factors, W_i width of a factor, W their sum, d = W_i / H.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mechanisms import stereographic
from mechanisms.base import AttentionOutput, check_shapes, check_width, checked, masked_softmax
from mechanisms.dot_product import join, matrix, split
from mechanisms.registry import register


@register("mixed_curvature")
class MixedCurvatureAttention(nn.Module):
    """Each factor reads and answers its own columns; no map has a bias, so a fully masked row answers exactly zero."""

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Config:
        """Sizes and start of the layer."""

        widths: tuple[int, ...] = (128, 128, 64)
        """W_i: query, key, value and output hold the factors' columns in this order."""
        curvatures: tuple[float, ...] = (0.0, -1.0, 1.0)
        """Start of each factor's learned curvature, of either sign, the same in all heads."""
        heads: int = 4
        scale: float = 1.0
        """Start of the learned s_i."""
        radius: float = 5.0
        """Below zero points farther than ``radius / sqrt(-k)`` from the origin are drawn back to it; above it, those
        farther than ``stereographic.REACH / sqrt(k)``."""
        seed: int = 0

        def build(self) -> MixedCurvatureAttention:
            """A layer with weights drawn from ``seed``."""
            return MixedCurvatureAttention(self)

    def __init__(self, config: Config) -> None:
        """Draw the weights.

        Raises:
            ValueError: if widths and curvatures differ in number, or the heads do not divide a width.
        """
        super().__init__()
        _check(config)
        self.config = config
        rng = torch.Generator().manual_seed(config.seed)
        factors = zip(config.widths, config.curvatures, strict=True)
        made = nn.ModuleList(Factor(width, curvature, config, rng) for width, curvature in factors)
        self.factors = cast("Sequence[Factor]", made)

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, *, need_weights: bool = False
    ) -> AttentionOutput:
        """Attend.

        Args:
            query: [B, Nq, W].
            key: [B, Nk, W].
            value: [B, Nk, W].
            mask: [B, Nk] boolean, True keeps.
            need_weights: whether to return the weights and ``distances``.

        Returns:
            Output [B, Nq, W]; on request weights [B, H, Nq, Nk] and extras ``distances`` [B, F, H, Nq, Nk], those of
            each factor before its scale.

        Raises:
            ValueError: on shapes that disagree.
            RuntimeError: on NaN or infinity in the output.
        """
        check_shapes(query, key, value, mask)
        for name, x in (("query", query), ("key", key), ("value", value)):
            check_width(name, x, sum(self.config.widths))
        queries, keys, values = (torch.split(x, [*self.config.widths], dim=-1) for x in (query, key, value))
        squares = [f.square_distances(q, k) for f, q, k in zip(self.factors, queries, keys, strict=True)]
        scaled = [f.scale.square()[:, None, None] * d for f, d in zip(self.factors, squares, strict=True)]
        logits = -torch.stack(scaled).sum(0)
        weights = masked_softmax(logits, None if mask is None else mask[:, None, None])
        output = torch.cat([f.read(weights, v) for f, v in zip(self.factors, values, strict=True)], dim=-1)
        extras = {"distances": torch.stack(squares, dim=1).sqrt()} if need_weights else {}
        return AttentionOutput(checked(output, "mixed_curvature"), weights if need_weights else None, extras)


class Factor(nn.Module):
    """One space of the product: learned maps at the origin, and the curvature and scale of each head."""

    def __init__(
        self, width: int, curvature: float, config: MixedCurvatureAttention.Config, rng: torch.Generator
    ) -> None:
        """Draw the weights: rows of unit variance are lifted to about radius 1."""
        super().__init__()
        self.heads, self.radius = config.heads, config.radius
        unit = math.sqrt(width // config.heads)
        self.query_weight, self.key_weight, self.value_weight = (matrix(width, width, rng, 1 / unit) for _ in range(3))
        self.output_weight = matrix(width, width, rng, unit)
        self.curvature = nn.Parameter(torch.full((config.heads,), curvature))
        self.scale = nn.Parameter(torch.full((config.heads,), config.scale))

    def square_distances(self, query: Tensor, key: Tensor) -> Tensor:
        """[B, Nq, W_i] and [B, Nk, W_i] to [B, H, Nq, Nk]."""
        k = self.curvature[:, None, None]
        q, p = self._lift(query, self.query_weight), self._lift(key, self.key_weight)
        return stereographic.square_distances(stereographic.exp0(q, k), stereographic.exp0(p, k), k)

    def read(self, weights: Tensor, value: Tensor) -> Tensor:
        """Vectors at the origin to the midpoints of ``value`` [B, Nk, W_i], mapped: [B, Nq, W_i].

        A point at the end of v has ``l x = sin_k(|v|) v / |v|`` and ``l - 1 = cos_k(|v|)``, and log0 of the midpoint is
        ``atan_k`` of their sums' ratio: the half drops out.
        """
        k = self.curvature[:, None, None]
        v = self._lift(value, self.value_weight)
        z = k * stereographic.square(v)
        read = _settle(weights @ (stereographic.sin(z) * v), weights @ stereographic.cos(z), k)
        return F.linear(join(read), self.output_weight)

    def _lift(self, x: Tensor, weight: Tensor) -> Tensor:
        """[B, N, W_i] to vectors at the origin [B, H, N, d], no longer than the space allows."""
        v = split(F.linear(x, weight), self.heads)
        z = self.curvature[:, None, None] * stereographic.square(v)
        longest = torch.where(z > 0, stereographic.REACH**2, torch.full_like(z, self.radius**2))
        return v * (longest / z.abs().clamp(min=torch.finfo(v.dtype).tiny)).clamp(max=1).sqrt()


def _settle(others: Tensor, first: Tensor, k: Tensor) -> Tensor:
    # cos_k is at least cos(REACH) wherever a key is kept; 0 over 0 is the origin.
    ratio = others / first.clamp(min=math.cos(stereographic.REACH) / 2)
    return ratio * stereographic.atan(k * stereographic.square(ratio))


def naive(
    layer: MixedCurvatureAttention, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
) -> Tensor:
    """The definition, in float64, one row, query and head at a time: the oracle of ``forward``.

    Args:
        layer: whose weights are used.
        query: [B, Nq, W].
        key: [B, Nk, W].
        value: [B, Nk, W].
        mask: [B, Nk] boolean.

    Returns:
        [B, Nq, W] in float64.
    """
    rows = []
    for b in range(query.shape[0]):
        kept = [j for j in range(key.shape[1]) if mask is None or mask[b, j]]
        for i in range(query.shape[1]):
            q, k, v = (
                torch.split(x.double(), [*layer.config.widths], dim=-1)
                for x in (query[b, i], key[b, kept], value[b, kept])
            )
            heads = [_head(layer, h, q, k, v) for h in range(layer.config.heads)]
            joined = [torch.cat(parts) for parts in zip(*heads, strict=True)]
            answers = [f.output_weight.double() @ x for f, x in zip(layer.factors, joined, strict=True)]
            rows.append(torch.cat(answers))
    return torch.stack(rows).view(query.shape)


Parts = tuple[Tensor, ...]


def _head(layer: MixedCurvatureAttention, head: int, query: Parts, keys: Parts, values: Parts) -> list[Tensor]:
    """One head's answer to one query, [d] of each factor."""
    if len(keys[0]) == 0:
        return [x.new_zeros(len(x) // layer.config.heads) for x in query]
    logits = torch.zeros(len(keys[0]), dtype=torch.float64)
    for factor, q, k in zip(layer.factors, query, keys, strict=True):
        x = _point(factor, head, factor.query_weight, q)
        y = torch.stack([_point(factor, head, factor.key_weight, each) for each in k])
        gaps = stereographic.distance(x.expand_as(y), y, factor.curvature[head, None].double())
        logits = logits - (factor.scale[head].double() * gaps).square()
    weights = torch.softmax(logits, 0)
    answers = []
    for factor, v in zip(layer.factors, values, strict=True):
        k = factor.curvature[head, None].double()
        points = torch.stack([_point(factor, head, factor.value_weight, each) for each in v])
        answers.append(stereographic.log0(stereographic.gyromidpoint(points, weights[None], k)[0], k))
    return answers


def _point(factor: Factor, head: int, weight: Tensor, row: Tensor) -> Tensor:
    """Where a row is lifted to, or where its way leaves what the space allows."""
    d = len(row) // factor.heads
    v, k = weight[head * d : (head + 1) * d].double() @ row, factor.curvature[head, None].double()
    far = k.abs().sqrt() * v.norm()
    longest = stereographic.REACH if k > 0 else factor.radius
    return stereographic.exp0(v * (longest / far) if far > longest else v, k)


def _check(config: MixedCurvatureAttention.Config) -> None:
    if len(config.widths) != len(config.curvatures):
        raise ValueError(f"{len(config.widths)} widths do not pair with {len(config.curvatures)} curvatures")
    for width in config.widths:
        if config.heads < 1 or width % config.heads:
            raise ValueError(f"width {width} is not a multiple of {config.heads} heads")
    if config.radius <= 0:
        raise ValueError(f"radius {config.radius} is not above zero")
