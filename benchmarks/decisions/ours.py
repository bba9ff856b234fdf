"""The swarm's own decisions: the coordinator's hour and the specialists', with no runtime around them.

Letters: R campaigns, C channels, K creatives.
"""

from __future__ import annotations

import numpy as np

from benchmarks.decisions.desk import Desk
from benchmarks.decisions.priors import creatives
from policies import pacing, planning
from policies.bidding import bids
from policies.estimation import CreativePrior
from policies.frames import Floats, Plan
from policies.specialist import Wanted, want
from policies.tuning import NAMES
from swarm.brain import opening_hyper
from swarm.platforms.scenarios import Setup
from swarm.spec.config import SwarmConfig

_DITHER = 0.04
GAIN, MAX_STEP = SwarmConfig().pacing.gain, SwarmConfig().pacing.max_step


class Swarm:
    """The default configuration's planner, with what attention expects of the creatives."""

    def __init__(self, prior: CreativePrior, shares: Floats) -> None:
        """``shares`` [R, C]: the split before any results."""
        self._hyper, self._prior, self._shares = opening_hyper(SwarmConfig()), prior, shares
        self.ledger: planning.Ledger | None = None

    def decide(self, desk: Desk) -> Wanted:
        """The hour's settings."""
        plan = self.plan(desk)
        dither = _DITHER * desk.rng.standard_normal(desk.portfolio.shape[:2])
        return want(desk.portfolio, desk.evidence, plan, dither=dither)

    def plan(self, desk: Desk) -> Plan:
        """The hour's plan; the split and rotation behind it stay in the ledger."""
        rows = len(self._shares)
        ledger = self.ledger or planning.Ledger.start(desk.portfolio, self._shares)
        plan, self.ledger, _ = planning.plan(
            desk.portfolio,
            ledger,
            desk.evidence,
            desk.clock,
            {name: np.full(rows, self._hyper[name]) for name in NAMES},
            creative_prior=self._prior,
            prior_shares=self._shares,
            highest_budget=desk.highest,
        )
        return plan


def swarm(setup: Setup) -> Swarm:
    """The default configuration's planner, and what attention expects of the creatives; equal shares at first."""
    allowed = setup.portfolio.allowed
    return Swarm(creatives(setup), allowed / allowed.sum(axis=1, keepdims=True))


class ChannelPacing:
    """The swarm's bidder inside a split that somebody else chose: a price of money for each channel."""

    def __init__(self) -> None:
        self._price: Floats | None = None

    def bids(self, desk: Desk, money: Floats) -> Floats:
        """[R, C] bids that spend ``money`` [R, C] of today."""
        known, evidence = desk.portfolio, desk.evidence
        unit = planning.unit_bids(known, evidence, desk.click_value)
        if self._price is None:
            self._price = unit / planning.opening_bid(known)[:, None]
        required = np.maximum(money - desk.spent, 0.0) / np.maximum(desk.clock.traffic_left, 1e-9)[:, None]
        flat = (required.size, 1)
        solved = pacing.solve_price(evidence.spend_scale.reshape(flat), unit.reshape(flat), required.reshape(-1))
        self._price = pacing.step(
            self._price, solved.reshape(unit.shape), gain=np.array(GAIN), max_step=np.array(MAX_STEP)
        )
        price = np.maximum(self._price, planning.target_floor(known, evidence, desk.click_value)[:, None])
        low, high = (np.repeat(each, unit.shape[1]) for each in (known.bid_low, known.bid_high))
        return bids(unit.reshape(flat), price.reshape(-1), low, high).reshape(unit.shape)
