"""Attention over a portfolio that also reports how healthy the portfolio looks, whatever its order.

Three signals, large is bad: structure (do rows crowd or scatter), change (did the mean move) and
surprise (do outcomes contradict the forecast).  The caller standardises each by its own past and
asks ``mechanisms.coherence``.

Letters: B portfolios, N rows (campaigns), n kept rows, L landmarks, D state width, V outcomes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mechanisms.base import AttentionOutput, check_shapes, check_width
from mechanisms.coherence import coherence
from mechanisms.registry import register

SIGNALS = ("structure", "change", "surprise")
"""Names of the signals, in the order in which scores are stacked."""


@register("topology_gated")
class TopologyGatedAttention(nn.Module):
    """No weights: the state of a row is compared with the reference state of the same row."""

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Config:
        """What counts as near, what may be computed, and the tail of the gate."""

        neighbours: int = 8
        """Nearest rows whose distance makes the structure of a row."""
        floor: float = 1e-3
        """Added to a distance before its logarithm: equal states stay finite."""
        landmarks: int = 1024
        """Most rows that others are compared with; cost is N times this."""
        dof: int = 8
        """Degrees of freedom of the gate's tail, even."""

        def build(self) -> TopologyGatedAttention:
            """The mechanism."""
            return TopologyGatedAttention(self)

    def __init__(self, config: Config) -> None:
        """Keep the settings."""
        super().__init__()
        self.config = config

    def forward(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> AttentionOutput:
        """Attend and measure.

        Args:
            query: [B, N, D], current states on comparable scales.
            key: [B, N, D], reference states of the same rows.
            value: [B, N, V], standardised outcome residuals of the rows.
            mask: [B, N] boolean, rows that count.

        Returns:
            Output [B, N, V]: residuals of the rows whose reference looked like this row, by
            softmax(q.k/sqrt(D)) over the landmarks; no weights; extras ``structure``, ``change``,
            ``surprise`` [B], and ``<signal>_share`` [B, N]: the part of each row, positive if it
            raised the signal, absolute values summing to 1 (or all 0).  Masked rows are 0; the
            signals of a portfolio without rows are NaN, which the gate reads as 0.

        Raises:
            ValueError: on shapes that disagree.
        """
        check_shapes(query, key, value, mask)
        check_width("key", key, query.shape[2])
        if query.shape[1] != key.shape[1]:
            raise ValueError(f"query {tuple(query.shape)} and key {tuple(key.shape)} differ in rows")
        keep = query.new_ones(query.shape[:2], dtype=torch.bool) if mask is None else mask
        output = torch.zeros_like(value)
        signals = query.new_full((len(SIGNALS), query.shape[0]), torch.nan)
        shares = query.new_zeros(len(SIGNALS), *query.shape[:2])
        for b, rows in enumerate(keep):
            if rows.any():
                current, reference, residuals = query[b, rows], key[b, rows], value[b, rows]
                output[b, rows] = self._attend(current, reference, residuals)
                signals[:, b], shares[:, b, rows] = self._measure(current, reference, residuals)
        extras = dict(zip(SIGNALS, signals, strict=True))
        extras |= {f"{name}_share": share for name, share in zip(SIGNALS, shares, strict=True)}
        return AttentionOutput(output, None, extras)

    def coherence(self, scores: Tensor) -> Tensor:
        """The gate on standardised scores [..., 3] in the order of ``SIGNALS``; [...] in [0, 1]."""
        return coherence(scores, dof=self.config.dof)

    def _attend(self, current: Tensor, reference: Tensor, residuals: Tensor) -> Tensor:
        near = landmarks(reference, self.config.landmarks)
        key, value = reference[near], residuals[near]
        return F.scaled_dot_product_attention(current[None], key[None], value[None])[0]

    def _measure(self, current: Tensor, reference: Tensor, residuals: Tensor) -> tuple[Tensor, Tensor]:
        """Signals [3] and shares [3, n] of one portfolio of n rows."""
        ratio = self._log_nearness(current) - self._log_nearness(reference)
        measured = (structure(ratio), change(current, reference), surprise(residuals))
        values, parts = zip(*measured, strict=True)
        stacked = torch.stack(parts)
        total = stacked.abs().sum(-1, keepdim=True).clamp_min(torch.finfo(stacked.dtype).tiny)
        return torch.stack(values), stacked / total

    def _log_nearness(self, states: Tensor) -> Tensor:
        """Mean log distance of each row to its nearest landmarks other than itself, [n]."""
        chosen = landmarks(states, self.config.landmarks)
        # The product form of the distance loses near neighbours to cancellation.
        distance = torch.cdist(states, states[chosen], compute_mode="donot_use_mm_for_euclid_dist")
        itself = (chosen, torch.arange(len(chosen), device=states.device))
        distance = distance.index_put(itself, distance.new_tensor(torch.inf))
        count = min(self.config.neighbours, len(chosen) - 1)
        if count < 1:
            return states.new_zeros(len(states))
        nearest = distance.topk(count, dim=-1, largest=False).values
        return torch.log(nearest + self.config.floor).mean(-1)


def landmarks(states: Tensor, most: int) -> Tensor:
    """Indices of at most ``most`` rows of [n, D], evenly spaced in order of norm.

    Chosen by value, so that the order of the rows does not matter.
    """
    if len(states) <= most:
        return torch.arange(len(states), device=states.device)
    order: Tensor = torch.linalg.vector_norm(states, dim=-1).argsort()
    return order[torch.arange(most, device=states.device) * len(states) // most]


def structure(ratio: Tensor) -> tuple[Tensor, Tensor]:
    """Distance of the mean log nearness ratio [n] from 0: crowding and scattering both count.

    Returns:
        The signal [] and its additive parts [n].
    """
    mean = ratio.mean()
    return mean.abs(), ratio * mean.sign() / len(ratio)


def change(current: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    """Euclidean distance between the mean rows of [n, D] and [n, D].

    Returns:
        The signal [] and its additive parts [n]: each row's move along the common one.
    """
    moves = current - reference
    mean = moves.mean(0)
    distance = torch.linalg.vector_norm(mean)
    direction = mean / distance.clamp_min(torch.finfo(mean.dtype).tiny)
    return distance, moves @ direction / len(moves)


def surprise(residuals: Tensor) -> tuple[Tensor, Tensor]:
    """``log(n mean(r)^2 + mean(r^2))`` of residuals [n, V], averaged over outcomes inside the log.

    The first term sees many rows miss by a little on the same side, the second a few miss by much;
    both are 1 in expectation for independent standard residuals.

    Returns:
        The signal [] and parts [n] that sum to its exponential.
    """
    common = residuals * residuals.mean(0)
    own = residuals.square() / len(residuals)
    parts = (common + own).mean(-1)
    return torch.log(parts.sum().clamp_min(torch.finfo(parts.dtype).tiny)), parts
