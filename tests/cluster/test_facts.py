"""What a run was started with stands in its journal, for those who read it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from swarm.actors.launch import end, launch
from swarm.actors.scenario import Scenario
from swarm.store.journal import Journal

pytestmark = pytest.mark.cluster


def _seed(scenario: Scenario) -> int:
    kept = json.loads(Journal(scenario.folder / "journal.sqlite", read_only=True).recall("scenario") or "")
    return int(kept["config"]["run"]["seed"])


def test_facts_are_of_the_swarm_that_is_up(scenarios: Callable[[str, int], Scenario]) -> None:
    """A second `up` with other settings changes nothing; once the swarm is down, the next one's facts are kept."""
    first = scenarios("facts", 2)
    run = first.config.run.model_copy(update={"seed": 99})
    second = replace(first, config=first.config.model_copy(update={"run": run}))
    launch(first)
    assert _seed(first) == first.config.run.seed
    launch(second)
    assert _seed(first) == first.config.run.seed
    end(first.config.name)
    launch(second)
    assert _seed(first) == 99
