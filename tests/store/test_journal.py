"""What the journal keeps in either database, what it refuses to open, and that it is quick enough."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import pytest

from swarm.errors import JournalError
from swarm.store.journal import Journal, pack, unpack
from swarm.store.schema import SCHEMA_VERSION
from tests.store.server import Server

Place = Path | str
ROW = (0, 0, 0, 0, -1, 0, 5, "test", 1.5, 0.5, 1, "STABLE", "", "intended")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a journal in a file lies."""
    return tmp_path / "run" / "journal.sqlite"


def test_every_commit_reaches_the_disk(path: Path) -> None:
    """Write-ahead logging with full synchronisation: power may fail after a method has returned."""
    with Journal(path).snapshot() as db:
        assert [[("wal",)], [(2,)]] == [db.execute(f"PRAGMA {name}") for name in ("journal_mode", "synchronous")]


def test_every_commit_reaches_the_servers_disk(server: Server) -> None:
    """Whatever the server's own default is."""
    with Journal(server.place()).snapshot() as db:
        assert [("on",)] == db.execute("SHOW synchronous_commit")


def test_swarms_share_a_server(server: Server) -> None:
    """Each has a schema of its own, and sees nothing of the other's."""
    one, other = Journal(server.place("one")), Journal(server.place("the other"))
    assert [1, 2] == one.intend([ROW, ROW]).tolist()
    assert [1] == other.intend([ROW]).tolist()
    assert (2, 1) == (len(one.intents()), len(other.intents()))


def test_a_place_is_told_without_its_password() -> None:
    """Messages and logs may be read by many."""
    pytest.importorskip("psycopg", reason="needs psycopg")
    with pytest.raises(JournalError) as failed:
        Journal("postgresql://swarm:hush@localhost:1/ads?schema=spring")
    assert str(failed.value).startswith("postgresql://localhost:1/ads?schema=spring: ")
    assert "hush" not in str(failed.value)


def test_a_schema_is_a_name() -> None:
    """It stands in statements."""
    with pytest.raises(ValueError, match="schema 'a\"b' is no name for a schema"):
        Journal("postgresql://localhost/ads?schema=a%22b")


def test_without_psycopg_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to install."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ValueError, match=r"needs psycopg: pip install 'swarm-ads\[postgres\]'"):
        Journal("postgresql://localhost/ads")


def test_a_newer_schema_is_refused(place: Place) -> None:
    """An older program says what to do instead of misreading the file."""
    Journal(place).remember("schema", str(SCHEMA_VERSION + 1))
    with pytest.raises(
        ValueError, match=rf"has schema {SCHEMA_VERSION + 1}, this program knows up to {SCHEMA_VERSION}"
    ):
        Journal(place)


def test_a_batch_is_kept_whole_or_not_at_all(place: Place) -> None:
    """One bad row takes its whole batch back, and the journal goes on."""
    journal = Journal(place)
    with pytest.raises(JournalError, match="no line of intents"):
        journal.intend([ROW, (None, *ROW[1:])])
    assert [] == journal.intents()
    assert [1] == journal.intend([ROW]).tolist()


def test_ids_go_on_after_reopening(place: Place) -> None:
    """An id names one write for ever."""
    assert [1, 2] == Journal(place).intend([ROW, ROW]).tolist()
    assert [3] == Journal(place).intend([ROW]).tolist()
    assert [] == Journal(place).intend([]).tolist()


def test_several_processes_may_write(place: Place) -> None:
    """Two connections take turns; each sees what the other has committed."""
    one, other = Journal(place), Journal(place)
    one.tick(0, "2026-01-01T00:00:00", "STABLE", 1.0, {})
    other.hyper(1, 0, {"gain": 0.5}, {"trials": 3.0})
    one.outcomes([(0, 0, 0, 1.0, 2.0, 0.0)])
    assert 0 == other.last_tick()
    assert [(1, 0, {"gain": 0.5}, {"trials": 3.0})] == one.hypers()


def test_the_latest_value_read_back_is_in_force(place: Place) -> None:
    """Whether a write took or not, what the platform showed last counts; what is open does not."""
    journal = Journal(place)
    first, second, _ = journal.intend([ROW, ROW, ROW])
    journal.settle(np.array([first, second]), np.array([5, 3]))
    assert [(0, 0, 0, -1, 3)] == journal.in_force(1)
    assert [] == journal.in_force(0)
    assert {"applied": 1, "unverified": 1, "intended": 1} == journal.counts()


def test_what_people_wrote_in_an_hour_was_there_before_its_own_batch(place: Place) -> None:
    """A pause of theirs is in force when the hour begins, and is no part of what came of the hour's batch."""
    journal = Journal(place)
    own = (*ROW[:12], "step", "refused")
    ids = journal.intend([(0, 0, 0, 3, -1, 1, 0, "down", *ROW[8:]), ROW, own])
    journal.settle(ids[:2], np.array([0, 5]))
    assert [(0, 0, 3, -1, 0)] == journal.in_force(0)
    assert {"applied": 1, "step": 1} == journal.batch(0)
    assert {} == journal.batch(1)


