"""One hour's plan keeps to the day's money, the caps and the bounds."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from policies.clock import Traffic
from policies.concave import Certificate
from policies.estimation import CreativePrior
from policies.evidence import Memory, evidence, observe
from policies.frames import Evidence, Floats, Plan, Portfolio, Report
from policies.planning import Clock, Ledger, opening_bid, plan, target_floor, unit_bids
from policies.specialist import Wanted, steady, want
from policies.tuning import BOUNDS
from swarm.platforms.phases import significant

ROWS, CHANNELS, CREATIVES = 4, 3, 2
HYPER = {name: np.full(ROWS, np.sqrt(max(low, 0.01) * high)) for name, (low, high) in BOUNDS.items()}
EQUAL = np.full((ROWS, CHANNELS), 1 / CHANNELS)


def _portfolio() -> Portfolio:
    return Portfolio(
        allowed=np.ones((ROWS, CHANNELS), dtype=np.bool_),
        creatives=np.ones((ROWS, CREATIVES), dtype=np.bool_),
        bid_low=np.full(ROWS, 0.2),
        bid_high=np.full(ROWS, 5.0),
        target_cost=np.array([np.inf, 20.0, 30.0, np.inf]),
        unit_value=np.array([1.0, 1.0, 1.0, 0.0]),
        exposure_cap=np.array([500.0, 120.0, 500.0, 500.0]),
        nominal_cap=np.full(ROWS, 300.0),
        over_delivery=np.array([2.0, 1.75, 1.5]),
        first_price=np.array([False, False, True]),
        significant_edit=np.array([0.5, 0.2, 0.5]),
        lag_h=np.array([[1.0, 2.0, 4.0], [20.0, 24.0, 36.0]]),
    )


def _clock(*, new_day: bool = True, day_ends: bool = False) -> Clock:
    money = np.array([100.0, 100.0, 0.0, 100.0])
    edges = np.full(ROWS, new_day), np.full(ROWS, day_ends)
    return Clock(np.zeros(ROWS), *edges, np.zeros(ROWS), money, np.full(ROWS, 20.0), np.full((ROWS, CHANNELS), 1.0))


def _seen(seed: int) -> Evidence:
    rng, portfolio = np.random.default_rng(seed), _portfolio()
    memory, flat, hour = Memory.empty(portfolio), Traffic(np.ones(168)), np.zeros(ROWS, dtype=np.int32)
    for tick in range(10):
        clicks = rng.poisson(5.0, portfolio.shape).astype(np.float64)
        report = Report(
            tick=tick,
            day=np.zeros(ROWS, dtype=np.int32),
            bid=np.exp(rng.normal(0.0, 0.2, (ROWS, CHANNELS))),
            impressions=clicks * 60,
            clicks=clicks,
            cost=clicks * 0.2,
            conversions=rng.poisson(0.05, portfolio.shape).astype(np.float64),
            spent_today=np.full((ROWS, CHANNELS), 0.5 * tick),
            limited=np.zeros((ROWS, CHANNELS), dtype=np.bool_),
        )
        previous, memory = (
            memory,
            observe(memory, report, hour, flat, clicks * 0 + 0.04, portfolio, keep=np.ones(ROWS), trust=True),
        )
    return evidence(memory, previous, report, np.ones(ROWS))


def _plan(
    seen: Evidence, clock: Clock, ledger: Ledger | None = None, highest: np.ndarray | None = None
) -> tuple[Plan, Ledger]:
    made, carried, _ = _decide(seen, clock, ledger, highest)
    return made, carried


def _decide(
    seen: Evidence, clock: Clock, ledger: Ledger | None = None, highest: np.ndarray | None = None
) -> tuple[Plan, Ledger, Certificate | None]:
    return plan(
        _portfolio(),
        ledger or Ledger.start(_portfolio(), EQUAL),
        seen,
        clock,
        HYPER,
        creative_prior=CreativePrior.none((ROWS, CREATIVES)),
        prior_shares=EQUAL,
        highest_budget=np.zeros((ROWS, CHANNELS)) if highest is None else highest,
    )


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_a_plan_keeps_caps_and_shares(seed: int) -> None:
    """Worst cases stay under the caps, shares sum to 1, bids keep their bounds, resting campaigns rest."""
    portfolio, seen = _portfolio(), _seen(seed)
    made, ledger = _plan(seen, _clock())
    assert ((made.budget * portfolio.over_delivery).sum(axis=1) <= portfolio.exposure_cap * (1 + 1e-9)).all()
    assert (made.budget.sum(axis=1) <= portfolio.nominal_cap * (1 + 1e-9)).all()
    np.testing.assert_allclose(ledger.split.sum(axis=1), 1.0)
    np.testing.assert_allclose(made.rotation.sum(axis=2), 1.0)
    assert made.deliver.tolist() == [True, True, False, True]
    assert (made.budget[2] == 0).all()
    wanted = want(portfolio, seen, made, dither=np.zeros((ROWS, CHANNELS)))
    assert ((wanted.bid >= 0.2) & (wanted.bid <= 5.0)).all()
    assert not wanted.deliver[2].any()
    assert (made.click_value[3] == 1).all()


@given(arrays(np.float64, (2, ROWS, CHANNELS), elements=st.floats(0.01, 100.0)))
def test_no_move_makes_a_platform_learn_anew(values: Floats) -> None:
    """However far the way, each hour's move is no significant edit, and the way is gone to its end."""
    known, (now, goal) = _portfolio(), values
    learns = known.unit_value > 0
    wanted = Wanted(goal, goal, np.ones((ROWS, CHANNELS, CREATIVES)), np.ones((ROWS, CHANNELS), dtype=np.bool_))
    for _ in range(100):
        moved = steady(wanted, known, budget=now, bid=now)
        for before, after in ((now, moved.bid), (now[learns], moved.budget[learns])):
            old, new = (np.rint(1e6 * each).astype(np.int64) for each in (before, after))
            assert not significant(old, new, known.significant_edit).any()
        now = moved.bid
    np.testing.assert_allclose(now, goal)


