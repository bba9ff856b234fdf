"""The bidder of a stream of auctions: money to the micro, targets held, prices learnt from what auctions tell."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.bidding import PacingBidder
from policies.frames import Floats

SEEDS = st.integers(0, 2**32 - 1)


@dataclass
class Stream:
    """A second-price market of ``rounds`` x ``rows``, prices following values half-way."""

    seed: int
    rounds: int = 48
    rows: int = 60
    days: int = 1
    unit: float = 1.0
    values: Floats = field(init=False)
    prices: Floats = field(init=False)

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        shape = (self.days * self.rounds, self.rows)
        self.values = 0.1 * np.exp(0.8 * rng.standard_normal(shape))
        self.prices = self.unit * 2.0 * np.sqrt(self.values) * np.exp(0.5 * rng.standard_normal(shape))

    def knapsack(self, part: float) -> tuple[float, float]:
        """Money and value of the cheapest purchases that make up ``part`` of all value."""
        order = (self.prices / self.values).ravel().argsort()
        money, value = self.prices.ravel()[order].cumsum(), self.values.ravel()[order].cumsum()
        last = int((value < part * value[-1]).sum())
        return float(money[last]), float(value[last])


@dataclass
class Result:
    """What came of a stream."""

    bids: list[Floats] = field(default_factory=list)
    spent: float = 0.0
    value: float = 0.0


def play(stream: Stream, bidder: PacingBidder, *, told: bool = True, budget: float = np.inf, **extra: Any) -> Result:
    """Run ``bidder`` through the stream in lock step; conversions are drawn from the values."""
    result, rng = Result(), np.random.default_rng(stream.seed + 1)
    for turn, (value, price) in enumerate(zip(stream.values, stream.prices, strict=True)):
        if turn and turn % stream.rounds == 0:
            bidder.renew(budget=budget, horizon=stream.rounds)
        bids = bidder.bid(value * extra.get("bias", 1.0))
        won = bids >= price
        lowest = np.where(won, np.nan, price) if told else None
        happened = bidder.update(
            won=won, prices=price, conversions=rng.poisson(value) * won, lowest_winning=lowest, counts=None
        )
        result.bids.append(bids)
        result.spent += float(price @ happened)
        result.value += float(value @ happened)
    return result


def bidder_for(budget: float, rounds: int = 48, **more: Any) -> PacingBidder:
    return PacingBidder(budget=budget, horizon=rounds, rng=np.random.default_rng(7), **more)


@pytest.mark.parametrize("told", [True, False], ids=["losers are told the price", "losers are told nothing"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_budget_buys_nearly_what_hindsight_would(seed: int, told: bool) -> None:
    """Of the fractional knapsack of all prices, on the first day without any knowledge."""
    stream = Stream(seed)
    budget, best = stream.knapsack(0.4)
    result = play(stream, bidder_for(budget), told=told)
    assert result.value >= 0.9 * best
    assert result.spent <= budget


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_single_auctions_are_paced_as_well_as_rounds(seed: int) -> None:
    """One impression a round."""
    stream = Stream(seed, rounds=1500, rows=1)
    budget, best = stream.knapsack(0.3)
    assert play(stream, bidder_for(budget, 1500)).value >= 0.93 * best


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_target_is_held_and_used(seed: int) -> None:
    """Expected cost at most the target's tolerance for as many conversions, most of the value that it allows."""
    stream = Stream(seed, rows=150, days=3)
    money, best = stream.knapsack(0.4)
    result = play(stream, bidder_for(np.inf, target_cpa=money / best))
    assert result.spent / result.value <= (1 + 2 / np.sqrt(result.value)) * money / best
    assert result.value >= 0.93 * best


def test_a_target_is_the_same_as_its_return() -> None:
    """A return of 1 / cost makes the same bids."""
    stream = Stream(5, rounds=12)
    cost = play(stream, bidder_for(np.inf, 12, target_cpa=4.0))
    ret = play(stream, bidder_for(np.inf, 12, target_roas=0.25))
    np.testing.assert_array_equal(np.concatenate(cost.bids), np.concatenate(ret.bids))


