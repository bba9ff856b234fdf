"""``swarm report``: a run as one HTML page, from the journal alone."""

from __future__ import annotations

from pathlib import Path

import click

from swarm.cli.setup import open_journal, read_config, run_folder, say

_PATH = click.Path(path_type=Path)
_PAGE = "report.html"


@click.command("report")
@click.option("--folder", type=_PATH, help="Run folder; by default the newest one.")
@click.option("--out", type=_PATH, help=f"Where to write the page; by default {_PAGE} in the run folder.")
@click.option("--config", "file", type=_PATH, help="Settings that differ from the defaults.")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def command(folder: Path | None, out: Path | None, file: Path | None, as_json: bool) -> None:
    """Write a run as one HTML page: value, pacing, platforms, health, creatives, tuning, decisions.

    The page loads nothing from anywhere, so it can be sent and kept. Everything on it comes from the run's journal:
    it can be made while the swarm runs, and after it.
    """
    from swarm.observe.report.gather import gather
    from swarm.observe.report.page import page

    store = Path(read_config(file).store.folder)
    folder = run_folder(folder, store)
    journal = open_journal(folder, store)
    try:
        with journal.snapshot():
            found = gather(journal)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    out = out or folder / _PAGE
    text = page(found).encode()
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(text)
    except OSError as error:
        raise click.ClickException(f"{out}: {error.strerror}") from error
    answer = {"file": str(out), "bytes": len(text), "shown": len(found.campaigns), "left_out": found.others}
    say(answer, as_json=as_json, text=f"{out}, {len(text) / 1e3:,.0f} kB: open it in any browser")
