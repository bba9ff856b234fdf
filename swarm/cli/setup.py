"""What commands share: reading what people wrote, and finding the place to work in."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from swarm.errors import JournalError
from swarm.platforms.log import AccountLog, read_log
from swarm.spec.campaign import Campaign, load_campaigns
from swarm.spec.config import SwarmConfig, load_config
from swarm.spec.errors import SpecErrors
from swarm.store.journal import Journal

INVALID = 2
_JOURNAL = "journal.sqlite"
Kind = TypeVar("Kind")


def read_config(file: Path | None) -> SwarmConfig:
    """The configuration in ``file``, or the defaults; mistakes end the command."""
    return _or_exit(lambda: load_config(file))


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


def open_journal(folder: Path | None, store: Path) -> Journal:
    """The journal in ``folder``, or the newest below ``store``, to read; what is no journal ends the command."""
    found = _runs(store)
    if folder is None and not found:
        raise click.UsageError(f"no run folder below {store} has a journal; --folder names one elsewhere")
    chosen = folder or found[0]
    if not (chosen / _JOURNAL).exists():
        others = ", ".join(map(str, [*_runs(chosen), *found])) or "none"
        raise click.BadParameter(f"{chosen} has no journal; run folders that have one: {others}", param_hint="--folder")
    try:
        return Journal(chosen / _JOURNAL, read_only=True)
    except (ValueError, JournalError) as error:
        raise click.ClickException(f"{chosen / _JOURNAL}: {error}") from error


def open_to_write(folder: Path) -> Journal:
    """The journal in ``folder``, to write to beside whoever has it open; what is no journal ends the command."""
    if not (folder / _JOURNAL).exists():
        others = ", ".join(map(str, _runs(folder.parent))) or "none"
        raise click.ClickException(f"{folder} has no journal; run folders that have one: {others}")
    try:
        return Journal(folder / _JOURNAL)
    except (ValueError, JournalError) as error:
        raise click.ClickException(f"{folder / _JOURNAL}: {error}") from error


def _runs(store: Path) -> list[Path]:
    """Folders below ``store`` that have a journal, the one written last first."""
    return sorted((path.parent for path in store.glob(f"*/{_JOURNAL}")), key=_written, reverse=True)


def _written(folder: Path) -> float:
    """When the journal or its log of writes was; the file beside them that readers touch does not count."""
    return max(path.stat().st_mtime for path in folder.glob(f"{_JOURNAL}*") if path.suffix != ".sqlite-shm")


def say(answer: Any, *, as_json: bool, text: str) -> None:
    """The answer for a program, or the text for a person."""
    click.echo(json.dumps(answer, default=str) if as_json else text)
