"""Plans: what a person's word is bound to, and what becomes of it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.effects.door import Door, Word
from swarm.effects.guards import refusals
from swarm.effects.limits import Autonomy, Limits
from swarm.effects.plans import EXPIRES_H, REMEMBERED_H, Plan, alike, canonical, digest, expected, held, read
from swarm.effects.proposals import Field, Proposals
from swarm.store.journal import Journal
from swarm.store.plans import decide, due, file, file_decided, named, plans, used
from tests.effects.doors import ALWAYS, UNIT, Row, bid, budget, door, limits, proposals, status, write
from tests.observe.runs import submit

LEAST = np.full(2, 0.1)
ROWS = st.lists(
    st.tuples(
        st.integers(0, 1), st.integers(0, 3), st.sampled_from(list(Field)), st.integers(-1, 2), st.integers(0, 10**12)
    ),
    min_size=1,
    max_size=8,
)


def plan(
    *rows: Row, old: Sequence[int] | int = UNIT, word: Literal["apply", "approve"] = "approve", tick: int = 5
) -> Plan:
    """A plan whose moves the approval guard held."""
    asked = proposals(rows)
    values = np.broadcast_to(np.array(old, dtype=np.int64), (len(asked),))
    return Plan(asked, values, np.full(len(asked), "approval"), word, tick, tick + EXPIRES_H)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """The journal of two campaigns."""
    made = Journal(tmp_path / "journal.sqlite")
    submit(made)
    return made


def told(asked: Proposals) -> list[tuple[int, ...]]:
    """Setting and new value of each move."""
    columns = (asked.campaign, asked.channel, asked.field, asked.creative, asked.new)
    return [tuple(map(int, row)) for row in zip(*columns, strict=True)]


# ---- the digest


@given(ROWS, st.integers(0, 10**6))
def test_a_plan_comes_back_from_its_bytes(rows: list[Row], tick: int) -> None:
    """To the byte, so that the digest of what is read is the digest of what was filed."""
    one = plan(*rows, tick=tick)
    again = read(canonical(one))
    assert canonical(one) == canonical(again)
    assert told(one.asked) == told(again.asked)
    assert (one.old.tolist(), one.word, one.expires) == (again.old.tolist(), again.word, again.expires)


@pytest.mark.parametrize("name", [*Proposals.__slots__, "old", "verdict", "word", "tick", "expires"])
def test_the_digest_is_of_all_that_a_plan_says(name: str) -> None:
    """Whatever is changed, the word that was given for the one is none for the other."""
    one = plan(budget(3 * UNIT), bid(2 * UNIT))
    own: dict[str, Any] = {part: getattr(one, part) for part in Plan.__slots__}
    asked: dict[str, Any] = {part: getattr(one.asked, part) for part in Proposals.__slots__}
    where = asked if name in asked else own
    where[name] = _another(where[name])
    assert digest(one) != digest(Plan(**{**own, "asked": Proposals(**asked)}))
    assert digest(one) == digest(plan(budget(3 * UNIT), bid(2 * UNIT)))


def _another(value: Any) -> Any:
    """Another value of the same kind; of a column, in its last row."""
    if isinstance(value, np.ndarray):
        return np.array([*value[:-1].tolist(), "another" if value.dtype.kind == "U" else 7])
    return "apply" if value == "approve" else value + 1


@given(ROWS)
def test_parts_are_the_whole(rows: list[Row]) -> None:
    """Each part is of one campaign and one field, and together they make every move once."""
    one = plan(*rows)
    parts = list(one.parts())
    assert sorted(told(one.asked)) == sorted(move for part in parts for move in told(part.asked))
    keys = [{(move[0], move[2]) for move in told(part.asked)} for part in parts]
    assert all(len(key) == 1 for key in keys)
    assert len(parts) == len(set().union(*keys))


def test_what_a_budget_is_expected_to_bring() -> None:
    """Its move in currency units times the price of money; nothing is foretold of a bid."""
    asked = replace(proposals([budget(150 * UNIT), budget(20 * UNIT), bid(2 * UNIT)]), price=np.full(3, 0.5))
    assert [25.0, -40.0] == expected(asked, np.array([100, 100, 1]) * UNIT)[:2].tolist()
    assert np.isnan(expected(asked, np.array([100, 100, 1]) * UNIT)[2])


@pytest.mark.parametrize(
    ("new", "same"), [(90 * UNIT, True), (110 * UNIT, True), (110 * UNIT + 1, False), (90 * UNIT - 1, False)]
)
def test_moves_are_alike_within_the_least_change(new: int, same: bool) -> None:
    """Of the same setting alone, the bound included."""
    other = plan(budget(100 * UNIT), bid(new, channel=1))
    assert [same, False] == alike(plan(budget(new), bid(new)), [other], LEAST).tolist()


def test_a_status_is_alike_only_if_it_is_the_same() -> None:
    """Whatever the least change is."""
    assert [False, True] == alike(plan(status(1), status(0, channel=1)), [
        plan(status(0), status(0, channel=1))
    ], np.full(2, 1.0)).tolist()  # fmt: skip


# ---- filing


def test_a_move_that_waits_is_not_filed_again(journal: Journal) -> None:
    """Nor one within the campaign's least change; one beyond takes its place, and that one alone is open."""
    (first,) = file(journal, plan(budget(100 * UNIT)), LEAST)
    assert [] == file(journal, plan(budget(105 * UNIT), tick=6), LEAST)
    (second,) = file(journal, plan(budget(120 * UNIT), tick=7), LEAST)
    assert {first: "superseded", second: "open"} == {each.digest: each.state(7) for each in plans(journal)}
    with pytest.raises(ValueError, match="is superseded"):
        decide(journal, first, "ana", "approved", 8)


