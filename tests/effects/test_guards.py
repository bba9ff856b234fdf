"""What each guard refuses, and that no other guard would have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from swarm.effects import guards
from swarm.effects.door import Door, Word, throw_kill_switch
from swarm.effects.lease import Lease, Mode
from swarm.effects.limits import NO_CAP, Autonomy, Shared
from swarm.platforms.protocol import Spending
from swarm.platforms.quotas import Room
from tests.effects.doors import (
    ALWAYS,
    UNIT,
    Row,
    ask,
    bid,
    budget,
    door,
    lease,
    limits,
    midnight,
    proposals,
    status,
    values,
    weight,
    write,
)


@dataclass(frozen=True)
class Scene:
    """What is in force, and a batch of which one guard refuses one write."""

    batch: Sequence[Row]
    before: Sequence[Row] = ()
    limits: Mapping[str, Any] = field(default_factory=dict)
    lease: Lease = ALWAYS
    also: Callable[[Door, Path], None] = lambda door, folder: None
    tick: int = 0
    word: Word | None = None
    room: Room | None = None


def _spent(door: Door, _: Path) -> None:
    row = np.array([900 * UNIT])
    nothing = np.zeros((1, 4), dtype=np.int64)
    door.report(Spending(nothing, row, row, nothing - 1))


def _lowered(door: Door, _: Path) -> None:
    write(door, budget(10 * UNIT))


def _old_report(door: Door, _: Path) -> None:
    door.ledger.as_of[:] = 2


def _learning(door: Door, _: Path) -> None:
    door.ledger.learning[:] = True


def _four_deliver(door: Door, _: Path) -> None:
    write(door, *(row for c in range(4) for row in (status(1, channel=c), budget(100, channel=c))))


def _left_open(door: Door, _: Path) -> None:
    ask(door, bid(7), limits=limits())


def _shared(daily: int, monthly: int) -> Shared:
    return Shared(np.zeros(1, dtype=np.int64), np.ones(1), np.array([daily]), np.array([monthly]))


SCENES = {
    "once": Scene([budget(UNIT), budget(2 * UNIT)]),
    "kill_switch": Scene([bid(5)], also=lambda door, folder: throw_kill_switch(folder)),
    "autonomy": Scene([status(0)], before=[status(1)], limits={"autonomy": Autonomy.OBSERVE}),
    "lease": Scene([bid(5)], lease=lease(expires=0)),
    "mode": Scene([bid(5)], lease=lease(Mode.FREEZE)),
    "settled": Scene([budget(UNIT)], also=_left_open),
    "channel": Scene([status(1)], limits={"allowed": False}),
    "sane": Scene([weight(1_000_001, 0)]),
    "step": Scene([budget(121 * UNIT)], before=[budget(100 * UNIT)], limits={"max_step": 0.2}),
    "day_change": Scene([budget(151 * UNIT)], before=[budget(100 * UNIT)], limits={"max_day_change": 0.5}),
    "fresh": Scene([budget(60)], before=[budget(50)], also=_old_report, limits={"max_age_h": 6}, tick=10),
    "learning": Scene([budget(151)], before=[budget(100)], also=_learning),
    "cooldown": Scene([budget(60)], before=[budget(50)], limits={"cooldown_h": 24}, tick=23),
    "current": Scene([budget(60)], before=[budget(50)], word=Word(np.array([True]), np.array([49]))),
    "approval": Scene([budget(61)], before=[budget(50)], limits={"ask_above": 0.2}),
    "actions": Scene([bid(5), bid(5, channel=1)], limits={"max_actions": 1}),
    "pauses": Scene(
        [status(0, channel=1), status(0, channel=2), status(0)], also=_four_deliver, limits={"max_paused": 0.5}
    ),
    "lowering": Scene(
        [budget(50), budget(10, channel=1)], also=_four_deliver, limits={"max_fall": 0.3}
    ),
    "quota": Scene([bid(5), bid(5, channel=1)], room=Room(np.zeros(4, np.intp), np.array([1]), np.array([0]))),
    "shared_daily": Scene([budget(51)], limits={"shared": _shared(100, NO_CAP)}),
    "shared_monthly": Scene([budget(51)], limits={"shared": _shared(NO_CAP, 100)}),
    "daily_nominal": Scene([budget(101 * UNIT)], limits={"daily_nominal": 100 * UNIT}),
    "daily_exposure": Scene(
        [budget(60 * UNIT, channel=1)], before=[budget(100 * UNIT)], also=_lowered,
        limits={"daily_exposure": 300 * UNIT},
    ),
    "monthly": Scene([budget(6 * UNIT)], also=_spent, limits={"monthly": 1000 * UNIT, "month_left": 9}),
    "lifetime": Scene([budget(6 * UNIT)], also=_spent, limits={"lifetime": 1000 * UNIT, "life_left": 9}),
}  # fmt: skip


def _play(scene: Scene, folder: Path) -> dict[str, int]:
    one = door(folder)
    write(one, *scene.before)
    scene.also(one, folder)
    given = limits(**scene.limits)
    return dict(
        one.open(proposals(scene.batch), given, scene.lease, scene.tick, word=scene.word, room=scene.room).refused
    )


@pytest.mark.parametrize("name", SCENES)
def test_a_guard_refuses_in_its_own_name(name: str, tmp_path: Path) -> None:
    """Each scene holds one write that this guard refuses, and no other; a run that does too much does nothing."""
    whole_run = {"pauses": 3, "lowering": 2}
    assert {name: whole_run.get(name, 1)} == _play(SCENES[name], tmp_path)


@pytest.mark.parametrize("name", SCENES)
def test_without_the_guard_the_write_would_pass(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No guard is covered for by another: switched off, its scene's write goes through."""
    caps = guards.caps
    for group in ("SINGLE", "RUN"):
        monkeypatch.setattr(guards, group, tuple(pair for pair in getattr(guards, group) if pair[0] != name))
    if name == "approval":
        monkeypatch.setattr(guards, "approval", lambda case: np.ones(len(case.asked), dtype=np.bool_))
    monkeypatch.setattr(
        guards,
        "caps",
        lambda case, alive: {
            key: np.ones_like(passed) if key == name else passed for key, passed in caps(case, alive).items()
        },
    )
    assert {} == _play(SCENES[name], tmp_path)


