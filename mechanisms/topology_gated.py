"""Attention that steps back when the rows it attends to stop looking like themselves.

``measure`` looks at all rows of a window once: three signals that do not depend on the order of rows (structure,
change, surprise) and the part of each row in them.  The caller standardises the signals by their own past;
``coherence`` makes one number of them; ``forward`` takes it with any number of queries:

    y = g(c) softmax(q k^T / sqrt(D)) v,    g(c) = (c - freeze) / (stable - freeze), held to [0, 1].

Letters: B windows, N rows, Nq queries, D width of a state, V of an outcome, S signals.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mechanisms.base import AttentionOutput, check_shapes, check_width, checked, masked_softmax
from mechanisms.coherence import coherence
from mechanisms.health_signals import SIGNALS, change, structure, surprise
from mechanisms.registry import register


@register("topology_gated")
class TopologyGatedAttention(nn.Module):
    """No weights: states are compared as they are, and the past that calibrates belongs to the caller."""

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Config:
        """Where the gate opens, what counts as near, and what may be computed."""

        stable: float = 0.8
        """Coherence from which on the output passes whole."""
        freeze: float = 0.3
        """Coherence down to which something passes."""
        neighbours: int = 8
        """Nearest rows whose distance makes the structure of a row."""
        floor: float = 1e-3
        """Added to a distance before its logarithm: equal states stay finite."""
        landmarks: int = 256
        """Most rows that others are compared with; cost is N times this."""
        dof: int = 8
        """Degrees of freedom of the tail that coherence is read from, even."""

        def build(self) -> TopologyGatedAttention:
            """The mechanism."""
            return TopologyGatedAttention(self)

    def __init__(self, config: Config) -> None:
        """Keep the settings.

        Raises:
            ValueError: unless 0 <= freeze < stable <= 1.
        """
        super().__init__()
        if not 0 <= config.freeze < config.stable <= 1:
            raise ValueError(f"freeze {config.freeze} and stable {config.stable}, expected 0 <= freeze < stable <= 1")
        self.config = config

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, *,
        coherence: Tensor | None = None, need_weights: bool = False,
    ) -> AttentionOutput:  # fmt: skip
        """Attend, as far as the gate is open.

        Args:
            query: [B, Nq, D].
            key: [B, N, D].
            value: [B, N, V].
            mask: [B, N] boolean, True keeps.
            coherence: [B] in [0, 1], of the window; NaN reads as 0. None leaves the gate open.
            need_weights: also answer the weights.

        Returns:
            Output [B, Nq, V]; weights [B, Nq, N] of the attention before the gate, on request; extra ``gate`` [B].

        Raises:
            ValueError: on shapes that disagree.
            RuntimeError: if the output is not finite.
        """
        check_shapes(query, key, value, mask)
        check_width("key", key, query.shape[2])
        gate = self.gate(query.new_ones(len(query)) if coherence is None else coherence.to(query.dtype))
        if gate.shape != query.shape[:1]:
            raise ValueError(f"coherence has shape {tuple(gate.shape)}, expected {tuple(query.shape[:1])}")
        kept = None if mask is None else mask[:, None]
        weights = None
        if need_weights:
            weights = masked_softmax(query @ key.transpose(1, 2) / query.shape[2] ** 0.5, kept)
            read = weights @ value
        else:
            read = F.scaled_dot_product_attention(query, key, value, attn_mask=kept)
        return AttentionOutput(checked(gate[:, None, None] * read, "topology_gated"), weights, {"gate": gate})

    def gate(self, coherence: Tensor) -> Tensor:
        """How much of a step passes at a coherence, any shape: 0 at ``freeze`` and for NaN, 1 at ``stable``."""
        c = self.config
        return ((torch.nan_to_num(coherence, nan=0.0) - c.freeze) / (c.stable - c.freeze)).clamp(0.0, 1.0)

    def measure(
        self, current: Tensor, reference: Tensor, residuals: Tensor, mask: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Health of a window: its signals, and who made them.

        Args:
            current: [B, N, D], states of the rows now, on comparable scales.
            reference: [B, N, D], states of the same rows as they were.
            residuals: [B, N, V], standardised outcome residuals of the rows.
            mask: [B, N] boolean, rows that count; None counts all.

        Returns:
            ``structure``, ``change``, ``surprise`` [B] (see ``mechanisms.health_signals``), NaN for a window without
            rows; ``<signal>_share`` [B, N]: the part of each row, absolute values summing to 1 (or all 0).

        Raises:
            ValueError: on shapes that disagree.
        """
        check_shapes(current, reference, residuals, mask)
        if current.shape != reference.shape:
            raise ValueError(f"current {tuple(current.shape)} and reference {tuple(reference.shape)} differ in shape")
        keep = current.new_ones(current.shape[:2], dtype=torch.bool) if mask is None else mask
        now, then, missed = (torch.where(keep[..., None], x, 0.0) for x in (current, reference, residuals))
        c = self.config
        signals = (
            structure(now, then, keep, neighbours=c.neighbours, floor=c.floor, landmarks=c.landmarks),
            change(now - then, keep),
            surprise(missed, keep),
        )
        found = {}
        for name, (signal, parts) in zip(SIGNALS, signals, strict=True):
            total = parts.abs().sum(-1, keepdim=True).clamp_min(torch.finfo(parts.dtype).tiny)
            found[name] = torch.where(keep.any(1), signal, torch.nan)
            found[f"{name}_share"] = parts / total
        return found

    def coherence(self, scores: Tensor) -> Tensor:
        """Coherence [...] from standardised signals [..., 3] in the order of ``SIGNALS``, in [0, 1].

        Rows that crowd are as bad as rows that scatter, so structure counts on both sides; see
        ``mechanisms.coherence``.
        """
        return coherence(torch.cat([scores, -scores[..., :1]], dim=-1), dof=self.config.dof)


def naive(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, gate: Tensor) -> Tensor:
    """The definition of ``forward`` in float64, one row at a time; ``gate`` [B]; [B, Nq, V]."""
    output = torch.zeros(*query.shape[:2], value.shape[2]).double()
    for b in range(len(query)):
        kept = [j for j in range(key.shape[1]) if mask is None or mask[b, j]]
        for i in range(query.shape[1]) if kept else ():
            logits = key[b, kept].double() @ query[b, i].double() / query.shape[2] ** 0.5
            output[b, i] = gate[b].double() * (torch.softmax(logits, 0) @ value[b, kept].double())
    return output
