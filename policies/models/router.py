"""Which platform experts a campaign should use, and how much of each.

Letters: B campaigns, E experts, V width of a value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from mechanisms.base import AttentionOutput
from mechanisms.routing import route
from policies.models.head import HeadModel, projection
from policies.models.shapes import Shape

WIDTH = 256
"""Width of the embeddings of campaigns and experts."""
FEATURES = 32
"""Features of a campaign as an expert sees it."""
TOP_K = 2
"""Experts that get a share."""


class ExpertRouter(HeadModel):
    """Router of a mixture of experts whose logits are one regression per expert.

    The features of a pair are a fixed projection of campaign plus expert: an expert embedding
    that never changes only shifts the expert's bias, one that reports its state informs.
    """

    HEAD: ClassVar[Mapping[str, Shape]] = {
        "weights": ("E", FEATURES),
        "bias": ("E",),
    }
    body: Tensor

    def __init__(self) -> None:
        """Draw the body."""
        super().__init__()
        self.register_buffer("body", projection(FEATURES, WIDTH, 3))

    def forward(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> AttentionOutput:
        """Share campaigns out.

        Args:
            query: [B, 1, 256], embeddings of the campaigns.
            key: [B, E, 256], embeddings of the experts in the head's order.
            value: [B, E, V], what each expert has to say; its own unit vector [E] where the gates are wanted.
            mask: [B, E] boolean, experts a campaign may use.

        Returns:
            Output [B, 1, V]: values mixed by the gates of the best two, which sum to 1 (0 if nothing is allowed);
            weights [B, 1, E]: softmax over all allowed experts; extras ``features`` [B, E, 32].

        Raises:
            ValueError: if the head has another number of experts.
        """
        features = (query + key) @ self.body.T
        allowed = torch.ones(key.shape[:2], dtype=torch.bool) if mask is None else mask
        probabilities, gates = route(self._logits(features), allowed, TOP_K)
        return AttentionOutput(gates[:, None] @ value, probabilities[:, None], {"features": features})

    def simple(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> AttentionOutput:
        """Equal shares of all allowed experts; the features are there, for the run to learn on."""
        allowed = torch.ones(key.shape[:2], dtype=torch.bool) if mask is None else mask
        shares = (allowed / allowed.sum(-1, keepdim=True).clamp_min(1)).to(value)[:, None]
        return AttentionOutput(shares @ value, shares, {"features": (query + key) @ self.body.T})

    def _logits(self, features: Tensor) -> Tensor:
        """[B, E, 32] to [B, E]."""
        if self.head is None:
            return features.new_zeros(features.shape[:2])
        weights, bias = self.head["weights"], self.head["bias"]
        if features.shape[1] != len(bias):
            raise ValueError(f"key has {features.shape[1]} experts, expected the head's {len(bias)}")
        return (features * weights).sum(-1) + bias
