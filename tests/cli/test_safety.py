"""``swarm pause-all`` and ``resume-writes`` on a market's real log, with nothing else running."""

from __future__ import annotations

import asyncio
import fcntl
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from swarm.actors.market import Market
from swarm.actors.scenario import Scenario
from swarm.cli.main import cli
from swarm.cli.safety import Reached, stop
from swarm.effects.door import KILL_FILE, effects_of
from swarm.effects.proposals import Field
from swarm.errors import TimedOut
from swarm.platforms.market_log import delivering, hold_if_free
from swarm.store.journal import Journal
from tests.conftest import scenario_of
from tests.observe.runs import CAMPAIGNS, hours, submit

HOURS = 6


@pytest.fixture
def scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scenario:
    """A run folder as a swarm leaves it: three channels deliver, one was paused again."""
    monkeypatch.chdir(tmp_path)
    made = scenario_of("swarm", 2, tmp_path / "runs" / "swarm")
    journal = Journal(made.folder / "journal.sqlite")
    submit(journal)
    hours(journal, HOURS)
    market = Market(made)
    asyncio.run(_play(market))
    market._file.close()
    return made


async def _play(market: Market) -> None:
    await market.admit(CAMPAIGNS, 0)
    on = np.array([[1, 0, 0, Field.STATUS, -1, 1], [2, 0, 1, Field.STATUS, -1, 1], [3, 1, 2, Field.STATUS, -1, 1]])
    off = np.array([[4, 1, 3, Field.STATUS, -1, 1], [5, 0, 0, Field.BUDGET, -1, 9]])
    await market.apply(effects_of(np.concatenate([on, off]).T), 3)
    await market.apply(effects_of(np.array([[6, 1, 3, Field.STATUS, -1, 0]]).T), HOURS - 1)


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, list(words))


def states(folder: Path) -> list[tuple[Any, ...]]:
    """Hour, campaign, channel, reason and fate of every intent."""
    return [(r[0], r[1], r[2], r[7], r[13], r[14]) for r in Journal(folder / "journal.sqlite").intents()]


def held(log: Path) -> IO[str]:
    """The log as a market holds it."""
    file = log.open()
    fcntl.flock(file, fcntl.LOCK_SH)
    return file


def nobody(_name: str, _tick: int) -> int:
    raise AssertionError("the market's actor was asked though no market runs")


def test_with_everything_down_all_is_paused(scenario: Scenario) -> None:
    """The switch is thrown, the market that begins next finds all paused, and the journal knows each pause."""
    answer = run("pause-all", "--who", "ana", "--json")
    (told,) = json.loads(answer.stdout)
    assert (0, True, True, 3, "told") == (
        answer.exit_code, told["kill_switch"], told["done"], told["paused"], told["journal"],
    )  # fmt: skip
    assert (scenario.folder / KILL_FILE).exists()
    again = Market(scenario)
    assert 0 == again._market.settings.status.sum()
    assert 9 == again._market.settings.budget[0, 0]
    assert [(HOURS, c, k, "down", "applied", 0) for c, k in ((0, 0), (0, 1), (1, 2))] == states(scenario.folder)
    assert [(HOURS, "kill_thrown", "swarm", "ana")] == Journal(scenario.folder / "journal.sqlite").events(0, 99)


def test_twice_is_harmless(scenario: Scenario) -> None:
    """The second time there is nothing left to pause."""
    run("pause-all")
    (told,) = json.loads(run("pause-all", "--json").stdout)
    assert (True, 0) == (told["done"], told["paused"])
    assert 3 == len(states(scenario.folder))


def test_a_torn_last_line_is_no_trouble(scenario: Scenario) -> None:
    """A market that died while it wrote: what was never acknowledged goes, as the market itself would have it."""
    log = scenario.folder / "market.jsonl"
    with log.open("a") as file:
        file.write('{"tick": 5, "effects": [[7], [0')
    assert 0 == run("pause-all").exit_code
    assert [] == delivering(log)
    assert 0 == Market(scenario)._market.settings.status.sum()


