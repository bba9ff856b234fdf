"""What a campaign's past does to its market: rivals, learning phases, wear, people on two channels, climate."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.platforms.climate import Climate
from swarm.platforms.competition import Competition
from swarm.platforms.fatigue import FAST, Fatigue
from swarm.platforms.market import Market
from swarm.platforms.overlap import Overlap
from swarm.platforms.phases import Learning, significant
from swarm.platforms.world import World, draw_dynamics
from tests.platforms.worlds import launch, listing, market, rich, still

PLANE = (3, 4)


def _alone(days: int = 14, bid: float = 2.0) -> Market:
    """Three campaigns in a market that is the same in every hour and remembers nothing."""
    one = rich(launch(market([listing(i, seed=2, zone="UTC") for i in range(3)], days=days), bid=bid))
    return one.in_world(_flat(one))


def _flat(one: Market) -> World:
    zero = np.zeros(3)
    world = still(one.world)
    return replace(world, dynamics=replace(world.dynamics, climate=Climate(zero, zero, zero, zero)))


def _with(one: Market, **parts: Any) -> Market:
    return one.in_world(replace(one.world, dynamics=replace(one.world.dynamics, **parts)))


# ---- competition


def test_rivals_settle_at_their_best_response() -> None:
    """Against one bid, prices go to (1 - s) ** -rho of what they were, with s the share of rivals' auctions it wins."""
    one = _with(_alone(), competition=Competition(np.full(PLANE, 0.3), np.full(PLANE, 0.2)))
    for _ in range(250):
        before = one.settings.bid.copy()
        one.advance()
        one.settings.bid[:] = before
    past, rivals = one._past, one.world.dynamics.competition
    report = one.report(0)
    assert report is not None
    share = report.impressions.sum(axis=2) / one.world.auctions_h
    np.testing.assert_allclose(rivals.price(past.won, past.met), -0.3 * np.log1p(-0.8 * share), rtol=0.02)


@given(st.floats(0.0, 0.99), st.floats(0.05, 0.5), st.floats(1.0, 1e6))
def test_the_slope_is_the_prices_derivative(share: float, rho: float, met: float) -> None:
    """One more auction won, by finite difference; prices rise with the share and are bounded."""
    rivals, all_met = Competition(np.full((1, 1), rho), np.ones((1, 1))), np.full((1, 1), met)
    step = 1e-6 * met
    rise = rivals.price(share * all_met + step, all_met) - rivals.price(share * all_met, all_met)
    np.testing.assert_allclose(rise / step, rivals.slope(share * all_met, all_met), rtol=1e-4)
    assert 0.0 <= rivals.price(share * all_met, all_met).item() <= 1.7 * rho


def test_rivals_make_the_same_bids_buy_less() -> None:
    """The more a campaign wins, the dearer it gets; who bids nothing finds the usual prices."""
    calm, contested = _alone(), _with(_alone(), competition=Competition(np.full(PLANE, 0.3), np.full(PLANE, 0.1)))
    for _ in range(48):
        calm.advance()
        contested.advance()
    assert (contested.score.value.sum(axis=1) < calm.score.value.sum(axis=1)).all()
    contested.settings.status[:] = 0
    for _ in range(200):
        contested.advance()
    past = contested._past
    assert contested.world.dynamics.competition.price(past.won, past.met).max() < 1e-6


# ---- learning phases


def test_a_phase_begins_with_its_loss_and_fades_with_conversions_or_days() -> None:
    """Half-way by either is half the loss; whichever is further counts."""
    learning = Learning(np.full((1, 1), 0.2), np.full((1, 1), 50.0))
    at = [(0.0, 0.0, 0.8), (25.0, 0.0, 0.9), (0.0, 84.0, 0.9), (25.0, 42.0, 0.9), (50.0, 0.0, 1.0), (0.0, 500.0, 1.0)]
    for conversions, hours, expected in at:
        assert learning.rate(np.full((1, 1), conversions), np.full((1, 1), hours)).item() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("before", "now", "moved"),
    [(100, 120, False), (100, 121, True), (121, 100, True), (0, 100, False), (100, 0, False)],
)
def test_an_edit_is_significant_by_what_it_moves_at_once(before: int, now: int, moved: bool) -> None:
    """Up or down by more than the part allowed; launching and pausing are no edits."""
    plane = np.ones((1, 1), dtype=np.int64)
    assert significant(before * plane, now * plane, np.array([0.2])).item() is moved


def test_only_significant_edits_begin_a_new_phase() -> None:
    """Bids that move by a few per cent every hour, and a pause, do not; a doubled budget does, on its channel."""
    one = _with(_alone(), learning=Learning(np.full(PLANE, 0.2), np.full(PLANE, 1e9)))
    for hour in range(30):
        one.settings.bid[:] = round(2e6 * 1.05 ** (hour % 3))
        one.settings.status[:] = hour % 10 != 9
        one.advance()
    assert (one._past.hours == 27).all()
    one.settings.status[:] = 1
    one.settings.budget[:, 1] *= 2
    one.advance()
    assert (one._past.hours[:, 1] == 1).all()
    assert (one._past.hours[:, [0, 2, 3]] == 28).all()


# ---- overlapping audiences


def _overlap(seed: int) -> Overlap:
    return Overlap(Overlap.draw(seed, 1, ("sales", "interest"), 4)[None])


