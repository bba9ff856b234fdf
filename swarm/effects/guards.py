"""The guards: plain, deterministic code between a proposal and a platform.

Each guard says, for every write of a batch, whether it may pass; it never alters a value. Sources: the
platforms' published over-delivery rules (``swarm.spec.delivery``) and the write path that brokers' market-access rules
taught: limits set before the order, enforced on it, under the owner's control alone.

Letters: R campaigns, C channels, P shared caps, n writes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from swarm.effects.case import FRESH, Bools, Case, Ints
from swarm.effects.horizon import PARTS
from swarm.effects.lease import Mode
from swarm.effects.ledger import exposure_today, unreported
from swarm.effects.limits import NO_CAP, Autonomy
from swarm.effects.proposals import Field


def once(case: Case) -> Bools:
    """A setting is written once in a batch: a second write of it is refused, for the first may still fail (S2)."""
    asked, (_, channels, slots) = case.asked, case.ledger.weight.shape
    place = (asked.campaign.astype(np.int64) * channels + asked.channel) * len(Field) + asked.field
    _, first = np.unique(place * (slots + 1) + asked.creative + 1, return_index=True)
    passed = np.zeros(len(asked), dtype=np.bool_)
    passed[first] = True
    return passed


def kill_switch(case: Case) -> Bools:
    """Once a person has thrown the switch, nothing is written but pauses (S4)."""
    return np.full(len(case.asked), not case.killed)


def autonomy(case: Case) -> Bools:
    """A campaign that its owner only lets be observed is not written to, not even paused."""
    return case.of(case.limits.autonomy) > Autonomy.OBSERVE


def lease(case: Case) -> Bools:
    """A stale epoch or a lapsed lease writes nothing but pauses."""
    current = case.lease.epoch >= case.epoch and case.lease.holds(case.tick, case.now_s)
    return np.full(len(case.asked), current)


def mode(case: Case) -> Bools:
    """FREEZE writes nothing but pauses; CAUTIOUS raises nothing where coherence is too low for half steps (S5)."""
    if case.lease.mode == Mode.FREEZE:
        return np.zeros(len(case.asked), dtype=np.bool_)
    if case.lease.mode == Mode.CAUTIOUS and not case.lease.may_raise:
        return ~case.raising
    return np.ones(len(case.asked), dtype=np.bool_)


def fresh(case: Case) -> Bools:
    """Nothing is raised on a report of spending that is too old; where nothing was ever in force none can be."""
    age_h = case.tick - 1 - case.at(case.ledger.as_of)
    return ~case.raising | (age_h <= case.of(case.limits.max_age_h)) | (case.at(case.ledger.raised) < 0)


def learning(case: Case) -> Bools:
    """While a platform learns, no budget is raised by so much that it would begin anew (S3); bids follow prices hourly.

    What counts as so much is each platform's own figure; TikTok documents a half, Meta's fifth is practitioners' lore.
    """
    protected = case.at(case.ledger.learning) & case.of(case.limits.protect_learning)
    most = case.old + np.floor(case.significant[case.asked.channel] * case.old)
    return np.asarray(~protected | ~case.raising_budget | (case.old == 0) | (case.asked.new <= most))


def cooldown(case: Case) -> Bools:
    """After a raise, no further raise of that budget before its cooldown is over; lowering is free (S3)."""
    since_h = case.tick - case.at(case.ledger.raised)
    return np.asarray(~case.raising_budget | (since_h >= case.of(case.limits.cooldown_h)))


def settled(case: Case) -> Bools:
    """While the outcome of a campaign's write is unknown, nothing is written to it but pauses (S2).

    The ledger cannot yet say which of the two values is in force, and so not what room is left.
    """
    return ~np.isin(case.asked.campaign, case.open)


def channel(case: Case) -> Bools:
    """Nothing is raised on a platform that the campaign does not allow."""
    return case.at(case.limits.allowed) | ~case.raising


def sane(case: Case) -> Bools:
    """Every value lies in its field's range: bids in the campaign's bounds, shares in [0, 1], budgets in theirs.

    A budget so high that its worst case to the horizon would not fit in 64 bits is refused as well.
    """
    field, new, limits = case.asked.field, case.asked.new, case.limits
    ahead = np.maximum(limits.month_ahead.max(axis=(0, 2)), limits.life_ahead.max(axis=(0, 2)))
    most = np.minimum(limits.budget_max, NO_CAP // (16 * case.ledger.budget.shape[1] * (PARTS + ahead)))
    bid = (new >= case.of(limits.bid_min)) & (new <= case.of(limits.bid_max))
    budget = (new == 0) | ((new >= case.of(limits.budget_min)) & (new <= case.of(most)))
    weight = (new >= 0) & (new <= 1_000_000)
    status = (new == 0) | (new == 1)
    return np.asarray(np.choose(field, [budget & (new >= 0), bid, weight, status]), dtype=np.bool_)


def step(case: Case) -> Bools:
    """No budget or bid moves further in one write than its step, half of it in CAUTIOUS (S3).

    A launch from 0 may, and so may closing a channel with a budget of 0.
    """
    part = case.lease.part(case.asked.campaign)
    share = np.where(case.asked.field == Field.BID, case.of(case.limits.max_bid_step), case.of(case.limits.max_step))
    moved = np.abs(case.asked.new - case.old)
    closing = (case.asked.field == Field.BUDGET) & (case.asked.new == 0)
    free = (case.asked.field > Field.BID) | (case.old == 0) | closing
    return np.asarray(free | (moved <= np.floor(part * share * case.old)))


def day_change(case: Case) -> Bools:
    """No budget ends a day further above its midnight value than the day's change allows, however many steps (S3)."""
    start = case.at(case.ledger.midnight)
    top = start + np.floor(case.of(case.limits.max_day_change) * start)
    return np.asarray(~case.raising_budget | (start == 0) | (case.asked.new <= top))


