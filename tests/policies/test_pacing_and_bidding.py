"""The price of money, the bids it makes, and the traffic it is spread over."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies import pacing
from policies.bidding import bids, shading
from policies.clock import USUAL_SEASON, Traffic
from policies.clock import season as learnt
from policies.evidence import SPEND_ELASTICITY
from policies.specialist import limited

SEEDS = st.integers(0, 2**32 - 1)


@given(SEEDS)
def test_the_solved_price_spends_what_is_required(seed: int) -> None:
    """Spend at value over price is the requirement, by the model that the price was solved on."""
    rng = np.random.default_rng(seed)
    scale, unit, required = rng.uniform(0.1, 5, (6, 3)), rng.uniform(0.01, 3, (6, 3)), rng.uniform(0.1, 90, 6)
    price = pacing.solve_price(scale, unit, required)
    spend = (scale * (unit / price[:, None]) ** SPEND_ELASTICITY).sum(axis=1)
    np.testing.assert_allclose(spend, required, rtol=1e-9)
    richer = pacing.solve_price(scale, unit, required * 2)
    assert (richer < price).all()


def test_without_knowledge_or_money_no_price_is_solved() -> None:
    """NaN says so, and a step by NaN stays."""
    scale = np.array([[np.nan, np.nan], [1.0, np.nan], [1.0, 1.0]])
    solved = pacing.solve_price(scale, np.ones((3, 2)), np.array([1.0, 0.0, 2.0]))
    assert np.isnan(solved).tolist() == [True, True, False]
    moved = pacing.step(np.full(3, 0.5), solved, gain=np.full(3, 0.5), max_step=np.full(3, 0.3))
    assert moved.tolist()[:2] == [0.5, 0.5]


@given(SEEDS, st.floats(0.05, 1.0), st.floats(0.05, 1.0))
def test_a_step_goes_towards_the_solution_and_no_further_than_allowed(seed: int, gain: float, most: float) -> None:
    """By ``gain`` of the log distance, at most ``most``, and never past it."""
    rng = np.random.default_rng(seed)
    price, solved = np.exp(rng.normal(size=(2, 9)))
    moved = np.log(pacing.step(price, solved, gain=np.full(9, gain), max_step=np.full(9, most)) / price)
    way = np.log(solved / price)
    assert (np.abs(moved) <= most + 1e-12).all()
    assert (moved * way >= 0).all()
    np.testing.assert_allclose(moved, np.clip(gain * way, -most, most), atol=1e-12)


@given(SEEDS)
def test_bids_keep_their_bounds_and_shading_lies_between_0_and_1(seed: int) -> None:
    """Second price bids the value, first price less: e / (1 + e) of it."""
    rng = np.random.default_rng(seed)
    elasticity, first = rng.uniform(0.3, 6.0, (5, 4)), rng.random((5, 4)) < 0.5
    shade = shading(elasticity, first)
    assert (shade[~first] == 1).all()
    assert ((shade[first] > 0) & (shade[first] < 1)).all()
    low = rng.uniform(0.1, 1.0, 5)
    high = low * rng.uniform(1.0, 9.0, 5)
    made = bids(rng.uniform(0, 5, (5, 4)) * shade, rng.uniform(0.1, 3.0, 5), low, high)
    assert ((made >= low[:, None]) & (made <= high[:, None])).all()


def test_the_shaded_bid_is_the_best_one_at_first_price() -> None:
    """Among all bids it earns most where wins grow as a power of the bid."""
    bid = np.linspace(0.001, 1.0, 100_001)
    for elasticity in (0.5, 1.0, 3.0):
        best = bid[((1.0 - bid) * bid**elasticity).argmax()]
        assert shading(np.array([[elasticity]]), np.array([[True]]))[0, 0] == pytest.approx(best, abs=1e-4)


@given(SEEDS, st.integers(0, 167), st.integers(0, 60))
def test_traffic_ahead_and_behind_are_sums_of_hours(seed: int, hour: int, hours: int) -> None:
    """Across the end of the week, too."""
    profile = np.random.default_rng(seed).uniform(0.1, 2.0, 168)
    traffic = Traffic(profile, 1.0)
    now, span = np.array([hour], dtype=np.int32), np.array([hours], dtype=np.int32)
    assert traffic.at(now)[0] == pytest.approx(profile[hour])
    assert traffic.ahead(now, span)[0] == pytest.approx(sum(profile[(hour + h) % 168] for h in range(hours)))
    assert traffic.behind(now, span)[0] == pytest.approx(sum(profile[(hour - 1 - h) % 168] for h in range(hours)))


@given(SEEDS, st.sampled_from([0.0, 0.7, 1.0]))
def test_a_season_is_learnt_in_days_and_guessed_before(seed: int, season: float) -> None:
    """Two channels of very different size, noise of a tenth, and three days of hours; nothing seen is the usual."""
    rng = np.random.default_rng(seed)
    profile = 1.0 + 0.8 * np.sin(np.arange(168) * np.pi / 12)
    traffic, hours = Traffic(profile, np.array([season])), np.arange(72, dtype=np.int32)
    x = traffic.swing(hours)[:, None]
    y = np.array([5.0, 4000.0]) * traffic.at(hours)[:, None] * np.exp(0.1 * rng.standard_normal((72, 2)))
    pattern = np.stack([np.ones_like(y), x + 0 * y, y, x * x + 0 * y, x * y], axis=2).sum(axis=0)[None]
    assert learnt(pattern)[0] == pytest.approx(season, abs=0.12)
    assert learnt(0.0 * pattern)[0] == pytest.approx(USUAL_SEASON)


@given(SEEDS)
def test_traffic_of_a_season_adds_up_hour_by_hour(seed: int) -> None:
    """Ahead is the sum of what each hour expects."""
    rng = np.random.default_rng(seed)
    profile = rng.uniform(0.3, 1.7, 168)
    traffic = Traffic(profile, rng.uniform(0.0, 1.2, 3))
    now, span = rng.integers(0, 168, 3).astype(np.int32), np.full(3, 20, dtype=np.int32)
    np.testing.assert_allclose(traffic.ahead(now, span), sum(traffic.at((now + h).astype(np.int32)) for h in range(20)))


def test_a_setting_moves_by_its_step_but_anywhere_from_nothing() -> None:
    """Both ways, by a share of the old value."""
    moved = limited(np.array([10.0, 1.0, 4.4, 7.0]), np.array([4.0, 4.0, 4.0, 0.0]), max_step=0.2)
    assert moved.tolist() == pytest.approx([4.8, 3.2, 4.4, 7.0])
