"""Compression of rows to the few numbers that foretell their conversions: a variational information bottleneck.

``min beta I(X; Z) - I(Z; Y)`` by its bound (Alemi et al. 2017): ``beta KL(q(z|x) || N(0, I)) - E log p(y|z)`` with
a Gaussian encoder ``q(z|x) = N(A x + a, diag v(x))`` and a binomial p(y|z): y of n impressions converted.

Letters: B batch, N rows, W width of a row, Z width of the essence.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mechanisms.base import AttentionOutput, check_mask, check_width, checked
from mechanisms.information import (
    binomial_log_likelihood,
    gaussian_log_density,
    gaussian_rate,
    information_lower_bound,
    information_upper_bound,
)
from mechanisms.registry import register

BATCH = 256
"""Rows of one step of ``fit``."""
LEARNING_RATE = 2e-2
"""At the start of ``fit``."""


@register("information_bottleneck")
class InformationBottleneck(nn.Module):
    """A linear encoder with noise of its own, and a decoder of one hidden layer.

    The projections have biases: the rate counts from 0, and conversions have a base rate.
    """

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Config:
        """Sizes, and what a nat costs."""

        width: int = 256
        """W, of a row."""
        compressed: int = 64
        """Z, of its essence."""
        hidden: int = 64
        """Units of the decoder's hidden layer."""
        beta: float = 0.5
        """Nats of log-likelihood that one nat of rate must earn."""
        variance_floor: float = 1e-4
        """Least variance of the encoder's noise, in loss and sample alike: no number carries more than 4.6 nats."""
        seed: int = 0

        def build(self) -> InformationBottleneck:
            """A bottleneck with weights drawn from ``seed``."""
            return InformationBottleneck(self)

    def __init__(self, config: Config) -> None:
        """Draw the weights.

        Raises:
            ValueError: if a size or the floor is not positive, or beta is negative.
        """
        super().__init__()
        if min(config.width, config.compressed, config.hidden, config.variance_floor) <= 0 or config.beta < 0:
            raise ValueError(f"sizes and variance_floor must be positive, beta not negative: {config}")
        self.config = config
        rng = torch.Generator().manual_seed(config.seed)
        self.mean = _linear(config.width, config.compressed, rng)
        self.spread = _linear(config.width, config.compressed, rng)
        self.inner = _linear(config.compressed, config.hidden, rng)
        self.outer = _linear(config.hidden, 1, rng)

    def forward(self, query: Tensor, mask: Tensor | None = None, *, need_weights: bool = False) -> AttentionOutput:
        """Compress without noise.

        Args:
            query: [B, N, W].
            mask: [B, N] boolean, True keeps a row.
            need_weights: also return what the essence costs and foretells; there are no weights.

        Returns:
            Output [B, N, Z], the mean of each row's essence, zero where masked; extras on request ``rate`` [B, N]
            in nats, and ``log_odds`` [B, N] of a conversion. Rows do not see each other.

        Raises:
            ValueError: on shapes that disagree.
            RuntimeError: if the output is not finite.
        """
        if query.dim() != 3:
            raise ValueError(f"query has shape {tuple(query.shape)}, expected [B, N, W]")
        check_mask(mask, query)
        kept = query.new_ones(query.shape[:2], dtype=torch.bool) if mask is None else mask
        query = torch.where(kept[..., None], query, 0.0)
        output = torch.where(kept[..., None], self.compress(query), 0.0)
        extras = {}
        if need_weights:
            rate = gaussian_rate(*self.encode(query))
            extras = {"rate": torch.where(kept, rate, 0.0), "log_odds": self.decode(output)}
        return AttentionOutput(checked(output, "information_bottleneck"), None, extras)

    def compress(self, x: Tensor) -> Tensor:
        """The essence of rows [..., W] without noise: [..., Z]."""
        check_width("x", x, self.config.width)
        essence: Tensor = self.mean(x)
        return essence

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z|x) for rows [..., W]: two of [..., Z]. The floor is in them."""
        variance = F.softplus(self.spread(x)) + self.config.variance_floor
        return self.compress(x), variance.log()

    def decode(self, z: Tensor) -> Tensor:
        """Log-odds of a conversion for essences [..., Z]: [...]."""
        odds: Tensor = self.outer(F.gelu(self.inner(z)))[..., 0]
        return odds

    def loss(self, x: Tensor, conversions: Tensor, impressions: Tensor, rng: torch.Generator) -> Tensor:
        """``beta rate - log-likelihood`` in nats a row, with one draw of the noise.

        Args:
            x: [..., W].
            conversions: [...], of the impressions.
            impressions: [...].
            rng: of the noise.

        Returns:
            [].
        """
        mean, log_variance = self.encode(x)
        log_odds = self.decode(sample(mean, log_variance, rng))
        likelihood = binomial_log_likelihood(log_odds, conversions, impressions)
        return (self.config.beta * gaussian_rate(mean, log_variance) - likelihood).mean()

    @torch.no_grad()
    def bounds(self, x: Tensor, conversions: Tensor, impressions: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        """What the essence keeps, in nats a row; time and memory grow with N^2 Z.

        Args:
            x: [N, W], held out; at least 2 rows.
            conversions: [N].
            impressions: [N], which must not depend on x.
            rng: of the noise.

        Returns:
            ``input_rate`` and ``input_upper`` >= I(X; Z) >= ``input_lower``, and I(Z; Y) >= ``outcome_lower``, all
            in the mean over samples; each lower bound is at most log N.
        """
        mean, log_variance = self.encode(x)
        z = sample(mean, log_variance, rng)
        density = gaussian_log_density(z, mean, log_variance)
        outcome = binomial_log_likelihood(self.decode(z), conversions[:, None], impressions[:, None])
        return {
            "input_rate": gaussian_rate(mean, log_variance).mean(),
            "input_upper": information_upper_bound(density),
            "input_lower": information_lower_bound(density),
            "outcome_lower": information_lower_bound(outcome),
        }


def sample(mean: Tensor, log_variance: Tensor, rng: torch.Generator) -> Tensor:
    """One draw of the essence; gradients flow to mean and log-variance."""
    noise = torch.randn(mean.shape, generator=rng, dtype=mean.dtype, device=mean.device)
    return mean + torch.exp(0.5 * log_variance) * noise


def fit(
    bottleneck: InformationBottleneck,
    x: Tensor,
    conversions: Tensor,
    impressions: Tensor,
    steps: int,
    rng: torch.Generator,
) -> None:
    """Train in place by Adam, on ``BATCH`` rows a step, with a learning rate that falls to 0.

    The decoder's bias starts at the base rate: until that is known, hundreds of steps learn nothing else.

    Args:
        bottleneck: to train.
        x: [N, W], columns on comparable scales.
        conversions: [N].
        impressions: [N].
        steps: how many.
        rng: of rows and noise.
    """
    # One impression of either outcome more, so that neither has infinite odds.
    base = torch.log((conversions.sum() + 1) / ((impressions - conversions).sum() + 1))
    nn.init.constant_(bottleneck.outer.bias, base.item())
    optimiser = torch.optim.Adam(bottleneck.parameters(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        rows = torch.randint(len(x), (BATCH,), generator=rng)
        loss = bottleneck.loss(x[rows], conversions[rows], impressions[rows], rng)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        schedule.step()


def _linear(columns: int, rows: int, rng: torch.Generator) -> nn.Linear:
    layer = nn.Linear(columns, rows)
    nn.init.xavier_uniform_(layer.weight, generator=rng)
    nn.init.zeros_(layer.bias)
    return layer


def naive(layer: InformationBottleneck, query: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The definition, in float64, one number at a time: the oracle of ``forward``.

    Arguments as in ``forward``. Returns output [B, N, Z], rate [B, N] and log-odds [B, N].
    """
    z_width, hidden = layer.config.compressed, layer.config.hidden
    (a, a0), (s, s0), (w, w0), (v, v0) = (
        (each.weight.double(), each.bias.double()) for each in (layer.mean, layer.spread, layer.inner, layer.outer)
    )
    output = torch.zeros(*query.shape[:2], z_width, dtype=torch.float64)
    rate, log_odds = torch.zeros_like(output[..., 0]), torch.zeros_like(output[..., 0])
    for b in range(len(query)):
        for i in range(query.shape[1]):
            x = query[b, i].double()
            if mask[b, i]:
                for k in range(z_width):
                    output[b, i, k] = m = a[k] @ x + a0[k]
                    variance = torch.log(1 + torch.exp(s[k] @ x + s0[k])) + layer.config.variance_floor
                    rate[b, i] = rate[b, i] + (variance + m**2 - 1 - torch.log(variance)) / 2
            units = [w[h] @ output[b, i].clone() + w0[h] for h in range(hidden)]
            log_odds[b, i] = v0[0] + sum(
                v[0, h] * u * (1 + torch.erf(u / math.sqrt(2))) / 2 for h, u in enumerate(units)
            )
    return output, rate, log_odds
