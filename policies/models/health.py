"""How healthy the portfolio looks and which campaigns make it so.

Letters: B portfolios, N campaigns, D state width, V outcomes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from mechanisms.base import AttentionOutput
from mechanisms.topology_gated import SIGNALS, TopologyGatedAttention
from policies.models.head import HeadModel
from policies.models.shapes import Shape


class HealthGate(HeadModel):
    """Coherence of a portfolio: today's signals against what they usually are.

    The head is the usual: mean and spread of the three signals on healthy hours. Simple: no gate, coherence is 1.
    """

    HEAD: ClassVar[Mapping[str, Shape]] = {"mean": (len(SIGNALS),), "spread": (len(SIGNALS),)}

    def __init__(self) -> None:
        """Build the mechanism with its default settings."""
        super().__init__()
        self.attention = TopologyGatedAttention.Config().build()

    def forward(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> AttentionOutput:
        """Measure portfolios.

        Args:
            query: [B, N, D], states of the campaigns now.
            key: [B, N, D], their states in the reference window.
            value: [B, N, V], standardised residuals of their outcomes.
            mask: [B, N] boolean, campaigns that count.

        Returns:
            Output [B, N, 1]: mean share of a campaign in the three signals, positive if it made
            things worse; no weights; extras ``coherence`` [B], ``structure``, ``change``, ``surprise`` [B],
            NaN without a campaign, and ``structure_share``, ``change_share``, ``surprise_share`` [B, N].
        """
        answer = self.simple(query, key, value, mask)
        signals = torch.stack([answer.extras[name] for name in SIGNALS], dim=-1)
        return AttentionOutput(answer.output, None, {**answer.extras, "coherence": self._coherence(signals)})

    def simple(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> AttentionOutput:
        """The signals and each campaign's share in them as in ``forward``, and coherence 1 whatever they are."""
        extras = self.attention(query, key, value, mask).extras
        share = torch.stack([extras[f"{name}_share"] for name in SIGNALS]).mean(0)
        calm = {"coherence": query.new_ones(len(query))}
        return AttentionOutput(share[..., None], None, {**extras, **calm})

    def _coherence(self, signals: Tensor) -> Tensor:
        """[B, 3] to [B]."""
        if self.head is None:
            return signals.new_full(signals.shape[:1], torch.nan)
        return self.attention.coherence((signals - self.head["mean"]) / self.head["spread"]).to(signals.dtype)
