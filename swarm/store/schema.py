"""The journal's tables, and how a file from before comes to have today's."""

from __future__ import annotations

from collections.abc import Iterator

from swarm.errors import JournalError
from swarm.store import chain
from swarm.store.database import Database, Row

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
DROP INDEX intents_open;
DROP INDEX intents_hour;
ALTER TABLE intents RENAME TO intents_before;
ALTER TABLE events RENAME TO events_before;
ALTER TABLE answers RENAME TO answers_before;
CREATE TABLE intents (id INTEGER PRIMARY KEY, tick INTEGER NOT NULL, campaign INTEGER NOT NULL,
    channel INTEGER NOT NULL, field INTEGER NOT NULL, creative INTEGER NOT NULL, old INTEGER NOT NULL,
    new INTEGER NOT NULL, reason TEXT NOT NULL, estimate REAL NOT NULL, price REAL NOT NULL, epoch INTEGER NOT NULL,
    mode TEXT NOT NULL, refused_by TEXT NOT NULL, state TEXT NOT NULL, hash BLOB NOT NULL);
CREATE INDEX intents_hour ON intents (tick, campaign);
CREATE TABLE settlements (id INTEGER PRIMARY KEY, intent INTEGER NOT NULL UNIQUE, read_back INTEGER NOT NULL,
    state TEXT NOT NULL, hash BLOB NOT NULL);
CREATE TABLE events (id INTEGER PRIMARY KEY, tick INTEGER NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL,
    why TEXT NOT NULL, hash BLOB NOT NULL);
CREATE TABLE answers (id INTEGER PRIMARY KEY, tick INTEGER NOT NULL, use_case TEXT NOT NULL, version INTEGER NOT NULL,
    arrays BLOB NOT NULL);
CREATE VIEW writes AS SELECT intents.id, tick, campaign, channel, field, creative, old, new, reason, estimate, price,
    epoch, mode, refused_by, COALESCE(settlements.state, intents.state) AS state, read_back
    FROM intents LEFT JOIN settlements ON settlements.intent = intents.id;
INSERT INTO answers SELECT ROW_NUMBER() OVER (), tick, use_case, version, arrays FROM answers_before;
DROP TABLE answers_before;
""",
}
"""What makes the next schema of each."""
_CHAINED = 3
"""The first schema with a chain."""
_SHOWN = {
    1: """
CREATE TEMP VIEW events AS SELECT 0 AS id, 0 AS tick, '' AS kind, '' AS subject, '' AS why WHERE 0;
CREATE TEMP VIEW candidates AS SELECT 0 AS number, 0 AS opened_tick, '' AS reason, '' AS changes, 0 AS closed_tick,
    '' AS result, '' AS evidence WHERE 0;
""",
    2: """
CREATE TEMP VIEW writes AS SELECT * FROM intents;
CREATE TEMP VIEW settlements AS SELECT id, id AS intent, read_back, state FROM intents WHERE read_back IS NOT NULL;
CREATE TEMP VIEW answers AS SELECT rowid AS id, * FROM main.answers;
CREATE TEMP VIEW plans AS SELECT '' AS digest, 0 AS tick, 0 AS expires_tick, '' AS body WHERE 0;
CREATE TEMP VIEW plan_verdicts AS SELECT '' AS digest, 0 AS tick, '' AS verdict, '' AS who WHERE 0;
CREATE TEMP VIEW plan_ends AS SELECT '' AS digest, 0 AS tick, '' AS result WHERE 0;
CREATE TEMP VIEW edits AS SELECT 0 AS id, 0 AS tick, 0 AS campaign, 0 AS channel, 0 AS field, 0 AS creative, 0 AS old,
    0 AS new, '' AS who, 0 AS seen WHERE 0;
""",
}
"""What lets a reader of each find what the next one has, in a file that stays as it is."""
SCHEMA_VERSION = 1 + len(_FORWARD)
INPUTS_SINCE = 3
"""The first schema with what each hour was decided from."""


def migrate(db: Database) -> None:
    """Bring the tables to today's schema, in the transaction that is open."""
    if not db.has("meta"):
        _execute(db, _FIRST)
        db.execute("INSERT INTO meta VALUES ('schema', '1')")
    for version in range(_version(db), SCHEMA_VERSION):
        _execute(db, _FORWARD[version])
        if version + 1 == _CHAINED:
            _begin_chain(db)
        db.execute("UPDATE meta SET value = ? WHERE key = 'schema'", (str(version + 1),))


def show(db: Database) -> None:
    """Let an older file look like today's, to those who read it."""
    for version in range(_version(db), SCHEMA_VERSION):
        _execute(db, _SHOWN.get(version, ""))


def check(db: Database) -> int:
    """The schema, which this program knows.

    Raises:
        ValueError: a newer version of the program wrote it.
        JournalError: it does not say.
    """
    if (found := _version(db)) > SCHEMA_VERSION:
        raise ValueError(f"{db.place} has schema {found}, this program knows up to {SCHEMA_VERSION}: upgrade it")
    return found


def _begin_chain(db: Database) -> None:
    """Chain what is there already, as it is found, and let nobody change it from now on."""
    asked = ", ".join(("id", *chain.COLUMNS["intents"][:-1]))
    state = "CASE WHEN state = 'refused' THEN state ELSE 'intended' END"
    for rows in _parts(db, f"SELECT {asked}, {state} FROM intents_before"):  # noqa: S608 - constants
        chain.extend(db, "intents", rows)
    for rows in _parts(db, "SELECT id, read_back, state FROM intents_before", "read_back IS NOT NULL AND"):
        chain.append(db, "settlements", rows)
    for rows in _parts(db, "SELECT id, tick, kind, subject, why FROM events_before"):
        chain.extend(db, "events", rows)
    for table in chain.COLUMNS:
        db.make_append_only(table)
    _execute(db, "DROP TABLE intents_before;\nDROP TABLE events_before")


def _parts(db: Database, query: str, where: str = "") -> Iterator[list[Row]]:
    """What ``query`` finds, in parts by id, for a long run does not fit in memory."""
    last = 0
    while rows := db.execute(f"{query} WHERE {where} id > ? ORDER BY id LIMIT 5000", (last,)):
        yield rows
        last = rows[-1][0]


def _version(db: Database) -> int:
    row = db.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()
    if row is None or not str(row[0]).isdecimal():
        raise JournalError(f"{db.place} does not say of which schema it is: it is no journal, or damaged")
    return int(row[0])


def _execute(db: Database, statements: str) -> None:
    """One after the other, for databases would end the transaction before a script of them."""
    for statement in filter(None, map(str.strip, statements.split(";\n"))):
        db.execute(statement)
