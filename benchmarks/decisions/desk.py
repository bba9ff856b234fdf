"""One market played by one policy: reports come in, settings go out.

Every policy sees the same: the platforms' newest reports, the pooled evidence made of them, the clock, and the money.
Seeds stand side by side as rows, so that one run plays them all; rows of one seed are one account.

Letters: R campaigns of all seeds, C channels, K creatives.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Protocol

import numpy as np

from policies import exposure, planning
from policies.clock import USUAL_SEASON, Traffic, season
from policies.estimation import CreativePrior
from policies.evidence import kept_an_hour
from policies.frames import Evidence, Floats, Ints, Portfolio, Report
from policies.specialist import Wanted, steady
from swarm.agent import Agent
from swarm.brain import hour_clock
from swarm.platforms.calendar import Moment
from swarm.platforms.market import Market
from swarm.platforms.scenarios import Setup
from swarm.platforms.traffic import HOUR_OF_WEEK
from swarm.platforms.world import Conditions, World
from swarm.spec.config import SwarmConfig
from swarm.spec.money import MICROS

MEMORY_DAYS = SwarmConfig().allocation.window_days
NOTHING_LEFT = 0.002
"""Of the day's money: less than this is called spent."""


class Policy(Protocol):
    """Decides an hour's settings from what can be known."""

    def decide(self, desk: Desk) -> Wanted:
        """Settings to have in force in the hour that begins."""


@dataclass
class Desk:
    """What can be known when an hour begins."""

    portfolio: Portfolio
    moment: Moment
    clock: planning.Clock
    evidence: Evidence
    reports: tuple[Report | None, ...]
    """Of each channel, where a new hour of it was reported; None else."""
    highest: Floats
    """[R, C] highest daily budgets in force today, currency units."""
    cells: Floats
    """[R, C, K] conversions per click, estimated from the evidence without any prior on creatives."""
    rng: np.random.Generator

    @cached_property
    def click_value(self) -> Floats:
        """[R, C] goal units of a click, all creatives alike."""
        rates = planning.rates_without_creatives(self.portfolio, self.evidence)
        return planning.click_values(self.portfolio, rates)[..., 0]

    @property
    def spent(self) -> Floats:
        """[R, C] reported for the running day, currency units."""
        return np.where(self.evidence.day == self.clock.day[:, None], self.evidence.spent_today, 0.0)

    @property
    def equal_rotation(self) -> Floats:
        """[R, C, K]"""
        exists = self.portfolio.creatives
        shares = exists / np.maximum(exists.sum(axis=1, keepdims=True), 1)
        return np.repeat(shares[:, None, :], self.portfolio.shape[1], axis=1)


@dataclass(frozen=True, slots=True)
class Played:
    """What truly happened, in expectation."""

    value: Floats
    """[R, D] goal units, none for money above a day's."""
    spend: Ints
    """[R, D] micros."""
    by_channel: Ints
    """[R, C] micros."""
    claimed: Floats
    """[R, D] goal units as the platforms count them: people whom two of them reached count twice."""


@dataclass
class Reader:
    """Turns what the platforms report into evidence, as the swarm's agents do."""

    setup: Setup
    _agents: list[tuple[slice, Agent]] = field(init=False)
    _seen: list[int] = field(init=False)

    def __post_init__(self) -> None:
        columns = [slice(c, c + 1) for c in range(len(self.setup.world.channels))]
        self._agents = [(at, Agent(self.setup.world.channels[at.start].platform, at)) for at in columns]
        self._seen = [-1] * len(columns)

    def read(self, market: Market, cells: Floats, traffic: Traffic) -> tuple[Evidence, list[Report | None]]:
        """The evidence after the newest reports, and these."""
        parts, fresh = [], []
        keep = kept_an_hour(np.full(len(self.setup.seed), MEMORY_DAYS))
        for c, (at, agent) in enumerate(self._agents):
            report = market.report(c)
            own = None if report is None else report.columns(at)
            hour = market.calendar.at(market.tick if report is None else report.tick).hour
            known = self.setup.portfolio.columns(at)
            parts.append(agent.observe(known, own, hour, cells[:, at], traffic=traffic, keep=keep, trust=True))
            new = report is not None and report.tick > self._seen[c]
            self._seen[c] = report.tick if report is not None else -1
            fresh.append(own if new else None)
        return Evidence.concat(parts), fresh


