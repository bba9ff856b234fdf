"""Which platform experts a campaign should use, and how much of each.

All experts that a campaign allows get a share. The best two alone, as a sparse mixture has it, would lose half of what
there is to gain: a second or third platform still has cheap clicks when the best one's have been bought.

Letters: B campaigns, E experts, V width of a value, S steps of money.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from mechanisms.base import AttentionOutput, masked_softmax
from policies.models.head import HeadModel, projection
from policies.models.shapes import Shape

WIDTH = 256
"""Width of the embeddings of campaigns and experts."""
FEATURES = 32
"""Features of a campaign as an expert sees it."""
ADVICE, TEMPERATURE = 0.5, 0.5
"""Weight and softness of the router's gates in a campaign's first split, as configured by default; the rest is equal
shares (``policies.learning.prior_shares``)."""


class ExpertRouter(HeadModel):
    """Router of a mixture of experts. Shipped: logits <A x, B k> of campaign x and expert k, so that there may be any
    number of experts; a head that the run learns has one regression per expert instead. Simple: equal shares.

    The features of a pair, on which the run learns, are a fixed projection of campaign plus expert: an expert embedding
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
        self.register_buffer("body", projection(FEATURES, WIDTH, 3), persistent=False)
        self.router_query = nn.Linear(WIDTH, FEATURES)
        self.router_key = nn.Linear(WIDTH, FEATURES, bias=False)
        with torch.no_grad():
            self.router_query.weight.copy_(projection(FEATURES, WIDTH, 4) / math.sqrt(WIDTH))
            self.router_query.bias.zero_()
            self.router_key.weight.copy_(projection(FEATURES, WIDTH, 5) / math.sqrt(WIDTH))
        self.requires_grad_(requires_grad=False)  # the service never trains

    def forward(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> AttentionOutput:
        """Share campaigns out.

        Args:
            query: [B, 1, 256], embeddings of the campaigns.
            key: [B, E, 256], embeddings of the experts in the head's order.
            value: [B, E, V], what each expert has to say; its own unit vector [E] where the gates are wanted.
            mask: [B, E] boolean, experts a campaign may use.

        Returns:
            Output [B, 1, V]: values mixed by the gates, which sum to 1 (0 if nothing is allowed); weights [B, 1, E]:
            the gates, a softmax over all allowed experts; extras ``features`` [B, E, 32].

        Raises:
            ValueError: if a head that the run has learnt has another number of experts.
        """
        features = (query + key) @ self.body.T
        gates = masked_softmax(self._logits(query, key, features), _allowed(key, mask))[:, None]
        return AttentionOutput(gates @ value, gates, {"features": features})

    def simple(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> AttentionOutput:
        """Equal shares of all allowed experts; the features are there, for the run to learn on."""
        allowed = _allowed(key, mask)
        shares = (allowed / allowed.sum(-1, keepdim=True).clamp_min(1)).to(value)[:, None]
        return AttentionOutput(shares @ value, shares, {"features": (query + key) @ self.body.T})

    def loss(self, output: Tensor, target: Mapping[str, Tensor]) -> Tensor:
        """[B] value lost against the best split, in per cent of it.

        Args:
            output: [B, 1, E], gates; the split is half of them, sharpened, and half equal shares, as a campaign's first
                one is.
            target: ``worth`` [B, E, S], what an expert's platform brings for 0 to all the money, over the best split.
        """
        worth = target["worth"]
        allowed = (worth[..., -1] > 0).to(output)
        sharp = output[:, 0] ** (1.0 / TEMPERATURE)
        chosen = sharp / sharp.sum(-1, keepdim=True)
        split = ADVICE * chosen + (1.0 - ADVICE) * allowed / allowed.sum(-1, keepdim=True)
        place = split * (worth.shape[-1] - 1)
        low = place.detach().floor().long().clamp(0, worth.shape[-1] - 2)[..., None]
        left, right = (worth.gather(-1, at)[..., 0] for at in (low, low + 1))
        return 100.0 * (1.0 - (left + (right - left) * (place - low[..., 0])).sum(-1))

    def _logits(self, query: Tensor, key: Tensor, features: Tensor) -> Tensor:
        """[B, E]"""
        if self.head is None:
            pairs: Tensor = self.router_query(query) @ self.router_key(key).mT
            return pairs[:, 0]
        weights, bias = self.head["weights"], self.head["bias"]
        if features.shape[1] != len(bias):
            raise ValueError(f"key has {features.shape[1]} experts, expected the head's {len(bias)}")
        return (features * weights).sum(-1) + bias


def _allowed(key: Tensor, mask: Tensor | None) -> Tensor:
    """[B, E]"""
    return torch.ones(key.shape[:2], dtype=torch.bool) if mask is None else mask
