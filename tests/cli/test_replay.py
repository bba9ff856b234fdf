"""``swarm replay`` on runs of one process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from swarm.actors.scenario import Scenario
from swarm.cli.main import cli
from swarm.spec.campaign import Campaign
from tests.replay_runs import JOINS, played, tampered
from tests.store.kept import unpacked


@pytest.fixture(scope="module")
def scenario(examples: list[Campaign], tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    """Two days of three campaigns."""
    return played(tmp_path_factory.mktemp("replay"), examples[:3], days=2)


def replay(*words: object) -> Result:
    """The command's exit status and output."""
    return CliRunner().invoke(cli, ["replay", *map(str, words)])


def test_the_same_decisions_are_told_in_one_line(scenario: Scenario) -> None:
    """From the run's folder or its file, read alone; the status is 0."""
    path = scenario.folder / "journal.sqlite"
    before = path.read_bytes()
    for place in (scenario.folder, path):
        found = replay(place, "--from", 30, "--to", 34)
        assert found.exit_code == 0, found.output
        assert found.output.startswith("market hours 30 to 34: 5 hours, ")
        assert found.output.endswith(" decisions compared, 0 differ\n")
    assert before == path.read_bytes()


def test_a_difference_names_its_place_and_ends_with_status_1(scenario: Scenario, tmp_path: Path) -> None:
    """Hour, campaign, channel, setting and both values."""
    path = tampered(scenario, tmp_path, 30)
    found = replay(path, "--to", 40)
    assert found.exit_code == 1, found.output
    assert "first difference: hour " in found.output
    told = json.loads(replay(path, "--to", 40, "--json").output)
    assert told["differing"] > 0
    assert told["first"]["hour"] >= 30
    assert told["first"]["logged"] != told["first"]["again"]


def test_models_asked_again_agree(scenario: Scenario) -> None:
    """The largest differences of answers and decisions are told, and the status is 0."""
    found = replay(scenario.folder, "--recompute", "--to", 30, "--json")
    assert found.exit_code == 0, found.output
    told = json.loads(found.output)
    assert max(told["answers"], told["largest"]) <= 1e-5


@pytest.mark.slow
def test_other_settings_are_judged_with_an_interval(scenario: Scenario, tmp_path: Path) -> None:
    """In words and in JSON."""
    file = tmp_path / "other.yaml"
    file.write_text("creative: {exploration: 4.0}\n", encoding="utf-8")
    found = replay(scenario.folder, "--config", file, "--from", JOINS)
    assert found.exit_code == 0, found.output
    assert "settings in force differ" in found.output
    assert "at equal money" in found.output
    told = json.loads(replay(scenario.folder, "--config", file, "--from", JOINS, "--json").output)
    assert {"logged", "difference", "low", "high", "spend", "far"} == set(told["value"])


def test_what_cannot_be_replayed_is_said(scenario: Scenario, tmp_path: Path) -> None:
    """No journal, an old one, hours that it does not have, and two policies at once: one clear line, status 2."""
    old = unpacked("before_charts", tmp_path / "old")
    for words, told in (
        ((tmp_path / "nowhere",), "there is no journal at"),
        ((old,), "does not say what its hours were decided from"),
        ((scenario.folder, "--from", 500), "is not within market hours 0 to"),
        ((scenario.folder, "--recompute", "--policy", "equal_split"), "give one of"),
        ((scenario.folder, "--policy", "equal_split"), "joined"),
    ):
        found = replay(*words)
        assert found.exit_code == 2, found.output
        assert told in " ".join(found.output.split())
