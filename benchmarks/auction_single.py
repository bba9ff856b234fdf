"""Streams of one auction at a time: shading at first price, and values from a model with a memory.

Letters: S seeds, T auctions, F parts of a value that are tried.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy import stats
from scipy.special import expit

from policies.bidding import PacingBidder
from policies.flight import Ledger
from policies.frames import Bools, Floats
from policies.models import weights
from policies.models.bidding import HEADS, KERNEL, BiddingModel
from swarm.platforms.requests import WIDTH, draw_requests

AUCTIONS, LEARNING = 4000, 2000
PARTS = np.linspace(0.05, 1.0, 20)
"""[F]"""
Score = dict[str, Floats]


@dataclass(frozen=True, slots=True)
class Market:
    """A first-price market: price = scale x a draw of ``rest``, scale = level x value^slope."""

    values: Floats
    """[T]"""
    scale: Floats
    """[T]"""
    rest: Callable[[Floats], Floats]
    """Distribution function."""
    prices: Floats
    """[T]"""

    def surplus(self, bids: Floats) -> Floats:
        """[T] expected surplus of ``bids`` [T]."""
        return np.asarray((self.values - bids) * self.rest(bids / self.scale))

    def best(self) -> Floats:
        """[T] expected surplus of the best response."""
        part = np.linspace(0.0, 1.0, 801)[1:]
        out = np.empty(len(self.values))
        for at in range(0, len(out), 500):
            rows = slice(at, at + 500)
            bids = self.values[rows, None] * part
            win = self.rest(bids / self.scale[rows, None])
            out[rows] = ((self.values[rows, None] - bids) * win).max(axis=1)
        return out


def market(seed: int) -> Market:
    """One of four shapes of prices by seed: log-normal, gamma, even, and log-normal with two humps."""
    rng = np.random.default_rng(seed)
    values = np.exp(rng.uniform(0.0, 1.0) * rng.standard_normal(AUCTIONS))
    scale = np.exp(rng.uniform(-1.0, 0.2)) * values ** rng.uniform(0.0, 0.9)
    wide = rng.uniform(0.2, 0.8)
    parts = [stats.lognorm(wide), stats.gamma(1.0 / wide**2, scale=wide**2), stats.uniform(0.2, 1.6)]
    draws = [part.rvs(AUCTIONS, random_state=rng) for part in parts]
    humps = np.where(rng.random(AUCTIONS) < 0.5, 0.6, 1.6) * stats.lognorm(0.25).rvs(AUCTIONS, random_state=rng)
    cdfs = [part.cdf for part in parts]
    cdfs.append(lambda x: 0.5 * (stats.lognorm(0.25).cdf(x / 0.6) + stats.lognorm(0.25).cdf(x / 1.6)))
    shape = seed % 4
    return Market(values, scale, cdfs[shape], scale * [*draws, humps][shape])


@dataclass(frozen=True, slots=True)
class Answer:
    """An auction of each stream, [S] each."""

    values: Floats
    bids: Floats
    won: Bools
    told: Floats
    """Price to win; NaN where it is not known."""


class Part:
    """Bids a part of the value, always the same."""

    def __init__(self, size: int, rng: np.random.Generator) -> None:
        """For ``size`` streams side by side."""
        self.size, self.rng, self.seen = size, rng, 0

    def bid(self, values: Floats) -> Floats:
        """[S]"""
        return 0.6 * values

    def update(self, answer: Answer) -> None:
        """Learn from an auction."""


class Ucb(Part):
    """Upper confidence bounds on the surplus over value of 20 parts of the value (Auer, Cesa-Bianchi, Fischer 2002)."""

    def __init__(self, size: int, rng: np.random.Generator) -> None:
        super().__init__(size, rng)
        self.count, self.total = np.zeros((size, len(PARTS))), np.zeros((size, len(PARTS)))

    def bid(self, values: Floats) -> Floats:
        """[S]"""
        count = np.maximum(self.count, 1e-9)
        self.chosen = (self.total / count + np.sqrt(0.1 * np.log(self.seen + 2.0) / count)).argmax(axis=1)
        return np.asarray(values * PARTS[self.chosen])

    def update(self, answer: Answer) -> None:
        """Count the surplus."""
        rows = np.arange(self.size)
        self.count[rows, self.chosen] += 1.0
        self.total[rows, self.chosen] += answer.won * (1.0 - answer.bids / answer.values)
        self.seen += 1


class WinRate(Part):
    """A logistic win rate over log bid and log value, by online Newton steps; the best part by it, some tried."""

    def __init__(self, size: int, rng: np.random.Generator) -> None:
        super().__init__(size, rng)
        self.weight, self.information = np.zeros((size, 3)), np.tile(np.eye(3), (size, 1, 1))

    def bid(self, values: Floats) -> Floats:
        """[S]"""
        level, bid, value = self.weight.T[..., None]
        log_value = np.log(values)[:, None]
        win = expit(level + bid * (log_value + np.log(PARTS)) + value * log_value)
        best = PARTS[((1.0 - PARTS) * win).argmax(axis=1)]
        tried = self.rng.random(self.size) < np.maximum(200.0 / (self.seen + 1.0) ** 1.5, 0.01)
        return np.asarray(values * np.where(tried, self.rng.uniform(0.2, 1.0, self.size), best))

    def update(self, answer: Answer) -> None:
        """One Newton step."""
        x = np.stack([np.ones(self.size), np.log(answer.bids), np.log(answer.values)], axis=1)
        rate = expit((self.weight * x).sum(axis=1))
        self.information += (rate * (1 - rate))[:, None, None] * x[:, :, None] * x[:, None, :]
        self.weight += np.linalg.solve(self.information, (x * (answer.won - rate)[:, None])[..., None])[..., 0]
        self.seen += 1


class Empirical(Part):
    """The best part against the last 500 prices over value that were told; those of lost auctions, if only they are."""

    def __init__(self, size: int, rng: np.random.Generator) -> None:
        super().__init__(size, rng)
        self.ratio = np.full((size, 500), np.nan)

    def bid(self, values: Floats) -> Floats:
        """[S]"""
        if self.seen < 20:
            return np.asarray(values * self.rng.uniform(0.2, 1.0, self.size))
        if self.seen % 20 == 0 or not hasattr(self, "best"):
            win = (self.ratio[:, None] <= PARTS[:, None]).sum(axis=2)
            self.best = PARTS[((1.0 - PARTS) * win).argmax(axis=1)]
        return np.asarray(values * self.best)

    def update(self, answer: Answer) -> None:
        """Keep what was told."""
        self.ratio[:, self.seen % 500] = answer.told / answer.values
        self.seen += 1


def surplus(seeds: Sequence[int], *, told: bool) -> dict[str, Score]:
    """All bidders on the same first-price streams; the winner is ``told`` the price to win, or not."""
    markets = [market(seed) for seed in seeds]
    values, prices = np.stack([m.values for m in markets]), np.stack([m.prices for m in markets])
    best = np.stack([m.best() for m in markets])[:, LEARNING:].sum(axis=1)
    kinds: dict[str, type[Part]] = {"part": Part, "ucb": Ucb, "win_rate": WinRate, "empirical": Empirical}
    found = {}
    for name in ("swarm", *kinds):
        started = time.perf_counter()
        made = _ours(values, prices, told) if name == "swarm" else _theirs(kinds[name], values, prices, told)
        seconds = (time.perf_counter() - started) / len(seeds)
        had = np.array([m.surplus(bids)[LEARNING:].sum() for m, bids in zip(markets, made, strict=True)])
        found[name] = _score(had, had / best, seconds)
    return found


def _ours(values: Floats, prices: Floats, told: bool) -> Floats:
    """[S, T] bids."""
    made = np.empty_like(values)
    for row, (value, price) in enumerate(zip(values, prices, strict=True)):
        bidder = PacingBidder(budget=np.inf, horizon=AUCTIONS, auction="first_price", rng=np.random.default_rng(row))
        for at in range(AUCTIONS):
            one = slice(at, at + 1)
            bid = made[row, one] = bidder.bid(value[one])
            won = bid >= price[one]
            known = price[one] if told else np.where(won, np.nan, price[one])
            bidder.update(won=won, prices=bid, lowest_winning=known)
    return made


def _theirs(kind: type[Part], values: Floats, prices: Floats, told: bool) -> Floats:
    """[S, T] bids."""
    rival, made = kind(len(values), np.random.default_rng(0)), np.empty_like(values)
    for at in range(AUCTIONS):
        bids = made[:, at] = rival.bid(values[:, at])
        won = bids >= prices[:, at]
        known = np.where(won & (not told), np.nan, prices[:, at])
        rival.update(Answer(values[:, at], bids, won, known))
    return made


def requests(seeds: Sequence[int], *, count: int = 1500, part: float = 0.3) -> dict[str, Score]:
    """A budget on streams of requests, values from the trained model with its memory or from the stream's mean."""
    streams = [draw_requests(seed, count, np.random.default_rng(seed)) for seed in seeds]
    odds, price = expit(np.stack([s.log_odds for s in streams])), np.exp(np.stack([s.log_price for s in streams]))
    order = (price / odds).argsort(axis=1)
    money, value = (np.take_along_axis(x, order, axis=1).cumsum(axis=1) for x in (price, odds))
    last = (value < part * value[:, -1:]).sum(axis=1)
    budget, best = money[np.arange(len(seeds)), last], value[np.arange(len(seeds)), last]
    features = torch.from_numpy(np.stack([s.features for s in streams]).astype(np.float32))
    found = {}
    for name, trained in (("swarm", True), ("mean_value", False)):
        started = time.perf_counter()
        had, left = _request_stream(features, odds, price, budget, trained=trained)
        score = _score(had, had / best, (time.perf_counter() - started) / len(seeds))
        found[name] = {**score, "overspend_micros": np.maximum(-left * 1e6, 0.0)}
    return found