def test_of_budget_and_target_the_tighter_one_rules() -> None:
    """With a loose target the budget is spent; with a loose budget the target binds."""
    stream = Stream(6, rows=150)
    money, value = stream.knapsack(0.4)
    tight_budget = play(stream, bidder_for(money / 4, target_cpa=money / value))
    assert 0.97 * money / 4 < tight_budget.spent <= money / 4
    assert tight_budget.spent < 0.95 * tight_budget.value * money / value
    tight_target = play(stream, bidder_for(4 * money, target_cpa=money / value))
    assert tight_target.spent < 2 * money
    assert tight_target.spent <= 1.1 * tight_target.value * money / value


@pytest.mark.parametrize("bias", [0.6, 1.6])
def test_values_of_the_wrong_level_are_found_out_by_conversions(bias: float) -> None:
    """The target is held in conversions, not in what was expected of them."""
    stream = Stream(3, rows=300, days=3)
    money, best = stream.knapsack(0.4)
    bidder = bidder_for(np.inf, target_cpa=money / best)
    result = play(stream, bidder, bias=bias)
    assert result.spent / result.value <= 1.08 * money / best
    assert result.value >= 0.6 * best


@pytest.mark.parametrize("auction", ["second_price", "first_price"])
@pytest.mark.parametrize("unit", [1e-3, 1e6])
def test_the_unit_of_money_changes_nothing_but_the_unit(auction: str, unit: float) -> None:
    """Bids scale with it, but for what rounding to micros moves."""
    bids = []
    for scale in (1.0, unit):
        stream = Stream(4, rounds=24, unit=scale)
        bidder = bidder_for(60.0 * scale, 24, target_cpa=20.0 * scale, auction=auction)
        bids.append(np.concatenate(play(stream, bidder).bids) / scale)
    np.testing.assert_allclose(bids[1], bids[0], rtol=1e-2)
    assert np.median(np.abs(bids[1] / bids[0] - 1.0)) < 1e-3


@given(SEEDS, st.floats(0.01, 50.0), st.sampled_from(["second_price", "first_price"]))
@settings(max_examples=30, deadline=None)
def test_no_micro_is_spent_that_is_not_there(seed: int, budget: float, auction: str) -> None:
    """Settled by hand in integers, whatever is won at whatever price: the same wins, the same money."""
    rng = np.random.default_rng(seed)
    bidder, left = bidder_for(budget, 5, auction=auction), round(1e6 * budget)
    for _ in range(7):
        size = int(rng.integers(0, 9))
        bidder.bid(rng.uniform(0, 1, size))
        won, prices = rng.random(size) < 0.7, rng.uniform(0, budget, size)
        happened = bidder.update(won=won, prices=prices, conversions=won * 1.0, lowest_winning=None)
        for row in range(size):
            cost = round(1e6 * prices[row])
            assert (happened[row] == 1.0) == (won[row] and cost <= left)
            left -= cost * int(happened[row])
        assert left >= 0
        assert bidder.remaining == left / 1e6


def test_a_dear_win_does_not_happen_and_a_cheaper_one_after_it_does() -> None:
    """In array order."""
    bidder = bidder_for(10.0, 1)
    bidder.bid([1.0, 1.0, 1.0, 1.0])
    happened = bidder.update(won=[True] * 4, prices=[6.0, 5.0, 4.0, 0.000001])
    assert happened.tolist() == [1.0, 0.0, 1.0, 0.0]
    assert bidder.remaining == 0.0
    assert bidder.bid([3.0]).tolist() == [0.0]


