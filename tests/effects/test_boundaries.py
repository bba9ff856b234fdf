"""Where each guard's limit lies, to the micro and to the hour, and who is not meant by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from swarm.effects.door import Admission, Door, Word
from swarm.effects.lease import Lease, Mode
from swarm.effects.limits import NO_CAP, Autonomy, Limits, Shared
from swarm.platforms.protocol import Spending
from tests.effects.doors import (
    ALWAYS,
    Row,
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


def said(door: Door, rows: Sequence[Row], *, yes: Sequence[bool], limits: Limits, old: int = -1) -> Admission:
    """The first half of a write of which a person has approved some, for the values ``old``."""
    word = Word(np.array(yes), np.full(len(rows), old))
    return door.open(proposals(rows), limits, ALWAYS, 0, word=word)


def refused(door: Door, *rows: Row, **given: Any) -> dict[str, int]:
    """By guard; the intents that passed are void."""
    at = {name: given.pop(name) for name in ("lease", "tick") if name in given}
    wide = limits(len(door.ledger.budget), **given)
    admission = ask(door, *rows, limits=wide, **at)
    door.settle(admission.effects, door.ledger.value(*_place(admission)))
    return dict(admission.refused)


def _place(admission: Admission) -> tuple[Any, ...]:
    effects = admission.effects
    return effects.field, effects.campaign, effects.channel, effects.creative


def report(door: Door, *, today: Any = 0, month: Any = 0, life: Any = 0, as_of: Any = -1) -> None:
    """Spending as reported; a number stands for every campaign and channel."""
    rows, channels = door.ledger.budget.shape
    plane = [np.array(np.broadcast_to(each, (rows, channels)), dtype=np.int64) for each in (today, as_of)]
    row = [np.array(np.broadcast_to(each, rows), dtype=np.int64) for each in (month, life)]
    door.report(Spending(plane[0], row[0], row[1], plane[1]))


def test_every_setting_of_a_channel_may_be_written_in_one_batch(tmp_path: Path) -> None:
    """Budgets, bids, shares and status of two campaigns' channels are so many settings; a second share is one too."""
    rows = [
        (campaign, channel, field, creative, 1)
        for campaign in range(2)
        for channel in range(4)
        for field, creative in ((0, -1), (1, -1), (2, 0), (2, 1), (2, 2), (3, -1))
    ]
    assert {} == refused(door(tmp_path, 2), *rows)  # type: ignore[arg-type]
    assert {"once": 1} == refused(door(tmp_path, 2), weight(1, 0), weight(1, 1), weight(2, 1))


def test_cautious_without_leave_refuses_what_raises_and_that_alone(tmp_path: Path) -> None:
    """Two raises, three others: a rule the wrong way round would refuse as many."""
    one = door(tmp_path)
    write(one, budget(100), budget(100, channel=1), bid(100))
    rows = (budget(101), budget(99, channel=1), bid(90), weight(6, 0), status(1))
    admission = ask(one, *rows, limits=limits(), lease=lease(Mode.CAUTIOUS, may_raise=False))
    assert {"mode": 2} == admission.refused
    assert [99, 90, 6] == values(admission.effects)


@pytest.mark.parametrize(("as_of", "expected"), [(13, {}), (12, {"fresh": 1})])
def test_a_report_may_be_as_old_as_the_owner_said(as_of: int, expected: dict[str, int], tmp_path: Path) -> None:
    """In hour 20 the newest that can be known is hour 19; with six hours allowed, 13 will do and 12 will not."""
    one = door(tmp_path)
    write(one, budget(50))
    report(one, as_of=as_of)
    assert expected == refused(one, budget(51), max_age_h=6, tick=20)
    assert {} == refused(one, budget(49), budget(51, channel=1), max_age_h=6, tick=20)


