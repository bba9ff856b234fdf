"""One simulated run from the outside: launch, submit, let the clock run, judge, end."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

import ray

from swarm.actors.launch import ask, end, launch
from swarm.actors.scenario import Scenario
from swarm.errors import Failed
from swarm.results import summary, truth
from swarm.spec.campaign import Campaign
from swarm.store.journal import Journal
from swarm.store.place import journal_of

Progress = Callable[[dict[str, Any]], None]
"""Hears the coordinator's status as the clock moves."""


def simulate(scenario: Scenario, campaigns: Sequence[Campaign], progress: Progress) -> dict[str, Any]:
    """Run ``campaigns`` through all days of ``scenario`` as fast as ticks finish; the run's results.

    Ray must be connected. The swarm's actors are ended, whatever happens. The results are in the journal as well, under
    the key "result".

    Raises:
        SwarmError: the swarm could not go on.
    """
    began = time.perf_counter()
    try:
        coordinator = launch(scenario)
        ask(coordinator, "submit", list(campaigns))
        ticks = scenario.calendar(campaigns).ticks(scenario.days)
        ask(coordinator, "start", ticks, 0.0)
        status = _follow(coordinator, progress)
        calls = ask(coordinator, "calls_made")
        score = ask(ray.get_actor("market", namespace=scenario.namespace), "score", ticks)
    finally:
        end(scenario.config.name)
    found = truth(scenario, campaigns, score)
    result = {
        **summary(scenario, campaigns, found),
        "ticks": ticks,
        "seconds": time.perf_counter() - began,
        "tick_ms": status["tick_ms"],
        "ray_calls_per_tick": sum(calls.values()) / ticks,
        "mode_seconds": status["mode_seconds"],
        "restarts": status["restarts"],
        "proposals": status["proposals"],
        "hyper_version": status["hyper_version"],
        "seed": scenario.config.run.seed,
        "folder": str(scenario.folder),
    }
    journal = Journal(journal_of(scenario.folder))
    journal.remember("result", json.dumps(result))
    journal.close()
    return result


def _follow(coordinator: Any, progress: Progress) -> dict[str, Any]:
    tick = -1
    while True:
        status: dict[str, Any] = ask(coordinator, "progress", tick)
        tick = status["tick"]
        progress(status)
        if status["error"]:
            raise Failed(f"the clock stopped at market hour {tick}: {status['error']}")
        if not status["running"]:
            return status
