"""The guards: plain, deterministic code between a proposal and a platform.

Each guard says, for every write of a batch, whether it may pass; it never alters a value. Sources: the
platforms' published over-delivery rules and the write path that brokers' market-access rules taught
(limits set before the order, enforced on it, under the owner's control alone).

Letters: R campaigns, C channels, n writes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from swarm.effects.lease import Lease, Mode
from swarm.effects.ledger import Ledger, OverDelivery, exposure_today, exposure_tomorrow
from swarm.effects.limits import NO_CAP, Limits
from swarm.effects.proposals import Field, Proposals

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Scalar = TypeVar("Scalar", bound=np.generic)


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
    now_s: float
    """Unix time."""
    killed: bool
    open: Ints
    """Campaigns that have a write whose outcome is unknown."""

    @property
    def pausing(self) -> Bools:
        """[n] writes that stop delivery; nothing but their owner's autonomy setting is ever in their way."""
        return np.asarray((self.asked.field == Field.STATUS) & (self.asked.new == 0))

    @property
    def raising(self) -> Bools:
        """[n] writes that could make more be spent."""
        money = self.asked.field <= Field.BID
        starting = (self.asked.field == Field.STATUS) & (self.asked.new == 1)
        return np.asarray((money & (self.asked.new > self.old)) | starting)

    def of(self, per_campaign: NDArray[Scalar]) -> NDArray[Scalar]:
        """[n] a limit [R] for each write."""
        return per_campaign[self.asked.campaign]


def kill_switch(case: Case) -> Bools:
    """Once a person has thrown the switch, nothing is written but pauses."""
    return np.full(len(case.asked), not case.killed)


def autonomy(case: Case) -> Bools:
    """A campaign is written to only where its owner set the mode to auto; elsewhere not even paused."""
    return case.of(case.limits.auto)


def lease(case: Case) -> Bools:
    """A stale epoch or a lapsed lease writes nothing but pauses."""
    current = case.lease.epoch >= case.epoch and case.lease.holds(case.tick, case.now_s)
    return np.full(len(case.asked), current)


def mode(case: Case) -> Bools:
    """FREEZE writes nothing but pauses; CAUTIOUS raises nothing where coherence is too low for half steps."""
    if case.lease.mode == Mode.FREEZE:
        return np.zeros(len(case.asked), dtype=np.bool_)
    if case.lease.mode == Mode.CAUTIOUS and not case.lease.may_raise:
        return ~case.raising
    return np.ones(len(case.asked), dtype=np.bool_)


def channel(case: Case) -> Bools:
    """Nothing is raised on a platform that the campaign does not allow."""
    return np.asarray(case.limits.allowed[case.asked.campaign, case.asked.channel] | ~case.raising)


def settled(case: Case) -> Bools:
    """While the outcome of a campaign's write is unknown, nothing is written to it but pauses.

    The ledger cannot yet say which of the two values is in force, and so not what room is left.
    """
    return ~np.isin(case.asked.campaign, case.open)


def sane(case: Case) -> Bools:
    """Every value lies in its field's range: bids in the campaign's bounds, shares in [0, 1], budgets in theirs.

    A budget so high that its worst case to the horizon would not fit in 64 bits is refused as well.
    """
    field, new, limits = case.asked.field, case.asked.new, case.limits
    days = 1 + np.maximum(limits.month_left, limits.life_left)
    most = np.minimum(limits.budget_max, NO_CAP // (16 * case.ledger.budget.shape[1] * days))
    bid = (new >= case.of(limits.bid_min)) & (new <= case.of(limits.bid_max))
    budget = (new == 0) | ((new >= case.of(limits.budget_min)) & (new <= case.of(most)))
    weight = (new >= 0) & (new <= 1_000_000)
    status = (new == 0) | (new == 1)
    return np.asarray(np.choose(field, [budget & (new >= 0), bid, weight, status]), dtype=np.bool_)


def step(case: Case) -> Bools:
    """No budget or bid moves further in one write than its step, half of it in CAUTIOUS.

    A launch from 0 may, and so may closing a channel with a budget of 0.
    """
    part = case.lease.part(case.asked.campaign)
    share = np.where(case.asked.field == Field.BID, case.of(case.limits.max_bid_step), case.of(case.limits.max_step))
    moved = np.abs(case.asked.new - case.old)
    closing = (case.asked.field == Field.BUDGET) & (case.asked.new == 0)
    free = (case.asked.field > Field.BID) | (case.old == 0) | closing
    return np.asarray(free | (moved <= np.floor(part * share * case.old)))


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
    ("settled", settled),
    ("channel", channel),
    ("sane", sane),
    ("step", step),
    ("day_change", day_change),
)
"""Guards that look at each write by itself, in the order of the write path."""


