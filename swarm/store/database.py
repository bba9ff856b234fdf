"""The two databases that a journal may be in, behind one face.

Statements are what both understand: ``?`` marks, ``ON CONFLICT (key) DO``; tables are declared in SQLite's types. A
transaction that writes has the journal to itself until it ends. Whatever a database complains of is a JournalError.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlencode, urlsplit

from swarm.errors import JournalError
from swarm.store.crash import written

PATIENCE_S = 10.0
"""How long a write waits for another process to be done."""
URL = ("postgresql://", "postgres://")
_PG_TYPES = {" INTEGER": " BIGINT", " REAL": " DOUBLE PRECISION", " BLOB": " BYTEA"}
_AGAIN = "it goes on by itself"
_REPAIR = "`swarm audit verify` names the place, `swarm audit recover` copies what can still be read"
_HINTS = {
    "SQLITE_FULL": f"nothing of it was kept; once there is space on the disk {_AGAIN}",
    "SQLITE_BUSY": f"nothing of it was kept; once the other process lets go {_AGAIN}",
    "SQLITE_LOCKED": f"nothing of it was kept; once the other process lets go {_AGAIN}",
    "SQLITE_READONLY": "nothing of it was kept; the file or its folder is write-protected",
    "SQLITE_CORRUPT": f"the file is damaged: {_REPAIR}",
    "SQLITE_NOTADB": f"the file is damaged, or no journal: {_REPAIR}",
    "LockNotAvailable": f"nothing of it was kept; once the other process lets go {_AGAIN}",
    "DiskFull": f"nothing of it was kept; once there is space on the disk {_AGAIN}",
    "ReadOnlySqlTransaction": "nothing of it was kept; it was opened to be read",
}
Row = tuple[Any, ...]


class Answer(list[Row]):
    """All rows that a statement found."""

    def fetchone(self) -> Row | None:
        """The first one."""
        return self[0] if self else None

    def fetchall(self) -> list[Row]:
        """All of them."""
        return self


class Database(Protocol):
    """What the journal asks of a database.

    Raises:
        JournalError: from every method, if the database cannot do it; a transaction that was open may be gone then.
    """

    place: str
    """Where it is, for people; without a password."""
    name: str
    """Of the folder that the file is in, or of the schema."""

    @property
    def in_transaction(self) -> bool:
        """Whether one is open."""

    def execute(self, statement: str, row: Sequence[Any] = ()) -> Answer:
        """Run one statement."""

    def executemany(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run one statement that writes, for each of ``rows``."""

    def begin(self) -> None:
        """Begin to write, alone."""

    def begin_to_read(self) -> None:
        """Begin to read what was committed until now, and nothing later."""

    def commit(self) -> None:
        """All that was written is durable when this returns."""

    def rollback(self) -> None:
        """Nothing was written."""

    def has(self, table: str) -> bool:
        """Whether there is such a table."""

    def make_append_only(self, table: str) -> None:
        """Let the database refuse every change of a row that is there."""

    def complaint(self) -> str:
        """What is wrong with its own structure; empty where nothing is."""

    def close(self) -> None:
        """Let go of it."""


def connect(place: Path | str, *, read_only: bool = False) -> Database:
    """The database at ``place``: a file, or ``postgresql://user@host/database?schema=name``."""
    if is_url(place):
        return Postgres(str(place), read_only=read_only)
    return Sqlite(Path(place), read_only=read_only)


def is_url(place: Path | str) -> bool:
    """Whether ``place`` is a database server's."""
    return str(place).startswith(URL)


class Sqlite:
    """One file, with write-ahead logging and full synchronisation.

    To be read, it must be there, and is left as it is. Without a log beside it nobody has it open, and SQLite is told
    so: else it would make one to read.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.place, self.name = str(path), path.resolve().parent.name
        with self._told():
            self._db = _to_read(path) if read_only else _to_write(path)

    @property
    def in_transaction(self) -> bool:
        """Whether one is open."""
        return self._db.in_transaction

    def execute(self, statement: str, row: Sequence[Any] = ()) -> Answer:
        """Run one statement."""
        with self._told():
            answer = Answer(self._db.execute(statement, row))
        _count(statement)
        return answer

    def executemany(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run one statement that writes, for each of ``rows``."""
        with self._told():
            self._db.executemany(statement, rows)
        written()

    def begin(self) -> None:
        """Begin to write, alone."""
        self.execute("BEGIN IMMEDIATE")

    def begin_to_read(self) -> None:
        """Begin to read what was committed until now, and nothing later."""
        self.execute("BEGIN")

    def commit(self) -> None:
        """All that was written is on disk when this returns."""
        self.execute("COMMIT")
        written()

    def rollback(self) -> None:
        """Nothing was written."""
        self.execute("ROLLBACK")

    def has(self, table: str) -> bool:
        """Whether there is such a table."""
        return bool(self.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)))

    def make_append_only(self, table: str) -> None:
        """Let the database refuse every change of a row that is there."""
        for change in ("UPDATE", "DELETE"):
            self.execute(
                f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change} ON {table}"
                f" BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )

    def complaint(self) -> str:
        """What is wrong with its own structure; empty where nothing is."""
        told = str(self.execute("PRAGMA integrity_check(1)")[0][0])
        return "" if told == "ok" else " ".join(told.split())

    def close(self) -> None:
        """Let go of it."""
        self._db.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            kind = "_".join((getattr(error, "sqlite_errorname", None) or "").split("_")[:2])
            raise _failure(self.place, error, kind) from error


