"""What others changed, kept in order."""

from __future__ import annotations

from pathlib import Path

import pytest

from swarm.store.edits import Edit, drifted, edits, now, record_edits
from swarm.store.journal import Journal
from tests.observe.runs import submit


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """A journal in which nothing was written to a platform."""
    made = Journal(tmp_path / "journal.sqlite")
    submit(made)
    return made


def edit(old: int, new: int, *, tick: int = 3, seen: int = 4) -> Edit:
    """Somebody's change of one budget."""
    return tick, 0, 0, 0, -1, old, new, "eve", seen


def test_changes_of_one_hour_are_all_kept(journal: Journal) -> None:
    """The newest of them is in force, whichever value is the higher."""
    record_edits(journal, [edit(5, 9), edit(9, 6), edit(6, 8, tick=2, seen=5)])
    assert [9, 6, 8] == [row[6] for row in edits(journal)]
    assert ([8], {(0, 0, 0, -1): 8}) == ([drift.theirs for drift in drifted(journal)], now(journal))


def test_told_again_it_counts_once(journal: Journal) -> None:
    """An hour that is tried again sees the same changes again, and moves none of them to another hour."""
    for seen in (4, 5):
        record_edits(journal, [edit(5, 9, seen=seen), edit(9, 6, seen=seen)])
    assert [(9, 4), (6, 4)] == [(row[6], row[8]) for row in edits(journal)]
    assert ([], 2) == (edits(journal, 5), len(edits(journal, 4, 5)))