def test_of_the_impressions_of_a_row_those_happen_that_there_is_money_for() -> None:
    """Whole ones."""
    bidder = bidder_for(10.0, 1)
    bidder.bid([1.0, 1.0])
    assert bidder.update(won=[True, True], prices=[3.0, 1.0], counts=[5, 5]).tolist() == [3.0, 1.0]
    assert bidder.remaining == 0.0


def test_counts_stand_for_as_many_impressions() -> None:
    """Rows of twenty are paced as well as single ones, for twenty times the money."""
    stream = Stream(8)
    budget, best = stream.knapsack(0.4)
    bidder, bought = bidder_for(20 * budget), 0.0
    for value, price in zip(stream.values, stream.prices, strict=True):
        won = bidder.bid(value) >= price
        lowest = np.where(won, np.nan, price)
        bought += value @ bidder.update(won=won, prices=price, lowest_winning=lowest, counts=np.full(60, 20))
    assert 20 * best >= bought >= 0.9 * 20 * best


def test_slots_with_a_part_of_the_exposure_are_paid_in_part() -> None:
    """A budget is spent where wins are shares: the higher the bid, the larger."""
    stream = Stream(9, days=2)
    budget, _ = stream.knapsack(0.2)
    budget /= 2
    bidder = bidder_for(budget)
    for turn, (value, price) in enumerate(zip(stream.values, stream.prices, strict=True)):
        if turn == stream.rounds:
            bidder.renew(budget, stream.rounds)
        bids = bidder.bid(value)
        share = np.where(bids >= 1.5 * price, 1.0, np.where(bids >= price, 0.4, 0.0))
        happened = bidder.update(won=share, prices=price)
        assert (happened <= share).all()
    assert bidder.remaining < 0.05 * budget


@pytest.mark.parametrize("batch", [4, 12])
def test_late_feedback_is_as_good_as_its_delay_allows(batch: int) -> None:
    """In batches of many rounds; money that may be on its way is not spent twice."""
    stream = Stream(10, days=2)
    budget, best = stream.knapsack(0.3)
    bidder, bought, waiting = bidder_for(budget / 2), 0.0, []
    for turn, (value, price) in enumerate(zip(stream.values, stream.prices, strict=True)):
        if turn == stream.rounds:
            bidder.renew(budget / 2, stream.rounds)
        bids = bidder.bid(value)
        waiting.append((bids, value, bids >= price, price))
        if len(waiting) == batch:
            made, values, won, prices = (np.concatenate(each) for each in zip(*waiting, strict=True))
            lowest = np.where(won, np.nan, prices)
            happened = bidder.update(won=won, prices=prices, lowest_winning=lowest, bids=made, values=values)
            bought, waiting = bought + float(values @ happened), []
    assert bought >= 0.85 * best


def test_the_second_day_begins_with_what_the_first_has_taught() -> None:
    """At a multiplier that is right from the first round, where the first day had none."""
    stream = Stream(11, days=2)
    budget, _ = stream.knapsack(0.3)
    stream_bids = play(stream, bidder_for(budget / 2), budget=budget / 2).bids
    ratio = [float(np.median(bids / value)) for bids, value in zip(stream_bids, stream.values, strict=True)]
    settled = float(np.median(ratio[60:90]))
    assert abs(ratio[48] / settled - 1) < 0.1
    assert abs(ratio[0] / settled - 1) > 0.3


def test_a_plan_learnt_from_traffic_spends_by_it() -> None:
    """Where nine tenths of the traffic come in the last quarter, the second day keeps the money for it."""
    rng = np.random.default_rng(12)
    bidder, spent = bidder_for(30.0, 40), np.zeros((2, 40))
    for day in range(2):
        if day:
            bidder.renew(30.0, 40)
        for turn in range(40):
            size = 270 if turn >= 30 else 10
            value, price = rng.lognormal(0, 0.5, size), rng.lognormal(0, 0.5, size)
            won = bidder.bid(value) >= price
            happened = bidder.update(won=won, prices=price, lowest_winning=np.where(won, np.nan, price))
            spent[day, turn] = price @ happened
    assert spent[1, :30].sum() < 0.2 * spent[1].sum() < spent[0, :30].sum()
    assert spent[1].sum() > 0.97 * 30.0


