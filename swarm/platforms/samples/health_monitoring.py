"""Hours of a portfolio against their own past, with and without a shock.

Traffic, prices, auctions and shocks are the market's (``world``, ``auction``), under bids that stand still: price
spikes on one platform, tracking outages on all.

Letters: B hours, N campaigns (some rows empty), n campaigns that are there, C platforms, T hours simulated.
"""

from __future__ import annotations

from datetime import date

import numpy as np
from numpy.typing import NDArray

from policies.health import portfolio_state
from policies.models.task import Sample
from swarm.platforms.auction import Auction
from swarm.platforms.calendar import Calendar
from swarm.platforms.channels import FOUR
from swarm.platforms.samples.campaigns import listings
from swarm.platforms.shocks import Hazards, shocks
from swarm.platforms.traffic import HOUR_OF_WEEK
from swarm.platforms.world import World, draw_world, stream

CAMPAIGNS = 24
_TICKS = range(24, 120)
_WARM, _EVERY = 24, 3
_SHOCKS_PER_WEEK = 0.5
_MONDAY = date(2026, 6, 1)


def draw(seed: int) -> Sample:
    """Every third hour of three days of one portfolio of 4 to 24 campaigns, the first day left out.

    Returns:
        Inputs ``query`` and ``key`` [B, N, 3C], states now and in the recent past, ``value`` [B, N, C], surprises of
        conversions, and ``mask`` [B, N]. Target ``shock`` [B]: 1 while there is one.
    """
    rng = stream(seed, "health samples", 0)
    count = int(np.exp(rng.uniform(np.log(4), np.log(CAMPAIGNS + 1))))
    world = draw_world(listings(seed, count, rng), FOUR, shocks_per_week=_SHOCKS_PER_WEEK)
    states, surprises = zip(*(portfolio_state(hour) for hour in _residuals(world, rng)), strict=True)
    chosen = np.arange(_WARM, len(_TICKS), _EVERY)
    inputs = {
        "query": _padded(np.stack(states)[chosen]),
        "key": _padded(_recent(np.stack(states))[chosen]),
        "value": _padded(np.stack(surprises)[chosen]),
        "mask": np.tile(np.arange(CAMPAIGNS) < count, (len(chosen), 1)),
    }
    return Sample(inputs, {"shock": np.array([_shocked(seed, _TICKS[t]) for t in chosen], dtype=np.float32)})


def _shocked(seed: int, tick: int) -> bool:
    now = shocks(seed, tick, len(FOUR), Hazards(_SHOCKS_PER_WEEK))
    return not now.tracking or bool((now.price > 1.0).any())


def _recent(states: NDArray[np.float64]) -> NDArray[np.float64]:
    """[T, n, D] what the swarm compares each hour's state with: a mean of those before it that soon forgets."""
    means = [states[0], states[0]]
    for state in states[1:-1]:
        means.append(0.7 * means[-1] + 0.3 * state)
    return np.stack(means)


def _padded(array: NDArray[np.float64]) -> NDArray[np.float32]:
    """[B, n, D] to [B, N, D]."""
    return np.pad(array, ((0, 0), (0, CAMPAIGNS - array.shape[1]), (0, 0))).astype(np.float32)


def _residuals(world: World, rng: np.random.Generator) -> NDArray[np.float64]:
    """[T, n, C, 4] standard deviations from the usual, as ``policies.evidence`` has them: volume, price and click rate
    of the hour; conversions of the last five hours or so."""
    rows, channels, _ = world.shape
    calendar, auction = Calendar(_MONDAY, ["UTC"] * rows), Auction(world)
    bids = (world.rival_cpc * np.exp(0.3 * rng.standard_normal((rows, channels))))[..., None]
    recent, usual, spread = (
        np.zeros((2, rows, channels)),
        np.zeros((3, rows, channels)),
        np.full((3, rows, channels), 0.05),
    )
    residuals = []
    for tick in _TICKS:
        now = world.conditions(calendar.at(tick))
        hour = auction.run(bids, now.auctions, now.price)
        shown, cost, clicks = (part.mean(axis=2)[..., 0] for part in (hour.impressions, hour.cost, hour.clicks))
        clicks, due = rng.poisson(clicks).astype(np.float64), clicks * world.goal_rate / world.unit_value[:, None]
        seen = np.log([shown / HOUR_OF_WEEK[tick % 168], cost / shown, (clicks + 0.5) / shown])
        usual = seen if tick == _TICKS[0] else usual
        gap = seen - usual
        recent = 0.8 * recent + np.stack([rng.poisson(due) * now.tracking[:, None], due])
        surprise = np.where(recent[1] > 0.5, (recent[0] - recent[1]) / np.sqrt(np.maximum(recent[1], 0.5)), np.nan)
        residuals.append(np.concatenate([gap / np.sqrt(spread), surprise[None]]))
        usual, spread = usual + 0.1 * gap, 0.98 * spread + 0.02 * gap**2
    return np.moveaxis(np.stack(residuals), 1, -1)
