"""Which platform experts a campaign should use, and how much of each.

All experts that a campaign allows get a share. The best two alone, as a sparse mixture has it, would lose half of what
there is to gain: a second or third platform still has cheap clicks when the best one's have been bought.

Letters: B campaigns, E experts, V width of a value, S steps of money.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mechanisms.base import AttentionOutput, masked_softmax
from policies.models.head import HeadModel, projection

WIDTH = 256
"""Width of the embeddings of campaigns and experts."""
RANK = 32
"""Of the form that pairs a campaign and an expert."""
ADVICE, TEMPERATURE = 0.5, 0.5
"""Weight and softness of the gates in the split that training plays (``policies.learning.prior_shares``); the rest is
equal shares. A run's default is softer: there a wider split's first hours tell more of what training takes as known."""


class ExpertRouter(HeadModel):
    """Router of a mixture of experts: logits <A x, B k> of campaign x and expert k, so that there may be any number of
    experts. Simple: equal shares. A run does not learn routes: two dozen campaigns' splits after two weeks told new
    campaigns of the same market no more than the shipped router does (``docs/models.md``).
    """

    def __init__(self) -> None:
        """Draw where training begins."""
        super().__init__()
        self.router_query = nn.Linear(WIDTH, RANK)
        self.router_key = nn.Linear(WIDTH, RANK, bias=False)
        with torch.no_grad():
            self.router_query.weight.copy_(projection(RANK, WIDTH, 4) / math.sqrt(WIDTH))
            self.router_query.bias.zero_()
            self.router_key.weight.copy_(projection(RANK, WIDTH, 5) / math.sqrt(WIDTH))
        self.requires_grad_(requires_grad=False)  # the service never trains

    def forward(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> AttentionOutput:
        """Share campaigns out.

        Args:
            query: [B, 1, 256], embeddings of the campaigns.
            key: [B, E, 256], embeddings of the experts.
            value: [B, E, V], what each expert has to say; its own unit vector [E] where the gates are wanted.
            mask: [B, E] boolean, experts a campaign may use.

        Returns:
            Output [B, 1, V]: values mixed by the gates, which sum to 1 (0 if nothing is allowed); weights [B, 1, E]:
            the gates, a softmax over all allowed experts.
        """
        logits = (self.router_query(query) @ self.router_key(key).mT)[:, 0]
        gates = masked_softmax(logits, _allowed(key, mask))[:, None]
        return AttentionOutput(gates @ value, gates)

    def simple(
        self,
        query: Tensor,  # noqa: ARG002
        key: Tensor,
        value: Tensor,
        mask: Tensor | None = None,
    ) -> AttentionOutput:
        """Equal shares of all allowed experts."""
        allowed = _allowed(key, mask)
        shares = (allowed / allowed.sum(-1, keepdim=True).clamp_min(1)).to(value)[:, None]
        return AttentionOutput(shares @ value, shares)

    def loss(self, output: Tensor, target: Mapping[str, Tensor]) -> Tensor:
        """[B] value lost against the best split, in per cent of it.

        Args:
            output: [B, 1, E], gates; the split is half of them, sharpened, and half equal shares.
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


def _allowed(key: Tensor, mask: Tensor | None) -> Tensor:
    """[B, E]"""
    return torch.ones(key.shape[:2], dtype=torch.bool) if mask is None else mask