@pytest.mark.parametrize("told", [True, False], ids=["winner told", "winner not told"])
@pytest.mark.parametrize("shape", ["log-normal", "even"])
def test_first_price_surplus_is_near_that_of_the_best_response(shape: str, told: bool) -> None:
    """In expectation over the true distribution, after the first 1,000 auctions."""
    from scipy import stats

    rest = stats.lognorm(0.5, scale=0.6) if shape == "log-normal" else stats.uniform(0.2, 0.8)
    rng = np.random.default_rng(13)
    values, prices = rng.lognormal(0, 0.5, 2000), rest.rvs(2000, random_state=rng)
    bidder, made = bidder_for(np.inf, 2000, auction="first_price"), np.empty(2000)
    for at in range(2000):
        one = slice(at, at + 1)
        bids = made[one] = bidder.bid(values[one])
        won = bids >= prices[one]
        bidder.update(won=won, prices=bids, lowest_winning=np.where(won & (not told), np.nan, prices[one]))
    part = np.linspace(0, 1, 501) * values[1000:, None]
    best = ((values[1000:, None] - part) * rest.cdf(part)).max(axis=1).sum()
    had = ((values - made) * rest.cdf(made))[1000:].sum()
    assert 0.95 * best <= had <= best


def test_without_budget_or_target_values_are_bid_at_second_price() -> None:
    """Truth is the best bid where values are money."""
    stream = Stream(14, rounds=10)
    for bids, value in zip(play(stream, bidder_for(np.inf, 10)).bids, stream.values, strict=True):
        np.testing.assert_allclose(bids, value)


def test_measurements_are_regressed_where_conversions_say_so() -> None:
    """Uncertain values buy more with their deviations than without; best guesses lose next to nothing by them."""
    gains = []
    for noisy in (True, False):
        bought = []
        for used in (True, False):
            total = 0.0
            for seed in range(3):
                rng = np.random.default_rng(seed)
                bidder = bidder_for(150.0)
                for _ in range(48):
                    known = rng.gamma(4.0, 0.05, 300)
                    sigma = rng.uniform(0.0, 0.4, 300)
                    noise = sigma * rng.standard_normal(300)
                    true = known if noisy else np.maximum(known + noise, 0.0)
                    shown = np.maximum(known + noise, 0.0) if noisy else known
                    price = rng.lognormal(-1, 0.5, 300)
                    won = bidder.bid(shown, sigma if used else None) >= price
                    happened = bidder.update(won=won, prices=price, conversions=rng.poisson(true) * won)
                    total += float(true @ happened)
            bought.append(total)
        gains.append(bought[0] / bought[1])
    assert gains[0] > 1.03
    assert gains[1] > 0.98


@pytest.mark.parametrize("auction", ["second_price", "first_price"])
def test_what_is_worth_nothing_is_not_bid_for(auction: str) -> None:
    """Before and after the market is known, alone and among others."""
    rng, bidder = np.random.default_rng(17), bidder_for(9.0, 20, auction=auction)
    for turn in range(20):
        value = rng.lognormal(0, 0.5, 30) * (turn % 5 > 0) * (np.arange(30) % 3 > 0)
        bids, price = bidder.bid(value), rng.lognormal(0, 0.5, 30)
        assert (bids[value == 0] == 0).all()
        assert np.isfinite(bids).all()
        won = (bids >= price) & (value > 0)
        bidder.update(won=won, prices=np.where(won, np.minimum(bids, price), 0.0), lowest_winning=price)


