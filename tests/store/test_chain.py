"""The chain: what was written once stays, and what does not stay is found and named."""

from __future__ import annotations

import sqlite3
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from swarm.errors import JournalError
from swarm.store.chain import COLUMNS, heads, verify
from swarm.store.journal import Journal
from tests.store.samples import Place, row, sample, unprotected

INT = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=9)
REAL = st.floats(allow_nan=False) | st.integers(-(10**6), 10**6)
INTENTS = st.tuples(*[INT] * 7, TEXT, REAL, REAL, INT, TEXT, TEXT, st.sampled_from(["intended", "refused"]))


def found(journal: Journal) -> tuple[str, int, int | None, str] | None:
    """The place of the first fault."""
    fault = verify(journal)
    return None if fault is None else (fault.table, fault.id, fault.tick, fault.campaign)


def test_what_nobody_touched_is_in_order(place: Place) -> None:
    """To those who write it, to those who open it again, and to those who read it."""
    assert verify(sample(place)) is None
    assert verify(Journal(place)) is None
    assert verify(Journal(place, read_only=True)) is None


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(st.lists(INTENTS, max_size=4), max_size=4), told=st.lists(st.tuples(INT, TEXT, TEXT, TEXT)))
def test_whatever_is_written_comes_back_as_it_was_chained(
    tmp_path: Path, batches: list[list[tuple[Any, ...]]], told: list[tuple[Any, ...]]
) -> None:
    """Any number and any text: what a file gives back has the bytes that its hash was made of."""
    path = tmp_path / "journal.sqlite"
    path.unlink(missing_ok=True)
    journal = Journal(path)
    for batch in batches:
        ids = journal.intend(batch)
        journal.settle(ids[::2], ids[::2])
    for event in told:
        journal.event(*event)
    assert verify(journal) is None
    journal.close()


def test_extreme_numbers_come_back_from_both(place: Place) -> None:
    """64 bits, the least float, a negative nothing, a whole number where a fraction may be, letters of any kind."""
    most = 2**63 - 1
    journal = Journal(place)
    journal.intend(
        [(most, 0, 0, 0, -1, -most - 1, most, "§ 漢 \U0001f600 '\"\\", 5e-324, -0.0, 1, "%s ?", "", "intended")]
    )
    journal.intend([(0, 0, 0, 0, -1, 0, 0, "", 3, 0.1 + 0.2, 1, "", "", "intended")])
    assert verify(Journal(place)) is None


def test_hashes_are_what_the_page_says(tmp_path: Path) -> None:
    """Computed by hand from the file, value by value."""
    path = tmp_path / "journal.sqlite"
    sample(path).close()
    db = sqlite3.connect(path)
    for table, columns in COLUMNS.items():
        hash_ = b""
        for *line, kept in db.execute(f"SELECT id, {', '.join(columns)}, hash FROM {table} ORDER BY id"):
            whole = [value.to_bytes(8, "little", signed=True) for value in line if isinstance(value, int)]
            fractions = [np.array([value], dtype="<f8").tobytes() for value in line if isinstance(value, float)]
            texts = [value for value in line if isinstance(value, str)]
            lengths = [len(text).to_bytes(8, "little") for text in texts]
            told = [*whole, *fractions, *lengths, *(text.encode() for text in texts)]
            hash_ = sha256(b"".join([hash_, table.encode(), *told])).digest()
            assert hash_ == kept
        head = db.execute("SELECT value FROM meta WHERE key = ?", (f"chain/{table}",)).fetchone()[0]
        assert head == f"{line[0]} {hash_.hex()}"
    db.close()


@pytest.mark.parametrize("table", COLUMNS)
def test_the_database_itself_refuses_changes(place: Place, table: str) -> None:
    """Neither a slip of ours nor a hurried hand changes a line."""
    journal = sample(place)
    before = heads(journal)
    for statement in (f"UPDATE {table} SET hash = hash", f"DELETE FROM {table} WHERE id = 1"):
        with pytest.raises(JournalError, match=f"{table} is append-only"), journal.writing() as db:
            db.execute(statement)
    assert (before, None) == (heads(journal), verify(journal))


PLACES = {
    ("intents", 1): (0, "spring"), ("intents", 4): (7, "summer"), ("intents", 5): (8, "summer"),
    ("settlements", 1): (0, "spring"), ("settlements", 2): (0, "summer"), ("settlements", 3): (7, "spring"),
    ("events", 1): (0, ""), ("events", 2): (1, ""), ("events", 3): (2, ""),
}  # fmt: skip
"""Hour and campaign of lines."""


@pytest.mark.parametrize(("table", "line"), PLACES)
def test_a_changed_value_is_found_wherever_it_is(place: Place, table: str, line: int) -> None:
    """In any column of any line; its table, id, hour and campaign are named."""
    journal = sample(place)
    db = unprotected(journal)
    for column in (*COLUMNS[table], "hash"):
        ((old,),) = db.execute(f"SELECT {column} FROM {table} WHERE id = ?", (line,))
        db.execute(f"UPDATE {table} SET {column} = ? WHERE id = ?", (_changed(old), line))
        named = found(journal)
        assert named is not None
        assert (table, line) == named[:2]
        if column not in ("tick", "campaign", "intent"):
            assert PLACES[table, line] == named[2:]
        db.execute(f"UPDATE {table} SET {column} = ? WHERE id = ?", (old, line))
    assert verify(journal) is None