def test_what_is_said_of_bids_leaves_budgets_open(journal: Journal) -> None:
    """Bids move every hour, budgets once a day."""
    first = file(journal, plan(budget(100 * UNIT), bid(UNIT)), LEAST)
    assert 2 == len(first)
    (bids,) = file(journal, plan(bid(2 * UNIT), tick=6), LEAST)
    states = {int(each.plan.asked.field[0]): each.state(6) for each in plans(journal) if each.digest != bids}
    assert {Field.BUDGET: "open", Field.BID: "superseded"} == states


def test_an_hour_that_is_tried_again_files_nothing_new(journal: Journal) -> None:
    """The same plan of the same hour is the same plan."""
    one = plan(budget(100 * UNIT), bid(UNIT), status(1, campaign=1))
    assert 3 == len(file(journal, one, LEAST))
    assert [] == file(journal, one, LEAST)
    assert 3 == len(plans(journal))


def test_a_rejection_is_remembered_for_a_week(journal: Journal) -> None:
    """The same move is left out, another one of the same hour is filed; after the week it may be proposed again."""
    (name,) = file(journal, plan(budget(100 * UNIT)), LEAST)
    decide(journal, name, "ana", "rejected", 10)
    later = 10 + REMEMBERED_H
    assert [] == file(journal, plan(budget(109 * UNIT), tick=later - 1), LEAST)
    (other,) = file(journal, plan(budget(100 * UNIT), budget(50 * UNIT, channel=1), tick=later - 1), LEAST)
    (filed,) = (each.plan for each in plans(journal) if each.digest == other)
    assert [(0, 1, 0, -1, 50 * UNIT)] == told(filed.asked)
    assert 1 == len(file(journal, plan(budget(100 * UNIT), tick=later), LEAST))


# ---- the word


def test_nothing_is_due_without_a_word(journal: Journal) -> None:
    """An open plan and a rejected one are never written."""
    first, _ = file(journal, plan(budget(100 * UNIT), bid(UNIT)), LEAST)
    decide(journal, first, "ana", "rejected", 6)
    assert 0 == len(due(journal, 6).asked)


def test_what_was_approved_is_due_until_it_is_used(journal: Journal) -> None:
    """With the values that it was made for; told twice that it was used, it stays so."""
    (name,) = file(journal, plan(budget(100 * UNIT), budget(50 * UNIT, channel=1), old=[80 * UNIT, 70 * UNIT]), LEAST)
    decide(journal, name, "ana", "approved", 6)
    found = due(journal, 6)
    assert [(0, 0, 0, -1, 100 * UNIT), (0, 1, 0, -1, 50 * UNIT)] == told(found.asked)
    assert ([80 * UNIT, 70 * UNIT], {name}) == (found.old.tolist(), set(found.digest.tolist()))
    used(journal, name, 6)
    used(journal, name, 7, "void")
    assert 0 == len(due(journal, 7).asked)
    assert [("written", 6)] == [(each.end, each.ended) for each in plans(journal)]


def test_a_hand_edit_voids_the_whole_plan(journal: Journal) -> None:
    """What was approved together is written together or not at all; other plans go on."""
    names = file(journal, plan(budget(100 * UNIT), budget(50 * UNIT, channel=1), bid(2 * UNIT), old=UNIT), LEAST)
    for name in names:
        decide(journal, name, "ana", "approved", 6)
    found = due(journal, 6)
    edited = np.where(found.asked.channel == 1, 9 * UNIT, UNIT)
    assert [move[2] == Field.BID for move in told(found.asked)] == found.current(edited).tolist()
    assert found.current(np.full(3, UNIT)).all()