def test_every_guard_has_a_scene(tmp_path: Path) -> None:
    """A guard that is added without a scene would go untested."""
    case = door(tmp_path)._case(
        proposals([budget(1)]), np.zeros(1, dtype=np.int64), limits(), lease(), 0, 0.0, Word.none(1)
    )
    named = [name for name, _ in (*guards.SINGLE, *guards.RUN)]
    assert sorted(SCENES) == sorted([*named, *guards.caps(case, np.ones(1, dtype=np.bool_)), "approval"])


@pytest.mark.parametrize(
    ("row", "before", "given", "mode"),
    [
        pytest.param(budget(120 * UNIT), budget(100 * UNIT), {"max_step": 0.2}, Mode.STABLE, id="step-up"),
        pytest.param(budget(110 * UNIT), budget(100 * UNIT), {"max_step": 0.2}, Mode.CAUTIOUS, id="half-step-up"),
        pytest.param(bid(130), bid(100), {"max_bid_step": 0.3}, Mode.STABLE, id="bid-step-up"),
        pytest.param(budget(150 * UNIT), budget(100 * UNIT), {"max_day_change": 0.5}, Mode.STABLE, id="day-change"),
        pytest.param(bid(9), None, {"bid_max": 9}, Mode.STABLE, id="highest-bid"),
        pytest.param(budget(9), None, {"budget_max": 9}, Mode.STABLE, id="highest-budget"),
        pytest.param(weight(1_000_000, 2), None, {}, Mode.STABLE, id="whole-share"),
        pytest.param(budget(50), None, {"daily_nominal": 50}, Mode.STABLE, id="nominal"),
        pytest.param(budget(50), None, {"daily_exposure": 100}, Mode.STABLE, id="exposure-google"),
        pytest.param(budget(50, channel=1), None, {"daily_exposure": 88}, Mode.STABLE, id="exposure-meta-rounded-up"),
        pytest.param(budget(50), None, {"monthly": 1000, "month_left": 9}, Mode.STABLE, id="monthly"),
        pytest.param(budget(50), None, {"lifetime": 1000, "life_left": 9}, Mode.STABLE, id="lifetime"),
    ],
)
def test_a_limit_itself_passes_and_one_more_is_refused(
    row: Row, before: Row | None, given: dict[str, Any], mode: Mode, tmp_path: Path
) -> None:
    """Limits are inclusive, to the micro."""
    one = door(tmp_path)
    write(one, *([before] if before else []))
    more = (*row[:4], row[4] + 1)
    assert 1 == sum(ask(one, more, limits=limits(**given), lease=lease(mode)).refused.values())
    assert {} == write(one, row, limits=limits(**given), lease=lease(mode))


