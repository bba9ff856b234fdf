"""Charts of conversions, prices and volume: their promises, and what is done about what they call."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from mechanisms.coherence import _interpolate
from policies.frames import Evidence, Floats
from policies.health import Charts, Thresholds, coherence
from policies.levels import Levels
from policies.tracking import CALL, CEILING, Tracking

RATE, CLICKS, KEEP = 0.05, 40.0, 0.994
HOURS = 480


def _evidence(rows: int) -> Evidence:
    """One channel, one creative, nothing seen."""
    plane, cells = np.zeros((rows, 1)), np.zeros((rows, 1, 1))
    return Evidence(
        tick=np.array([-1]),
        day=np.zeros((rows, 1), dtype=np.int32),
        conversions=cells,
        matured_clicks=cells,
        clicks=cells,
        impressions=cells,
        spend_scale=plane,
        cost_share=plane,
        cost_per_click=plane,
        elasticity=plane,
        pattern=np.zeros((rows, 1, 5)),
        spent_today=plane,
        totals=np.zeros((rows, 1, 1, 3)),
        cost=plane,
        residual=np.full((rows, 1, 4), np.nan),
    )


def _hour(before: Evidence, conversions: Floats, sold: Floats | float = 1.0, *, trusted: bool = True) -> Evidence:
    """``before`` and one hour more, in which each campaign [R] had ``conversions`` and ``sold`` at a bid of 1."""
    got, rows = conversions[:, None, None], len(conversions)
    clicks = np.full_like(got, CLICKS)
    fresh = np.zeros((rows, 1, 5))
    fresh[..., 0], fresh[..., 2] = 1.0, np.broadcast_to(np.asarray(sold, float).reshape(-1, 1), (rows, 1))
    return replace(
        before,
        tick=before.tick + 1,
        conversions=KEEP * before.conversions + got * trusted,
        matured_clicks=KEEP * before.matured_clicks + clicks * trusted,
        pattern=KEEP * before.pattern + fresh,
        totals=before.totals + np.stack([clicks, clicks, got], axis=-1),
    )


def _after(tracking: Tracking, item: Evidence, hours: Floats, *, trusted: bool = True) -> tuple[Tracking, Evidence]:
    """Each campaign its own portfolio, over ``hours`` [T, R] of conversions."""
    rows = hours.shape[1]
    for each in hours:
        item = _hour(item, each, trusted=trusted)
        tracking = tracking.step(
            item, np.full((rows, 1, 1), RATE), np.arange(rows), keep=np.full(rows, KEEP), trusted=trusted
        )
    return tracking, item


def _settled(rows: int, rng: np.random.Generator) -> tuple[Tracking, Evidence]:
    healthy = rng.poisson(RATE * CLICKS, (96, rows)).astype(float)
    return _after(Tracking.empty((rows, 1, 1), rows), _evidence(rows), healthy)


def test_coherence_is_the_mechanisms() -> None:
    """One scale for both, at the anchors and between them."""
    chance = np.exp(np.linspace(np.log(1e-7), 0.0, 200))
    np.testing.assert_allclose(coherence(chance), _interpolate(torch.from_numpy(chance)).numpy(), atol=1e-12)


@pytest.mark.parametrize("factor", [0.6, 1.0, 2.0])
def test_healthy_conversions_are_called_no_more_than_once_in_twenty_days(factor: float) -> None:
    """Whatever their level is over the expected one, once it is known."""
    rng, rows, calls = np.random.default_rng(1), 200, 0
    healthy = rng.poisson(factor * RATE * CLICKS, (96 + HOURS, rows)).astype(float)
    tracking, item = _after(Tracking.empty((rows, 1, 1), rows), _evidence(rows), healthy[:96])
    called = tracking.level >= CALL
    for hour in healthy[96:]:
        tracking, item = _after(tracking, item, hour[None])
        calls += int(((tracking.level >= CALL) & ~called).sum())
        called = tracking.level >= CALL
    assert calls <= rows


@pytest.mark.parametrize("left", [0.0, 0.1, 0.3])
def test_a_fall_is_called_within_twice_the_best_that_the_promise_allows(left: float) -> None:
    """Lorden's bound: the log of the run length over an hour's information; of the median portfolio."""
    rng, rows, mean = np.random.default_rng(2), 200, RATE * CLICKS
    tracking, item = _settled(rows, rng)
    information = mean * (left * np.log(left) if left else 0.0) - mean * (left - 1.0)
    bound = int(np.ceil(2.0 * CALL / information))
    tracking, _ = _after(tracking, item, rng.poisson(left * mean, (bound, rows)).astype(float))
    assert (tracking.level >= CALL).mean() > 0.5


def test_what_came_in_since_a_fall_began_is_taken_out_once_it_is_called_and_stays_out() -> None:
    """Estimates are then as before, and with the fall in them they are not."""
    rng, rows = np.random.default_rng(3), 60
    tracking, item = _settled(rows, rng)
    tracking, item = _after(tracking, item, np.zeros((24, rows)))
    believed = tracking.believed(item)
    assert (believed.conversions.sum() / believed.matured_clicks.sum()) == pytest.approx(RATE, rel=0.05)
    assert item.conversions.sum() / item.matured_clicks.sum() < 0.9 * RATE
    tracking, item = _after(tracking, item, rng.poisson(RATE * CLICKS, (48, rows)).astype(float))
    believed = tracking.believed(item)
    assert (tracking.level < CALL).mean() > 0.9
    assert (believed.conversions.sum() / believed.matured_clicks.sum()) == pytest.approx(RATE, rel=0.05)


def test_hours_that_the_evidence_left_out_are_not_taken_out_again() -> None:
    """In FREEZE agents do not count conversions; what is disputed only fades."""
    tracking, item = _settled(1, np.random.default_rng(4))
    tracking, item = _after(tracking, item, np.zeros((8, 1)))
    before = tracking.disputed + tracking.doubt
    tracking, _ = _after(tracking, item, np.zeros((3, 1)), trusted=False)
    np.testing.assert_allclose(tracking.disputed + tracking.doubt, KEEP**3 * before)


def test_a_fall_that_lasts_becomes_the_usual() -> None:
    """Nobody is frozen for good: two weeks of a third of the conversions are no outage."""
    rng = np.random.default_rng(5)
    tracking, item = _settled(50, rng)
    tracking, _ = _after(tracking, item, rng.poisson(RATE * CLICKS / 3, (14 * 24, 50)).astype(float))
    assert (tracking.level < CALL).mean() > 0.9
    assert (tracking.sums <= CEILING).all()


def test_campaigns_whose_goal_is_a_click_are_not_missed() -> None:
    """A rate of 0: nothing is expected, so nothing is missing."""
    tracking, item = Tracking.empty((1, 1, 1)), _evidence(1)
    for _ in range(100):
        item = _hour(item, np.zeros(1))
        tracking = tracking.step(item, np.zeros((1, 1, 1)), np.zeros(1, dtype=np.int64), keep=np.array([KEEP]))
    assert tracking.level.tolist() == [0.0]


def _sell(sold: Floats) -> Floats:
    """[T] chances of one portfolio's hours, in which its campaigns sold [T, R]."""
    rows = sold.shape[1]
    levels, item, chances = Levels.empty((rows, 1, 1)), _evidence(rows), []
    for hour in sold:
        item = _hour(item, np.zeros(rows), hour)
        levels, chance = levels.step(item, np.zeros(rows, dtype=np.int64), keep=np.full(rows, KEEP))
        chances.append(chance[0])
    return np.array(chances)


