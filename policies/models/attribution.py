"""How likely a journey ends in a conversion, and which touches deserve the credit.

Letters: B journeys, L touches, C channels, W width of the attention.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from mechanisms.base import AttentionOutput
from mechanisms.graph_rope import GraphRopeAttention
from mechanisms.shapley import shapley
from policies.entities import TOUCH_CHANNELS
from policies.models.head import HeadModel
from policies.models.layers import linear, read_out

CHANNELS = len(TOUCH_CHANNELS)
MOST_TOUCHES = 100
"""Of a journey; a longer one is refused."""
INNER = 64
"""W."""
_WEEK_S = 7 * 24 * 3600.0
_LIFT_WEIGHT = 20.0
"""Of a squared error of a lift beside a log-loss: lifts are a few hundredths."""
_PAIRS = 32
"""Pairs of orders by which the credit of more touches than can be enumerated is sampled."""


class AttributionModel(HeadModel):
    """The window's end looks back at the touches, each at its own time.

    What it reads moves the account's usual log-odds of converting, in two parts: what the path tells of the person, who
    may have wanted the thing anyway, and what the touches did. A key that says nothing stands at the end itself, so
    that few and old touches are read as little. Credit is by removal: what a touch does to the chance of converting,
    the person being who they are, over all orders in which the touches could have come to count.
    """

    def __init__(self) -> None:
        """Draw the weights."""
        super().__init__()
        rng = torch.Generator().manual_seed(0)
        self.touch = linear(CHANNELS + 3, INNER, rng)
        self.end = linear(2, INNER, rng)
        self.attention = GraphRopeAttention.Config(
            width=INNER,
            key_width=INNER,
            value_width=INNER,
            heads=4,
            shortest_s=60.0,
            decay_s=_WEEK_S,
            max_len=MOST_TOUCHES + 1,  # the end itself is a key
        ).build()
        self.read = read_out(INNER + 1, 32, 2, rng)
        self.requires_grad_(requires_grad=False)  # the service never trains

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        query_time: Tensor,
        key_time: Tensor,
        mask: Tensor | None = None,
    ) -> AttentionOutput:
        """Foretell journeys.

        Args:
            query: [B, 1, 2], earlier journeys of the account and their conversions.
            key: [B, L, 8], the unit vector of each touch's channel.
            value: [B, L, 2], earlier journeys in which that channel was, and their conversions.
            query_time: [B, 1] float64, seconds since any moment, of the window's end.
            key_time: [B, L] float64, seconds since the same moment, of the touches, in any order.
            mask: [B, L] boolean, touches that there are.

        Returns:
            Output [B, 1, 1]: log-odds of converting; no weights, no extras.
        """
        intent, effect = self._parts(query, key, value, query_time, key_time, _there(key, mask))
        return AttentionOutput(intent + effect)

    def _parts(
        self, query: Tensor, key: Tensor, value: Tensor, query_time: Tensor, key_time: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        """[B, 1, 1] twice: log-odds that the person brought along, and what the touches did to them."""
        usual = _log_odds(query)
        touches = F.pad(self.touch(_told(key, value, usual)), (0, 0, 1, 0))
        there, times = F.pad(mask, (1, 0), value=True), torch.cat([query_time, key_time], dim=1)
        end = self.end(F.pad(usual, (0, 1)))
        read = self.attention(end, touches, touches, there, query_time=query_time, key_time=times).output
        intent, effect = self.read(torch.cat([read, usual], dim=-1)).split(1, dim=-1)
        return usual + intent, effect

    def objective(self, inputs: Mapping[str, Tensor], target: Mapping[str, Tensor], markets: int) -> Tensor:  # noqa: ARG002
        """[] the mean loss, and how far the effect of switching off one touch's channel is from the truth.

        Who converts tells effect and intent together; what only a test tells apart, the embedded market knows.
        """
        intent, effect = self._parts(**inputs)
        there, rows = inputs["mask"], torch.arange(len(intent))
        place = rows % there.sum(dim=1).clamp(min=1)
        channel = inputs["key"][rows, place].argmax(dim=-1)
        others = there & (inputs["key"].argmax(dim=-1) != channel[:, None])
        _, left = self._parts(**{**inputs, "mask": others})
        lift = ((intent + effect).sigmoid() - (intent + left).sigmoid())[:, 0, 0]
        slip = (lift - target["lift"][rows, channel]).square()
        return (self.loss(intent + effect, target) + _LIFT_WEIGHT * slip).mean()

    def answer(self, **inputs: Tensor) -> AttentionOutput:
        """What the service gives: ``forward``'s or ``simple``'s output, and how the credit is shared.

        Extras ``credit`` [B, L], what each touch adds to the chance of converting, and ``error`` [B, L], its standard
        error (0 up to 12 touches, for so many are enumerated).
        """
        answer = super().answer(**inputs)
        return answer if self.source == "simple" else AttentionOutput(answer.output, None, self.credit(**inputs))

    def credit(self, **inputs: Tensor) -> dict[str, Tensor]:
        """Shapley values of the touches, by removal from the journey; arguments as ``forward``'s."""
        there = _there(inputs["key"], inputs.get("mask"))
        shares = {"credit": torch.zeros(there.shape), "error": torch.zeros(there.shape)}
        for b in range(len(there)):
            touches = there[b].nonzero()[:, 0]
            if len(touches):
                found = shapley(self._chance(b, touches, inputs), len(touches), pairs=_PAIRS)
                shares["credit"][b, touches] = found.credit.float()
                shares["error"][b, touches] = found.error.float()
        return shares

    def _chance(self, b: int, touches: Tensor, inputs: Mapping[str, Tensor]) -> Callable[[Tensor], Tensor]:
        """The chance of converting by which of the ``touches`` of journey ``b`` there were."""
        journey = {name: x[b : b + 1] for name, x in inputs.items() if name != "mask"}
        journey |= {name: journey[name][:, touches] for name in ("key", "value", "key_time")}

        intent, _ = self._parts(**journey, mask=torch.ones(1, len(touches), dtype=torch.bool))

        def chance(coalitions: Tensor) -> Tensor:
            same = {name: x.expand(len(coalitions), *x.shape[1:]) for name, x in journey.items()}
            return (intent + self._parts(**same, mask=coalitions)[1])[:, 0, 0].sigmoid()

        return chance

    def simple(
        self, query: Tensor, key: Tensor, key_time: Tensor, mask: Tensor | None = None, **_: Tensor
    ) -> AttentionOutput:
        """The account's usual log-odds; the credit for all of that chance to the last touch."""
        there, output = _there(key, mask), _log_odds(query)
        last = torch.where(there, key_time, -torch.inf).argmax(dim=1)
        credit = F.one_hot(last, key.shape[1]) * there * output[:, 0].sigmoid()
        return AttentionOutput(output, None, {"credit": credit, "error": torch.zeros_like(credit)})

    def loss(self, output: Tensor, target: Mapping[str, Tensor]) -> Tensor:
        """[B] log-loss of the conversion."""
        return F.binary_cross_entropy_with_logits(output[:, 0, 0], target["converted"], reduction="none")


def _there(key: Tensor, mask: Tensor | None) -> Tensor:
    return torch.ones_like(key[..., 0], dtype=torch.bool) if mask is None else mask


def _log_odds(counts: Tensor) -> Tensor:
    """[..., 1] log-odds of converting, of journeys and conversions [..., 2], near 5 % while there are few."""
    journeys, conversions = counts.unbind(-1)
    return torch.logit((conversions + 1.0) / (journeys + 20.0))[..., None]


def _told(key: Tensor, value: Tensor, usual: Tensor) -> Tensor:
    """[B, L, C + 3] of each touch: channel, how journeys with it convert beyond the usual, and how sure that is."""
    journeys, conversions = value.unbind(-1)
    expected = usual.sigmoid()[..., 0] * journeys
    beyond = torch.log((conversions + 2.0) / (expected + 2.0))
    return torch.cat([key, torch.stack([beyond, journeys.log1p() / 4.0, torch.ones_like(beyond)], dim=-1)], dim=-1)
