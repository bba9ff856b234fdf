"""What the bidder of a stream is made of: prices from censored bids, shading, money and traffic, belief in values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import ndtr

from policies import pacing, prices, shading
from policies.calibration import Calibration
from policies.feedback import A_ROUND, Feedback
from policies.flight import Ledger, Traffic
from policies.frames import Bools, Floats
from policies.prices import ABOVE, BELOW, EXACT
from policies.shading import KEPT, Window

SEEDS = st.integers(0, 2**32 - 1)


def furthest(fitted: prices.PriceDistribution, cdf: Floats, *, among: Bools | None = None) -> float:
    """Largest difference from the true distribution function at the cells' ends."""
    apart = np.abs(fitted.cdf - cdf)
    return float(apart.max() if among is None else apart[among].max())


def test_losers_that_are_told_nothing_leave_kaplan_and_meiers_estimate() -> None:
    """SciPy's, up to the highest bid; smoothed."""
    rng = np.random.default_rng(1)
    price, bid = rng.normal(0, 0.6, 3000), rng.uniform(-1.5, 0.8, 3000)
    won = bid >= price
    bound = np.where(won, price, bid)
    fitted = prices.fit(bound, np.where(won, EXACT, ABOVE), np.ones(3000), None)
    oracle = stats.ecdf(stats.CensoredData(uncensored=bound[won], right=bound[~won])).cdf
    assert furthest(fitted, oracle.evaluate(fitted.upper), among=fitted.upper < 0.8) < 0.03
    assert furthest(fitted, ndtr(fitted.upper / 0.6)) < 0.04


def test_winners_that_are_told_nothing_leave_its_mirror_image() -> None:
    """At first price, where losers see the price to win."""
    rng = np.random.default_rng(2)
    price, bid = rng.normal(0, 0.6, 3000), rng.uniform(-0.8, 1.5, 3000)
    won = bid >= price
    bound = np.where(won, bid, price)
    fitted = prices.fit(bound, np.where(won, BELOW, EXACT), np.ones(3000), None)
    oracle = stats.ecdf(stats.CensoredData(uncensored=-bound[~won], right=-bound[won])).cdf
    known = fitted.upper > -0.8  # below, nobody ever lost
    assert furthest(fitted, 1 - oracle.evaluate(-fitted.upper), among=known) < 0.03
    assert furthest(fitted, ndtr(fitted.upper / 0.6), among=known) < 0.04


def test_wins_and_losses_alone_tell_the_distribution() -> None:
    """No price at all, only which bids won."""
    rng = np.random.default_rng(3)
    price, bid = rng.normal(0, 0.6, 4000), rng.uniform(-2, 2, 4000)
    fitted = None
    for _ in range(4):  # as the market is fitted again and again
        fitted = prices.fit(bid, np.where(bid >= price, BELOW, ABOVE), np.ones(4000), fitted)
    assert fitted is not None
    assert furthest(fitted, ndtr(fitted.upper / 0.6)) < 0.06


@given(SEEDS)
@settings(max_examples=30, deadline=None)
def test_a_fit_is_a_distribution_whatever_was_told(seed: int) -> None:
    """Mass everywhere, one in all, and unmoved by the unit."""
    rng = np.random.default_rng(seed)
    size = int(rng.integers(1, 60))
    bound, told = rng.normal(0, rng.uniform(0, 3), size), rng.integers(0, 3, size).astype(float)
    fitted = prices.fit(bound, told, np.ones(size), None)
    assert (fitted.mass >= 0).all()
    assert fitted.mass.sum() == pytest.approx(1.0)
    moved = prices.fit(bound + 7.0, told, np.ones(size), None)
    np.testing.assert_allclose(moved.mass, fitted.mass, atol=1e-6)


def test_means_beyond_a_bid_are_those_of_the_part_beyond_it() -> None:
    """Of a normal distribution: Mills' ratio."""
    price = np.random.default_rng(4).normal(0, 1, 4000)
    fitted = prices.fit(price, np.full(4000, EXACT), np.ones(4000), None)
    at = int(np.searchsorted(fitted.upper, 0.5))
    ratio = stats.norm.pdf(fitted.upper[at]) / stats.norm.sf(fitted.upper[at])
    assert fitted.mean_above()[at] == pytest.approx(ratio, abs=0.08)
    lower = -stats.norm.pdf(fitted.upper[at]) / stats.norm.cdf(fitted.upper[at])
    assert fitted.mean_below()[at] == pytest.approx(lower, abs=0.08)


