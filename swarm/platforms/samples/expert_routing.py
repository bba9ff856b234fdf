"""Campaigns, and what each platform would bring them for every part of their day's money.

The truth is the market's: what an hour of auctions yields at a grid of bids (``auction``), with a campaign's prices,
traffic and goal rates (``world``) on each platform.

Letters: B campaigns, E platforms, S steps of money.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from policies.embedding import embed_many
from policies.models.task import Sample
from swarm.platforms.auction import Auction
from swarm.platforms.channels import FOUR
from swarm.platforms.samples.campaigns import described, listings
from swarm.platforms.world import World, draw_world, stream

CAMPAIGNS, STEPS = 16, 33
_BIDS = np.geomspace(0.02, 50.0, 48)


def draw(seed: int) -> Sample:
    """One market's campaigns.

    Returns:
        Inputs ``query`` [B, 1, 256], the campaigns, ``key`` [B, E, 256], the platforms, ``value`` [B, E, E], their unit
        vectors, and ``mask`` [B, E], the platforms that a campaign allows, two at least. Target ``worth`` [B, E, S]:
        goal units by a platform for 0 to all of the day's money, over what the best split brings.
    """
    rng = stream(seed, "routing samples", 0)
    drawn = listings(seed, CAMPAIGNS, rng)
    worth = _worth(draw_world(drawn, FOUR, shocks_per_week=0.0))
    mask = rng.random((CAMPAIGNS, len(FOUR))) < 0.8
    mask[np.arange(CAMPAIGNS)[:, None], rng.permuted(np.tile(np.arange(len(FOUR)), (CAMPAIGNS, 1)), axis=1)[:, :2]] = (
        True
    )
    worth = np.where(mask[..., None], worth, 0.0)
    keys = embed_many([f"{channel.name} {channel.auction}" for channel in FOUR])
    return Sample(
        {
            "query": embed_many([described(one, rng) for one in drawn])[:, None],
            "key": np.repeat(keys[None], CAMPAIGNS, axis=0),
            "value": np.repeat(np.eye(len(FOUR), dtype=np.float32)[None], CAMPAIGNS, axis=0),
            "mask": mask,
        },
        {"worth": (worth / best(worth)[:, None, None]).astype(np.float32)},
    )


def _worth(world: World) -> NDArray[np.float64]:
    """[B, E, S] goal units of a mean day by money, creatives shown equally."""
    rows, channels, _ = world.shape
    grid = np.broadcast_to(_BIDS, (rows, channels, len(_BIDS)))
    hour = Auction(world).run(grid, world.auctions_h, np.ones((rows, channels)))
    rate = world.goal_rate[:, :, None] * world.quality[:, None, :]
    cost, value = 24 * hour.cost.mean(axis=2), 24 * (hour.clicks * rate[..., None]).mean(axis=2)
    money = np.linspace(0.0, 1.0, STEPS) * np.array([one.daily_budget for one in world.listings])[:, None]
    return np.array([[np.interp(money[r], cost[r, c], value[r, c]) for c in range(channels)] for r in range(rows)])


def best(worth: NDArray[np.float64]) -> NDArray[np.float64]:
    """[B] what the best split on the grid of steps brings, by dynamic programming over platforms."""
    total = worth[:, 0]
    for e in range(1, worth.shape[1]):
        total = np.stack([(total[:, : s + 1] + worth[:, e, s::-1]).max(axis=1) for s in range(worth.shape[2])], axis=1)
    return np.asarray(total[:, -1])
