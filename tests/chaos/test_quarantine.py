"""A child that keeps dying: who is not asked any more, what the others may do, and how it comes back."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
import ray

from benchmarks.kills import follow, ledger, strays
from swarm import portfolio
from swarm.actors.launch import ask, launch
from swarm.actors.scenario import Scenario
from swarm.effects.proposals import Field
from swarm.errors import SwarmError
from swarm.platforms.channels import FOUR
from swarm.spec.campaign import Campaign
from swarm.store.journal import Journal

pytestmark = pytest.mark.cluster
Make = Callable[[str, int], Scenario]
WINDOW_S = 8.0
META = 1
"""The platform's column."""


@pytest.fixture
def brittle(scenarios: Make) -> Scenario:
    """A swarm whose children may die once in the window."""
    scenario = scenarios("brittle", 14)
    runtime = scenario.config.runtime.model_copy(update={"restart_limit": 1, "restart_window_s": WINDOW_S})
    return replace(scenario, config=scenario.config.model_copy(update={"runtime": runtime}))


def started(scenario: Scenario, campaigns: list[Campaign], period_s: float) -> Any:
    """Let the clock run; the coordinator, once health is judged."""
    coordinator = launch(scenario)
    ask(coordinator, "submit", campaigns)
    ask(coordinator, "start", 30, 0.0)
    follow(scenario, 30)
    ask(coordinator, "start", 10**4, period_s)
    return coordinator


def quarantined(coordinator: Any, scenario: Scenario, victim: str) -> dict[str, Any]:
    """Kill ``victim`` whenever it lives, until it is given up; the status then."""
    killed = set[int]()
    while victim not in (status := ask(coordinator, "progress", -1))["quarantined"]:
        assert status["error"] == ""
        with suppress(SwarmError, ValueError):  # between two lives
            pid = ask(ray.get_actor(victim, namespace=scenario.namespace), "ping")
            if pid not in killed:
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
    assert len(killed) == 2
    return dict(status)


