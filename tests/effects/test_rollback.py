"""Rollback: earlier values, or conflicts, and never a value of somebody else's."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from swarm.effects.plans import Setting
from swarm.effects.proposals import Field
from swarm.effects.rollback import Conflict, Write, rollback

BUDGET: Setting = (0, 0, Field.BUDGET, -1)
BID: Setting = (0, 1, Field.BID, -1)
WEIGHT: Setting = (1, 0, Field.WEIGHT, 2)
HISTORY = st.lists(st.tuples(st.sampled_from([BUDGET, BID, WEIGHT]), st.integers(0, 3), st.booleans()), max_size=12)
"""Setting, new value, and whether the swarm wrote it or somebody else."""


def moves(writes: list[Write], now: dict[Setting, int]) -> tuple[dict[Setting, int], list[Conflict]]:
    plan, conflicts = rollback(writes, now, 7)
    assert [now[setting] for setting in plan.settings] == plan.old.tolist()
    return dict(zip(plan.settings, plan.asked.new.tolist(), strict=True)), conflicts


def test_the_value_before_the_first_write_is_restored() -> None:
    """However often it was written since."""
    writes = [Write(BUDGET, 5, 8), Write(BID, 1, 2), Write(BUDGET, 8, 9)]
    assert ({BUDGET: 5, BID: 1}, []) == moves(writes, {BUDGET: 9, BID: 2})


def test_what_somebody_changed_since_is_a_conflict() -> None:
    """It is told with all three values, and left alone; the rest is restored."""
    restored, conflicts = moves([Write(BUDGET, 5, 8), Write(BID, 1, 2)], {BUDGET: 7, BID: 2})
    assert {BID: 1} == restored
    assert [Conflict(BUDGET, left=8, now=7, back=5)] == conflicts


def test_a_write_whose_outcome_is_unknown_is_a_conflict() -> None:
    """Nobody can say what it left, even where the last that is known is the earlier value."""
    assert ({}, [Conflict(BUDGET, left=None, now=5, back=4)]) == moves([Write(BUDGET, 4, None)], {BUDGET: 5})
    assert ({}, [Conflict(BUDGET, left=None, now=4, back=4)]) == moves([Write(BUDGET, 4, None)], {BUDGET: 4})


def test_what_has_its_earlier_value_is_left() -> None:
    """Whoever set it back."""
    assert ({}, []) == moves([Write(BUDGET, 5, 8)], {BUDGET: 5})


@given(HISTORY, st.integers(0, 12))
def test_nothing_of_others_is_overwritten(history: list[tuple[Setting, int, bool]], begin: int) -> None:
    """Played against a platform: settings end as before the first write undone, or are as they were and told."""
    platform = dict.fromkeys((BUDGET, BID, WEIGHT), 0)
    writes: list[Write] = []
    before: dict[Setting, int] = {}
    left: dict[Setting, int] = {}
    for step, (setting, value, ours) in enumerate(history):
        if ours and step >= begin:
            writes.append(Write(setting, platform[setting], value))
            before.setdefault(setting, platform[setting])
            left[setting] = value
        platform[setting] = value
    restored, conflicts = moves(writes, platform)
    told = {conflict.setting for conflict in conflicts}
    assert all(platform[setting] == left[setting] for setting in restored)
    assert all(((platform | restored)[setting] == value) != (setting in told) for setting, value in before.items())
