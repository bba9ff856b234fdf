"""Kill -9 of actors: what is left is as if nothing had happened."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import ray

from benchmarks.kills import ACTORS, follow, kill, ledger, strays
from swarm.actors.launch import ask, launch
from swarm.actors.scenario import Scenario
from swarm.spec.campaign import Campaign
from swarm.store.journal import Journal

pytestmark = pytest.mark.cluster
Make = Callable[[str, int], Scenario]
QUICK = "coordinator"
KINDS = [name for name in ACTORS if name == "agent/meta" or not name.startswith("agent/")]
"""One of each: the four agents are of one class."""


def started(scenario: Scenario, campaigns: list[Campaign]) -> int:
    """Let the clock run through all days; the last market hour."""
    coordinator, end = launch(scenario), scenario.calendar(campaigns).ticks(scenario.days)
    ask(coordinator, "submit", campaigns)
    ask(coordinator, "start", end, 0.0)
    return end


def assert_nothing_shows(scenario: Scenario, undisturbed: Scenario, end: int, status: dict[str, Any]) -> None:
    """Every row is as in the undisturbed run, the platforms agree, and the totals are the journal's."""
    assert ledger(scenario.folder, end) == ledger(undisturbed.folder, end)
    assert strays(scenario.folder) == (0, 0)
    ours, theirs = (Journal(each.folder / "journal.sqlite") for each in (scenario, undisturbed))
    assert ours.totals() == theirs.totals()
    assert ours.modes() == theirs.modes()
    spend = [sum(spend for row, _, spend, *_ in ours.totals() if row == r) for r in range(len(status["campaigns"]))]
    assert [row["spend"] for row in status["campaigns"]] == pytest.approx(spend)


@pytest.mark.parametrize(
    "victim", [pytest.param(name, marks=[] if name == QUICK else pytest.mark.slow) for name in KINDS]
)
def test_any_actor_may_be_killed_and_nothing_is_lost(
    victim: str, undisturbed: tuple[Scenario, dict[str, Any]], examples: list[Campaign], scenarios: Make
) -> None:
    """Killed in mid-run, the actor is made again, the run goes on, and every row is as without the kill."""
    scenario = scenarios("killed", 3)
    end = started(scenario, examples)
    follow(scenario, 30)
    kill(scenario, [victim])
    status = follow(scenario, end)
    assert status["restarts"] == ({} if victim == "coordinator" else {victim: 1})
    assert_nothing_shows(scenario, undisturbed[0], end, status)


@pytest.mark.slow
def test_all_actors_may_be_killed_at_once_and_nothing_is_lost(
    undisturbed: tuple[Scenario, dict[str, Any]], examples: list[Campaign], scenarios: Make
) -> None:
    """Nobody is left to make the others again but Ray, which makes the coordinator; the journal does the rest."""
    scenario = scenarios("massacre", 3)
    end = started(scenario, examples)
    follow(scenario, 30)
    kill(scenario, ACTORS)
    status = follow(scenario, end)
    assert_nothing_shows(scenario, undisturbed[0], end, status)


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["agent/meta", "dispatcher"])
def test_a_child_that_hangs_is_replaced_and_nothing_is_lost(
    victim: str, undisturbed: tuple[Scenario, dict[str, Any]], examples: list[Campaign], scenarios: Make
) -> None:
    """Stopped in mid-run, it gives no sign of life before the deadlines and another takes its place."""
    scenario = scenarios("hung", 3)
    runtime = scenario.config.runtime.model_copy(update={"call_deadline_s": 3.0})
    scenario = replace(scenario, config=scenario.config.model_copy(update={"runtime": runtime}))
    end = started(scenario, examples)
    follow(scenario, 30)
    os.kill(ask(ray.get_actor(victim, namespace=scenario.namespace), "ping"), signal.SIGSTOP)
    status = follow(scenario, end)
    assert status["restarts"] == {victim: 1}
    assert_nothing_shows(scenario, undisturbed[0], end, status)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_kills_at_random_leave_no_trace(
    seed: int, undisturbed: tuple[Scenario, dict[str, Any]], examples: list[Campaign], scenarios: Make
) -> None:
    """Five times in a run, at hours and of actors that the seed draws, one to four at once."""
    rng = np.random.default_rng([2026, seed])
    scenario = scenarios("random", 3)
    end = started(scenario, examples)
    for hour in np.sort(rng.choice(np.arange(2, end - 6), size=5, replace=False)).tolist():
        follow(scenario, hour)
        kill(scenario, rng.choice(ACTORS, size=rng.integers(1, 5), replace=False).tolist())
    assert_nothing_shows(scenario, undisturbed[0], end, follow(scenario, end))
