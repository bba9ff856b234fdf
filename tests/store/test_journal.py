"""What the journal keeps, what it refuses to open, and that it is quick enough."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import numpy as np
import pytest

from swarm.store.journal import Journal, pack, unpack
from swarm.store.schema import SCHEMA_VERSION

ROW = (0, 0, 0, 0, -1, 0, 5, "test", 1.5, 0.5, 1, "STABLE", "", "intended")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal lies."""
    return tmp_path / "run" / "journal.sqlite"


def test_every_commit_reaches_the_disk(path: Path) -> None:
    """Write-ahead logging with full synchronisation: power may fail after a method has returned."""
    db = Journal(path)._db
    assert ("wal", 2) == (
        db.execute("PRAGMA journal_mode").fetchone()[0],
        db.execute("PRAGMA synchronous").fetchone()[0],
    )


def test_a_newer_schema_is_refused(path: Path) -> None:
    """An older program says what to do instead of misreading the file."""
    Journal(path).remember("schema", str(SCHEMA_VERSION + 1))
    with pytest.raises(
        ValueError, match=rf"has schema {SCHEMA_VERSION + 1}, this program knows up to {SCHEMA_VERSION}"
    ):
        Journal(path)


def test_a_journal_of_the_first_schema_opens(path: Path) -> None:
    """To read it is left as it is, and had no events; to write it is brought to today's, with all that it holds."""
    journal = Journal(path)
    journal.intend([ROW])
    for table in ("events", "candidates", "trajectories"):
        journal._db.execute(f"DROP TABLE {table}")
    journal.remember("schema", "1")
    journal.close()
    old = Journal(path, read_only=True)
    assert [] == old.events(0, 10)
    assert [] == old.tried()
    assert "1" == old.recall("schema")
    old.close()
    new = Journal(path)
    new.event(3, "hold", "FREEZE", "a person")
    assert str(SCHEMA_VERSION) == new.recall("schema")
    assert 1 == len(new.intents())
    assert [(3, "hold", "FREEZE", "a person")] == Journal(path, read_only=True).events(0, 10)
    assert [] == new.events(4, 10)


def test_a_batch_is_kept_whole_or_not_at_all(path: Path) -> None:
    """One bad row takes its whole batch back, and the journal goes on."""
    journal = Journal(path)
    with pytest.raises(sqlite3.IntegrityError, match="NOT NULL"):
        journal.intend([ROW, (None, *ROW[1:])])
    assert [] == journal.intents()
    assert [1] == journal.intend([ROW]).tolist()


def test_ids_go_on_after_reopening(path: Path) -> None:
    """An id names one write for ever."""
    assert [1, 2] == Journal(path).intend([ROW, ROW]).tolist()
    assert [3] == Journal(path).intend([ROW]).tolist()
    assert [] == Journal(path).intend([]).tolist()


def test_several_processes_may_write(path: Path) -> None:
    """Two connections take turns; each sees what the other has committed."""
    one, other = Journal(path), Journal(path)
    one.tick(0, "2026-01-01T00:00:00", "STABLE", 1.0, {})
    other.hyper(1, 0, {"gain": 0.5}, {"trials": 3.0})
    one.outcomes([(0, 0, 0, 1.0, 2.0, 0.0)])
    assert 0 == other.last_tick()
    assert [(1, 0, {"gain": 0.5}, {"trials": 3.0})] == one.hypers()


def test_the_latest_value_read_back_is_in_force(path: Path) -> None:
    """Whether a write took or not, what the platform showed last counts; what is open does not."""
    journal = Journal(path)
    first, second, _ = journal.intend([ROW, ROW, ROW])
    journal.settle(np.array([first, second]), np.array([5, 3]))
    assert [(0, 0, 0, -1, 3)] == journal.in_force(1)
    assert [] == journal.in_force(0)
    assert {"applied": 1, "unverified": 1, "intended": 1} == journal.counts()


def test_what_people_wrote_in_an_hour_was_there_before_its_own_batch(path: Path) -> None:
    """A pause of theirs is in force when the hour begins, and is no part of what came of the hour's batch."""
    journal = Journal(path)
    own = (*ROW[:12], "step", "refused")
    ids = journal.intend([(0, 0, 0, 3, -1, 1, 0, "down", *ROW[8:]), ROW, own])
    journal.settle(ids[:2], np.array([0, 5]))
    assert [(0, 0, 3, -1, 0)] == journal.in_force(0)
    assert {"applied": 1, "step": 1} == journal.batch(0)
    assert {} == journal.batch(1)


def test_what_is_written_together_is_kept_together(path: Path) -> None:
    """One transaction around several writes: a failure takes all of them back."""
    journal = Journal(path)

    def half_an_hour() -> None:
        with journal.writing():
            journal.remember("clock", "5")
            journal.tick(0, "2026-01-01T00:00:00", "STABLE", 1.0, {})
            raise RuntimeError("half an hour")

    with pytest.raises(RuntimeError, match="half an hour"):
        half_an_hour()
    assert (None, -1) == (journal.recall("clock"), journal.last_tick())


