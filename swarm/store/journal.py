"""The journal: one SQLite file that remembers what was asked, refused, written and learnt.

Write-ahead logging with full synchronisation: what a method has returned from survives the process and the
machine's power. Several processes may open the file; each table has one writer at a time.
"""

from __future__ import annotations

import io
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SCHEMA_VERSION = 1
_FOR_EVER = 2**62
"""An hour after every hour."""
_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE campaigns (row INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL, digest TEXT NOT NULL, spec TEXT NOT NULL,
    submitted_tick INTEGER NOT NULL);
CREATE TABLE intents (id INTEGER PRIMARY KEY, tick INTEGER NOT NULL, campaign INTEGER NOT NULL,
    channel INTEGER NOT NULL, field INTEGER NOT NULL, creative INTEGER NOT NULL, old INTEGER NOT NULL,
    new INTEGER NOT NULL, reason TEXT NOT NULL, estimate REAL NOT NULL, price REAL NOT NULL, epoch INTEGER NOT NULL,
    mode TEXT NOT NULL, refused_by TEXT NOT NULL, state TEXT NOT NULL, read_back INTEGER);
CREATE INDEX intents_open ON intents (state) WHERE state = 'intended';
CREATE INDEX intents_hour ON intents (tick, campaign);
CREATE TABLE ticks (tick INTEGER PRIMARY KEY, time TEXT NOT NULL, mode TEXT NOT NULL, coherence REAL,
    evidence TEXT NOT NULL);
CREATE TABLE answers (tick INTEGER NOT NULL, use_case TEXT NOT NULL, version INTEGER NOT NULL, arrays BLOB NOT NULL);
CREATE TABLE hyper (version INTEGER PRIMARY KEY, tick INTEGER NOT NULL, value TEXT NOT NULL, evidence TEXT NOT NULL);
CREATE TABLE outcomes (tick INTEGER NOT NULL, campaign INTEGER NOT NULL, channel INTEGER NOT NULL,
    spend REAL NOT NULL, clicks REAL NOT NULL, conversions REAL NOT NULL, PRIMARY KEY (tick, campaign, channel));