def test_what_is_written_together_is_kept_together(place: Place) -> None:
    """One transaction around several writes: a failure takes all of them back."""
    journal = Journal(place)

    def half_an_hour() -> None:
        with journal.writing():
            journal.remember("clock", "5")
            journal.tick(0, "2026-01-01T00:00:00", "STABLE", 1.0, {})
            raise RuntimeError("half an hour")

    with pytest.raises(RuntimeError, match="half an hour"):
        half_an_hour()
    assert (None, -1) == (journal.recall("clock"), journal.last_tick())


def test_budgets_between_are_those_of_the_hours(place: Place) -> None:
    """Budget writes that were read back, from a tick to before another, in order."""
    journal = Journal(place)
    ids = journal.intend([(tick, *ROW[1:]) for tick in (3, 4, 5)] + [(5, 0, 0, 1, *ROW[4:])])
    journal.settle(ids, np.full(4, 5))
    assert [(4, 0, 0, 0, 5), (5, 0, 0, 0, 5)] == journal.budgets_between(4, 6)
    assert [(3, 0, 0, 0, 5)] == journal.budgets_between(0, 4)


def test_a_campaign_is_kept_as_first_submitted(place: Place) -> None:
    """A name that is there is left as it is."""
    journal = Journal(place)
    journal.submit([(0, "a", "d1", "{}", 0)])
    journal.submit([(1, "a", "d2", "{}", 1), (1, "b", "d3", "{}", 1)])
    assert [("a", "d1", "{}"), ("b", "d3", "{}")] == journal.campaigns()


def test_models_come_back_without_unpickling(place: Place) -> None:
    """The newest head of each model, bit for bit; an object array is no array."""
    journal = Journal(place)
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
    assert 1.0 > time.perf_counter() - began
    assert {"applied": 4000} == journal.counts()


def test_an_hour_that_is_told_again_counts_once(place: Place) -> None:
    """Totals are sums over hours, whatever was repeated."""
    journal = Journal(place)
    journal.outcomes([(0, 0, 0, 1.0, 2.0, 0.0), (0, 0, 1, 5.0, 1.0, 1.0)])
    journal.outcomes([(0, 0, 0, 1.0, 2.0, 0.0), (1, 0, 0, 2.0, 3.0, 1.0)])
    assert journal.totals() == [(0, 0, 3.0, 5.0, 1.0), (0, 1, 5.0, 1.0, 1.0)]


def test_a_reader_leaves_no_trace(path: Path) -> None:
    """A journal that nobody has open is read without a file beside it, and cannot be written to."""
    Journal(path).close()
    reader = Journal(path, read_only=True)
    assert -1 == reader.last_tick()
    assert [path] == list(path.parent.iterdir())
    with pytest.raises(JournalError, match="readonly"):
        reader.remember("a", "b")


def test_a_reader_sees_what_a_writer_has_committed(place: Place) -> None:
    """While the swarm runs, and though its log was never folded into the file."""
    writer = Journal(place)
    writer.tick(0, "2026-01-01T00:00:00", "STABLE", 1.0, {})
    reader = Journal(place, read_only=True)
    writer.tick(1, "2026-01-01T01:00:00", "STABLE", 1.0, {})
    assert 1 == reader.last_tick()


def test_a_reader_makes_no_journal(place: Place) -> None:
    """What is not there is not made."""
    for _ in range(2):
        with pytest.raises(JournalError, match=r"unable to open|does not exist"):
            Journal(place, read_only=True)


def test_moves_are_of_one_campaign_and_a_span(place: Place) -> None:
    """From the first hour to before the end, with ids; an empty span has none."""
    journal = Journal(place)
    journal.intend([(tick, campaign, *ROW[2:]) for tick in range(4) for campaign in range(2)])
    assert [(4, 1), (6, 2)] == [(row[0], row[1]) for row in journal.moves(1, 1, 3)]
    assert [] == journal.moves(1, 3, 3)


def test_reports_are_of_one_campaign_and_a_span(place: Place) -> None:
    """As moves are."""
    journal = Journal(place)
    journal.outcomes((tick, campaign, 0, 1.0, 2.0, 3.0) for tick in range(4) for campaign in range(2))
    assert [(1, 0, 1.0, 2.0, 3.0), (2, 0, 1.0, 2.0, 3.0)] == journal.reported(1, 1, 3)


def test_a_snapshot_is_of_one_moment(place: Place) -> None:
    """A reader who asks twice hears the same, though hours are kept meanwhile; afterwards it hears of them."""
    writer = Journal(place)
    writer.tick(0, "t", "STABLE", 1.0, {})
    reader = Journal(place, read_only=True)
    with reader.snapshot():
        first = reader.last_tick()
        writer.tick(1, "t", "STABLE", 1.0, {})
        assert (0, 0) == (first, reader.last_tick())
    assert 1 == reader.last_tick()


def test_totals_of_a_span(place: Place) -> None:
    """From the first hour to before the end; spans side by side add up to the whole."""
    journal = Journal(place)
    journal.outcomes((tick, 0, 1, 1.0 + tick, 2.0, 0.5) for tick in range(6))
    assert [(0, 1, 3.0 + 4.0, 4.0, 1.0)] == journal.totals(2, 4)
    assert [] == journal.totals(6)
    parts = [journal.totals(0, 2)[0], journal.totals(2)[0]]
    assert journal.totals() == [(0, 1, *(sum(each) for each in zip(*(part[2:] for part in parts), strict=True)))]
