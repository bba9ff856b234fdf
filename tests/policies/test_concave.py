"""Money over concave curves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.concave import Curves, allocate, certificate
from policies.frames import Floats

SEEDS = st.integers(0, 2**32 - 1)


def _case(seed: int, rows: int = 5, channels: int = 4) -> tuple[Curves, Floats, Floats, Floats]:
    """Curves, totals and bounds that leave room."""
    rng = np.random.default_rng(seed)
    plane = (rows, channels)
    spend, value = rng.uniform(1.0, 50.0, plane), rng.uniform(0.1, 5.0, plane) * (rng.random(plane) < 0.85)
    total = rng.uniform(10.0, 200.0, rows)
    low = rng.uniform(0.0, 0.2, plane) * total[:, None]
    high = np.minimum(low + rng.uniform(0.3, 1.0, plane) * total[:, None], total[:, None])
    return Curves.through(spend, value, rng.uniform(0.2, 0.9, plane)), total, low, high


@given(SEEDS)
def test_a_split_is_exact_within_bounds_and_equal_at_the_margin(seed: int) -> None:
    """It sums to the total, keeps its bounds, and open channels off them return the same at the margin."""
    curves, total, low, high = _case(seed)
    split = allocate(curves, total, low, high)
    np.testing.assert_allclose(split.sum(axis=1), total, rtol=1e-9)
    assert (split >= low * (1 - 1e-12)).all()
    assert (split <= high * (1 + 1e-12)).all()
    proof = certificate(curves, split, np.ones_like(split), low, high)
    for row in range(len(total)):
        if (curves.scale[row] == 0).any():
            continue  # what closed channels must take is not the margin's to decide
        free = ~proof.at_minimum[row] & ~proof.at_maximum[row]
        np.testing.assert_allclose(proof.marginal[row, free], proof.price[row], rtol=1e-6)
        if free.any():
            assert (proof.marginal[row, proof.at_minimum[row]] <= proof.price[row] * (1 + 1e-6)).all()
            assert (proof.marginal[row, proof.at_maximum[row]] >= proof.price[row] * (1 - 1e-6)).all()


@given(SEEDS, st.floats(1e-3, 1e6))
def test_money_has_no_scale(seed: int, unit: float) -> None:
    """The same split in another currency."""
    curves, total, low, high = _case(seed)
    other = Curves(curves.scale * unit**-curves.exponent, curves.exponent)
    split = allocate(other, total * unit, low * unit, high * unit) / unit
    np.testing.assert_allclose(split, allocate(curves, total, low, high), rtol=1e-6, atol=1e-6)


@given(SEEDS)
def test_it_is_never_worse_than_the_equal_or_the_current_split(seed: int) -> None:
    """On its own model, where the bounds leave it free."""
    curves, total, low, high = _case(seed)
    current = np.random.default_rng(seed + 1).uniform(0.1, 1.0, low.shape)
    low, high = np.zeros_like(low), np.where(curves.scale > 0, total[:, None], 0.0)
    some = (curves.scale > 0).any(axis=1)
    curves = Curves(curves.scale[some], curves.exponent[some])
    low, high, total, current = low[some], high[some], total[some], current[some]
    proof = certificate(curves, allocate(curves, total, low, high), current, low, high)
    assert (proof.gain_over_equal >= -1e-9).all()
    assert (proof.gain_over_current >= -1e-9).all()


def test_impossible_bounds_are_refused_with_their_sums() -> None:
    """Too much below, too little above, or crossed."""
    curves = Curves.through(np.ones((2, 2)), np.ones((2, 2)), np.full((2, 2), 0.5))
    ok, total = np.zeros((2, 2)), np.array([10.0, 10.0])
    with pytest.raises(ValueError, match="no split of 10 in row 1: the bounds allow 12 to 20"):
        allocate(curves, total, np.array([[0.0, 0.0], [6.0, 6.0]]), np.full((2, 2), 10.0))
    with pytest.raises(ValueError, match="no split of 10 in row 0: the bounds allow 0 to 8"):
        allocate(curves, total, ok, np.array([[4.0, 4.0], [9.0, 9.0]]))
    with pytest.raises(ValueError, match="row 0"):
        allocate(curves, total, np.array([[5.0, 0.0], [0.0, 0.0]]), np.array([[4.0, 9.0], [9.0, 9.0]]))


def test_a_curve_passes_through_its_point_and_closed_channels_return_nothing() -> None:
    """Value, margin and the spend at a margin fit together."""
    curves = Curves.through(np.array([[4.0, 0.0]]), np.array([[10.0, 3.0]]), np.array([[0.5, 0.5]]))
    assert curves.value(np.array([[4.0, 9.0]])) == pytest.approx([10.0])
    marginal = curves.marginal(np.array([[4.0, 9.0]]))
    assert marginal == pytest.approx(np.array([[1.25, 0.0]]))
    assert curves.spend_at(np.array([1.25])) == pytest.approx(np.array([[4.0, 0.0]]))
