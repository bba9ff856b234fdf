"""The guards: plain, deterministic code between a proposal and a platform.

Each guard says, for every write of a batch, whether it may pass; it never alters a value. Sources: the
platforms' published over-delivery rules and the write path that brokers' market-access rules taught
(limits set before the order, enforced on it, under the owner's control alone).

Letters: R campaigns, C channels, n writes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from swarm.effects.ledger import Ledger, OverDelivery, exposure_today, exposure_tomorrow
from swarm.effects.lease import Lease, Mode
from swarm.effects.limits import Limits
from swarm.effects.proposals import Field, Proposals

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Case:
    """A batch before the guards: the proposals, what is in force, and what people allow."""

    asked: Proposals
    old: Ints
    """[n] values in force."""
    ledger: Ledger
    limits: Limits
    factor: OverDelivery
    lease: Lease
    epoch: int
    """The newest epoch that the door has seen."""
    tick: int
    killed: bool

    @property
    def pausing(self) -> Bools:
        """[n] writes that stop delivery; nothing is ever in their way."""
        return (self.asked.field == Field.STATUS) & (self.asked.new == 0)

    @property
    def raising(self) -> Bools:
        """[n] writes that could make more be spent."""
        money = self.asked.field <= Field.BID
        return (money & (self.asked.new > self.old)) | ((self.asked.field == Field.STATUS) & (self.asked.new == 1))

    def of(self, per_campaign: NDArray[np.generic]) -> NDArray[np.generic]:
        """[n] a limit [R] for each write."""
        return np.asarray(per_campaign[self.asked.campaign])


def kill_switch(case: Case) -> Bools:
    """Once a person has thrown the switch, nothing is written but pauses."""
    return np.full(len(case.asked), not case.killed)


def autonomy(case: Case) -> Bools:
    """A campaign is written to only where its owner set the mode to auto."""
    return case.of(case.limits.auto).astype(np.bool_)


def lease(case: Case) -> Bools:
    """A stale epoch or a lapsed lease writes nothing but pauses."""
    current = case.lease.epoch >= case.epoch and case.lease.holds(case.tick)
    return np.full(len(case.asked), current)


def mode(case: Case) -> Bools:
    """FREEZE writes nothing but pauses; CAUTIOUS below a coherence of 0.5 raises nothing."""
    if case.lease.mode == Mode.FREEZE:
        return np.zeros(len(case.asked), dtype=np.bool_)
    if case.lease.mode == Mode.CAUTIOUS and not case.lease.coherence >= 0.5:
        return ~case.raising
    return np.ones(len(case.asked), dtype=np.bool_)


def channel(case: Case) -> Bools:
    """Nothing is raised on a platform that the campaign does not allow."""
    return np.asarray(case.limits.allowed[case.asked.campaign, case.asked.channel] | ~case.raising)


def sane(case: Case) -> Bools:
    """Every value lies in its field's range: bids in the campaign's bounds, shares in [0, 1], budgets in theirs."""
    field, new = case.asked.field, case.asked.new
    bid = (new >= case.of(case.limits.bid_min)) & (new <= case.of(case.limits.bid_max))
    budget = (new == 0) | ((new >= case.of(case.limits.budget_min)) & (new <= case.of(case.limits.budget_max)))
    weight = (new >= 0) & (new <= 1_000_000) & (case.asked.creative >= 0)
    status = (new == 0) | (new == 1)
    return np.asarray(np.choose(field, [budget & (new >= 0), bid, weight, status])).astype(np.bool_)


def step(case: Case) -> Bools:
    """No budget or bid moves further in one write than its step, half of it in CAUTIOUS; a launch from 0 may."""
    part = 0.5 if case.lease.mode == Mode.CAUTIOUS else 1.0
    share = np.where(case.asked.field == Field.BID, case.of(case.limits.max_bid_step), case.of(case.limits.max_step))
    moved = np.abs(case.asked.new - case.old)
    money = case.asked.field <= Field.BID
    return np.asarray(~money | (case.old == 0) | (moved <= np.floor(part * share * case.old)))


def day_change(case: Case) -> Bools:
    """No budget ends a day further above its midnight value than the day's change allows, however many steps."""
    start = case.ledger.midnight[case.asked.campaign, case.asked.channel]
    top = start + np.floor(case.of(case.limits.max_day_change) * start)
    return np.asarray((case.asked.field != Field.BUDGET) | (start == 0) | (case.asked.new <= top) | ~case.raising)


def once(case: Case) -> Bools:
    """A setting is written once in a batch: a second write of it is refused, for the first may still fail."""
    asked = case.asked
    keys = np.stack([asked.campaign, asked.channel, asked.field, asked.creative]).astype(np.int64)
    _, first = np.unique(keys, axis=1, return_index=True)
    return np.isin(np.arange(len(asked)), first)


