"""Neighbourhood graphs of points: nearest distances, locally scaled affinities, Laplacians.

Letters: B batch, N points, L landmarks, k neighbours, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor

LEAST_SCALE = 1e-12
"""Added to squared local scales: points that coincide have affinity 1, not NaN."""

LEAST_SQUARE = 1e-60
"""Of a distance: keeps the slope of the root finite, so that 0 times it is 0."""


def squares(points: Tensor, others: Tensor) -> Tensor:
    """Squared distances [B, N, L], float64, between [B, N, D] and [B, L, D]; rounding may take them below 0.

    Computed as ``|x|^2 + |y|^2 - 2 <x, y>`` about a common middle in float64: ten times quicker than differences, and
    what cancels is 1e-8 of the spread of the points.
    """
    middle = others.double().mean(1, keepdim=True)
    x, y = points.double() - middle, others.double() - middle
    lengths = x.square().sum(-1)[..., None] + y.square().sum(-1)[:, None]
    return torch.baddbmm(lengths, x, y.transpose(1, 2), alpha=-2.0)


def root(square: Tensor) -> Tensor:
    """Distances of squared ones; their gradient is 0 where points coincide."""
    return square.clamp_min(LEAST_SQUARE).sqrt()


def distances(points: Tensor, others: Tensor) -> Tensor:
    """Euclidean distances [B, N, L] between [B, N, D] and [B, L, D]; their gradient is 0 where points coincide."""
    return root(squares(points, others)).to(points.dtype)


def landmarks(points: Tensor, mask: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """At most ``most`` points that stand for all, evenly spaced in order of norm.

    Chosen by value, so that the order of the points does not matter.

    Args:
        points: [B, N, D].
        mask: [B, N] boolean, points that count.
        most: L is the smaller of this and N.

    Returns:
        Indices [B, L] and whether each is a point that counts, [B, L].
    """
    at = torch.arange(min(most, points.shape[1]), device=points.device)
    if most >= points.shape[1]:
        return at.expand(len(points), -1), mask
    norm = torch.linalg.vector_norm(points, dim=-1).masked_fill(~mask, torch.inf)
    count = mask.sum(1, keepdim=True)
    spaced = torch.where(count > most, at * count // most, at)
    return norm.argsort(dim=1, stable=True).gather(1, spaced), at < count


def nearest(points: Tensor, mask: Tensor, k: int, most: int) -> Tensor:
    """Distances of each point to its ``k`` nearest landmarks other than itself, ascending; inf where there are fewer.

    Args:
        points: [B, N, D].
        mask: [B, N] boolean, points that count.
        k: neighbours.
        most: landmarks, see ``landmarks``.

    Returns:
        [B, N, min(k, L)].
    """
    chosen, counts = landmarks(points, mask, most)
    rows = torch.arange(points.shape[1], device=points.device)
    others = points.gather(1, chosen[..., None].expand(-1, -1, points.shape[2]))
    itself = rows[:, None] == chosen[:, None]  # [B, N, L]
    square = squares(points, others).masked_fill_(itself | ~counts[:, None], torch.inf)
    # Roots of the few that are kept, not of all.
    return root(square.topk(min(k, square.shape[-1]), dim=-1, largest=False).values).to(points.dtype)


def affinity(points: Tensor, mask: Tensor, k: int) -> Tensor:
    """Symmetric weights of the k-nearest-neighbour graph, each point measuring by its own scale.

    ``w_ij = exp(-d_ij^2 / (s_i s_j))`` where j is among the k nearest of i or i among those of j, 0 elsewhere; s_i is
    the distance from i to its k-th neighbour (Zelnik-Manor and Perona 2004), so that dense and sparse regions are
    joined alike and the unit of the points does not matter.

    Args:
        points: [B, N, D].
        mask: [B, N] boolean, points that count; the others have no edge.
        k: neighbours, at least 1.

    Returns:
        [B, N, N], zero on the diagonal.
    """
    itself = torch.eye(points.shape[1], dtype=torch.bool, device=points.device)
    absent = itself | ~(mask[:, None] & mask[..., None])
    far = distances(points, points).masked_fill(absent, torch.inf)
    reach = far.topk(min(k, far.shape[-1]), dim=-1, largest=False).values
    # With fewer than k others the furthest of them is the scale.
    scale = reach.masked_fill(reach.isinf(), 0.0).amax(-1)
    near = (far <= reach[..., -1:]) & ~absent
    square = torch.where(absent, 0.0, far).square()
    weight = torch.exp(-square / (scale[..., None] * scale[:, None] + LEAST_SCALE))
    return torch.where(near | near.transpose(1, 2), weight, 0.0)


def walk(weights: Tensor) -> Tensor:
    """Random walk on the graph: weights [B, N, N] divided by their row sums; a point without an edge stays."""
    degree = weights.sum(-1, keepdim=True)
    stay = torch.diag_embed((degree[..., 0] == 0).to(weights))
    return weights / torch.where(degree > 0, degree, 1.0) + stay


def dirichlet(values: Tensor, weights: Tensor) -> Tensor:
    """``x^T (D - W) x``, the sum over edges of ``w (x_i - x_j)^2``: how rough values are along the graph.

    Args:
        values: [B, N, C].
        weights: [B, N, N], symmetric.

    Returns:
        [B, C].
    """
    return (weights.sum(-1, keepdim=True) * values.square() - values * (weights @ values)).sum(1)
