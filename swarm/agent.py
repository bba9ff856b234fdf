"""A platform specialist without Ray: it reads its platform's reports and proposes settings.

Letters: R campaigns, C the agent's channels, K creatives, n proposals.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from policies.clock import Traffic
from policies.evidence import Memory, evidence, observe
from policies.frames import Bools, Evidence, Floats, Ints, Plan, Portfolio, Report
from policies.specialist import Wanted, limited, steady, want
from swarm.effects.lease import Lease, Mode
from swarm.effects.proposals import Field, Proposals
from swarm.spec.money import MICROS

_BID_DEADBAND = 0.01
_WEIGHT_DEADBAND = 20_000
_DITHER = 0.04


@dataclass(frozen=True, slots=True)
class InForce:
    """Settings on the platforms, as last read back; micros and parts per million."""

    budget: Ints
    """[R, C]"""
    bid: Ints
    """[R, C]"""
    weight: Ints
    """[R, C, K]"""
    status: Ints
    """[R, C]"""
    highest: Ints
    """[R, C] highest budget in force today."""

    def columns(self, channels: slice) -> InForce:
        """The same settings on some of the channels."""
        return InForce(*(a[:, channels] for a in (self.budget, self.bid, self.weight, self.status, self.highest)))


@dataclass(frozen=True, slots=True)
class Steps:
    """How far a specialist may go in one step, per campaign; fractions of the value in force."""

    budget: Floats
    """[R]"""
    bid: Floats
    """[R]"""
    least: Floats
    """[R] budgets that would move by less stay."""
    unit: Ints
    """[R] micros of the smallest amount that the campaign's currency has: platforms take no others."""

    def under(self, lease: Lease) -> Steps:
        """Half steps in CAUTIOUS."""
        part = lease.part(np.arange(len(self.budget)))
        return Steps(part * self.budget, part * self.bid, self.least, self.unit)


class Agent:
    """One platform's channels, campaigns in rows."""

    def __init__(self, platform: str, channels: slice) -> None:
        """``channels``: the platform's columns of the portfolio."""
        self.platform, self.channels = platform, channels
        self._memory: Memory | None = None

    @property
    def memory(self) -> Memory | None:
        """All that the agent has learnt; None before the first hour."""
        return self._memory

    def resume(self, memory: Memory | None) -> None:
        """Go on from what was learnt before."""
        self._memory = memory

    def observe(
        self,
        portfolio: Portfolio,
        report: Report | None,
        hour: NDArray[np.int32],
        rate: Floats,
        *,
        traffic: Traffic,
        keep: Floats,
        trust: bool,
    ) -> Evidence:
        """Learn from the newest report of the agent's channels.

        ``portfolio`` holds the agent's channels alone. ``hour`` [R]: hour of the week of the report.
        ``rate`` [R, C, K]: conversions per click expected by the last plan. ``traffic``: what to expect of each hour.
        ``keep`` [R]: share of its evidence that an hour keeps. ``trust``: false while conversions are not believed.
        """
        before = Memory.empty(portfolio) if self._memory is None else self._memory.grown(portfolio.shape)
        after = before
        if report is not None:
            after = observe(before, report, hour, traffic, rate, portfolio, keep=keep, trust=trust)
        self._memory = after
        return evidence(after, before, report, traffic.at(hour))

    def propose(
        self,
        portfolio: Portfolio,
        item: Evidence,
        plan: Plan,
        now: InForce,
        steps: Steps,
        lease: Lease,
        rng: np.random.Generator,
    ) -> Proposals:
        """What to write in this hour; nothing but pauses in FREEZE."""
        dither = _DITHER * rng.standard_normal(now.bid.shape)
        wanted = want(portfolio, item, plan, dither=dither)
        wanted = steady(wanted, portfolio, budget=now.budget / MICROS, bid=now.bid / MICROS)
        pauses = self._table(Field.STATUS, (now.status == 1) & ~wanted.deliver, np.zeros_like(now.status), "rest", plan)
        if lease.mode == Mode.FREEZE:
            return pauses
        return Proposals.concat([pauses, *self._moves(wanted, plan, now, steps.under(lease), lease)])

    def _moves(self, wanted: Wanted, plan: Plan, now: InForce, steps: Steps, lease: Lease) -> list[Proposals]:
        go, launch = wanted.deliver, now.status == 0
        only_down = lease.mode == Mode.CAUTIOUS and not lease.may_raise
        bid = _towards(wanted.bid, now.bid, steps.bid, steps.unit, only_down=only_down)
        budget = _towards(wanted.budget, now.budget, steps.budget, steps.unit, only_down=only_down)
        weight = np.rint(wanted.weight * MICROS).astype(np.int64)
        moves = np.abs(budget - now.budget) > steps.least[:, None] * np.maximum(now.budget, 1)
        rebudget = go & (plan.rebudget[:, None] & moves | (now.budget == 0))
        shift = np.abs(weight - now.weight) > _WEIGHT_DEADBAND
        rebid = go & (np.abs(bid - now.bid) > _BID_DEADBAND * np.maximum(now.bid, 1))
        rise = np.ones_like(now.status)
        return [
            self._table(Field.BUDGET, rebudget, budget, "allocate", plan),
            self._table(Field.BID, rebid, bid, "pace", plan),
            self._weights(go[..., None] & shift, weight, plan),
            self._table(Field.STATUS, go & launch & (not only_down), rise, "deliver", plan),
        ]

    def _table(self, field: Field, pick: Bools, new: Ints, reason: str, plan: Plan) -> Proposals:
        campaign, channel = np.nonzero(pick)
        return self._rows(field, campaign, channel, np.full(len(campaign), -1), new[pick], reason, plan)

    def _weights(self, pick: Bools, new: Ints, plan: Plan) -> Proposals:
        campaign, channel, creative = np.nonzero(pick)
        return self._rows(Field.WEIGHT, campaign, channel, creative, new[pick], "rotate", plan)

    def _rows(
        self,
        field: Field,
        campaign: NDArray[np.intp],
        channel: NDArray[np.intp],
        creative: NDArray[np.intp],
        new: Ints,
        reason: str,
        plan: Plan,
    ) -> Proposals:
        return Proposals(
            campaign=campaign.astype(np.int32),
            channel=(channel + self.channels.start).astype(np.int32),
            field=np.full(len(campaign), field, dtype=np.int8),
            creative=creative.astype(np.int16),
            new=new.astype(np.int64),
            reason=np.full(len(campaign), reason),
            estimate=plan.click_value[campaign, channel],
            price=plan.price[campaign],
        )


def _towards(wanted: Floats, now: Ints, step: Floats, unit: Ints, *, only_down: bool) -> Ints:
    """[R, C] micros: ``wanted`` (currency units) as far as one step goes from ``now``, and no micro further.

    Whole units, rounded down where the step allows it; where it allows no whole one, ``now`` stays.
    """
    step, unit, old = step[:, None], unit[:, None], now.astype(np.float64)
    near = limited(wanted * MICROS, old, max_step=step)
    below, above = (part(near / unit) * unit for part in (np.floor, np.ceil))
    down = np.minimum(np.where(below < old * (1 - step), above, below), now)
    new = np.where(near < now, down, now if only_down else np.maximum(below, now))
    return new.astype(np.int64)
