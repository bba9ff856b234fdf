"""What routing is worth to campaigns that nobody knows yet: their first three days with other first splits.

    python -m benchmarks.routing [--seeds 100] [--campaigns 24] [--json FILE]

Each seed is a market into which new campaigns come together. They are planned and bid for by the swarm's own policies,
hour by hour, under the same traffic and prices, and differ in the split that they begin with alone: equal shares of the
platforms they allow, the shipped router's, those of its best two platforms alone, the mean of the oracle's for
campaigns of the same kind in the same market (the most that words and others' results could tell), and the oracle's
own: the split of a mean day's money with every rate and price known. The gain is in credited value over the equal
split's.

Seeds from 9300 on are for the figure; choices were made on seeds from 500 on.

Letters: R campaigns, C channels, K creatives, G bids.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.machine import describe, paired_interval
from benchmarks.newcomers import DAYS, play
from policies.embedding import embed_many
from policies.frames import Bools, Floats
from policies.learning import prior_shares
from policies.models import weights
from policies.models.router import ExpertRouter
from swarm.platforms.auction import Auction
from swarm.platforms.calendar import Calendar
from swarm.platforms.channels import FOUR
from swarm.platforms.samples.campaigns import described, listings
from swarm.platforms.world import Listing, World, draw_world, stream
from swarm.spec.config import SwarmConfig

FIRST_SEED, SEEDS, CAMPAIGNS = 9300, 100, 24
ARMS = ("equal", "router", "router's best two", "oracle of its kind", "oracle")
_KIND = 32
"""Campaigns of a kind that the mean is over."""
_ALLOWED = 0.8
"""Chance that a campaign allows a platform; two it allows at least."""


def values(seed: int, campaigns: int) -> Floats:
    """[arms, R, days] credited value of one market's newcomers."""
    torch.set_num_threads(1)
    drawn, words = _newcomers(seed, campaigns)
    world = draw_world(drawn, FOUR, shocks_per_week=0.0)
    calendar = Calendar(date(2026, 6, 1), [one.zone for one in drawn])
    budgets = np.array([[round(one.daily_budget * 1e6)] * DAYS for one in drawn])
    return np.stack([play(world, calendar, budgets, shares).value for shares in _splits(world, words)])


def _newcomers(seed: int, count: int) -> tuple[list[Listing], NDArray[np.float32]]:
    """Campaigns, and the embeddings [R, 256] of the words by which people describe them."""
    rng = stream(seed, "newcomers", 0)
    drawn = listings(seed, count, rng)
    allowed = rng.random((count, len(FOUR))) < _ALLOWED
    two = rng.permuted(np.tile(np.arange(len(FOUR)), (count, 1)), axis=1)[:, :2]
    allowed[np.arange(count)[:, None], two] = True
    limited = [replace(one, allowed=tuple(row.tolist())) for one, row in zip(drawn, allowed, strict=True)]
    return limited, embed_many([described(one, rng) for one in limited])


def _splits(world: World, words: NDArray[np.float32]) -> list[Floats]:
    """[R, C] of each arm."""
    allowed = np.array([one.allowed for one in world.listings])
    gates, routing = _gates(words, allowed), SwarmConfig().routing
    second = np.sort(gates, axis=1)[:, -2:-1]
    best = np.where(gates >= second, gates, 0.0)
    mixed = partial(
        prior_shares,
        allowed=allowed,
        weight=routing.prior_weight,
        temperature=np.full(len(words), routing.temperature),
    )
    equal = allowed / allowed.sum(axis=1, keepdims=True)
    return [equal, mixed(gates), mixed(best / best.sum(axis=1, keepdims=True)), kind(world), oracle(world)]


def _gates(words: NDArray[np.float32], allowed: Bools) -> Floats:
    """[R, C] of the shipped router."""
    model = ExpertRouter().eval()
    weights.load(model, "expert_routing")
    platforms = torch.from_numpy(embed_many([f"{channel.name} {channel.auction}" for channel in FOUR]))
    rows = len(words)
    with torch.inference_mode():
        answer = model.answer(
            query=torch.from_numpy(words)[:, None],
            key=platforms.expand(rows, -1, -1),
            value=torch.eye(len(FOUR)).expand(rows, -1, -1),
            mask=torch.from_numpy(allowed),
        )
    return answer.output[:, 0].numpy().astype(np.float64)


def kind(world: World) -> Floats:
    """[R, C] mean of the oracle's shares over campaigns that differ from ``world``'s in what is a campaign's own."""
    others = ([replace(one, name=f"{one.name}/{k}") for one in world.listings] for k in range(_KIND))
    return np.asarray(np.mean([oracle(draw_world(each, FOUR, shocks_per_week=0.0)) for each in others], axis=0))


