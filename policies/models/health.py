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
    """Raw health signals of a portfolio; their standardisation and the gate belong to the caller.

    The head scales the columns of the state so that they are comparable; without one they are
    taken as they are.
    """

    HEAD: ClassVar[Mapping[str, Shape]] = {"scale": ("D",)}

    def __init__(self) -> None:
        """Build the mechanism with its default settings."""
        super().__init__()
        self.attention = TopologyGatedAttention.Config().build()

    def forward(
        self, query: Tensor | None, key: Tensor, value: Tensor | None, mask: Tensor | None = None
    ) -> AttentionOutput:
        """Measure portfolios.

        Args:
            query: [B, N, D], states of the campaigns now.
            key: [B, N, D], their states in the reference window.
            value: [B, N, V], standardised residuals of their outcomes.
            mask: [B, N] boolean, campaigns that count.

        Returns:
            Output [B, N, 1]: mean share of a campaign in the three signals, positive if it made
            things worse; no weights; extras ``structure``, ``change``, ``surprise`` [B], NaN
            without a campaign, and ``structure_share``, ``change_share``, ``surprise_share`` [B, N].

        Raises:
            ValueError: if the head has another number of columns.
        """
        assert query is not None
        assert value is not None
        scale = self._scale(query)
        extras = self.attention(query * scale, key * scale, value, mask).extras
        share = torch.stack([extras[f"{name}_share"] for name in SIGNALS]).mean(0)
        return AttentionOutput(share[..., None], None, extras)

    def _scale(self, query: Tensor) -> Tensor:
        if self.head is None:
            return query.new_ones(query.shape[-1])
        scale = self.head["scale"]
        if len(scale) != query.shape[-1]:
            raise ValueError(f"query has {query.shape[-1]} columns, expected the head's {len(scale)}")
        return scale