def _changed(value: Any) -> Any:
    """A little."""
    if isinstance(value, bytes):
        return bytes([value[0] ^ 1]) + value[1:]
    if isinstance(value, str):
        return value.swapcase() if value.swapcase() != value else f"{value} "
    return np.nextafter(value, 9.0).item() if isinstance(value, float) else value ^ 64


@pytest.mark.parametrize(("table", "line"), PLACES)
def test_a_missing_line_is_found_wherever_it_was(place: Place, table: str, line: int) -> None:
    """The first, one between others, and the last one too; the hour is that of the line before."""
    journal = sample(place)
    unprotected(journal).execute(f"DELETE FROM {table} WHERE id = ?", (line,))
    fault = verify(journal)
    assert fault is not None
    assert (table, line, "the line is missing") == (fault.table, fault.id, fault.what)
    assert (None if line == 1 else True) == (None if fault.tick is None else True)


def test_many_missing_lines_at_the_end_are_counted(place: Place) -> None:
    """A journal that was cut off says from where to where."""
    journal = sample(place)
    unprotected(journal).execute("DELETE FROM intents WHERE id > 2")
    assert "intents 3, hour 0, campaign summer: the line is missing, and all after it up to 5" == str(verify(journal))


def test_an_empty_table_is_no_excuse(place: Place) -> None:
    """All lines of a table gone at once."""
    journal = sample(place)
    unprotected(journal).execute("DELETE FROM events")
    assert "events 1: the line is missing, and all after it up to 3" == str(verify(journal))


def test_a_line_that_somebody_adds_is_found(place: Place) -> None:
    """Even one that is chained as it should be."""
    journal = sample(place)
    with journal.writing() as db:
        head = db.execute("SELECT value FROM meta WHERE key = 'chain/events'")[0][0]
    journal.event(3, "hold", "STABLE", "nobody")
    with journal.writing() as db:
        db.execute("UPDATE meta SET value = ? WHERE key = 'chain/events'", (head,))
    assert ("events", 4, 3, "") == found(journal)


@pytest.mark.parametrize(
    ("head", "told"),
    [
        ("3 00", "the head of events is not as it was written"),
        ("three", "the head of events cannot be read"),
        ("3 zz", "the head of events cannot be read"),
    ],
)
def test_a_changed_head_is_found(place: Place, head: str, told: str) -> None:
    """Meta is no chained table, but what it says of the chain is checked."""
    journal = sample(place)
    with journal.writing() as db:
        db.execute("UPDATE meta SET value = ? WHERE key = 'chain/events'", (head,))
    assert str(verify(journal)).startswith(f"meta: {told}")


def test_an_hour_that_was_taken_back_leaves_no_gap(place: Place) -> None:
    """Ids and hashes of a transaction that failed are given again."""
    journal = sample(place)
    before = heads(journal)

    def half_an_hour() -> None:
        with journal.writing():
            journal.intend([row(9)])
            journal.event(9, "hold", "FREEZE", "a person")
            raise RuntimeError("half an hour")

    with pytest.raises(RuntimeError, match="half an hour"):
        half_an_hour()
    assert before == heads(journal)
    assert [6] == journal.intend([row(9)]).tolist()
    assert verify(journal) is None


def test_no_flipped_bit_of_a_file_goes_unseen(tmp_path: Path) -> None:
    """Wherever one bit of it is another: that is found, or the file refused, or nothing of the record has changed."""
    path = tmp_path / "journal.sqlite"
    sample(path).close()
    whole, rng, seen = path.read_bytes(), np.random.default_rng(6), 0
    before = _record(path)
    text = [place for place in range(len(whole)) if whole[place : place + 4] in (b"pace", b"STAB", b"step", b"a pe")]
    assert len(text) > 9
    for place in [*text, *rng.integers(0, len(whole), size=400).tolist()]:
        flipped = bytearray(whole)
        flipped[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(flipped)
        try:
            journal = Journal(path, read_only=True)
            fault = verify(journal)
            journal.close()
        except (JournalError, ValueError):
            fault = None
        else:
            assert fault or before == _record(path), f"byte {place}"
        seen += fault is not None
    assert seen >= len(text)


def _record(path: Path) -> list[list[Any]]:
    db = sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)
    try:
        return [db.execute(f"SELECT * FROM {table} ORDER BY id").fetchall() for table in COLUMNS]
    finally:
        db.close()


def test_what_was_seen_to_be_whole_is_not_looked_at_again(place: Place) -> None:
    """From the heads of then on: a later line that was altered is named, an earlier one is not looked for."""
    journal = sample(place)
    then = heads(journal)
    assert verify(journal, then) is None
    journal.intend([row(tick=9), row(tick=10)])
    assert verify(journal, then) is None
    last = heads(journal)["intents"].id
    unprotected(journal).execute("UPDATE intents SET new = new + 1 WHERE id = ?", (last,))
    assert verify(journal, then) == verify(journal)
    assert verify(journal, heads(journal)) is None
