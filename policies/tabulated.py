"""Concave curves of any shape, as tables of marginal returns.

Letters: R campaigns, C channels, G nodes of spend.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from policies.frames import Bools, Floats, Ints


@dataclass(frozen=True, slots=True)
class Tabulated:
    """Curves by their marginal returns at nodes of spend; a power law between two of them and beyond the ends.

    A mixture of any concave curves fits. Every method is exact for the curves so defined.
    """

    log_spend: Floats
    """[R, G] rising."""
    log_slope: Floats
    """[R, C, G] log of the marginal returns there, falling; by less than the log of spend before the second node."""

    @property
    def open(self) -> Bools:
        """[R, C] every channel returns something."""
        return np.ones(self.log_slope.shape[:2], dtype=bool)

    def value(self, spend: Floats) -> Floats:
        """[R] value of a split [R, C]."""
        nodes = np.exp(self.log_spend)[:, None]
        piece = _bent(
            np.exp(self.log_slope[..., :-1]) * nodes[..., :-1], self._fall(), np.diff(self.log_spend)[:, None]
        )
        first = np.exp(self.log_slope[..., :1]) * nodes[..., :1] / (1.0 - self._fall()[..., :1])
        sums = np.concatenate([first, piece], axis=2).cumsum(axis=2)
        at, log_spend = self._piece(spend)
        size = np.exp(_at(self.log_slope, at) + _at(self._nodes(), at))
        part = _bent(size, _at(self._fall(), at), log_spend - _at(self._nodes(), at))
        return np.asarray((_at(sums, at) + part).sum(axis=1))

    def marginal(self, spend: Floats) -> Floats:
        """[R, C] value of the next unit of money."""
        at, log_spend = self._piece(spend)
        fall = _at(self._fall(), at) * (log_spend - _at(self._nodes(), at))
        return np.asarray(np.exp(_at(self.log_slope, at) - fall))

    def spend_at(self, price: Floats) -> Floats:
        """[R, C] spend at which the marginal return equals ``price`` [R]."""
        log_price = np.log(price)[:, None]
        above = (self.log_slope > log_price[..., None]).sum(axis=2)
        at = np.clip(above - 1, 0, self.log_slope.shape[2] - 2)
        low, high = _at(self.log_slope, at), _at(self.log_slope, at + 1)
        start, end = _at(self._nodes(), at), _at(self._nodes(), at + 1)
        with np.errstate(over="ignore"):
            return np.asarray(np.exp(start + (low - log_price) / (low - high) * (end - start)))

    def _nodes(self) -> Floats:
        return np.broadcast_to(self.log_spend[:, None], self.log_slope.shape)

    def _fall(self) -> Floats:
        """[R, C, G - 1] exponents of the pieces."""
        return np.asarray(-np.diff(self.log_slope) / np.diff(self.log_spend)[:, None])

    def _piece(self, spend: Floats) -> tuple[Ints, Floats]:
        log_spend = np.log(np.maximum(spend, 1e-300))
        below = (self.log_spend[:, None] <= log_spend[..., None]).sum(axis=2)
        return np.clip(below - 1, 0, self.log_slope.shape[2] - 2), log_spend


def _at(table: Floats, index: Ints) -> Floats:
    return np.asarray(np.take_along_axis(table, index[..., None], axis=2)[..., 0])


def _bent(size: Floats, fall: Floats, way: Floats) -> Floats:
    """The integral of ``size * u**-fall / u0`` from u = 1 on over ``way``, a distance in log u."""
    power = 1.0 - fall
    straight = np.abs(power) < 1e-9
    power = np.where(straight, 1.0, power)
    return np.asarray(size * np.where(straight, way, np.expm1(power * way) / power))
