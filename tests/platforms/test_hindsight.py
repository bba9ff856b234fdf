"""The hindsight optimum: exact on its own problem, what the market pays for its bids, and never beaten."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import csr_matrix, kron, vstack

from swarm.platforms.auction import Auction
from swarm.platforms.calendar import Calendar
from swarm.platforms.hindsight import hindsight, solutions
from swarm.platforms.market import Market
from swarm.platforms.phases import Learning
from swarm.platforms.scenarios import draw
from swarm.platforms.world import World
from tests.platforms.worlds import launch, listing, market, money, still

Floats = NDArray[np.float64]
_BIDS = 120


def _small(seed: int, target: float | None = None) -> tuple[World, Calendar]:
    """One campaign's day on two channels, one of either auction, with three creatives."""
    one = replace(listing(1, seed=seed, zone="UTC"), target_cost=None)
    both = market([one]).world
    picked = (1, 2)
    names = ("auctions_h", "ctr", "rival_cpc", "spread", "goal_rate")
    world = replace(
        still(both, channels=2),
        channels=tuple(both.channels[c] for c in picked),
        listings=(replace(one, target_cost=target),),
        **{name: getattr(both, name)[:, picked] for name in names},
    )
    return world, Calendar(market([one]).calendar.first, ["UTC"])


def _linear(world: World, calendar: Calendar, budget: float) -> float:
    """The same day by a general solver: a mixture of a grid of bids with all creatives in each hour and channel."""
    one = world.listings[0]
    bids, auction = np.geomspace(*one.bid_bounds, _BIDS), Auction(world)
    cost, value = [], []
    for tick in range(24):
        now = world.conditions(calendar.at(tick))
        hour = auction.run(np.broadcast_to(bids, (1, 2, _BIDS)), now.auctions, now.price)
        rate = world.goal_rate[0, :, None] * world.quality[0]
        cost.append(hour.cost[0].reshape(2, -1))
        value.append((hour.clicks[0] * rate[..., None]).reshape(2, -1))
    costs, values = np.concatenate(cost), np.concatenate(value)
    rows, limits = [costs.ravel()], [budget]
    if one.target_cost is not None:
        rows.append(costs.ravel() - one.target_cost * values.ravel())
        limits.append(0.0)
    once = kron(csr_matrix(np.eye(len(costs))), csr_matrix(np.ones((1, costs.shape[1]))))
    a_ub = vstack([csr_matrix(np.array(rows)), once]).tocsr()
    solved = linprog(-values.ravel(), A_ub=a_ub, b_ub=[*limits, *np.ones(len(costs))], method="highs")
    assert solved.success
    return float(-solved.fun)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("target", [None, 5.0])
def test_it_is_the_linear_programs_optimum(seed: int, target: float | None) -> None:
    """With and without a cost target, with money that binds, and money that does not.

    The solver's grid of bids is fine but a grid, so it may fall short a little and never be ahead.
    """
    world, calendar = _small(seed, target)
    for budget in (40.0, 1e5):
        found, grid = (
            hindsight(world, calendar, np.array([[round(budget * 1e6)]])).value.sum(),
            _linear(world, calendar, budget),
        )
        assert grid * (1 - 3e-5) <= found <= grid * (1 + 2e-3)


def test_it_spends_all_that_can_be_absorbed() -> None:
    """Its money where that binds; without end, what the highest bids buy with the best creative of each hour."""
    world, calendar = _small(0)
    assert hindsight(world, calendar, np.array([[50_000_000]])).spend[0, 0] == pytest.approx(50.0, rel=1e-9)
    rich = hindsight(world, calendar, np.array([[10**13]])).spend[0, 0]
    auction, bids, cost = Auction(world), np.full((1, 2, 1), 8.0), 0.0
    for tick in range(24):
        now = world.conditions(calendar.at(tick))
        hour = auction.run(bids, now.auctions, now.price)
        best = (hour.clicks[..., 0] * world.quality[:, None]).argmax(axis=2)[..., None]
        cost += np.take_along_axis(hour.cost[..., 0], best, axis=2).sum()
    assert rich == pytest.approx(cost, rel=1e-4)


