"""What commands share: reading what people wrote, and finding the place to work in."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from pydantic import ValidationError

from swarm.errors import JournalError
from swarm.platforms.log import AccountLog, read_log
from swarm.spec.campaign import Campaign, load_campaigns
from swarm.spec.config import Store, SwarmConfig, load_config
from swarm.spec.errors import SpecErrors
from swarm.store.database import is_url
from swarm.store.journal import Journal
from swarm.store.place import ELSEWHERE, FILE, has_journal, journal_of

INVALID = 2
READ = "swarm.journal"
"""Where a command notes which journal it reads, for whom it fails on."""
Kind = TypeVar("Kind")


def read_config(file: Path | None) -> SwarmConfig:
    """The configuration in ``file``, or the defaults; mistakes end the command."""
    return _or_exit(lambda: load_config(file))


STORE = click.option(
    "--store",
    "server",
    metavar="URL",
    help="PostgreSQL server that keeps the journal: postgresql://user@host/database; by default a file does.",
)


def kept_on(config: SwarmConfig, server: str | None) -> SwarmConfig:
    """``config`` with the journal on ``server``, if one is given; what is no server ends the command."""
    if server is None:
        return config
    try:
        store = Store.model_validate({**config.store.model_dump(), "url": server})
    except ValidationError as wrong:
        raise click.BadParameter("; ".join(each["msg"] for each in wrong.errors()), param_hint="--store") from None
    return config.model_copy(update={"store": store})


def read_campaigns(paths: Sequence[Path]) -> list[Campaign]:
    """All campaigns in ``paths``; mistakes end the command, and nothing is submitted."""
    return _or_exit(lambda: load_campaigns(paths))


def read_history(path: Path, columns: Mapping[str, str]) -> AccountLog:
    """The account's log at ``path``; mistakes end the command."""
    return _or_exit(lambda: read_log(path, columns))


def _or_exit(read: Callable[[], Kind]) -> Kind:
    try:
        return read()
    except SpecErrors as wrong:
        for error in wrong.errors:
            click.echo(str(error), err=True)
        sys.exit(INVALID)


def fresh_folder(root: Path, name: str) -> Path:
    """A folder ``root/name-<n>`` that nothing has been written to."""
    for number in range(1, 1_000_000):
        folder = root / f"{name}-{number:03d}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise click.ClickException(f"{root} is full of folders called {name}-*")


def run_folder(folder: Path | None, store: Path) -> Path:
    """``folder``, or the newest below ``store``; one that has no journal ends the command."""
    found = _runs(store)
    if folder is None and not found:
        raise click.UsageError(f"no run folder below {store} has a journal; --folder names one elsewhere")
    chosen = folder or found[0]
    if not has_journal(chosen):
        others = ", ".join(map(str, [*_runs(chosen), *found])) or "none"
        raise click.BadParameter(f"{chosen} has no journal; run folders that have one: {others}", param_hint="--folder")
    return chosen


def open_journal(folder: Path | None, store: Path) -> Journal:
    """The journal of ``folder``, or of the newest below ``store``, to read; what is no journal ends the command."""
    return opened(journal_of(run_folder(folder, store)))


def open_to_write(folder: Path) -> Journal:
    """The journal of ``folder``, to write to beside whoever has it open; what is no journal ends the command."""
    if not has_journal(folder):
        others = ", ".join(map(str, _runs(folder.parent))) or "none"
        raise click.ClickException(f"{folder} has no journal; run folders that have one: {others}")
    return opened(journal_of(folder), read_only=False)


def place_of(where: str) -> Path | str:
    """The journal that a run folder, a file or a server's URL stands for; where there is none, the command ends."""
    if is_url(where):
        return where
    path = Path(where)
    place = journal_of(path) if path.is_dir() else path
    if isinstance(place, Path) and not place.exists():
        raise click.BadParameter(f"there is no journal at {place}")
    return place


def opened(place: Path | str, *, read_only: bool = True) -> Journal:
    """The journal there; what is none ends the command."""
    if context := click.get_current_context(silent=True):
        context.meta[READ] = str(place)
    try:
        return Journal(place, read_only=read_only)
    except (ValueError, JournalError) as error:
        where = "" if is_url(place) else f"{place}: "
        raise click.ClickException(f"{where}{error}") from error


def _runs(store: Path) -> list[Path]:
    """Folders below ``store`` that have a journal, the one written last first."""
    return sorted((path for path in store.glob("*/") if has_journal(path)), key=_written, reverse=True)


def _written(folder: Path) -> float:
    """When something of the run was; the file beside the journal that readers touch does not count."""
    known = (FILE, f"{FILE}-wal", ELSEWHERE, "market.jsonl")
    return max(path.stat().st_mtime for path in map(folder.joinpath, known) if path.exists())


def say(answer: Any, *, as_json: bool, text: str) -> None:
    """The answer for a program, or the text for a person."""
    click.echo(json.dumps(answer, default=str) if as_json else text)
