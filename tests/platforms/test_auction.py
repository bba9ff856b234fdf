"""The closed form of an hour of auctions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from swarm.platforms.auction import Auction, Hour
from swarm.platforms.channels import FOUR
from swarm.platforms.world import BUCKET_PRICE, BUCKET_VALUE, BUCKETS, World, draw_world
from tests.platforms.worlds import listing

WORLD = draw_world([listing(0), listing(1)], FOUR, shocks_per_week=0.0, creatives=4)
BIDS = np.geomspace(0.2, 8.0, 25)


def _run(world: World, bids: NDArray[np.float64], *, auctions: float = 1000.0, price: float = 1.0) -> Hour:
    plane = np.ones(world.ctr.shape)
    return Auction(world).run(np.broadcast_to(bids, (*plane.shape, len(bids))), auctions * plane, price * plane)


@pytest.mark.parametrize("channel", range(4), ids=[channel.name for channel in FOUR])
@pytest.mark.parametrize("bid", [0.5, 2.0])
def test_the_closed_form_is_the_mean_of_drawn_auctions(channel: int, bid: float) -> None:
    """Monte Carlo: draw a bucket and the rival's bid, win if higher, pay the rule's price."""
    rng, draws, row, creative, level = np.random.default_rng(channel), 400_000, 1, 2, 1.3
    bucket = rng.integers(BUCKETS, size=draws)
    noise = np.exp(WORLD.spread[row, channel] * rng.standard_normal(draws))
    rival = level * WORLD.ctr[row, channel] * WORLD.rival_cpc[row, channel] * BUCKET_PRICE[bucket] * noise
    click_rate = WORLD.ctr[row, channel] * WORLD.appeal[row, creative] * BUCKET_VALUE[bucket]
    won = bid * click_rate > rival
    paid = rival if FOUR[channel].auction == "second_price" else bid * click_rate
    hour = _run(WORLD, np.array([bid]), auctions=1.0, price=level)
    drawn = {"impressions": won * 1.0, "clicks": won * click_rate, "cost": won * paid}
    for name, sample in drawn.items():
        error = sample.std() / np.sqrt(draws)
        assert getattr(hour, name)[row, channel, creative, 0] == pytest.approx(sample.mean(), abs=4 * error), name


def test_more_is_won_and_paid_at_a_higher_bid() -> None:
    """Impressions, clicks and cost grow with the bid; a bid of nothing wins nothing."""
    hour = _run(WORLD, np.append(0.0, BIDS))
    for figure in (hour.impressions, hour.clicks, hour.cost):
        assert (figure[..., 0] == 0).all()
        assert (np.diff(figure, axis=3) > 0).all()
    assert (hour.impressions <= 1000).all()


def test_the_marginal_click_costs_the_bid_at_second_price_and_more_at_first() -> None:
    """Second price: d cost / d clicks = bid (finite differences); first price charges the won ones anew."""
    step = 1e-4
    around = np.stack([BIDS * (1 - step), BIDS * (1 + step)], axis=1).ravel()
    hour = _run(WORLD, around)
    slope = np.diff(hour.cost.reshape(*hour.cost.shape[:3], -1, 2))[..., 0]
    slope /= np.diff(hour.clicks.reshape(*hour.clicks.shape[:3], -1, 2))[..., 0]
    second = np.array([channel.auction == "second_price" for channel in FOUR])
    np.testing.assert_allclose(slope[:, second], np.broadcast_to(BIDS, slope[:, second].shape), rtol=1e-5)
    assert (slope[:, ~second] > BIDS * 1.01).all()


def test_a_click_never_costs_more_than_the_bid() -> None:
    """At first price it costs the bid, at second price less."""
    hour = _run(WORLD, BIDS)
    per_click = hour.cost / hour.clicks
    np.testing.assert_allclose(per_click[:, 2:], np.broadcast_to(BIDS, per_click[:, 2:].shape))
    assert (per_click[:, :2] < BIDS).all()


@given(st.floats(1e-3, 1e6))
def test_money_has_no_scale(unit: float) -> None:
    """In another currency the same auctions are won at the same cost in the new unit."""
    other = _run(replace(WORLD, rival_cpc=WORLD.rival_cpc * unit), BIDS * unit)
    here = _run(WORLD, BIDS)
    np.testing.assert_allclose(other.clicks, here.clicks, rtol=1e-9)
    np.testing.assert_allclose(other.cost, here.cost * unit, rtol=1e-9)


def test_one_campaign_alone_is_its_row() -> None:
    """``rows`` cuts a campaign out, bit for bit."""
    plane = np.full((1, 4), 500.0)
    alone = Auction(WORLD).rows(1).run(np.broadcast_to(BIDS, (1, 4, len(BIDS))), plane, plane / 500)
    both = _run(WORLD, BIDS, auctions=500.0)
    assert (alone.cost[0] == both.cost[1]).all()


def test_many_campaigns_are_worked_on_in_parts_with_the_same_result() -> None:
    """More rows than one part holds come out as each alone."""
    rng = np.random.default_rng(0)
    listings = [listing(i) for i in range(120)]
    world = draw_world(listings, FOUR, shocks_per_week=0.0, creatives=4)
    bids, auctions = rng.uniform(0.2, 8.0, (120, 4, 3)), rng.uniform(1, 1e5, (120, 4))
    price = rng.uniform(0.5, 2.0, (120, 4))
    auction = Auction(world)
    together = auction.run(bids, auctions, price)
    for row in (0, 57, 119):
        alone = auction.rows(row).run(bids[[row]], auctions[[row]], price[[row]])
        for name in ("impressions", "clicks", "cost"):
            np.testing.assert_allclose(getattr(alone, name)[0], getattr(together, name)[row], rtol=1e-13)