@pytest.mark.parametrize(("row", "old", "most"), [
    (budget, 101, 151), (budget, 1, 1), (budget, 3, 4),
], ids=["budget", "one-micro", "three-micros"])  # fmt: skip
def test_learning_lets_pass_what_is_no_significant_edit(row: Any, old: int, most: int, tmp_path: Path) -> None:
    """Half of the value in force, rounded down, on Google; one more would make it learn anew."""
    one = door(tmp_path)
    write(one, row(old))
    one.ledger.learning[:] = True
    assert {"learning": 1} == refused(one, row(most + 1))
    assert {} == refused(one, row(most))
    assert {} == refused(one, row(most + 1), protect_learning=False)
    assert {} == refused(one, row(0), row(old * 9, channel=1))
    assert {} == refused(one, bid(5))


@pytest.mark.parametrize(("tick", "expected"), [(26, {"cooldown": 1}), (27, {})])
def test_a_cooldown_ends_with_its_hour(tick: int, expected: dict[str, int], tmp_path: Path) -> None:
    """Raised in hour 3, with a day to wait; a decrease does not wait, and does not begin the wait again."""
    one = door(tmp_path)
    write(one, budget(50), tick=3)
    write(one, budget(40), tick=5)
    assert expected == refused(one, budget(45), cooldown_h=24, tick=tick)
    assert {} == refused(one, budget(39), bid(9), cooldown_h=24, tick=4)


@pytest.mark.parametrize("ahead", ["month_left", "life_left"])
def test_a_budget_is_refused_from_where_its_worst_case_leaves_64_bits(ahead: str, tmp_path: Path) -> None:
    """By the longer horizon and the channel that could cost most: 16 times four channels, in twentieths."""
    most = 2**62 // (16 * 4 * (20 + 20 * 2 * 30))
    assert {} == refused(door(tmp_path), budget(most), **{ahead: 30})
    assert {"sane": 1} == refused(door(tmp_path), budget(most + 1), **{ahead: 30})


def test_a_budget_of_nothing_closes_a_channel_whatever_the_lowest(tmp_path: Path) -> None:
    """Between nothing and the lowest lies nothing."""
    one = door(tmp_path)
    write(one, budget(50))
    assert {} == refused(one, budget(0), budget_min=5)
    assert {"sane": 1} == refused(one, budget(1), budget_min=5)
    assert {"sane": 1} == refused(one, budget(-1), budget_min=-9)


def test_a_status_is_on_or_off(tmp_path: Path) -> None:
    """Nothing else is a status."""
    assert {"sane": 2} == refused(door(tmp_path), status(2), status(-1, channel=1))


def test_a_share_is_no_less_than_nothing(tmp_path: Path) -> None:
    """Nor has it a step."""
    one = door(tmp_path)
    write(one, weight(500_000, 0))
    assert {"sane": 1} == refused(one, weight(-1, 0))
    assert {} == refused(one, weight(1_000_000, 0), max_step=0.1, max_bid_step=0.1)


def test_a_first_budget_of_the_day_is_free_and_lowering_is_no_change(tmp_path: Path) -> None:
    """The day's change holds raises above midnight's value alone, and budgets alone."""
    one = door(tmp_path)
    assert {} == refused(one, budget(999), max_day_change=0.1)
    write(one, budget(100), bid(100))
    one.ledger.midnight[:] = 10
    assert {} == refused(one, budget(99), bid(150), max_day_change=0.1)
    assert {"day_change": 1} == refused(one, budget(101), max_day_change=0.1)


@pytest.mark.parametrize(("old", "expected"), [(100, {}), (99, {"current": 1}), (-1, {})])
def test_a_plan_is_written_over_what_it_was_made_for(old: int, expected: dict[str, int], tmp_path: Path) -> None:
    """And over nothing else; -1 stands for a proposal of this hour."""
    one = door(tmp_path)
    write(one, budget(100))
    assert expected == dict(said(one, [budget(110)], yes=[True], old=old, limits=limits()).refused)