@given(st.integers(0, 3), st.floats(5.0, 200.0), st.floats(1.0, 2.0))
@settings(max_examples=10, deadline=None)
def test_more_money_or_a_looser_target_never_hurts(seed: int, budget: float, factor: float) -> None:
    """Whatever could be had before can still be had."""

    def best(budget: float, target: float | None) -> float:
        world, calendar = _small(seed, target)
        return float(hindsight(world, calendar, np.array([[round(budget * 1e6)]])).value.sum())

    for target in (None, 9.0):
        assert best(budget * factor, target) >= best(budget, target) * (1 - 1e-5)
    assert best(budget, 9.0 * factor) >= best(budget, 9.0) * (1 - 1e-5)


def test_campaigns_side_by_side_are_the_campaigns_alone() -> None:
    """More of them than fit a block, each as if it were the only one."""
    listings = [listing(i, seed=i, zone="UTC") for i in range(18)]
    one = market(listings, days=2)
    best = hindsight(one.world, one.calendar, one.budgets).value
    for i in (0, 5, 17):
        alone = market([listings[i]], days=2)
        np.testing.assert_allclose(hindsight(alone.world, alone.calendar, alone.budgets).value[0], best[i], rtol=1e-3)


def test_the_market_pays_what_it_says() -> None:
    """Its bids, played hour by hour, bring its value and cost what it says, rivals and shared people included."""
    listings = [replace(listing(i, seed=3), genomes=listing(i).genomes[:1]) for i in range(3)]
    one = launch(market(listings, days=4, shocks=1.0))
    calm = replace(one.world.dynamics, learning=Learning.none(3, 4))  # its edits are not significant, a policy's are
    one = one.in_world(replace(one.world, dynamics=calm))
    (found,) = solutions(one.world, one.calendar, one.budgets)
    _played(one, found.plan.bid * np.exp(found.rivals))
    np.testing.assert_allclose(one.score.spend / 1e6, found.optimum.spend, rtol=5e-3)
    np.testing.assert_allclose(one.credited().sum(axis=1), found.optimum.value.sum(axis=1), rtol=2e-3)
    claimed = one.score.claimed.sum(axis=1) / one.score.value.sum(axis=1)
    np.testing.assert_allclose(claimed, (found.optimum.claimed / found.optimum.value).mean(axis=1), rtol=5e-3)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_no_policy_beats_it(seed: int) -> None:
    """Random bids, shares of creatives and budgets in every hour earn no more in the market than hindsight does."""
    rng = np.random.default_rng(seed)
    listings = [listing(i, seed=1 + seed % 5, goal=("conversions", "clicks")[i % 2]) for i in range(3)]
    one = launch(market(listings, days=2, shocks=1.0))
    best = _best(seed % 5)
    exists = one.world.creatives[:, None, :]
    for _ in range(one.calendar.ticks(2)):
        one.settings.bid[:] = np.exp(rng.uniform(np.log(0.2), np.log(8.0), (3, 4))) * 1e6
        one.settings.weight[:] = np.where(exists, rng.integers(0, 1000, (3, 4, 4)), 0)
        one.settings.budget[:] = rng.uniform(0.0, 1.0, (3, 4)) * one.budgets[:, :1]
        one.advance()
    assert (one.credited().sum(axis=1) <= best * 1.001).all()


@lru_cache
def _best(seed: int) -> Floats:
    """[R] hindsight of the markets above."""
    listings = [listing(i, seed=1 + seed, goal=("conversions", "clicks")[i % 2]) for i in range(3)]
    one = market(listings, days=2, shocks=1.0)
    return np.asarray(hindsight(one.world, one.calendar, one.budgets).value.sum(axis=1))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["stationary_10", "seasonal", "competitor_entry", "creative_fatigue", "tight_budget"])
