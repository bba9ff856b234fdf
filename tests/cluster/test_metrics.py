"""What the swarm exports and logs."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable

import pytest
import ray

from swarm.actors.launch import ask, launch
from swarm.actors.scenario import Scenario
from swarm.observe.metrics import CATALOGUE, Metrics
from swarm.spec.campaign import Campaign

pytestmark = pytest.mark.cluster


def exported() -> str:
    """Ray's metrics end point of this node."""
    port = ray.nodes()[0]["MetricsExportPort"]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        return str(answer.read(), "utf-8")


def test_metrics_and_logs_of_a_running_swarm(
    examples: list[Campaign], scenarios: Callable[[str, int], Scenario]
) -> None:
    """Every documented series of a running swarm stands at the end point, and every actor writes JSON lines."""
    scenario = scenarios("metrics", 3)
    coordinator = launch(scenario)
    ask(coordinator, "submit", examples)
    ask(coordinator, "start", 60, 0.0)
    wanted = {f"ray_{m.name}" for m in CATALOGUE if m.name != "swarm_restarts_total"}
    missing, deadline = wanted, time.monotonic() + 60
    while missing and time.monotonic() < deadline:
        ask(coordinator, "progress", 10**9)  # answers after a second: the wait between two looks
        text = "\n".join(line for line in exported().splitlines() if f'swarm="{scenario.config.name}"' in line)
        missing = {name for name in wanted if name not in text}
    assert missing == set()
    for actor in ("coordinator", "dispatcher", "agent-meta", "attention", "feedback", "market"):
        lines = (scenario.folder / "logs" / f"{actor}.jsonl").read_text().splitlines()
        entries = [json.loads(line) for line in lines]
        assert {(e["swarm"], e["agent"]) for e in entries} == {(scenario.config.name, actor)}
        assert entries[-1]["event"]
        assert actor == "attention" or any("tick" in e for e in entries)


def test_an_unknown_series_is_refused_by_name() -> None:
    """A misspelt metric says which one was meant."""
    with pytest.raises(ValueError, match="did you mean 'swarm_coherence'"):
        Metrics("x").set("swarm_coherense", 1.0)
