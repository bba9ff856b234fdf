"""The door's two halves, what is on disk between them, and how it comes back."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from swarm.effects.door import Door, Word, release_kill_switch, throw_kill_switch
from swarm.effects.guards import refusals
from swarm.effects.proposals import Field, Proposals
from swarm.platforms.protocol import Spending
from swarm.store.edits import record_edits
from swarm.store.journal import Journal
from tests.effects.doors import (
    CREATIVES,
    UNIT,
    ask,
    began,
    bid,
    budget,
    door,
    lease,
    limits,
    midnight,
    moment,
    proposals,
    status,
    values,
    weight,
    write,
)  # fmt: skip

STATE = 13
"""Column of ``Journal.intents`` that holds what became of a write."""
TODAY = np.zeros(1, dtype=np.int64)
"""The day has begun at tick 0."""


def states(folder: Path) -> list[str]:
    """What another process sees of every intent."""
    journal = Journal(folder / "journal.sqlite")
    found = [row[STATE] for row in journal.intents()]
    journal.close()
    return found


def same(one: Door, other: Door) -> bool:
    """Whether two ledgers agree on settings, highest and midnight budgets."""
    kept = {f.name for f in fields(one.ledger)} - {"today", "month", "lifetime"}
    return all(np.array_equal(getattr(one.ledger, name), getattr(other.ledger, name)) for name in kept)


def test_intents_are_on_disk_before_the_platform_is_called(tmp_path: Path) -> None:
    """What ``open`` returns is already in the file, with what was refused; the outcome follows in ``close``."""
    one = door(tmp_path)
    admission = ask(one, budget(5), budget(500, channel=1), limits=limits(daily_nominal=100))
    assert ["intended", "refused"] == states(tmp_path)
    one.close(admission, np.array([5]))
    assert ["applied", "refused"] == states(tmp_path)


def test_a_write_that_did_not_take_is_unverified(tmp_path: Path) -> None:
    """A platform's success is no proof: the ledger holds what was read back."""
    one = door(tmp_path)
    admission = ask(one, budget(5), bid(6), limits=limits())
    assert 1 == one.close(admission, np.array([5, 0]))
    assert ["applied", "unverified"] == states(tmp_path)
    assert (5, 0) == (one.ledger.budget[0, 0], one.ledger.bid[0, 0])


def test_a_value_in_force_is_not_written_again(tmp_path: Path) -> None:
    """Asking twice writes once, and leaves nothing in the journal the second time."""
    one = door(tmp_path)
    write(one, budget(5))
    admission = ask(one, budget(5), limits=limits())
    assert (1, [], {}) == (admission.unchanged, values(admission.effects), admission.refused)
    assert ["applied"] == states(tmp_path)


@pytest.mark.parametrize(("found", "state"), [(9, "applied"), (5, "void"), (7, "void")])
def test_after_a_crash_the_platform_says_what_became_of_a_write(found: int, state: str, tmp_path: Path) -> None:
    """An open intent is settled by what is read, whether it was applied or not; it is never repeated."""
    before = door(tmp_path)
    write(before, budget(5))
    ask(before, budget(9), limits=limits(), tick=1)
    after = door(tmp_path)
    open_ = after.unsettled()
    assert [9] == values(open_)
    after.settle(open_, np.array([found]))
    after.restore(began(TODAY), 0)
    assert ["applied", state] == states(tmp_path)
    assert found == after.ledger.budget[0, 0]
    assert 0 == len(after.unsettled())
    assert {} == write(after, bid(3))


def test_what_is_settled_before_the_first_hour_is_of_hour_0(tmp_path: Path) -> None:
    """A raise that a crash left open begins its cooldown then."""
    ask(door(tmp_path), budget(9), limits=limits())
    after = door(tmp_path)
    after.settle(after.unsettled(), np.array([9]))
    assert 0 == after.ledger.raised[0, 0]


def test_a_launch_of_which_nobody_knows_can_be_paused(tmp_path: Path) -> None:
    """And nothing else: what is paused already stays unasked, and so does a budget of nothing."""
    one = door(tmp_path)
    launched = ask(one, status(1), budget(1, channel=1), limits=limits())
    assert 2 == len(launched.effects)
    told = ask(one, status(0), status(0, channel=1), budget(0), limits=limits(), tick=1)
    assert [0] == values(told.effects)
    assert [0] == told.effects.channel.tolist()
    assert (2, {}) == (told.unchanged, told.refused)


