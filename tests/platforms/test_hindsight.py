"""The hindsight optimum: exact on its own problem, and never beaten."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import linprog

from swarm.platforms.hindsight import Choices, hindsight, optimum
from tests.platforms.worlds import launch, listing, market

Floats = NDArray[np.float64]


def _choices(seed: int, *, days: int = 2, hours: int = 6) -> Choices:
    """Two channels, two creatives, five bids: cost and value of each, and not to bid."""
    rng = np.random.default_rng(seed)
    bids, at = np.geomspace(0.3, 6.0, 5), rng.uniform(0.5, 3.0, (hours, 2, 2, 1))
    won = bids**2 / (bids**2 + at**2) * rng.uniform(5.0, 50.0, (hours, 2, 1, 1))
    rate = rng.uniform(0.02, 0.1, (1, 2, 2, 1))
    cost, value = (won * bids * 0.7).reshape(hours, 2, -1), (won * rate).reshape(hours, 2, -1)
    none = np.zeros((hours, 2, 1))
    day = np.sort(rng.integers(0, days, hours)).astype(np.int32)
    return Choices(np.concatenate([none, cost], axis=2), np.concatenate([none, value], axis=2), day)


def _linear(choices: Choices, money: Floats, target: float | None) -> float:
    """The same problem by a general solver: a mixture of choices in each hour and channel."""
    hours, channels, count = choices.cost.shape
    once = np.kron(np.eye(hours * channels), np.ones(count))
    cost = choices.cost.ravel()
    day = np.repeat(choices.day, channels * count)
    rows = [np.where(day == d, cost, 0.0) for d in range(len(money))]
    limits = list(money)
    if target is not None:
        rows.append(cost - target * choices.value.ravel())
        limits.append(0.0)
    solved = linprog(
        -choices.value.ravel(), A_ub=np.array(rows), b_ub=limits, A_eq=once, b_eq=np.ones(len(once)), method="highs"
    )
    assert solved.success
    return float(-solved.fun)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("target", [None, 4.0, 8.0, 15.0, 30.0])
def test_it_is_the_linear_programs_optimum(seed: int, target: float | None) -> None:
    """With and without a cost target, with money that binds, and money that does not."""
    choices = _choices(seed)
    for money in (np.array([20.0, 60.0]), np.array([0.0, 150.0]), np.array([1e6, 1e6])):
        found = optimum(choices, money, target).value.sum()
        assert found == pytest.approx(_linear(choices, money, target), rel=1e-6, abs=1e-9)


def test_it_spends_all_that_can_be_absorbed() -> None:
    """Its money where that binds; without end, no more than all there is to buy."""
    choices, tight = _choices(2), np.array([20.0, 60.0])
    np.testing.assert_allclose(optimum(choices, tight, None).spend, tight, rtol=1e-9)
    everything = optimum(choices, np.full(2, 1e6), None)
    assert everything.spend.sum() == pytest.approx(choices.best(np.zeros(len(choices.day)))[0].sum())


def test_a_target_is_exact_even_where_some_choices_cost_next_to_nothing() -> None:
    """The search for the price must not be stretched by the cheapest choice."""
    choices = _choices(3)
    choices.cost[0, 0, 1], choices.value[0, 0, 1] = 1e-25, 1e-27
    money, target = np.array([200.0, 200.0]), 10.0
    expected = _linear(choices, money, target)
    assert 0 < expected < 0.95 * _linear(choices, money, None)
    assert optimum(choices, money, target).value.sum() == pytest.approx(expected, rel=1e-6)


@given(st.integers(0, 10_000), st.floats(1.0, 400.0), st.floats(1.0, 2.0))
def test_more_money_or_a_looser_target_never_hurts(seed: int, money: float, factor: float) -> None:
    """Whatever could be had before can still be had."""
    choices, budget = _choices(seed), np.full(2, money)
    for target in (None, 9.0):
        less = optimum(choices, budget, target).value.sum()
        assert optimum(choices, budget * factor, target).value.sum() >= less * (1 - 1e-9)
    tight, loose = (optimum(choices, budget, 9.0 * f).value.sum() for f in (1.0, factor))
    assert loose >= tight * (1 - 1e-9)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=40)
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
    assert (one.credited().sum(axis=1) <= best * (1 + 1e-9)).all()


_KNOWN: dict[int, Floats] = {}


def _best(seed: int) -> Floats:
    """[R] hindsight of the markets above; drawn once for each seed."""
    if seed not in _KNOWN:
        listings = [listing(i, seed=1 + seed, goal=("conversions", "clicks")[i % 2]) for i in range(3)]
        one = market(listings, days=2, shocks=1.0)
        _KNOWN[seed] = hindsight(one.world, one.calendar, one.budgets).value.sum(axis=1)
    return _KNOWN[seed]


def test_a_target_costs_value_and_a_day_without_money_earns_none() -> None:
    """On a drawn world: targets only ever bind, and resting days are worth 0."""
    free = listing(0)
    value, last = [], None
    for target in (None, 1e6, 12.0, 6.0):
        one = market([replace(free, target_cost=None)], days=2)
        world = replace(one.world, listings=(replace(free, target_cost=target),))
        budgets = one.budgets.copy()
        budgets[:, 1] = 0
        best = hindsight(world, one.calendar, budgets)
        last = best.value
        assert last[0, 1] == best.spend[0, 1] == 0
        assert best.spend[0, 0] <= budgets[0, 0] / 1e6 * (1 + 1e-9)
        assert target is None or best.spend.sum() <= target * last.sum() * (1 + 1e-6)
        value.append(last.sum())
    assert value[0] == pytest.approx(value[1], rel=1e-9)
    assert value[1] >= value[2] >= value[3] > 0
