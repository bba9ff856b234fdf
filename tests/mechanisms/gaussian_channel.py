"""The bottleneck of Gaussian variables: its closed form (Chechik et al. 2005), and our encoder trained on it.

``x`` has four columns, ``y`` three; pair i has the correlation ``cross[i]``, the rest is independent.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log

import torch
from torch import Tensor

from mechanisms.information import gaussian_rate
from mechanisms.information_bottleneck import InformationBottleneck, sample


def curve(cross: Sequence[float], beta: float) -> tuple[float, float]:
    """Rate and information in nats that minimise ``beta I(X;Z) - I(Z;Y)``."""
    gain = 1 / beta
    kept = [1 - r**2 for r in cross if gain > 1 / r**2]  # eigenvalues of Cov(x|y) Cov(x)^-1
    rate = sum(0.5 * log((gain - 1) * (1 - e) / e) for e in kept)
    return rate, rate - sum(0.5 * log(gain * (1 - e)) for e in kept)


def trained(cross: Sequence[float], beta: float, steps: int) -> tuple[float, float]:
    """Rate and information of an encoder with its noise, and a Gaussian decoder in place of the binomial one."""
    rng = torch.Generator().manual_seed(4)
    layer = InformationBottleneck.Config(width=4, compressed=3).build().double()
    decoder = torch.nn.Linear(3, 3).double()
    torch.nn.init.eye_(decoder.weight)
    torch.nn.init.zeros_(decoder.bias)
    spread = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    weights = [*layer.mean.parameters(), *layer.spread.parameters(), *decoder.parameters(), spread]
    optimiser = torch.optim.Adam(weights, 0.02)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        rate, information = _measured(layer, decoder, spread, *_pairs(cross, 512, rng), rng)
        optimiser.zero_grad()
        torch.autograd.backward(beta * rate - information)
        optimiser.step()
        schedule.step()
    with torch.no_grad():
        rate, information = _measured(layer, decoder, spread, *_pairs(cross, 100_000, rng), rng)
    return rate.item(), information.item()


def _pairs(cross: Sequence[float], rows: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    r = torch.tensor(cross, dtype=torch.float64)
    x = torch.randn(rows, 4, generator=rng, dtype=torch.float64)
    return x, r * x[:, :3] + (1 - r**2).sqrt() * torch.randn(rows, 3, generator=rng, dtype=torch.float64)


def _measured(
    layer: InformationBottleneck, decoder: torch.nn.Linear, spread: Tensor, x: Tensor, y: Tensor, rng: torch.Generator
) -> tuple[Tensor, Tensor]:
    mean, log_variance = layer.encode(x)
    gap = (y - decoder(sample(mean, log_variance, rng))).square() * torch.exp(-spread)
    # Information is H(Y) less its cross-entropy.
    return gaussian_rate(mean, log_variance).mean(), 0.5 * (y.square() - gap - spread).sum(-1).mean()
