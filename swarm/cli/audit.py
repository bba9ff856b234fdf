"""``swarm audit``: whether the journal is as it was written, its writes for others, what is left of a damaged one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import click

from swarm.cli.setup import opened, place_of
from swarm.errors import JournalError
from swarm.observe.explain import channels_of
from swarm.store.chain import heads, verify
from swarm.store.export import exported, write
from swarm.store.journal import Journal
from swarm.store.recover import recover

_PATH = click.Path(path_type=Path)
WHERE = click.argument("where", metavar="FOLDER|FILE")


@click.group("audit")
def audit() -> None:
    """See that the record of writes is whole, and hand it on.

    FOLDER|FILE is a run folder, a journal's file, or postgresql://user@host/database?schema=name.
    """


@audit.command("verify")
@WHERE
def verified(where: str) -> None:
    """See that no line of the record has been changed, added or taken away.

    Every write, refusal, outcome and command of a person is chained to all before it. Exit status 1 names the first
    place that is not as it was written. Note the heads that are printed elsewhere: a journal that was replaced whole
    shows by them alone.
    """
    with _opened(where) as journal:
        if fault := verify(journal):
            raise click.ClickException(f"{journal.place}: {fault}")
        for table, head in heads(journal).items():
            click.echo(f"{table}: {head.id} lines, all as they were written; head {head.hash.hex() or 'none'}")


@audit.command("export")
@WHERE
@click.option("--format", "kind", type=click.Choice(["jsonl", "csv"]), default="jsonl", show_default=True)
@click.option("--to", type=_PATH, help="File to write; by default standard output.")
def export(where: str, kind: str, to: Path | None) -> None:
    """Tell every write with its outcome, and every refusal with its guard; money in micros."""
    with _opened(where) as journal:
        rows = exported(journal, [channel.name for channel in channels_of(journal)])
        if to is None:
            write(rows, sys.stdout, as_csv=kind == "csv")
            return
        try:
            with to.open("w", encoding="utf-8", newline="") as file:
                count = write(rows, file, as_csv=kind == "csv")
        except OSError as error:
            raise click.ClickException(f"{to}: {error.strerror}") from error
    click.echo(f"{to}: {count} writes and refusals")


@audit.command("recover")
@WHERE
@click.option("--to", type=_PATH, required=True, help="File of the new journal; there must be none.")
def recovered(where: str, to: Path) -> None:
    """Copy what can be read of a damaged journal into a new one; the damaged one is left as it is."""
    place = place_of(where)
    if isinstance(place, str):
        raise click.UsageError("a server's journal is recovered by the server's own means: from its backup")
    with _in_one_line():
        copied = recover(place, to)
    click.echo(f"{to}: " + ", ".join(f"{count} of {table}" for table, count in sorted(copied.items())))
    click.echo(f"`swarm audit verify {to}` says whether a line of the record is missing")


@contextmanager
def _opened(where: str) -> Iterator[Journal]:
    with closing(opened(place_of(where))) as journal, _in_one_line():
        yield journal


@contextmanager
def _in_one_line() -> Iterator[None]:
    try:
        yield
    except (ValueError, JournalError) as error:
        raise click.ClickException(str(error)) from error
