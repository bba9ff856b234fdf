"""The door keeps its promises whatever is asked of it, judged by ``checker`` from the journal and the platforms' log.

Proposals, raises and lowerings within a day, days of 23 to 25 hours, weeks and months, four campaigns in currencies of
0, 2 and 3 decimals, edits from outside, the kill switch, FREEZE, platforms that ignore a write and charge whatever they
publish that they may, and a process that dies at each step of the journal.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from swarm.effects.door import Admission, Door, release_kill_switch, throw_kill_switch
from swarm.effects.lease import Mode
from swarm.effects.proposals import Field
from swarm.platforms.channels import FOUR
from swarm.platforms.protocol import Effects
from swarm.store.journal import Journal
from tests.effects.checker import PERSON, Verdict, judge
from tests.effects.doors import CREATIVES, Row, lease, proposals
from tests.effects.honest import CASES, CHANNELS, ROWS, Accounts, Platforms, began, first_hours, limits, moment

QUICK, SLOW, STEPS = 500, 10_000, 10
"""Examples of the two tiers, and the longest of one."""

MOSTLY_BUDGETS = [Field.BUDGET] * 5 + [Field.BID, Field.STATUS, Field.STATUS, Field.WEIGHT]
writes = st.tuples(
    st.integers(0, ROWS - 1), st.integers(0, CHANNELS - 1), st.sampled_from(MOSTLY_BUDGETS), st.integers(0, 90)
)  # fmt: skip
batches = st.lists(writes, min_size=1, max_size=6)
KILLED = "kill switch"
states = st.sampled_from([Mode.STABLE] * 8 + [Mode.CAUTIOUS, Mode.FREEZE, KILLED])
DEATHS = ("before the intent", "after the intent", "in the call", "after the call", "before the outcome", "after it")


class Died(Exception):
    """The process ended here."""


class Mortal(Journal):
    """A journal in memory whose process can die before and after each of the door's two transactions."""

    at = ""

    def intend(self, rows: Any) -> Any:
        """Keep writes before they are made."""
        self.reach("before the intent")
        ids = super().intend(rows)
        self.reach("after the intent")
        return ids

    def settle(self, ids: Any, read_back: Any, *, missed: str = "unverified") -> None:
        """Keep outcomes."""
        self.reach("before the outcome")
        super().settle(ids, read_back, missed=missed)
        self.reach("after it")

    def reach(self, place: str) -> None:
        """Die here, if it is time."""
        if self.at == place:
            self.at = ""
            raise Died(place)


