"""What each kind of shock does, and when it may come."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from swarm.platforms.market import Market
from swarm.platforms.shocks import KINDS, Hazards, Shock, shocks
from tests.platforms.worlds import launch, listing, market, rich, still


def _hours(kind: str, seed: int, ticks: int = 336) -> list[Shock]:
    hazards = Hazards(1.0, (kind,), weeks=1)
    return [shocks(seed, tick, 4, hazards) for tick in range(ticks)]


def _quiet(now: Shock) -> bool:
    return now.tracking and all((each == 1).all() for each in (now.price, now.traffic, now.rate))


@pytest.mark.parametrize(
    ("kind", "shortest", "longest"),
    [("price_spike", 12, 36), ("tracking_outage", 6, 18), ("bot_traffic", 24, 96), ("conversion_collapse", 6, 72)],
)
def test_a_shock_strikes_once_and_lasts_as_long_as_its_kind_does(kind: str, shortest: int, longest: int) -> None:
    """In the first week, not before its third day, in one piece."""
    for seed in range(20):
        hit = np.flatnonzero([not _quiet(now) for now in _hours(kind, seed)])
        assert shortest <= len(hit) <= longest
        assert 48 <= hit[0] < 144
        assert (np.diff(hit) == 1).all()


def test_a_competitor_enters_at_midnight_and_stays() -> None:
    """One channel's prices, by the same factor to the end of the flight and for weeks after."""
    for seed in range(10):
        price = np.array([now.price for now in _hours("competitor_entry", seed, 500)])
        at = int(np.flatnonzero((price > 1).any(axis=1))[0])
        assert at % 24 == 0
        assert (price[at:] == price[at]).all()
        assert (price[at] > 1).sum() == 1
        assert 1.3 <= price[at].max() <= 1.8


def test_no_shock_comes_that_was_not_asked_for() -> None:
    """Kinds and rate are a world's own."""
    assert all(_quiet(shocks(3, tick, 4, Hazards(0.0, KINDS))) for tick in range(336))
    assert all(_quiet(shocks(3, tick, 4, Hazards(1.0, ()))) for tick in range(336))


def _shaken(kind: str) -> tuple[Market, Market, NDArray[np.bool_]]:
    """Markets with a shock and without, and the hours that it lasts; budgets that never bind, no memory."""
    pair = []
    for per_week in (1.0, 0.0):
        one = rich(launch(market([listing(i, seed=5, zone="UTC") for i in range(3)], days=7), bid=4.0))
        pair.append(one.in_world(replace(still(one.world), hazards=Hazards(per_week, (kind,), weeks=1))))
    hit = np.array([not _quiet(now) for now in _hours(kind, 5, 168)])
    return pair[0], pair[1], hit


def _by_hour(one: Market, ticks: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """[T] goal units and money, and [T, C] money by channel."""
    value, spend, channels = [], [], []
    for _ in range(ticks):
        before = one.score.value.sum(), one.score.spend.sum(), one.score.by_channel.sum(axis=0)
        one.advance()
        value.append(one.score.value.sum() - before[0])
        spend.append(one.score.spend.sum() - before[1])
        channels.append(one.score.by_channel.sum(axis=0) - before[2])
    return np.array(value), np.array(spend), np.array(channels)


def test_bots_cost_money_on_one_channel_and_bring_nothing() -> None:
    """The goals of the hour are what they would have been; the money is more, on that channel alone."""
    shaken, calm, hit = _shaken("bot_traffic")
    (value, _, paid), (usual_value, _, usual_paid) = _by_hour(shaken, 168), _by_hour(calm, 168)
    np.testing.assert_allclose(value, usual_value, rtol=1e-6)  # money is whole micros
    factor = paid[hit].sum(axis=0) / usual_paid[hit].sum(axis=0)
    assert (factor > 1.4).sum() == 1
    np.testing.assert_allclose(np.sort(factor)[:3], 1.0, rtol=1e-6)
    np.testing.assert_array_equal(paid[~hit], usual_paid[~hit])


def test_a_collapse_takes_conversions_and_leaves_clicks() -> None:
    """At the same money, a tenth to a half of the goals while it lasts."""
    shaken, calm, hit = _shaken("conversion_collapse")
    (value, spend, _), (usual_value, usual_spend, _) = _by_hour(shaken, 168), _by_hour(calm, 168)
    np.testing.assert_array_equal(spend, usual_spend)
    left = value[hit] / usual_value[hit]
    assert 0.1 <= left.min() <= left.max() <= 0.5
    np.testing.assert_allclose(value[~hit], usual_value[~hit])
