"""Money in whole micros."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.micros import MICRO, MOST, amount, micros, whole


@given(st.integers(0, 2**32 - 1), st.integers(1, 8), st.floats(0.0, 16.0))
def test_wholes_sum_survive_floats_and_stay_within_a_micro_and_the_bounds(seed: int, size: int, digits: float) -> None:
    """Largest remainder; up to one micro more where a float of that size cannot tell odd micros."""
    rng = np.random.default_rng(seed)
    total = min(int(10**digits), MOST * MICRO)
    split = rng.dirichlet(np.ones(size)) * total / MICRO
    low = np.floor(split * MICRO * rng.uniform(0.0, 1.0, size)).astype(np.int64)
    high = np.ceil(split * MICRO * rng.uniform(1.0, 3.0, size)).astype(np.int64) + 3
    units = whole(split, total, low, high)
    assert units.sum() == total
    assert ((low <= units) & (units <= high)).all()
    assert (np.abs(units - split * MICRO) <= 2.0 + 1e-15 * total * size).all()
    assert sum(round(1e6 * x) for x in (units / MICRO).tolist()) == total


def test_an_odd_micro_moves_where_it_can_be_told() -> None:
    """4.4 billion and a micro is no float times a million; its neighbour takes the micro."""
    odd, high = 4_400_000_000 * MICRO + 1, np.full(2, MOST * MICRO)
    units = whole(np.array([odd / MICRO, 1.0]), odd + MICRO, np.zeros(2, dtype=np.int64), high)
    assert units[0] % 2 == 0
    assert sum(round(1e6 * x) for x in (units / MICRO).tolist()) == odd + MICRO


def test_what_is_no_amount_is_refused_with_the_nearest() -> None:
    """Below nothing, beyond what floats can tell, or no number."""
    assert micros("total", 1.2345678) == 1_234_568
    with pytest.raises(ValueError, match="total is -3, expected 0 to 9007199254; the nearest is 0"):
        amount("total", -3.0)
    with pytest.raises(ValueError, match=r"total is 1e\+10, .* the nearest is 9007199254"):
        micros("total", 1e10)