class Promises(RuleBasedStateMachine):
    """A door, its journal, and honest platforms."""

    seen: Callable[[Verdict], object] = staticmethod(lambda verdict: None)
    """Told what the judge says of each example."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.journal = Mortal(Path(":memory:"))

    @initialize(case=st.integers(0, len(CASES) - 1))
    def begin(self, case: int) -> None:
        """The first hour."""
        self.accounts = Accounts.of(case)
        self.platforms = Platforms(self.accounts)
        self.door = self.fresh()
        self.door.roll(moment(self.accounts.calendar, 0))
        self.look()

    def teardown(self) -> None:
        """What the judge says of it all."""
        rows = self.journal.intents()
        self.journal.close()
        self.folder.cleanup()
        verdict = judge(self.platforms.log, rows, self.accounts.owners)
        self.seen(verdict)
        assert [] == verdict.wrong

    def fresh(self) -> Door:
        """The door of a new process."""
        return Door(Path(self.folder.name), self.journal, FOUR, ROWS, CREATIVES)

    def look(self) -> None:
        """What the dispatcher reads at the beginning of an hour: money, and what others have changed."""
        self.door.report(self.platforms.spending())
        day = began(self.accounts.calendar, self.platforms.tick).day
        for change in self.platforms.by_others(0):
            if change.tick >= day[change.campaign]:
                self.take(change.campaign, change.channel, change.field, change.value)
            now = self.effect(change.campaign, change.channel, change.field, 0)
            self.take(change.campaign, change.channel, change.field, int(self.platforms.read_back(now)[0]))

    def take(self, campaign: int, channel: int, field: int, value: int) -> None:
        """A person's edit in the ledger."""
        self.door.ledger.commit(self.effect(campaign, channel, field, value), self.platforms.tick)

    def effect(self, campaign: int, channel: int, field: int, value: int) -> Effects:
        """One that nobody asked the door for."""
        columns = ((PERSON,), (campaign,), (channel,), (field,), (-1,), (value,))
        return Effects(*(np.array(column, dtype=np.int64) for column in columns))  # type: ignore[arg-type]

    def rows(self, batch: list[tuple[int, int, Field, int]]) -> list[Row]:
        """Amounts in each campaign's currency."""
        return [self.row(*write) for write in batch]

    def row(self, campaign: int, channel: int, field: Field, amount: int) -> Row:
        """One write."""
        if field == Field.STATUS:
            return campaign, channel, field, -1, amount % 2
        if field == Field.WEIGHT:
            return campaign, channel, field, amount % CREATIVES, amount * 6_250
        return campaign, channel, field, -1, amount * self.accounts.units[campaign]

    def ask(self, batch: Any, mode: Mode = Mode.STABLE) -> Admission:
        """The door's first half."""
        at = limits(self.accounts, self.platforms.tick)
        return self.door.open(proposals(self.rows(batch)), at, lease(mode), self.platforms.tick)

    @rule(batch=batches, state=states, deaf=st.integers(0, 8))
    def write(self, batch: Any, state: str, deaf: int) -> None:
        """A batch of which the platform may ignore one write, saying that all is well."""
        (throw_kill_switch if state == KILLED else release_kill_switch)(Path(self.folder.name))
        admission = self.ask(batch, Mode.STABLE if state == KILLED else Mode(state))
        self.platforms.apply(admission.effects, deaf=deaf)
        self.platforms.ended(stopped=state in (KILLED, Mode.FREEZE))
        self.door.close(admission, self.platforms.read_back(admission.effects))

    @rule(batch=batches, place=st.sampled_from(DEATHS), most=st.integers(0, 3), hasty=st.one_of(st.none(), batches))
    def die(self, batch: Any, place: str, most: int, hasty: Any) -> None:
        """The process dies at a step of a write, after another that it did not wait for; a new one goes on."""
        release_kill_switch(Path(self.folder.name))
        try:
            if hasty:
                unheard = self.ask(hasty)
                self.platforms.apply(unheard.effects, most=most)
                self.platforms.ended(stopped=False)
            self.journal.at = place
            admission = self.ask(batch)
            self.platforms.apply(admission.effects, most=most if place == "in the call" else None)
            self.platforms.ended(stopped=False)
            self.journal.reach("in the call")
            self.journal.reach("after the call")
            self.door.close(admission, self.platforms.read_back(admission.effects))
        except Died:
            pass
        self.journal.at = ""
        self.restart()

    @rule()
    def restart(self) -> None:
        """A new process settles by reading what the old one left open."""
        self.door = self.fresh()
        open_ = self.door.unsettled()
        if len(open_):
            self.door.settle(open_, self.platforms.read_back(open_))
        self.door.restore(began(self.accounts.calendar, self.platforms.tick), self.platforms.tick)
        self.door.roll(moment(self.accounts.calendar, self.platforms.tick))
        self.look()

    @rule(hours=st.sampled_from([1, 2, 7, 24, 25, 49, 120]), quarters=st.sampled_from([0, 1, 4]))
    def hours_pass(self, hours: int, quarters: int) -> None:
        """Platforms charge none, some or all of what they may."""
        before = self.platforms.tick
        for one in first_hours(before, before + hours, self.accounts.calendar):
            while self.platforms.tick < one.tick:
                self.platforms.hour(quarters)
            self.door.roll(one)
        self.look()

    @rule(write=writes, quarters=st.sampled_from([0, 4]))
    def edit(self, write: Any, quarters: int) -> None:
        """A person changes a budget or a status on the platform, and the next hour sees it."""
        campaign, channel, field, creative, value = self.row(*write)
        if field in (Field.BUDGET, Field.STATUS):
            self.platforms.set(PERSON, campaign, channel, field, creative, value)
        self.hours_pass(1, quarters)


def run(examples: int, seen: Callable[[Verdict], object] = lambda verdict: None) -> None:
    """So many examples, the same every time; ``seen`` is told what the judge says of each."""
    how = settings(max_examples=examples, stateful_step_count=STEPS, deadline=None, derandomize=True, database=None)
    machine = type("Promises", (Promises,), {"seen": staticmethod(seen)})
    run_state_machine_as_test(machine, settings=how)


def test_promises() -> None:
    """No cap passed, one effect an intent, no step too far, nothing but pauses where writing is stopped."""
    verdicts: list[Verdict] = []
    run(QUICK, verdicts.append)
    assert QUICK <= len(verdicts)
    assert QUICK < sum(verdict.raises for verdict in verdicts), "a judge who sees no raises proves nothing"


@pytest.mark.slow
def test_promises_at_length() -> None:
    """The same, for longer."""
    run(SLOW)
