"""Bidders on streams of auctions, ours and simple ones, as shares of what hindsight would have had.

    python -m benchmarks.auctions [--seeds N --json FILE]

``budget``, ``budget_drift``, ``target`` and ``target_drift`` are second price, three days of 48 rounds of some 150
auctions; 1.0 is the fractional knapsack of all prices, at the bidder's own cost if that was above the target.
``first_price`` and ``first_price_drift`` have a budget; 1.0 is the best response to the true distributions. In all of
them losers are told the price to win.

``surplus_told`` and ``surplus_censored`` are streams of single first-price auctions without a budget, the winner told
or not told the price that would have done: expected surplus after the first 2,000 auctions, over the best response's.
``requests`` is a stream of single requests with a budget whose values come from the trained model with its memory, or
from the stream's mean; 1.0 is the knapsack by true odds.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks import machine
from benchmarks.auction_rivals import RIVALS, DualDescentBelow, Outcome, Rival, ShadedPid
from benchmarks.auction_single import requests, surplus
from benchmarks.auction_streams import Streams, best_response, draw, hindsight
from policies.bidding import PacingBidder
from policies.flight import Ledger
from policies.frames import Floats

REPORTED = range(9300, 9400)
Score = dict[str, Floats]
"""[S] each: ``value_ratio``, ``overspend_micros``, ``target_error`` (cost over target, less 1), ``seconds``."""


def ours(streams: Streams, *, first_price: bool) -> Score:
    """A bidder for each market."""
    size, days, rounds, _ = streams.values.shape
    bought, spent, started = np.zeros((size, days)), np.zeros((size, days)), time.perf_counter()
    for row in range(size):
        bidder = PacingBidder(
            budget=streams.budget[row],
            horizon=rounds,
            target_cpa=float(streams.target[row]) if np.isfinite(streams.target[row]) else None,
            auction="first_price" if first_price else "second_price",
            rng=np.random.default_rng(row),
        )
        outcomes = np.random.default_rng(1_000_000 + row)
        for day in range(days):
            if day:
                bidder.renew(budget=streams.budget[row], horizon=rounds)
            for value, price in zip(streams.values[row, day], streams.prices[row, day], strict=True):
                value, price = value[value > 0], price[value > 0]
                bids = bidder.bid(value)
                won = bids >= price
                paid = bids if first_price else price
                happened = bidder.update(
                    won=won,
                    prices=paid,
                    conversions=outcomes.poisson(value) * won,
                    lowest_winning=np.where(won, np.nan, price),
                )
                bought[row, day] += value @ happened
                spent[row, day] += np.rint(1e6 * paid * happened).sum()
    return _score(streams, bought, spent, time.perf_counter() - started)


def theirs(kind: type[Rival], streams: Streams, *, first_price: bool) -> Score:
    """A rival for all markets at once, under the same rule of settling."""
    size, days, rounds, _ = streams.values.shape
    first = streams.values[:, 0, 0], np.where(streams.values[:, 0, 0] > 0, streams.prices[:, 0, 0], 0.0)
    rival = kind(first[1].sum(axis=1) / first[0].sum(axis=1), streams.budget, streams.target, rounds)
    bought, spent, started = np.zeros((size, days)), np.zeros((size, days)), time.perf_counter()
    for day in range(days):
        if day:
            rival.renew()
        ledgers = [Ledger(budget) for budget in streams.budget]
        for turn in range(rounds):
            value, price = streams.values[:, day, turn], streams.prices[:, day, turn]
            bids = np.minimum(rival.bid(value), np.array([[ledger.micros / 1e6] for ledger in ledgers]))
            won = (bids >= price) & (value > 0)
            paid = np.where(won, bids if first_price else price, 0.0)
            happened = np.stack([x.settle(w.astype(float), p) for x, w, p in zip(ledgers, won, paid, strict=True)])
            bought[:, day] += (value * happened).sum(axis=1)
            spent[:, day] += np.rint(1e6 * paid * happened).sum(axis=1)
            rival.update(Outcome(value, happened, paid, np.where(won | (value == 0), np.nan, price)))
    return _score(streams, bought, spent, time.perf_counter() - started)


def _score(streams: Streams, bought: Floats, spent: Floats, seconds: float) -> Score:
    """``spent`` [S, D] in micros, each purchase rounded for itself."""
    over = np.maximum(spent - np.rint(1e6 * streams.budget[:, None]), 0.0).max(axis=1)
    cost = 1e-6 * spent.sum(axis=1) / np.maximum(bought.sum(axis=1), 1e-12) / streams.target
    return {
        "bought": bought.sum(axis=1),
        "overspend_micros": over,
        "target_error": np.where(np.isfinite(streams.target), cost - 1.0, 0.0),
        "seconds": np.full(len(bought), seconds / len(bought)),
    }


def paced(
    seeds: Sequence[int], *, first_price: bool = False, drift: bool = False, target: bool = False
) -> dict[str, Score]:
    """All bidders on the same markets."""
    streams = draw(seeds, drift=drift, first_price=first_price, target=target)
    rivals = RIVALS | ({"pid_shaded": ShadedPid} if first_price else {})
    rivals |= {"dual_descent_below": DualDescentBelow} if target else {}
    found = {"swarm": ours(streams, first_price=first_price)}
    found |= {name: theirs(kind, streams, first_price=first_price) for name, kind in rivals.items()}
    if first_price:
        best = best_response(streams)
        return {name: {**score, "value_ratio": score["bought"] / best} for name, score in found.items()}
    return {name: {**score, "value_ratio": score["bought"] / _best(streams, score)} for name, score in found.items()}


def _best(streams: Streams, score: Score) -> Floats:
    """[S] hindsight's value; whoever ran above the target is compared with hindsight at that cost."""
    return hindsight(replace(streams, target=streams.target * (1.0 + np.maximum(score["target_error"], 0.0))))


