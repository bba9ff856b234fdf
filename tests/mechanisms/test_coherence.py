"""The gate's calibration."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mechanisms.coherence import coherence, upper_tail


@pytest.mark.parametrize(
    ("p", "expected"),
    [(1 / 480, 0.8), (1 / 1440, 0.5), (1 / 7200, 0.3), (1e-9, 0.0)],
    ids=["20 days", "60 days", "300 days", "never"],
)
@pytest.mark.parametrize("signals", [1, 3])
def test_calibration_points(p: float, expected: float, signals: int) -> None:
    """The worst score's tail, times the number of signals, is what is mapped."""
    scores = torch.zeros(signals, dtype=torch.float64)
    scores[-1] = stats.t.isf(p / signals, 8)
    assert coherence(scores).item() == pytest.approx(expected, abs=1e-6)


def test_between_the_points_it_is_linear_in_log_p() -> None:
    """Half way in log p is half way in coherence."""
    p = math.sqrt(1 / 480 * 1 / 1440)
    score = torch.tensor([stats.t.isf(p, 8)], dtype=torch.float64)
    assert coherence(score).item() == pytest.approx(0.65)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_missing_health_is_bad_health(bad: float) -> None:
    """A score that is no number closes the gate."""
    assert coherence(torch.tensor([0.0, bad, 0.0])).item() == 0.0


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=4),
    st.integers(0, 3),
    st.floats(0, 1e6),
)
def test_a_worse_score_never_raises_coherence(scores: list[float], index: int, more: float) -> None:
    """Monotone in every score, and always within [0, 1]."""
    worse = list(scores)
    worse[index % len(scores)] += more
    before, after = (coherence(torch.tensor(s, dtype=torch.float64)).item() for s in (scores, worse))
    assert 0 <= after <= before + 1e-12 <= 1 + 1e-12


@pytest.mark.parametrize("dof", [2, 4, 8, 30])
def test_tail_equals_scipy(dof: int) -> None:
    """The closed form is Student's t."""
    t = np.linspace(-12, 12, 49)
    expected = torch.from_numpy(stats.t.sf(t, dof))
    torch.testing.assert_close(upper_tail(torch.from_numpy(t), dof), expected, rtol=1e-6, atol=1e-14)


def test_fewer_degrees_of_freedom_forgive_more() -> None:
    """The heavier the tail, the less a high score says."""
    scores = torch.tensor([5.0])
    assert coherence(scores, dof=4) > coherence(scores, dof=8) > coherence(scores, dof=30)


def test_wrong_arguments_are_refused() -> None:
    """No signals, or an odd tail, is a mistake."""
    with pytest.raises(ValueError, match=r"shape \(2, 0\), expected \[\.\.\., S\]"):
        coherence(torch.zeros(2, 0))
    with pytest.raises(ValueError, match="dof is 7, expected a positive even number"):
        coherence(torch.zeros(1), dof=7)
