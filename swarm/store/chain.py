"""The chain: lines that are written once, each bound to all lines of its table before it.

A line's hash is sha256 over the hash of the line before it (nothing, for the first) and the line itself: the JSON
array, in ASCII without spaces, of table, id and values. Ids count from 1 without a gap. How far each table has come is
in meta. A chained table's columns stay what they are: new facts go into a new table.

What this cannot catch: somebody who may write the file and computes all hashes anew from the line that they changed,
meta's too; and a file that is replaced whole by an older copy of itself. Both show to those who have noted a head
elsewhere: ``swarm audit verify`` prints it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from swarm.errors import JournalError
from swarm.store.database import Database, Row

if TYPE_CHECKING:
    from swarm.store.journal import Journal

COLUMNS = {
    "intents": (
        "tick", "campaign", "channel", "field", "creative", "old", "new", "reason", "estimate", "price", "epoch",
        "mode", "refused_by", "state",
    ),
    "settlements": ("intent", "read_back", "state"),
    "events": ("tick", "kind", "subject", "why"),
}  # fmt: skip
"""Every chained table, without the id before and the hash behind."""
_FRACTIONS = {
    table: [place for place, name in enumerate(columns, 1) if name in ("estimate", "price")]
    for table, columns in COLUMNS.items()
}
"""Where in a line fractions are."""
_AT_ONCE = 5000
_canonical = json.JSONEncoder(separators=(",", ":"), default=repr).encode  # bytes are never in it as they were written


@dataclass(frozen=True, slots=True)
class Fault:
    """The first place at which the journal is not as it was written."""

    table: str
    id: int
    """The line; 0 where the fault is not in one."""
    tick: int | None
    """Its market hour; of a line that is missing, the hour of the last one before it."""
    campaign: str
    """Its campaign; empty where it has none."""
    what: str

    def __str__(self) -> str:
        """The place, and what is wrong there."""
        hour = "" if self.tick is None else f", hour {self.tick}"
        campaign = self.campaign and f", campaign {self.campaign}"
        return f"{self.table} {self.id or ''}".strip() + f"{hour}{campaign}: {self.what}"


@dataclass(frozen=True, slots=True)
class Head:
    """How far a table has come."""

    id: int = 0
    hash: bytes = b""


def append(db: Database, table: str, rows: Iterable[Row]) -> int:
    """Write ``rows``, values in the order of ``COLUMNS``, in the transaction that is open; the first one's id."""
    first = head(db, table).id + 1
    extend(db, table, ((id_, *row) for id_, row in enumerate(rows, first)))
    return first


def extend(db: Database, table: str, lines: Iterable[Row]) -> None:
    """Write lines that have their ids."""
    stored = [_stored(table, line) for line in lines]
    if not stored:
        return
    hashes = list(_hashes(table, head(db, table).hash, stored))
    marks = ", ".join("?" * (len(stored[0]) + 1))
    db.executemany(
        f"INSERT INTO {table} ({_names(table)}, hash) VALUES ({marks})",  # noqa: S608 - constants
        [(*line, hash_) for line, hash_ in zip(stored, hashes, strict=True)],
    )
    kept = (_key(table), f"{stored[-1][0]} {hashes[-1].hex()}")
    db.execute("INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", kept)


def head(db: Database, table: str) -> Head:
    """How far ``table`` has come, by meta."""
    row = db.execute("SELECT value FROM meta WHERE key = ?", (_key(table),)).fetchone()
    if row is None:
        return Head()
    id_, _, digest = str(row[0]).partition(" ")
    return Head(int(id_), bytes.fromhex(digest))


def heads(journal: Journal) -> dict[str, Head]:
    """How far every table has come; worth noting elsewhere."""
    with journal.snapshot() as db:
        return {table: head(db, table) for table in COLUMNS}


def verify(journal: Journal) -> Fault | None:
    """The first fault of all that is chained, and of the file's own structure; None where there is none.

    Raises:
        ValueError: the journal is of a version that had no chain.
    """
    with journal.snapshot() as db:
        if not db.has("settlements"):
            raise ValueError(
                f"{db.place} was kept by a version without a chain, which begins when a swarm goes on with it"
            )
        for table in COLUMNS:
            if fault := _fault(db, table):
                return fault
        return _structure(db)