def _request_stream(
    features: torch.Tensor, odds: Floats, price: Floats, budget: Floats, *, trained: bool
) -> tuple[Floats, Floats]:
    """[S] true odds of what was bought, and money left; the memory hears of a request once it was shown."""
    torch.set_num_threads(1)
    model = BiddingModel().eval()
    weights.load(model, "realtime_bidding")
    size, count = odds.shape
    state, seen = torch.zeros(size, HEADS, KERNEL, KERNEL), torch.zeros(size, 2)
    key, told = torch.zeros(size, 1, WIDTH), torch.zeros(size, 1, 2)
    shown = torch.zeros(size, 1, dtype=torch.bool)
    bidders = [
        PacingBidder(budget=money, horizon=count, rng=np.random.default_rng(row)) for row, money in enumerate(budget)
    ]
    ledgers, had = [Ledger(money) for money in budget], np.zeros(size)
    clicks = np.random.default_rng(0).random(odds.shape) < odds
    for at in range(count):
        inputs = {"value": told, "state": state, "seen": seen, "mask": shown}
        query = features[:, at : at + 1]
        with torch.inference_mode():
            read = model(query=query, key=key, **inputs) if trained else model.simple(**inputs)
        state, seen = read.extras["state"], read.extras["seen"]
        chance = read.output[:, 0, 0].sigmoid().numpy().astype(np.float64)
        bids = np.array([bidder.bid(chance[row : row + 1])[0] for row, bidder in enumerate(bidders)])
        won = bids >= price[:, at]
        for row, bidder in enumerate(bidders):
            one = np.array([price[row, at]])
            known = np.where(won[row : row + 1], np.nan, one)
            happened = bidder.update(
                won=won[row : row + 1],
                prices=one,
                conversions=clicks[row, at : at + 1] * won[row],
                lowest_winning=known,
            )
            ledgers[row].settle(happened, one)
            had[row] += odds[row, at] * happened[0]
        key, shown = query, torch.from_numpy(won[:, None])
        told = torch.from_numpy(np.stack([clicks[:, at], np.log(price[:, at])], axis=1)[:, None].astype(np.float32))
    return had, np.array([ledger.micros for ledger in ledgers]) / 1e6


def _score(bought: Floats, ratio: Floats, seconds: float) -> Score:
    zero = np.zeros(len(bought))
    return {
        "bought": bought,
        "value_ratio": ratio,
        "overspend_micros": zero,
        "target_error": zero,
        "seconds": np.full(len(bought), seconds),
    }
