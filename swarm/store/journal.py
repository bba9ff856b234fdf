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

from swarm.store.schema import connect, connect_to_read, known_schema, migrate

_FOR_EVER = 2**62
"""An hour after every hour."""
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
        self._db = connect_to_read(path) if read_only else connect(path)
        if not read_only:
            with self.writing():
                migrate(self._db)
        self._schema = known_schema(self._db, path)

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, and what is written inside belongs to it: all of it is durable afterwards, or none."""
        if self._db.in_transaction:
            yield self._db
            return
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
        with self.writing() as db:
            db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def recall(self, key: str) -> str | None:
        """A fact about the run."""
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def submit(self, rows: Iterable[tuple[int, str, str, str, int]]) -> None:
        """Keep campaigns: row, name, digest, spec as JSON, tick; a name that is there is left as it is."""
        with self.writing() as db:
            db.executemany("INSERT OR IGNORE INTO campaigns VALUES (?, ?, ?, ?, ?)", rows)

    def campaigns(self) -> list[tuple[str, str, str]]:
        """Name, digest and spec of every campaign, by row."""
        return self._db.execute("SELECT name, digest, spec FROM campaigns ORDER BY row").fetchall()

    def intend(self, rows: Sequence[Row]) -> NDArray[np.int64]:
        """Keep writes before they are made, and refusals; columns as ``INTENT_COLUMNS``; returns their ids [n]."""
        if not rows:
            return np.zeros(0, dtype=np.int64)
        marks = ", ".join("?" * len(INTENT_COLUMNS))
        with self.writing() as db:
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
        with self.writing() as db:
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

    def in_force(self, end: int) -> list[tuple[int, int, int, int, int]]:
        """Latest value read back of every setting before hour ``end``: campaign, channel, field, creative, value.

        What people wrote in hour ``end`` itself was there before the hour's own batch.
        """
        return self._db.execute(
            "SELECT campaign, channel, field, creative, read_back FROM intents WHERE id IN (SELECT MAX(id) FROM intents"
            " WHERE read_back IS NOT NULL AND (tick < ? OR reason = 'down')"
            " GROUP BY campaign, channel, field, creative)",
            (end,),
        ).fetchall()

    def budgets_between(self, first: int, end: int) -> list[tuple[int, int, int, int, int]]:
        """Budget writes from hour ``first`` to before ``end``: tick, campaign, channel, old value, value read back."""
        return self._db.execute(
            "SELECT tick, campaign, channel, old, read_back FROM intents WHERE field = 0"
            " AND read_back IS NOT NULL AND tick >= ? AND tick < ? ORDER BY id",
            (first, end),
        ).fetchall()

    def batch(self, tick: int) -> dict[str, int]:
        """What came of hour ``tick``'s own batch: writes by state, refusals by guard; people's writes left out."""
        rows = self._db.execute(
            "SELECT CASE WHEN state = 'refused' THEN refused_by ELSE state END AS result, COUNT(*) FROM intents"
            " WHERE tick = ? AND reason <> 'down' GROUP BY result",
            (tick,),
        ).fetchall()
        return dict(rows)

    def tick(self, tick: int, time: str, mode: str, coherence: float, evidence: Mapping[str, Any]) -> None:
        """Keep an hour's mode and what it rests on; a coherence of NaN, health that is missing, is kept as NULL."""
        row = (tick, time, mode, coherence, json.dumps(evidence))
        with self.writing() as db:
            db.execute("INSERT OR REPLACE INTO ticks VALUES (?, ?, ?, ?, ?)", row)

    def event(self, tick: int, kind: str, subject: str, why: str) -> None:
        """Keep what the hours cannot show by themselves: what people asked for, and quarantines."""
        with self.writing() as db:
            db.execute("INSERT INTO events (tick, kind, subject, why) VALUES (?, ?, ?, ?)", (tick, kind, subject, why))

    def events(self, first: int, end: int) -> list[tuple[int, str, str, str]]:
        """Events from hour ``first`` to before ``end``: tick, kind, subject, why; the first schema had none."""
        if self._schema < 2:
            return []
        return self._db.execute(
            "SELECT tick, kind, subject, why FROM events WHERE tick >= ? AND tick < ? ORDER BY id", (first, end)
        ).fetchall()

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
        with self.writing() as db:
            db.execute("INSERT INTO answers VALUES (?, ?, ?, ?)", (tick, use_case, version, pack(arrays)))

    def answers(self) -> list[tuple[int, str, int]]:
        """Tick, use case and version of every answer."""
        return self._db.execute("SELECT tick, use_case, version FROM answers ORDER BY rowid").fetchall()

    def answered(self, tick: int, use_case: str) -> tuple[int, dict[str, NDArray[Any]]] | None:
        """Version and arrays of the answer that hour ``tick`` was decided by, None without one; the last one counts,
        for an hour that was taken back has asked before."""
        row = self._db.execute(
            "SELECT version, arrays FROM answers WHERE tick = ? AND use_case = ? ORDER BY rowid DESC", (tick, use_case)
        ).fetchone()
        return None if row is None else (row[0], unpack(row[1]))

    def hyper(self, version: int, tick: int, value: Mapping[str, float], evidence: Mapping[str, Any]) -> None:
        """Keep a version of the hyperparameters and what spoke for it."""
        row = (version, tick, json.dumps(dict(value)), json.dumps(dict(evidence)))
        with self.writing() as db:
            db.execute("INSERT OR REPLACE INTO hyper VALUES (?, ?, ?, ?)", row)

    def hypers(self) -> list[tuple[int, int, dict[str, float], dict[str, Any]]]:
        """Version, tick, values and evidence, oldest first."""
        rows = self._db.execute("SELECT version, tick, value, evidence FROM hyper ORDER BY version").fetchall()
        return [(version, tick, json.loads(value), json.loads(why)) for version, tick, value, why in rows]

    def candidates(self, rows: Iterable[tuple[int, int, str, Mapping[str, float]]]) -> None:
        """Keep candidates that run: number, market hour, reason, changes; told again, they count once."""
        told = [(number, tick, reason, json.dumps(changes)) for number, tick, reason, changes in rows]
        with self.writing() as db:
            db.executemany(
                "INSERT OR REPLACE INTO candidates (number, opened_tick, reason, changes) VALUES (?, ?, ?, ?)", told
            )

    def verdict(self, number: int, tick: int, result: str, evidence: Mapping[str, Any]) -> None:
        """Keep what became of a candidate, and why."""
        with self.writing() as db:
            db.execute(
                "UPDATE candidates SET closed_tick = ?, result = ?, evidence = ? WHERE number = ?",
                (tick, result, json.dumps(evidence), number),
            )

    def tried(self) -> list[dict[str, Any]]:
        """Every candidate, oldest first; ``closed_tick`` and ``evidence`` are None while it runs.

        The first schema had none.
        """
        if self._schema < 2:
            return []
        rows = self._db.execute(
            "SELECT number, opened_tick, reason, changes, closed_tick, result, evidence FROM candidates ORDER BY number"
        ).fetchall()
        return [
            {
                "number": number,
                "opened_tick": opened,
                "reason": reason,
                "changes": json.loads(changes),
                "closed_tick": closed,
                "result": result,
                "evidence": None if why is None else json.loads(why),
            }
            for number, opened, reason, changes, closed, result, why in rows
        ]

    def trajectories(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Keep settled days of campaigns: tick, campaign, hours, steady, candidates, money, spend, clicks,
        conversions; told again, they count once."""
        told = [(*row[:4], json.dumps(row[4]), *row[5:]) for row in rows]
        with self.writing() as db:
            db.executemany("INSERT OR REPLACE INTO trajectories VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", told)

    def outcomes(self, rows: Iterable[Row]) -> None:
        """Keep reported hours: tick, campaign, channel, spend, clicks, conversions; told again, they count once."""
        with self.writing() as db:
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
        with self.writing() as db:
            db.execute("INSERT OR REPLACE INTO models VALUES (?, ?, ?, ?)", (use_case, version, tick, pack(arrays)))

    def model_tick(self, use_case: str) -> int:
        """The hour in which a model's newest head was kept, or -1."""
        row = self._db.execute("SELECT tick FROM models WHERE use_case = ?", (use_case,)).fetchone()
        return -1 if row is None else int(row[0])

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


def pack(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Arrays as the bytes of an npz file."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **dict(arrays))
    return buffer.getvalue()


def unpack(blob: bytes) -> dict[str, NDArray[Any]]:
    """The arrays that ``pack`` wrote; never unpickles."""
    with np.load(io.BytesIO(blob), allow_pickle=False) as file:
        return dict(file)