def test_a_plan_expires(journal: Journal) -> None:
    """In its last hour it may be decided and is due, one hour later neither."""
    (late,) = file(journal, plan(budget(100 * UNIT)), LEAST)
    end = 5 + EXPIRES_H
    with pytest.raises(ValueError, match="is expired"):
        decide(journal, late, "ana", "approved", end)
    decide(journal, late, "ana", "approved", end - 1)
    assert (1, 0) == (len(due(journal, end - 1).asked), len(due(journal, end).asked))
    assert "expired" == plans(journal)[0].state(end)


def test_each_plan_is_decided_once(journal: Journal) -> None:
    """A second word is refused, with who gave the first and when; the journal tells the word to those who read it."""
    (name,) = file(journal, plan(budget(100 * UNIT)), LEAST)
    decide(journal, name, "ana", "approved", 6)
    with pytest.raises(ValueError, match=r"was approved by ana in hour 6: each is decided once"):
        decide(journal, name, "bob", "rejected", 7)
    (event,) = journal.events(6, 7)
    assert (6, "approved", journal.campaigns()[0][0], f"plan {name[:12]}, ana") == event


def test_a_campaign_in_propose_needs_apply(journal: Journal) -> None:
    """To approve is not enough there; to apply is enough everywhere."""
    first, second = file(journal, plan(budget(100 * UNIT), bid(UNIT), word="apply"), LEAST)
    with pytest.raises(ValueError, match=f"in propose: `swarm apply {first[:12]}` writes it"):
        decide(journal, first, "ana", "approved", 6)
    decide(journal, first, "ana", "applied", 6)
    assert {first} == set(due(journal, 6).digest.tolist())
    assert "open" == next(each.state(6) for each in plans(journal) if each.digest == second)


@pytest.mark.parametrize("change", ["replace(body, '100000000', '900000000')", "body || ' '", "'{}'", "'not JSON'"])
def test_a_plan_that_was_altered_is_none(change: str, journal: Journal) -> None:
    """A word given for it is void, none can be given, and nobody is shown it as the plan that was filed."""
    first, second = file(journal, plan(budget(100 * UNIT), budget(100 * UNIT, campaign=1)), LEAST)
    decide(journal, first, "ana", "approved", 6)
    with journal.writing() as db:
        db.execute(f"UPDATE plans SET body = {change}")
    assert 0 == len(due(journal, 6).asked)
    assert [] == plans(journal)
    with pytest.raises(ValueError, match="its content is not what was filed"):
        decide(journal, second, "ana", "approved", 6)


def test_what_a_person_asks_for_is_approved_already(journal: Journal) -> None:
    """Even what was rejected before."""
    (name,) = file(journal, plan(budget(100 * UNIT)), LEAST)
    decide(journal, name, "ana", "rejected", 6)
    (own,) = file_decided(journal, plan(budget(100 * UNIT), word="apply", tick=7), "ana")
    assert {own} == set(due(journal, 7).digest.tolist())


_DECIDE = """
import sys
from pathlib import Path
from swarm.store.journal import Journal
from swarm.store.plans import decide
journal = Journal(Path(sys.argv[1]))
sys.stdin.readline()
try:
    decide(journal, sys.argv[2], sys.argv[3], "approved", 6)
except ValueError as error:
    print(error)
"""


