"""How healthy the portfolio looks and which campaigns make it so.

Letters: B portfolios, N campaigns, D state width, V outcomes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from mechanisms.base import AttentionOutput
from mechanisms.health_signals import SIGNALS
from mechanisms.topology_gated import TopologyGatedAttention
from policies.health import Usual
from policies.models.head import HeadModel
from policies.models.shapes import Shape

_SURE = 0.99
"""The most that coherence counts as certainty, for or against a shock, where it is scored."""
_USUAL_SIZE = 8.0
"""Campaigns of the portfolio whose usual the shipped weights begin with."""


class HealthGate(HeadModel):
    """Coherence of a portfolio: today's signals against what they usually are.

    The usual is mean and spread of the three signals on healthy hours. Shipped: those of portfolios of a size, for
    signals of many campaigns are calmer; a head that the run learns has its own portfolio's. Simple: no gate, coherence
    is 1.
    """

    HEAD: ClassVar[Mapping[str, Shape]] = {"mean": (len(SIGNALS),), "spread": (len(SIGNALS),)}

    def __init__(self) -> None:
        """Build the mechanism with its default settings; its usual starts as of independent standard residuals."""
        super().__init__()
        self.attention = TopologyGatedAttention.Config().build()
        start = Usual.start().head()
        mean, log_spread = (torch.from_numpy(each).float() for each in (start["mean"], np.log(start["spread"])))
        # Whatever the size, until training says how they change with it.
        self.mean = nn.Parameter(torch.stack([mean, torch.zeros_like(mean)]))
        self.log_spread = nn.Parameter(torch.stack([log_spread, torch.zeros_like(log_spread)]))
        self.requires_grad_(requires_grad=False)  # the service never trains

    def forward(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> AttentionOutput:
        """Measure portfolios.

        Args:
            query: [B, N, D], states of the campaigns now.
            key: [B, N, D], their states in the reference window.
            value: [B, N, V], standardised residuals of their outcomes.
            mask: [B, N] boolean, campaigns that count.

        Returns:
            Output [B, N, 2]: mean share of a campaign in the three signals, positive if it made things worse, and its
            portfolio's coherence; no weights; extras ``coherence`` [B], ``structure``, ``change``, ``surprise`` [B],
            NaN without a campaign, and ``structure_share``, ``change_share``, ``surprise_share`` [B, N].
        """
        extras = self.attention.measure(query, key, value, mask)
        signals = torch.stack([extras[name] for name in SIGNALS], dim=-1)
        mean, spread = self._usual(query if mask is None else mask)
        return _answer(extras, self.attention.coherence((signals - mean) / spread).to(query.dtype))

    def simple(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> AttentionOutput:
        """The signals and each campaign's share in them as in ``forward``, and coherence 1 whatever they are."""
        return _answer(self.attention.measure(query, key, value, mask), query.new_ones(len(query)))

    def loss(self, output: Tensor, target: Mapping[str, Tensor]) -> Tensor:
        """[B] log-loss of "there is a shock now", whose chance is what coherence lacks to 1.

        Args:
            output: [B, N, 2].
            target: ``shock`` [B], 1 or 0.
        """
        chance = (1.0 - output[:, 0, 1]).clamp(1.0 - _SURE, _SURE)
        return nn.functional.binary_cross_entropy(chance, target["shock"], reduction="none")

    def _usual(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and spread of the signals, [3] or [B, 3]; ``rows`` [B, N, ...]: campaigns, or which of them count."""
        if self.head is not None:
            return self.head["mean"], self.head["spread"]
        count = rows.sum(-1).float() if rows.dtype == torch.bool else rows.new_full(rows.shape[:1], rows.shape[1])
        size = torch.log(count.clamp_min(1.0) / _USUAL_SIZE)[:, None]
        return self.mean[0] + size * self.mean[1], torch.exp(self.log_spread[0] + size * self.log_spread[1])


def _answer(extras: Mapping[str, Tensor], coherence: Tensor) -> AttentionOutput:
    share = torch.stack([extras[f"{name}_share"] for name in SIGNALS]).mean(0)
    output = torch.stack([share, coherence[:, None].expand_as(share)], dim=-1)
    return AttentionOutput(output, None, {**extras, "coherence": coherence})