def _fault(db: Database, table: str) -> Fault | None:
    at = Head()
    before: Row = ()
    try:
        for part in _parts(db, table):
            hashes = _hashes(table, at.hash, [line[:-1] for line in part])
            for line, hash_ in zip(part, hashes, strict=True):
                if line[0] != at.id + 1:
                    return _at(db, table, at.id + 1, before, "the line is missing")
                at, before = Head(line[0], hash_), line
                if hash_ != line[-1]:
                    return _at(db, table, at.id, line, "the line is not as it was written")
        return _end(db, table, at, before)
    except JournalError as error:
        return _at(db, table, at.id + 1, before, f"the line cannot be read ({error.__cause__})")


def _end(db: Database, table: str, at: Head, before: Row) -> Fault | None:
    """Whether the last line is the one that meta names."""
    try:
        kept = head(db, table)
    except ValueError as error:
        return Fault("meta", 0, None, "", f"the head of {table} cannot be read ({error})")
    if kept.id > at.id:
        last = "" if kept.id == at.id + 1 else f", and all after it up to {kept.id}"
        return _at(db, table, at.id + 1, before, f"the line is missing{last}")
    if kept.id < at.id:
        return _at(db, table, kept.id + 1, before, "the line was not written by this program")
    if kept.hash != at.hash:
        return Fault("meta", 0, None, "", f"the head of {table} is not as it was written")
    return None


def _structure(db: Database) -> Fault | None:
    told = db.complaint()
    return Fault("file", 0, None, "", told) if told else None


def _parts(db: Database, table: str) -> Iterator[list[Row]]:
    """All lines in order, many at once; after the last that can be read, the error."""
    last, most = -(2**62), _AT_ONCE
    query = f"SELECT {_names(table)}, hash FROM {table} WHERE id > ? ORDER BY id LIMIT ?"  # noqa: S608 - constants
    while True:
        try:
            found = db.execute(query, (last, most))
        except JournalError:
            if most == 1:
                raise
            most = 1  # up to the very line
            continue
        yield found
        if len(found) < most:
            return
        last = found[-1][0]


def _stored(table: str, line: Row) -> Row:
    """The line as a database gives it back: -0.0 and 3, where a fraction may be, are 0.0 and 3.0."""
    values = [*line]
    for place in _FRACTIONS[table]:
        if values[place] is not None:
            values[place] = float(values[place]) + 0.0
    return tuple(values)


def _hashes(table: str, previous: bytes, lines: Sequence[Sequence[Any]]) -> Iterator[bytes]:
    """The hash of each line, after a line whose hash is ``previous``."""
    start = f'["{table}",'
    text = _canonical([[table, *line] for line in lines])
    # All lines in one text, for that takes half the time; in a value, the quotes would have a backslash before them.
    for line in text[1 + len(start) : -2].split(f"],{start}") if lines else ():
        previous = sha256(previous + f"{start}{line}]".encode()).digest()
        yield previous


def _at(db: Database, table: str, id_: int, line: Row, what: str) -> Fault:
    """A fault with its hour and campaign, as far as ``line``, it or the one before it, and the intents tell."""
    told = dict(zip(COLUMNS[table], line[1:-1], strict=False))
    named: Row | None = None
    with suppress(JournalError):  # what cannot be read cannot name a place
        if table == "settlements" and told:
            asked = db.execute("SELECT tick, campaign FROM intents WHERE id = ?", (told["intent"],)).fetchone()
            told = dict(zip(("tick", "campaign"), asked or (), strict=False))
        if "campaign" in told:
            named = db.execute("SELECT name FROM campaigns WHERE row = ?", (told["campaign"],)).fetchone()
    return Fault(table, id_, told.get("tick"), str(named[0]) if named else "", what)


def _names(table: str) -> str:
    return ", ".join(("id", *COLUMNS[table]))


def _key(table: str) -> str:
    return f"chain/{table}"
