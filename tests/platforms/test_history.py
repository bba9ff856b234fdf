"""The market fitted to a log: a known world is found again, and the score sees nothing that it should not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from swarm.platforms.auction import Auction
from swarm.platforms.climate import rush
from swarm.platforms.history import Response, fit, fitted_world, held_out, predict
from swarm.platforms.log import AccountLog, read_log
from swarm.platforms.traffic import HOUR_OF_WEEK
from tests.platforms.logs import KNOWN, known_log

REAL = Path(__file__).parents[2].parent / "shared" / "data" / "campaign_log_isp.csv"


@pytest.mark.parametrize("seed", range(5))
def test_a_known_response_is_found_again(seed: int) -> None:
    """What 5 to 40 units of money buy on each weekday, within 6 %: counting alone leaves about 3 %."""
    money, weekday = np.repeat(np.geomspace(5.0, 40.0, 7), 7), np.tile(np.arange(7), 7)
    for found, known in zip(fit(known_log(seed=seed)), KNOWN.values(), strict=True):
        truth = Response(*known, np.zeros(0)).clicks(money, weekday, 0.0)
        error = found.clicks(money, weekday, float(found.level.mean())) / truth - 1.0
        assert np.abs(error).mean() < 0.06


def test_the_fitted_world_answers_as_the_fit_does() -> None:
    """A day at one bid in the market's own auction buys what the response says of its cost."""
    known = np.array(list(KNOWN.values()))
    level = np.array([[0.0], [0.3]])
    world = fitted_world(tuple(KNOWN), known[:, 0], known[:, 1], level, ())
    assert world.price_level is not None
    auction, bids = Auction(world), np.full((1, 2, 1), 1.5)
    for weekday in (0, 6):
        hours = [
            auction.run(bids, world.auctions_h * at, rush(np.full((1, 2), at)) * world.price_level[:, :, 0])
            for at in HOUR_OF_WEEK[24 * weekday : 24 * weekday + 24]
        ]
        cost, clicks = (sum(getattr(hour, name)[0, :, 0, 0] for hour in hours) for name in ("cost", "clicks"))
        for c, (available, price) in enumerate(known):
            response = Response(available, price, np.zeros(0))
            assert response.clicks(cost[c : c + 1], np.array([weekday]), level[c])[0] == pytest.approx(
                clicks[c], rel=2e-3
            )


def test_dearer_days_are_found() -> None:
    """Prices that rise by half over the log: the level rises with them, and the first days are the cheap ones."""
    for found in fit(known_log(200, drift=0.8)):
        rise = found.level[-20:].mean() - found.level[:20].mean()
        assert 0.3 < rise < 1.0


def test_odd_days_hardly_move_the_fit() -> None:
    """Three days on which tracking counted ten times the clicks."""
    log = known_log()
    odd = replace(log, clicks=log.clicks.copy())
    odd.clicks[[20, 50, 80]] *= 10
    money, weekday = np.full(7, 15.0), np.arange(7)
    for plain, moved in zip(fit(log), fit(odd), strict=True):
        assert moved.clicks(money, weekday, 0.0) == pytest.approx(plain.clicks(money, weekday, 0.0), rel=0.1)


def test_money_in_another_unit_is_the_same_market() -> None:
    """A hundred times the money: the same clicks, a hundred times the price."""
    log = known_log()
    scaled = replace(log, cost=100 * log.cost, budget=100 * log.budget)
    for plain, dear in zip(fit(log), fit(scaled), strict=True):
        assert dear.available == pytest.approx(plain.available, rel=1e-4)
        assert dear.price == pytest.approx(100 * plain.price, rel=1e-4)


def test_missing_days_leave_the_rest() -> None:
    """A third of the rows away: still about the same response, and a price for every day."""
    log = known_log()
    gone = np.random.default_rng(1).random(log.cost.shape) < 1 / 3
    holes = AccountLog(log.first, log.names, *(np.where(gone, np.nan, x) for x in (log.clicks, log.cost, log.budget)))
    money, weekday = np.full(7, 15.0), np.arange(7)
    for whole, part in zip(fit(log), fit(holes), strict=True):
        assert np.isfinite(part.level).all()
        assert len(part.level) == len(log)
        assert part.clicks(money, weekday, 0.0) == pytest.approx(whole.clicks(money, weekday, 0.0), rel=0.1)


def test_the_score_is_of_a_fit_that_has_not_seen_the_days_it_foretells() -> None:
    """Clicks of the last fifth tell how wrong the forecast was; they do not move it."""
    log, cut = known_log(100), 80
    other = replace(log, clicks=log.clicks.copy())
    other.clicks[cut:] *= 3.0
    forecasts = [predict(fit(each.part(slice(cut))), each.cost[cut:], each.weekday[cut:]) for each in (log, other)]
    np.testing.assert_array_equal(forecasts[0], forecasts[1])
    for each in (log, other):
        score = held_out(each)
        assert score is not None
        actual = each.clicks[cut:]
        assert score.wape == pytest.approx(np.abs(forecasts[0] - actual).sum() / actual.sum())
        assert score.total_error == pytest.approx(forecasts[0].sum() / actual.sum() - 1)
        assert score.held_out_days == 20


def test_the_score_beats_a_mean_cost_per_click_where_clicks_get_dearer() -> None:
    """On a world with diminishing returns, and without noise beyond counting."""
    scores = [held_out(known_log(seed=seed, noise=0.0)) for seed in range(4)]
    for score in scores:
        assert score is not None
        assert score.wape < 0.9 * score.naive_wape


def test_a_campaign_that_begins_late_is_left_out_of_the_score() -> None:
    """Nothing can be foretold of it; where that leaves nothing, there is no score."""
    log = known_log(60)
    log.cost[:45, 0] = log.clicks[:45, 0] = np.nan
    alone = held_out(log.only(np.array([False, True])))
    assert held_out(log) == alone
    assert held_out(log.only(np.array([True, False]))) is None


@pytest.mark.skipif(not REAL.exists(), reason=f"no log of a real account at {REAL.name}")
def test_a_real_account_is_foretold_better_than_by_its_mean_cost_per_click() -> None:
    """The last fifth of 202 days."""
    score = held_out(read_log(REAL))
    assert score is not None
    assert score.held_out_days == 41
    assert score.wape < min(0.15, score.naive_wape)
    assert abs(score.total_error) < 0.05
