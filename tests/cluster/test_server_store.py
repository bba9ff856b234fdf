"""A swarm whose journal is on a PostgreSQL server: as people start it, and when the server goes away."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from swarm.actors.launch import ask, launch
from swarm.actors.scenario import Scenario
from swarm.cli.main import cli
from swarm.spec.campaign import Campaign
from swarm.store.chain import verify
from swarm.store.journal import Journal
from swarm.store.place import journal_of
from tests.conftest import EXAMPLES
from tests.store.server import Server
from tests.store.test_place import url

pytestmark = pytest.mark.cluster
Make = Callable[[str, int], Scenario]
SPEC = EXAMPLES / "hearth-kettle-sales.yaml"


@pytest.mark.slow
def test_a_run_is_kept_on_the_server(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file of the folder holds the journal; every command finds it by the folder."""
    words = ("run", SPEC, "--days", "1", "--store", url(server), "--json", "run.json")
    done = subprocess.run(
        [Path(sys.executable).parent / "swarm", *words],
        cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    folder = Path(json.loads((tmp_path / "run.json").read_text())["folder"])
    assert not list(folder.glob("*.sqlite*"))
    monkeypatch.chdir(tmp_path)
    for later in (
        ("explain", SPEC.stem), ("plan", "--folder", str(folder)), ("report",), ("audit", "verify", str(folder)),
        ("replay", str(folder), "--from", "5", "--to", "9"),
    ):  # fmt: skip
        answer = CliRunner().invoke(cli, list(later))
        assert answer.exit_code == 0, f"{later}: {answer.output}"
    assert (folder / "report.html").exists()


@pytest.mark.slow
def test_while_the_server_is_away_the_clock_waits(frail: Server, examples: list[Campaign], scenarios: Make) -> None:
    """Status and a notice say so; when it is back, hours go on from where they were, and the chain is whole."""
    made = scenarios("away", 3)
    store = made.config.store.model_copy(update={"url": url(frail)})
    scenario = replace(made, config=made.config.model_copy(update={"store": store}))
    coordinator = launch(scenario)
    ask(coordinator, "submit", examples[:3])
    ask(coordinator, "start", 70, 0.05)
    status: dict[str, Any] = {"tick": -1}
    while status["tick"] < 10:
        status = ask(coordinator, "progress", status["tick"])
    frail.kill()
    try:
        while not status["waits_for"]:
            status = ask(coordinator, "progress", status["tick"])
            assert status["error"] == ""
    finally:
        frail.start()
    stood = status["tick"]
    assert "postgresql" in status["waits_for"]
    while status["tick"] < stood + 6:
        status = ask(coordinator, "progress", status["tick"])
        assert status["error"] == ""
    assert status["waits_for"] == ""
    ask(coordinator, "stop", pause=True)
    journal = Journal(journal_of(scenario.folder), read_only=True)
    assert verify(journal) is None
    ticks = [tick for tick, _, _ in journal.modes()]
    assert ticks == list(range(len(ticks)))
    notices = [json.loads(line)["kind"] for line in (scenario.folder / "notices.jsonl").read_text().splitlines()]
    assert notices.count("store_error") == 1
