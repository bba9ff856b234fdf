"""A judge of what the door did: plain loops over the journal's rows and the platforms' own log.

It shares no code with the door. What it counts and refuses is what the platforms publish and the owners set.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

from tests.effects.published import PLATFORMS, Bill, month_end

BUDGET, BID, WEIGHT, STATUS = range(4)
PERSON = 0
"""In the place of an intent: somebody else set the value."""


class Day(NamedTuple):
    """A local day of a campaign begins."""

    campaign: int
    day: date


class Change(NamedTuple):
    """A setting was changed on a platform, whoever asked for it."""

    tick: int
    intent: int
    campaign: int
    channel: int
    field: int
    value: int


class Call(NamedTuple):
    """The end of one call of the door; ``stopped`` where the kill switch was thrown, or FREEZE held."""

    stopped: bool


class Charge(NamedTuple):
    """A platform charged money."""

    campaign: int
    channel: int
    micros: int


Entry = Day | Change | Call | Charge


@dataclass(frozen=True)
class Owner:
    """What a campaign's owner set; amounts in micros, shares as (numerator, denominator), None for no limit."""

    unit: int
    """The smallest amount of the currency."""
    last: date | None
    daily_nominal: int | None
    daily_exposure: int
    monthly: int | None
    lifetime: int | None
    step: tuple[int, int]
    day_change: tuple[int, int]
    bid_step: tuple[int, int]
    cooldown_h: int


@dataclass
class Books:
    """One campaign as the log tells it."""

    day: date
    bills: list[Bill] = field(default_factory=lambda: [Bill(platform) for platform in PLATFORMS])
    month: int = 0
    life: int = 0
    midnight: list[int] = field(default_factory=lambda: [0] * len(PLATFORMS))
    raised: list[int | None] = field(default_factory=lambda: [None] * len(PLATFORMS))
    bid: list[int] = field(default_factory=lambda: [0] * len(PLATFORMS))

    def begin(self, day: date) -> None:
        """A local day begins."""
        self.month = 0 if day.day == 1 else self.month
        self.day = day
        for bill in self.bills:
            bill.begin(day)
        self.midnight = [bill.budget for bill in self.bills]

    def exposures(self, owner: Owner) -> dict[str, int]:
        """What each cap is held against: the most that could be charged if nobody ever wrote again."""
        end = month_end(self.day)
        last = end if owner.last is None else max(owner.last, self.day)
        return {
            "daily_nominal": sum(bill.budget for bill in self.bills),
            "daily_exposure": sum(bill.today + bill.room() for bill in self.bills),
            "monthly": self.month + sum(bill.worst(self.day, min(end, last)) for bill in self.bills),
            "lifetime": self.life + sum(bill.worst(self.day, last) for bill in self.bills),
        }


@dataclass
class Verdict:
    """What the judge found."""

    effects: Counter[int] = field(default_factory=Counter)
    """By intent."""
    wrong: list[str] = field(default_factory=list)
    """Broken promises, in words."""
    cap_violations: int = 0
    raises: int = 0
    """Raises of budgets that were judged: a judge who sees none says nothing."""

    def say(self, what: str, *of: Any) -> None:
        """A promise is broken."""
        self.wrong.append(f"{what}: {of}")


def judge(log: Sequence[Entry], rows: Sequence[Sequence[Any]], owners: Sequence[Owner]) -> Verdict:
    """Every promise that the journal's ``rows``, oldest first, and the platforms' ``log`` can tell of."""
    verdict, books = Verdict(), [Books(date.min) for _ in owners]
    call: list[Change] = []
    raised: set[int] = set()
    for entry in log:
        match entry:
            case Day(campaign, day):
                books[campaign].begin(day)
            case Charge(campaign, channel, micros):
                books[campaign].bills[channel].charge(micros)
                books[campaign].month += micros
                books[campaign].life += micros
            case Change():
                if entry.intent != PERSON:
                    call.append(entry)
                    _same(entry, rows, verdict)
                    raised |= _moved(entry, books[entry.campaign], owners[entry.campaign], verdict)
                _take(entry, books[entry.campaign])
            case Call(stopped):
                _stopped(call, stopped, verdict)
                for campaign in raised:
                    _capped(campaign, books[campaign], owners[campaign], verdict)
                call, raised = [], set()
    for intent, count in verdict.effects.items():
        if count > 1:
            verdict.say("more than one effect", intent, count)
    return verdict


def _same(change: Change, rows: Sequence[Sequence[Any]], verdict: Verdict) -> None:
    """What was changed is what the journal says was asked, and no guard had refused it."""
    verdict.effects[change.intent] += 1
    if change.intent > len(rows):
        verdict.say("not in the journal", change)
        return
    _, campaign, channel, kind, _, _, new, *_, refused_by, _, _ = rows[change.intent - 1]
    if (campaign, channel, kind, new) != change[2:] or refused_by:
        verdict.say("not what the journal has", change, refused_by)


def _moved(change: Change, books: Books, owner: Owner, verdict: Verdict) -> set[int]:
    """Steps, the day's change and cooldown hold; the campaign, where its caps are to be looked at."""
    old = {BUDGET: books.bills[change.channel].budget, BID: books.bid[change.channel]}.get(change.field, change.value)
    if change.field == STATUS:
        return {change.campaign} if change.value else set()
    if change.value % owner.unit and change.field == BUDGET:
        verdict.say("not a multiple of the currency's unit", change)
    if change.value <= old:
        return set()
    numerator, denominator = owner.step if change.field == BUDGET else owner.bid_step
    if old and (change.value - old) * denominator > numerator * old:
        verdict.say("past the step", change, old)
    if change.field == BID:
        return set()
    verdict.raises += 1
    midnight, since = books.midnight[change.channel], books.raised[change.channel]
    numerator, denominator = owner.day_change
    if midnight and (change.value - midnight) * denominator > numerator * midnight:
        verdict.say("past the day's change", change, midnight)
    if since is not None and change.tick - since < owner.cooldown_h:
        verdict.say("inside the cooldown", change, since)
    return {change.campaign}


def _take(change: Change, books: Books) -> None:
    if change.field == BID:
        books.bid[change.channel] = change.value
    if change.field == BUDGET:
        bill = books.bills[change.channel]
        if change.value > bill.budget:
            books.raised[change.channel] = change.tick
        bill.edit(change.value, books.day)
        books.midnight[change.channel] = books.midnight[change.channel] or change.value


def _stopped(call: Sequence[Change], stopped: bool, verdict: Verdict) -> None:
    for change in call:
        if stopped and (change.field, change.value) != (STATUS, 0):
            verdict.say("not a pause, under the kill switch or FREEZE", change)


def _capped(campaign: int, books: Books, owner: Owner, verdict: Verdict) -> None:
    for name, exposure in books.exposures(owner).items():
        cap = getattr(owner, name)
        if cap is not None and exposure > cap:
            verdict.cap_violations += 1
            verdict.say("past a cap", campaign, books.day, name, exposure, cap)