@pytest.mark.parametrize(("level", "rows", "asks"), [
    (Autonomy.PROPOSE, (budget(90), bid(90), weight(5, 0), status(0, channel=1)), 4),
    (Autonomy.APPROVE, (budget(90), bid(90), weight(5, 0), status(0, channel=1)), 0),
    (Autonomy.APPROVE, (budget(101), bid(101), weight(5, 0), status(1)), 3),
    (Autonomy.AUTO, (budget(101), bid(999), weight(5, 0), status(1)), 0),
], ids=["propose", "approve-lower", "approve-raise", "auto"])  # fmt: skip
def test_who_needs_a_persons_word(level: Autonomy, rows: tuple[Row, ...], asks: int, tmp_path: Path) -> None:
    """All, what raises, or nobody; with it, all pass."""
    one = door(tmp_path)
    write(one, budget(100), bid(100), status(1, channel=1))
    given = limits(autonomy=level)
    assert asks == ask(one, *rows, limits=given).refused.get("approval", 0)
    one = door(tmp_path / "other")
    write(one, budget(100), bid(100), status(1, channel=1))
    assert {} == said(one, rows, yes=[True] * 4, limits=given).refused


@pytest.mark.parametrize(("new", "given", "asks"), [
    (120, {"ask_above": 0.2}, False), (121, {"ask_above": 0.2}, True), (90, {"ask_above": 0.2}, False),
    (110, {"ask_above_amount": 110}, False), (111, {"ask_above_amount": 110}, True),
    (90, {"ask_above_amount": 10}, False),
])  # fmt: skip
def test_from_where_a_raise_needs_a_persons_word(new: int, given: Any, asks: bool, tmp_path: Path) -> None:
    """Above the share or above the amount, and a decrease never."""
    one = door(tmp_path)
    write(one, budget(100), bid(100))
    assert ({"approval": 1} if asks else {}) == refused(one, budget(new), bid(new * 9), **given)
    assert {} == refused(one, budget(1000, channel=1), ask_above=0.2)


def test_what_waits_for_a_word_takes_room_after_the_others(tmp_path: Path) -> None:
    """A raise that nobody has approved does not stand in the way of one that may be made now."""
    rows, given = [budget(80), budget(60, channel=1)], limits(daily_nominal=100, ask_above_amount=70)
    admission = ask(door(tmp_path), *rows, limits=given)
    assert [60] == values(admission.effects)
    assert {"daily_nominal": 1} == admission.refused


def test_a_run_makes_as_many_writes_of_a_campaign_as_its_owner_allows(tmp_path: Path) -> None:
    """The first of each campaign; pauses do not count, and are never too many."""
    one = door(tmp_path, 2)
    write(one, status(1), status(1, channel=1), status(1, campaign=1))
    rows = [status(0), status(0, channel=1), *(bid(5, campaign=r, channel=c) for c in range(3) for r in range(2))]
    admission = ask(one, *rows, limits=limits(2, max_actions=2))
    assert {"actions": 2} == admission.refused
    assert [(0, 0), (0, 1), (0, 0), (1, 0), (0, 1), (1, 1)] == _places(admission)


def _places(admission: Admission) -> list[tuple[int, int]]:
    return list(zip(admission.effects.campaign.tolist(), admission.effects.channel.tolist(), strict=True))


def delivering(folder: Path, rows: int = 1) -> Door:
    """Every channel of every campaign delivers, with a budget of 100."""
    one = door(folder, rows)
    places = [(row, channel) for row in range(rows) for channel in range(4)]
    write(one, *(status(1, campaign=r, channel=c) for r, c in places))
    write(one, *(budget(100, campaign=r, channel=c) for r, c in places))
    return one


@pytest.mark.parametrize(("share", "count", "expected"), [
    (0.5, 2, {}), (0.5, 3, {"pauses": 3}), (0.74, 3, {"pauses": 3}), (0.01, 1, {}), (0.01, 2, {"pauses": 2}),
    (1.0, 4, {}),
])  # fmt: skip
def test_how_much_one_run_may_pause(share: float, count: int, expected: dict[str, int], tmp_path: Path) -> None:
    """Its share of the four that deliver, rounded down, and one in any case; a run that does too much does nothing."""
    one = delivering(tmp_path)
    assert expected == refused(one, *(status(0, channel=c) for c in range(count)), max_paused=share)


