"""Bayesian linear regression with known noise: a ridge that knows how sure it is.

With prior ``w ~ N(0, I / prior)`` and targets ``y_i ~ N(x_i w, 1 / weight_i)`` the posterior is
``N(P^-1 s, P^-1)`` where ``P = prior I + sum weight_i x_i x_i^T`` and ``s = sum weight_i y_i x_i``
(Bishop 2006, section 3.3).  P and s only add up, so the order and size of batches do not matter.

Letters: n rows, F features.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class BayesianLinear:
    """What is known about the weights of a linear model; every method returns a new state."""

    precision: Array
    """P, [F, F]."""
    shift: Array
    """s, [F]."""
    count: float
    """Rows seen, less what was forgotten."""
    prior: float
    """Precision of each weight before any data."""

    @classmethod
    def start(cls, width: int, *, prior: float = 1.0) -> BayesianLinear:
        """Nothing seen yet, ``width`` features.

        Raises:
            ValueError: if ``prior`` is not positive.
        """
        if not prior > 0:
            raise ValueError(f"prior precision is {prior}, expected a positive number")
        return cls(prior * np.eye(width), np.zeros(width), 0.0, prior)

    @classmethod
    def around(cls, mean: Array, root: Array) -> BayesianLinear:
        """Nothing seen yet, weights around ``mean`` [F] with covariance ``root root^T``, root [F, F].

        Raises:
            numpy.linalg.LinAlgError: if ``root`` is singular.
        """
        inverse = np.linalg.inv(root)
        precision = inverse.T @ inverse
        return cls(precision, precision @ mean, 0.0, float(np.diagonal(precision).mean()))

    def update(self, features: ArrayLike, targets: ArrayLike, weights: ArrayLike | None = None) -> BayesianLinear:
        """The state after n more rows.

        Args:
            features: [n, F].
            targets: [n].
            weights: [n], 1 / noise variance of each target; None for ones.

        Raises:
            ValueError: on shapes that disagree, numbers that are not finite, negative weights.
        """
        x = self._features(features)
        y = _column("targets", targets, len(x))
        w = np.ones(len(x)) if weights is None else _column("weights", weights, len(x))
        if (w < 0).any():
            raise ValueError(f"weights fall to {w.min()}, expected none below 0")
        weighted = x * w[:, None]
        return replace(
            self,
            precision=self.precision + weighted.T @ x,
            shift=self.shift + weighted.T @ y,
            count=self.count + len(x),
        )

    def forget(self, factor: float) -> BayesianLinear:
        """Keep ``factor`` of the evidence: 1 keeps all, 0 returns to the prior.

        Raises:
            ValueError: if ``factor`` is not in [0, 1].
        """
        if not 0 <= factor <= 1:
            raise ValueError(f"factor is {factor}, expected 0 <= factor <= 1")
        base = self.prior * np.eye(len(self.shift))
        return replace(
            self,
            precision=base + factor * (self.precision - base),
            shift=factor * self.shift,
            count=factor * self.count,
        )

    @cached_property
    def mean(self) -> Array:
        """Posterior mean of the weights, [F]."""
        return np.asarray(np.linalg.solve(self.precision, self.shift), dtype=np.float64)

    def predict(self, features: ArrayLike) -> tuple[Array, Array]:
        """Mean and standard deviation of ``x w`` for features [n, F]; noise is not included.

        Returns:
            Two arrays [n].

        Raises:
            ValueError: on a wrong shape or numbers that are not finite.
        """
        x = self._features(features)
        # |L^-1 x| with P = L L^T cannot come out negative, unlike x P^-1 x.
        root = np.linalg.solve(self._factor, x.T)
        return x @ self.mean, np.linalg.norm(root, axis=0)

    @property
    def covariance_root(self) -> Array:
        """S [F, F] with S S^T = P^-1: ``|x S|`` is the standard deviation of ``x w``."""
        return np.asarray(np.linalg.inv(self._factor).T, dtype=np.float64)

    @cached_property
    def _factor(self) -> Array:
        return np.asarray(np.linalg.cholesky(self.precision), dtype=np.float64)

    def to_arrays(self) -> dict[str, Array]:
        """The state as arrays ``precision`` [F, F], ``shift`` [F], ``count`` [], ``prior`` []."""
        scalars = {"count": np.asarray(self.count), "prior": np.asarray(self.prior)}
        return {"precision": self.precision.copy(), "shift": self.shift.copy(), **scalars}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.float64]]) -> BayesianLinear:
        """The state that ``to_arrays`` wrote.

        Raises:
            ValueError: if the arrays do not fit together.
        """
        precision = np.array(arrays["precision"], dtype=np.float64)
        shift = np.array(arrays["shift"], dtype=np.float64)
        if shift.ndim != 1 or precision.shape != (len(shift), len(shift)):
            raise ValueError(f"precision {precision.shape} does not pair with shift {shift.shape}")
        return cls(precision, shift, float(arrays["count"]), float(arrays["prior"]))

    def _features(self, features: ArrayLike) -> Array:
        x = np.asarray(features, dtype=np.float64)
        if x.ndim != 2 or x.shape[1] != len(self.shift):
            raise ValueError(f"features have shape {x.shape}, expected (n, {len(self.shift)})")
        return _finite("features", x)


def _column(name: str, values: ArrayLike, rows: int) -> Array:
    column = np.asarray(values, dtype=np.float64)
    if column.shape != (rows,):
        raise ValueError(f"{name} have shape {column.shape}, expected ({rows},)")
    return _finite(name, column)


def _finite(name: str, values: Array) -> Array:
    if not np.isfinite(values).all():
        raise ValueError(f"{name} hold a NaN or infinite number")
    return values