def remembered(setup: Setup) -> Setup:
    """The same scenario, whose hours' circumstances are drawn once for all policies."""
    world = setup.world
    return replace(setup, world=_Remembered(**{f.name: getattr(world, f.name) for f in fields(world)}))


class _Remembered(World):
    def conditions(self, moment: Moment) -> Conditions:
        if moment.tick not in self._kept:
            self._kept[moment.tick] = super().conditions(moment)
        return self._kept[moment.tick]

    @cached_property
    def _kept(self) -> dict[int, Conditions]:
        return {}


def play(setup: Setup, policy: Policy, *, seed: int = 0) -> Played:
    """All hours of ``setup`` under ``policy``."""
    market = setup.market()
    drive(setup, market, policy, seed=seed)
    truth = market.score
    return Played(market.credited(), truth.spend, truth.by_channel, truth.claimed)


class Eyes:
    """What stands between the reports and the policy, and between the policy and the market: here nothing."""

    def see(self, tick: int, evidence: Evidence, rates: Floats) -> Evidence:  # noqa: ARG002
        """The evidence that the policy gets; ``rates`` [R, C, K]: conversions of a click as expected before."""
        return evidence

    def allow(self, wanted: Wanted, market: Market) -> Wanted:  # noqa: ARG002
        """What of ``wanted`` is set."""
        return wanted


_PLAIN = Eyes()


def drive(setup: Setup, market: Market, policy: Policy, eyes: Eyes = _PLAIN, *, seed: int = 0) -> None:
    """All hours of ``market``, one of ``setup``, under ``policy`` behind ``eyes``."""
    portfolio, rng = setup.portfolio, np.random.default_rng(seed)
    reader, cells = Reader(setup), np.zeros(portfolio.shape)
    highest, none = np.zeros(portfolio.shape[:2]), CreativePrior.none(portfolio.creatives.shape)
    traffic = Traffic(HOUR_OF_WEEK, np.full(portfolio.shape[0], USUAL_SEASON))
    for tick in range(setup.calendar.ticks(setup.budgets.shape[1])):
        moment = setup.calendar.at(tick)
        evidence, reports = reader.read(market, cells, traffic)
        traffic = replace(traffic, season=season(evidence.pattern))
        highest = np.where(moment.new_day[:, None], market.settings.budget / MICROS, highest)
        clock = hour_clock(moment, evidence, traffic, setup.budgets)
        evidence = eyes.see(tick, evidence, cells)
        cells = planning.conversion_rates(portfolio, evidence, none)
        desk = Desk(portfolio, moment, clock, evidence, tuple(reports), highest, cells, rng)
        wanted = eyes.allow(capped(desk, _steady(policy.decide(desk), portfolio, market)), market)
        highest = np.maximum(highest, wanted.budget)
        put_in_force(market, wanted)
        market.advance()


def _steady(wanted: Wanted, known: Portfolio, market: Market) -> Wanted:
    """Nobody begins a learning phase by an edit: what platforms publish of it is known to all."""
    now = market.settings
    return steady(wanted, known, budget=now.budget / MICROS, bid=now.bid / MICROS)


def capped(desk: Desk, wanted: Wanted) -> Wanted:
    """The same caps for all: exposure, bids' bounds, and nothing beyond the day's money as far as it is reported."""
    known = desk.portfolio
    budget = exposure.within_exposure(
        wanted.budget, desk.highest, known.over_delivery, known.exposure_cap, known.nominal_cap
    )
    left = desk.clock.money - desk.spent.sum(axis=1) > NOTHING_LEFT * desk.clock.money
    bid = np.clip(wanted.bid, known.bid_low[:, None], known.bid_high[:, None])
    go = wanted.deliver & known.allowed & (left & (desk.clock.money > 0))[:, None]
    return replace(wanted, budget=np.where(known.allowed, budget, 0.0), bid=bid, deliver=go)


def put_in_force(market: Market, wanted: Wanted) -> None:
    """Set what is ``wanted``, in micros and parts per million."""
    now = market.settings
    now.budget[:] = np.floor(wanted.budget * MICROS)
    now.bid[:] = np.rint(wanted.bid * MICROS)
    now.weight[:] = np.rint(wanted.weight * MICROS)
    now.status[:] = wanted.deliver