def test_a_person_may_pause_all_and_so_does_the_end(tmp_path: Path) -> None:
    """Approved pauses, those of campaigns that people have paused, and of campaigns off their schedule do not count."""
    rows = [status(0, channel=c) for c in range(4)]
    given = limits(max_paused=0.5)
    assert {} == said(delivering(tmp_path / "a"), rows, yes=[True] * 4, limits=given).refused
    assert {} == refused(delivering(tmp_path / "b"), *rows, max_paused=0.5, lease=replace(ALWAYS, resting=(0,)))
    assert {} == refused(delivering(tmp_path / "c"), *rows, max_paused=0.5, running=False)
    assert {"pauses": 4} == refused(delivering(tmp_path / "d"), *rows, max_paused=0.5)
    both = delivering(tmp_path / "e", 2)
    assert {"pauses": 4} == refused(both, *rows, max_paused=0.4, lease=replace(ALWAYS, resting=(1,)))


def test_other_writes_are_no_pauses(tmp_path: Path) -> None:
    """A launch and a bid of nothing stop nothing, and pass beside too many pauses."""
    one = delivering(tmp_path)
    admission = ask(one, *(status(0, channel=c) for c in range(3)), bid(7), limits=limits(max_paused=0.25))
    assert [7] == values(admission.effects)


@pytest.mark.parametrize(("lowest", "raised", "expected"), [
    (0, 100, {}), (50, 100, {}), (0, 99, {"lowering": 2}), (0, 120, {}),
])  # fmt: skip
def test_how_far_one_day_may_lower_budgets(lowest: int, raised: int, expected: dict[str, int], tmp_path: Path) -> None:
    """Half of 400 at midnight: two lowered to nothing leave it, and what the batch raises is counted too."""
    one = delivering(tmp_path)
    rows = [budget(lowest), budget(0, channel=1), budget(raised, channel=2)]
    if raised == 99:
        expected = {"lowering": 3}
    assert expected == refused(one, *rows, max_fall=0.5)


def test_lowering_is_summed_over_the_day(tmp_path: Path) -> None:
    """A quarter, and another one; what a person approves or has paused is no part of it, nor is another day."""
    one = delivering(tmp_path)
    write(one, budget(0))
    assert {"lowering": 2} == refused(one, budget(0, channel=1), budget(99, channel=2), max_fall=0.5)
    assert {} == refused(one, budget(0, channel=1), max_fall=0.5)
    assert {} == said(one, [budget(0, channel=c) for c in (1, 2)], yes=[True] * 2, limits=limits(max_fall=0.5)).refused
    other = delivering(tmp_path / "rest")
    rows = [budget(0, channel=c) for c in range(4)]
    assert {} == refused(other, *rows, max_fall=0.5, lease=replace(ALWAYS, resting=(0,)))
    assert {} == refused(other, bid(5), status(0), max_fall=0.01)


def shared(of: Sequence[int], *, rate: float = 1.0, daily: int = NO_CAP, monthly: int = NO_CAP) -> Shared:
    """One cap that some campaigns share."""
    return Shared(np.array(of), np.full(len(of), rate), np.array([daily]), np.array([monthly]))


@pytest.mark.parametrize(("cap", "expected"), [(41, {}), (40, {"shared_daily": 1})])
def test_a_shared_cap_holds_its_members_alone(cap: int, expected: dict[str, int], tmp_path: Path) -> None:
    """A third of 100 and of 20, each rounded up, are 41; the third campaign is no member."""
    one = door(tmp_path, 3)
    write(one, budget(10, campaign=1), budget(900, campaign=2))
    given = shared([0, 0, -1], rate=0.333, daily=cap)
    assert expected == refused(one, budget(50), budget(901, campaign=2), shared=given)


@pytest.mark.parametrize(("cap", "expected"), [(1100, {}), (1099, {"shared_monthly": 1})])
def test_a_shared_month_counts_the_days_to_come(cap: int, expected: dict[str, int], tmp_path: Path) -> None:
    """Google at its factor of two for ten days, and what both members have spent."""
    one = door(tmp_path, 2)
    report(one, month=[60, 40])
    assert expected == refused(one, budget(50), shared=shared([0, 0], monthly=cap), month_left=9)