@pytest.mark.parametrize(
    ("row", "before", "given"),
    [
        pytest.param(budget(80 * UNIT), budget(100 * UNIT), {"max_step": 0.2}, id="step-down"),
        pytest.param(bid(70), bid(100), {"max_bid_step": 0.3}, id="bid-step-down"),
        pytest.param(bid(5), None, {"bid_min": 5}, id="lowest-bid"),
        pytest.param(budget(5), None, {"budget_min": 5}, id="lowest-budget"),
        pytest.param(weight(0, 0), weight(9, 0), {}, id="no-share"),
    ],
)
def test_a_lower_limit_itself_passes_and_one_less_is_refused(
    row: Row, before: Row | None, given: dict[str, Any], tmp_path: Path
) -> None:
    """Lower limits are inclusive too."""
    one = door(tmp_path)
    write(one, *([before] if before else []))
    less = (*row[:4], row[4] - 1)
    assert 1 == sum(ask(one, less, limits=limits(**given)).refused.values())
    assert {} == write(one, row, limits=limits(**given))


def test_closing_a_channel_is_no_step(tmp_path: Path) -> None:
    """A budget may go to 0 at once, and comes back no higher than the day's change allows."""
    one, given = door(tmp_path), limits(max_step=0.2, max_day_change=0.5)
    write(one, budget(100 * UNIT))
    assert {} == write(one, budget(0), limits=given)
    assert {"day_change": 1} == write(one, budget(151 * UNIT), limits=given)
    assert {} == write(one, budget(150 * UNIT), limits=given)


def test_repeated_steps_meet_the_days_change(tmp_path: Path) -> None:
    """Twenty per cent an hour stops at fifty per cent a day, and goes on the next day."""
    one, given = door(tmp_path), limits(max_step=0.2, max_day_change=0.5)
    write(one, budget(100 * UNIT))
    answers = [write(one, budget(at * UNIT), limits=given) for at in (120, 144, 172)]
    assert [{}, {}, {"day_change": 1}] == answers
    one.roll(midnight(24))
    assert {} == write(one, budget(172 * UNIT), limits=given, tick=24)


@pytest.mark.parametrize(("may_raise", "refused"), [(True, {}), (False, {"mode": 2})], ids=str)
def test_cautious_raises_nothing_where_the_lease_says_so(
    may_raise: bool, refused: dict[str, int], tmp_path: Path
) -> None:
    """With leave to raise half steps are left, without it only decreases."""
    one = door(tmp_path)
    write(one, budget(100), bid(100), weight(5, 0))
    rows = (budget(101), bid(101), weight(6, 0), budget(99, channel=1))
    write(one, budget(100, channel=1))
    assert refused == ask(one, *rows, limits=limits(), lease=lease(Mode.CAUTIOUS, may_raise=may_raise)).refused


@pytest.mark.parametrize("why", ["kill_switch", "freeze", "lapsed", "stale", "open"])
def test_a_pause_passes_whatever_else_is_refused(why: str, tmp_path: Path) -> None:
    """Nothing but its owner's autonomy setting is in the way of a pause."""
    one = door(tmp_path)
    write(one, status(1), lease=lease(epoch=2))
    if why == "kill_switch":
        throw_kill_switch(tmp_path)
    if why == "open":
        ask(one, bid(5), limits=limits(), lease=lease(epoch=2))
    leave = {
        "freeze": lease(Mode.FREEZE, epoch=2), "lapsed": lease(epoch=2, expires=0), "stale": lease(epoch=1),
    }.get(why, lease(epoch=2))  # fmt: skip
    caps = dict.fromkeys(("daily_nominal", "daily_exposure", "monthly", "lifetime"), -1)
    admission = ask(one, status(0), budget(9), limits=limits(allowed=False, **caps), lease=leave)
    assert [0] == values(admission.effects)
    assert 1 == sum(admission.refused.values())


def test_raises_of_one_batch_share_the_room(tmp_path: Path) -> None:
    """Each raise alone would fit; the second does not, takes no room, and the third does."""
    rows = (budget(60), budget(50, channel=1), budget(40, channel=2))
    admission = ask(door(tmp_path), *rows, limits=limits(daily_nominal=100))
    assert {"daily_nominal": 1} == admission.refused
    assert [60, 40] == values(admission.effects)


