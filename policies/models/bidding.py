"""Odds of a click for each bid request of a stream, from what this stream has shown so far.

Letters: B streams, T requests, W width of the attention, H heads, K key features and V value features of a head.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from mechanisms.base import AttentionOutput
from mechanisms.linear import LinearAttention
from policies.models.head import HeadModel, projection
from policies.models.layers import linear, read_out, word_weights

WIDTH = 256
"""Width of a request's features."""
INNER, HEADS, KERNEL = 64, 4, 16
"""W, H and K."""
_USUAL_RATE, _USUAL_SHOWN = 0.1, 10.0
"""Click rate before anything has been shown, and the impressions that this is worth."""


class BiddingModel(HeadModel):
    """What a request says of itself in every market, plus what the stream's memory recalls for requests like it.

    The memory is told of each outcome by how far it was from what the request and the stream's mean had led to expect.
    It has one size however long the stream is: the state goes in and out with every call.
    """

    def __init__(self) -> None:
        """Draw the weights."""
        super().__init__()
        rng = torch.Generator().manual_seed(0)
        self.words = word_weights(WIDTH)
        self.place = linear(WIDTH, INNER, rng)
        self.told = linear(4, INNER, rng)
        self.attention = LinearAttention.Config(
            width=INNER, key_width=INNER, value_width=INNER, heads=HEADS, kernel_size=KERNEL
        ).build()
        self.read = read_out(INNER + 2, 32, 1, rng)
        self.requires_grad_(requires_grad=False)  # the service never trains
        # What is alike finds itself from the start.
        self.place.weight.copy_(projection(INNER, WIDTH, 5))
        self.attention.query_weight.copy_(self.attention.key_weight[: HEADS * KERNEL])

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, state: Tensor, seen: Tensor, mask: Tensor | None = None
    ) -> AttentionOutput:
        """Price requests; row t of ``key`` is learnt from before row t of ``query`` is priced.

        Args:
            query: [B, T, 256], features of the requests to price.
            key: [B, T, 256], features of a request whose outcome has become known since the row before.
            value: [B, T, 2], that outcome: clicked (1 or 0), and the log of its price.
            state: [B, 4, 16, 16], the memory that the last call answered; zeros at the stream's start.
            seen: [B, 2], impressions and clicks, likewise.
            mask: [B, T] boolean, False where no outcome has become known.

        Returns:
            Output [B, T, 1]: log-odds of a click; extras ``multiplier`` [B, T], the chance of a click over the
            stream's mean, ``state`` and ``seen`` after the last row.
        """
        kept = torch.ones_like(value[..., 0]) if mask is None else mask.to(value)
        sums = _sums(value, kept, seen)
        mean = _log_odds(sums)
        expected = mean + self.words(key)
        surprise = value[..., :1] - expected.sigmoid()
        told = self.told(torch.cat([surprise, expected / 4.0, value[..., 1:], torch.ones_like(surprise)], dim=-1))
        read = self.attention(self.place(query), self.place(key), told, kept > 0, state=state.to(value))
        much = sums[..., :1].log1p() / 4.0
        moved = self.read(torch.cat([read.output, mean / 4.0, much], dim=-1))
        output = mean + self.words(query) + moved
        multiplier = (output.sigmoid() / mean.sigmoid())[..., 0]
        extras = {"multiplier": multiplier, "state": read.extras["state"], "seen": sums[:, -1]}
        return AttentionOutput(output, None, extras)

    def simple(
        self, value: Tensor, state: Tensor, seen: Tensor, mask: Tensor | None = None, **_: Tensor
    ) -> AttentionOutput:
        """The stream's mean so far, for every request alike."""
        kept = torch.ones_like(value[..., 0]) if mask is None else mask.to(value)
        sums = _sums(value, kept, seen)
        extras = {"multiplier": torch.ones_like(kept), "state": state, "seen": sums[:, -1]}
        return AttentionOutput(_log_odds(sums), None, extras)

    def loss(self, output: Tensor, target: Mapping[str, Tensor]) -> Tensor:
        """[B] log-loss of the clicks, a mean over the stream."""
        each = F.binary_cross_entropy_with_logits(output[..., 0], target["clicked"], reduction="none")
        return each.mean(dim=1)


def _sums(value: Tensor, kept: Tensor, seen: Tensor) -> Tensor:
    """[B, T, 2] impressions and clicks known when each request is priced."""
    return torch.stack([kept, kept * value[..., 0]], dim=-1).cumsum(dim=1) + seen[:, None].to(value)


def _log_odds(sums: Tensor) -> Tensor:
    """[B, T, 1] of the mean, near the usual one while little has been shown."""
    shown, clicks = sums.unbind(-1)
    return torch.logit((clicks + _USUAL_RATE * _USUAL_SHOWN) / (shown + _USUAL_SHOWN))[..., None]
