"""How segments that nobody has tried would convert, from those that have been tried.

Letters: B trials, Q segments asked about, K segments tried, W width of the attention.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from mechanisms.base import AttentionOutput
from mechanisms.hyperbolic import HyperbolicAttention
from policies.models.head import HeadModel
from policies.models.layers import linear, read_out, word_weights

WIDTH = 256
"""Width of a segment's embedding."""
INNER = 64
"""W."""
_USUAL_RATE, _USUAL_CLICKS, _USUAL_VARIANCE = 0.02, 50.0, 0.5
"""What a rate is, and how far segments are apart, before anything has been tried, and the clicks that this is worth."""


class AudienceModel(HeadModel):
    """A segment is like those that stand near it in the hierarchy, the more so the better they are known.

    The rate of a segment is the trial's level, times what its words mean in every market, times what the attention
    reads of its relatives: by how much their conversions differ from what level and words would have led to expect.
    A root that says nothing stands among the keys, for segments without relatives.
    """

    def __init__(self) -> None:
        """Draw the weights."""
        super().__init__()
        rng = torch.Generator().manual_seed(0)
        self.words = word_weights(WIDTH)
        self.place = linear(WIDTH + 1, INNER, rng)
        self.told = linear(3, INNER, rng)
        self.attention = HyperbolicAttention.Config(width=INNER, key_width=INNER, value_width=INNER, heads=4).build()
        self.read = read_out(INNER + 1, 32, 2, rng)
        self.requires_grad_(requires_grad=False)  # the service never trains

    def forward(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> AttentionOutput:
        """Foretell segments.

        Args:
            query: [B, Q, 256], embeddings of the segments' paths ("sport > running > beginners").
            key: [B, K, 256], those of the segments tried.
            value: [B, K, 2], clicks and conversions of the segments tried.
            mask: [B, K] boolean, segments that count.

        Returns:
            Output [B, Q, 2]: log of conversions per click, and its standard deviation; extras ``nearest`` [B, Q],
            the tried segment that is read most, as the group that the segment belongs to (K where that is the root).
        """
        kept = torch.ones_like(key[..., 0]) if mask is None else mask.to(key)
        clicks, conversions = (value * kept[..., None]).unbind(-1)
        words = self.words(key)[..., 0]
        level = _level(clicks * words.exp(), conversions)
        due = clicks * (level[:, None] + words).exp()
        surprise = torch.log((conversions + 1.0) / (due + 1.0))
        sure = torch.log1p(due)
        told = F.pad(torch.stack([surprise, sure / 4.0, torch.ones_like(sure)], dim=-1), (0, 0, 0, 1))
        places = F.pad(torch.cat([key, sure[..., None] / 4.0], dim=-1), (0, 0, 0, 1))
        there = F.pad(kept > 0, (0, 1), value=True)
        asked = self.place(F.pad(query, (0, 1)))
        read = self.attention(asked, self.place(places), self.told(told), there, need_weights=True)
        known = torch.log1p(conversions.sum(dim=1))[:, None, None].expand(-1, query.shape[1], -1) / 4.0
        moved, spread = self.read(torch.cat([read.output, known], dim=-1)).unbind(-1)
        rate = level[:, None] + self.words(query)[..., 0] + moved
        assert read.weights is not None
        nearest = read.weights.mean(dim=1).argmax(dim=-1)
        return AttentionOutput(torch.stack([rate, F.softplus(spread) + 0.02], dim=-1), None, {"nearest": nearest})

    def simple(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> AttentionOutput:
        """The mean rate of all segments tried, with the spread that they show, for every segment."""
        kept = torch.ones_like(key[..., 0]) if mask is None else mask.to(key)
        clicks, conversions = (value * kept[..., None]).unbind(-1)
        level = _level(clicks, conversions)
        due = clicks * level[:, None].exp()
        square = torch.log((conversions + 1.0) / (due + 1.0)).square() - 1.0 / (due + 1.0)
        variance = ((square * kept).sum(dim=1) + 4.0 * _USUAL_VARIANCE) / (kept.sum(dim=1) + 4.0)
        output = torch.stack([level, variance.clamp(min=0.01).sqrt()], dim=-1)
        nearest = torch.full(query.shape[:2], key.shape[1])
        return AttentionOutput(output[:, None].expand(-1, query.shape[1], -1), None, {"nearest": nearest})

    def loss(self, output: Tensor, target: Mapping[str, Tensor]) -> Tensor:
        """[B] negative log-likelihood of the conversions of the segments asked about, a mean over them.

        Conversions are Poisson around a rate that is gamma around the answer, with its relative deviation.
        """
        conversions = target["conversions"]
        shape = output[..., 1].pow(-2)
        mean = target["clicks"] * output[..., 0].exp()
        ways = torch.lgamma(conversions + shape) - torch.lgamma(shape) - torch.lgamma(conversions + 1.0)
        chance = ways - shape * torch.log1p(mean / shape) - conversions * torch.log1p(shape / mean)
        return -chance.mean(dim=-1)


def _level(clicks: Tensor, conversions: Tensor) -> Tensor:
    """[B] log rate of all clicks [B, K] together, near the usual one while there are few."""
    total = conversions.sum(dim=1) + _USUAL_RATE * _USUAL_CLICKS
    return torch.log(total / (clicks.sum(dim=1) + _USUAL_CLICKS))
