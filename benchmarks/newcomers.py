"""The swarm's planning and bidding of campaigns that are all new; attention says nothing but how to split at first.

Letters: R campaigns, C channels, D days.
"""

from __future__ import annotations

import numpy as np

from benchmarks.decisions.desk import Played
from benchmarks.decisions.desk import play as play_scenario
from benchmarks.decisions.ours import Swarm
from policies.estimation import CreativePrior
from policies.frames import Floats, Ints
from swarm.platforms.calendar import Calendar
from swarm.platforms.scenarios import Setup, known
from swarm.platforms.world import World

DAYS = 3
_NO_CAP = 1e15


def play(world: World, calendar: Calendar, budgets: Ints, shares: Floats) -> Played:
    """All days of ``budgets`` [R, D] micros, split by ``shares`` [R, C] at first; no caps."""
    rows = np.full(len(shares), _NO_CAP)
    portfolio = known(world, exposure_cap=rows, nominal_cap=rows)
    seed = np.array([listing.seed for listing in world.listings])
    setup = Setup("newcomers", world, calendar, budgets, portfolio, seed)
    return play_scenario(setup, Swarm(CreativePrior.none(portfolio.creatives.shape), shares))
