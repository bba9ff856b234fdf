"""The benchmark of bidders: its optimum is the linear program's, its rivals keep their money, its JSON its form."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import linprog

from benchmarks import auctions
from benchmarks.auction_rivals import RIVALS, ShadedPid
from benchmarks.auction_single import market
from benchmarks.auction_streams import best_response, draw, hindsight


@pytest.mark.parametrize("target", [False, True])
def test_hindsight_is_the_optimum_of_the_linear_program(target: bool) -> None:
    """Purchases from 0 to 1, a budget a day, a target over all days."""
    streams = draw([501], days=2, target=target)
    there = streams.values[0] > 0
    value, price = streams.values[0][there], streams.prices[0][there]
    day = np.nonzero(there)[0]
    rows = [np.where(day == d, price, 0.0) for d in range(2)]
    bounds = [float(streams.budget[0])] * 2
    if target:
        rows, bounds = [*rows, price - streams.target[0] * value], [*bounds, 0.0]
    solved = linprog(-value, A_ub=np.array(rows), b_ub=bounds, bounds=(0, 1), method="highs")
    assert hindsight(streams)[0] == pytest.approx(-solved.fun, rel=2e-3)
    assert hindsight(streams)[0] <= -solved.fun * (1 + 1e-9)


def test_the_best_response_is_better_than_any_one_part_of_the_value() -> None:
    """At first price, in expectation, within the budget; second-price hindsight is better still."""
    streams = draw([502], days=1, first_price=True)
    best = best_response(streams)[0]
    assert 0.5 * hindsight(streams)[0] < best < hindsight(streams)[0]


def test_markets_of_a_seed_are_the_same_and_of_another_different() -> None:
    """Beside whatever others."""
    both, alone = draw([503, 504]), draw([504])
    np.testing.assert_array_equal(both.prices[1], alone.prices[0])
    assert not np.array_equal(both.values[0], both.values[1])


@pytest.mark.parametrize("kind", [*RIVALS.values(), ShadedPid], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("target", [False, True])
def test_rivals_bid_and_keep_their_money(kind: type, target: bool) -> None:
    """They buy something, and not a micro too much."""
    score = auctions.theirs(kind, draw([505, 506], days=2, target=target), first_price=kind is ShadedPid)
    assert (score["bought"] > 0).all()
    assert (score["overspend_micros"] == 0).all()


@pytest.mark.parametrize("seed", [500, 501, 502, 503])
def test_the_best_surplus_is_above_that_of_every_part(seed: int) -> None:
    """In each of the four shapes of prices."""
    stream = market(seed)
    best = stream.best()
    for part in (0.2, 0.5, 0.8):
        assert (stream.surplus(part * stream.values) <= best + 1e-4).all()
    won = stream.prices <= 0.6 * stream.values
    assert won.mean() == pytest.approx(stream.rest(0.6 * stream.values / stream.scale).mean(), abs=0.03)


def test_allowed_is_wider_for_fewer_conversions() -> None:
    """Five hundredths from 1,500 on."""
    assert auctions.allowed(np.array([100.0, 1500.0, 9000.0])).tolist() == [0.2, 0.05, 0.05]


@pytest.mark.slow
def test_figures_are_written_as_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By scenario and bidder: mean and interval, overspend, error of the target, seconds."""
    file = tmp_path / "found.json"
    scenarios = ["budget", "target_drift", "first_price"]
    arguments = ["auctions", "--seeds", "3", "--first-seed", "510", "--json", str(file), "--scenarios", *scenarios]
    monkeypatch.setattr("sys.argv", arguments)
    auctions.main()
    found = json.loads(file.read_text())
    assert list(found) == scenarios
    for bidders in found.values():
        mean, low, high = bidders["swarm"]["value_ratio"]
        assert 0.85 < low <= mean <= high < 1.05
        assert bidders["swarm"]["overspend_micros"] == 0
        assert {"target_error", "seconds", "within_target"} <= set(bidders["pid"])
