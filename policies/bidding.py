"""Bids: value over price at second price, shaded at first price.

At second price the bid is the marginal cost of a click, so value / price is optimal. At first price the
marginal cost is bid x (1 + 1/e) with e the elasticity of wins in the bid, so the optimal bid is
value / price x e / (1 + e) (first-order condition of (value - bid) P(win)).

Letters: R campaigns, C channels.
"""

from __future__ import annotations

import numpy as np

from policies.frames import Bools, Floats


def shading(elasticity: Floats, first_price: Bools) -> Floats:
    """[R, C] bid over value at a price of 1."""
    return np.where(first_price, elasticity / (1.0 + elasticity), 1.0)


def bids(unit_bid: Floats, price: Floats, low: Floats, high: Floats) -> Floats:
    """[R, C] bids for a click within the campaign's bounds ``low`` and ``high`` [R]."""
    return np.clip(unit_bid / price[:, None], low[:, None], high[:, None])