def test_of_several_people_at_once_one_decides(journal: Journal) -> None:
    """Four processes give their word together: one is taken, three are told whose it was."""
    (name,) = file(journal, plan(budget(100 * UNIT)), LEAST)
    people = [
        subprocess.Popen(
            [sys.executable, "-c", _DECIDE, str(journal.path), name, who],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for who in "abcd"
    ]
    for person in people:
        assert person.stdin is not None
        person.stdin.write("now\n")
        person.stdin.flush()
    answers = [person.communicate(timeout=60)[0].strip() for person in people]
    (filed,) = plans(journal)
    assert 1 == answers.count("")
    assert "abcd"[answers.index("")] == filed.who
    assert 3 == sum(f"was approved by {filed.who}" in answer for answer in answers)


# ---- names


def test_a_digest_may_be_shortened(journal: Journal) -> None:
    """To 8 digits; less, none and several are told apart."""
    (name,) = file(journal, plan(budget(100 * UNIT)), LEAST)
    assert name == named(journal, name[:8]) == named(journal, name) == named(journal, name[:9].upper())
    with journal.writing() as db:
        db.executemany("INSERT INTO plans VALUES (?, 0, 9, '')", [(f"abcdef12{end}",) for end in "01"])
    for prefix, said in (
        (name[:7], "too short: give 8 digits or more"),
        ("ffffffffffff", "no plan's digest begins with 'ffffffffffff'"),
        ("abcdef12", "ambiguous: it begins abcdef120, abcdef121"),
    ):
        with pytest.raises(ValueError, match=said):
            named(journal, prefix)


# ---- through the door


def judged(one: Door, *rows: Row, given: Limits, tick: int) -> list[Plan]:
    """What the real guards hold for a person."""
    asked = proposals(rows)
    old = one.ledger.value(asked.field, asked.campaign, asked.channel, asked.creative)
    case = one._case(asked, old, given, ALWAYS, tick, 0.0, Word.none(len(asked)))
    return held(asked, old, refusals(case), given.autonomy, tick)


def carried_out(one: Door, given: Limits, tick: int) -> dict[str, int]:
    """Everything that is due, written as the door would; refusals by guard."""
    found = due(one._journal, tick)
    admission = one.open(
        found.asked, given, ALWAYS, tick, word=Word(np.ones(len(found.old), dtype=np.bool_), found.old)
    )
    one.close(admission, admission.effects.value)
    for name in set(found.digest.tolist()):
        used(one._journal, name, tick)
    return dict(admission.refused)


@pytest.mark.parametrize(
    ("level", "word", "held_"),
    [
        (Autonomy.OBSERVE, "", []),
        (Autonomy.PROPOSE, "apply", [0, 1, 2]),
        (Autonomy.APPROVE, "approve", [0, 2]),
        (Autonomy.AUTO, "approve", [0]),
    ],
)
def test_each_mode_holds_what_it_should(level: Autonomy, word: str, held_: list[int], tmp_path: Path) -> None:
    """A large raise, a lowering and a small raise; what observe refuses is nobody's to approve."""
    one = door(tmp_path)
    write(one, budget(100 * UNIT), budget(100 * UNIT, channel=1), budget(100 * UNIT, channel=2))
    given = limits(autonomy=level, ask_above=0.3)
    rows = (budget(140 * UNIT), budget(80 * UNIT, channel=1), budget(120 * UNIT, channel=2))
    found = judged(one, *rows, given=given, tick=5)
    assert held_ == [channel for each in found for channel in each.asked.channel.tolist()]
    assert {word} - {""} == {each.word for each in found}
    assert {"approval"} >= {name for each in found for name in each.verdict.tolist()}


def test_a_plan_is_written_after_the_word_and_once(tmp_path: Path) -> None:
    """Not before, not twice, and through the caps like every write."""
    one = door(tmp_path)
    submit(one._journal)
    write(one, budget(100 * UNIT))
    given = limits(autonomy=Autonomy.APPROVE)
    (waiting,) = judged(one, budget(150 * UNIT), given=given, tick=5)
    (name,) = file(one._journal, waiting, LEAST)
    assert ({}, 100 * UNIT) == (carried_out(one, given, 5), one.ledger.budget[0, 0])
    decide(one._journal, name, "ana", "approved", 6)
    assert ({}, 150 * UNIT) == (carried_out(one, given, 6), one.ledger.budget[0, 0])
    write(one, budget(100 * UNIT), tick=7)
    assert ({}, 100 * UNIT) == (carried_out(one, given, 8), one.ledger.budget[0, 0])


@pytest.mark.parametrize(
    ("now", "cap", "guard"), [(90 * UNIT, 10**15, "current"), (100 * UNIT, 120 * UNIT, "daily_nominal")]
)
def test_a_word_opens_no_other_guard(now: int, cap: int, guard: str, tmp_path: Path) -> None:
    """A value that was edited meanwhile stays, and a cap that was lowered meanwhile holds."""
    one = door(tmp_path)
    submit(one._journal)
    write(one, budget(100 * UNIT))
    (waiting,) = judged(one, budget(150 * UNIT), given=limits(autonomy=Autonomy.APPROVE), tick=5)
    (name,) = file(one._journal, waiting, LEAST)
    decide(one._journal, name, "ana", "approved", 6)
    write(one, budget(now), tick=6)
    before = one.ledger.budget[0, 0]
    assert {guard: 1} == carried_out(one, limits(autonomy=Autonomy.APPROVE, daily_nominal=cap), 7)
    assert before == one.ledger.budget[0, 0]
