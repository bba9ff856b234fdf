"""What a durable intent costs beside a bare SQLite insert of the same bytes: ``python -m benchmarks.door_store``.

Both files have write-ahead logging and full synchronisation and lie side by side; the bare one has no index, no chain
and no rules. Inserts alternate, so that a disk that slows down slows both.
"""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from swarm.store.journal import INTENT_COLUMNS, Journal

SINGLE, BATCHES, BATCH = 300, 40, 1000
Row = tuple[Any, ...]


def measure(folder: Path | None = None) -> dict[str, float]:
    """Medians of ``Journal.intend`` for one intent and for 1,000, and each over the bare insert's; below ``folder``."""
    with tempfile.TemporaryDirectory(dir=folder) as made:
        journal, bare = Journal(Path(made) / "journal.sqlite"), _bare(Path(made) / "bare.sqlite")
        one, one_bare = _beside(journal, bare, 1, SINGLE)
        many, many_bare = _beside(journal, bare, BATCH, BATCHES)
        journal.close()
        bare.close()
    return {
        "intent_p50_ms": 1e3 * one,
        "intent_ratio": one / one_bare,
        "batch1000_ms": 1e3 * many,
        "batch_ratio": many / many_bare,
    }


def _bare(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.execute(f"CREATE TABLE intents (id INTEGER PRIMARY KEY, {', '.join(INTENT_COLUMNS)}, hash BLOB)")
    return db


def _beside(journal: Journal, bare: sqlite3.Connection, size: int, times: int) -> tuple[float, float]:
    """Median seconds of both for batches of ``size``."""
    rng = np.random.default_rng(6)
    ours, theirs = [], []
    for _ in range(times):
        rows = [_row(rng) for _ in range(size)]
        ours.append(_timed(lambda rows=rows: journal.intend(rows)))  # type: ignore[misc]
        with journal.snapshot() as db:
            lines = db.execute(
                f"SELECT id, {', '.join(INTENT_COLUMNS)}, hash FROM intents ORDER BY id DESC LIMIT ?", (size,)
            )[::-1]
        theirs.append(_timed(lambda lines=lines: _insert(bare, lines)))  # type: ignore[misc]
    return median(ours), median(theirs)


def _insert(bare: sqlite3.Connection, lines: list[Row]) -> None:
    bare.execute("BEGIN IMMEDIATE")
    bare.executemany(f"INSERT INTO intents VALUES ({', '.join('?' * len(lines[0]))})", lines)
    bare.execute("COMMIT")


def _row(rng: np.random.Generator) -> Row:
    """A bid or a budget as the door writes it."""
    campaign, channel, field = (int(rng.integers(most)) for most in (1000, 4, 2))
    old, new = (int(rng.integers(10_000, 100_000_000)) for _ in range(2))
    return (
        700, campaign, channel, field, -1, old, new, "pace", float(rng.random()), float(rng.random()), 12, "STABLE",
        "", "intended",
    )  # fmt: skip


def _timed(run: Callable[[], Any]) -> float:
    began = perf_counter()
    run()
    return perf_counter() - began


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))