def test_a_flight_that_ran_out_of_money_does_not_slow_the_next_one() -> None:
    """The first round after it spends its part."""
    stream = Stream(18, days=2)
    budget, _ = stream.knapsack(0.3)
    bidder = bidder_for(budget / 2)
    for value, price in zip(stream.values[:48], stream.prices[:48], strict=True):
        bidder.bid(value)
        bidder.update(won=np.ones(60), prices=price)  # whatever was bid, until nothing is left
    assert bidder.remaining < 0.01 * budget
    bidder.renew(budget / 2, 48)
    spent = 0.0
    for value, price in zip(stream.values[48:53], stream.prices[48:53], strict=True):
        won = bidder.bid(value) >= price
        spent += float(price @ bidder.update(won=won, prices=price, lowest_winning=np.where(won, np.nan, price)))
    assert 0.5 < spent / (budget / 2 * 5 / 48) < 2.0


def test_the_same_generator_makes_the_same_bids() -> None:
    """Nothing else is drawn."""
    first, second = (play(Stream(15, rounds=8), bidder_for(9.0, 8)) for _ in range(2))
    np.testing.assert_array_equal(np.concatenate(first.bids), np.concatenate(second.bids))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"budget": 0.0}, "budget is 0.0, expected more than 0, or inf"),
        ({"horizon": 0}, "horizon is 0, expected a whole number of rounds"),
        ({"target_cpa": -1.0}, "target_cpa is -1.0, expected more than 0"),
        ({"target_cpa": 1.0, "target_roas": 1.0}, "expected at most one of them"),
        ({"auction": "third_price"}, "'third_price', expected 'second_price' or 'first_price'"),
    ],
)
def test_a_wrong_argument_is_named(arguments: dict[str, Any], message: str) -> None:
    """With the value, and what would do."""
    given_ = {"budget": 1.0, "horizon": 1, "rng": np.random.default_rng(0), **arguments}
    with pytest.raises(ValueError, match=message):
        PacingBidder(**given_)


def test_wrong_columns_are_named() -> None:
    """Shapes that differ, numbers out of range, feedback to nothing."""
    bidder = bidder_for(1.0)
    with pytest.raises(ValueError, match="call bid first"):
        bidder.update(won=[True], prices=[1.0])
    with pytest.raises(ValueError, match=r"values has -1.0"):
        bidder.bid([1.0, -1.0])
    with pytest.raises(ValueError, match=r"sigmas has shape \(1,\), expected \[2\]"):
        bidder.bid([1.0, 1.0], sigmas=[1.0])
    bidder.bid([1.0, 1.0])
    with pytest.raises(ValueError, match=r"won has 2.0, expected numbers from 0 to 1"):
        bidder.update(won=[2.0, 0.0], prices=[1.0, 1.0])
    with pytest.raises(ValueError, match=r"prices has nan"):
        bidder.update(won=[1.0, 0.0], prices=[np.nan, np.nan])
    with pytest.raises(ValueError, match="only one of bids and values"):
        bidder.update(won=[1.0, 0.0], prices=[1.0, 1.0], bids=[1.0, 1.0])
    assert bidder.remaining == 1.0


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "rounds", "most_us"), [(1, 3000, 60.0), (10_000, 40, 3000.0)])
@pytest.mark.parametrize("auction", ["second_price", "first_price"])
def test_a_round_is_quick(rows: int, rounds: int, most_us: float, auction: str) -> None:
    """Processor time of bid and update in the median; ten times the promise, for machines that do other things too."""
    stream = Stream(16, rounds=rounds, rows=rows)
    bidder, took = bidder_for(rows * rounds * 0.2, rounds, auction=auction), []
    for value, price in zip(stream.values, stream.prices, strict=True):
        start = time.process_time()
        bids = bidder.bid(value)
        middle = time.process_time()
        won = bids >= price
        paid, lowest = np.where(won, np.minimum(bids, price), 0.0), np.where(won, np.nan, price)
        again = time.process_time()
        bidder.update(won=won, prices=paid, conversions=won * value, lowest_winning=lowest)
        took.append(middle - start + time.process_time() - again)
    assert 1e6 * float(np.median(took)) < 10 * most_us