def current(case: Case) -> Bools:
    """A plan is written only over the values that it was made for: what was edited since stays (S11, S16)."""
    return np.asarray((case.expected == FRESH) | (case.expected == case.old))


SINGLE: tuple[tuple[str, Callable[[Case], Bools]], ...] = (
    ("once", once),
    ("kill_switch", kill_switch),
    ("autonomy", autonomy),
    ("lease", lease),
    ("mode", mode),
    ("fresh", fresh),
    ("learning", learning),
    ("cooldown", cooldown),
    ("settled", settled),
    ("channel", channel),
    ("sane", sane),
    ("step", step),
    ("day_change", day_change),
    ("current", current),
)
"""Guards that look at each write by itself, in the order of the write path."""
SPARED = frozenset({"once", "kill_switch", "lease", "mode", "settled"})
"""Guards that pauses do not meet."""


def approval(case: Case) -> Bools:
    """A write that needs a person's word has it: all in PROPOSE, raises in APPROVE, large raises in AUTO (S16)."""
    level, raising = case.of(case.limits.autonomy), case.raising
    above = (case.old > 0) & (case.asked.new > np.maximum(case.old, 1) * (1.0 + case.of(case.limits.ask_above)))
    large = case.raising_budget & (above | (case.asked.new > case.of(case.limits.ask_above_amount)))
    asks = (level == Autonomy.PROPOSE) | ((level == Autonomy.APPROVE) & raising) | large
    return np.asarray(case.approved | ~asks)


def caps(case: Case, alive: Bools) -> dict[str, Bools]:
    """[n] per cap: whether each raise still fits, those before it in the batch counted (S1).

    ``alive`` [n]: what the other guards let pass; what waits for a person's word takes room after all others. Decreases
    of the batch give no room, for the platform may ignore them, and today's highest budget counts until midnight:
    platforms over-deliver on it. A budget counts whether its channel is paused or not, so a launch adds nothing; it is
    refused where a cap is passed already. A tomorrow needs no check of its own: the day's highest budgets are never
    below those in force.
    """
    ledger, limits = case.ledger, case.limits
    today = exposure_today(ledger, case.factor)
    more_today, more_nominal = _increments(case)
    checks = {
        "daily_nominal": (ledger.reserved.sum(axis=1), more_nominal, limits.daily_nominal),
        "daily_exposure": (today.sum(axis=1), more_today, limits.daily_exposure),
    }
    to_come = today - ledger.today + unreported(ledger, case.factor, case.day_began)
    for name, spent, ahead, cap in (
        ("monthly", ledger.month, limits.month_ahead, limits.monthly),
        ("lifetime", ledger.lifetime, limits.life_ahead, limits.lifetime),
    ):
        later = _worst(ledger.reserved, np.where(ledger.touched, ahead[1], ahead[0]))
        more_later = np.maximum(_worst(_raised(case), case.at(ahead[1])) - case.at(later), 0)
        checks[name] = (spent + (to_come + later).sum(axis=1), more_today + more_later, cap)
    first = alive & approval(case)
    passed = _cumulative(case, [np.flatnonzero(first), np.flatnonzero(alive & ~first)], checks)
    for each in passed.values():
        alive = alive & each
    return passed | _shared(case, alive & case.raising, checks)


