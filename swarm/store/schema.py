"""The journal's tables, and how a file from before comes to have today's."""

from __future__ import annotations

import sqlite3
from pathlib import Path

_FIRST = """
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
_FORWARD = {
    1: """
CREATE TABLE events (id INTEGER PRIMARY KEY, tick INTEGER NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL,
    why TEXT NOT NULL);
CREATE TABLE candidates (number INTEGER PRIMARY KEY, opened_tick INTEGER NOT NULL, reason TEXT NOT NULL,
    changes TEXT NOT NULL, closed_tick INTEGER, result TEXT NOT NULL DEFAULT 'running', evidence TEXT);
CREATE TABLE trajectories (tick INTEGER NOT NULL, campaign INTEGER NOT NULL, hours INTEGER NOT NULL,
    steady INTEGER NOT NULL, candidates TEXT NOT NULL, money REAL NOT NULL, spend REAL NOT NULL, clicks REAL NOT NULL,
    conversions REAL NOT NULL, PRIMARY KEY (tick, campaign));
""",
    2: """
CREATE TABLE plans (digest TEXT PRIMARY KEY, tick INTEGER NOT NULL, expires_tick INTEGER NOT NULL, body TEXT NOT NULL);
CREATE TABLE plan_verdicts (digest TEXT PRIMARY KEY, tick INTEGER NOT NULL, verdict TEXT NOT NULL, who TEXT NOT NULL);
CREATE TABLE plan_ends (digest TEXT PRIMARY KEY, tick INTEGER NOT NULL, result TEXT NOT NULL);
CREATE TABLE edits (id INTEGER PRIMARY KEY, tick INTEGER NOT NULL, campaign INTEGER NOT NULL, channel INTEGER NOT NULL,
    field INTEGER NOT NULL, creative INTEGER NOT NULL, old INTEGER NOT NULL, new INTEGER NOT NULL, who TEXT NOT NULL,
    seen INTEGER NOT NULL, UNIQUE (tick, campaign, channel, field, creative, old, new));
CREATE TABLE inputs (tick INTEGER PRIMARY KEY, facts TEXT NOT NULL, arrays BLOB NOT NULL);
CREATE TABLE states (tick INTEGER NOT NULL, use_case TEXT NOT NULL, version INTEGER NOT NULL,
    kept_tick INTEGER NOT NULL, arrays BLOB NOT NULL, PRIMARY KEY (tick, use_case));
""",
}
"""What makes the next schema of each."""
SCHEMA_VERSION = 1 + len(_FORWARD)
INPUTS_SINCE = 3
"""The first schema with what each hour was decided from."""


def migrate(db: sqlite3.Connection) -> None:
    """Bring the tables to today's schema, in the transaction that is open."""
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone():
        _execute(db, _FIRST)
        db.execute("INSERT INTO meta VALUES ('schema', '1')")
    for version in range(_version(db), SCHEMA_VERSION):
        _execute(db, _FORWARD[version])
        db.execute("UPDATE meta SET value = ? WHERE key = 'schema'", (str(version + 1),))


def known_schema(db: sqlite3.Connection, path: Path) -> int:
    """The file's schema.

    Raises:
        ValueError: it was written by a newer version of the program.
    """
    found = _version(db)
    if found > SCHEMA_VERSION:
        raise ValueError(f"{path} has schema {found}, this program knows up to {SCHEMA_VERSION}: upgrade it")
    return found


def connect(path: Path) -> sqlite3.Connection:
    """The file, made where it is not there, with write-ahead logging and full synchronisation."""
    path.parent.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(path, timeout=10.0, isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    return db


def connect_to_read(path: Path) -> sqlite3.Connection:
    """Without a log beside it nobody has the file open, and SQLite is told so: else it would make one to read."""
    alone = "" if path.with_name(f"{path.name}-wal").exists() else "&immutable=1"
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro{alone}", uri=True, timeout=10.0)


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()[0])


def _execute(db: sqlite3.Connection, statements: str) -> None:
    """``executescript`` would end the transaction."""
    for statement in statements.split(";\n"):
        db.execute(statement)