def caps(case: Case, alive: Bools) -> dict[str, Bools]:
    """[n] per cap: whether each raise still fits, those before it in the batch counted.

    ``alive`` [n]: what the other guards let pass. Lowered budgets count at once for later days, but today's
    highest budget counts until midnight: platforms over-deliver on the highest budget of the day. A budget
    counts whether its channel is paused or not, so a launch adds nothing; it is refused where a cap is
    passed already.

    A later day's worst case needs no check of its own: the day's highest budgets are never below those in force.
    """
    ledger, factor = replace(case.ledger, budget=_lowered(case, alive)), case.factor
    today, later = exposure_today(ledger, factor).sum(axis=1), exposure_tomorrow(ledger, factor).sum(axis=1)
    more_today, more_later, more_nominal = _increments(case, ledger)
    to_come = today - ledger.today.sum(axis=1)
    checks = {
        "daily_nominal": (ledger.budget.sum(axis=1), more_nominal, case.limits.daily_nominal),
        "daily_exposure": (today, more_today, case.limits.daily_exposure),
    }
    for name, spent, days, cap in (
        ("monthly", ledger.month, case.limits.month_left, case.limits.monthly),
        ("lifetime", ledger.lifetime, case.limits.life_left, case.limits.lifetime),
    ):
        checks[name] = (spent + to_come + days * later, more_today + case.of(days) * more_later, cap)
    return _cumulative(case, alive, checks)


def _lowered(case: Case, alive: Bools) -> Ints:
    """[R, C] budgets in force once the batch's decreases are made."""
    at = alive & ~case.raising & (case.asked.field == Field.BUDGET)
    budget = case.ledger.budget.copy()
    budget[case.asked.campaign[at], case.asked.channel[at]] = case.asked.new[at]
    return budget


def _increments(case: Case, ledger: Ledger) -> tuple[Ints, Ints, Ints]:
    """[n] what each raise adds to today's exposure, to that of a later day, and to the sum of budgets.

    Each write is reckoned for itself: a batch may hold other writes on the same channel.
    """
    campaign, channel = case.asked.campaign, case.asked.channel
    factor = case.factor.at(channel)
    budget, highest = ledger.budget[campaign, channel], ledger.highest[campaign, channel]
    raised = np.where(case.asked.field == Field.BUDGET, np.maximum(case.asked.new, budget), budget)
    spent = ledger.today[campaign, channel]
    today = np.maximum(spent, factor.worst(np.maximum(highest, raised))) - np.maximum(spent, factor.worst(highest))
    return today, factor.worst(raised) - factor.worst(budget), raised - budget


def _cumulative(case: Case, alive: Bools, checks: dict[str, tuple[Ints, Ints, Ints]]) -> dict[str, Bools]:
    """Walk the raises of each campaign in order; one that is refused takes no room from the next."""
    passed = {name: np.ones(len(case.asked), dtype=np.bool_) for name in checks}
    counted = (case.asked.field == Field.BUDGET) | (case.asked.field == Field.STATUS)
    at = np.flatnonzero(alive & case.raising & counted)
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
    for name, guard in SINGLE:
        spared = case.pausing & (guard is not autonomy)
        refused[(refused == "") & ~spared & ~guard(case)] = name
    for name, passed in caps(case, refused == "").items():
        refused[(refused == "") & ~passed] = name
    return refused