def test_what_others_set_is_restored_in_its_order(tmp_path: Path) -> None:
    """Their budgets alone, from the first hour on: the day's highest, its opening, and a cooldown even if lowered."""
    one = door(tmp_path)
    write(one, budget(5), bid(3), budget(8, channel=1), tick=1)
    write(one, budget(4), budget(4, channel=3), tick=5)
    edits = [
        (0, 0, 2, Field.BUDGET, -1, 0, 6, "someone", 0),
        (3, 0, 0, Field.BUDGET, -1, 5, 9, "someone", 3),
        (3, 0, 3, Field.BUDGET, -1, 0, 9, "someone", 3),
        (4, 0, 0, Field.BID, -1, 3, 70, "someone", 4),
        (6, 0, 1, Field.BUDGET, -1, 8, 7, "someone", 6),
    ]
    record_edits(Journal(tmp_path / "journal.sqlite"), edits)
    other = door(tmp_path)
    other.restore(began(np.array([2])), 7)
    assert [9, 8, 0, 9] == other.ledger.highest[0].tolist()
    assert [5, 8, 0, 9] == other.ledger.midnight[0].tolist()
    assert [5, 8, 6, 0] == other.ledger.eve[0].tolist()
    assert [3, 6, 0] == other.ledger.raised[0, :3].tolist()


def test_an_outcome_is_kept_once(tmp_path: Path) -> None:
    """Settling again what is settled, or what was refused, changes nothing on disk."""
    one = door(tmp_path)
    admission = ask(one, budget(5), bid(6, channel=1), limits=limits(allowed=False))
    assert {"channel": 2} == admission.refused
    passed = ask(one, budget(5), limits=limits())
    one.close(passed, np.array([5]))
    Journal(tmp_path / "journal.sqlite").settle(np.array([1, 2, 3]), np.array([5, 6, 4]))
    assert ["refused", "refused", "applied"] == states(tmp_path)


def test_a_restored_ledger_equals_the_one_before(tmp_path: Path) -> None:
    """Settings, the day's highest budgets and its midnight budgets come back from the file alone."""
    one = door(tmp_path)
    write(one, budget(50), budget(20, channel=1), bid(4), weight(700_000, 1), status(1), tick=3)
    one.roll(midnight(24))
    write(one, budget(80), budget(0, channel=1), tick=24)
    write(one, budget(60), weight(300_000, 1), budget(9, channel=2), tick=25)
    write(one, budget(11, channel=2), status(0), tick=26)
    other = door(tmp_path)
    other.restore(began([24]), 24)
    assert same(one, other)
    assert [80, 20, 11, 0] == other.ledger.highest[0].tolist()
    assert [50, 20, 9, 0] == other.ledger.midnight[0].tolist()


def test_a_day_that_has_begun_does_not_begin_again_after_a_crash(tmp_path: Path) -> None:
    """Lowered in the day's first hour, crashed, asked about that hour again: the midnight budget still counts."""
    one = door(tmp_path)
    write(one, budget(100))
    one.roll(midnight(24))
    write(one, budget(10), tick=24)
    other = door(tmp_path)
    other.restore(began([24]), 24)
    other.roll(midnight(24))
    assert same(one, other)
    assert 100 == other.ledger.highest[0, 0]


def test_a_first_budget_that_did_not_take_is_no_midnight_budget(tmp_path: Path) -> None:
    """The day's change is measured from the first budget that was in force, also after a restart."""
    one = door(tmp_path)
    one.close(ask(one, budget(50), limits=limits()), np.array([0]))
    write(one, budget(40), tick=1)
    other = door(tmp_path)
    other.restore(began(TODAY), 0)
    assert 40 == one.ledger.midnight[0, 0]
    assert same(one, other)


def test_the_kill_switch_is_a_file(tmp_path: Path) -> None:
    """It is looked for at every batch, so it works on a door that is open, and until it is released."""
    one = door(tmp_path)
    write(one, status(1))
    throw_kill_switch(tmp_path)
    assert {"kill_switch": 1} == write(one, bid(5), status(0))
    assert 0 == one.ledger.status[0, 0]
    release_kill_switch(tmp_path)
    assert {} == write(one, bid(5))


def test_a_kill_switch_that_was_not_thrown_is_released_as_well(tmp_path: Path) -> None:
    """Releasing it twice is no error."""
    throw_kill_switch(tmp_path)
    release_kill_switch(tmp_path)
    release_kill_switch(tmp_path)
    assert not door(tmp_path).killed


def test_a_journal_that_cannot_be_written_lets_nothing_pass(tmp_path: Path) -> None:
    """No intent on disk, no effect."""
    one = door(tmp_path)
    one._journal.close()
    with pytest.raises(Exception, match="closed database"):
        ask(one, status(0), bid(5), limits=limits())


def test_an_empty_batch_is_no_trouble(tmp_path: Path) -> None:
    """Nothing asked, nothing written."""
    one = door(tmp_path)
    admission = ask(one, limits=limits())
    assert 0 == one.close(admission, np.zeros(0, dtype=np.int64))
    assert [] == states(tmp_path)