def seen(log_value: Floats, log_price: Floats) -> Window:
    """A window of auctions of which all prices are told."""
    window, ones = Window(), np.ones(len(log_value))
    window.add(np.array([log_value, log_price, EXACT * ones, ones, ones]))
    return window


def fitted_market(log_value: Floats, log_price: Floats, *, first_price: bool) -> shading.Market:
    """Fitted a few times, as it would be."""
    market, window = None, seen(log_value, log_price)
    for _ in range(4):
        market = shading.fit(window, first_price=first_price, before=market)
    assert market is not None
    return market


@pytest.mark.parametrize("slope", [0.0, 0.4, 0.9])
def test_shaded_bids_earn_what_the_best_bids_earn(slope: float) -> None:
    """Prices follow values by any power; the surplus is that of a search over all bids, within a hundredth."""
    rng = np.random.default_rng(5)
    log_value = rng.normal(-2, 0.7, 4000)
    log_price = -2.5 + slope * (log_value + 2) + 0.4 * rng.standard_normal(4000)
    market = fitted_market(log_value, log_price, first_price=True)
    assert market.slope == pytest.approx(slope, abs=0.05)
    value = np.exp(rng.normal(-2, 0.7, 500))
    centre = -2.5 + slope * (np.log(value) + 2)

    def surplus(bids: Floats) -> Floats:
        return np.asarray((value - bids) * ndtr((np.log(bids) - centre) / 0.4))

    best = np.max([surplus(value * part) for part in np.linspace(0.002, 1, 500)], axis=0)
    assert surplus(market.bids(value, 1.0)).sum() >= 0.99 * best.sum()


@pytest.mark.parametrize("first_price", [False, True])
def test_the_response_is_what_its_bids_would_have_bought(first_price: bool) -> None:
    """Spend and value of unit value on offer, by replaying the window's auctions."""
    rng = np.random.default_rng(6)
    log_value = rng.normal(-2, 0.7, 4000)
    log_price = 1.0 + 0.5 * log_value + 0.5 * rng.standard_normal(4000)
    market = fitted_market(log_value, log_price, first_price=first_price)
    value, price = np.exp(log_value), np.exp(log_price)
    weight = 0.5 ** (np.arange(4000)[::-1] / shading.HALF_LIFE)
    response = market.response
    assert (np.diff(response.spend) >= -1e-12).all()
    assert (np.diff(response.value) >= -1e-12).all()
    for multiplier in (4.0, 8.0, 16.0, 40.0):
        bids = market.bids(value, multiplier)
        won = weight * (bids >= price)
        paid = won @ (bids if first_price else price) / (weight @ value)
        at = np.log(multiplier)
        assert np.interp(at, response.log_multiplier, response.spend) == pytest.approx(paid, rel=0.06)
        bought = won @ value / (weight @ value)
        assert np.interp(at, response.log_multiplier, response.value) == pytest.approx(bought, rel=0.06)


def test_the_window_holds_the_latest_rows_in_their_order() -> None:
    """However they come."""
    window, rng, total = Window(), np.random.default_rng(7), 0
    for _ in range(300):
        size = int(rng.integers(0, 90))
        window.add(np.tile(np.arange(total, total + size, dtype=float), (5, 1)))
        total += size
    assert len(window) == KEPT
    assert window.rows[0].tolist() == list(range(total - KEPT, total))


def test_rows_of_a_large_round_stand_for_all_of_them() -> None:
    """Won and lost ones are drawn apart, so that rare wins are kept; shares are split in won and lost."""
    feedback, size = Feedback(), 10_000
    won = np.arange(size) % 200 == 0
    ones = np.ones(size)
    feedback.add((ones, ones, won * 1.0, ones, np.full(size, np.nan), ones))
    assert len(feedback) == A_ROUND
    rows = feedback.rows(first_price=False)
    assert rows[3][rows[2] == EXACT].sum() == won.sum() == (rows[2] == EXACT).sum()
    assert rows[3].sum() == pytest.approx(size)
    one = np.ones(1)
    feedback.add((3.0 * one, one, 0.4 * one, 2.0 * one, np.nan * one, one))
    rows = feedback.rows(first_price=False)
    assert rows[2].tolist() == [EXACT, ABOVE]
    assert np.exp(rows[1]).tolist() == pytest.approx([2.0, 3.0])
    assert rows[3].tolist() == pytest.approx([0.4, 0.6])


