"""What the swarm exports and logs."""

from __future__ import annotations

import json
import os
import re
import signal
import time
import urllib.request
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import ray

from swarm.actors.launch import CHILDREN, ask, end, launch
from swarm.actors.scenario import Scenario
from swarm.observe.metrics import CATALOGUE, Metrics
from swarm.platforms.channels import FOUR
from swarm.spec.campaign import Campaign
from swarm.spec.config import SwarmConfig

pytestmark = pytest.mark.cluster
VICTIM, KILLED_AT, HOURS = "agent/meta", 20, 30
SERIES = re.compile(r'^ray_(swarm_\w+?)(?:_bucket|_sum|_count)?\{(.*swarm="[^"]*".*)\} \S+$', re.MULTILINE)
OUTSIDE_HOURS = {"submitted", "shard_taken", "weights_off"}
"""What is logged when campaigns come or a model is loaded, which is at no market hour."""


@pytest.fixture(scope="module")
def watched(
    cluster: None, examples: list[Campaign], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Scenario, Any]]:
    """A swarm that is up after thirty hours, in which one agent was killed and made again; its coordinator."""
    base = SwarmConfig()
    config = base.model_copy(update={"name": "watched", "run": base.run.model_copy(update={"seed": 11})})
    scenario = Scenario(config, tmp_path_factory.mktemp("watched"), FOUR, config.run.start, 3)
    coordinator = launch(scenario)
    ask(coordinator, "submit", examples)
    _follow(coordinator, KILLED_AT)
    os.kill(ask(ray.get_actor(VICTIM, namespace=scenario.namespace), "ping"), signal.SIGKILL)
    _follow(coordinator, HOURS)
    ask(coordinator, "start", 2 * HOURS, 3600.0)  # goes on, an hour of it an hour
    yield scenario, coordinator
    end(config.name)


def _follow(coordinator: Any, until: int) -> None:
    ask(coordinator, "start", until, 0.0)
    status: dict[str, Any] = {"tick": -1, "running": True}
    while status["running"]:
        status = ask(coordinator, "progress", status["tick"])
    assert (status["error"], status["tick"]) == ("", until)


def exported(swarm: str) -> dict[str, set[str]]:
    """The names of the swarm's own series at Ray's end point of this node, and the tags that each of them has."""
    port = ray.nodes()[0]["MetricsExportPort"]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = str(answer.read(), "utf-8")
    found: dict[str, set[str]] = {}
    for name, labels in SERIES.findall(text):
        if f'swarm="{swarm}"' in labels:
            found.setdefault(name, set()).update(re.findall(r'(\w+)="', labels))
    return found


def test_every_documented_metric_is_exported(watched: tuple[Scenario, Any]) -> None:
    """Within a minute every series of a swarm stands at the end point with all of its tags, and no other does."""
    scenario, coordinator = watched
    wanted = {metric.name: {"swarm", *metric.tags} for metric in CATALOGUE}
    found, deadline = exported(scenario.config.name), time.monotonic() + 60
    while wanted.keys() - found.keys() and time.monotonic() < deadline:
        ask(coordinator, "progress", 2 * HOURS)  # answers after a second: the wait between two looks
        found = exported(scenario.config.name)
    assert set(found) == set(wanted)
    assert {name: wanted[name] - tags for name, tags in found.items() if wanted[name] - tags} == {}


def test_every_actor_logs_json_lines(watched: tuple[Scenario, Any]) -> None:
    """Each line is an object that says who, how bad, when, what, and in which market hour; every actor writes some."""
    scenario, _ = watched
    actors = {name.replace("/", "-") for name in ("coordinator", *CHILDREN)}
    files = {path.stem: path for path in (scenario.folder / "logs").iterdir()}
    assert set(files) == actors
    for actor, path in files.items():
        entries = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        assert {(e["swarm"], e["agent"]) for e in entries} == {(scenario.config.name, actor)}
        assert {e["level"] for e in entries} <= {"debug", "info", "warning", "error", "critical"}
        assert all(datetime.fromisoformat(e["timestamp"]).utcoffset() == timedelta(0) for e in entries)
        assert all(e["event"] for e in entries)
        hourly = [e for e in entries if e["event"] not in OUTSIDE_HOURS]
        assert [e for e in hourly if not (isinstance(e.get("tick"), int) and 0 <= e["tick"] <= HOURS)] == []
        assert hourly, f"{actor} logged nothing of the market's hours"


def test_a_death_can_be_followed_in_the_logs(watched: tuple[Scenario, Any]) -> None:
    """The coordinator says which hour it took back and whom it made again; the new agent goes on from its memory."""
    scenario, _ = watched
    lines = (scenario.folder / "logs" / "coordinator.jsonl").read_text("utf-8").splitlines()
    entries = [json.loads(line) for line in lines]
    told = [(e["event"], e["tick"]) for e in entries if e["event"] in ("hour_taken_back", "made_again")]
    assert sorted(told) == [("hour_taken_back", KILLED_AT), ("made_again", KILLED_AT)]
    lives = (scenario.folder / "logs" / f"{VICTIM.replace('/', '-')}.jsonl").read_text("utf-8").splitlines()
    taken = [e["resumed"] for e in map(json.loads, lives) if e["event"] == "shard_taken"]
    assert taken[0] is False
    assert taken[1] is True


def test_an_unknown_series_is_refused_by_name() -> None:
    """A misspelt metric says which one was meant."""
    with pytest.raises(ValueError, match="did you mean 'swarm_coherence'"):
        Metrics("x").set("swarm_coherense", 1.0)