@given(st.integers(0, 50), st.lists(st.floats(0.0, 100.0), min_size=4, max_size=4))
def test_people_on_two_channels_count_once(seed: int, brought: list[float]) -> None:
    """What is counted is the sum less each pair's common people, and never more than what platforms report."""
    overlap, v = _overlap(seed), np.array(brought)
    counted = (v * overlap.counted(v[None])[0]).sum()
    pairs = [(c, d) for c in range(4) for d in range(c)]
    common = sum(overlap.shared[0, c, d] * v[c] * v[d] / (v[c] + v[d]) for c, d in pairs if v[c] + v[d] > 0)
    assert counted == pytest.approx(v.sum() - common, abs=1e-9)


@given(st.integers(0, 50))
def test_marginal_is_the_derivative_of_people(seed: int) -> None:
    """One more conversion of each channel, by finite difference; the first ones of a small channel count least."""
    overlap, v = _overlap(seed), np.random.default_rng(seed).uniform(1.0, 10.0, 4)

    def people(v: np.ndarray) -> float:
        return float((v * overlap.counted(v[None])[0]).sum())

    slope = [(people(v + 1e-5 * e) - people(v - 1e-5 * e)) / 2e-5 for e in np.eye(4)]
    np.testing.assert_allclose(slope, overlap.marginal(v[None])[0], rtol=1e-6)


def test_overlaps_are_those_of_an_audience() -> None:
    """Symmetric, none with itself, between nothing and 0.35, and different for other groups of people."""
    one, other = _overlap(3).shared[0], Overlap.draw(3, 1, ("leads", "remarketing"), 4)
    np.testing.assert_array_equal(one, one.T)
    assert (np.diag(one) == 0).all()
    assert 0 <= one.min() <= one.max() <= 0.35
    assert not np.allclose(one, other)


def test_reports_add_up_to_more_than_the_truth() -> None:
    """On four channels; on a single one they are the truth."""
    shared = np.full((3, 4, 4), 0.3) * (1 - np.eye(4))
    both, single = (_with(_alone(), overlap=Overlap(shared)) for _ in range(2))
    single.settings.status[:, 1:] = 0
    for _ in range(48):
        both.advance()
        single.advance()
    ratio = both.score.value.sum(axis=1) / both.score.claimed.sum(axis=1)
    assert (ratio < 0.95).all()
    np.testing.assert_allclose(single.score.value, single.score.claimed)


# ---- fatigue and climate


def test_creatives_wear_by_the_calendar() -> None:
    """None before the onset, then by the same factor every day; those that do not wear stay as they are."""
    fatigue = Fatigue(np.array([[3.0, 3.0]]), np.array([[0.1, 0.0]]))
    wear = np.array([fatigue.wear(np.array([day], dtype=np.int32))[0] for day in range(8)])
    np.testing.assert_allclose(wear[:, 0], [0, 0, 0, 0, -0.1, -0.2, -0.3, -0.4], atol=1e-12)
    assert (wear[:, 1] == 0).all()


def test_a_worn_creative_gets_fewer_clicks_for_its_bid() -> None:
    """Clicks fall while a fresh creative's stay."""
    onset, rate = np.zeros((3, 4)), np.zeros((3, 4))
    rate[:, 0] = 0.2
    one = _with(_alone(days=6), fatigue=Fatigue(onset, rate))
    clicks = []
    for _ in range(144):
        one.advance()
        report = one.report(0)
        clicks.append(np.zeros(4) if report is None else report.clicks.sum(axis=(0, 1)))
    first, last = np.sum(clicks[1:25], axis=0), np.sum(clicks[-24:], axis=0)
    assert last[0] < 0.5 * first[0]
    assert abs(last[1] - first[1]) < 4 * np.sqrt(last[1] + first[1])  # Poisson counts


def test_wear_does_not_depend_on_how_many_creatives_others_have() -> None:
    """A campaign's creatives are drawn one after another."""
    few, many = (draw_dynamics([listing(0)], 4, slots, FAST).fatigue for slots in (3, 6))
    np.testing.assert_array_equal(few.rate, many.rate[:, :3])
    np.testing.assert_array_equal(few.onset, many.onset[:, :3])


def test_a_flat_climate_is_stationary() -> None:
    """The same auctions, prices and rates in every hour of the week."""
    one = _alone()
    hours = [one.world.conditions(one.calendar.at(tick)) for tick in range(0, 336, 5)]
    for name in ("auctions", "price", "rate"):
        each = np.array([getattr(hour, name) for hour in hours])
        np.testing.assert_allclose(each, np.broadcast_to(each[:1], each.shape))


def test_drift_is_a_random_walk() -> None:
    """Its variance grows with the days; the usual climate has none."""
    zero = np.zeros(40)
    one = market([listing(i, seed=i, zone="UTC") for i in range(40)], days=30)
    drifting = replace(
        still(one.world), dynamics=replace(still(one.world).dynamics, climate=Climate(zero, zero, zero, zero + 0.1))
    )
    spread = [np.log(drifting.conditions(one.calendar.at(24 * day)).rate).std() for day in (0, 4, 16)]
    assert spread[0] == 0
    assert spread[1] == pytest.approx(0.2, rel=0.2)
    assert spread[2] == pytest.approx(0.4, rel=0.2)
    assert (one.world.conditions(one.calendar.at(24 * 16)).rate == 1).all()