SCENARIOS: dict[str, Callable[[Sequence[int]], dict[str, Score]]] = {
    "budget": lambda seeds: paced(seeds),
    "budget_drift": lambda seeds: paced(seeds, drift=True),
    "target": lambda seeds: paced(seeds, target=True),
    "target_drift": lambda seeds: paced(seeds, target=True, drift=True),
    "first_price": lambda seeds: paced(seeds, first_price=True),
    "first_price_drift": lambda seeds: paced(seeds, first_price=True, drift=True),
    "surplus_told": lambda seeds: surplus(seeds, told=True),
    "surplus_censored": lambda seeds: surplus(seeds, told=False),
    "requests": requests,
}


def summary(found: dict[str, Score]) -> dict[str, dict[str, Any]]:
    """Means with 95 % intervals by bidder, and the paired difference of ours."""
    out = {}
    for name, score in found.items():
        ratio = score["value_ratio"]
        out[name] = {
            "value_ratio": [float(ratio.mean()), *machine.paired_interval(ratio)],
            "ahead": list(machine.paired_interval(found["swarm"]["value_ratio"] - ratio)),
            "overspend_micros": int(score["overspend_micros"].max()),
            "target_error": float(score["target_error"].mean()),
            "within_target": float((score["target_error"] <= allowed(score["bought"])).mean()),
            "seconds": float(score["seconds"].mean()),
        }
    return out


def allowed(conversions: Floats) -> Floats:
    """[S] how far cost may be above the target, by expected conversions."""
    return np.where(conversions >= 1500, 0.05, 2.0 / np.sqrt(np.maximum(conversions, 1.0)))


def round_times(rows: int, *, first_price: bool) -> tuple[float, float]:
    """Mean and median of a round of ``rows`` impressions, bid and update, in microseconds of processor time."""
    rng, rounds = np.random.default_rng(0), 4000 if rows == 1 else 100
    bidder = PacingBidder(
        budget=0.2 * rows * rounds,
        horizon=rounds,
        target_cpa=0.9,
        auction="first_price" if first_price else "second_price",
        rng=rng,
    )
    value, price = rng.lognormal(0.0, 0.7, (64, rows)), rng.lognormal(-0.5, 0.5, (64, rows))
    took = []
    for turn in range(rounds):
        value_, price_ = value[turn % 64], price[turn % 64]
        start = time.process_time()
        bids = bidder.bid(value_)
        between = time.process_time() - start
        won = bids >= price_
        paid, lowest = bids if first_price else price_, np.where(won, np.nan, price_)
        converted = value_ * won
        start = time.process_time()
        bidder.update(won=won, prices=paid, conversions=converted, lowest_winning=lowest)
        took.append(1e6 * (between + time.process_time() - start))
    return float(np.mean(took)), float(np.median(took))


def main() -> None:
    """Print a table for each scenario and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--first-seed", type=int, default=REPORTED.start)
    parser.add_argument("--scenarios", nargs="*", default=list(SCENARIOS), choices=list(SCENARIOS))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    seeds, console, results = range(options.first_seed, options.first_seed + options.seeds), Console(width=120), {}
    console.print(machine.describe())
    for rows in (1, 10_000):
        for first_price in (False, True):
            mean, median = round_times(rows, first_price=first_price)
            auction = "first" if first_price else "second"
            console.print(f"round of {rows} at {auction} price: mean {mean:.0f} us, median {median:.0f} us")
    for name in options.scenarios:
        results[name] = summary(SCENARIOS[name](seeds))
        console.print(_table(name, results[name]))
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


def _table(name: str, found: dict[str, dict[str, Any]]) -> Table:
    table = Table(
        "bidder", "value over best (95 %)", "swarm ahead by (95 %)", "target error", "within target", "s", title=name
    )
    for bidder, one in found.items():
        mean, low, high = one["value_ratio"]
        ahead = "" if bidder == "swarm" else "{:+.3f} to {:+.3f}".format(*one["ahead"])
        cells = f"{one['target_error']:+.3f}", f"{one['within_target']:.0%}", f"{one['seconds']:.2f}"
        table.add_row(bidder, f"{mean:.3f} ({low:.3f} to {high:.3f})", ahead, *cells)
    return table


if __name__ == "__main__":
    main()
