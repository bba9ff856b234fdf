"""The coordinator's state without Ray."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from policies.clock import Traffic
from policies.health import Mode
from swarm.brain import Brain
from swarm.platforms.calendar import Calendar
from swarm.platforms.channels import FOUR
from swarm.platforms.traffic import HOUR_OF_WEEK
from swarm.spec.campaign import load_campaigns
from swarm.spec.config import SwarmConfig


@pytest.fixture
def brain() -> Brain:
    """A brain with the example campaigns."""
    examples = load_campaigns([Path(__file__).parents[1] / "configs" / "campaigns"])
    made = Brain(SwarmConfig(), FOUR, Traffic(HOUR_OF_WEEK))
    calendar = Calendar(date(2026, 3, 2), [campaign.time_zone for campaign in examples])
    made.admit(examples, calendar, np.full((len(examples), 3), 10**8))
    return made


def test_a_state_comes_back_as_it_was_but_for_the_epoch(brain: Brain) -> None:
    """Epochs only grow, so that a lease from before is stale."""
    brain.gate, brain.paused = brain.gate.hold(Mode.CAUTIOUS, 5), frozenset({brain.campaigns[1].name})
    before, epoch = brain.state(), brain.epoch
    brain.gate, brain.paused, brain.epoch = brain.gate.release(6), frozenset(), epoch + 3
    brain.resume(before)
    assert brain.epoch == epoch + 4
    np.testing.assert_equal({**brain.state(), "epoch": before["epoch"]}, before)


@pytest.mark.parametrize("held", [True, False], ids=["held", "released"])
def test_an_hour_that_is_taken_back_keeps_what_people_asked_for(brain: Brain, held: bool) -> None:
    """A hold, a release or a pause that came while the hour failed stands."""
    brain.gate = brain.gate if held else brain.gate.hold(Mode.FREEZE, 3)
    before = brain.state()
    brain.gate = brain.gate.hold(Mode.FREEZE, 4) if held else brain.gate.release(4)
    brain.paused = frozenset({brain.campaigns[0].name})
    asked = brain.gate
    brain.take_back(before)
    assert brain.gate == asked
    assert brain.gate.held is held
    assert brain.paused == {brain.campaigns[0].name}


def test_an_hour_that_is_taken_back_takes_the_gates_own_moves_back(brain: Brain) -> None:
    """What coherence did in it did not happen."""
    before = brain.state()
    brain.attention.coherence = 0.1
    brain.assess(9)
    moved = brain.gate
    brain.take_back(before)
    assert [moved.mode, brain.gate.mode] == [Mode.FREEZE, Mode.STABLE]


def test_campaigns_that_were_never_planned_begin_with_what_attention_says(brain: Brain) -> None:
    """Though their first hour failed and was taken back: the second try is the first one again."""
    brain.take_back(brain.state())
    brain.attention.shares = np.eye(4)[np.zeros(len(brain.campaigns), dtype=np.int64)]
    np.testing.assert_array_equal(brain.attention.shares, brain._carried().split)
    assert 0 == len(brain.state()["price"])


@pytest.mark.parametrize(("coherence", "may_raise"), [(0.5, True), (0.4999, False), (float("nan"), False)])
def test_a_lease_lets_nothing_be_raised_where_coherence_is_low_or_missing(
    brain: Brain, coherence: float, may_raise: bool
) -> None:
    """The configuration's threshold; missing health is bad health."""
    brain.attention.coherence = coherence
    assert brain.lease(0).may_raise is may_raise


@pytest.mark.parametrize("floor", list(Mode))
def test_the_floor_holds_whatever_the_gate_and_people_say(brain: Brain, floor: Mode) -> None:
    """A held STABLE is no better than the floor, and is as it was when the floor is gone."""
    brain.gate = brain.gate.hold(Mode.STABLE, 1)
    brain.floor = floor
    assert (floor, floor, True) == (brain.gate.mode, brain.lease(2).mode, brain.gate.held)
    kept = brain.state()
    brain.floor = Mode.STABLE
    brain.resume(kept)
    assert Mode.STABLE == brain.gate.mode


def test_a_floor_is_no_move_of_the_gate(brain: Brain) -> None:
    """Below the floor the gate goes on by itself; what it does there is not told as a change."""
    brain.floor = Mode.FREEZE
    brain.attention.coherence = 0.5
    assert [] == brain.assess(9)
    brain.floor = Mode.STABLE
    assert Mode.CAUTIOUS == brain.gate.mode


def test_a_brain_without_campaigns_can_be_asked() -> None:
    """Before anything is submitted nothing runs, and a lease lets nobody rest."""
    empty = Brain(SwarmConfig(), FOUR, Traffic(HOUR_OF_WEEK))
    assert (0, np.dtype(np.bool_)) == (len(empty.running), empty.running.dtype)
    assert empty.lease(0).resting == ()
