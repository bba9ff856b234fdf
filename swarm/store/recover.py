"""A journal whose file is damaged, as far as it can be read, in a new file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from swarm.errors import JournalError
from swarm.store.chain import COLUMNS
from swarm.store.database import Database, Row, connect
from swarm.store.journal import Journal

_AT_ONCE = 1000


def recover(damaged: Path, fresh: Path) -> dict[str, int]:
    """Copy every row of ``damaged`` that can be read into a new journal at ``fresh``; how many of each table.

    Lines keep their ids and hashes, so that ``chain.verify`` says of the copy what is missing. ``damaged`` is left as
    it is. Its schema must be today's.

    Raises:
        ValueError: there is something at ``fresh``.
        JournalError: nothing can be read.
    """
    if fresh.exists():
        raise ValueError(f"{fresh} is there already: name a file that is not")
    old = connect(damaged, read_only=True)
    journal = Journal(fresh)
    with journal.writing() as db:
        tables = db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        copied = {table: _copy(old, db, table) for (table,) in tables}
    journal.close()
    if not any(copied[table] for table in (*COLUMNS, "campaigns", "ticks")):
        fresh.unlink()
        raise JournalError(f"{damaged}: nothing of it can be read")
    return copied


def _copy(old: Database, new: Database, table: str) -> int:
    count = 0
    for rows in _readable(old, table):
        marks = ", ".join("?" * len(rows[0]))
        new.executemany(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", rows)  # noqa: S608 - the file's own names
        count += len(rows)
    return count


def _readable(old: Database, table: str) -> Iterator[list[Row]]:
    """From the first row to one that cannot be read, then from the last one back to it."""
    for order, beyond in (("ASC", ">"), ("DESC", "<")):
        last, most = None, _AT_ONCE
        while most:
            where = "" if last is None else f"WHERE rowid {beyond} {last}"
            query = f"SELECT rowid, * FROM {table} {where} ORDER BY rowid {order} LIMIT {most}"  # noqa: S608 - as above
            try:
                rows = old.execute(query)
            except JournalError:
                most //= 10  # nearer to the place
                continue
            if rows:
                yield [row[1:] for row in rows]
            if len(rows) < most and most == _AT_ONCE:
                return
            last = rows[-1][0] if rows else last
            most = most if rows else 0
