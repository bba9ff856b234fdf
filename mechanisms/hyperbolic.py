"""Hyperbolic attention: queries read near keys of a space that branches like a tree.

``softmax_j(-beta_h d(q, k_j) + <b_h, k_j>)`` with the distance of curvature ``-c_h``; values meet in their Lorentz
centroid, and the answer is that point's vector at the origin (Gulcehre et al. 2019; Law et al. 2019).  Learned maps
act on vectors at the origin, before the lift and after the way back.

Letters: B batch, H heads, Nq queries, Nk keys, W width, d width of a head (W = H d).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mechanisms import lorentz
from mechanisms.base import AttentionOutput, check_shapes, check_width, checked, masked_softmax
from mechanisms.dot_product import join, matrix, split
from mechanisms.registry import register


@register("hyperbolic")
class HyperbolicAttention(nn.Module):
    """Attention by distance in curved space; no map has a bias, so a fully masked row answers exactly zero."""

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Config:
        """Sizes and start of the layer."""

        width: int = 256
        """W, of the query and of the output."""
        key_width: int = 256
        value_width: int = 256
        heads: int = 4
        curvature: float = -1.0
        """Start of each head's learned curvature, below zero."""
        sharpness: float = 1.0
        """Start of each head's learned beta, what a unit of distance costs."""
        radius: float = 5.0
        """Points farther than ``radius / sqrt(c)`` from the origin are drawn back to it; see ``attend``."""
        seed: int = 0

        def build(self) -> HyperbolicAttention:
            """A layer with weights drawn from ``seed``."""
            return HyperbolicAttention(self)

    def __init__(self, config: Config) -> None:
        """Draw the weights: rows of unit variance are lifted to about radius 1.

        Raises:
            ValueError: if the heads do not divide the width, or a curvature or sharpness has the wrong sign.
        """
        super().__init__()
        _check(config)
        self.config = config
        rng = torch.Generator().manual_seed(config.seed)
        unit = math.sqrt(config.width // config.heads)
        self.query_weight = matrix(config.width, config.width, rng, 1 / unit)
        self.key_weight = matrix(config.width, config.key_width, rng, 1 / unit)
        self.value_weight = matrix(config.width, config.value_width, rng, 1 / unit)
        self.output_weight = matrix(config.width, config.width, rng, unit)
        self.key_bias = nn.Parameter(torch.zeros(config.heads, config.key_width))
        self.raw_curvature = nn.Parameter(torch.full((config.heads,), _inverse_softplus(-config.curvature)))
        self.raw_sharpness = nn.Parameter(torch.full((config.heads,), _inverse_softplus(config.sharpness)))

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, *, need_weights: bool = False
    ) -> AttentionOutput:
        """Attend.

        Args:
            query: [B, Nq, W].
            key: [B, Nk, key_width].
            value: [B, Nk, value_width].
            mask: [B, Nk] boolean, True keeps.
            need_weights: whether to return the weights.

        Returns:
            Output [B, Nq, W]; on request weights [B, H, Nq, Nk]; no extras.

        Raises:
            ValueError: on shapes that disagree.
            RuntimeError: on NaN or infinity in the output.
        """
        self._check_inputs(query, key, value, mask)
        q = split(F.linear(query, self.query_weight), self.config.heads)
        k = split(F.linear(key, self.key_weight), self.config.heads)
        v = split(F.linear(value, self.value_weight), self.config.heads)
        bias = F.linear(key, self.key_bias).transpose(1, 2)[:, :, None]  # [B, H, 1, Nk]
        kept = None if mask is None else mask[:, None, None]
        c, beta = self.curvature()[:, None, None], self.sharpness()[:, None, None]
        read, weights = attend(q, k, v, c, beta, bias=bias, mask=kept, radius=self.config.radius)
        output = F.linear(join(read), self.output_weight)
        return AttentionOutput(checked(output, "hyperbolic"), weights if need_weights else None)

    def curvature(self) -> Tensor:
        """How much each head's space is curved, [H]: c, positive; the curvature is -c."""
        return F.softplus(self.raw_curvature)

    def sharpness(self) -> Tensor:
        """What a unit of distance costs in each head, [H]: beta, positive."""
        return F.softplus(self.raw_sharpness)

    def _check_inputs(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> None:
        check_shapes(query, key, value, mask)
        check_width("query", query, self.config.width)
        check_width("key", key, self.config.key_width)
        check_width("value", value, self.config.value_width)


def attend(
    query: Tensor, key: Tensor, value: Tensor, c: Tensor, beta: Tensor | float = 1.0, *,
    bias: Tensor | None = None, mask: Tensor | None = None, radius: float = 5.0,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Hyperbolic attention without learned maps, all arguments and the answer being vectors at the origin.

    Distances come from one matrix product, ``cosh(sqrt(c) d) = -c <q, k>_L``.  That cancels for near points far out:
    with both at ``a = sqrt(c) r``, cosh is wrong by a few times ``eps e^(2 a) / 4``, and a distance d by that over
    ``sqrt(c) sinh(sqrt(c) d)``.  It is what ``radius`` is for: at 5 and c = 1, float32 knows every distance to 0.08
    and those of 1 or more to 3e-3.  ``lorentz.tangent_distance`` does not cancel.

    Args:
        query: [..., Nq, d].
        key: [..., Nk, d].
        value: [..., Nk, d'].
        c: curvature -c, broadcastable to [..., 1, 1].
        beta: what a unit of distance costs, likewise.
        bias: added to the logits, broadcastable to [..., Nq, Nk].
        mask: boolean, broadcastable to the same, True keeps.
        radius: largest ``sqrt(c) |v|``; longer vectors keep their direction.

    Returns:
        The centroids' vectors [..., Nq, d'], zero where no key is kept, and the weights [..., Nq, Nk].
    """
    root = c.sqrt()
    weights = masked_softmax(_logits(query, key, root, beta, bias, radius), mask)
    first, others = _lift(value, root, radius)
    return _settle(weights @ first, weights @ others, root), weights


# A function for each step up to the weights: what a step needs goes with it, and is as large as all inputs.
def _logits(
    query: Tensor, key: Tensor, root: Tensor, beta: Tensor | float, bias: Tensor | None, radius: float
) -> Tensor:
    # acosh has no slope at 1, where two points coincide.
    least = 1 + torch.finfo(query.dtype).eps
    logits = _cosh(query, key, root, radius).clamp(min=least).acosh() * (-beta / root)
    return logits if bias is None else logits + bias


def _cosh(query: Tensor, key: Tensor, root: Tensor, radius: float) -> Tensor:
    """``cosh(sqrt(c) d)`` of each query and key, [..., Nq, Nk]."""
    (q0, q), (k0, k) = _lift(query, root, radius), _lift(key, root, radius)
    return (q0 @ k0.transpose(-1, -2)).sub_(q @ k.transpose(-1, -2))


def _lift(x: Tensor, root: Tensor, radius: float) -> tuple[Tensor, Tensor]:
    """First coordinate [..., N, 1] and the others [..., N, d] of the points at the ends of ``x``, times ``sqrt(c)``."""
    a = (root * lorentz.length(x)).clamp(min=lorentz.tiny(x))
    reached = a.clamp(max=radius)
    return reached.cosh(), x * (reached.sinh() / a * root)


def _settle(first: Tensor, others: Tensor, root: Tensor) -> Tensor:
    """Vector at the origin to the centroid of a sum of points.

    The centroid is the sum rescaled, so ``tanh`` of its radius is the ratio of the sum's parts: nothing is rescaled.
    """
    # The first coordinate is at least 1 wherever a key is kept; 0 over 0 is the origin.
    ratio = others / first.clamp(min=0.5)
    t = lorentz.length(ratio).clamp(min=lorentz.tiny(ratio), max=1 - torch.finfo(ratio.dtype).eps)
    return ratio * (t.atanh() / t / root)


def naive(layer: HyperbolicAttention, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
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
    rows = []
    for b in range(query.shape[0]):
        kept = [j for j in range(key.shape[1]) if mask is None or mask[b, j]]
        for i in range(query.shape[1]):
            heads = [_read(layer, h, query[b, i], key[b, kept], value[b, kept]) for h in range(layer.config.heads)]
            rows.append(layer.output_weight.double() @ torch.cat(heads))
    return torch.stack(rows).view(query.shape)


def _read(layer: HyperbolicAttention, head: int, query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """One head's answer to one query, [d]."""
    width = layer.config.width // layer.config.heads
    rows = slice(head * width, (head + 1) * width)
    c, beta = layer.curvature()[head].double(), layer.sharpness()[head].double()
    if len(keys) == 0:
        return torch.zeros(width, dtype=torch.float64)
    query, keys, values = query.double(), keys.double(), values.double()
    q = _point(layer.query_weight[rows].double() @ query, c, layer.config.radius)
    points = [_point(layer.key_weight[rows].double() @ k, c, layer.config.radius) for k in keys]
    biases = [layer.key_bias[head].double() @ k for k in keys]
    logits = [b - beta * lorentz.distance(q, k, c[None]) for k, b in zip(points, biases, strict=True)]
    weights = torch.softmax(torch.stack(logits), 0)
    ends = torch.stack([_point(layer.value_weight[rows].double() @ v, c, layer.config.radius) for v in values])
    return lorentz.log0(lorentz.centroid(ends, weights[None], c[None, None])[0], c[None])


def _point(v: Tensor, c: Tensor, radius: float) -> Tensor:
    """Where ``v`` at the origin ends, or where it passes ``radius``."""
    a = c.sqrt() * v.norm()
    return lorentz.exp0(v * (radius / a) if a > radius else v, c[None])


def _check(config: HyperbolicAttention.Config) -> None:
    if config.heads < 1 or config.width % config.heads:
        raise ValueError(f"width {config.width} is not a multiple of {config.heads} heads")
    if config.curvature >= 0:
        raise ValueError(f"curvature {config.curvature} is not below zero; mixed_curvature has factors of any sign")
    for name in ("sharpness", "radius"):
        if getattr(config, name) <= 0:
            raise ValueError(f"{name} {getattr(config, name)} is not above zero")


def _inverse_softplus(y: float) -> float:
    return y + math.log(-math.expm1(-y))