def test_the_journal_tells_each_move(tmp_path: Path) -> None:
    """Old and new value, reason, epoch and mode are kept with every write and every refusal."""
    one = door(tmp_path)
    write(one, budget(5))
    write(one, budget(8), lease=lease(epoch=4), tick=7)
    assert (7, 0, 0, Field.BUDGET, -1, 5, 8, "test", 0.0, 0.0, 4, "STABLE", "", "applied", 8) == one._journal.intents()[
        1
    ]


def test_four_thousand_writes_are_judged_and_kept_in_time(tmp_path: Path) -> None:
    """A thousand campaigns' budgets: generous bounds, so that a quadratic guard fails and a slow machine does not."""
    one = door(tmp_path, 1000)
    batch = proposals([budget(50 * UNIT, campaign=row, channel=c) for c in range(4) for row in range(1000)])
    given = limits(1000, daily_exposure=300 * UNIT)
    case = one._case(batch, np.zeros(4000, dtype=np.int64), given, lease(), 0, 0.0, Word.none(4000))
    assert 0.05 > min(_seconds(lambda: refusals(case)) for _ in range(3))
    start = time.perf_counter()
    admission = one.open(batch, given, lease(), 0)
    one.close(admission, admission.effects.value)
    assert 0.6 > time.perf_counter() - start
    assert {"daily_exposure": 1000} == admission.refused


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def test_a_stale_coordinator_is_refused_after_the_door_was_made_again(tmp_path: Path) -> None:
    """The newest epoch that was shown survives in the journal."""
    write(door(tmp_path), budget(100), lease=lease(epoch=7))
    other = door(tmp_path)
    other.restore(began(TODAY), 0)
    assert write(other, budget(110), lease=lease(epoch=6)) == {"lease": 1}
    assert write(other, budget(110), lease=lease(epoch=7)) == {}


def test_an_hour_that_is_asked_again_begins_where_it_began(tmp_path: Path) -> None:
    """After the hour's own batch, and after a crash behind it, its opening is as before; a person's pause counts."""
    one = door(tmp_path)
    write(one, budget(50), status(1), tick=3)
    one.roll(moment(4, np.zeros(1, dtype=np.bool_)))
    write(one, budget(80), tick=4)
    pauses = Proposals.pauses(one.ledger.status, reason="down")
    one.close(one.open(pauses, limits(), lease(), 4), np.array([0]))
    other = door(tmp_path)
    other.restore(began(TODAY), 4)
    assert (50, 1) == (one.opening.budget[0, 0], one.opening.status[0, 0])
    assert (50, 0) == (other.opening.budget[0, 0], other.opening.status[0, 0])
    assert (80, 0) == (other.ledger.budget[0, 0], other.ledger.status[0, 0])
    other.roll(moment(4, np.zeros(1, dtype=np.bool_)))
    assert 50 == other.opening.budget[0, 0]
    other.roll(moment(5, np.zeros(1, dtype=np.bool_)))
    assert 80 == other.opening.budget[0, 0]


def test_a_door_that_grows_keeps_what_it_knows(tmp_path: Path) -> None:
    """Settings, the hour's opening and when days began stay with their campaigns; new ones begin with nothing."""
    one = door(tmp_path)
    write(one, budget(50), weight(700_000, 1))
    one.roll(midnight(24))
    write(one, budget(0), tick=24)
    one.grow(3, CREATIVES + 1)
    one.grow(3, CREATIVES + 1)
    assert [50, 0, 0] == one.opening.budget[:, 0].tolist()
    assert [0, 700_000, 0, 0] == one.ledger.weight[0, 0].tolist() == one.opening.weight[0, 0].tolist()
    nothing, yesterday = np.zeros(3, dtype=np.int64), np.full((3, 4), 22)
    one.report(Spending(np.zeros((3, 4), dtype=np.int64), nothing, nothing, yesterday))
    # Yesterday's 50 could still cost 100 where its last hours are not reported, a new campaign has no yesterday.
    told = write(one, budget(50), budget(50, campaign=2), limits=limits(3, monthly=199), tick=24)
    assert {"monthly": 1} == told
    assert [0, 0, 50] == one.ledger.budget[:, 0].tolist()


def test_a_new_door_is_before_the_first_hour_and_the_first_epoch(tmp_path: Path) -> None:
    """A day that begins in hour 0 begins; a lease of the first epoch holds; nothing waits."""
    one = door(tmp_path)
    one.ledger.budget[:], one.ledger.highest[:] = 5, 9
    one.roll(midnight(0))
    assert [5] * 4 == one.ledger.highest[0].tolist()
    assert {} == write(one, bid(5), lease=lease(epoch=0))
    assert not one.launching().any()
    assert not one.killed
