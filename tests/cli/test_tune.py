"""``swarm tune``: what was tried, and trying values of one's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from policies.experiment import Effect
from policies.tuner import Verdict
from policies.tuning import BOUNDS, Candidate
from swarm.cli.tune import tune
from swarm.store.journal import Journal

VALUES = {name: high for name, (_, high) in BOUNDS.items()}


def told(*words: str) -> Result:
    return CliRunner().invoke(tune, words)


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Journal:
    """A run whose configuration is all that is known."""
    monkeypatch.chdir(tmp_path)
    made = Journal(tmp_path / "runs" / "swarm" / "journal.sqlite")
    made.hyper(1, 0, VALUES, {})
    return made


def test_history_tells_versions_and_candidates_with_their_evidence(journal: Journal) -> None:
    """As the journal has them; what still runs has no verdict yet."""
    better = Verdict(Candidate(1, {"memory_days": 30.0}, 24, "step"), "promoted", Effect(0.031, 0.01))
    journal.candidates([(1, 24, "step", {"memory_days": 30.0}), (2, 24, "asked", {"exploration": 0.2})])
    journal.verdict(1, 96, better.result, better.told())
    journal.hyper(2, 96, {**VALUES, "memory_days": 30.0}, better.told())
    found = json.loads(told("history", "--json").stdout)
    assert [row["values"]["memory_days"] for row in found["versions"]] == [60.0, 30.0]
    assert found["versions"][1]["evidence"] == better.told()
    assert [(row["result"], row["closed_tick"]) for row in found["candidates"]] == [("promoted", 96), ("running", None)]
    text = " ".join(told("history").stdout.replace("│", " ").split())
    for words in ("the configuration", "candidate 1", "promoted", "+3.1 % ± 1.0", "24 to now", "exploration 0.2"):
        assert words in text


def test_history_says_when_nothing_was_tried(journal: Journal) -> None:
    """And what it takes."""
    assert "a canary needs 24 campaigns" in told("history").stdout


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("pacing_gian=1", "no hyperparameter is called 'pacing_gian'; did you mean 'pacing_gain'?"),
        ("pacing_gain=9", "pacing_gain must lie in [0.05, 2.0], got 9.0"),
        ("pacing_gain", "could not convert string to float"),
    ],
)
def test_what_cannot_be_tried_is_named(words: str, why: str) -> None:
    """Before anything is asked of a swarm."""
    answer = told("try", words)
    assert answer.exit_code == 2
    assert why in " ".join(answer.stderr.replace("│", " ").split())
