"""Days on which nothing is wrong: how often the gate freezes, alone, on portfolios of 1 to 1,000 campaigns.

Market, reports, evidence, charts, mechanism and gate are the swarm's; bids stand still, so nothing else costs time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.decisions.desk import Reader
from benchmarks.modes_chain import Chain
from policies import planning
from policies.clock import USUAL_SEASON, Traffic, season
from policies.estimation import CreativePrior
from policies.health import Mode
from swarm.platforms.scenarios import Setup, draw
from swarm.platforms.settings import Settings
from swarm.platforms.traffic import HOUR_OF_WEEK
from swarm.spec.money import MICROS

DAYS = 28


@dataclass(frozen=True, slots=True)
class Healthy:
    """Of some swarms."""

    campaigns: list[int]
    """Of each swarm."""
    freezes: list[int]
    """Times that it entered FREEZE."""
    cautions: list[int]
    """Times that it left STABLE."""
    hours: list[int]
    """Outside STABLE."""


def watch(seeds: Sequence[int], days: int = DAYS) -> Healthy:
    """The swarms of ``seeds`` for ``days``."""
    setup = draw("many_campaigns", seeds, days)
    account = np.unique(setup.seed, return_inverse=True)[1]
    modes = np.array(_modes(setup, Chain(setup.portfolio, account)))
    before = np.concatenate([np.full((1, modes.shape[1]), Mode.STABLE), modes[:-1]])
    freezes = ((modes == Mode.FREEZE) & (before != Mode.FREEZE)).sum(axis=0)
    cautions = ((modes != Mode.STABLE) & (before == Mode.STABLE)).sum(axis=0)
    outside = (modes != Mode.STABLE).sum(axis=0)
    return Healthy(np.bincount(account).tolist(), freezes.tolist(), cautions.tolist(), outside.tolist())


def _modes(setup: Setup, chain: Chain) -> list[list[Mode]]:
    """[T][P]"""
    market, reader = setup.market(), Reader(setup)
    portfolio = replace(setup.portfolio, account=chain.account)
    _stand(market.settings, setup)
    cells, found = np.zeros(portfolio.shape), []
    none, traffic = (
        CreativePrior.none(portfolio.creatives.shape),
        Traffic(HOUR_OF_WEEK, np.full(portfolio.shape[0], USUAL_SEASON)),
    )
    for tick in range(setup.calendar.ticks(setup.budgets.shape[1])):
        evidence, _ = reader.read(market, cells, traffic)
        traffic = replace(traffic, season=season(evidence.pattern))
        chain.step(tick, evidence, cells)
        found.append(chain.modes)
        cells = planning.conversion_rates(portfolio, evidence, none)
        market.advance()
    return found


def _stand(now: Settings, setup: Setup) -> None:
    """Opening bids, budgets that never bind, equal creatives."""
    known = setup.portfolio
    now.bid[:] = np.rint(planning.opening_bid(known)[:, None] * MICROS)
    now.budget[:] = np.where(known.allowed, 100 * setup.budgets[:, :1], 0)
    now.weight[:] = known.creatives[:, None, :] * MICROS
    now.status[:] = known.allowed
