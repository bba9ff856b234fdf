"""Money at a policy's face: floats of currency outside, whole micros inside.

Letters: C channels.
"""

from __future__ import annotations

from itertools import cycle

import numpy as np

from policies.frames import Floats, Ints

MICRO = 1_000_000
MOST = 2**53 // MICRO
"""Currency units up to which a float tells micros apart."""
_COARSE = 2**32 * MICRO, 2**52
"""Between these only even micros survive ``round(1e6 * (micros / 1e6))``: there the spacings of floats differ."""


def amount(what: str, value: float) -> float:
    """``value``, an amount of ``what``.

    Raises:
        ValueError: it is not a number from 0 to ``MOST``.
    """
    if not 0 <= value <= MOST:
        nearest = MOST if value > MOST else 0
        raise ValueError(f"{what} is {value:g}, expected 0 to {MOST}; the nearest is {nearest}")
    return float(value)


def micros(what: str, value: float) -> int:
    """``value`` in micros.

    Raises:
        ValueError: it is not a number from 0 to ``MOST``.
    """
    return round(amount(what, value) * MICRO)


def whole(split: Floats, total: int, low: Ints, high: Ints) -> Ints:
    """[C] ``split`` (currency) in micros that sum to ``total`` within the bounds, by largest remainder."""
    assert low.sum() <= total <= high.sum()
    exact = np.clip(split * MICRO, low, high)
    units = np.clip(np.floor(exact).astype(np.int64), low, high)
    rest = total - int(units.sum())
    step = 1 if rest > 0 else -1
    for at in cycle(np.argsort(step * (units - exact), kind="stable")):
        if rest == 0:
            return _telling(units, low, high)
        if low[at] <= units[at] + step <= high[at]:
            units[at] += step
            rest -= step
    raise AssertionError("unreachable: the bounds leave room")


def _telling(units: Ints, low: Ints, high: Ints) -> Ints:
    """The same with the odd micro of a channel too large for it on a smaller one."""
    large = (units > _COARSE[0]) & (units < _COARSE[1])
    if not (large & (units % 2 == 1)).any():
        return units
    at, other = int(np.argmax(large)), int(np.argmin(np.where(large, MOST * MICRO, units)))
    step = 1 if units[other] > low[other] and units[at] < high[at] else -1
    if other != at and low[other] <= units[other] - step <= high[other]:
        units[at], units[other] = units[at] + step, units[other] - step
    return units
