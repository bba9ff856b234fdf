"""What a channel truly adds: the same market again with the channel switched off.

Letters: R campaigns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from policies.frames import Floats
from policies.naming import check_known
from swarm.platforms.market import Market
from swarm.platforms.scenarios import Setup


def incremental(setup: Setup, play: Callable[[Market], object], channel: str) -> Floats:
    """[R] expected goal units that ``play`` gets with ``channel`` beyond what it gets without it.

    ``play`` drives a market to its end, and is called twice: with the channel, and where it has no auctions. Both runs
    meet the same hours and the same luck on every other channel, and ``play`` is free to move the money there.

    Raises:
        ValueError: no channel has this name; says which is near.
    """
    names = [each.name for each in setup.world.channels]
    check_known("channel", channel, names)
    auctions_h = setup.world.auctions_h * (np.array(names) != channel)
    worlds = (setup.world, replace(setup.world, auctions_h=auctions_h))
    days = setup.budgets.shape[1]
    markets = [Market(each, setup.calendar, days=days, budgets=setup.budgets, paired=True) for each in worlds]
    for market in markets:
        play(market)
    return np.asarray(markets[0].credited().sum(axis=1) - markets[1].credited().sum(axis=1))
