"""``swarm audit`` on a journal that the real door wrote."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from swarm.cli.audit import audit
from swarm.store.export import COLUMNS
from swarm.store.journal import Journal
from tests.observe.runs import BERLIN, CAMPAIGNS


def told(*words: object) -> Result:
    return CliRunner().invoke(audit, [str(word) for word in words])


def test_a_whole_journal_says_so(folder: Path) -> None:
    """By folder or by file; the heads are there to be noted, and nothing is written beside the journal."""
    for where in (folder, folder / "journal.sqlite"):
        result = told("verify", where)
        assert 0 == result.exit_code
        assert result.stdout.startswith("intents: 18 lines, all as they were written; head ")
    assert [folder / "journal.sqlite"] == list(folder.iterdir())


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("UPDATE intents SET new = new + 1 WHERE id = 7", "intents 7, hour 25, campaign {}: the line is not as it was"),
        ("DELETE FROM intents WHERE id = 18", "intents 18, hour 48, campaign {}: the line is missing"),
        ("DELETE FROM settlements WHERE id = 3", "settlements 3, hour 24, campaign {}: the line is missing"),
    ],
)
def test_a_fault_is_one_line_and_status_1(folder: Path, statement: str, message: str) -> None:
    """It names table, line, hour and campaign."""
    with sqlite3.connect(folder / "journal.sqlite") as db:
        for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            db.execute(f"DROP TRIGGER {name}")
        db.execute(statement)
    db.close()
    result = told("verify", folder)
    assert (1, "") == (result.exit_code, result.stdout)
    assert 1 == len(result.stderr.splitlines())
    assert message.format(BERLIN.name) in result.stderr


@pytest.mark.parametrize(
    ("where", "status", "message"),
    [
        ("elsewhere", 2, "there is no journal at elsewhere"),
        ("runs", 2, "there is no journal at runs/journal.sqlite"),
        ("page.html", 1, "page.html: file is not a database; the file is damaged, or no journal"),
        ("empty", 1, "empty: no such table: meta"),
    ],
)
@pytest.mark.parametrize("command", ["verify", "export"])
def test_what_is_no_journal(folder: Path, command: str, where: str, status: int, message: str) -> None:
    """A clear line, not a traceback."""
    Path("page.html").write_text("<html>" * 400)
    Path("empty").touch()
    result = told(command, where)
    assert (status, True) == (result.exit_code, message in result.stderr)


def rows(folder: Path, kind: str) -> list[dict[str, Any]]:
    text = told("export", folder, "--format", kind).stdout
    if kind == "csv":
        return list(csv.DictReader(io.StringIO(text)))
    return [json.loads(line) for line in text.splitlines()]


def test_every_write_is_exported_once_with_names(folder: Path) -> None:
    """Refusals with their guard, outcomes, money in micros of the campaign's currency."""
    found = rows(folder, "jsonl")
    kept = Journal(folder / "journal.sqlite", read_only=True).intents()
    assert [row[-2] for row in kept] == [row["state"] for row in found]
    assert list(range(1, len(kept) + 1)) == [row["id"] for row in found]
    assert {CAMPAIGNS[0].name, CAMPAIGNS[1].name} == {row["campaign"] for row in found}
    first, share = found[0], found[2]
    expected = {
        "id": 1, "tick": 24, "time": "2026-03-02T23:00:00+00:00", "campaign": BERLIN.name, "channel": "google_ads",
        "field": "budget", "creative": "", "currency": "EUR", "unit": "micros", "old": 0, "new": 100_000_000,
        "read_back": 100_000_000, "state": "applied", "refused_by": "",
    }  # fmt: skip
    assert expected.items() <= first.items()
    assert (BERLIN.creatives[1].id, "parts per million") == (share["creative"], share["unit"])
    assert ["step"] == [row["refused_by"] for row in found if row["state"] == "refused"]
    assert {"unverified", "void", "intended"} < {row["state"] for row in found}


def test_csv_says_the_same(folder: Path) -> None:
    """With a header; what has no value is empty."""
    as_csv, as_json = rows(folder, "csv"), rows(folder, "jsonl")
    assert list(COLUMNS) == list(as_csv[0])
    told_again = [{name: "" if value is None else str(value) for name, value in row.items()} for row in as_json]
    assert told_again == as_csv


def test_export_to_a_file(folder: Path, tmp_path: Path) -> None:
    """What standard output would have had; what cannot be written is one line."""
    assert 0 == told("export", folder, "--to", tmp_path / "writes.jsonl").exit_code
    assert told("export", folder).stdout == (tmp_path / "writes.jsonl").read_text(encoding="utf-8")
    result = told("export", folder, "--to", tmp_path)
    assert (1, True) == (result.exit_code, "Is a directory" in result.stderr)


def test_what_can_be_read_is_copied(folder: Path, tmp_path: Path) -> None:
    """Row for row, and the copy's chain is the old one's; nothing that is there is written over."""
    path, copy = folder / "journal.sqlite", tmp_path / "copy.sqlite"
    before = path.read_bytes()
    result = told("recover", path, "--to", copy)
    assert (0, True) == (result.exit_code, "18 of intents" in result.stdout)
    assert told("verify", path).stdout == told("verify", copy).stdout
    assert told("export", path).stdout == told("export", copy).stdout
    assert "is there already" in told("recover", path, "--to", copy).stderr
    assert before == path.read_bytes()