def test_what_does_not_fit_ends_a_batchs_raises_of_a_shared_cap(tmp_path: Path) -> None:
    """Rather too few than too many: the third raise would fit, and waits for the next hour; decreases do not."""
    one = door(tmp_path, 2)
    write(one, budget(5, channel=3))
    rows = (budget(40), budget(30, campaign=1), budget(1, channel=1), budget(4, channel=3))
    admission = ask(one, *rows, limits=limits(2, shared=shared([0, 0], daily=130)))
    assert {"shared_daily": 2} == admission.refused
    assert [40, 4] == values(admission.effects)


@pytest.mark.parametrize("name", ["monthly", "lifetime"])
@pytest.mark.parametrize(("as_of", "cap"), [(23, 200), (22, 300)])
def test_a_yesterday_that_is_not_reported_whole_counts_once_more(
    as_of: int, cap: int, name: str, tmp_path: Path
) -> None:
    """Reported are 100, and today's highest budget may cost 100; until hour 23 is reported, so may yesterday's."""
    one = door(tmp_path)
    write(one, budget(50))
    one.roll(midnight(24))
    write(one, budget(0), tick=24)
    report(one, month=100, life=100, as_of=as_of)
    assert {} == refused(one, budget(50), tick=24, **{name: cap})
    assert {name: 1} == refused(one, budget(50), tick=24, **{name: cap - 1})
    assert {name: 1} == refused(one, budget(51), tick=24, **{name: cap + 1})


@pytest.mark.parametrize("name", ["monthly", "lifetime"])
def test_what_is_spent_today_is_not_counted_twice(name: str, tmp_path: Path) -> None:
    """The month's sum has today's money in it, and so has today's worst case."""
    one, days = door(tmp_path), {"monthly": "month_left", "lifetime": "life_left"}[name]
    write(one, budget(50))
    report(one, today=[[80, 0, 0, 0]], month=80, life=80)
    given: dict[str, Any] = {days: 1}
    assert {} == refused(one, budget(51), **{name: 204}, **given)
    assert {name: 1} == refused(one, budget(51), **{name: 203}, **given)


def test_spend_past_the_worst_case_counts_as_it_is(tmp_path: Path) -> None:
    """A raise adds only what goes past it."""
    one = door(tmp_path)
    write(one, budget(50))
    report(one, today=[[130, 0, 0, 0]], month=130, life=130)
    assert {} == refused(one, budget(65), daily_exposure=130)
    assert {"daily_exposure": 1} == refused(one, budget(66), daily_exposure=131)
    assert {} == refused(one, budget(66), daily_exposure=132)


def test_a_raise_that_nobody_has_heard_of_keeps_its_room(tmp_path: Path) -> None:
    """Until it is settled it counts as in force, and another process counts it too."""
    one = door(tmp_path, 2)
    ask(one, budget(60), limits=limits(2))
    for each in (one, door(tmp_path, 2)):
        if each is not one:
            each.restore(began([0, 0]), 0)
        assert 60 == each.ledger.reserved[0, 0]
        given = shared([0, 0], daily=150)
        assert {"shared_daily": 1} == refused(each, budget(16, campaign=1), shared=given)
        assert {} == refused(each, budget(15, campaign=1), shared=given)


def test_a_lease_of_the_same_epoch_holds(tmp_path: Path) -> None:
    """Only an older one is stale."""
    one, given = door(tmp_path), Lease(3, Mode.STABLE, True, 1, 10)
    write(one, bid(5), lease=given)
    assert {} == refused(one, bid(6), lease=given, tick=9)
    assert {"lease": 1} == refused(one, bid(7), lease=given, tick=10)


