"""How many people a carousel or a video engages, and which frames do it.

Letters: B creatives, N frames, T frames of all creatives, W width of the attention.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from mechanisms.base import AttentionOutput
from mechanisms.flash import FlashAttention
from policies.models.head import HeadModel
from policies.models.layers import linear, read_out

WIDTH = 256
"""Width of a frame's embedding."""
INNER = 64
"""W."""
_CLOCK = 5
"""Numbers that tell when a frame stands."""
_LEAST = 1e-3
"""Of a sum, so that a creative without frames has a logarithm."""


class SequenceModel(HeadModel):
    """Frames read each other, each then says what it adds, and the sum says how many people are engaged.

    A frame's score is what the whole loses, in log-odds, where the sum is without its part: a removal, not a weight.
    """

    def __init__(self) -> None:
        """Draw the weights."""
        super().__init__()
        rng = torch.Generator().manual_seed(0)
        self.frame = linear(WIDTH, INNER, rng)
        self.place = linear(INNER + _CLOCK + 1, INNER, rng)
        self.attention = FlashAttention.Config(width=INNER, heads=4).build()
        self.part = read_out(2 * INNER + _CLOCK + 1, 64, 1, rng)
        self.whole = read_out(3, 32, 1, rng)
        self.requires_grad_(requires_grad=False)  # the service never trains

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, account: Tensor, mask: Tensor | None = None
    ) -> AttentionOutput:
        """Score creatives.

        Args:
            query: [B, 1, 256], embedding of what is sold.
            key: [B, N, 256], embeddings of the frames in their order.
            value: [B, N, 1], seconds for which each stands.
            account: [B, 2], impressions and engaged views of the account's earlier creatives.
            mask: [B, N] boolean, frames that there are.

        Returns:
            Output [B, 1, 1]: log-odds of an impression's becoming an engaged view; extras ``frames`` [B, N], each
            frame's score: log-odds that its part is worth.
        """
        there = torch.ones_like(value[..., 0], dtype=torch.bool) if mask is None else mask
        clock, length = _clock(value[..., 0] * there, there)
        shown = (key * query).sum(dim=-1, keepdim=True)
        part = torch.zeros_like(value[..., 0])
        part[there] = self._parts(key[there], torch.cat([clock, shown], dim=-1)[there], there.sum(dim=1))
        total = part.sum(dim=1, keepdim=True) + _LEAST
        usual = _log_odds(account).to(value)
        output = usual + self.whole(torch.cat([length, usual], dim=-1)) + total.log()
        frames = total.log() - (total - part).clamp(min=_LEAST).log()
        return AttentionOutput(output[:, None], None, {"frames": frames})

    def _parts(self, frames: Tensor, when: Tensor, lengths: Tensor) -> Tensor:
        """[T] what each frame adds, of all creatives' frames [T, 256] end to end: no work is done on padding."""
        content = torch.cat([self.frame(frames), when], dim=-1)
        place = self.place(content)[None]
        read = self.attention(place, place, place, query_offsets=F.pad(lengths.cumsum(0), (1, 0))).output[0]
        return F.softplus(self.part(torch.cat([content, read], dim=-1))[:, 0])

    def simple(self, value: Tensor, account: Tensor, **_: Tensor) -> AttentionOutput:
        """The account's mean rate, to which every frame adds alike."""
        return AttentionOutput(_log_odds(account).to(value)[:, None], None, {"frames": torch.zeros_like(value[..., 0])})

    def loss(self, output: Tensor, target: Mapping[str, Tensor]) -> Tensor:
        """[B] log-loss of an impression, in hundredths."""
        rate = target["engaged"] / target["impressions"]
        return 100.0 * F.binary_cross_entropy_with_logits(output[:, 0, 0], rate, reduction="none")


def _clock(seconds: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
    """[B, N, 5] when each frame stands; [B, 2] how long the whole is, in seconds and frames."""
    total, count = seconds.sum(dim=1, keepdim=True), there.sum(dim=1, keepdim=True)
    begins = seconds.cumsum(dim=1) - seconds
    share = begins / total.clamp(min=1e-3)
    when = [begins.log1p(), torch.exp(-begins / 3.0), torch.exp(-begins / 15.0), share, seconds.log1p()]
    return torch.stack(when, dim=-1), torch.cat([total.log1p(), count.log1p()], dim=-1)


def _log_odds(account: Tensor) -> Tensor:
    """[B, 1] of the account's mean rate, near 10 % while nothing is known."""
    impressions, engaged = account.unbind(-1)
    rate = (engaged + 1.0) / (impressions + 10.0)
    return torch.logit(rate)[:, None]