def _to_write(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(path, timeout=PATIENCE_S, isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    return db


def _to_read(path: Path) -> sqlite3.Connection:
    alone = "" if path.with_name(f"{path.name}-wal").exists() else "&immutable=1"
    uri = f"{path.resolve().as_uri()}?mode=ro{alone}"
    return sqlite3.connect(uri, uri=True, timeout=PATIENCE_S, isolation_level=None, check_same_thread=False)


class Postgres:
    """One schema of a server's database; each swarm has its own, so that several share a server.

    A connection that was lost is made again with the next transaction, or the next read outside of one.
    """

    def __init__(self, url: str, *, read_only: bool = False) -> None:
        self._url, self.name = _without_schema(url)
        self._read_only = read_only
        parts = urlsplit(self._url)
        self.place = f"postgresql://{parts.netloc.rpartition('@')[2]}{parts.path}?schema={self.name}"
        self._psycopg = _psycopg()
        self._begun = False
        self._connect()
        if not read_only:
            self.begin()
            self.execute(f'CREATE SCHEMA IF NOT EXISTS "{self.name}"')
            self.commit()

    def _connect(self) -> None:
        with self._told():
            self._db = self._psycopg.connect(self._url, autocommit=True, connect_timeout=int(PATIENCE_S))
            self._db.execute(f'SET search_path TO "{self.name}"')
            self._db.execute("SET synchronous_commit TO on")
            self._db.execute(f"SET lock_timeout TO '{PATIENCE_S} s'")
            self._db.execute(f"SET default_transaction_read_only TO {'on' if self._read_only else 'off'}")

    @property
    def in_transaction(self) -> bool:
        """Whether one is open; one whose connection was lost is, until it is rolled back."""
        return self._begun

    def execute(self, statement: str, row: Sequence[Any] = ()) -> Answer:
        """Run one statement."""
        try:
            answer = self._execute(statement, row)
        except JournalError:
            if self._begun or not self._db.closed:
                raise
            self._connect()  # nothing is written outside of a transaction, so asking again is harmless
            answer = self._execute(statement, row)
        _count(statement)
        return answer

    def _execute(self, statement: str, row: Sequence[Any]) -> Answer:
        with self._told():
            cursor = self._db.execute(_for_postgres(statement), row)
            return Answer(cursor.fetchall() if cursor.description else ())

    def executemany(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run one statement that writes, for each of ``rows``."""
        with self._told(), self._db.cursor() as cursor:
            cursor.executemany(_for_postgres(statement), rows)
        written()

    def begin(self) -> None:
        """Begin to write, alone."""
        self._begin("BEGIN")
        try:
            self.execute("SELECT pg_advisory_xact_lock(hashtextextended(?, 0))", (self.name,))
        except JournalError:
            self.rollback()
            raise

    def begin_to_read(self) -> None:
        """Begin to read what was committed until now, and nothing later."""
        self._begin("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")

    def _begin(self, statement: str) -> None:
        self.execute(statement)
        self._begun = True

    def commit(self) -> None:
        """All that was written is on the server's disk when this returns."""
        with self._told():
            done = self._db.execute("COMMIT").statusmessage
        if done != "COMMIT":  # what the server answers where a statement has failed, and nothing is kept
            raise JournalError(f"{self.place}: a write of this transaction has failed: nothing of it was kept")
        self._begun = False
        written()

    def rollback(self) -> None:
        """Nothing was written."""
        self._begun = False
        if not self._db.closed:
            self._execute("ROLLBACK", ())

    def has(self, table: str) -> bool:
        """Whether there is such a table."""
        return self.execute("SELECT to_regclass(?)", (table,))[0][0] is not None

    def make_append_only(self, table: str) -> None:
        """Let the database refuse every change of a row that is there."""
        self.execute(
            "CREATE OR REPLACE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$"
        )
        self.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION append_only()"
        )

    def complaint(self) -> str:
        """The server looks after its own structure."""
        return ""

    def close(self) -> None:
        """Let go of it."""
        self._db.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except self._psycopg.Error as error:
            raise _failure(self.place, error, type(error).__name__) from error


def _without_schema(url: str) -> tuple[str, str]:
    """The URL as the server's library knows it, and the schema that it names; ``swarm`` by default.

    Raises:
        ValueError: the name is more than a name.
    """
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    schema = options.pop("schema", "swarm")
    if not schema or '"' in schema or len(schema.encode()) > 63:
        raise ValueError(f"schema {schema!r} is no name for a schema: up to 63 bytes, without quotes")
    query = f"?{urlencode(options)}" if options else ""
    return f"postgresql://{parts.netloc}{parts.path}{query}", schema


def _psycopg() -> Any:
    try:
        import psycopg
    except ImportError as error:
        raise ValueError(
            "a journal on PostgreSQL needs psycopg: pip install 'swarm-ads[postgres]', or name a file"
        ) from error
    return psycopg


@lru_cache(maxsize=256)
def _for_postgres(statement: str) -> str:
    """``?`` as psycopg writes it; 64 bits in all columns."""
    if statement.startswith(("CREATE TABLE", "ALTER TABLE")):
        for ours, theirs in _PG_TYPES.items():
            statement = statement.replace(ours, theirs)
    return statement.replace("%", "%%").replace("?", "%s")


def _count(statement: str) -> None:
    if not statement.startswith(("SELECT", "WITH", "BEGIN", "COMMIT", "ROLLBACK", "PRAGMA")):
        written()


def _failure(place: str, error: Exception, kind: str) -> JournalError:
    """One line: where, what, and what to do."""
    hint = _HINTS.get(kind, "")
    return JournalError(f"{place}: {' '.join(str(error).split())}{'; ' if hint else ''}{hint}")
