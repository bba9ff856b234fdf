"""What the logged budgets would have bought on the same market: each channel by itself, on its own money.

Letters: D days, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from policies.clock import Traffic
from policies.frames import Floats, Ints
from swarm import portfolio
from swarm.actors.scenario import Scenario
from swarm.agent import Agent, InForce
from swarm.brain import Brain
from swarm.platforms.hindsight import hindsight
from swarm.platforms.market import Market
from swarm.platforms.protocol import Effects
from swarm.platforms.traffic import HOUR_OF_WEEK
from swarm.spec.campaign import Campaign


def hindsight_of_each(scenario: Scenario, campaigns: Sequence[Campaign], logged: Ints) -> Floats:
    """[1, D] clicks where every channel knows all about its day and spends its logged budget without fault.

    ``logged`` [C, D] micros. Generous: no bidder that has to find its prices gets there.
    """
    world, calendar = scenario.draw(campaigns), scenario.calendar(campaigns)
    alone = [replace(world, auctions_h=world.auctions_h * only) for only in np.eye(len(logged))]
    best = [hindsight(each, calendar, own[None]) for each, own in zip(alone, logged, strict=True)]
    return np.asarray(np.sum([each.value for each in best], axis=0))


def bidder_of_each(scenario: Scenario, campaigns: Sequence[Campaign], logged: Ints) -> Floats:
    """[1, D] clicks where every channel's logged budget is spent by a bidder like the swarm's own."""
    shares = [(slice(channel, channel + 1), own[None]) for channel, own in enumerate(logged)]
    return bid(scenario, campaigns, shares)


def bid(scenario: Scenario, campaigns: Sequence[Campaign], shares: Sequence[tuple[slice, Ints]]) -> Floats:
    """[1, D] clicks of one bidder for each of ``shares``: its channels and its money [1, D], micros.

    The swarm's decisions without its actors, its door and its attention.
    """
    market, calendar = scenario.market(campaigns), scenario.calendar(campaigns)
    bidders = [_Bidder(scenario, campaigns, columns, money) for columns, money in shares]
    for tick in range(calendar.ticks(scenario.days)):
        for bidder in bidders:
            bidder.hour(market, tick)
        market.advance()
    return market.credited()


class _Bidder:
    """A brain and an agent on some of the channels."""

    def __init__(self, scenario: Scenario, campaigns: Sequence[Campaign], columns: slice, money: Ints) -> None:
        traffic = Traffic(HOUR_OF_WEEK)
        config, channels = scenario.config, scenario.channels[columns]
        self._brain = Brain(config, channels, traffic)
        self._brain.admit(list(campaigns), scenario.calendar(campaigns), money)
        self._agent = Agent(channels[0].platform, columns)
        self._steps, self._seed = portfolio.steps(campaigns), config.run.seed

    def hour(self, market: Market, tick: int) -> None:
        """Read the newest report, plan, and set what is wanted."""
        brain, agent, columns, now = self._brain, self._agent, self._agent.channels, market.settings
        report = market.report(columns.start)
        moment = market.calendar.at(tick)
        hour = moment.hour if report is None else market.calendar.at(report.tick).hour
        seen = None if report is None else report.columns(columns)
        evidence = agent.observe(
            brain.portfolio, seen, hour, brain.cells, traffic=brain.traffic, keep=brain.keep, trust=True
        )
        force = InForce(now.budget, now.bid, now.weight, now.status, highest=now.budget).columns(columns)
        plan = brain.plan(moment, evidence, force.highest, np.full(1, np.inf))
        rng = np.random.default_rng([self._seed, tick, columns.start])
        asked = agent.propose(brain.portfolio, evidence, plan, force, self._steps, brain.lease(tick), rng)
        intent = np.arange(len(asked))
        now.apply(Effects(intent, asked.campaign, asked.channel, asked.field, asked.creative, asked.new))
