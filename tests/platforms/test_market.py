"""What the embedded market promises whoever bids in it."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import date

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from policies.frames import Report
from swarm.effects.proposals import Field
from swarm.platforms.calendar import Calendar
from swarm.platforms.channels import FOUR
from swarm.platforms.market import Market
from swarm.platforms.protocol import Effects
from swarm.platforms.settings import Settings
from swarm.platforms.shocks import Hazards, shocks
from swarm.platforms.world import Listing, draw_world
from swarm.spec.delivery import CEILING
from tests.platforms.worlds import MONDAY, launch, listing, market, rich, still

FIELDS = [f.name for f in fields(Report) if f.name != "tick"]
OVER = np.array([channel.over_delivery[0] / channel.over_delivery[1] for channel in FOUR])


def _reports(one: Market, hours: int, channel: int = 0) -> list[Report]:
    """The reports of ``hours`` hours, as they come in from one channel."""
    found = []
    for _ in range(hours):
        one.advance()
        report = one.report(channel)
        if report is not None:
            found.append(report)
    return found


def _same(first: Report, second: Report, rows: slice = slice(None)) -> bool:
    return all(np.array_equal(getattr(first, name), getattr(second, name)[rows]) for name in FIELDS)


def test_the_same_seed_gives_the_same_market() -> None:
    """Bit for bit, however often."""
    listings = [listing(i) for i in range(6)]
    first, second = (_reports(launch(market(listings, shocks=1.0)), 60) for _ in range(2))
    assert len(first) == 59
    assert all(_same(a, b) for a, b in zip(first, second, strict=True))


def test_seeds_side_by_side_are_the_runs_alone() -> None:
    """Rows of one seed do not see the rows of another."""
    seeds = [[listing(i, seed=seed) for i in range(4)] for seed in (1, 2, 3)]
    together = _reports(launch(market([each for part in seeds for each in part], shocks=1.0)), 60)
    for at, part in enumerate(seeds):
        alone = _reports(launch(market(part, shocks=1.0, calendar=_clock(part))), 60)
        rows = slice(4 * at, 4 * at + 4)
        assert all(_same(a, b, rows) for a, b in zip(alone, together, strict=True))


def _clock(listings: list[Listing]) -> Calendar:
    return Calendar(MONDAY, [each.zone for each in listings])


def test_other_seeds_give_other_worlds() -> None:
    """Otherwise many seeds would say no more than one."""
    first, second = (draw_world([listing(0, seed=s)], FOUR, shocks_per_week=0.0) for s in (1, 2))
    assert not np.isclose(first.ctr, second.ctr).any()


def test_a_campaign_meets_the_same_world_whatever_runs_beside_it() -> None:
    """Its parameters do not depend on its place, nor on who joins."""
    alone = draw_world([listing(3)], FOUR, shocks_per_week=0.0, creatives=4)
    among = draw_world([listing(i) for i in (0, 1, 3, 4)], FOUR, shocks_per_week=0.0, creatives=4)
    for name in ("auctions_h", "ctr", "rival_cpc", "spread", "goal_rate", "appeal", "quality"):
        assert np.array_equal(getattr(alone, name)[0], getattr(among, name)[2]), name


def test_who_joins_later_does_not_disturb_those_before() -> None:
    """``take_over`` goes on as if nobody had joined: same reports, same score, bit for bit."""
    zone = "Europe/Berlin"
    few, many = ([listing(i, zone=zone) for i in range(count)] for count in (3, 5))
    calm, joined = launch(market(few)), launch(market(few))
    for _ in range(30):
        calm.advance()
        joined.advance()
    grown = market(many)
    grown.take_over(joined)
    assert (grown.settings.status[3:] == 0).all()
    assert np.array_equal(grown.spending().today[:3], calm.spending().today)
    for channel in (0, 3):
        before, after = calm.report(channel), grown.report(channel)
        assert before is not None
        assert after is not None
        assert _same(before, after, slice(3))
        assert after.day.shape == (5,)
    for a, b in zip(_reports(calm, 30), _reports(grown, 30), strict=True):
        assert _same(a, b, slice(3))
    assert np.array_equal(grown.score.value[:3], calm.score.value)
    assert np.array_equal(grown.credited()[:3], calm.credited())


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=15)
def test_a_day_costs_at_most_what_over_delivery_allows(seed: int) -> None:
    """Whatever is done to the budgets: per channel at most over-delivery times the day's highest budget."""
    rng = np.random.default_rng(seed)
    one = launch(market([listing(i, zone="Europe/Berlin") for i in range(3)]), bid=8.0)
    highest, day = np.zeros((3, 4)), -1
    for tick in range(72):
        if rng.random() < 0.4:
            one.settings.budget[:] = rng.integers(0, 60, (3, 4)) * 1_000_000
        moment = one.calendar.at(tick)
        if moment.day[0] != day:
            day, before = int(moment.day[0]), one.score.by_channel.copy()
            highest = np.zeros((3, 4))
        highest = np.maximum(highest, one.settings.budget)
        one.advance()
        assert (one.score.by_channel - before <= highest * OVER + 1e-6).all()


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=8)
def test_a_period_costs_at_most_its_days_budgets(seed: int) -> None:
    """Over a week (Meta, TikTok: Sunday to Saturday) and a month (Google) the sum of daily budgets is a ceiling.

    Budgets that only rise cannot be spent ahead of: the sum of each day's highest budget always holds.
    """
    rng = np.random.default_rng(seed)
    days, first = 35, date(2026, 5, 31)
    one = launch(market([listing(0, zone="UTC")], days=days, first=first), bid=8.0)
    one.settings.budget[:] = rng.integers(1, 20, (1, 4)) * 1_000_000
    spent, budget = np.zeros((days, 4)), np.zeros((days, 4))
    for day in range(days):
        if rng.random() < 0.3:
            one.settings.budget[:] += rng.integers(0, 5, (1, 4)) * 1_000_000
        before = one.score.by_channel.copy()
        for _ in range(24):
            one.advance()
        spent[day], budget[day] = (one.score.by_channel - before)[0], one.settings.budget[0]
    assert (spent > budget).any()
    months = [date.fromordinal(first.toordinal() + day).month for day in range(days)]
    for at, channel in enumerate(FOUR):
        kind = CEILING[channel.platform]
        label = {"week": [day // 7 for day in range(days)], "month": months, None: list(range(days))}[kind]
        factor = OVER[at] if kind is None else 1.0
        for part in set(label) - ({label[-1]} if kind == "month" else set()):  # the last month goes on
            rows = np.array(label) == part
            assert spent[rows, at].sum() <= factor * budget[rows, at].sum() + 1e-6


def test_a_steady_budget_is_the_weeks_and_the_months_average() -> None:
    """With plenty of demand a week costs exactly seven budgets though single days cost more."""
    one = launch(market([listing(0, zone="UTC")], days=35, first=date(2026, 5, 31)), bid=8.0)
    one.settings.budget[:] = 5_000_000
    days = []
    for _ in range(35):
        before = one.score.by_channel.copy()
        for _ in range(24):
            one.advance()
        days.append((one.score.by_channel - before)[0])
    spent = np.array(days)
    meta, google, linkedin = spent[:, 1], spent[:, 0], spent[:, 3]
    assert meta.max() > 5_000_000
    assert meta.reshape(5, 7).sum(axis=1).max() <= 7 * 5_000_000
    assert google[1:31].sum() <= 30 * 5_000_000
    assert linkedin.max() <= 1.5 * 5_000_000


def test_spending_is_as_late_as_the_reports() -> None:
    """After an hour of delivery nothing is known; later, what the newest report says; month and lifetime add up."""
    one = launch(market([listing(0, zone="UTC")]))
    one.advance()
    assert (one.spending().today == 0).all()
    first = one.score.by_channel.copy()
    one.advance()
    assert (one.spending().today[:, :3] == first[:, :3]).all()
    assert (one.spending().today[:, 3] == 0).all()
    one.advance()
    assert one.spending().today[0, 3] == first[0, 3]
    assert one.spending().lifetime == one.spending().month == one.score.by_channel.sum()


def test_the_first_hour_of_a_day_and_of_a_month_start_at_nothing() -> None:
    """Yesterday's reports do not count as today's spend, last month's money not as this month's."""
    one = launch(market([listing(0, zone="UTC")], first=date(2026, 6, 30)))
    for _ in range(24):
        one.advance()
    spending = one.spending()
    assert (spending.today == 0).all()
    assert spending.month.tolist() == [0]
    assert spending.lifetime[0] == one.score.by_channel.sum() > 0
    one.advance()
    assert one.spending().month[0] == one.score.spend[0, 1]


def test_conversions_come_late_but_all_of_them_come() -> None:
    """Over time they sum to clicks times rate; in the first hours hardly any is seen."""
    one = rich(launch(market([listing(i, zone="UTC") for i in range(6)], days=40), bid=4.0))
    clicks, conversions = np.zeros((2, 6, 4, 4))
    early = 0.0
    for tick in range(24 * 14):
        if tick == 24 * 4:
            one.settings.status[:] = 0
        report = _reports(one, 1)
        if report:
            clicks += report[0].clicks
            conversions += report[0].conversions
        if tick == 5:
            early = conversions.sum() / (clicks * _per_click(one)).sum()
    expected = (clicks * _per_click(one)).sum(axis=(0, 2))
    assert (expected > 100).all()
    assert (np.abs(conversions.sum(axis=(0, 2)) - expected) < 4 * np.sqrt(expected)).all()
    assert early < 0.5


def _per_click(one: Market) -> NDArray[np.float64]:
    world = one.world
    return world.goal_rate[..., None] * world.quality[:, None, :] / world.unit_value[:, None, None]


def test_a_tracking_outage_hides_conversions_and_nothing_else() -> None:
    """While it lasts no conversion is reported; clicks go on as in an undisturbed market."""
    hit = next(s for s in range(50) if not all(shocks(s, t, 4, Hazards(1.0)).tracking for t in range(168)))
    listings = [listing(i, seed=hit, zone="UTC") for i in range(3)]
    pair = (rich(launch(market(listings, days=8, shocks=rate), bid=4.0)) for rate in (1.0, 0.0))
    shaken, calm = (one.in_world(still(one.world)) for one in pair)  # where an earlier spike is forgotten
    out = [t for t in range(168) if not shocks(hit, t, 4, Hazards(1.0)).tracking]
    assert 6 <= len(out) <= 18
    seen, usual = _reports(shaken, 168), _reports(calm, 168)
    spike = [t for t in range(168) if (shocks(hit, t, 4, Hazards(1.0)).price > 1).any()]
    for tick in out:
        assert (seen[tick].conversions == 0).all()
        assert usual[tick].conversions.sum() > 0
        if tick not in spike:
            assert np.array_equal(seen[tick].clicks, usual[tick].clicks)


def test_a_price_spike_makes_one_channels_clicks_dearer() -> None:
    """The other channels pay what they always pay."""
    hit = next(s for s in range(200) if any(shocks(s, t, 4, Hazards(1.0)).price[0] > 1 for t in range(168)))
    listings = [listing(i, seed=hit, zone="UTC") for i in range(3)]
    shaken, calm = (rich(launch(market(listings, days=8, shocks=rate), bid=4.0)) for rate in (1.0, 0.0))
    spiked = [t for t in range(168) if shocks(hit, t, 4, Hazards(1.0)).price[0] > 1]
    assert 12 <= len(spiked) <= 36
    seen, usual = _reports(shaken, 168), _reports(calm, 168)
    costs = [np.sum([reports[t].cost for t in spiked], axis=(0, 1, 3)) for reports in (seen, usual)]
    clicks = [np.sum([reports[t].clicks for t in spiked], axis=(0, 1, 3)) for reports in (seen, usual)]
    assert costs[0][0] / clicks[0][0] > 1.1 * costs[1][0] / clicks[1][0]
    np.testing.assert_array_equal(costs[0][1:], costs[1][1:])


@pytest.mark.parametrize("how", ["status", "budget", "bid", "weight"])
def test_what_is_off_spends_nothing(how: str) -> None:
    """Paused, without budget, without a bid or without creatives: no impression, no cost."""
    one = launch(market([listing(0), listing(1)]))
    getattr(one.settings, how)[0, 1] = 0
    for report in _reports(one, 48):
        assert report.impressions[0, 1].sum() == report.cost[0, 1].sum() == report.clicks[0, 1].sum() == 0
    assert one.score.by_channel[0, 1] == 0
    assert (one.score.by_channel[1] > 0).all()


def test_nothing_is_delivered_before_the_first_or_after_the_last_day_or_at_rest() -> None:
    """Only local days with a budget have auctions."""
    one = launch(market([listing(0, zone="UTC"), listing(2, zone="Asia/Tokyo")]))
    one.budgets[0, 1] = 0
    for report in _reports(one, one.calendar.ticks(3) + 12):
        live = (report.day >= 0) & (report.day < 3) & ~((np.arange(2) == 0) & (report.day == 1))
        assert (report.impressions[~live] == 0).all()
        assert (report.cost[~live] == 0).all()
    assert (one.score.spend > 0).tolist() == [[True, False, True], [True] * 3]


def test_money_above_the_days_budget_earns_nothing() -> None:
    """A day that spends twice its money is credited for half of its value."""
    one = rich(launch(market([listing(0, zone="UTC")], days=1), bid=8.0))
    for _ in range(24):
        one.advance()
    share = one.budgets[0, 0] / one.score.spend[0, 0]
    assert share < 1
    assert one.credited()[0, 0] == pytest.approx(one.score.value[0, 0] * share)


def test_settings_are_read_back_as_they_were_set() -> None:
    """Each field at its place, and nothing else is touched."""
    settings_ = Settings.empty(3, 4, 2)
    columns = [(0, 1, 2, Field.BUDGET, -1, 7), (1, 2, 3, Field.WEIGHT, 1, 9), (2, 0, 0, Field.STATUS, -1, 1)]
    intent, campaign, channel, field, creative, value = np.array(columns).T
    effects = Effects(
        intent,
        campaign.astype(np.int32),
        channel.astype(np.int32),
        field.astype(np.int8),
        creative.astype(np.int16),
        value,
    )
    settings_.apply(effects)
    assert len(effects) == 3
    assert settings_.read(effects).tolist() == [7, 9, 1]
    assert settings_.budget.sum() == 7
    assert settings_.weight[2, 3, 1] == settings_.weight.sum() == 9
    assert settings_.bid.sum() == 0


@given(st.floats(0.2, 8.0), st.floats(0.2, 8.0))
@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
def test_a_higher_bid_spends_no_less(first: float, second: float) -> None:
    """In the same world and hours, with budgets that do not bind."""
    low, high = sorted((first, second))
    cheap, dear = (rich(launch(market([listing(0, zone="UTC")]), bid=bid)) for bid in (low, high))
    for _ in range(12):
        cheap.advance()
        dear.advance()
    assert (cheap.score.by_channel <= dear.score.by_channel).all()
    assert (cheap.score.value <= dear.score.value + 1e-12).all()


def test_a_closed_channel_has_no_auctions() -> None:
    """Channels that a campaign does not allow offer it nothing."""
    shut = replace(listing(0, zone="UTC"), allowed=(True, False, True, True))
    one = launch(market([shut]))
    for _ in range(24):
        one.advance()
    assert (one.score.by_channel > 0).tolist() == [[True, False, True, True]]
