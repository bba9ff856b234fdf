"""Competition that reacts: rivals who lose auctions to a campaign raise their bids to keep their spend.

A rival paced to its budget that loses the share s of its auctions has to regain its spend from the rest. If its spend
grows with its bid as bid ** (1 / rho), its best response is to bid (1 - s) ** -rho of what it bid before. Rivals see
what they lost over the last hours, every hour anew, and answer every policy by this one rule.

Letters: R campaigns, C channels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from swarm.platforms.streams import stream

Floats = NDArray[np.float64]
_MOST = 0.95
"""Share beyond which rivals do not raise further: somebody's budget ends there."""


@dataclass(frozen=True, slots=True)
class Competition:
    """How strongly and how fast rivals answer."""

    rho: Floats
    """[R, C] one over the elasticity of their spend; 0 never answers."""
    speed: Floats
    """[R, C] weight of the newest hour in what they look back on."""

    @classmethod
    def none(cls, rows: int, channels: int) -> Competition:
        """Prices that nothing moves."""
        return cls(np.zeros((rows, channels)), np.ones((rows, channels)))

    @staticmethod
    def draw(seed: int, key: int, channels: int) -> tuple[Floats, Floats]:
        """[C] ``rho`` from 0.1 to 0.4 and ``speed``, for a memory of 6 to 48 hours."""
        rng = stream(seed, "competition", key)
        return rng.uniform(0.1, 0.4, channels), np.exp(-rng.uniform(np.log(6.0), np.log(48.0), channels))

    def price(self, won: Floats, met: Floats) -> Floats:
        """[R, C] log of their bids over the usual, after they lost ``won`` of the ``met`` auctions."""
        return np.asarray(-self.rho * np.log1p(-_share(won, met)))

    def slope(self, won: Floats, met: Floats) -> Floats:
        """[R, C] by how much ``price`` rises with one more auction in ``won``."""
        share = _share(won, met)
        rises = (met > 0) & (share < _MOST)
        return np.where(rises, self.rho / ((1.0 - share) * np.where(met > 0, met, 1.0)), 0.0)


def _share(won: Floats, met: Floats) -> Floats:
    return np.asarray(np.minimum(won / np.where(met > 0, met, 1.0), _MOST))