def oracle(world: World) -> Floats:
    """[R, C] shares of a mean day's money at its best: one price of money for each campaign, found by bisection."""
    cost, value = _offers(world)
    money = np.array([one.daily_budget for one in world.listings])
    low, high = np.full(len(money), -30.0), np.full(len(money), 30.0)
    for _ in range(60):
        middle = (low + high) / 2
        over = _bought(cost, value, np.exp(middle)).sum(axis=1) > money
        low, high = np.where(over, middle, low), np.where(over, high, middle)
    spend = _bought(cost, value, np.exp(high))
    return np.asarray(spend / spend.sum(axis=1, keepdims=True))


def _bought(cost: Floats, value: Floats, price: Floats) -> Floats:
    """[R, C] cost of the bids that are best at ``price`` [R] of money."""
    pick = (value - price[:, None, None] * cost).argmax(axis=2)[..., None]
    return np.take_along_axis(cost, pick, axis=2)[..., 0]


def _offers(world: World) -> tuple[Floats, Floats]:
    """[R, C, 1 + G] cost and goal units of a mean day at no bid and at a grid of them, creatives shown equally."""
    rows, channels, _ = world.shape
    grid = np.broadcast_to(np.geomspace(0.02, 50.0, 100), (rows, channels, 100))
    hour = Auction(world).run(grid, world.auctions_h, np.ones((rows, channels)))
    rate = world.goal_rate[:, :, None] * world.quality[:, None, :]
    shown = 24 * world.creatives[:, None, :, None] / world.creatives.sum(axis=1)[:, None, None, None]
    offers = ((shown * each).sum(axis=2) for each in (hour.cost, hour.clicks * rate[..., None]))
    cost, value = (np.pad(each, ((0, 0), (0, 0), (1, 0))) for each in offers)
    return cost, value


def figures(found: Floats) -> dict[str, dict[str, list[float]]]:
    """Of ``found`` [seeds, arms, R, days]: each arm's gain over equal shares in three days and on the first, and what
    part of the oracle's gain it is, with 95 % intervals over seeds; in parts of 1."""
    total, first = (_gains(found[..., :days].sum(axis=-1)) for days in (DAYS, 1))
    return {
        arm: {
            "gain": _interval(total[:, i]),
            "gain_first_day": _interval(first[:, i]),
            "of_oracle": _ratio(total[:, i], total[:, -1]),
            "of_oracle_first_day": _ratio(first[:, i], first[:, -1]),
        }
        for i, arm in enumerate(ARMS)
    }


def _gains(value: Floats) -> Floats:
    """[seeds, arms] mean over campaigns of the gain over equal shares; ``value`` [seeds, arms, R]."""
    return np.asarray((value / value[:, :1] - 1.0).mean(axis=2))


def _interval(gain: Floats) -> list[float]:
    return [float(gain.mean()), *paired_interval(gain)]


def _ratio(gain: Floats, best: Floats) -> list[float]:
    """Ratio of means, seeds drawn together."""
    draws = np.random.default_rng(0).integers(len(gain), size=(10_000, len(gain)))
    found = gain[draws].mean(axis=1) / best[draws].mean(axis=1)
    return [float(gain.mean() / best.mean()), *(float(x) for x in np.quantile(found, [0.025, 0.975]))]


def table(found: Mapping[str, Mapping[str, list[float]]]) -> Table:
    """A row for each arm."""
    made = Table("first split", "gain, %", "on the first day, %", "of the oracle's, %", "first day's, %", box=None)
    for arm, row in found.items():
        made.add_row(arm, *(f"{100 * m:.2f} ({100 * low:.2f} to {100 * high:.2f})" for m, low, high in row.values()))
    return made


def main() -> None:
    """Measure, print, and write JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=SEEDS, help="how many")
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED, help="500 where choices are made")
    parser.add_argument("--campaigns", type=int, default=CAMPAIGNS, help="newcomers of each seed")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
        played = np.stack(pool.map(partial(values, campaigns=options.campaigns), seeds, 1))
    found, console = figures(played), Console(width=150)
    console.print(f"{describe()}; seeds {seeds.start} to {seeds.stop - 1}", highlight=False)
    console.print(table(found))
    if options.json:
        options.json.write_text(json.dumps({"machine": describe(), "seeds": list(seeds), **found}, indent=2))


if __name__ == "__main__":
    main()
