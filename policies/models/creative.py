"""How each element of a creative moves its rate.

Letters: B creatives, 4 elements (hook, promise, frame, text), 16 features an element.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from mechanisms.base import AttentionOutput
from mechanisms.multi_head import MultiHeadAttention
from policies.estimation import OWN_VARIANCE
from policies.models.head import HeadModel, projection
from policies.models.shapes import Shape

ELEMENTS = ("hook", "promise", "frame", "text")
"""Order of the elements, and of the first four scores."""
WIDTH = 256
"""Width of an element's embedding."""
FEATURES = 16
"""Features of an element."""
_OPENING_DOUBT = 0.2
"""Standard deviation of a weight before training says otherwise."""


class CreativeScorer(HeadModel):
    """One learned query per element reads mostly that element and a little of the others.

    A score is a weighted sum of the element's features, so it is an attribution that adds up:
    overall = hook + promise + frame + text + bias, the predicted log of the rate's multiplier. The head's
    ``root``, a square root of the covariance of weights and bias, says how sure that prediction is. The shipped head
    is what holds in every market; what is a market's own, the run learns. Simple: all creatives alike.
    """

    HEAD: ClassVar[Mapping[str, Shape]] = {
        "weights": (len(ELEMENTS) * FEATURES,),
        "bias": (1,),
        "root": (len(ELEMENTS) * FEATURES + 1, len(ELEMENTS) * FEATURES + 1),
    }

    def __init__(self) -> None:
        """Set the body's weights; the head starts at nothing."""
        super().__init__()
        self.prior = nn.ParameterDict(
            {name: torch.zeros([int(size) for size in shape]) for name, shape in self.HEAD.items()}
        )
        self.prior["root"] = nn.Parameter(_OPENING_DOUBT * torch.eye(len(self.prior["root"])))
        count = len(ELEMENTS)
        self.attention = MultiHeadAttention.Config(
            width=FEATURES,
            key_width=WIDTH + count,
            value_width=WIDTH,
            heads=1,
            element_queries=count,
            logit_scale=4.0,
        ).build()
        self.requires_grad_(requires_grad=False)  # the service never trains
        attention = self.attention
        attention.queries.copy_(torch.eye(count, FEATURES))
        attention.query_weight.copy_(torch.eye(FEATURES))
        # The type of an element outweighs its words, so a query finds its own element first.
        attention.key_weight.copy_(
            torch.cat([0.25 * projection(FEATURES, WIDTH, 1), torch.eye(FEATURES, count)], dim=1)
        )
        attention.value_weight.copy_(projection(FEATURES, WIDTH, 2))
        attention.output_weight.copy_(torch.eye(FEATURES))

    def forward(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> AttentionOutput:
        """Score creatives.

        Args:
            query: [B, 1, 256], embeddings of the creatives' texts, an element like the others.
            key: [B, 3, 256], embeddings of hook, promise and frame, by which they are found.
            value: [B, 3, 256], what is read of them, most often the same.
            mask: [B, 3] boolean, elements the creative has; the others score 0.

        Returns:
            Output [B, 1, 5]: hook, promise, frame, text, overall; weights [B, 1, 4, 4]; extras
            ``features`` [B, 64], ``doubt`` [B, 1] the variance of overall, 0 without a head.
        """
        read, features = self._read(query, key, value, mask)
        head = self.head or self.prior
        each = (features * head["weights"]).view(-1, len(ELEMENTS), FEATURES).sum(-1)
        overall = each.sum(-1, keepdim=True) + head["bias"]
        doubt = (_with_bias(features) @ head["root"]).square().sum(-1, keepdim=True)
        scores = torch.cat([each, overall], dim=-1)[:, None]
        return AttentionOutput(scores, read.weights, {"features": features, "doubt": doubt})

    def simple(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> AttentionOutput:
        """All creatives alike: scores [B, 1, 5] of 0 and no doubt; the features are there, for the run to learn on."""
        read, features = self._read(query, key, value, mask)
        nothing = features.new_zeros(len(features), 1, len(ELEMENTS) + 1)
        return AttentionOutput(nothing, read.weights, {"features": features, "doubt": nothing[:, 0, :1]})

    def loss(self, output: Tensor, target: Mapping[str, Tensor]) -> Tensor:
        """[B] log-loss of the conversions among the clicks, in nats over that of the rate that came about.

        Args:
            output: [B, 1, 5].
            target: [B] ``clicks``, ``conversions``, and ``rate``, what the campaign's mean creative converts.
        """
        clicks, seen = target["clicks"], target["conversions"]
        expected = (target["rate"] * torch.exp(output[:, 0, -1])).clamp(1e-6, 1.0 - 1e-6)
        return _log_loss(clicks, seen, expected) - _log_loss(clicks, seen, seen / clicks)

    def objective(self, inputs: Mapping[str, Tensor], target: Mapping[str, Tensor], markets: int) -> Tensor:
        """[] mean loss in a market that nobody has seen, plus the surprise of its second half when the run knows
        nothing yet, and when it knows the first half.

        The surprises are what makes the body tell words apart that do the same elsewhere, and ``root`` the doubt that
        is right and learns fastest.
        """
        answer = self(**inputs)
        x = _with_bias(answer.extras["features"]).view(markets, -1, len(self.prior["root"]))
        surprise = self._surprise(x, {name: each.view(markets, -1) for name, each in target.items()})
        return self.loss(answer.output, target).mean() + surprise

    def _surprise(self, x: Tensor, target: Mapping[str, Tensor]) -> Tensor:
        """[] as ``policies.learning.creative_head`` fits log ratios: Gaussian, what is a creative's own and its counts
        apart. ``x`` [G, n, 65], ``target`` [G, n]."""
        root, opening = self.prior["root"], torch.cat([self.prior["weights"], self.prior["bias"]])
        seen, due = target["conversions"], target["clicks"] * target["rate"]
        gap, noise = torch.log((seen + 1.0) / (due + 1.0)) - x @ opening, OWN_VARIANCE + 1.0 / (seen + 1.0)
        half, seen_through = x.shape[1] // 2, x @ root
        known, later = seen_through[:, :half] / noise[:, :half, None].sqrt(), seen_through[:, half:]
        factor = torch.linalg.cholesky(torch.eye(len(root)) + known.mT @ known)
        told = known.mT @ (gap[:, :half] / noise[:, :half].sqrt())[..., None]
        mean = (later @ torch.cholesky_solve(told, factor))[..., 0]
        doubt = torch.linalg.solve_triangular(factor, later.mT, upper=False).square().sum(1)
        learnt = _gaussian(gap[:, half:] - mean, noise[:, half:] + doubt)
        return learnt + _gaussian(gap[:, half:], noise[:, half:] + later.square().sum(-1))

    def _read(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> tuple[AttentionOutput, Tensor]:
        """What the queries found, and features [B, 64]."""
        kind = torch.eye(len(ELEMENTS)).expand(len(key), -1, -1)
        elements, content = torch.cat([key, query], dim=1), torch.cat([value, query], dim=1)
        there = None if mask is None else torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
        read = self.attention(None, torch.cat([elements, kind], dim=-1), content, there, need_weights=True)
        features = read.output if there is None else read.output * there[..., None]
        return read, features.flatten(1)


def _with_bias(features: Tensor) -> Tensor:
    """[..., 64] to [..., 65]."""
    return torch.cat([features, features.new_ones(*features.shape[:-1], 1)], dim=-1)


def _gaussian(gap: Tensor, variance: Tensor) -> Tensor:
    """[] mean negative log-likelihood of gaps from the mean, a constant left out."""
    return 0.5 * (gap.square() / variance + variance.log()).mean()


def _log_loss(clicks: Tensor, seen: Tensor, rate: Tensor) -> Tensor:
    """[B] of a binomial, its coefficient left out."""
    return -(torch.xlogy(seen, rate) + torch.xlogy(clicks - seen, 1.0 - rate))
