"""No batch takes what could be spent past a cap, judged from the journal and the platform's own log alone.

The judge shares no code with the door: plain loops and fractions over the journal's rows.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from swarm.effects.door import Admission, Door
from swarm.effects.limits import NO_CAP, Limits
from swarm.effects.proposals import Field
from swarm.platforms.protocol import Effects, Spending
from tests.effects.doors import Row, ask, began, door, limits, moment
from tests.effects.test_door import same

ROWS, CHANNELS, DAY_H, MONTH_DAYS = 3, 4, 24, 4
MIDNIGHT = (0, 5, 13)
"""Tick of each campaign's first local midnight."""
PUBLISHED = (Fraction(2), Fraction(7, 4), Fraction(5, 4), Fraction(3, 2))
CAPS = {
    "daily_nominal": (150, 150, 150),
    "daily_exposure": (260, 260, 260),
    "monthly": (700, NO_CAP, 700),
    "lifetime": (900, NO_CAP, NO_CAP),
}
"""Of each campaign; where the longer caps bind, the daily ones hardly do."""
LIFE_DAYS = 6

writes = st.tuples(
    st.integers(0, ROWS - 1),
    st.integers(0, CHANNELS - 1),
    st.sampled_from([Field.BUDGET, Field.BUDGET, Field.BUDGET, Field.BID, Field.STATUS]),
    st.just(-1),
    st.integers(0, 160),
).map(lambda row: row if row[2] != Field.STATUS else (*row[:4], row[4] % 2))
batches = st.lists(writes, min_size=1, max_size=8)


def day(campaign: int, tick: int) -> int:
    """The campaign's local day; -1 before its first midnight."""
    return (tick - MIDNIGHT[campaign]) // DAY_H


def days_left(campaign: int, tick: int) -> tuple[int, int]:
    """Whole days after today, to the month's end and to the campaign's."""
    today = day(campaign, tick)
    return MONTH_DAYS - 1 - today % MONTH_DAYS, max(LIFE_DAYS - 1 - today, 0)


