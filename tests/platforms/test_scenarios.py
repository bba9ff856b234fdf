"""The named scenarios: what each is about, and that seeds do not disturb each other."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from swarm.platforms.hindsight import hindsight
from swarm.platforms.incremental import incremental
from swarm.platforms.market import Market
from swarm.platforms.scenarios import SCENARIOS, Setup, draw

SEEDS = (500, 501, 502)
SINGLE = [name for name, each in SCENARIOS.items() if each.campaigns[1] <= 4]


@pytest.mark.parametrize("name", SINGLE)
def test_each_runs_and_its_optimum_buys_what_it_says(name: str) -> None:
    """About so many conversions a campaign's day, with a target that binds where it should and nowhere else."""
    setup = draw(name, SEEDS, days=7)
    best = hindsight(setup.world, setup.calendar, setup.budgets)
    a_day = best.value.mean(axis=1) / setup.world.unit_value
    assert SCENARIOS[name].conversions * 0.6 < a_day.min() <= a_day.max() < SCENARIOS[name].conversions * 1.4
    binds = best.spend.sum(axis=1) < 0.97 * setup.budgets.sum(axis=1) / 1e6
    assert binds.all() if name in ("cpa_bound", "roas_bound") else not binds.any()
    market = setup.market()
    _spread(market, hours=30)
    assert (market.score.spend.sum(axis=1) > 0).all()


def _spread(market: Market, hours: int) -> None:
    """Equal budgets and middling bids on all channels."""
    low, high = np.array([one.bid_bounds for one in market.world.listings]).T
    market.settings.bid[:] = np.rint(np.sqrt(low * high) * 1e6)[:, None]
    market.settings.budget[:] = market.budgets[:, :1] // 2
    market.settings.weight[:] = market.world.creatives[:, None] * 1_000_000
    market.settings.status[:] = 1
    for _ in range(hours):
        market.advance()


@pytest.mark.parametrize("name", ["seasonal", "bot_traffic", "many_campaigns"])
def test_a_seed_is_the_same_alone(name: str) -> None:
    """Whatever seeds stand beside it: the truth, the money, and what policies are told."""
    seeds = _small() if name == "many_campaigns" else (500, 501)
    together, alone = draw(name, seeds, days=2), draw(name, seeds[1:], days=2)
    rows = together.seed == seeds[1]
    np.testing.assert_array_equal(together.budgets[rows], alone.budgets)
    for column in ("goal_rate", "appeal", "auctions_h", "spread"):
        np.testing.assert_array_equal(getattr(together.world, column)[rows], getattr(alone.world, column))
    for column in ("allowed", "creatives", "target_cost", "bid_high"):
        np.testing.assert_array_equal(getattr(together.portfolio, column)[rows], getattr(alone.portfolio, column))
    markets = [each.market() for each in (together, alone)]
    for market in markets:
        _spread(market, hours=26)
    np.testing.assert_array_equal(markets[0].score.value[rows], markets[1].score.value)


def _small() -> tuple[int, int]:
    """Two tuning seeds with few campaigns."""
    counts = {seed: len(_campaigns(seed)) for seed in range(500, 510)}
    few = sorted(counts, key=lambda seed: counts[seed])[:2]
    return few[0], few[1]


def _campaigns(seed: int) -> list[object]:
    from swarm.platforms.scenarios import _listings

    return list(_listings(SCENARIOS["many_campaigns"], seed))


def test_many_campaigns_are_one_to_a_thousand() -> None:
    """Log-uniform: about a third of the seeds have fewer than ten, a third more than a hundred."""
    counts = np.array([len(_campaigns(seed)) for seed in range(500, 540)])
    assert 1 <= counts.min() < 10
    assert 300 < counts.max() <= 1000
    assert 0.15 < (counts < 10).mean() < 0.55
    assert 0.15 < (counts > 100).mean() < 0.55


def test_an_unknown_name_is_told_the_near_one() -> None:
    """Both of a scenario and of a channel."""
    with pytest.raises(ValueError, match=r"unknown scenario 'seasnal'.*did you mean 'seasonal'"):
        draw("seasnal", [500])
    with pytest.raises(ValueError, match=r"unknown channel 'metta'.*did you mean 'meta'"):
        incremental(draw("stationary", [500], days=1), lambda market: None, "metta")


def test_policies_are_told_nothing_of_the_truth() -> None:
    """The portfolio has no array of the world's but which creatives exist and what a conversion stands for."""
    setup = draw("stationary_10", [500], days=1)
    told = {f.name for f in fields(setup.portfolio)}
    assert told.isdisjoint({"goal_rate", "ctr", "rival_cpc", "appeal", "quality", "auctions_h", "dynamics"})


def test_what_a_channel_adds_is_less_than_what_it_reports() -> None:
    """Under standing bids with money for all: its own people, less those whom the others reach as well."""
    setup = draw("stationary", SEEDS, days=3)
    added = incremental(setup, _rich, "meta")
    market = setup.market()
    _rich(market)
    allowed = setup.portfolio.allowed[:, 1]
    claimed = _claims(setup)
    assert (added[~allowed] == 0).all()
    assert (added[allowed] > 0).all()
    assert (added[allowed] < claimed[allowed]).all()


def _rich(market: Market) -> None:
    _spread(market, hours=0)
    market.budgets = market.budgets * 10_000
    market.settings.budget[:] = 10**13
    for _ in range(72):
        market.advance()


def _claims(setup: Setup) -> np.ndarray:
    """[R] what the second channel reports of its own in the run of ``_rich``."""
    market = setup.market()
    market.world.auctions_h[:, [0, 2, 3]] = 0.0
    _rich(market)
    return np.asarray(market.score.claimed.sum(axis=1))


def test_a_channel_switched_off_leaves_the_luck_of_the_others() -> None:
    """The reports of every other channel are the same to the click under standing bids."""
    setup = draw("stationary", SEEDS, days=2)
    seen: list[list[np.ndarray]] = []

    def play(market: Market) -> None:
        _spread(market, hours=0)
        rows = []
        for _ in range(40):
            market.advance()
            report = market.report(0)
            rows += [] if report is None else [report.clicks[:, [0, 2, 3]]]
        seen.append(rows)

    incremental(setup, play, "meta")
    np.testing.assert_array_equal(seen[0], seen[1])
    assert np.sum(seen[0]) > 0
