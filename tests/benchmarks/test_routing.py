"""What the newcomers' first splits are measured with."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from scipy.optimize import linprog

from benchmarks.newcomers import DAYS, play
from benchmarks.routing import ARMS, _newcomers, _offers, _splits, figures, kind, oracle, table
from swarm.platforms.calendar import Calendar
from swarm.platforms.channels import FOUR
from swarm.platforms.world import World, draw_world

SEED, CAMPAIGNS = 502, 6


def _world() -> World:
    return draw_world(_newcomers(SEED, CAMPAIGNS)[0], FOUR, shocks_per_week=0.0)


def test_every_first_split_is_one_over_the_platforms_allowed() -> None:
    """It adds up to 1, gives nothing elsewhere, and the arms differ."""
    drawn, words = _newcomers(SEED, CAMPAIGNS)
    allowed = np.array([one.allowed for one in drawn])
    splits = _splits(_world(), words)
    assert len(splits) == len(ARMS)
    for split in splits:
        assert split.sum(axis=1) == pytest.approx(1.0)
        assert (split[~allowed] == 0).all()
    assert all(not np.allclose(splits[0], other) for other in splits[1:])


def test_the_oracle_buys_as_much_as_a_linear_programme() -> None:
    """SciPy's, over mixtures of the same bids; the oracle mixes none, so it may lack the last step of one bid."""
    world = _world()
    cost, value = _offers(world)
    split = oracle(world)
    for row, listing in enumerate(world.listings):
        money = listing.daily_budget
        flat = cost[row].ravel(), value[row].ravel()
        one_bid = np.kron(np.eye(len(FOUR)), np.ones(cost.shape[2]))
        best = linprog(-flat[1], A_ub=[flat[0]], b_ub=[money], A_eq=one_bid, b_eq=np.ones(len(FOUR)))
        spend = (flat[0] * best.x).reshape(len(FOUR), -1).sum(axis=1)
        assert split[row] == pytest.approx(spend / spend.sum(), abs=0.08)


def test_what_is_a_campaigns_own_tells_nothing_of_its_kind() -> None:
    """Two that differ by their name alone have oracles' splits of their own, and nearly one split of their kind."""
    one = _newcomers(SEED, 1)[0][0]
    world = draw_world([one, replace(one, name="another")], FOUR, shocks_per_week=0.0)
    own, shared = (abs(np.diff(split, axis=0)).sum() for split in (oracle(world), kind(world)))
    assert shared < 0.25 * own


def test_newcomers_spend_their_money_and_no_more_of_it_counts() -> None:
    """Within a sixth of each day's money after the first day; the value is what the market credits."""
    drawn, words = _newcomers(SEED, CAMPAIGNS)
    world = _world()
    budgets = np.array([[round(one.daily_budget * 1e6)] * DAYS for one in drawn])
    played = play(world, Calendar(date(2026, 6, 1), ["UTC"] * CAMPAIGNS), budgets, _splits(world, words)[0])
    assert played.value.shape == (CAMPAIGNS, DAYS)
    assert (played.value > 0).all()
    assert played.spend[:, 1:] == pytest.approx(budgets[:, 1:], rel=0.16)


def test_gains_are_paired_with_equal_shares() -> None:
    """An arm that earns 1 % more of every campaign gains 1 %, half of one that gains 2 %, surely."""
    base = np.random.default_rng(0).uniform(1.0, 9.0, (5, 1, 3, DAYS))
    found = figures(base * np.array([1.0, 1.01, 0.99, 1.005, 1.02])[None, :, None, None])
    assert found["router"]["gain"] == pytest.approx([0.01] * 3)
    assert found["router"]["of_oracle"] == pytest.approx([0.5] * 3)
    assert found["router's best two"]["gain_first_day"] == pytest.approx([-0.01] * 3)
    assert table(found).row_count == len(ARMS)