class Exposure(RuleBasedStateMachine):
    """Raises, decreases, pauses and launches in batches, over hours, days, months and crashes."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.door = self.fresh()
        self.tick = 0
        self.platform: dict[tuple[int, int, int], int] = defaultdict(int)
        self.spent: dict[tuple[int, int, int], int] = defaultdict(int)
        """Campaign, channel, local day: micros."""

    def fresh(self) -> Door:
        """A door of a new process."""
        return door(Path(self.folder.name), ROWS)

    def teardown(self) -> None:
        """Let go of the file."""
        self.door._journal.close()
        self.folder.cleanup()

    @initialize()
    def begin(self) -> None:
        """The first hour."""
        self.roll()

    def roll(self) -> None:
        """What the dispatcher does at the beginning of an hour."""
        begins = np.array([(self.tick - first) % DAY_H == 0 for first in MIDNIGHT])
        self.door.roll(moment(self.tick, begins))
        self.report()

    def report(self) -> None:
        """Spending as the platform knows it."""
        now = [day(r, self.tick) for r in range(ROWS)]
        today = [[self.spent[r, c, now[r]] for c in range(CHANNELS)] for r in range(ROWS)]
        month, life = ([self.total(r, first) for r, first in enumerate(firsts)] for firsts in self.firsts(now))
        as_of = np.full((ROWS, CHANNELS), self.tick - 1)
        self.door.report(Spending(*(np.array(part, dtype=np.int64) for part in (today, month, life, as_of))))

    def firsts(self, now: list[int]) -> tuple[list[int], list[int]]:
        """First days of each campaign's month and life."""
        return [today - today % MONTH_DAYS for today in now], [-1] * ROWS

    def total(self, campaign: int, first: int) -> int:
        """Spent since the local day ``first``."""
        return sum(value for (r, _, d), value in self.spent.items() if r == campaign and d >= first)

    def limits(self) -> Limits:
        """The caps at this hour."""
        month, life = np.array([days_left(r, self.tick) for r in range(ROWS)]).T
        return limits(ROWS, **CAPS, month_left=month, life_left=life)

    def apply(self, effects: Effects) -> None:
        """The platform does as it is told."""
        for r, c, field, value in zip(effects.campaign, effects.channel, effects.field, effects.value, strict=True):
            self.platform[int(r), int(c), int(field)] = int(value)

    def read(self, effects: Effects) -> Any:
        """What is in force on the platform."""
        keys = zip(effects.campaign, effects.channel, effects.field, strict=True)
        return np.array([self.platform[int(r), int(c), int(field)] for r, c, field in keys], dtype=np.int64)

    def judged(self, admission: Admission) -> None:
        """After a batch, campaigns with something raised are within all their caps."""
        rows = self.door._journal.intents()
        raised = {row[1] for row in rows if row[0] == self.tick and row[3] == Field.BUDGET and (row[-1] or 0) > row[5]}
        touched = set(admission.effects.campaign.tolist())
        for campaign in raised & touched:
            for name, exposure in self.exposures(campaign, rows).items():
                assert exposure <= CAPS[name][campaign], (name, campaign)

    def exposures(self, campaign: int, rows: list[tuple[Any, ...]]) -> dict[str, Fraction]:
        """What each cap is compared with, from the journal's rows and the platform's log."""
        today, month_left, life_left = day(campaign, self.tick), *days_left(campaign, self.tick)
        force, highest = [0] * CHANNELS, [0] * CHANNELS
        began = today * DAY_H + MIDNIGHT[campaign]
        for tick, r, c, field, *_, value in rows:
            if r == campaign and field == Field.BUDGET and value is not None:
                highest[c] = max(highest[c], force[c], value) if tick >= began else 0
                force[c] = value
        highest = [max(pair) for pair in zip(highest, force, strict=True)]
        spent = [self.spent[campaign, c, today] for c in range(CHANNELS)]
        worst = sum((max(Fraction(s), k * h) for s, k, h in zip(spent, PUBLISHED, highest, strict=True)), Fraction())
        later = sum((k * b for k, b in zip(PUBLISHED, force, strict=True)), Fraction())
        first = today - today % MONTH_DAYS
        return {
            "daily_nominal": Fraction(sum(force)),
            "daily_exposure": worst,
            "monthly": self.total(campaign, first) - sum(spent) + worst + month_left * later,
            "lifetime": self.total(campaign, -1) - sum(spent) + worst + life_left * later,
        }

    @rule(batch=batches, deaf=st.integers(0, 8))
    def write(self, batch: list[Row], deaf: int) -> None:
        """A batch of which the platform may ignore one raise, saying that all is well."""
        admission = ask(self.door, *batch, limits=self.limits(), tick=self.tick)
        before = self.read(admission.effects)
        self.apply(admission.effects)
        if deaf < len(before) and before[deaf] < admission.effects.value[deaf]:
            heard = replace(
                admission.effects, value=np.where(np.arange(len(before)) == deaf, before, self.read(admission.effects))
            )
            self.apply(heard)
        self.door.close(admission, self.read(admission.effects))
        self.judged(admission)

    @rule(batch=batches, applied=st.booleans(), again=batches)
    def crash(self, batch: list[Row], applied: bool, again: list[Row]) -> None:
        """The process dies between the halves; before and after settling, writes stay within the caps."""
        admission = ask(self.door, *batch, limits=self.limits(), tick=self.tick)
        if applied:
            self.apply(admission.effects)
        hasty = ask(self.door, *again, limits=self.limits(), tick=self.tick)
        self.apply(hasty.effects)
        self.door._journal.close()
        self.door = self.fresh()
        open_ = self.door.unsettled()
        self.door.settle(open_, self.read(open_))
        self.restore()
        self.judged(admission)
        self.judged(hasty)

    @rule()
    def restart(self) -> None:
        """A new process knows what the old one knew."""
        before = self.door
        self.door = self.fresh()
        self.restore()
        assert same(before, self.door)
        before._journal.close()

    def restore(self) -> None:
        """Rebuild the ledger as the dispatcher does."""
        self.door.restore(began([day(r, self.tick) * DAY_H + MIDNIGHT[r] for r in range(ROWS)]), self.tick)
        self.roll()

    @rule(hours=st.sampled_from([1, 7, 24, 31]), share=st.sampled_from([0, 1, 4]))
    def hours_pass(self, hours: int, share: int) -> None:
        """Platforms spend up to the worst case that they publish."""
        for _ in range(hours):
            ledger = self.door.ledger
            for (r, c), highest in np.ndenumerate(ledger.highest):
                at = (r, c, day(r, self.tick))
                self.spent[at] += share * max(int(PUBLISHED[c] * int(highest)) - self.spent[at], 0) // 4
            self.tick += 1
            self.roll()

    @invariant()
    def days_are_within_their_cap(self) -> None:
        """Whatever happens, no day could cost more than its cap, nor did one."""
        rows = self.door._journal.intents()
        for campaign in range(ROWS):
            assert self.exposures(campaign, rows)["daily_exposure"] <= CAPS["daily_exposure"][campaign]


Exposure.TestCase.settings = settings(max_examples=200, stateful_step_count=15, deadline=None)
TestExposure = Exposure.TestCase
