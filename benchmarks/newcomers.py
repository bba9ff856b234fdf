"""The swarm's planning and bidding of campaigns that are all new, in one process and without its guards.

What an hour does is what the actors do in theirs: each platform's newest report is observed, the plan is made of all,
and the specialist's settings go into force. There are no caps, steps or deadbands, and attention says nothing.

Letters: R campaigns, C channels, K creatives.
"""

from __future__ import annotations

import numpy as np

from policies.clock import Traffic
from policies.estimation import CreativePrior
from policies.evidence import Memory, evidence, kept_an_hour, observe
from policies.frames import Evidence, Floats, Plan, Portfolio
from policies.planning import Clock, Ledger, conversion_rates, plan
from policies.specialist import want
from swarm.brain import opening_hyper
from swarm.platforms.calendar import Moment
from swarm.platforms.channels import TERMS
from swarm.platforms.market import Market
from swarm.platforms.traffic import HOUR_OF_WEEK
from swarm.platforms.world import World, stream
from swarm.spec.config import SwarmConfig
from swarm.spec.money import MICROS

DAYS = 3
_DITHER = 0.04
_NO_CAP = 1e15
_TRAFFIC = Traffic(HOUR_OF_WEEK)


def play(market: Market, shares: Floats) -> Floats:
    """[R, days] credited value of the market's campaigns, split by ``shares`` [R, C] at first."""
    one = _Newcomers(market, shares)
    for tick in range(market.calendar.ticks(DAYS)):
        one.hour(tick)
    return market.credited()


def portfolio(world: World) -> Portfolio:
    """What policies know of a world's campaigns, without caps."""
    listings, channels = world.listings, world.channels
    low, high = np.array([one.bid_bounds for one in listings]).T
    return Portfolio(
        allowed=np.array([one.allowed for one in listings]),
        creatives=world.creatives,
        bid_low=low,
        bid_high=high,
        target_cost=np.array([one.target_cost or np.inf for one in listings]),
        unit_value=np.where([one.goal == "clicks" for one in listings], 0.0, world.unit_value),
        exposure_cap=np.full(len(listings), _NO_CAP),
        nominal_cap=np.full(len(listings), _NO_CAP),
        over_delivery=np.array([each.over_delivery[0] / each.over_delivery[1] for each in channels]),
        first_price=np.array([each.auction == "first_price" for each in channels]),
        lag_h=np.array([TERMS[each.platform].conversion_lag_h for each in channels]).T,
    )


class _Newcomers:
    """What the swarm keeps from hour to hour."""

    def __init__(self, market: Market, shares: Floats) -> None:
        self._market, self._shares, self._known = market, shares, portfolio(market.world)
        rows, channels, creatives = self._known.shape
        self._parts = [self._known.columns(slice(c, c + 1)) for c in range(channels)]
        self._memories = [Memory.empty(part) for part in self._parts]
        self._ledger = Ledger.start(self._known, shares)
        self._hyper = {n: np.full(rows, value) for n, value in opening_hyper(SwarmConfig()).values.items()}
        self._prior = CreativePrior.none((rows, creatives))
        self._cells = np.zeros((rows, channels, creatives))
        self._highest = np.zeros((rows, channels))
        self._rng = stream(0, "dither", 0)

    def hour(self, tick: int) -> None:
        """Observe, plan, bid, and let the market deliver."""
        moment, budget = self._market.calendar.at(tick), self._market.settings.budget / MICROS
        item = Evidence.concat([self._seen(c, moment) for c in range(len(self._parts))])
        self._highest = np.where(moment.new_day[:, None], budget, np.maximum(self._highest, budget))
        made, self._ledger, _ = plan(
            self._known,
            self._ledger,
            item,
            self._clock(moment, item),
            self._hyper,
            creative_prior=self._prior,
            prior_shares=self._shares,
            highest_budget=self._highest,
        )
        self._cells = conversion_rates(self._known, item, self._prior)
        self._set(made, item)
        self._market.advance()

    def _seen(self, channel: int, moment: Moment) -> Evidence:
        report, before, part = self._market.report(channel), self._memories[channel], self._parts[channel]
        if report is None:
            return evidence(before, before, None, _TRAFFIC.at(moment.hour))
        one, traffic = slice(channel, channel + 1), _TRAFFIC.at(self._market.calendar.at(report.tick).hour)
        report, keep = report.columns(one), kept_an_hour(self._hyper["memory_days"])
        after = observe(before, report, traffic, self._cells[:, one], part, keep=keep, trust=True)
        self._memories[channel] = after
        return evidence(after, before, report, traffic)

    def _clock(self, moment: Moment, item: Evidence) -> Clock:
        silent = np.where(item.tick >= 0, moment.tick - 1 - item.tick, 0)
        unseen = np.minimum(silent, moment.hour[:, None] % 24).astype(np.int32)
        budgets = self._market.budgets
        return Clock(
            day=moment.day.astype(np.float64),
            new_day=moment.new_day,
            day_ends=moment.hours_left == 1,
            money=budgets[np.arange(len(budgets)), moment.day] / MICROS,
            traffic_left=_TRAFFIC.ahead(moment.hour, moment.hours_left),
            traffic_unseen=_TRAFFIC.behind(moment.hour[:, None], unseen),
        )

    def _set(self, made: Plan, item: Evidence) -> None:
        dither = _DITHER * self._rng.standard_normal(made.budget.shape)
        wanted, now = want(self._known, item, made, dither=dither), self._market.settings
        moves = made.rebudget[:, None] | (now.budget == 0)
        now.budget[:] = np.where(moves, np.rint(wanted.budget * MICROS), now.budget)
        now.bid[:], now.weight[:] = np.rint(wanted.bid * MICROS), np.rint(wanted.weight * MICROS)
        now.status[:] = wanted.deliver
