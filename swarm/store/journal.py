"""The journal: what was asked, refused, written and learnt, in one SQLite file or one schema of a PostgreSQL server.

What a method has returned from survives the process and the machine's power. Several processes may have it open; each
table has one writer at a time. Intents, their outcomes and events are written once and chained (``chain``).
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swarm.store.chain import COLUMNS, append
from swarm.store.database import Database, connect, is_url
from swarm.store.schema import check, migrate, show

_FOR_EVER = 2**62
"""An hour after every hour."""
INTENT_COLUMNS = COLUMNS["intents"]
"""What an intent is told with."""
_WRITES = ", ".join((*INTENT_COLUMNS, "read_back"))
_HOURS = """WITH RECURSIVE hours (hour) AS
    (SELECT CAST(? AS BIGINT) UNION ALL SELECT hour + 1 FROM hours WHERE hour + 1 < ?) """
# One campaign is read hour by hour: an index that began with the campaign would find it at once, but hours are
# written a thousand campaigns at a time, and each would then touch a page of its own.
_CANDIDATE = ("number", "opened_tick", "reason", "changes", "closed_tick", "result", "evidence")
_TRAJECTORY = ("tick", "campaign", "hours", "steady", "candidates", "money", "spend", "clicks", "conversions")
_OUTCOME = ("tick", "campaign", "channel", "spend", "clicks", "conversions")
_SEEN = """WITH seen AS (SELECT settlements.id AS at, tick, campaign, channel, field, creative, reason,
    settlements.read_back AS read_back
    FROM settlements JOIN intents ON intents.id = settlements.intent)"""
Row = tuple[Any, ...]


class Journal:
    """One run's memory.

    Raises:
        ValueError: from the constructor, if it was written by a newer version of the program, or a URL is given and
            psycopg is not installed.
        JournalError: from the constructor, if a journal to read is not there or none; from every method, if the
            database cannot do it. Of the transaction that it comes from nothing is acknowledged.
    """

    def __init__(self, place: Path | str, *, read_only: bool = False) -> None:
        """Open the file, or ``postgresql://user@host/database?schema=name``, or make it; to read, it must be there."""
        self._place = place
        self._db = connect(place, read_only=read_only)
        if not read_only:
            with self.writing():
                migrate(self._db)
        self.schema = check(self._db)
        """Of the file, which one that is only read keeps."""
        if read_only:
            show(self._db)
        self._settled_to = 0
        """No intent up to this one is open, nor will be."""

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return self._db.place

    @property
    def name(self) -> str:
        """What its run is called: the name of the folder that the file is in, or of the schema."""
        return self._db.name

    @property
    def path(self) -> Path:
        """The file."""
        assert not is_url(self._place), f"{self.place} is no file"
        return Path(self._place)

    def close(self) -> None:
        """Let go of the file or the connection."""
        self._db.close()

    @contextmanager
    def writing(self) -> Iterator[Database]:
        """One transaction, and what is written inside belongs to it: all of it is durable afterwards, or none."""
        if self._db.in_transaction:
            yield self._db
            return
        self._db.begin()
        try:
            yield self._db
            self._db.commit()
        except BaseException:
            if self._db.in_transaction:  # a full disk has rolled it back already
                self._db.rollback()
            raise

    @contextmanager
    def snapshot(self) -> Iterator[Database]:
        """All that is read inside belongs to one moment, whatever is written meanwhile."""
        if self._db.in_transaction:
            yield self._db
            return
        self._db.begin_to_read()
        try:
            yield self._db
        finally:
            self._db.rollback()

    def remember(self, key: str, value: str) -> None:
        """Keep a fact about the run."""
        with self.writing() as db:
            db.execute(_upsert("meta", "key", "value"), (key, value))

    def recall(self, key: str) -> str | None:
        """A fact about the run."""
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def submit(self, rows: Iterable[tuple[int, str, str, str, int]]) -> None:
        """Keep campaigns: row, name, digest, spec as JSON, tick; a name that is there is left as it is."""
        with self.writing() as db:
            db.executemany("INSERT INTO campaigns VALUES (?, ?, ?, ?, ?) ON CONFLICT (name) DO NOTHING", rows)

    def campaigns(self) -> list[tuple[str, str, str]]:
        """Name, digest and spec of every campaign, by row."""
        return self._db.execute("SELECT name, digest, spec FROM campaigns ORDER BY row").fetchall()

    def intend(self, rows: Sequence[Row]) -> NDArray[np.int64]:
        """Keep writes before they are made, and refusals; columns as ``INTENT_COLUMNS``; returns their ids [n]."""
        if not rows:
            return np.zeros(0, dtype=np.int64)
        with self.writing() as db:
            first = append(db, "intents", rows)
        return np.arange(first, first + len(rows), dtype=np.int64)

    def settle(self, ids: NDArray[np.int64], read_back: NDArray[np.int64], *, missed: str = "unverified") -> None:
        """Keep what the platform showed after the writes ``ids``: applied where it is what was asked, else ``missed``.

        An outcome is kept once: an intent that is not open stays as it is.
        """
        with self.writing() as db:
            asked = {intent: new for intent, *_, new in self.unsettled()}
            rows = [
                (intent, value, "applied" if asked.pop(intent) == value else missed)
                for intent, value in zip(ids.tolist(), read_back.tolist(), strict=True)
                if intent in asked
            ]
            append(db, "settlements", rows)

    def last_epoch(self) -> int:
        """The newest epoch that anything was asked under, or 0."""
        return int(self._db.execute("SELECT COALESCE(MAX(epoch), 0) FROM intents")[0][0])

    def unsettled(self) -> list[tuple[int, int, int, int, int, int]]:
        """Writes whose outcome is unknown: id, campaign, channel, field, creative, new."""
        newest = self._newest_intent()  # first, for others may write between the two statements
        rows = self._db.execute(
            "SELECT id, campaign, channel, field, creative, new FROM writes"
            " WHERE id > ? AND state = 'intended' ORDER BY id",
            (self._settled_to,),
        ).fetchall()
        if not self._db.in_transaction:  # what belongs to one may be taken back
            self._settled_to = rows[0][0] - 1 if rows else newest
        return rows

    def _newest_intent(self) -> int:
        return int(self._db.execute("SELECT COALESCE(MAX(id), 0) FROM intents")[0][0])

    def in_force(self, end: int) -> list[tuple[int, int, int, int, int]]:
        """Value of every setting that was read back last, of writes before hour ``end``: campaign, channel, field,
        creative, value.

        What people wrote in hour ``end`` itself was there before the hour's own batch. A late outcome counts by when it
        was seen, not by when it was asked for.
        """
        return self._db.execute(
            f"{_SEEN} SELECT campaign, channel, field, creative, read_back FROM seen WHERE seen.at IN (SELECT MAX(at)"  # noqa: S608 - a constant
            " FROM seen WHERE tick < ? OR reason = 'down' GROUP BY campaign, channel, field, creative)",
            (end,),
        ).fetchall()

    def budgets_between(self, first: int, end: int) -> list[tuple[int, int, int, int, int]]:
        """Budget writes from hour ``first`` to before ``end``: tick, campaign, channel, old value, value read back."""
        return self._db.execute(
            "SELECT tick, campaign, channel, old, read_back FROM writes WHERE field = 0"
            " AND read_back IS NOT NULL AND tick >= ? AND tick < ? ORDER BY id",
            (first, end),
        ).fetchall()

    def batch(self, tick: int) -> dict[str, int]:
        """What came of hour ``tick``'s own batch: writes by state, refusals by guard; people's writes left out."""
        rows = self._db.execute(
            "SELECT CASE WHEN state = 'refused' THEN refused_by ELSE state END AS result, COUNT(*) FROM writes"
            " WHERE tick = ? AND reason <> 'down' GROUP BY result",
            (tick,),
        ).fetchall()
        return dict(rows)

    def tick(self, tick: int, time: str, mode: str, coherence: float, evidence: Mapping[str, Any]) -> None:
        """Keep an hour's mode and what it rests on; a coherence of NaN, health that is missing, is kept as NULL."""
        row = (tick, time, mode, None if isnan(coherence) else coherence, json.dumps(evidence))
        with self.writing() as db:
            db.execute(_upsert("ticks", "tick", "time", "mode", "coherence", "evidence"), row)

    def event(self, tick: int, kind: str, subject: str, why: str) -> None:
        """Keep what the hours cannot show by themselves: what people asked for, and quarantines."""
        with self.writing() as db:
            append(db, "events", [(tick, kind, subject, why)])

    def events(self, first: int, end: int) -> list[tuple[int, str, str, str]]:
        """Events from hour ``first`` to before ``end``: tick, kind, subject, why; the first schema had none."""
        return self._db.execute(
            "SELECT tick, kind, subject, why FROM events WHERE tick >= ? AND tick < ? ORDER BY id", (first, end)
        ).fetchall()

    def last_tick(self) -> int:
        """The newest hour that was kept, or -1."""
        return int(self._db.execute("SELECT COALESCE(MAX(tick), -1) FROM ticks")[0][0])

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
            newest = db.execute("SELECT COALESCE(MAX(id), 0) FROM answers")[0][0]
            db.execute(
                "INSERT INTO answers VALUES (?, ?, ?, ?, ?)", (newest + 1, tick, use_case, version, pack(arrays))
            )

    def answers(self) -> list[tuple[int, str, int]]:
        """Tick, use case and version of every answer."""
        return self._db.execute("SELECT tick, use_case, version FROM answers ORDER BY id").fetchall()

    def answered(self, tick: int, use_case: str) -> tuple[int, dict[str, NDArray[Any]]] | None:
        """Version and arrays of the answer that hour ``tick`` was decided by, None without one; the last one counts,
        for an hour that was taken back has asked before."""
        row = self._db.execute(
            "SELECT version, arrays FROM answers WHERE tick = ? AND use_case = ? ORDER BY id DESC LIMIT 1",
            (tick, use_case),
        ).fetchone()
        return None if row is None else (row[0], unpack(row[1]))

    def hyper(self, version: int, tick: int, value: Mapping[str, float], evidence: Mapping[str, Any]) -> None:
        """Keep a version of the hyperparameters and what spoke for it."""
        row = (version, tick, json.dumps(dict(value)), json.dumps(dict(evidence)))
        with self.writing() as db:
            db.execute(_upsert("hyper", "version", "tick", "value", "evidence"), row)

    def hypers(self) -> list[tuple[int, int, dict[str, float], dict[str, Any]]]:
        """Version, tick, values and evidence, oldest first."""
        rows = self._db.execute("SELECT version, tick, value, evidence FROM hyper ORDER BY version").fetchall()
        return [(version, tick, json.loads(value), json.loads(why)) for version, tick, value, why in rows]

    def candidates(self, rows: Iterable[tuple[int, int, str, Mapping[str, float]]]) -> None:
        """Keep candidates that run: number, market hour, reason, changes; told again, they count once."""
        told = [
            (number, tick, reason, json.dumps(changes), None, "running", None) for number, tick, reason, changes in rows
        ]
        with self.writing() as db:
            db.executemany(_upsert("candidates", *_CANDIDATE), told)

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
        rows = self._db.execute(
            f"SELECT {', '.join(_CANDIDATE)} FROM candidates ORDER BY number"  # noqa: S608 - the columns are a constant
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
            db.executemany(_upsert("trajectories", *_TRAJECTORY, key=2), told)

    def outcomes(self, rows: Iterable[Row]) -> None:
        """Keep reported hours: tick, campaign, channel, spend, clicks, conversions; told again, they count once."""
        with self.writing() as db:
            db.executemany(_upsert("outcomes", *_OUTCOME, key=3), rows)

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
            f"{_HOURS} SELECT tick, channel, spend, clicks, conversions FROM hours CROSS JOIN outcomes"  # noqa: S608
            " WHERE tick = hour AND campaign = ? AND tick < ? ORDER BY tick, channel",
            (first, end, campaign, end),
        ).fetchall()

    def model(self, use_case: str, version: int, tick: int, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Keep the newest head of a model."""
        row = (use_case, version, tick, pack(arrays))
        with self.writing() as db:
            db.execute(_upsert("models", "use_case", "version", "tick", "arrays"), row)

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
        return self._db.execute(f"SELECT {_WRITES} FROM writes ORDER BY id").fetchall()  # noqa: S608 - constants

    def moves(self, campaign: int, first: int, end: int) -> list[tuple[Any, ...]]:
        """A campaign's intents from hour ``first`` to before ``end``, oldest first: id, as told, read-back."""
        return self._db.execute(
            f"{_HOURS} SELECT id, {_WRITES} FROM hours CROSS JOIN writes"  # noqa: S608 - constants
            " WHERE tick = hour AND campaign = ? AND tick < ? ORDER BY id",
            (first, end, campaign, end),
        ).fetchall()

    def counts_by_campaign(self) -> dict[int, tuple[int, int]]:
        """How many writes of each campaign were asked for, and how many of them were refused."""
        rows = self._db.execute(
            "SELECT campaign, COUNT(*), SUM(CASE WHEN state = 'refused' THEN 1 ELSE 0 END) FROM writes"
            " GROUP BY campaign"
        ).fetchall()
        return {campaign: (asked, refused) for campaign, asked, refused in rows}

    def counts(self) -> dict[str, int]:
        """How many intents there are of each state, and refusals by guard."""
        rows = self._db.execute(
            "SELECT CASE WHEN state = 'refused' THEN 'refused by ' || refused_by ELSE state END AS s,"
            " COUNT(*) FROM writes GROUP BY s"
        ).fetchall()
        return {str(state): int(count) for state, count in rows}


@lru_cache
def _upsert(table: str, *columns: str, key: int = 1) -> str:
    """Insert, or replace the row that has the same values in the first ``key`` columns."""
    marks, names = ", ".join("?" * len(columns)), ", ".join(columns)
    kept = ", ".join(f"{name} = excluded.{name}" for name in columns[key:])
    return (
        f"INSERT INTO {table} ({names}) VALUES ({marks})"  # noqa: S608 - constants
        f" ON CONFLICT ({', '.join(columns[:key])}) DO UPDATE SET {kept}"
    )


def pack(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Arrays as the bytes of an npz file."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **dict(arrays))
    return buffer.getvalue()


def unpack(blob: bytes) -> dict[str, NDArray[Any]]:
    """The arrays that ``pack`` wrote; never unpickles."""
    with np.load(io.BytesIO(blob), allow_pickle=False) as file:
        return dict(file)