def test_a_ledger_counts_micros() -> None:
    """What a sum of floats would lose."""
    ledger = Ledger(1.0)
    for _ in range(10):
        assert ledger.settle(np.ones(1), np.array([0.1])).tolist() == [1.0]
    assert ledger.micros == 0
    assert Ledger(np.inf).settle(np.ones(2), np.array([1e9, 1.0])).tolist() == [1.0, 1.0]


def test_traffic_ahead_is_the_usual_one_at_todays_level() -> None:
    """Even before a flight is known; a longer flight repeats the ones before."""
    traffic = Traffic(4)
    traffic.offer(3.0)
    assert traffic.ahead == 9.0
    for value in (1.0, 1.0, 5.0):
        traffic.offer(value)
    assert (traffic.ahead, traffic.flight) == (0.0, 10.0)
    traffic.renew(4)
    traffic.offer(3.0)
    assert traffic.ahead == pytest.approx(7.0)
    for value in (1.0, 1.0, 5.0):
        traffic.offer(value)
    traffic.renew(8)
    traffic.offer(6.0)
    assert 17.0 < traffic.ahead < 34.0


def test_a_flight_that_ends_early_is_known_as_far_as_it_went() -> None:
    """The rest is as its mean, or as usual."""
    traffic = Traffic(4)
    traffic.offer(2.0)
    traffic.offer(4.0)
    traffic.renew(4)
    traffic.offer(2.0)
    assert traffic.ahead == pytest.approx(4.0 + 3.0 + 3.0)


@given(SEEDS)
def test_the_affordable_multiplier_spends_all_that_may_be_spent(seed: int) -> None:
    """On its table, unless the table ends."""
    rng = np.random.default_rng(seed)
    grid, spend = np.sort(rng.normal(size=9)), np.sort(rng.uniform(0, 1, 9))
    most = rng.uniform(spend[0], spend[-1])
    found = pacing.affordable(grid, spend, most)
    assert np.interp(np.log(found), grid, spend) == pytest.approx(most)
    assert pacing.affordable(grid, spend, 2.0) == pytest.approx(np.exp(grid[-1]))


@given(SEEDS)
def test_the_multiplier_on_target_has_no_slack_left_and_is_never_below_the_safe_one(seed: int) -> None:
    """At the last crossing of the table."""
    rng = np.random.default_rng(seed)
    grid = np.sort(rng.normal(size=12))
    slack = np.interp(grid, [grid[0], grid.mean(), grid[-1]], [rng.uniform(-1, 1), 1.0, -1.0])
    found = pacing.on_target(grid, slack, 1e-9)
    assert np.interp(np.log(found), grid, slack) == pytest.approx(0.0, abs=1e-9)
    assert pacing.on_target(grid, slack, 1e9) == 1e9
    assert pacing.on_target(grid, np.full(12, -1.0), 0.5) == 0.5
    assert pacing.on_target(grid, np.ones(12), 1e-9) == pytest.approx(np.exp(grid[-1]))


def test_a_ladder_tries_every_order_of_magnitude_at_the_same_risk() -> None:
    """The mean is what may be risked, and a quarter of it lies in each of the four decades."""
    tried = pacing.ladder(3.0, 4_000_000, np.random.default_rng(9))
    assert tried.mean() == pytest.approx(3.0, rel=0.02)
    decade = np.floor(np.log10(tried / tried.min()))
    for at in range(4):
        assert tried[decade == at].sum() / tried.sum() == pytest.approx(0.25, abs=0.03)


def test_a_level_is_corrected_once_it_is_no_longer_noise() -> None:
    """Not at all for one standard error, nearly in full for many."""
    for expected, counted, low, high in ((100, 110, 1.0, 1.0), (1000, 700, 0.70, 0.73), (2500, 3500, 1.38, 1.40)):
        calibration = Calibration()
        calibration.learn(np.full(1, float(expected)), np.ones(1), np.full(1, float(counted)))
        assert low <= calibration.level <= high


@pytest.mark.parametrize("noisy", [True, False], ids=["measurements", "best guesses"])
def test_conversions_tell_measurements_from_best_guesses(noisy: bool) -> None:
    """Trust in normal theory's correction goes to one or to nothing."""
    rng, calibration = np.random.default_rng(8), Calibration()
    for _ in range(60):
        known = rng.gamma(9.0, 0.1, 500)
        sigma = rng.uniform(0.0, 0.4, 500)
        shown = np.maximum(known + sigma * rng.standard_normal(500), 0.01) if noisy else known
        correction = calibration.correction(shown, sigma)
        calibration.learn_noise(shown, correction, np.ones(500), rng.poisson(known).astype(float), None)
    assert calibration.trust > 0.7 if noisy else calibration.trust < 0.2