@pytest.mark.parametrize("noise", [0.03, 0.15, 0.4])
def test_hours_are_as_likely_as_they_are_said_to_be(noise: float) -> None:
    """Below 1 / 480 about once in 20 days, however much hours differ; less often where it is less than was guessed."""
    rng = np.random.default_rng(6)
    chances = np.stack([_sell(np.exp(noise * rng.standard_normal((24 + HOURS, 4)))) for _ in range(12)])
    alarms = (chances[:, 24:] < 1 / 480).sum() / 12
    assert (0.2 if noise > 0.1 else 0.0) <= alarms < 2.0


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_a_jump_of_all_campaigns_is_seen_in_its_first_hour_and_then_usual(factor: float) -> None:
    """Up and down; what lasts is no longer a jump."""
    rng = np.random.default_rng(7)
    sold = np.exp(0.15 * rng.standard_normal((144, 4)))
    sold[96:] *= factor
    chances = _sell(sold)
    assert chances[96] < 1 / 7200
    assert (chances[108:] > 1 / 480).all()


def test_hours_without_a_report_say_nothing() -> None:
    """The same evidence again changes neither chart."""
    item = _hour(_evidence(2), np.ones(2))
    charts, account, keep = Charts.empty((2, 1, 1)), np.zeros(2, dtype=np.int64), np.full(2, KEEP)
    once, _ = charts.step(item, np.full((2, 1, 1), RATE), account, keep=keep)
    twice, seen = once.step(item, np.full((2, 1, 1), RATE), account, keep=keep)
    assert seen.tolist() == coherence(np.exp(-twice.tracking.level)).tolist()
    np.testing.assert_array_equal(twice.levels.usual, once.levels.usual)
    np.testing.assert_array_equal(twice.tracking.totals, once.tracking.totals)