def test_the_hour_of_a_day_that_does_not_begin_changes_nothing(tmp_path: Path) -> None:
    """Highest, midnight and yesterday's budgets change where a day begins, and nowhere else."""
    one = door(tmp_path, 2)
    write(one, budget(50), budget(70, campaign=1))
    write(one, budget(40), budget(60, campaign=1))
    one.roll(moment(1, np.array([True, False])))
    assert [40, 70] == one.ledger.highest[:, 0].tolist()
    assert [40, 70] == one.ledger.midnight[:, 0].tolist()
    assert 50 == one.ledger.eve[0, 0]


@pytest.mark.parametrize(("limit", "name"), [("max_step", "step"), ("max_day_change", "day_change")])
def test_shares_of_odd_amounts_are_rounded_down(limit: str, name: str, tmp_path: Path) -> None:
    """Half of 101 is 50."""
    one = door(tmp_path)
    write(one, budget(101))
    assert {} == refused(one, budget(151), **{limit: 0.5})
    assert {name: 1} == refused(one, budget(152), **{limit: 0.5})


def test_a_raise_from_one_micro_needs_a_word_too(tmp_path: Path) -> None:
    """A launch from nothing has no share, anything else has."""
    one = door(tmp_path)
    write(one, budget(1))
    assert {"approval": 1} == refused(one, budget(2), ask_above=0.2)


def test_a_raise_adds_what_it_raises_by(tmp_path: Path) -> None:
    """To the sum of budgets."""
    one = door(tmp_path)
    write(one, budget(50))
    assert {} == refused(one, budget(60), daily_nominal=60)
    assert {"daily_nominal": 1} == refused(one, budget(60), daily_nominal=59)


def test_what_its_own_cap_refuses_takes_no_room_of_a_shared_one(tmp_path: Path) -> None:
    """The other campaign's raise fits."""
    rows, given = (budget(50), budget(40, campaign=1)), shared([0, 0], daily=100)
    admission = ask(door(tmp_path, 2), *rows, limits=limits(2, daily_nominal=np.array([49, 100]), shared=given))
    assert {"daily_nominal": 1} == admission.refused
    assert [40] == values(admission.effects)


def test_an_untouched_budget_is_counted_by_its_own_ceiling(tmp_path: Path) -> None:
    """Two budgets to come where nobody edited it, one where somebody did; the raised one was edited."""
    one = door(tmp_path)
    write(one, budget(50))
    one.ledger.touched[:] = False
    parts = np.empty((2, 1, 4), dtype=np.int64)
    parts[0], parts[1] = 40, 20
    passed = replace(limits(monthly=203), month_ahead=parts)
    assert {} == ask(one, budget(1, channel=1), limits=passed).refused
    one.settle(one.unsettled(), np.array([0]))
    assert {"monthly": 1} == ask(one, budget(1, channel=1), limits=replace(passed, monthly=np.array([202]))).refused


def test_what_lowers_no_budget_passes_beside_too_much_lowering(tmp_path: Path) -> None:
    """A lower bid and a lower share are no part of it."""
    one = delivering(tmp_path)
    write(one, bid(9), weight(9, 0))
    admission = ask(one, *(budget(0, channel=c) for c in range(3)), bid(8), weight(8, 0), limits=limits(max_fall=0.5))
    assert {"lowering": 3} == admission.refused
    assert [8, 8] == values(admission.effects)


def test_campaigns_that_rest_are_no_part_of_what_a_day_may_lower(tmp_path: Path) -> None:
    """Half of the other's 400, to the micro."""
    one, given = delivering(tmp_path, 2), replace(ALWAYS, resting=(1,))
    rows = (budget(0), budget(0, channel=1))
    assert {"lowering": 3} == refused(one, *rows, budget(99, channel=2), max_fall=0.5, lease=given)
    assert {} == refused(one, *rows, max_fall=0.5, lease=given)


def test_each_share_is_its_own_setting(tmp_path: Path) -> None:
    """A share that is in force is not written again, whatever the others are."""
    one = door(tmp_path)
    write(one, weight(5, 0), weight(6, 1), weight(7, 2))
    admission = ask(one, weight(5, 0), weight(6, 1), weight(7, 2), budget(1), limits=limits())
    assert (3, [1]) == (admission.unchanged, values(admission.effects))
