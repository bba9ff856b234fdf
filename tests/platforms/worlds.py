"""Small worlds for tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import numpy as np
from numpy.typing import NDArray

from swarm.platforms.calendar import Calendar
from swarm.platforms.channels import FOUR
from swarm.platforms.dynamics import Dynamics
from swarm.platforms.market import Market
from swarm.platforms.protocol import Channel
from swarm.platforms.world import Listing, World, draw_world

ZONES = ("America/New_York", "Europe/Berlin", "Asia/Tokyo", "UTC", "Asia/Kolkata")
GENOMES = (
    ("question", "speed", "gain"),
    ("number", "price", "loss"),
    ("story", "trust", "gain"),
    ("question", "price", "loss"),
)
MONDAY = date(2026, 6, 1)


def listing(i: int = 0, *, seed: int = 1, zone: str | None = None, goal: str = "conversions") -> Listing:
    """The ``i``-th campaign; all four channels, two to four creatives, no target."""
    return Listing(
        name=f"campaign-{i}",
        goal=goal,
        objective="sales",
        zone=zone or ZONES[i % len(ZONES)],
        daily_budget=100.0 + 40.0 * (i % 5),
        bid_bounds=(0.2, 8.0),
        target_cost=None,
        value_per_conversion=50.0,
        audiences=("interest",),
        genomes=GENOMES[: 2 + i % 3],
        allowed=(True,) * 4,
        seed=seed,
    )


def market(
    listings: Sequence[Listing],
    *,
    days: int = 3,
    shocks: float = 0.0,
    first: date = MONDAY,
    channels: Sequence[Channel] = FOUR,
    calendar: Calendar | None = None,
) -> Market:
    """A market with nothing launched."""
    world = draw_world(listings, channels, shocks_per_week=shocks, creatives=4)
    calendar = calendar or Calendar(first, [each.zone for each in listings])
    return Market(world, calendar, days=days, budgets=money(listings, days))


def money(listings: Sequence[Listing], days: int) -> NDArray[np.int64]:
    """[R, days] micros: the same budget every day."""
    return np.array([[round(each.daily_budget * 1e6)] * days for each in listings], dtype=np.int64)


def launch(one: Market, *, bid: float = 1.5, share: float = 0.5) -> Market:
    """Everything on at one bid, each channel with ``share`` of the day's money, creatives in turn."""
    settings, exists = one.settings, one.world.creatives
    settings.budget[:] = (one.budgets[:, :1] * share).astype(np.int64)
    settings.bid[:] = round(bid * 1e6)
    settings.weight[:] = np.where(exists, 1_000_000 // exists.sum(axis=1, keepdims=True), 0)[:, None, :]
    settings.status[:] = 1
    return one


def rich(one: Market) -> Market:
    """Budgets that never bind."""
    one.settings.budget[:] = 10**13
    return one


def still(world: World, *, channels: int | None = None) -> World:
    """The same world with a memory of nothing, on its first ``channels`` only."""
    rows, count, creatives = world.shape
    count = channels or count
    names = ("auctions_h", "ctr", "rival_cpc", "spread", "goal_rate")
    return replace(
        world,
        channels=world.channels[:count],
        lag_h=world.lag_h[:, :, :count],
        dynamics=Dynamics.none(rows, count, creatives),
        **{n: getattr(world, n)[:, :count] for n in names},
    )
