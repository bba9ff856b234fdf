"""What reports teach: rates without bias, however late conversions come."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from policies.clock import Traffic
from policies.estimation import OWN_VARIANCE, CreativePrior, estimate
from policies.evidence import Memory, elasticity, evidence, observe
from policies.frames import Evidence, Portfolio, Report

ROWS, CHANNELS, CREATIVES = 3, 2, 2
SHAPE = (ROWS, CHANNELS, CREATIVES)
TRAFFIC = np.ones(ROWS)
FLAT, HOUR = Traffic(np.ones(168)), np.zeros(ROWS, dtype=np.int32)


def _portfolio(rows: int = ROWS) -> Portfolio:
    return Portfolio(
        allowed=np.ones((rows, CHANNELS), dtype=np.bool_),
        creatives=np.ones((rows, CREATIVES), dtype=np.bool_),
        bid_low=np.full(rows, 0.1),
        bid_high=np.full(rows, 8.0),
        target_cost=np.full(rows, np.inf),
        unit_value=np.ones(rows),
        exposure_cap=np.full(rows, 1e9),
        nominal_cap=np.full(rows, 1e9),
        over_delivery=np.full(CHANNELS, 2.0),
        first_price=np.array([False, True]),
        significant_edit=np.full(CHANNELS, 0.5),
        lag_h=np.array([[1.0, 4.0], [20.0, 36.0]]),
    )


def _report(tick: int, rng: np.random.Generator, **changes: Any) -> Report:
    clicks = rng.poisson(40.0, SHAPE).astype(np.float64)
    bid = np.exp(0.1 * rng.standard_normal(SHAPE[:2]))
    made = Report(
        tick=tick,
        day=np.zeros(ROWS, dtype=np.int32),
        bid=bid,
        impressions=clicks * 50,
        clicks=clicks,
        cost=clicks * 0.6 * bid[..., None],
        conversions=rng.poisson(clicks * 0.05).astype(np.float64),
        spent_today=np.ones(SHAPE[:2]),
        limited=np.zeros(SHAPE[:2], dtype=np.bool_),
    )
    return replace(made, **changes)


def _observe(memory: Memory, report: Report, *, keep: float = 1.0, trust: bool = True) -> Memory:
    kept = np.full(ROWS, keep)
    return observe(memory, report, HOUR, FLAT, np.full(SHAPE, 0.05), _portfolio(), keep=kept, trust=trust)


def _equal(first: Memory | Evidence, second: Memory | Evidence) -> bool:
    return all(np.array_equal(getattr(first, f.name), getattr(second, f.name), equal_nan=True) for f in fields(first))


@pytest.mark.parametrize("keep", [1.0, 0.99])
@pytest.mark.parametrize("hours", [3, 12, 200])
def test_conversions_over_matured_clicks_is_the_rate_at_any_age(hours: int, keep: float) -> None:
    """Poisson conversions with the two-stage lag; the ratio has no bias after 3 hours nor after 200."""
    rng, portfolio, rate = np.random.default_rng(hours), _portfolio(), 0.3
    ends = 1 - np.exp(-1.0 / portfolio.lag_h)[:, None, :, None]
    waiting, memory = np.zeros((2, *SHAPE)), Memory.empty(portfolio)
    for tick in range(hours):
        report = _report(tick, rng, clicks=rng.poisson(400.0, SHAPE).astype(np.float64))
        waiting += 0.5 * report.clicks * rate
        due = waiting * ends
        waiting -= due
        report = replace(report, conversions=rng.poisson(due.sum(axis=0)).astype(np.float64))
        memory = _observe(memory, report, keep=keep)
    conversions, matured = memory.sums[0].sum(), memory.sums[1].sum()
    assert conversions / matured == pytest.approx(rate, abs=4 * np.sqrt(rate / matured))
    assert matured < memory.sums[2].sum()


def test_an_hour_that_is_known_changes_nothing() -> None:
    """A report that comes twice, or late, is counted once."""
    rng = np.random.default_rng(0)
    first, second = _report(5, rng), _report(6, rng)
    memory = _observe(_observe(Memory.empty(_portfolio()), first), second)
    assert _observe(memory, second) is memory
    assert _observe(memory, first) is memory


def test_conversions_that_are_not_believed_leave_the_rate_alone() -> None:
    """Neither they nor the clicks that they answer are counted; clicks and costs still are."""
    rng = np.random.default_rng(0)
    memory = _observe(Memory.empty(_portfolio()), _report(0, rng))
    after = _observe(memory, _report(1, rng, conversions=np.zeros(SHAPE)), trust=False)
    assert np.array_equal(after.sums[:2], memory.sums[:2])
    assert (after.sums[2] > memory.sums[2]).all()
    assert (after.waiting > memory.waiting).any()


def test_a_grown_memory_keeps_its_rows() -> None:
    """New campaigns and creatives start empty, as ``Memory.empty`` has them."""
    rng = np.random.default_rng(0)
    memory = _observe(Memory.empty(_portfolio()), _report(0, rng))
    assert memory.grown(SHAPE) is memory
    grown, fresh = memory.grown((5, CHANNELS, CREATIVES)), Memory.empty(_portfolio(5))
    for f in fields(Memory):
        if f.name == "tick":
            continue
        old, new, empty = (getattr(each, f.name) for each in (memory, grown, fresh))
        axis = 0 if f.name in ("day", "spent_today", "due", "cost") else 1
        assert np.array_equal(np.take(new, range(ROWS), axis), old, equal_nan=True), f.name
        assert np.array_equal(np.take(new, [3, 4], axis), np.take(empty, [3, 4], axis), equal_nan=True), f.name
    assert memory.grown((ROWS, CHANNELS, 4)).sums.shape == (4, ROWS, CHANNELS, 4)


def test_impressions_without_a_click_are_dear() -> None:
    """Where they are paid for, the longer nobody clicks the dearer a click is taken to be, in any unit of money."""
    report = _report(0, np.random.default_rng(0))
    unclicked = replace(report, clicks=np.zeros_like(report.clicks), limited=np.zeros_like(report.limited))
    empty = Memory.empty(_portfolio())
    for unit in (1.0, 1000.0):
        told = replace(unclicked, cost=unit * report.cost, bid=unit * report.bid)
        once = _observe(empty, told)
        first, second = (evidence(each, empty, told, TRAFFIC) for each in (once, _observe(once, replace(told, tick=1))))
        assert (first.cost_per_click > 0.7 * told.bid).all()
        assert (second.cost_per_click > first.cost_per_click).all()


def test_evidence_says_what_was_seen() -> None:
    """Cost of a click, its share of the bid, and NaN where nothing was seen yet."""
    rng = np.random.default_rng(0)
    empty = Memory.empty(_portfolio())
    nothing = evidence(empty, empty, None, TRAFFIC)
    assert np.isnan(nothing.spend_scale).all()
    assert np.isnan(nothing.residual).all()
    np.testing.assert_allclose(nothing.elasticity, 1.5)
    report = _report(0, rng)
    report = replace(report, clicks=1000.0 * report.clicks, cost=1000.0 * report.cost)
    seen = evidence(_observe(empty, report), empty, report, TRAFFIC)
    np.testing.assert_allclose(seen.cost_share, 0.6, rtol=0.01)
    np.testing.assert_allclose(seen.cost_per_click, 0.6 * report.bid, rtol=0.01)
    np.testing.assert_allclose(seen.spend_scale, report.cost.sum(axis=2) / report.bid**2)
    joined = Evidence.concat([seen, nothing])
    assert joined.tick.tolist() == [0] * CHANNELS + [-1] * CHANNELS
    assert joined.clicks.shape == (ROWS, 2 * CHANNELS, CREATIVES)
    assert joined.residual.shape == (ROWS, 2, 4)


def test_elasticity_is_found_where_bids_move() -> None:
    """The slope of wins on bids; the prior while they hardly do."""
    rng, memory, still = np.random.default_rng(0), Memory.empty(_portfolio()), Memory.empty(_portfolio())
    for tick in range(200):
        bid = np.exp(0.3 * rng.standard_normal(SHAPE[:2]))
        shown = np.repeat((1000 * bid**2.5 / CREATIVES)[..., None], CREATIVES, axis=2)
        memory = _observe(memory, _report(tick, rng, bid=bid, impressions=shown))
        still = _observe(still, _report(tick, rng, bid=np.ones(SHAPE[:2])))
    np.testing.assert_allclose(elasticity(memory.landscape), 2.5, atol=0.05)
    np.testing.assert_allclose(elasticity(still.landscape), 1.5, atol=0.05)


def test_an_unusual_hour_stands_out() -> None:
    """Ten times the volume is many standard deviations; usual hours are a few at most."""
    rng, memory, usual = np.random.default_rng(0), Memory.empty(_portfolio()), []
    for tick in range(150):
        report = _report(tick, rng)
        previous, memory = memory, _observe(memory, report)
        usual.append(evidence(memory, previous, report, TRAFFIC).residual[:, 0])
    assert np.abs(np.array(usual)[50:]).max() < 5
    wild = _report(150, rng)
    wild = replace(wild, impressions=wild.impressions * 10)
    assert evidence(_observe(memory, wild), memory, wild, TRAFFIC).residual[:, 0].min() > 5


def test_without_data_rates_are_the_prior() -> None:
    """Guess times what is expected of the creative."""
    guess, factor = np.array([0.02, 0.1]), np.array([[1.0, 1.5], [0.8, 1.0]])
    prior = CreativePrior(factor, np.zeros((2, 2)), OWN_VARIANCE)
    rates = estimate(np.zeros((2, 3, 2)), np.zeros((2, 3, 2)), guess=guess, prior=prior)
    np.testing.assert_allclose(rates.cells, (guess[:, None] * factor)[:, None, :].repeat(3, axis=1))


@given(st.floats(0.001, 0.5), st.floats(0.0, 0.5), st.floats(0.01, 1000.0))
def test_a_creatives_variance_is_that_of_the_gaussian_posterior(own: float, doubt: float, results: float) -> None:
    """What is shared (known up to ``doubt``) plus what is the creative's own, given a result with noise 1 / results.

    The oracle conditions the joint Gaussian of (shared, own): shared has variance ``doubt`` given all data, so
    before this creative's own result it had ``before`` with 1 / before = 1 / doubt - 1 / (own + noise).
    """
    noise = 1.0 / results
    assume(doubt < 0.9 * (own + noise))
    before = 1.0 / (1.0 / doubt - 1.0 / (own + noise)) if doubt > 1e-9 else 0.0
    total, seen = before + own, before + own + noise
    posterior = total - total**2 / seen
    prior = CreativePrior(np.ones((1, 1)), np.full((1, 1), doubt), own)
    np.testing.assert_allclose(prior.variance(np.full((1, 1), results)), posterior, rtol=1e-6, atol=1e-9)


def test_a_prior_that_stands_leaves_more_to_results() -> None:
    """All that was doubted before any results is doubted still, and the same results move the rate further."""
    prior = CreativePrior(np.ones((1, 2)), np.full((1, 2), 0.05), OWN_VARIANCE)
    none = np.zeros((1, 2))
    np.testing.assert_allclose(prior.standing().variance(none), prior.variance(none))
    seen, clicks = np.array([[[20.0, 5.0]]]), np.full((1, 1, 2), 500.0)
    moved = [estimate(seen, clicks, guess=np.array([0.02]), prior=p).creative[0] for p in (prior, prior.standing())]
    assert moved[1][0] > moved[0][0] > moved[0][1] > moved[1][1]
    assert CreativePrior.none((1, 2)).standing().own == CreativePrior.none((1, 2)).own


def test_with_lots_of_data_rates_are_the_truth() -> None:
    """Whatever was guessed."""
    rng = np.random.default_rng(0)
    base = rng.uniform(0.01, 0.1, (5, 1, 1))
    truth = base * rng.uniform(0.5, 2, (5, 4, 1)) * rng.uniform(0.7, 1.4, (5, 1, 3))
    clicks = np.full(truth.shape, 1e7)
    rates = estimate(truth * clicks, clicks, guess=np.full(5, 0.5), prior=CreativePrior.none((5, 3)))
    np.testing.assert_allclose(rates.cells, truth, rtol=0.01)


@given(st.integers(0, 2**32 - 1))
def test_pooling_draws_thin_data_together(seed: int) -> None:
    """Pooled rates are nearer to the truth than the raw ratios of few clicks, and never negative."""
    rng = np.random.default_rng(seed)
    truth = 0.04 * np.exp(0.2 * rng.standard_normal((20, 4, 1)))
    clicks = np.full((20, 4, 3), 30.0)
    seen = rng.poisson(truth * clicks).astype(np.float64)
    rates = estimate(seen, clicks, guess=np.full(20, 0.03), prior=CreativePrior.none((20, 3))).cells
    assert (rates > 0).all()
    assert ((rates - truth) ** 2).mean() < 0.3 * ((seen / clicks - truth) ** 2).mean()
    assert rates.std() < (seen / clicks).std()


def test_accounts_do_not_learn_from_each_other() -> None:
    """What one account's channels convert says nothing of another's; within one it does."""
    guess, prior = np.full(4, 0.05), CreativePrior.none((4, 3))
    clicks = np.full((4, 2, 3), 500.0)
    seen = clicks * 0.05
    seen[0, 0] *= 4.0
    clicks[1:] = seen[1:] = 0.0
    alone = estimate(seen, clicks, guess=guess, prior=prior, account=np.array([0, 0, 1, 1])).cells
    assert (alone[1, 0] > alone[1, 1]).all()
    np.testing.assert_allclose(alone[2:, 0], alone[2:, 1])
    together = estimate(seen, clicks, guess=guess, prior=prior).cells
    assert (together[2:, 0] > together[2:, 1]).all()