def test_a_market_that_runs_is_asked_itself(scenario: Scenario) -> None:
    """Its log is held, so nothing is appended behind its back; what it did is read back and settled."""
    running, reached = Market(scenario), Reached(str(scenario.folder))
    with held(scenario.folder / "market.jsonl"):
        stop(scenario.folder, "ana", reached, lambda _, tick: asyncio.run(running.pause_all(tick)))
    assert (True, 3, "paused by the market's actor") == (reached.done, reached.paused, reached.platform)
    assert {"applied"} == {row[4] for row in states(scenario.folder)}


def test_a_market_that_hangs_is_said_to(scenario: Scenario) -> None:
    """The switch stands, the pauses stay open until somebody reads the platform, and the exit status says it."""
    reached = Reached(str(scenario.folder))

    def hangs(_name: str, _tick: int) -> int:
        raise TimedOut("market.pause_all")

    with held(scenario.folder / "market.jsonl"):
        stop(scenario.folder, "ana", reached, hangs)
    assert (False, "not reached: market.pause_all") == (reached.done, reached.platform)
    assert {"intended"} == {row[4] for row in states(scenario.folder)}


@pytest.mark.parametrize("harm", ["corrupt", "gone", "locked"])
def test_a_journal_that_cannot_be_told_stops_no_pause(
    harm: str, scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything is paused all the same, and what the journal lacks is said."""
    path = scenario.folder / "journal.sqlite"
    other = Journal(path)
    monkeypatch.setattr("swarm.store.schema.sqlite3.connect", _impatient())
    if harm == "corrupt":
        for beside in path.parent.glob("journal.sqlite*"):
            beside.unlink()
        path.write_bytes(b"not a database, but longer than its header would be" * 9)
    elif harm == "gone":
        path.unlink()
        path.mkdir()
    else:
        other._db.execute("BEGIN IMMEDIATE")
    reached = Reached(str(scenario.folder))
    stop(scenario.folder, "ana", reached, nobody)
    other.close()
    assert (True, 3) == (reached.done, reached.paused)
    assert reached.journal.startswith("not told: ")
    assert [] == delivering(scenario.folder / "market.jsonl")


def _impatient() -> Any:
    """SQLite that does not wait for a lock, so that the test does not either."""
    import sqlite3

    connect = sqlite3.connect
    return lambda *words, **named: connect(*words, **{**named, "timeout": 0.0})


def test_every_swarm_asked_for_is_stopped(scenario: Scenario, tmp_path: Path) -> None:
    """A name that is wrong keeps none of the others going; nothing asked for is an error."""
    other = tmp_path / "elsewhere"
    other.mkdir()
    answer = run("pause-all", "swarm", "swrm", "--folder", str(other))
    assert "no such run folder: runs/swrm; there are swarm" in answer.stderr
    assert (scenario.folder / KILL_FILE).exists()
    assert (other / KILL_FILE).exists()
    assert "nothing was ever delivered from here" in answer.stdout
    assert 2 == run("pause-all", "swrm").exit_code


def test_writes_are_resumed_by_a_word_alone(scenario: Scenario) -> None:
    """The switch is released, what is paused stays paused, and the journal says who."""
    run("pause-all")
    assert 0 == run("resume-writes", "--who", "bob").exit_code
    assert not (scenario.folder / KILL_FILE).exists()
    assert [] == delivering(scenario.folder / "market.jsonl")
    assert "bob" in [why for *_, why in Journal(scenario.folder / "journal.sqlite").events(0, 99)]


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the log in this test's folder."""
    code = "import fcntl, sys; file = open(sys.argv[1], 'a'); fcntl.flock(file, fcntl.LOCK_SH)"
    code += "; print('held', flush=True); sys.stdin.read()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "log")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert "held\n" == process.stdout.readline()
    yield process
    process.kill()
    process.wait()


def test_a_log_is_held_as_long_as_the_process_lives(holder: subprocess.Popen[str], tmp_path: Path) -> None:
    """However it ends."""
    assert hold_if_free(tmp_path / "log") is None
    holder.kill()
    holder.wait()
    file = hold_if_free(tmp_path / "log")
    assert file is not None
    file.close()
