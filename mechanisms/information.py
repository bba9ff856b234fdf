"""Bounds on mutual information from samples, and the divergences they are made of; all in nats.

Letters: N samples, Z latent width.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def gaussian_rate(mean: Tensor, log_variance: Tensor) -> Tensor:
    """``KL(N(mean, diag exp(log_variance)) || N(0, I))`` of [..., Z]: [...].

    Its mean over x is at least I(X; Z), whatever the true marginal of Z.
    """
    return 0.5 * (torch.expm1(log_variance) - log_variance + mean.square()).sum(-1)


def gaussian_log_density(z: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """``log N(z_i; mean_j, diag exp(log_variance_j))`` for all pairs of [N, Z]: [N, N], less ``Z/2 log(2 pi)``."""
    gap = (z[:, None] - mean).square() * torch.exp(-log_variance)
    return -0.5 * (gap + log_variance).sum(-1)


def binomial_log_likelihood(log_odds: Tensor, successes: Tensor, trials: Tensor) -> Tensor:
    """``k log p + (n - k) log(1 - p)``, broadcast; the count of orders, which no p changes, is left out."""
    return successes * F.logsigmoid(log_odds) + (trials - successes) * F.logsigmoid(-log_odds)


def information_lower_bound(scores: Tensor) -> Tensor:
    """InfoNCE: ``mean_i s_ii - log mean_j exp s_ij``, at most I and at most log N.

    Args:
        scores: [N, N], how well sample i of one side goes with sample j of the other; any function will do,
            the log-likelihood does best.

    Returns:
        [].
    """
    return (scores.diagonal() - torch.logsumexp(scores, -1) + math.log(len(scores))).mean()


def information_upper_bound(log_density: Tensor) -> Tensor:
    """Leave one out: ``mean_i s_ii - log mean_{j != i} exp s_ij``, at least I in the mean over samples.

    Args:
        log_density: [N, N], ``log p(z_i | x_j)``; unlike for the lower bound it must be the true one.

    Returns:
        [].
    """
    itself = torch.eye(len(log_density), dtype=torch.bool, device=log_density.device)
    others = torch.logsumexp(log_density.masked_fill(itself, -math.inf), -1)
    return (log_density.diagonal() - others + math.log(len(log_density) - 1)).mean()
