"""Information geometry: bids move by what a step changes in their distribution, not in currency.

A bid is the median of a log-normal distribution, so it stays positive and a step is a share of it, whatever the unit
of money. Letters: N bids.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray

from mechanisms.fisher import LogNormal
from mechanisms.natural_gradient import NaturalGradient


class BidOptimizer:
    """Natural gradient steps of bids, within bounds.

    >>> BidOptimizer(bid_min=0.05, bid_max=20.0).optimize_bids(np.array([1.0, 10.0]), np.array([1.0, -1.0])).round(3)
    array([ 0.992, 10.833])
    """

    def __init__(
        self,
        *,
        bid_min: float,
        bid_max: float,
        lr: float = 0.1,
        spread: float = 0.283,
        trust_region: float = 0.04,
    ) -> None:
        """Bounds and length of a step.

        Args:
            bid_min: lowest bid, currency units.
            bid_max: highest bid.
            lr: length of a step.
            spread: standard deviation of the log of a bid: how far from its median a bid is ever placed.
            trust_region: most that one step may change a bid's distribution, in nats.

        Raises:
            ValueError: unless 0 < bid_min <= bid_max and spread > 0.
        """
        if not 0 < bid_min <= bid_max:
            raise ValueError(f"bid_min {bid_min} and bid_max {bid_max}, expected 0 < bid_min <= bid_max")
        if not spread > 0:
            raise ValueError(f"spread is {spread}, expected more than 0")
        self._bounds = (bid_min, bid_max)
        self._log_variance = 2.0 * math.log(spread)
        self._step = NaturalGradient.Config(lr=lr, trust_region=trust_region).build()

    def optimize_bids(self, current_bids: NDArray[np.floating], gradients: NDArray[np.floating]) -> NDArray[np.float64]:
        """The bids one step down a loss.

        Args:
            current_bids: [N] currency units, positive.
            gradients: [N], what the loss gains by one more unit of each bid.

        Returns:
            [N] within the bounds.

        Raises:
            ValueError: on shapes that differ, or a bid that is not positive and finite.
        """
        bids, slopes = np.asarray(current_bids, np.float64), np.asarray(gradients, np.float64)
        if bids.shape != slopes.shape or bids.ndim != 1:
            raise ValueError(f"bids {bids.shape} and gradients {slopes.shape}, expected [N] twice")
        if bad := [i for i in range(len(bids)) if not (0 < bids[i] < math.inf and math.isfinite(slopes[i]))]:
            raise ValueError(
                f"bid {bids[bad[0]]} with gradient {slopes[bad[0]]} at {bad[0]}: bids are positive, both finite"
            )
        level = torch.from_numpy(np.stack([np.log(bids), np.full_like(bids, self._log_variance)], axis=-1))
        # By the chain rule: the loss by the log of a bid. How far bids spread is not asked about.
        slope = torch.from_numpy(np.stack([bids * slopes, np.zeros_like(bids)], axis=-1))
        moved: LogNormal = self._step(LogNormal(level), slope)
        return np.asarray(np.clip(moved.median.numpy(), *self._bounds))