def seen(coordinator: Any, what: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    """The first status of which ``what`` is true."""
    deadline = time.monotonic() + 60
    status: dict[str, Any] = ask(coordinator, "status")
    while not what(status):
        assert time.monotonic() < deadline, status
        assert status["error"] == ""
        status = ask(coordinator, "progress", status["tick"])
    return status


def events(scenario: Scenario) -> list[tuple[str, str]]:
    """What the journal knows of quarantines."""
    return [(kind, subject) for _, kind, subject, _ in Journal(scenario.folder / "journal.sqlite").events(0, 10**6)]


@pytest.mark.slow
def test_without_an_agent_its_platform_rests_and_its_campaigns_are_careful(
    brittle: Scenario, examples: list[Campaign]
) -> None:
    """Nothing new on its channels, half steps for its campaigns elsewhere; status says so; then it is tried again."""
    coordinator = started(brittle, examples, 0.05)
    status = quarantined(coordinator, brittle, "agent/meta")
    why = status["quarantined"]["agent/meta"]
    assert why["why"] == f"died 2 times in {WINDOW_S:g} s"
    assert 0 < why["seconds_left"] <= WINDOW_S
    status = seen(coordinator, lambda now: now["tick"] > status["tick"] + 3)
    touched = portfolio.portfolio(examples, FOUR).allowed[:, META]
    assert status["mode"] == "STABLE"
    assert [row["mode"] for row in status["campaigns"]] == [("STABLE", "CAUTIOUS")[t] for t in touched.tolist()]
    again = seen(coordinator, lambda now: not now["quarantined"])
    seen(coordinator, lambda now: now["tick"] > again["tick"] + 3)
    ask(coordinator, "stop", pause=False)
    assert events(brittle) == [("quarantine", "agent/meta"), ("trusted", "agent/meta")]
    journal = Journal(brittle.folder / "journal.sqlite")
    away, back = (tick for tick, *_ in journal.events(0, 10**6))
    between = [row for row in journal.intents() if away < row[0] < back]
    assert {row[2] for row in between if row[3] < Field.STATUS} == {0, 2, 3}
    assert {(row[3], row[7]) for row in between if row[2] == META} <= {(Field.STATUS, "rest")}
    assert {row[11] for row in between if touched[row[1]]} == {"CAUTIOUS"}
    assert META in {row[2] for row in journal.intents() if row[0] > back}


@pytest.mark.parametrize("pause", [True, False], ids=["paused", "not paused"])
@pytest.mark.slow
def test_a_persons_pause_reaches_a_platform_whose_agent_is_away(
    pause: bool, brittle: Scenario, examples: list[Campaign]
) -> None:
    """The coordinator itself proposes the pause, and nothing else."""
    coordinator = started(brittle, examples, 0.05)
    status = quarantined(coordinator, brittle, "agent/meta")
    if pause:
        ask(coordinator, "pause", [])
    after = seen(coordinator, lambda now: now["tick"] > status["tick"] + 3)
    assert after["quarantined"]
    rows = Journal(brittle.folder / "journal.sqlite").intents()
    found = {(row[3], row[6]) for row in rows if row[0] >= status["tick"] and row[2] == META and row[13] == "applied"}
    assert found == ({(Field.STATUS, 0)} if pause else set())


@pytest.mark.slow
def test_in_wall_time_no_hour_waits_for_attention(brittle: Scenario, examples: list[Campaign]) -> None:
    """Killed once, it is made again beside hours that go on without it; missing health is on their record."""
    coordinator = started(brittle, examples, 0.05)
    os.kill(ask(ray.get_actor("attention", namespace=brittle.namespace), "ping"), signal.SIGKILL)
    struck = ask(coordinator, "status")["tick"]
    seen(coordinator, lambda now: now["coherence"] is None and now["stale_attention"])
    status = seen(coordinator, lambda now: now["tick"] > struck and now["coherence"] is not None)
    assert (status["restarts"], status["quarantined"]) == ({"attention": 1}, {})
    hours = Journal(brittle.folder / "journal.sqlite").modes()
    assert next(mode for tick, mode, coherence in hours if tick > 30 and coherence is None) == "FREEZE"
    assert [tick for tick, *_ in hours] == list(range(len(hours)))


@pytest.mark.slow
def test_without_attention_the_last_table_holds_and_missing_health_freezes(
    brittle: Scenario, examples: list[Campaign]
) -> None:
    """The clock goes on; status says which answers are old; health that is missing is bad health."""
    coordinator = started(brittle, examples, 0.05)
    status = quarantined(coordinator, brittle, "attention")
    status = seen(coordinator, lambda now: now["tick"] > status["tick"] + 3)
    assert (status["mode"], status["coherence"]) == ("FREEZE", None)
    assert "health_monitoring" in status["stale_attention"]
    status = seen(coordinator, lambda now: not now["quarantined"])
    status = seen(coordinator, lambda now: now["mode"] != "FREEZE")
    assert "health_monitoring" not in status["stale_attention"]


@pytest.mark.slow
def test_without_feedback_nothing_is_learnt_and_nothing_is_more_than_cautious(
    brittle: Scenario, examples: list[Campaign]
) -> None:
    """The clock goes on, day after day, on the heads that there are."""
    coordinator = launch(brittle)
    ask(coordinator, "submit", examples)
    ask(coordinator, "start", 10**4, 0.05)
    seen(coordinator, lambda now: now["tick"] > 24)
    status = quarantined(coordinator, brittle, "feedback")
    status = seen(coordinator, lambda now: now["tick"] > status["tick"] + 24)
    assert status["mode"] == "CAUTIOUS"
    seen(coordinator, lambda now: not now["quarantined"])


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["dispatcher", "market"])
def test_where_nothing_can_be_written_the_clock_waits(
    victim: str, brittle: Scenario, undisturbed: tuple[Scenario, dict[str, Any]], examples: list[Campaign]
) -> None:
    """FREEZE while it lasts; afterwards the run goes on, and no write is lost or doubled."""
    coordinator = started(brittle, examples, 0.0)
    status = quarantined(coordinator, brittle, victim)
    assert (status["mode"], status["running"]) == ("FREEZE", True)
    waited = ask(coordinator, "progress", status["tick"])
    assert (waited["tick"], waited["mode"], waited["error"]) == (status["tick"], "FREEZE", "")
    seen(coordinator, lambda now: not now["quarantined"] and now["tick"] > status["tick"] + 3)
    assert strays(brittle.folder) == (0, 0)
    assert ledger(brittle.folder, status["tick"]) == ledger(undisturbed[0].folder, status["tick"])
