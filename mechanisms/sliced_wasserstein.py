"""Attention between clouds of points, by how far one has to be moved to become the other.

``softmax_c(-d(query, key_c) / T) value_c`` with the sliced Wasserstein distance (Bonneel et al. 2015):
both clouds are projected on P directions, where moving them is a matter of sorting. In D dimensions
``E |<u, x>|^p = m |x|^p`` for a uniform direction u, so ``d^p = (1 / P m) sum_u W_p^p(u)``: two single
points are as far apart as they are in space, whatever D.

Letters: B batch, N points of the query, C candidate clouds, M points of each, P directions, D width.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mechanisms.base import AttentionOutput, check_width, checked, masked_softmax
from mechanisms.registry import register
from mechanisms.transport import directions, equal_line_cost, exact_plan, line_cost, normalised, root, sphere_moment


@register("sliced_wasserstein")
class SlicedWassersteinAttention(nn.Module):
    """Which candidate cloud is nearest, how far each is, and what goes where; only the temperature is learned."""

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Config:
        """What distance, and how sharply it decides."""

        width: int = 64
        """D, of the points."""
        projections: int = 64
        """P; the error of a distance falls as its root, time and memory grow with it."""
        power: float = 2.0
        """p, at least 1: the larger, the more the farthest points count."""
        temperature: float = 1.0
        """Start of the learned T, in units of distance."""
        seed: int = 0
        """Of the directions."""

        def build(self) -> SlicedWassersteinAttention:
            """A layer with directions drawn from ``seed``."""
            return SlicedWassersteinAttention(self)

    def __init__(self, config: Config) -> None:
        """Draw the directions.

        Raises:
            ValueError: if ``power`` is below 1, or a size or the temperature is not positive.
        """
        super().__init__()
        if config.power < 1:
            raise ValueError(f"power is {config.power}, expected at least 1: below it this is no distance")
        if min(config.width, config.projections, config.temperature) <= 0:
            raise ValueError(f"width, projections and temperature must be positive: {config}")
        self.config = config
        rng = torch.Generator().manual_seed(config.seed)
        self.directions: Tensor
        self.register_buffer("directions", directions(config.projections, config.width, rng).float())
        self.log_temperature = nn.Parameter(torch.tensor(math.log(config.temperature)))

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None = None,
        *,
        query_weights: Tensor | None = None,
        key_weights: Tensor | None = None,
        need_weights: bool = False,
    ) -> AttentionOutput:
        """Compare one cloud with C others.

        Args:
            query: [B, N, D], the points of one cloud.
            key: [B, C, M, D], the points of the candidates.
            value: [B, C, V], what each candidate stands for.
            mask: [B, C, M] boolean, True keeps a point; a candidate without points is not there.
            query_weights: [B, N], not negative, in any unit; None for equal ones. A point of weight 0 is not there.
            key_weights: [B, C, M], likewise.
            need_weights: also return weights and the plan, which is solved for outside the graph.

        Returns:
            Output [B, 1, V], zero where no candidate is there; weights [B, 1, C] on request. Extras
            ``distance`` [B, C], infinite to a candidate that is not there; ``best`` [B], the nearest, -1 if
            there is none; on request ``plan`` [B, N, M], the exact plan (cost ``|x - y|^p``) to the nearest,
            without gradient, zero if there is none.

        Raises:
            ValueError: on shapes that disagree.
            RuntimeError: if a weight is negative, or the output is not finite.
        """
        self._check(query, key, value, mask, query_weights, key_weights)
        if mask is not None:
            key = torch.where(mask[..., None], key, 0.0)
        a, b = _shares(query, None, query_weights), _shares(key, mask, key_weights)
        there = (a.sum(-1, keepdim=True) > 0) & (b.sum(-1) > 0)  # [B, C]
        # Without weights or a mask the distance needs no shares, and is two to three times as fast.
        shares = None if mask is query_weights is key_weights is None else (a, b)
        near = torch.where(there, self.distance(query, key, shares), 0.0)
        weights = masked_softmax(-near / self.log_temperature.exp(), there)
        distance = torch.where(there, near, torch.inf)
        best = torch.where(there.any(-1), distance.argmin(-1), -1)
        extras = {"distance": distance, "best": best}
        if need_weights:
            extras["plan"] = self._plans(query, key, a, b, best)
        output = checked(weights[:, None] @ value, "sliced_wasserstein")
        return AttentionOutput(output, weights[:, None] if need_weights else None, extras)

    def distance(self, query: Tensor, key: Tensor, shares: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """[B, C] between query [B, N, D] and key [B, C, M, D].

        ``shares`` [B, N] and [B, C, M] of the points in their clouds sum to 1; without them all points count the same.
        """
        p = self.config.power
        x = (self.directions @ query.mT)[:, None]  # [B, 1, P, N]
        y = self.directions @ key.mT  # [B, C, P, M]
        if shares is None:
            cost = equal_line_cost(x, y, p)
        else:
            cost = line_cost(x, y, shares[0][:, None, None], shares[1][:, :, None], p)
        return root(cost.mean(-1) / sphere_moment(p, self.config.width), p)

    def _plans(self, query: Tensor, key: Tensor, a: Tensor, b: Tensor, best: Tensor) -> Tensor:
        plan = query.new_zeros(*query.shape[:2], key.shape[2])
        for row, c in enumerate(best.tolist()):
            if c >= 0:
                cost = torch.cdist(query[row].detach(), key[row, c].detach()).pow(self.config.power)
                plan[row] = exact_plan(cost, a[row], b[row, c])
        return plan

    def _check(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, a: Tensor | None, b: Tensor | None
    ) -> None:
        if query.dim() != 3:
            raise ValueError(f"query has shape {tuple(query.shape)}, expected [B, N, D]")
        if key.dim() != 4 or len(key) != len(query):
            raise ValueError(f"key has shape {tuple(key.shape)}, expected [B, C, M, D] beside {tuple(query.shape)}")
        check_width("query", query, self.config.width)
        check_width("key", key, self.config.width)
        if value.dim() != 3 or value.shape[:2] != key.shape[:2]:
            raise ValueError(f"value {tuple(value.shape)} does not pair with key {tuple(key.shape)}")
        for name, given, cloud in (("mask", mask, key), ("query_weights", a, query), ("key_weights", b, key)):
            if given is not None and given.shape != cloud.shape[:-1]:
                raise ValueError(f"{name} {tuple(given.shape)} does not pair with points {tuple(cloud.shape)}")
        if mask is not None and mask.dtype != torch.bool:
            raise ValueError(f"mask has dtype {mask.dtype}, expected torch.bool")


def _shares(points: Tensor, mask: Tensor | None, weights: Tensor | None) -> Tensor:
    """What part of its cloud each point [..., D] is: [...], sum 1, or all 0 for a cloud without points."""
    weights = torch.ones_like(points[..., 0]) if weights is None else weights
    return normalised(weights if mask is None else torch.where(mask, weights, 0.0))


def naive(
    layer: SlicedWassersteinAttention,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor,
    query_weights: Tensor,
    key_weights: Tensor,
) -> Tensor:
    """The definition, in float64, one pair of clouds and one direction at a time: the oracle of ``forward``.

    On a line, mass is poured from the leftmost point that still has some into the leftmost that still
    wants some. Arguments as in ``forward``; every query has points. Returns [B, 1, V] in float64.
    """
    u, p = layer.directions.double(), layer.config.power
    output = torch.zeros(len(query), 1, value.shape[-1], dtype=torch.float64)
    for row in range(len(query)):
        kept = [c for c in range(key.shape[1]) if (mask[row, c] & (key_weights[row, c] > 0)).any()]
        logits = []
        for c in kept:
            m = mask[row, c]
            costs = [
                _pour(query[row] @ each, key[row, c, m] @ each, query_weights[row], key_weights[row, c, m], p)
                for each in u
            ]
            distance = (sum(costs) / (len(u) * sphere_moment(p, layer.config.width))) ** (1 / p)
            logits.append(-distance / layer.log_temperature.double().exp())
        if kept:
            output[row, 0] = torch.softmax(torch.stack(logits), 0) @ value[row, kept].double()
    return output


def _pour(x: Tensor, y: Tensor, a: Tensor, b: Tensor, power: float) -> Tensor:
    """``W_p^p`` on a line, by pouring."""
    left, right = (list((w / w.sum())[at.argsort()]) for w, at in ((a, x), (b, y)))
    x, y = x.sort().values, y.sort().values
    i = j = 0
    total = x.new_zeros(())
    while i < len(x) and j < len(y):
        moved = torch.minimum(left[i], right[j])
        total = total + moved * (x[i] - y[j]).abs() ** power
        left[i], right[j] = left[i] - moved, right[j] - moved
        i, j = (i + 1, j) if left[i] <= right[j] else (i, j + 1)
    return total
