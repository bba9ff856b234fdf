"""Commands for the files that a user writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NoReturn

import click

from swarm.spec.campaign import Campaign, load_campaigns
from swarm.spec.config import load_config
from swarm.spec.errors import SpecErrors
from swarm.spec.example import EXAMPLE
from swarm.spec.render import render

INVALID = 2
"""Exit status for files with mistakes in them."""

_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("paths", nargs=-1, required=True, type=_PATH, metavar="PATH...")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def validate(paths: tuple[Path, ...], as_json: bool) -> None:
    """Check campaign files, or all those in a folder, and list every mistake."""
    try:
        campaigns = load_campaigns(paths)
    except SpecErrors as wrong:
        _fail(wrong, as_json)
    names = [campaign.name for campaign in campaigns]
    if as_json:
        click.echo(json.dumps({"valid": True, "campaigns": names}))
    else:
        click.echo(f"valid: {', '.join(names)}")


@click.command()
def schema() -> None:
    """Print the JSON Schema of a campaign, for editors."""
    click.echo(json.dumps(Campaign.model_json_schema(), indent=2))


@click.command()
@click.argument("file", default="campaign.yaml", type=_PATH)
@click.option("--force", is_flag=True, help="Overwrite the file if it is there.")
def init(file: Path, force: bool) -> None:
    """Write a commented example campaign to FILE."""
    try:
        with file.open("w" if force else "x", encoding="utf-8") as stream:
            stream.write(EXAMPLE)
    except FileExistsError as error:
        raise click.ClickException(f"{file} exists; --force overwrites it") from error
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror}") from error
    click.echo(f"wrote {file}")


@click.group()
def config() -> None:
    """The settings of the runtime."""


@config.command()
@click.option("--file", type=_PATH, help="Settings that differ from the defaults.")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def show(file: Path | None, as_json: bool) -> None:
    """Print every setting in force, with its meaning and bounds."""
    try:
        settings = load_config(file)
    except SpecErrors as wrong:
        _fail(wrong, as_json)
    click.echo(settings.model_dump_json(indent=2) if as_json else render(settings), nl=as_json)


def _fail(wrong: SpecErrors, as_json: bool) -> NoReturn:
    if as_json:
        errors = [error.as_dict() for error in wrong.errors]
        click.echo(json.dumps({"valid": False, "errors": errors}))
    else:
        click.echo(str(wrong), err=True)
    raise click.exceptions.Exit(INVALID)