def _worst(budget: Ints, parts: Ints) -> Ints:
    """Most that ``parts`` of a daily budget cost, rounded up."""
    return np.asarray(-((-budget * parts) // PARTS))


def _raised(case: Case) -> Ints:
    """[n] the budget of the channel after the write, by itself: a batch may hold other writes on it."""
    budget = case.at(case.ledger.reserved)
    return np.where(case.asked.field == Field.BUDGET, np.maximum(case.asked.new, budget), budget)


def _increments(case: Case) -> tuple[Ints, Ints]:
    """[n] what each raise adds to today's exposure, and to the sum of budgets."""
    factor, spent, raised = case.factor.at(case.asked.channel), case.at(case.ledger.today), _raised(case)
    highest = case.at(np.maximum(case.ledger.highest, case.ledger.reserved))
    today = np.maximum(spent, factor.worst(np.maximum(highest, raised))) - np.maximum(spent, factor.worst(highest))
    return today, raised - case.at(case.ledger.reserved)


Checks = dict[str, tuple[Ints, Ints, Ints]]
"""By cap: what is used of it [R], what each write adds [n], the cap [R]."""


def _cumulative(case: Case, order: list[NDArray[np.intp]], checks: Checks) -> dict[str, Bools]:
    """Walk the raises of each campaign in order; one that is refused takes no room from the next."""
    passed = {name: np.ones(len(case.asked), dtype=np.bool_) for name in checks}
    counted = case.raising & (case.asked.field != Field.BID)
    at = np.concatenate([rows[counted[rows]] for rows in order])
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
    ranks = _ranks(campaign)
    return [np.flatnonzero(ranks == rank) for rank in range(int(ranks.max(initial=-1)) + 1)]


def _ranks(campaign: NDArray[np.int32]) -> NDArray[np.intp]:
    """[n] how many of the same campaign come before."""
    order = np.argsort(campaign, kind="stable")
    ranked = campaign[order]
    first = np.concatenate([[True], ranked[1:] != ranked[:-1]]) if len(ranked) else np.zeros(0, dtype=np.bool_)
    ranks = np.empty(len(campaign), dtype=np.intp)
    ranks[order] = np.arange(len(ranked)) - np.maximum.accumulate(np.where(first, np.arange(len(ranked)), 0))
    return ranks


def _shared(case: Case, raised: Bools, checks: Checks) -> dict[str, Bools]:
    """[n] the same for caps that campaigns share: the first raise that does not fit ends the batch's raises there.

    Amounts are converted at the rate that the owner stated, margin included, and rounded up.
    """
    shared, passed = case.limits.shared, {}
    for name, of_campaign, caps_ in (
        ("shared_daily", "daily_exposure", shared.daily_exposure),
        ("shared_monthly", "monthly", shared.monthly),
    ):
        base, more, _ = checks[of_campaign]
        passed[name] = np.ones(len(case.asked), dtype=np.bool_)
        for each, cap in enumerate(caps_):
            at = np.flatnonzero(raised & (case.of(shared.of) == each))
            members = shared.of == each
            used = np.ceil(base[members] * shared.rate[members]).sum()
            passed[name][at] = used + np.cumsum(np.ceil(more[at] * case.of(shared.rate)[at])) <= cap
    return passed


def actions(case: Case, alive: Bools) -> Bools:
    """No run writes more to a campaign than its owner allows; the first in the batch pass, and pauses always."""
    counted = np.flatnonzero(alive & ~case.pausing)
    passed = np.ones(len(case.asked), dtype=np.bool_)
    passed[counted] = _ranks(case.asked.campaign[counted]) < case.of(case.limits.max_actions)[counted]
    return passed


def pauses(case: Case, alive: Bools) -> Bools:
    """No run pauses more than its share of what delivers, or it pauses none: tracking may be broken (S10).

    What a person paused and what is at its end is no part of it.
    """
    mine = alive & case.pausing & ~case.approved & case.of(case.running)
    most = max(1, int(case.limits.max_paused * (case.ledger.status == 1).sum()))
    return np.asarray(~mine | (mine.sum() <= most))


def lowering(case: Case, alive: Bools) -> Bools:
    """No day lowers the sum of budgets by more than its share, or nothing is lowered: tracking may be broken (S10)."""
    budgets = alive & (case.asked.field == Field.BUDGET) & case.of(case.running)
    mine = budgets & ~case.raising & ~case.approved
    running = case.running[:, None]
    left = np.where(running, case.ledger.budget, 0).sum() + (case.asked.new - case.old)[budgets].sum()
    least = (1.0 - case.limits.max_fall) * np.where(running, case.ledger.midnight, 0).sum()
    return np.asarray(~mine | (left >= least))


def quota(case: Case, alive: Bools) -> Bools:
    """No account is sent more than its platform takes, and pauses go first; the others wait for a later hour (S15)."""
    return case.room.fits(case.asked.channel, case.pausing, alive)


RUN: tuple[tuple[str, Callable[[Case, Bools], Bools]], ...] = (
    ("actions", actions),
    ("pauses", pauses),
    ("lowering", lowering),
    ("quota", quota),
)
"""Guards that look at a run as a whole."""


GUARDS: Mapping[str, Callable[..., Bools]] = MappingProxyType({**dict(SINGLE), **dict(RUN), "approval": approval})
"""All but the caps, by name."""


def refusals(case: Case) -> NDArray[np.str_]:
    """[n] the guard that refuses each write, or an empty text; ``approval`` where a person's word is all that lacks."""
    refused = np.zeros(len(case.asked), dtype=np.int8)
    names = [""]

    def judge(name: str, passed: Bools) -> None:
        names.append(name)
        refused[(refused == 0) & ~passed] = len(names) - 1

    for name, guard in SINGLE:
        judge(name, guard(case) | (case.pausing if name in SPARED else False))
    for name, passed in caps(case, refused == 0).items():
        judge(name, passed)
    for name, limit in RUN:
        judge(name, limit(case, refused == 0))
    judge("approval", approval(case))
    return np.array(names)[refused]
