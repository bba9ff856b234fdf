"""Journals of earlier schemas: read as they are, brought forward with all that they hold, chained from then on."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from swarm.errors import JournalError
from swarm.store.chain import heads, verify
from swarm.store.journal import Journal
from swarm.store.schema import _FIRST, _FORWARD, SCHEMA_VERSION
from tests.store.kept import HOURS, unpacked
from tests.store.samples import row


def earlier(path: Path, schema: int) -> None:
    """A journal as a program of ``schema`` left it: a write of each state, a refusal, two answers."""
    db = sqlite3.connect(path)
    db.executescript(_FIRST)
    for version in range(1, schema):
        db.executescript(_FORWARD[version])
    db.execute("INSERT INTO meta VALUES ('schema', ?)", (str(schema),))
    outcomes = (("applied", 5), ("void", 3), ("intended", None), ("refused", None))
    for tick, (state, read_back) in enumerate(outcomes):
        asked = (*row(tick)[:-1], state, read_back)
        db.execute(f"INSERT INTO intents VALUES (NULL, {', '.join('?' * len(asked))})", asked)
    db.executemany("INSERT INTO answers VALUES (?, 'health', 0, ?)", [(1, b"old"), (1, b"new")])
    if schema > 1:
        db.execute("INSERT INTO events VALUES (NULL, 2, 'hold', 'FREEZE', 'a person')")
    db.commit()
    db.close()


def told(journal: Journal) -> list[Any]:
    """All that readers ask of what has moved."""
    return [
        journal.intents(), journal.counts(), journal.unsettled(), journal.in_force(99), journal.batch(1),
        journal.budgets_between(0, 9), journal.moves(0, 0, 9), journal.answers(), journal.counts_by_campaign(),
        journal.events(0, 99), journal.tried(), journal.last_epoch(),
    ]  # fmt: skip


@pytest.mark.parametrize("schema", [1, 2])
def test_an_earlier_journal_is_read_as_it_is_and_goes_on(schema: int, tmp_path: Path) -> None:
    """A reader leaves it untouched and hears the same as after it was brought forward."""
    path = tmp_path / "journal.sqlite"
    earlier(path, schema)
    before = path.read_bytes()
    reader = Journal(path, read_only=True)
    heard = told(reader)
    assert str(schema) == reader.recall("schema")
    reader.close()
    assert (before, [path]) == (path.read_bytes(), list(tmp_path.iterdir()))
    assert {"applied": 1, "void": 1, "intended": 1, "refused by ": 1} == heard[1]
    journal = Journal(path)
    assert (str(SCHEMA_VERSION), heard) == (journal.recall("schema"), told(journal))
    assert [5] == journal.intend([row(9)]).tolist()
    journal.settle(np.array([3]), np.array([5]))
    assert {"applied": 2, "void": 1, "intended": 1, "refused by ": 1} == journal.counts()
    journal.event(9, "release", "FREEZE", "a person")
    assert (5, 3, schema) == tuple(head.id for head in heads(journal).values())
    assert verify(journal) is None


def test_the_chain_begins_with_what_was_there(tmp_path: Path) -> None:
    """From the first opening on, old lines are protected as new ones are."""
    path = tmp_path / "journal.sqlite"
    earlier(path, 2)
    journal = Journal(path)
    for table in ("intents", "settlements", "events"):
        with pytest.raises(JournalError, match="append-only"):
            journal._db.execute(f"DELETE FROM {table}")
    journal._db.execute("DROP TRIGGER intents_no_update")
    journal._db.execute("UPDATE intents SET old = 4 WHERE id = 1")
    assert "intents 1, hour 0: the line is not as it was written" == str(verify(journal))


def test_a_journal_without_a_chain_says_so(tmp_path: Path) -> None:
    """There is nothing to verify before somebody goes on with it."""
    earlier(tmp_path / "journal.sqlite", 2)
    with pytest.raises(ValueError, match="was kept by a version without a chain, which begins when"):
        verify(Journal(tmp_path / "journal.sqlite", read_only=True))


@pytest.mark.parametrize("name", HOURS)
def test_journals_that_earlier_versions_kept(name: str, tmp_path: Path) -> None:
    """Whole runs: every row tells the same before and after."""
    path = unpacked(name, tmp_path) / "journal.sqlite"
    reader = Journal(path, read_only=True)
    heard = told(reader)
    reader.close()
    assert len(heard[0]) > 50
    journal = Journal(path)
    assert heard == told(journal)
    assert verify(journal) is None
    assert len(heard[0]) == heads(journal)["intents"].id