def test_no_constant_bids_beat_it(name: str) -> None:
    """The best creative all day at any one bid, on any set of channels, with money shared or pooled."""
    setup = draw(name, range(500, 504), days=4)
    best = hindsight(setup.world, setup.calendar, setup.budgets).value.sum(axis=1)
    rng, ticks = np.random.default_rng(0), setup.calendar.ticks(4)
    rows, channels, _ = setup.world.shape
    low, high = (bound[:, None] for bound in (setup.portfolio.bid_low, setup.portfolio.bid_high))
    for _ in range(40):
        one = setup.market()
        bids = (
            low * (high / low) ** rng.uniform(0.2, 0.8, (rows, 1)) * np.exp(0.4 * rng.standard_normal((rows, channels)))
        )
        _constant(one, bids, rng.random((rows, channels)) < 0.8)
        for _ in range(ticks):
            one.advance()
        assert (one.credited().sum(axis=1) <= best * 1.001).all()


def _constant(one: Market, bids: Floats, on: NDArray[np.bool_]) -> None:
    """One bid for each channel and the creative of most goals an impression alone; budgets that over-delivery fills."""
    yields = one.world.appeal * one.world.quality
    one.settings.bid[:] = np.rint(bids * 1e6)
    one.settings.budget[:] = one.budgets[:, :1]
    one.settings.status[:] = on
    one.settings.weight[:] = (yields == yields.max(axis=1, keepdims=True))[:, None] * 1_000_000


def test_what_comes_back_only_costs() -> None:
    """The bound without feedback is never below the optimum with it, and equal where nothing feeds back."""
    one = market([listing(i, seed=i, zone="UTC") for i in range(8)], days=3)
    bound, best = (hindsight(one.world, one.calendar, one.budgets, feedback=on).value for on in (False, True))
    assert (best.sum(axis=1) < bound.sum(axis=1)).all()
    calm = still(one.world)
    same = [hindsight(calm, one.calendar, one.budgets, feedback=on).value for on in (False, True)]
    np.testing.assert_array_equal(same[0], same[1])


def test_small_changes_of_its_bids_do_not_improve_it() -> None:
    """Bids moved by a common factor on each channel, played against what they bring about, are no better."""
    listings = [replace(listing(i, seed=9), genomes=listing(i).genomes[:1]) for i in range(3)]
    plain = market(listings, days=3)
    calm = replace(plain.world.dynamics, learning=Learning.none(3, 4))
    world = replace(plain.world, dynamics=calm)
    (found,) = solutions(world, plain.calendar, plain.budgets)
    bids = found.plan.bid * np.exp(found.rivals)
    rng = np.random.default_rng(1)
    for _ in range(8):
        one = launch(market(listings, days=3)).in_world(world)
        moved = _played(one, bids * np.exp(0.1 * rng.standard_normal((3, 1, 4))))
        assert (moved <= found.optimum.value.sum(axis=1) * 1.001).all()


def _played(one: Market, bids: Floats) -> Floats:
    """[R] what ``bids`` [R, T, C] earn with budgets that never bind."""
    one.settings.budget[:] = 10**13
    for tick in range(bids.shape[1]):
        one.settings.bid[:] = np.rint(bids[:, tick] * 1e6)
        one.advance()
    return np.asarray(one.credited().sum(axis=1))


def test_a_target_costs_value_and_a_day_without_money_earns_none() -> None:
    """On a drawn world: targets only ever bind, on what platforms report, and resting days are worth 0."""
    free = listing(0)
    value = []
    for target in (None, 1e6, 12.0, 6.0):
        one = market([replace(free, target_cost=None)], days=2)
        world = replace(one.world, listings=(replace(free, target_cost=target),))
        budgets = money([free], 2)
        budgets[:, 1] = 0
        best = hindsight(world, one.calendar, budgets)
        assert best.value[0, 1] == best.spend[0, 1] == 0
        assert best.spend[0, 0] <= budgets[0, 0] / 1e6 * (1 + 1e-9)
        assert target is None or best.spend.sum() <= target * best.claimed.sum() * (1 + 1e-3)
        value.append(best.value.sum())
    assert value[0] == pytest.approx(value[1], rel=1e-9)
    assert value[1] >= value[2] >= value[3] > 0
