"""What decisions are measured with: the desk, who plays, and the score."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.decisions.desk import Played, play, remembered
from benchmarks.decisions.ours import Swarm, swarm
from benchmarks.decisions.pictures import picture
from benchmarks.decisions.score import Score, gap_closed, score
from benchmarks.decisions.systems import SYSTEMS
from benchmarks.decisions.tables import results_table
from policies.estimation import CreativePrior
from swarm.platforms.hindsight import hindsight
from swarm.platforms.scenarios import Setup, draw

SEEDS = [510, 511]


@pytest.fixture(scope="module")
def setup() -> Setup:
    """Four campaigns for each of two seeds, for two days."""
    return remembered(draw("price_spike", SEEDS, days=2))


@pytest.mark.parametrize("name", SYSTEMS)
def test_everybody_buys_something_and_nobody_passes_a_cap(name: str, setup: Setup) -> None:
    """Each policy of the table, on the same market."""
    played = play(setup, SYSTEMS[name](setup))
    assert (played.value.sum(axis=1) > 0).all()
    assert (played.spend <= np.floor(setup.portfolio.exposure_cap * 1e6)[:, None]).all()


def test_the_same_play_twice_is_the_same(setup: Setup) -> None:
    """And another policy on the same market is not."""
    first, again = (play(setup, swarm(setup)).value for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, play(setup, SYSTEMS["pid"](setup)).value)


def test_a_world_that_is_remembered_is_the_world(setup: Setup) -> None:
    """Circumstances are kept, not changed."""
    fresh, kept = draw("price_spike", SEEDS, days=2).world, setup.world
    for tick in (0, 5, 5):
        moment = setup.calendar.at(tick)
        for name in ("auctions", "price", "rate", "wear", "tracking"):
            one, other = (getattr(world.conditions(moment), name) for world in (fresh, kept))
            np.testing.assert_array_equal(one, other)


def test_a_split_that_is_given_is_where_the_money_goes_first(setup: Setup) -> None:
    """All money begins on one platform where the first split says so."""
    allowed = setup.portfolio.allowed
    first = np.eye(allowed.shape[1])[allowed.argmax(axis=1)]
    one_day = draw("price_spike", SEEDS, days=1)
    spent = play(one_day, Swarm(CreativePrior.none(setup.portfolio.creatives.shape), first)).by_channel
    assert (np.where(first > 0, spent, 0).sum(axis=1) > 0.95 * spent.sum(axis=1)).all()


def test_the_score_is_one_for_hindsight_itself(setup: Setup) -> None:
    """What the optimum buys, for what it spends, is all that there is, and keeps its targets."""
    best = hindsight(setup.world, setup.calendar, setup.budgets)
    spend = np.rint(best.spend * 1e6).astype(np.int64)
    found = score(setup, best, Played(best.value, spend, spend, best.claimed), 1.0)
    np.testing.assert_allclose(found.ratio, 1.0)
    assert found.overspend_micros == 0
    assert found.target_kept == 1.0


def test_spend_past_a_cap_and_cost_past_a_target_are_seen(setup: Setup) -> None:
    """Three times the budget in a day, at three times the cost."""
    best = hindsight(setup.world, setup.calendar, setup.budgets)
    dear = 3 * setup.budgets
    found = score(setup, best, Played(best.value, dear, dear, 0.1 * best.claimed), 1.0)
    over = dear - np.floor(setup.portfolio.exposure_cap * 1e6)[:, None].astype(np.int64)
    assert found.overspend_micros == over.sum()
    assert found.target_kept == 0.0
    assert found.target_error > 0.05


def _score(ratio: list[float]) -> Score:
    return Score(np.array(ratio), 0, 1.0, 0.0, 1.0, 1.0)


def test_the_gap_is_that_of_the_rival_with_the_best_mean() -> None:
    """One rival wins each scenario, a third is best over both; half of its gap is closed."""
    scores = {
        "a": {"swarm": _score([0.9, 0.9]), "x": _score([0.95, 0.95]), "y": _score([0.1, 0.1]), "z": _score([0.8, 0.8])},
        "b": {"swarm": _score([0.9, 0.9]), "x": _score([0.1, 0.1]), "y": _score([0.95, 0.95]), "z": _score([0.8, 0.8])},
    }
    found = gap_closed(scores)
    assert found["best_single_rival"] == "z"
    assert found["closed"] == pytest.approx([0.5, 0.5, 0.5])


def test_the_best_rival_is_one_that_keeps_its_targets() -> None:
    """One that buys more above its targets does not count, unless ours is no better at them."""
    ours, dear, good = (_score([each, each]) for each in (0.6, 1.2, 0.5))
    found = {"swarm": replace(ours, target_kept=0.97), "dear": replace(dear, target_kept=0.1), "good": good}
    names = [
        next(iter(results_table({"cpa_bound": each}).columns[2].cells))
        for each in (found, {**found, "swarm": replace(ours, target_kept=0.1)})
    ]
    assert names == ["good", "dear"]


def test_a_table_and_a_picture_name_everybody() -> None:
    """The best rival in the table; every policy in the picture."""
    found = {"swarm": _score([0.9, 0.8]), "pid": _score([0.5, 0.6])}
    table = results_table({"stationary": found})
    assert [next(iter(column.cells)) for column in table.columns][2] == "pid"
    drawn = picture("stationary", found)
    assert "swarm" in drawn
    assert "pid" in drawn
