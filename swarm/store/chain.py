"""The chain: lines that are written once, each bound to all lines of its table before it.

A line's hash is sha256 over the hash of the line before it (nothing, for the first), the table's name and the line: id
and whole numbers, fractions, the texts' lengths in characters, each as 8 bytes, little end first, and the texts in
UTF-8. Ids count from 1 without a gap. How far each table has come is in meta. A chained table's columns stay what they
are: new facts go into a new table.

What this cannot catch: somebody who may write the file and computes all hashes anew from the line that they changed,
meta's too; and a file that is replaced whole by an older copy of itself. Both show to those who have noted a head
elsewhere: ``swarm audit verify`` prints it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from swarm.errors import JournalError
from swarm.store.database import Database, Row

if TYPE_CHECKING:
    from swarm.store.journal import Journal

_COLUMNS = {
    "intents": "tick campaign channel field creative old new reason:s estimate:d price:d epoch"
    " mode:s refused_by:s state:s",
    "settlements": "intent read_back state:s",
    "events": "tick kind:s subject:s why:s",
}
"""Every chained table: whole numbers, texts (s) and fractions (d), between the id and the hash."""
COLUMNS = {table: tuple(name.partition(":")[0] for name in told.split()) for table, told in _COLUMNS.items()}
_AT_ONCE = 5000


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
    form, previous = _FORMS[table], head(db, table).hash
    linked = []
    try:
        for line in lines:
            previous = form.hash(previous, line)
            linked.append((*line, previous))
    except (struct.error, TypeError) as error:
        raise JournalError(f"{line} is no line of {table}: {error}") from error
    if not linked:
        return
    marks = ", ".join("?" * len(linked[0]))
    db.executemany(f"INSERT INTO {table} ({_names(table)}, hash) VALUES ({marks})", linked)  # noqa: S608 - constants
    kept = (_key(table), f"{linked[-1][0]} {previous.hex()}")
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


def verify(journal: Journal, since: Mapping[str, Head] | None = None) -> Fault | None:
    """The first fault of all that is chained, and of the file's own structure; None where there is none.

    ``since``: heads up to which it was seen to be whole before; what came later is looked at alone.

    Raises:
        ValueError: the journal is of a version that had no chain.
    """
    with journal.snapshot() as db:
        if not db.has("settlements"):
            raise ValueError(
                f"{db.place} was kept by a version without a chain, which begins when a swarm goes on with it"
            )
        for table in COLUMNS:
            if fault := _fault(db, table, since[table] if since else Head()):
                return fault
        return None if since else _structure(db)


def _fault(db: Database, table: str, at: Head) -> Fault | None:
    form = _FORMS[table]
    before: Row = ()
    try:
        for line in _lines(db, table, at.id):
            if line[0] != at.id + 1:
                return _at(db, table, at.id + 1, before, "the line is missing")
            at, before = Head(line[0], form.hash(at.hash, line[:-1])), line
            if at.hash != line[-1]:
                return _at(db, table, at.id, line, "the line is not as it was written")
        return _end(db, table, at, before)
    except JournalError as error:
        return _at(db, table, at.id + 1, before, f"the line cannot be read ({error.__cause__})")
    except (struct.error, TypeError):  # a text where a number was
        return _at(db, table, line[0], line, "the line is not as it was written")


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


def _lines(db: Database, table: str, after: int) -> Iterator[Row]:
    """All lines after ``after``, in order; after the last that can be read, the error."""
    last, most = after or -(2**62), _AT_ONCE
    query = f"SELECT {_names(table)}, hash FROM {table} WHERE id > ? ORDER BY id LIMIT ?"  # noqa: S608 - constants
    while True:
        try:
            found = db.execute(query, (last, most))
        except JournalError:
            if most == 1:
                raise
            most = 1  # up to the very line
            continue
        yield from found
        if len(found) < most:
            return
        last = found[-1][0]


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


class _Form:
    """How a table's lines become bytes."""

    def __init__(self, table: str) -> None:
        kinds = ["q", *(name.partition(":")[2] or "q" for name in _COLUMNS[table].split())]
        places = {kind: [place for place, each in enumerate(kinds) if each == kind] for kind in "qds"}
        self._name = table.encode()
        self._whole, self._fractions, self._texts = (_picked(places[kind]) for kind in "qds")
        self._pack = struct.Struct(f"<{len(places['q'])}q{len(places['d'])}d{len(places['s'])}q").pack

    def hash(self, previous: bytes, line: Sequence[Any]) -> bytes:
        """The hash of ``line``, after a line whose hash is ``previous``.

        Raises:
            struct.error, TypeError: a value is of another kind than its column.
        """
        texts = self._texts(line)
        fractions = [value + 0.0 for value in self._fractions(line)]  # -0.0 would come back as 0.0
        numbers = self._pack(*self._whole(line), *fractions, *map(len, texts))
        return sha256(previous + self._name + numbers + "".join(texts).encode()).digest()


def _picked(places: Sequence[int]) -> Callable[[Sequence[Any]], Sequence[Any]]:
    """What gives a line's values at ``places``."""
    if len(places) > 1:
        return itemgetter(*places)
    return lambda line: [line[place] for place in places]


_FORMS = {table: _Form(table) for table in COLUMNS}
