"""What one platform has learnt of a campaign, offered to another where it is new.

Letters: B campaigns, P reports of other platforms.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mechanisms.base import AttentionOutput
from mechanisms.cross import CrossAttention
from policies.embedding import WIDTH as QUERY
from policies.models.head import HeadModel
from policies.models.reports import USUAL_CONVERSIONS
from policies.models.reports import WIDTH as KEY

RATES = 2
"""Click rate and conversion rate."""
_HIDDEN = 64


class CrossPlatform(HeadModel):
    """Attention of the campaign on the new platform over what others reported; its head says by how much the rates
    differ from those carried over. Simple: the mean of the others' rates, carried over."""

    def __init__(self) -> None:
        """Draw the weights; the head starts at nothing, so that an untrained bridge carries over."""
        super().__init__()
        self.attention = CrossAttention.Config(query_width=QUERY, key_width=KEY, value_width=KEY).build()
        self.inner = nn.Linear(QUERY + RATES, _HIDDEN)
        self.outer = nn.Linear(_HIDDEN, RATES)
        rng = torch.Generator().manual_seed(1)
        nn.init.xavier_uniform_(self.inner.weight, generator=rng)
        for tensor in (self.inner.bias, self.outer.weight, self.outer.bias):
            nn.init.zeros_(tensor)
        self.requires_grad_(requires_grad=False)  # the service never trains

    def forward(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> AttentionOutput:
        """Rates to expect.

        Args:
            query: [B, 1, 256], embeddings of the new platform's name and the campaign's words.
            key: [B, P, 384], reports as ``policies.models.reports`` makes them.
            value: [B, P, 384], the same.
            mask: [B, P] boolean, platforms that have reported.

        Returns:
            Output [B, 1, 2]: log of the click rate over what is usual on the new platform, and of the conversion rate
            over ``USUAL_CONVERSIONS``; weights [B, 4, 1, P].
        """
        carried = self.simple(query, key, value, mask).output
        read = self.attention(query, key, value, mask, need_weights=True)
        joined = torch.cat([read.output, carried], dim=-1)
        return AttentionOutput(carried + self.outer(torch.nn.functional.gelu(self.inner(joined))), read.weights)

    def simple(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> AttentionOutput:
        """The mean of what the others reported, a usual rate where nobody has; output [B, 1, 2]."""
        del query, key
        rates = value[..., QUERY : QUERY + RATES]
        kept = rates.new_ones(rates.shape[:2]) if mask is None else mask.to(rates)
        mean = (kept[..., None] * rates).sum(1, keepdim=True) / kept.sum(1)[:, None, None].clamp_min(1.0)
        return AttentionOutput(mean)

    def loss(self, output: Tensor, target: Mapping[str, Tensor]) -> Tensor:
        """[B] log-loss of the first day's clicks and conversions, in nats over that of the rates that came about.

        Args:
            output: [B, 1, 2].
            target: [B] ``impressions``, ``clicks``, ``conversions``, and the platform's ``usual`` click rate.
        """
        click, convert = torch.exp(output[:, 0].clamp(-5.0, 5.0)).unbind(-1)
        shown, clicks, seen = (target[name] for name in ("impressions", "clicks", "conversions"))
        return _regret(shown, clicks, target["usual"] * click) + _regret(clicks, seen, USUAL_CONVERSIONS * convert)


def _regret(trials: Tensor, hits: Tensor, rate: Tensor) -> Tensor:
    """[B] log-loss of a binomial over that of the share of hits."""
    share = hits / trials.clamp_min(1.0)
    return _log_loss(trials, hits, rate.clamp(1e-6, 1.0 - 1e-6)) - _log_loss(trials, hits, share)


def _log_loss(trials: Tensor, hits: Tensor, rate: Tensor) -> Tensor:
    return -(torch.xlogy(hits, rate) + torch.xlogy(trials - hits, 1.0 - rate))