def test_where_a_click_is_the_goal_budgets_move_at_once() -> None:
    """A platform has nothing to learn anew: only the campaign's own guardrails hold them, at the door."""
    known, old = _portfolio(), np.ones((ROWS, CHANNELS))
    wanted = Wanted(9 * old, old / 9, np.ones((ROWS, CHANNELS, CREATIVES)), np.ones((ROWS, CHANNELS), dtype=np.bool_))
    moved = steady(wanted, known, budget=old, bid=old)
    assert (moved.budget == wanted.budget).all(axis=1).tolist() == (known.unit_value == 0).tolist()
    assert (moved.bid > wanted.bid).all()


def test_a_budget_is_opened_and_closed_at_once() -> None:
    """Nothing is learnt anew by a pause."""
    known, none = _portfolio(), np.zeros((ROWS, CHANNELS))
    some = none + 7.0
    for budget, now in ((some, none), (none, some)):
        wanted = Wanted(budget, some, np.ones((ROWS, CHANNELS, CREATIVES)), np.ones((ROWS, CHANNELS), dtype=np.bool_))
        assert np.array_equal(steady(wanted, known, budget=now, bid=some).budget, budget)


def test_within_a_day_the_split_stays() -> None:
    """Price and rotation follow the evidence from hour to hour, budgets do not."""
    _, before = _plan(_seen(1), _clock())
    made, after = _plan(_seen(2), _clock(new_day=False), before)
    assert np.array_equal(after.split, before.split)
    assert not made.rebudget.any()
    assert (after.rotation != before.rotation).any()
    assert (after.price != before.price).any()


def test_a_days_last_hour_makes_room_for_the_next_days_raises() -> None:
    """Budgets whose worst case fills the cap: those that shrink do so before midnight, and then the others grow."""
    portfolio, seen = _portfolio(), _seen(1)
    _, ledger = _plan(seen, _clock())
    full = np.full((ROWS, CHANNELS), 1.0) * (portfolio.exposure_cap / portfolio.over_delivery.sum())[:, None]
    evening, after = _plan(seen, _clock(new_day=False, day_ends=True), ledger, full)
    assert not np.array_equal(after.split, ledger.split)
    assert evening.rebudget.all()
    assert (evening.budget <= full * (1 + 1e-9)).all()
    morning, _ = _plan(seen, _clock(), after, evening.budget)
    assert (evening.budget[1] < full[1] * (1 - 1e-6)).any()
    assert (morning.budget[1] > evening.budget[1] * (1 + 1e-6)).any()


def test_a_split_comes_with_its_certificate() -> None:
    """Off their bounds all channels return the same at the margin, and no split that was left is better."""
    _, _, proof = _decide(_seen(1), _clock(new_day=False, day_ends=True))
    assert proof is not None
    free = ~proof.at_minimum & ~proof.at_maximum & (proof.marginal > 0)
    assert free.any(axis=1).all()
    np.testing.assert_allclose(np.where(free, proof.marginal / proof.price[:, None], 1.0), 1.0, rtol=0.01)
    assert (proof.gain_over_equal >= -1e-9).all()
    assert (proof.gain_over_current >= -1e-9).all()