SINGLE: tuple[tuple[str, Callable[[Case], Bools]], ...] = (
    ("once", once),
    ("kill_switch", kill_switch),
    ("autonomy", autonomy),
    ("lease", lease),
    ("mode", mode),
    ("channel", channel),
    ("sane", sane),
    ("step", step),
    ("day_change", day_change),
)
"""Guards that look at each write by itself, in the order of the write path."""


def caps(case: Case, alive: Bools) -> dict[str, Bools]:
    """[n] per cap: whether each raise of a budget still fits, those before it in the batch counted.

    Lowered budgets count at once for tomorrow, but today's highest budget counts until midnight: platforms
    over-deliver on the highest budget of the day.
    """
    after = np.where(alive & ~case.raising, case.asked.new, case.old)
    ledger, factor = _with(case, after), case.factor
    today, tomorrow = exposure_today(ledger, factor).sum(axis=1), exposure_tomorrow(ledger, factor).sum(axis=1)
    more_today, more_days, more_nominal = _increments(case, ledger)
    spent_today = case.ledger.today.sum(axis=1)
    horizon = {"monthly": case.limits.month_left, "lifetime": case.limits.life_left}
    ahead = {name: today - spent_today + days * tomorrow for name, days in horizon.items()}
    more_ahead = {name: more_today + case.of(days) * more_days for name, days in horizon.items()}
    checks = {
        "daily_nominal": (ledger.budget.sum(axis=1), more_nominal, case.limits.daily_nominal),
        "daily_exposure": (np.maximum(today, tomorrow), np.maximum(more_today, more_days), case.limits.daily_exposure),
        "monthly": (case.ledger.month + ahead["monthly"], more_ahead["monthly"], case.limits.monthly),
        "lifetime": (case.ledger.lifetime + ahead["lifetime"], more_ahead["lifetime"], case.limits.lifetime),
    }
    return _cumulative(case, alive, checks)


def _with(case: Case, values: Ints) -> Ledger:
    """The ledger as it would be with ``values`` [n] for the batch's budgets."""
    at = case.asked.field == Field.BUDGET
    budget = case.ledger.budget.copy()
    budget[case.asked.campaign[at], case.asked.channel[at]] = values[at]
    now = case.ledger
    return Ledger(budget, now.bid, now.status, now.weight, now.highest, now.midnight, now.today, now.month, now.lifetime)


def _increments(case: Case, ledger: Ledger) -> tuple[Ints, Ints, Ints]:
    """[n] what each raise adds to today's exposure, to that of a later day, and to the sum of budgets."""
    at = (case.asked.campaign, case.asked.channel)
    raised = ledger.budget.copy()
    raised[at] = np.where(case.asked.field == Field.BUDGET, np.maximum(case.asked.new, raised[at]), raised[at])
    worst = case.factor.worst(raised)[at]
    today = np.maximum(ledger.today, case.factor.worst(np.maximum(ledger.highest, raised)))[at]
    return (
        today - exposure_today(ledger, case.factor)[at],
        worst - exposure_tomorrow(ledger, case.factor)[at],
        raised[at] - ledger.budget[at],
    )


def _cumulative(case: Case, alive: Bools, checks: dict[str, tuple[Ints, Ints, Ints]]) -> dict[str, Bools]:
    """Walk the raises of each campaign in order; one that is refused takes no room from the next."""
    passed = {name: np.ones(len(case.asked), dtype=np.bool_) for name in checks}
    at = np.flatnonzero(alive & case.raising & (case.asked.field == Field.BUDGET))
    used = {name: base.copy() for name, (base, _, _) in checks.items()}
    for rows in _rounds(case.asked.campaign[at]):
        raise_, campaign = at[rows], case.asked.campaign[at[rows]]
        fits = np.ones(len(raise_), dtype=np.bool_)
        for name, (_, more, cap) in checks.items():
            passed[name][raise_] = used[name][campaign] + more[raise_] <= cap[campaign]
            fits &= passed[name][raise_]
        for name, (_, more, _) in checks.items():
            used[name][campaign[fits]] += more[raise_[fits]]
    return passed


def _rounds(campaign: NDArray[np.int32]) -> list[NDArray[np.intp]]:
    """Positions of the first raise of every campaign, then of the second, and so on."""
    order = np.argsort(campaign, kind="stable")
    ranked = campaign[order]
    first = np.concatenate([[True], ranked[1:] != ranked[:-1]]) if len(ranked) else np.zeros(0, dtype=np.bool_)
    start = np.maximum.accumulate(np.where(first, np.arange(len(ranked)), 0))
    rank = np.arange(len(ranked)) - start
    return [order[rank == r] for r in range(int(rank.max(initial=-1)) + 1)]


def refusals(case: Case) -> NDArray[np.str_]:
    """[n] the guard that refuses each write, or an empty text."""
    refused = np.full(len(case.asked), "", dtype="<U16")
    free = case.pausing
    for name, guard in SINGLE:
        refused[(refused == "") & ~free & ~guard(case)] = name
    for name, passed in caps(case, refused == "").items():
        refused[(refused == "") & ~passed] = name
    return refused
