"""``swarm plan``, a person's word on it, ``rollback`` and ``drift``, on a journal that the real door wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from swarm.cli.main import cli
from swarm.effects.plans import Plan
from swarm.effects.proposals import Field, Proposals
from swarm.store.edits import record_edits
from swarm.store.journal import INTENT_COLUMNS, Journal
from swarm.store.plans import due, file, plans, used
from tests.effects.doors import UNIT, bid, budget
from tests.effects.test_plans import plan
from tests.observe.runs import BERLIN, DAYS
from tests.store.kept import unpacked

NEXT = 24 * DAYS
"""The market hour that runs."""
LEAST = np.full(2, 0.1)


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, list(words))


def told(*words: str) -> Any:
    answer = run(*words, "--json")
    return json.loads(answer.stdout)


def journal_in(folder: Path) -> Journal:
    return Journal(folder / "journal.sqlite")


def filed(folder: Path, *, word: Any = "approve") -> list[str]:
    """Two plans of the first campaign that wait: a budget's and a bid's."""
    one = plan(budget(150 * UNIT), bid(3 * UNIT), old=[100 * UNIT, 2 * UNIT], word=word, tick=NEXT - 1)
    return file(journal_in(folder), one, LEAST)


def write(folder: Path, asked: Proposals, old: list[int], tick: int) -> None:
    """Intents that were applied as asked."""
    journal, shared = journal_in(folder), {"tick": tick, "epoch": 1, "mode": "STABLE"}
    state = {"refused_by": "", "state": "intended"}
    names = ("campaign", "channel", "field", "creative", "new", "reason", "estimate", "price")
    rows = [
        {**shared, **state, "old": before, **{name: getattr(asked, name)[i].item() for name in names}}
        for i, before in enumerate(old)
    ]
    journal.settle(journal.intend([tuple(row[name] for name in INTENT_COLUMNS) for row in rows]), asked.new)


# ---- plan


def test_a_plan_is_shown_with_all_that_it_says(folder: Path) -> None:
    """Old and new value, reason, what it is expected to bring, and what the guards said."""
    asked = Plan(*(getattr(plan(budget(150 * UNIT), old=100 * UNIT), name) for name in Plan.__slots__))
    asked.asked.price[:] = 0.5
    asked.asked.reason[:] = "pace"
    file(journal_in(folder), asked, LEAST)
    (one,) = told("plan")["plans"]
    (move,) = one["moves"]
    assert (BERLIN.name, "open", "approve", 5) == (one["campaign"], one["state"], one["command"], one["tick"])
    assert ("100.00 EUR", "150.00 EUR", 25.0) == (move["old"], move["new"], move["expected_a_day"])
    assert ("budget", "approval", "bid follows click value and money's price") == (
        move["field"], move["guard"], move["reason"],
    )  # fmt: skip
    text = " ".join(run("plan").stdout.replace("│", " ").split())
    for words in ("100.00 EUR -> 150.00 EUR", f"swarm approve {one['digest'][:12]}", "+25 ", "held by approval"):
        assert words in text


def test_refusals_of_the_newest_hour_are_shown_with_their_promise(folder: Path) -> None:
    """So that people see the moves that were not made as well."""
    journal = journal_in(folder)
    journal.intend([(NEXT - 1, 0, 0, 0, -1, 1, 2, "pace", 0.1, 2.0, 1, "STABLE", "step", "refused")])
    (move,) = told("plan")["refused"]
    assert ("step", BERLIN.name) == (move["guard"], move["campaign"])
    assert move["promise"].startswith("No budget or bid moves further")
    assert "refused by" in run("plan").stdout


def test_a_journal_from_before_there_were_plans_has_none(folder: Path) -> None:
    """It is only read, so it stays as it is."""
    old = unpacked("before_charts", folder.parent / "old")
    before = (old / "journal.sqlite").read_bytes()
    assert [] == told("plan", "--name", "old")["plans"]
    assert [] == told("drift", "--name", "old")
    assert before == (old / "journal.sqlite").read_bytes()


# ---- the word


@pytest.mark.parametrize(
    ("command", "verdict"), [("approve", "approved"), ("apply", "applied"), ("reject", "rejected")]
)
def test_a_word_is_bound_to_its_plan(command: str, verdict: str, folder: Path) -> None:
    """By a shortened digest, with who gave it; the other plan stays open."""
    first, second = filed(folder)
    (answer,) = told(command, first[:8], "--who", "ana")
    assert {"digest": first, "campaign": BERLIN.name, "verdict": verdict} == answer
    states = {each.digest: (each.state(NEXT), each.who) for each in plans(journal_in(folder))}
    assert {first: (verdict, "ana"), second: ("open", "")} == states
    assert ([] if command == "reject" else [first]) == due(journal_in(folder), NEXT).digest.tolist()


def test_of_several_digests_all_are_decided_or_none(folder: Path) -> None:
    """One that is unknown leaves the others open."""
    first, second = filed(folder)
    answer = run("approve", first, "0123456789")
    assert (1, "") == (answer.exit_code, answer.stdout)
    assert "no plan's digest begins with '0123456789'" in answer.stderr
    assert {"open"} == {each.state(NEXT) for each in plans(journal_in(folder))}
    assert [first, second] == [each["digest"] for each in told("approve", first, second)]


def test_mistakes_are_one_line(folder: Path, tmp_path: Path) -> None:
    """Never a traceback: too short, decided already, in propose, no such swarm."""
    first, second = filed(folder, word="apply")
    run("reject", first)
    for words, said in (
        (("approve", first[:7]), "too short: give 8 digits or more"),
        (("apply", first), "was rejected by"),
        (("approve", second), "in propose: `swarm apply"),
        (("approve", first, "--name", "other"), "other has no journal; run folders that have one: runs/swarm"),
        (("rollback",), "say what to undo"),
        (("rollback", first), "is rejected, not written: there is nothing to undo"),
        (("rollback", "--campaign", BERLIN.name[:-1]), f"did you mean '{BERLIN.name}'?"),
    ):
        answer = run(*words)
        assert answer.exit_code in (1, 2)
        assert said in " ".join(answer.stderr.split())
        assert "Traceback" not in answer.output


# ---- rollback and drift


def applied(folder: Path) -> str:
    """A plan that was approved and written in the newest hour: budget 100 to 150."""
    first, _ = filed(folder)
    assert 0 == run("approve", first).exit_code
    found = due(journal_in(folder), NEXT)
    write(folder, found.asked, found.old.tolist(), NEXT)
    used(journal_in(folder), first, NEXT)
    return first


def test_rollback_restores_what_a_plan_changed(folder: Path) -> None:
    """As a plan that the person has approved with it, over the value that the write left."""
    answer = told("rollback", applied(folder), "--who", "ana")
    (move,) = answer["restored"]
    assert ("150.00 EUR", "100.00 EUR", []) == (move["now"], move["back"], answer["conflicts"])
    found = due(journal_in(folder), NEXT + 1)
    assert answer["digests"] == found.digest.tolist()
    assert ([100 * UNIT], [150 * UNIT], ["rollback"]) == (
        found.asked.new.tolist(), found.old.tolist(), found.asked.reason.tolist(),
    )  # fmt: skip


def test_rollback_overwrites_nobody(folder: Path) -> None:
    """An edit from outside after the write is a conflict: told with its values, and nothing is filed."""
    first = applied(folder)
    record_edits(journal_in(folder), [(NEXT, 0, 0, Field.BUDGET, -1, 150 * UNIT, 130 * UNIT, "eve", NEXT + 1)])
    answer = run("rollback", first, "--json")
    (conflict,) = json.loads(answer.stdout)["conflicts"]
    assert (1, "150.00 EUR", "130.00 EUR", "100.00 EUR") == (
        answer.exit_code, conflict["left"], conflict["now"], conflict["back"],
    )  # fmt: skip
    assert 0 == len(due(journal_in(folder), NEXT + 1).asked)
    assert "stays 130.00 EUR: what the write left was 150.00 EUR" in run("rollback", first).stdout


def test_rollback_of_a_campaign_is_of_its_last_moves(folder: Path) -> None:
    """The hour before stays as it was."""
    write(folder, plan(budget(120 * UNIT)).asked, [100 * UNIT], NEXT - 1)
    write(folder, plan(budget(150 * UNIT)).asked, [120 * UNIT], NEXT)
    open_ = np.array([row[0] for row in journal_in(folder).unsettled()])
    journal_in(folder).settle(open_, np.array([2 * UNIT]), missed="void")
    (move,) = told("rollback", "--campaign", BERLIN.name)["restored"]
    assert ("150.00 EUR", "120.00 EUR") == (move["now"], move["back"])
    assert ["120.00 EUR"] == [each["left"] for each in told("rollback", "--hour", str(NEXT - 1))["conflicts"]]


def test_an_open_write_is_a_conflict(folder: Path) -> None:
    """The run's last write has no outcome yet."""
    (conflict,) = told("rollback", "--hour", str(NEXT))["conflicts"]
    assert (None, "bid") == (conflict["left"], conflict["field"])


def test_drift_is_what_others_changed_since(folder: Path) -> None:
    """Over what we left; not what was changed back, nor what we wrote over in the hour in which it was seen."""
    assert [] == told("drift")
    assert "as the swarm left it" in run("drift").stdout
    ours = (0, 0, Field.BUDGET, -1)
    record_edits(journal_in(folder), [(NEXT - 2, *ours, 100 * UNIT, 170 * UNIT, "eve", NEXT - 1)] * 2)
    (one,) = told("drift")
    assert ("100.00 EUR", "170.00 EUR", NEXT - 2, NEXT - 1) == (one["ours"], one["theirs"], one["hour"], one["seen"])
    assert "ours 100.00 EUR, in force 170.00 EUR; changed by eve" in run("drift").stdout
    record_edits(journal_in(folder), [(NEXT - 1, *ours, 170 * UNIT, 100 * UNIT, "eve", NEXT)])
    assert [] == told("drift")
    record_edits(journal_in(folder), [(NEXT, *ours, 100 * UNIT, 90 * UNIT, "eve", NEXT)])
    assert 1 == len(told("drift"))
    write(folder, plan(budget(95 * UNIT)).asked, [90 * UNIT], NEXT)
    assert [] == told("drift")