def _hours(item: Evidence, hours: int, conversions: float) -> Evidence:
    for _ in range(hours):
        item = _hour(item, np.full(4, conversions))
    return item


def test_only_conversions_that_cease_freeze() -> None:
    """Fewer of them, and prices or volume however far they jump, make careful."""
    account, keep, rates = np.zeros(4, dtype=np.int64), np.full(4, KEEP), np.full((4, 1, 1), RATE)
    charts, item = Charts.empty((4, 1, 1)), _evidence(4)
    for _ in range(96):
        item = _hour(item, np.full(4, RATE * CLICKS))
        charts, seen = charts.step(item, rates, account, keep=keep)
    assert seen[0] >= Thresholds().stable
    _, jumped = charts.step(_hour(item, np.full(4, RATE * CLICKS), 50.0), rates, account, keep=keep)
    assert Thresholds().freeze < jumped[0] < Thresholds().stable
    silent, fewer = charts, charts
    for hour in range(4):
        silent, ceased = silent.step(_hours(item, hour + 1, 0.0), rates, account, keep=keep)
        fewer, left = fewer.step(_hours(item, hour + 1, 0.4 * RATE * CLICKS), rates, account, keep=keep)
    assert ceased[0] < Thresholds().freeze < left[0] < Thresholds().stable


def test_campaigns_may_join() -> None:
    """Those that were there keep what is known of them."""
    item = _hour(_evidence(1), np.ones(1))
    charts, _ = Charts.empty((1, 1, 1)).step(
        item, np.full((1, 1, 1), RATE), np.zeros(1, dtype=np.int64), keep=np.array([KEEP])
    )
    grown = charts.grown((3, 1, 2))
    assert grown.tracking.totals.shape == (3, 1, 2, 2)
    assert grown.levels.pattern.shape == (3, 1, 5)
    np.testing.assert_array_equal(grown.tracking.totals[:1, :, :1], charts.tracking.totals)


def test_charts_that_begin_late_do_not_judge_the_past() -> None:
    """They call nothing of channels that have sold for days, and take no conversions from before for an hour's."""
    rows = 4
    _, item = _after(Tracking.empty((rows, 1, 1), rows), _evidence(rows), np.full((96, rows), RATE * CLICKS / 2))
    rates, account, keep = np.full((rows, 1, 1), RATE), np.zeros(rows, dtype=np.int64), np.full(rows, KEEP)
    charts = Charts.late((rows, 1, 1))
    for _ in range(4):
        item = _hour(item, np.full(rows, RATE * CLICKS))
        charts, seen = charts.step(item, rates, account, keep=keep)
        assert 1.0 == seen[0]
    assert (charts.tracking.usual <= 4 * rows * RATE * CLICKS).all()


def test_charts_that_begin_late_see_what_comes_then() -> None:
    """Their first hour is the usual, and a jump from there is one."""
    rows, item = 4, _evidence(4)
    for _ in range(96):
        item = _hour(item, np.full(rows, RATE * CLICKS))
    rates, account, keep = np.full((rows, 1, 1), RATE), np.zeros(rows, dtype=np.int64), np.full(rows, KEEP)
    charts = Charts.late((rows, 1, 1))
    for sold in (1.0, 1.0, 1.0, 3.0):
        item = _hour(item, np.full(rows, RATE * CLICKS), sold)
        charts, seen = charts.step(item, rates, account, keep=keep)
    assert seen[0] < Thresholds().stable
