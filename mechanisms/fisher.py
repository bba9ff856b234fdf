"""Families of distributions with their Fisher metric: how far apart parameters are by what they predict.

``F = E[score score^T]`` measures a small change of the coordinates by the KL divergence that it
makes, ``KL = 1/2 d^T F d + O(|d|^3)``, so its geometry does not depend on how a family is written down.

Letters: n coordinates; leading sizes [...] are a batch of distributions.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields, replace
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class FisherMetric(ABC):
    """A distribution, by its coordinates, and the metric of its family there."""

    coordinates: Tensor
    """[..., n]."""

    def moved(self, step: Tensor) -> Self:
        """The distribution at ``coordinates + step``."""
        return replace(self, coordinates=self.coordinates + step)

    def double(self) -> Self:
        """The same in float64."""
        return replace(self, **{field.name: getattr(self, field.name).double() for field in fields(self)})

    @abstractmethod
    def matrix(self) -> Tensor:
        """F, [..., n, n]."""

    @abstractmethod
    def apply(self, vector: Tensor) -> Tensor:
        """``F vector``, [..., n]."""

    @abstractmethod
    def solve(self, gradient: Tensor, damping: float = 0.0) -> Tensor:
        """``(F + damping)^-1 gradient``, [..., n]; exact, not iterated."""

    @abstractmethod
    def kl(self, other: Self) -> Tensor:
        """``KL(self || other)`` in nats, [...]."""

    @abstractmethod
    def distance(self, other: Self) -> Tensor:
        """Length of the shortest path to ``other`` in this metric (Fisher-Rao), [...]."""


@dataclass(frozen=True, slots=True, eq=False)
class Categorical(FisherMetric):
    """One of n outcomes; coordinates are logits, so ``F = diag(p) - p p^T``.

    Adding a constant to all logits changes no probability, so F has no inverse in that direction, and gradients sum to
    0: what rounding leaves of the sum is taken off in proportion to p.

    >>> Categorical(torch.zeros(4)).solve(torch.tensor([0.25, -0.25, 0.0, 0.0]))
    tensor([ 1., -1.,  0.,  0.])
    """

    @property
    def probabilities(self) -> Tensor:
        """[..., n], summing to 1."""
        return torch.softmax(self.coordinates, -1)

    def matrix(self) -> Tensor:
        """``diag(p) - p p^T``."""
        p = self.probabilities
        return torch.diag_embed(p) - p[..., :, None] * p[..., None, :]

    def apply(self, vector: Tensor) -> Tensor:
        """``p (vector - <p, vector>)``, in n operations."""
        p = self.probabilities
        return p * (vector - (p * vector).sum(-1, keepdim=True))

    def solve(self, gradient: Tensor, damping: float = 0.0) -> Tensor:
        """By Sherman and Morrison in n operations; without damping the pseudo-inverse.

        For g of sum 0, ``x = g / (p + damping)`` less the multiple of ``s = p / (p + damping)`` at which x sums to 0;
        the damping has been cancelled against the denominator, so that it may be 0.
        """
        p = self.probabilities
        # Taken off the likely outcomes: off all alike, rounding over a rare one's p would be a huge step.
        g = gradient - p * gradient.sum(-1, keepdim=True)
        # An outcome whose probability underflows has a gradient of 0 and must not make 0 / 0.
        damped = (p + damping).clamp_min(torch.finfo(p.dtype).tiny)
        x, s = g / damped, p / damped
        return x - s * (x.sum(-1, keepdim=True) / s.sum(-1, keepdim=True))

    def kl(self, other: Self) -> Tensor:
        """``sum p (log p - log q)``."""
        p, q = (torch.log_softmax(each.coordinates, -1) for each in (self, other))
        return (p.exp() * (p - q)).sum(-1)

    def distance(self, other: Self) -> Tensor:
        """``2 arccos <sqrt p, sqrt q>``: twice an angle, as the roots lie on a sphere."""
        p, q = (torch.softmax(each.coordinates, -1).sqrt() for each in (self, other))
        # The half chord tells small angles apart where the cosine has rounded to 1.
        chord = torch.linalg.vector_norm(p - q, dim=-1)
        return 4 * torch.asin((chord / 2).clamp_max(1.0))


@dataclass(frozen=True, slots=True, eq=False)
class LogNormal(FisherMetric):
    """A positive amount whose log is normal; coordinates are the log's mean m and log-variance l, so n = 2.

    ``F = diag(exp(-l), 1/2)``: the level can be told, and every step leaves amounts positive.
    """

    @property
    def median(self) -> Tensor:
        """``exp(m)``, [...]: half of the amounts lie above."""
        return self.coordinates[..., 0].exp()

    def matrix(self) -> Tensor:
        """``diag(exp(-l), 1/2)``."""
        return torch.diag_embed(self._diagonal())

    def apply(self, vector: Tensor) -> Tensor:
        """The diagonal, times."""
        return self._diagonal() * vector

    def solve(self, gradient: Tensor, damping: float = 0.0) -> Tensor:
        """Over the diagonal."""
        return gradient / (self._diagonal() + damping)

    def kl(self, other: Self) -> Tensor:
        """``1/2 (exp(r) - 1 - r + (m - m')^2 exp(-l'))`` with ``r = l - l'``."""
        m, r = (self.coordinates - other.coordinates).unbind(-1)
        return 0.5 * (torch.expm1(r) - r + m.square() * torch.exp(-other.coordinates[..., 1]))

    def distance(self, other: Self) -> Tensor:
        """``sqrt(8) asinh(sqrt(((m - m')^2 / 2 + (s - s')^2) / (4 s s')))`` with deviations s: a hyperbolic plane."""
        (m, log), (other_m, other_log) = (each.coordinates.unbind(-1) for each in (self, other))
        product = torch.exp(-(log + other_log) / 2)
        # (s - s')^2 / (4 s s') without cancellation
        spread = torch.sinh((log - other_log) / 4).square()
        return 8**0.5 * torch.asinh(((m - other_m).square() * product / 8 + spread).sqrt())

    def _diagonal(self) -> Tensor:
        log = self.coordinates[..., 1]
        return torch.stack([torch.exp(-log), torch.full_like(log, 0.5)], -1)


@dataclass(frozen=True, slots=True, eq=False)
class Flat(FisherMetric):
    """Any family with a given Fisher matrix, taken for constant: then ``KL = 1/2 d^T F d``.

    That is exact for the mean of a Gaussian with precision F, and to second order for everything else.
    """

    fisher: Tensor
    """[..., n, n], symmetric, not negative."""

    def matrix(self) -> Tensor:
        """The given one."""
        return self.fisher

    def apply(self, vector: Tensor) -> Tensor:
        """A product."""
        return (self.fisher @ vector[..., None])[..., 0]

    def solve(self, gradient: Tensor, damping: float = 0.0) -> Tensor:
        """By Cholesky.

        Raises:
            RuntimeError: (``torch.linalg.LinAlgError``) if ``F + damping`` is not positive definite.
        """
        eye = torch.eye(gradient.shape[-1], dtype=gradient.dtype, device=gradient.device)
        factor = torch.linalg.cholesky(self.fisher + damping * eye)
        return torch.cholesky_solve(gradient[..., None], factor)[..., 0]

    def kl(self, other: Self) -> Tensor:
        """``1/2 d^T F d``."""
        d = other.coordinates - self.coordinates
        return 0.5 * (d * self.apply(d)).sum(-1)

    def distance(self, other: Self) -> Tensor:
        """``sqrt(d^T F d)``."""
        return (2 * self.kl(other)).sqrt()