CREATE TABLE models (use_case TEXT PRIMARY KEY, version INTEGER NOT NULL, tick INTEGER NOT NULL, arrays BLOB NOT NULL);
"""
INTENT_COLUMNS = (
    "tick",
    "campaign",
    "channel",
    "field",
    "creative",
    "old",
    "new",
    "reason",
    "estimate",
    "price",
    "epoch",
    "mode",
    "refused_by",
    "state",
)
"""What an intent is told with."""
_HOURS = """WITH RECURSIVE hours (tick) AS
    (SELECT :first WHERE :first < :end UNION ALL SELECT tick + 1 FROM hours WHERE tick + 1 < :end) """
# One campaign is read hour by hour: an index that began with the campaign would find it at once, but hours are
# written a thousand campaigns at a time, and each would then touch a page of its own.
Row = Sequence[Any]


class Journal:
    """One run's memory on disk.

    Raises:
        ValueError: from the constructor, if the file was written by a newer version of the program.
        sqlite3.OperationalError: from the constructor, if a file to read is not there or no journal.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Open the file, or make it; with ``read_only`` it must be there, and is left as it is."""
        self.path = path
        self._db = _connect_to_read(path) if read_only else _connect(path)
        if not read_only:
            self._migrate()
        self._check_schema()

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def _migrate(self) -> None:
        with self._writing() as db:
            if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone():
                for statement in _SCHEMA.split(";\n"):
                    db.execute(statement)
                db.execute("INSERT INTO meta VALUES ('schema', ?)", (str(SCHEMA_VERSION),))

    def _check_schema(self) -> None:
        found = int(self._db.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()[0])
        if found > SCHEMA_VERSION:
            raise ValueError(f"{self.path} has schema {found}, this program knows up to {SCHEMA_VERSION}: upgrade it")

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it is durable afterwards, or none."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield self._db
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:  # a full disk has rolled it back already
                self._db.execute("ROLLBACK")
            raise

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """All that is read inside belongs to one moment, whatever is written meanwhile."""
        self._db.execute("BEGIN")
        try:
            yield
        finally:
            self._db.execute("COMMIT")

    def remember(self, key: str, value: str) -> None:
        """Keep a fact about the run."""
        with self._writing() as db:
            db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def recall(self, key: str) -> str | None:
        """A fact about the run."""
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def submit(self, rows: Iterable[tuple[int, str, str, str, int]]) -> None:
        """Keep campaigns: row, name, digest, spec as JSON, tick; a name that is there is left as it is."""
        with self._writing() as db:
            db.executemany("INSERT OR IGNORE INTO campaigns VALUES (?, ?, ?, ?, ?)", rows)

    def campaigns(self) -> list[tuple[str, str, str]]:
        """Name, digest and spec of every campaign, by row."""
        return self._db.execute("SELECT name, digest, spec FROM campaigns ORDER BY row").fetchall()

    def intend(self, rows: Sequence[Row]) -> NDArray[np.int64]:
        """Keep writes before they are made, and refusals; columns as ``INTENT_COLUMNS``; returns their ids [n]."""
        if not rows:
            return np.zeros(0, dtype=np.int64)
        marks = ", ".join("?" * len(INTENT_COLUMNS))
        with self._writing() as db:
            first = db.execute("SELECT COALESCE(MAX(id), 0) + 1 FROM intents").fetchone()[0]
            db.executemany(
                f"INSERT INTO intents (id, {', '.join(INTENT_COLUMNS)}) VALUES (?, {marks})",  # noqa: S608 - the columns are a constant
                ((first + i, *row) for i, row in enumerate(rows)),
            )
        return np.arange(first, first + len(rows), dtype=np.int64)

    def settle(self, ids: NDArray[np.int64], read_back: NDArray[np.int64], *, missed: str = "unverified") -> None:
        """Keep what the platform showed after the writes ``ids``: applied where it is what was asked, else ``missed``.

        An outcome is kept once: an intent that is not open stays as it is.
        """
        rows = [(value, value, missed, id_) for id_, value in zip(ids.tolist(), read_back.tolist(), strict=True)]
        with self._writing() as db:
            db.executemany(
                "UPDATE intents SET read_back = ?, state = CASE WHEN new = ? THEN 'applied' ELSE ? END"
                " WHERE id = ? AND state = 'intended'",
                rows,
            )

    def last_epoch(self) -> int:
        """The newest epoch that anything was asked under, or 0."""
        return int(self._db.execute("SELECT COALESCE(MAX(epoch), 0) FROM intents").fetchone()[0])

    def unsettled(self) -> list[tuple[int, int, int, int, int, int]]:
        """Writes whose outcome is unknown: id, campaign, channel, field, creative, new."""
        return self._db.execute(
            "SELECT id, campaign, channel, field, creative, new FROM intents WHERE state = 'intended' ORDER BY id"
        ).fetchall()

    def in_force(self) -> list[tuple[int, int, int, int, int]]:
        """Latest value read back of every setting: campaign, channel, field, creative, value."""
        return self._db.execute(
            "SELECT campaign, channel, field, creative, read_back FROM intents WHERE id IN (SELECT MAX(id) FROM intents"
            " WHERE read_back IS NOT NULL GROUP BY campaign, channel, field, creative)"
        ).fetchall()

    def budgets_since(self, tick: int) -> list[tuple[int, int, int, int, int]]:
        """Budget writes from ``tick`` on: tick, campaign, channel, old value, value read back."""
        return self._db.execute(
            "SELECT tick, campaign, channel, old, read_back FROM intents WHERE field = 0"
            " AND read_back IS NOT NULL AND tick >= ? ORDER BY id",
            (tick,),
        ).fetchall()

    def tick(self, tick: int, time: str, mode: str, coherence: float, evidence: Mapping[str, Any]) -> None:
        """Keep an hour's mode and what it rests on; a coherence of NaN, health that is missing, is kept as NULL."""
        row = (tick, time, mode, coherence, json.dumps(evidence))
        with self._writing() as db:
            db.execute("INSERT OR REPLACE INTO ticks VALUES (?, ?, ?, ?, ?)", row)

    def last_tick(self) -> int:
        """The newest hour that was kept, or -1."""
        return int(self._db.execute("SELECT COALESCE(MAX(tick), -1) FROM ticks").fetchone()[0])

    def modes(self) -> list[tuple[int, str, float | None]]:
        """Tick, mode and coherence of every hour; None where health was missing."""
        return self._db.execute("SELECT tick, mode, coherence FROM ticks ORDER BY tick").fetchall()

    def mode_changes(self, first: int, end: int) -> list[tuple[int, str, str]]:
        """Hours from ``first`` to before ``end`` whose mode is another than the hour's before: tick, old, new."""
        return self._db.execute(
            "SELECT now.tick, before.mode, now.mode FROM ticks AS now JOIN ticks AS before"
            " ON before.tick = now.tick - 1 WHERE now.mode <> before.mode AND now.tick >= ? AND now.tick < ?",
            (first, end),
        ).fetchall()

    def hour(self, tick: int) -> tuple[str, float | None, dict[str, Any]] | None:
        """Time, coherence (None where health was missing) and evidence of an hour; None where it was not kept."""
        row = self._db.execute("SELECT time, coherence, evidence FROM ticks WHERE tick = ?", (tick,)).fetchone()
        return None if row is None else (row[0], row[1], json.loads(row[2]))

    def mode_hours(self) -> dict[str, int]:
        """Market hours in each mode."""
        return dict(self._db.execute("SELECT mode, COUNT(*) FROM ticks GROUP BY mode").fetchall())

    def answer(self, tick: int, use_case: str, version: int, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Keep an attention answer that decisions were made from."""
        with self._writing() as db:
            db.execute("INSERT INTO answers VALUES (?, ?, ?, ?)", (tick, use_case, version, pack(arrays)))

    def answers(self) -> list[tuple[int, str, int]]:
        """Tick, use case and version of every answer."""
        return self._db.execute("SELECT tick, use_case, version FROM answers ORDER BY rowid").fetchall()

    def hyper(self, version: int, tick: int, value: Mapping[str, float], evidence: Mapping[str, float]) -> None:
        """Keep a version of the hyperparameters and what spoke for it."""
        row = (version, tick, json.dumps(dict(value)), json.dumps(dict(evidence)))
        with self._writing() as db:
            db.execute("INSERT OR REPLACE INTO hyper VALUES (?, ?, ?, ?)", row)

    def hypers(self) -> list[tuple[int, int, dict[str, float], dict[str, float]]]:
        """Version, tick, values and evidence, oldest first."""
        rows = self._db.execute("SELECT version, tick, value, evidence FROM hyper ORDER BY version").fetchall()
        return [(version, tick, json.loads(value), json.loads(why)) for version, tick, value, why in rows]

    def outcomes(self, rows: Iterable[Row]) -> None:
        """Keep reported hours: tick, campaign, channel, spend, clicks, conversions; told again, they count once."""
        with self._writing() as db:
            db.executemany("INSERT OR REPLACE INTO outcomes VALUES (?, ?, ?, ?, ?, ?)", rows)

    def totals(self, first: int = 0, end: int = _FOR_EVER) -> list[tuple[int, int, float, float, float]]:
        """Sums over reported hours from ``first`` to before ``end``: campaign, channel, spend, clicks, conversions."""
        return self._db.execute(
            "SELECT campaign, channel, SUM(spend), SUM(clicks), SUM(conversions) FROM outcomes"
            " WHERE tick >= ? AND tick < ? GROUP BY campaign, channel",
            (first, end),
        ).fetchall()

    def reported(self, campaign: int, first: int, end: int) -> list[tuple[int, int, float, float, float]]:
        """A campaign's reported hours from ``first`` to before ``end``: tick, channel, spend, clicks, conversions."""
        return self._db.execute(
            f"{_HOURS} SELECT tick, channel, spend, clicks, conversions"  # noqa: S608 - the hours are a constant
            " FROM hours CROSS JOIN outcomes USING (tick) WHERE campaign = :campaign",
            {"campaign": campaign, "first": first, "end": end},
        ).fetchall()

    def model(self, use_case: str, version: int, tick: int, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Keep the newest head of a model."""
        with self._writing() as db:
            db.execute("INSERT OR REPLACE INTO models VALUES (?, ?, ?, ?)", (use_case, version, tick, pack(arrays)))

    def models(self) -> dict[str, tuple[int, dict[str, NDArray[Any]]]]:
        """Version and arrays of the newest head of every model."""
        rows = self._db.execute("SELECT use_case, version, arrays FROM models").fetchall()
        return {name: (version, unpack(blob)) for name, version, blob in rows}

    def intents(self) -> list[tuple[Any, ...]]:
        """Every intent as told, with its state and read-back, oldest first."""
        columns = ", ".join((*INTENT_COLUMNS, "read_back"))
        return self._db.execute(f"SELECT {columns} FROM intents ORDER BY id").fetchall()  # noqa: S608 - as above

    def moves(self, campaign: int, first: int, end: int) -> list[tuple[Any, ...]]:
        """A campaign's intents from hour ``first`` to before ``end``, oldest first: id, as told, read-back."""
        columns = ", ".join(("id", *INTENT_COLUMNS, "read_back"))
        return self._db.execute(
            f"{_HOURS} SELECT {columns} FROM hours CROSS JOIN intents USING (tick)"  # noqa: S608 - as above
            " WHERE campaign = :campaign ORDER BY id",
            {"campaign": campaign, "first": first, "end": end},
        ).fetchall()

    def counts_by_campaign(self) -> dict[int, tuple[int, int]]:
        """How many writes of each campaign were asked for, and how many of them were refused."""
        rows = self._db.execute(
            "SELECT campaign, COUNT(*), SUM(state = 'refused') FROM intents GROUP BY campaign"
        ).fetchall()
        return {campaign: (asked, refused) for campaign, asked, refused in rows}

    def counts(self) -> dict[str, int]:
        """How many intents there are of each state, and refusals by guard."""
        rows = self._db.execute(
            "SELECT CASE WHEN state = 'refused' THEN 'refused by ' || refused_by ELSE state END AS s,"
            " COUNT(*) FROM intents GROUP BY s"
        ).fetchall()
        return {str(state): int(count) for state, count in rows}


def _connect(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(path, timeout=10.0, isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    return db


def _connect_to_read(path: Path) -> sqlite3.Connection:
    """Without a log beside it nobody has the file open, and SQLite is told so: else it would make one to read."""
    alone = "" if path.with_name(f"{path.name}-wal").exists() else "&immutable=1"
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro{alone}", uri=True, timeout=10.0)


def pack(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Arrays as the bytes of an npz file."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **dict(arrays))
    return buffer.getvalue()


def unpack(blob: bytes) -> dict[str, NDArray[Any]]:
    """The arrays that ``pack`` wrote; never unpickles."""
    with np.load(io.BytesIO(blob), allow_pickle=False) as file:
        return dict(file)