def test_budgets_between_are_those_of_the_hours(path: Path) -> None:
    """Budget writes that were read back, from a tick to before another, in order."""
    journal = Journal(path)
    ids = journal.intend([(tick, *ROW[1:]) for tick in (3, 4, 5)] + [(5, 0, 0, 1, *ROW[4:])])
    journal.settle(ids, np.full(4, 5))
    assert [(4, 0, 0, 0, 5), (5, 0, 0, 0, 5)] == journal.budgets_between(4, 6)
    assert [(3, 0, 0, 0, 5)] == journal.budgets_between(0, 4)


def test_a_campaign_is_kept_as_first_submitted(path: Path) -> None:
    """A name that is there is left as it is."""
    journal = Journal(path)
    journal.submit([(0, "a", "d1", "{}", 0)])
    journal.submit([(1, "a", "d2", "{}", 1), (1, "b", "d3", "{}", 1)])
    assert [("a", "d1", "{}"), ("b", "d3", "{}")] == journal.campaigns()


def test_models_come_back_without_unpickling(path: Path) -> None:
    """The newest head of each model, bit for bit; an object array is no array."""
    journal = Journal(path)
    for version in (1, 2):
        journal.model("health", version, 0, {"mean": np.array([0.1, version])})
    version, arrays = journal.models()["health"]
    assert (2, [0.1, 2.0]) == (version, arrays["mean"].tolist())
    with pytest.raises(ValueError, match="allow_pickle"):
        unpack(pack({"bad": np.array([{}], dtype=object)}))


def test_four_thousand_writes_are_kept_in_time(path: Path) -> None:
    """Intended and settled; the bound is generous."""
    journal, rows = Journal(path), [ROW] * 4000
    began = time.perf_counter()
    journal.settle(journal.intend(rows), np.full(4000, 5))
    assert 0.6 > time.perf_counter() - began
    assert {"applied": 4000} == journal.counts()


def test_an_hour_that_is_told_again_counts_once(path: Path) -> None:
    """Totals are sums over hours, whatever was repeated."""
    journal = Journal(path)
    journal.outcomes([(0, 0, 0, 1.0, 2.0, 0.0), (0, 0, 1, 5.0, 1.0, 1.0)])
    journal.outcomes([(0, 0, 0, 1.0, 2.0, 0.0), (1, 0, 0, 2.0, 3.0, 1.0)])
    assert journal.totals() == [(0, 0, 3.0, 5.0, 1.0), (0, 1, 5.0, 1.0, 1.0)]


def test_a_reader_leaves_no_trace(path: Path) -> None:
    """A journal that nobody has open is read without a file beside it, and cannot be written to."""
    Journal(path).close()
    reader = Journal(path, read_only=True)
    assert -1 == reader.last_tick()
    assert [path] == list(path.parent.iterdir())
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.remember("a", "b")


def test_a_reader_sees_what_a_writer_has_committed(path: Path) -> None:
    """While the swarm runs, and though its log was never folded into the file."""
    writer = Journal(path)
    writer.tick(0, "2026-01-01T00:00:00", "STABLE", 1.0, {})
    reader = Journal(path, read_only=True)
    writer.tick(1, "2026-01-01T01:00:00", "STABLE", 1.0, {})
    assert 1 == reader.last_tick()


def test_a_reader_makes_no_journal(path: Path) -> None:
    """What is not there is not made."""
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        Journal(path, read_only=True)
    assert not path.parent.exists()


def test_moves_are_of_one_campaign_and_a_span(path: Path) -> None:
    """From the first hour to before the end, with ids; an empty span has none."""
    journal = Journal(path)
    journal.intend([(tick, campaign, *ROW[2:]) for tick in range(4) for campaign in range(2)])
    assert [(4, 1), (6, 2)] == [(row[0], row[1]) for row in journal.moves(1, 1, 3)]
    assert [] == journal.moves(1, 3, 3)


def test_reports_are_of_one_campaign_and_a_span(path: Path) -> None:
    """As moves are."""
    journal = Journal(path)
    journal.outcomes((tick, campaign, 0, 1.0, 2.0, 3.0) for tick in range(4) for campaign in range(2))
    assert [(1, 0, 1.0, 2.0, 3.0), (2, 0, 1.0, 2.0, 3.0)] == journal.reported(1, 1, 3)


def test_a_snapshot_is_of_one_moment(tmp_path: Path) -> None:
    """A reader who asks twice hears the same, though hours are kept meanwhile; afterwards it hears of them."""
    path = tmp_path / "j.sqlite"
    writer = Journal(path)
    writer.tick(0, "t", "STABLE", 1.0, {})
    reader = Journal(path, read_only=True)
    with reader.snapshot():
        first = reader.last_tick()
        writer.tick(1, "t", "STABLE", 1.0, {})
        assert (0, 0) == (first, reader.last_tick())
    assert 1 == reader.last_tick()


def test_totals_of_a_span(tmp_path: Path) -> None:
    """From the first hour to before the end; spans side by side add up to the whole."""
    journal = Journal(tmp_path / "j.sqlite")
    journal.outcomes((tick, 0, 1, 1.0 + tick, 2.0, 0.5) for tick in range(6))
    assert [(0, 1, 3.0 + 4.0, 4.0, 1.0)] == journal.totals(2, 4)
    assert [] == journal.totals(6)
    parts = [journal.totals(0, 2)[0], journal.totals(2)[0]]
    assert journal.totals() == [(0, 1, *(sum(each) for each in zip(*(part[2:] for part in parts), strict=True)))]