def test_room_is_each_campaigns_own(tmp_path: Path) -> None:
    """One campaign's raises leave another's room alone, in whatever order they come."""
    rows = [budget(60, campaign=row, channel=channel) for channel in range(2) for row in (2, 0, 1)]
    admission = ask(door(tmp_path, 3), *rows, limits=limits(3, daily_nominal=np.array([120, 60, 59])))
    assert {"daily_nominal": 3} == admission.refused
    assert [(0, 0), (1, 0), (0, 1)] == list(
        zip(admission.effects.campaign.tolist(), admission.effects.channel.tolist(), strict=True)
    )


@pytest.mark.parametrize("other", [bid(5), weight(5, 1), status(1)], ids=["bid", "weight", "status"])
@pytest.mark.parametrize("first", [True, False])
def test_another_write_on_the_channel_hides_no_raise(other: Row, first: bool, tmp_path: Path) -> None:
    """A launch writes budget, bid, shares and status of one channel in one batch; the budget counts all the same."""
    rows = (other, budget(1000)) if first else (budget(1000), other)
    admission = ask(door(tmp_path), *rows, limits=limits(daily_nominal=100))
    assert {"daily_nominal": 1} == admission.refused
    assert [other[4]] == values(admission.effects)


def test_a_raise_does_not_lean_on_a_decrease_of_its_batch(tmp_path: Path) -> None:
    """The platform may ignore the decrease; once it was read back, its room is there."""
    one, given = door(tmp_path), limits(daily_nominal=100)
    write(one, budget(100), limits=given)
    assert {"daily_nominal": 1} == write(one, budget(60, channel=1), budget(40), limits=given)
    assert {} == write(one, budget(60, channel=1), limits=given)


def test_lowering_frees_no_room_until_midnight(tmp_path: Path) -> None:
    """Platforms over-deliver on the day's highest budget, so lowering and raising again is no way round a cap."""
    one, given = door(tmp_path), limits(daily_exposure=200)
    write(one, budget(100), limits=given)
    write(one, budget(10), limits=given)
    assert {"daily_exposure": 1} == write(one, budget(1, channel=1), limits=given)
    assert {} == write(one, budget(100), limits=given)
    write(one, budget(10), limits=given)
    one.roll(midnight(24))
    assert {} == write(one, budget(100, channel=1), limits=given, tick=24)


def test_launching_is_refused_where_a_cap_is_passed_already(tmp_path: Path) -> None:
    """A paused budget counts; where people have since lowered the cap below it, it may not start to deliver."""
    one = door(tmp_path)
    write(one, budget(100))
    assert {"daily_exposure": 1} == write(one, status(1), limits=limits(daily_exposure=199))
    assert {} == write(one, status(1), limits=limits(daily_exposure=200))


@pytest.mark.parametrize("days", [0, 30, 365, 36_500])
@pytest.mark.parametrize("new", [NO_CAP, 2**63 - 1, NO_CAP // 64])
def test_sums_never_wrap_around(days: int, new: int, tmp_path: Path) -> None:
    """A budget beyond reckoning is refused, also where its worst case would turn negative in 64 bits."""
    given = limits(daily_exposure=100 * UNIT, month_left=days, life_left=days)
    admission = ask(door(tmp_path), *(budget(new, channel=c) for c in range(4)), limits=given)
    assert 4 == sum(admission.refused.values())


@pytest.mark.parametrize("row", [
    (-1, 0, 0, -1, 5), (1, 0, 0, -1, 5), (0, -1, 0, -1, 5), (0, 4, 0, -1, 5), (0, 0, 4, -1, 5), (0, 0, -1, -1, 5),
    (0, 0, 2, -1, 5), (0, 0, 2, 3, 5), (0, 0, 0, 0, 5), (-1, 0, 3, -1, 0),
], ids=str)  # fmt: skip
def test_settings_that_do_not_exist_are_refused(row: Any, tmp_path: Path) -> None:
    """An index out of range is refused by name, and reaches neither another campaign nor the rest of the batch."""
    admission = ask(door(tmp_path), row, budget(7), limits=limits())
    assert {"known": 1} == admission.refused
    assert [7] == values(admission.effects)


def test_an_older_epoch_is_stale(tmp_path: Path) -> None:
    """Once a newer coordinator has been seen, an older one writes nothing."""
    one = door(tmp_path)
    assert {} == write(one, bid(5), lease=lease(epoch=3))
    assert {"lease": 1} == write(one, bid(6), lease=lease(epoch=2))
    assert {} == write(one, bid(6), lease=lease(epoch=3))
