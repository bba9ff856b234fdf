"""Steps down a gradient, measured by what they change in the distribution, not in its coordinates.

``x <- x - s lr (F + damping)^-1 g`` (Amari 1998) with the largest s of at most 1 for which
``KL(new || old) <= trust_region``. On the simplex, with the gradient g of the shares, that is
``p <- p exp(-s lr g) / Z``: exponentiated gradient, or mirror descent in the same metric. Nothing is learned.

Letters: n coordinates; leading sizes [...] are a batch, each of whose rows has its own s.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

from mechanisms.base import checked
from mechanisms.fisher import Categorical, FisherMetric
from mechanisms.registry import register

P = TypeVar("P", bound=FisherMetric)

HALVINGS = 256
"""A step is shortened to no less than ``2**-256`` of itself, farther than single precision reaches; then to 0."""
BISECTIONS = 40
"""Of the exponent between 0 and ``HALVINGS``: the length of a step is known to one part in 10^9."""


@register("natural_gradient")
class NaturalGradient(nn.Module):
    """An optimiser without state or weights: the new distribution follows from the old one and a gradient."""

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Config:
        """Length of a step, and its limits."""

        lr: float = 0.1
        """Length of a step, as a multiple of the solved gradient."""
        damping: float = 0.0
        """Added to the diagonal of F: rare outcomes and flat directions move less, and invariance is lost."""
        trust_region: float = 0.01
        """Largest KL(new || old) of one step in nats; ``math.inf`` for none."""
        exact: bool = True
        """Solve with F; otherwise with its diagonal alone."""

        def build(self) -> NaturalGradient:
            """The optimiser."""
            return NaturalGradient(self)

    def __init__(self, config: Config) -> None:
        """Keep the settings.

        Raises:
            ValueError: if one is negative or 0, where only ``damping`` may be 0.
        """
        super().__init__()
        for name in ("lr", "trust_region"):
            if not getattr(config, name) > 0:
                raise ValueError(f"{name} is {getattr(config, name)}, expected more than 0")
        if not config.damping >= 0:
            raise ValueError(f"damping is {config.damping}, expected at least 0")
        self.config = config

    @torch.no_grad()
    def forward(self, policy: P, gradient: Tensor) -> P:
        """The policy one step on.

        Args:
            policy: a distribution of ``mechanisms.fisher``, coordinates [..., n].
            gradient: [..., n], of the loss in these coordinates.

        Returns:
            The new distribution, of the same family; no gradient flows through a step.

        Raises:
            ValueError: if the gradient's shape is not the coordinates'.
            RuntimeError: if a coordinate is not finite.
        """
        if gradient.shape != policy.coordinates.shape:
            raise ValueError(f"gradient {tuple(gradient.shape)} is not {tuple(policy.coordinates.shape)}")
        step = -self.config.lr * self._solve(policy, gradient)
        new = policy.moved(self._shortened(policy, step))
        checked(new.coordinates, "natural_gradient")
        return new

    def shares(self, shares: Tensor, gradient: Tensor) -> Tensor:
        """A step for shares on the simplex.

        Args:
            shares: [..., n], not negative, summing to 1. A share of 0 stays 0.
            gradient: [..., n], of the loss by each share.

        Returns:
            [..., n], summing to 1.
        """
        # The floor lets an outcome that is never chosen have a logit.
        logits = shares.clamp_min(torch.finfo(shares.dtype).tiny).log()
        # By the chain rule through the softmax.
        slope = shares * (gradient - (shares * gradient).sum(-1, keepdim=True))
        new: Categorical = self(Categorical(logits), slope)
        return new.probabilities

    def _shortened(self, policy: FisherMetric, step: Tensor) -> Tensor:
        """``step``, within the trust region."""
        # The KL of a small step is a difference of nearly equal numbers.
        old, fine = policy.double(), step.double()
        scale = largest_scale(
            lambda s: old.moved(s[..., None] * fine).kl(old), fine.new_ones(step.shape[:-1]), self.config.trust_region
        )
        return (scale[..., None] * fine).to(step)

    def _solve(self, policy: FisherMetric, gradient: Tensor) -> Tensor:
        if self.config.exact:
            return policy.solve(gradient, self.config.damping)
        diagonal: Tensor = policy.matrix().diagonal(dim1=-2, dim2=-1)
        return gradient / (diagonal + self.config.damping)


def largest_scale(kl: Callable[[Tensor], Tensor], most: Tensor, limit: float) -> Tensor:
    """The largest s, at most ``most``, at which a divergence that grows with s is within ``limit``.

    KL(new || old) grows along a straight step in every family of ``mechanisms.fisher``, so bisection
    finds the only crossing; the end that is returned has been seen to be within the limit.

    Args:
        kl: of s [...], giving [...].
        most: [...], where to begin.
        limit: at least 0.

    Returns:
        [...]; ``most / 2**HALVINGS`` is taken for 0.
    """
    outside, within = torch.zeros_like(most), torch.full_like(most, HALVINGS)
    for _ in range(BISECTIONS):
        middle = (outside + within) / 2
        good = kl(most * torch.exp2(-middle)) <= limit
        within, outside = torch.where(good, middle, within), torch.where(good, outside, middle)
    shortened = torch.where(within < HALVINGS, most * torch.exp2(-within), 0.0)
    return torch.where(kl(most) <= limit, most, shortened)


def naive(config: NaturalGradient.Config, policy: P, gradient: Tensor) -> P:
    """The definition for one distribution, in float64: pseudo-inverse, and halving until the KL is within the limit.

    A step that is cut has ``forward``'s direction, and between half of its length and all of it.
    """
    policy, matrix = policy.double(), policy.double().matrix()
    if not config.exact:
        matrix = torch.diag(matrix.diagonal())
    damped = matrix + config.damping * torch.eye(len(matrix), dtype=torch.float64)
    step = -config.lr * torch.linalg.pinv(damped, hermitian=True) @ gradient.double()
    while policy.moved(step).kl(policy) > config.trust_region:
        step = step / 2
    return policy.moved(step)
