"""Modes that follow health, and hyperparameters that stay where they may be."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mechanisms.health_signals import SIGNALS
from mechanisms.topology_gated import TopologyGatedAttention
from policies.health import RECOMMENDATIONS, Gate, Mode, Thresholds, Usual, portfolio_state
from policies.tuning import BOUNDS, Hyper

LIMITS = Thresholds()
VALUES = {name: np.sqrt(max(low, 0.01) * high) for name, (low, high) in BOUNDS.items()}


def _walk(levels: list[float], gate: Gate | None = None) -> list[Mode]:
    gate, modes = gate or Gate(), []
    for tick, level in enumerate(levels, start=100):
        gate = gate.step(level, tick, LIMITS)
        modes.append(gate.mode)
    return modes


def test_worse_at_once_better_after_the_dwell_and_above_the_hysteresis() -> None:
    """One bad hour is enough to slow down; getting up again takes time and a margin."""
    assert _walk([0.79]) == [Mode.CAUTIOUS]
    assert _walk([0.29]) == [Mode.FREEZE]
    assert _walk([0.1, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9]) == [Mode.FREEZE] * 3 + [Mode.CAUTIOUS] * 3 + [Mode.STABLE]
    assert _walk([0.7] + [0.84] * 10)[-1] == Mode.CAUTIOUS
    assert _walk([0.7] + [0.851] * 3)[-1] == Mode.STABLE
    assert _walk([0.2] + [0.34] * 10)[-1] == Mode.FREEZE
    assert _walk([0.6, 0.2]) == [Mode.CAUTIOUS, Mode.FREEZE]


@pytest.mark.parametrize("mode", Mode)
def test_missing_health_freezes(mode: Mode) -> None:
    """NaN is as bad as it gets, in every mode."""
    assert Gate(mode).step(float("nan"), 9, LIMITS).mode == Mode.FREEZE
    assert RECOMMENDATIONS[mode]


def test_a_person_holds_and_releases() -> None:
    """A held mode ignores health; released, it goes on after the dwell."""
    held = Gate().hold(Mode.FREEZE, 5)
    assert held.step(1.0, 500, LIMITS) == held
    assert held.step(float("nan"), 500, LIMITS) == held
    free = held.release(500)
    assert [free.step(1.0, tick, LIMITS).mode for tick in (501, 502, 503)] == [Mode.FREEZE, Mode.FREEZE, Mode.CAUTIOUS]


@given(st.integers(0, 2**32 - 1))
def test_noise_about_a_threshold_does_not_make_it_flap(seed: int) -> None:
    """A bad hour is answered at once, but a cycle takes the dwell; below the margin there is no cycle at all."""
    rng = np.random.default_rng(seed)
    loud = _walk((0.8 + 0.1 * rng.standard_normal(200)).tolist())
    changes = sum(a != b for a, b in pairwise(loud))
    assert changes <= 2 * 200 / (LIMITS.dwell_ticks + 1) + 1
    quiet = _walk((0.8 + np.clip(0.02 * rng.standard_normal(200), -0.049, 0.049)).tolist())
    assert sum(a != b for a, b in pairwise(quiet)) <= 1


def test_the_usual_converges_to_mean_and_variance() -> None:
    """From any start, as independent hours come in."""
    rng, usual = np.random.default_rng(0), Usual.start()
    mean, spread = np.array([2.0, -1.0, 0.5]), np.array([0.5, 2.0, 0.1])
    for _ in range(4000):
        usual = usual.update(mean + spread * rng.standard_normal(3))
    head = usual.head()
    np.testing.assert_allclose(head["mean"], mean, atol=0.5 * spread.max() * 0.2)
    np.testing.assert_allclose(head["spread"], spread, rtol=0.2)
    kept = usual.as_arrays()
    assert kept["hours"] == 4000
    assert Usual.from_arrays(kept).head()["mean"].tolist() == head["mean"].tolist()


@pytest.mark.parametrize("campaigns", [5, 30, 1000])
def test_the_start_is_usual_for_independent_standard_residuals(campaigns: int) -> None:
    """Of any number of campaigns: their mean is within a spread of the start, their spread is no wider."""
    rng, layer = np.random.default_rng(campaigns), TopologyGatedAttention.Config().build()
    hours = rng.standard_normal((60, campaigns, 16))
    recent, signals = 0.42 * rng.standard_normal((campaigns, 12)), []
    for hour in hours:
        state, missed = hour[:, :12], hour[:, 12:]
        found = layer.measure(*(torch.from_numpy(each[None]) for each in (state, recent, missed)))
        signals.append([found[name].item() for name in SIGNALS])
        recent = 0.7 * recent + 0.3 * state
    head = Usual.start().head()
    assert (np.abs(np.mean(signals, axis=0) - head["mean"]) < head["spread"]).all()
    assert (np.std(signals, axis=0) < 1.2 * head["spread"]).all()


def test_what_is_unknown_counts_as_usual_and_surprises_are_bounded() -> None:
    """NaN becomes 0, and one wild figure cannot drown the others."""
    residual = np.array([[[np.nan, 1.0, -50.0, 2.0], [0.5, np.nan, 99.0, np.nan]]])
    state, surprise = portfolio_state(residual)
    assert state.tolist() == [[0.0, 1.0, -6.0, 0.5, 0.0, 6.0]]
    assert surprise.tolist() == [[2.0, 0.0]]


def test_wrong_hyperparameters_are_refused() -> None:
    """Out of bounds, or missing."""
    with pytest.raises(ValueError, match=r"exploration must lie in \[0.0, 0.4\], got 0.5"):
        Hyper(1, VALUES | {"exploration": 0.5})
    with pytest.raises(ValueError, match=r"missing: \['memory_days'\]"):
        Hyper(1, {k: v for k, v in VALUES.items() if k != "memory_days"})