def test_only_what_a_channel_has_not_reported_is_estimated() -> None:
    """A channel that reports sooner than the others leaves less to guess, and so more to spend."""
    seen = _seen(1)
    late = np.full((ROWS, CHANNELS), 3.0)
    soon = np.where(np.arange(CHANNELS) == 0, 1.0, late)
    prices = [_plan(seen, replace(_clock(), traffic_unseen=unseen))[1].price for unseen in (late, soon)]
    assert (prices[1][[0, 1]] < prices[0][[0, 1]]).all()


def _floor(seen: Evidence, target: float) -> Floats:
    known = replace(_portfolio(), target_cost=np.full(ROWS, target))
    return target_floor(known, seen, np.full((ROWS, CHANNELS), 0.4))


def test_at_the_floor_a_goal_unit_costs_the_target_or_a_little_less() -> None:
    """Clicks bought at the floor's bids, each at its channel's share of the bid; once conversions have been heard."""
    seen, target = _heard(_seen(1), 1000.0), 8.0
    unit = unit_bids(_portfolio(), seen, np.full((ROWS, CHANNELS), 0.4))
    bid = unit / _floor(seen, target)[:, None]
    spend = seen.spend_scale * bid**2
    clicks = spend / (seen.cost_share * bid)
    cost = spend.sum(axis=1) / (0.4 * clicks.sum(axis=1))
    assert (cost < target).all()
    assert (cost > 0.8 * target).all()


def _heard(seen: Evidence, conversions: float) -> Evidence:
    """So many of each campaign, ever."""
    totals = np.zeros_like(seen.totals)
    totals[:, 0, 0, 2] = conversions
    return replace(seen, totals=totals)


def test_who_has_hardly_sold_anything_may_pay_up_to_twice_the_target() -> None:
    """Or a campaign whose first clicks did not convert would fall silent, and never learn better."""
    low, few, many = (_floor(_heard(_seen(1), n), 8.0) for n in (0.0, 5.0, 1000.0))
    assert (low < few).all()
    assert (few < many).all()
    assert (low > many / 2.5).all()


def test_the_surer_the_nearer_to_the_target() -> None:
    """A thousand times the conversions allow a lower floor; no target, no floor."""
    seen = _seen(1)
    sure = replace(seen, conversions=1000.0 * seen.conversions + 1000.0)
    assert (_floor(sure, 8.0) < _floor(seen, 8.0)).all()
    assert not _floor(seen, np.inf).any()


def test_a_cost_target_never_silences_a_campaign() -> None:
    """Before anything is bought the floor is below the price at which every single click pays for itself."""
    empty = Memory.empty(_portfolio())
    assert (_floor(evidence(empty, empty, None, np.ones(ROWS)), 8.0) < 1 / 8.0).all()


def test_a_spent_day_stops_delivery() -> None:
    """Once the reported spend has taken the day's money nothing more is bought."""
    seen = replace(_seen(1), spent_today=np.full((ROWS, CHANNELS), 40.0))
    assert not _plan(seen, _clock())[0].deliver.any()


def test_an_unknown_campaign_opens_in_the_middle_of_its_bounds() -> None:
    """The first price of money is the one that gives the opening bid at second price."""
    empty = Memory.empty(_portfolio())
    nothing = evidence(empty, empty, None, np.ones(ROWS))
    made, ledger = _plan(nothing, _clock())
    np.testing.assert_allclose(opening_bid(_portfolio()), 1.0)
    bids = unit_bids(_portfolio(), nothing, made.click_value)[:, 0] / ledger.price
    np.testing.assert_allclose(bids, 1.0)


def test_a_grown_ledger_keeps_its_rows() -> None:
    """Campaigns that join start fresh behind the others."""
    _, ledger = _plan(_seen(1), _clock())
    first = Ledger(*(getattr(ledger, f.name)[:2] for f in fields(ledger)))
    fresh = Ledger.start(_portfolio(), EQUAL)
    grown = first.grown(fresh)
    assert np.array_equal(grown.price, np.concatenate([ledger.price[:2], fresh.price[2:]]))
    assert np.array_equal(grown.rotation[:2], ledger.rotation[:2])
