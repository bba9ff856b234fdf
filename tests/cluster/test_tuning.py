"""Tuning on a real Ray cluster: the same as in one process, and the same after a death."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.inprocess import run
from benchmarks.kills import follow, kill, ledger
from benchmarks.runtime import multiplied
from policies.tuner import LEAST_CAMPAIGNS, Tuner
from policies.tuning import BOUNDS
from swarm.actors.launch import ask, launch
from swarm.actors.scenario import Scenario
from swarm.brain import opening_hyper
from swarm.errors import Failed
from swarm.spec.campaign import Campaign
from swarm.store.journal import Journal
from tests.conftest import scenario_of

pytestmark = pytest.mark.cluster
Make = Callable[[str, int], Scenario]
HOURS = 75


@pytest.fixture(scope="module")
def many(examples: list[Campaign]) -> list[Campaign]:
    """Just enough campaigns for a canary."""
    return multiplied(examples, LEAST_CAMPAIGNS)


@pytest.fixture(scope="module")
def alone(many: list[Campaign], tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    """Four days in one process, without Ray."""
    scenario = scenario_of("alone", 4, tmp_path_factory.mktemp("alone"))

    async def nothing(*_: Any) -> None:
        """Happens to this run."""

    run(scenario, many, opening_hyper(scenario.config).values, before=nothing)
    return scenario


def tuned(scenario: Scenario) -> tuple[list[Any], list[Any]]:
    """Candidates and versions up to the hour that all runs reached."""
    journal = Journal(scenario.folder / "journal.sqlite")
    return journal.tried(), journal.hypers()


@pytest.mark.slow
def test_ray_tunes_as_one_process_does_even_when_the_loop_is_killed(
    alone: Scenario, many: list[Campaign], scenarios: Make
) -> None:
    """Every write, candidate and version is the same, though the feedback loop died twice."""
    scenario = scenarios("tuned", 4)
    coordinator = launch(scenario)
    ask(coordinator, "submit", many)
    ask(coordinator, "start", HOURS, 0.0)
    for hour in (30, 49):
        follow(scenario, hour)
        kill(scenario, ["feedback"])
    follow(scenario, HOURS)
    assert len(tuned(scenario)[0]) > 10
    assert tuned(scenario)[0] == [row for row in tuned(alone)[0] if row["opened_tick"] < HOURS]
    assert ledger(scenario.folder, HOURS) == ledger(alone.folder, HOURS)


def test_no_trajectory_is_lost(alone: Scenario) -> None:
    """Conversions credited to days, open and settled, are all that the platforms had reported by the last lesson."""
    journal = Journal(alone.folder / "journal.sqlite")
    book = Tuner.from_arrays(journal.models()["state/tuner"][1]).book
    ends = [int(book.tick[-1]) - channel.report_lag_h for channel in alone.channels]
    reported = sum(row[4] for c, end in enumerate(ends) for row in journal.totals(0, end) if row[1] == c)
    file = sqlite3.connect(alone.folder / "journal.sqlite")
    (settled,) = file.execute("SELECT COALESCE(SUM(conversions), 0.0) FROM trajectories").fetchone()
    assert book.credited.sum() + settled == pytest.approx(reported)


def test_a_person_may_try_values_out(many: list[Campaign], scenarios: Make) -> None:
    """From the next lesson on they have the canary; what cannot be tried says why."""
    scenario = scenarios("asked", 4)
    coordinator = launch(scenario)
    with pytest.raises(Failed, match="before the first day's lesson"):
        ask(coordinator, "try_out", {"pacing_gain": 1.0})
    ask(coordinator, "submit", many)
    ask(coordinator, "start", 26, 0.0)
    follow(scenario, 26)
    with pytest.raises(Failed, match=r"pacing_gain must lie in \[0.05, 2.0\], got 3"):
        ask(coordinator, "try_out", {"pacing_gain": 3.0})
    ask(coordinator, "try_out", {"pacing_gain": BOUNDS["pacing_gain"][1], "memory_days": 3.0})
    ask(coordinator, "start", 50, 0.0)
    follow(scenario, 50)
    asked = [row for row in tuned(scenario)[0] if row["reason"] == "asked"]
    assert [(row["opened_tick"], row["changes"]) for row in asked] == [(48, {"pacing_gain": 2.0, "memory_days": 3.0})]
    assert {row["result"] for row in tuned(scenario)[0] if row["reason"] == "step"} == {"withdrawn"}


def test_few_campaigns_are_not_tuned(undisturbed: tuple[Scenario, dict[str, Any]]) -> None:
    """A canary of two could not tell anything."""
    assert tuned(undisturbed[0])[0] == []
    assert len(tuned(undisturbed[0])[1]) == 1
