"""A logged account as a campaign, and what its logged budgets buy on the same market."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from swarm.account import replay
from swarm.actors.scenario import Scenario
from swarm.logged import bid, bidder_of_each, hindsight_of_each
from swarm.platforms.hindsight import hindsight
from swarm.platforms.log import AccountLog
from swarm.results import gain
from swarm.spec.campaign import Campaign
from swarm.spec.config import SwarmConfig
from tests.platforms.logs import known_log

DAYS = 6


def _replay(log: AccountLog, days: int = DAYS, currency: str = "USD") -> tuple[Scenario, Campaign]:
    config = SwarmConfig()
    run = config.run.model_copy(update={"days": days, "seed": 5})
    return replay(log, config.model_copy(update={"run": run}), Path("unused"), currency)


def test_the_last_days_run_on_their_own_dates_with_their_own_money() -> None:
    """One campaign, the sum of the logged budgets each day, and none on days without a row."""
    log = known_log(60)
    for table in (log.clicks, log.cost, log.budget):
        table[-2] = np.nan
    scenario, campaign = _replay(log)
    assert scenario.first == log.first + timedelta(days=54) == campaign.start
    assert [channel.name for channel in scenario.channels] == list(log.names)
    assert scenario.daily is not None
    assert scenario.daily.shape == (1, DAYS)
    assert scenario.daily[0] == pytest.approx(1e6 * np.nansum(log.budget[-DAYS:], axis=1), abs=2)
    assert scenario.daily[0, -2] == 0
    market = scenario.market([campaign])
    assert market.world.price_level is not None
    assert market.world.price_level.shape == (1, 2, DAYS)


@pytest.mark.parametrize(("currency", "scale"), [
    ("USD", 0.1), ("USD", 1.0), ("USD", 1000.0), ("JPY", 10.0), ("JPY", 1e5), ("KWD", 0.01),
])  # fmt: skip
def test_the_campaign_is_valid_and_its_caps_allow_the_logged_budgets(currency: str, scale: float) -> None:
    """Twice over, since Google Ads may spend twice a budget; bids reach to both sides of the fitted prices."""
    scenario, campaign = _replay(_scaled(scale), currency=currency)
    assert scenario.daily is not None
    assert campaign.caps_micros["daily_exposure"] >= 4 * scenario.daily.max()
    low, high = campaign.bid_bounds_micros
    prices = scenario.draw([campaign]).rival_cpc * 1e6
    assert low <= prices.min()
    assert high > 4 * prices.max()


def _scaled(scale: float) -> AccountLog:
    log = known_log(60)
    return AccountLog(log.first, log.names, log.clicks, scale * log.cost, scale * log.budget)


def test_money_too_small_for_the_currency_is_refused() -> None:
    """Bids are written in the currency's own decimals."""
    with pytest.raises(ValueError, match="JPY is below that currency's smallest unit"):
        _replay(_scaled(0.1), currency="JPY")


def test_days_that_the_log_does_not_have_are_refused() -> None:
    """And days on which nobody gave any money."""
    log = known_log(60)
    with pytest.raises(ValueError, match="60 days, not 61"):
        _replay(log, 61)
    log.budget[-DAYS:] = np.nan
    with pytest.raises(ValueError, match="no budgets in its last 6 days"):
        _replay(log)


def test_a_day_beyond_the_log_has_the_price_of_its_last() -> None:
    """The market may be asked about the hours around its days."""
    scenario, campaign = _replay(known_log(60, drift=0.8))
    world, calendar = scenario.draw([campaign]), scenario.calendar([campaign])
    assert world.price_level is not None
    flat = replace(world, price_level=None)
    for tick, day in ((30, 1), (24 * DAYS + 5, DAYS - 1)):
        moment = calendar.at(tick)
        expected = flat.conditions(moment).price * world.price_level[:, :, day]
        assert world.conditions(moment).price == pytest.approx(expected)


def test_shared_money_buys_at_least_what_the_logged_split_does() -> None:
    """Optimum against optimum on every day; a bidder that learns stays below its own optimum."""
    scenario, campaign = _replay(known_log(60))
    assert scenario.logged is not None
    assert scenario.daily is not None
    each = hindsight_of_each(scenario, [campaign], scenario.logged)
    shared = hindsight(scenario.draw([campaign]), scenario.calendar([campaign]), scenario.daily).value
    learnt = bidder_of_each(scenario, [campaign], scenario.logged)
    assert each.shape == learnt.shape == (1, DAYS)
    assert (shared >= each * (1 - 1e-9)).all()
    assert 0.7 * each.sum() < learnt.sum() <= each.sum() * (1 + 1e-9)


def test_bidders_on_their_own_channels_do_not_touch_the_others() -> None:
    """A channel without money buys nothing, and the other what it buys alone."""
    scenario, campaign = _replay(known_log(60))
    assert scenario.logged is not None
    first, second = scenario.logged
    both = bid(scenario, [campaign], [(slice(0, 1), first[None]), (slice(1, 2), 0 * second[None])])
    alone = bid(scenario, [campaign], [(slice(0, 1), first[None])])
    np.testing.assert_allclose(both, alone)


def test_the_interval_of_a_gain_covers_it() -> None:
    """Known gains of noisy days, drawn 40 times: the 95 % interval holds the truth most times and has a width."""
    hits = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        theirs = rng.uniform(10.0, 30.0, (2, 70))
        mean, low, high = gain(theirs * (1.1 + 0.2 * rng.standard_normal(theirs.shape)), theirs)
        assert low < mean < high
        hits += low <= 0.1 <= high
    assert hits >= 34


def test_a_constant_gain_has_no_width_and_one_day_is_enough_to_say_it() -> None:
    """No division by what is not there."""
    theirs = np.array([[4.0, 0.0, 6.0]])
    assert gain(1.2 * theirs, theirs) == pytest.approx([0.2, 0.2, 0.2])
    assert gain(np.array([[3.0]]), np.array([[2.0]])) == pytest.approx([0.5, 0.5, 0.5])
