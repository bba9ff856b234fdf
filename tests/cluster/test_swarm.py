"""The swarm on a real Ray cluster."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray

from benchmarks.runtime import multiplied
from swarm.actors.launch import ask, launch
from swarm.actors.scenario import Scenario
from swarm.actors.session import simulate
from swarm.attention.engine import AttentionEngine
from swarm.attention.request import Answer, Request
from swarm.effects.door import throw_kill_switch
from swarm.effects.proposals import Field
from swarm.errors import Failed
from swarm.spec.campaign import Campaign
from swarm.store.journal import Journal

pytestmark = pytest.mark.cluster
Make = Callable[[str, int], Scenario]


def silent(_: dict[str, Any]) -> None:
    """Progress that nobody watches."""


def writes(scenario: Scenario) -> list[tuple[Any, ...]]:
    """Tick, campaign, channel, field, creative and new value of every intent."""
    return [
        (row[0], row[1], row[2], row[3], row[4], row[6])
        for row in Journal(scenario.folder / "journal.sqlite").intents()
    ]


def follow(coordinator: Any, until: int) -> dict[str, Any]:
    """Let the clock run to ``until``; the status then."""
    ask(coordinator, "start", until, 0.0)
    status: dict[str, Any] = {"tick": -1, "running": True}
    while status["running"]:
        status = ask(coordinator, "progress", status["tick"])
    assert status["error"] == ""
    return status


def child(scenario: Scenario, name: str) -> Any:
    """An actor of the swarm."""
    return ray.get_actor(name, namespace=scenario.namespace)


def test_a_run_spends_within_caps_and_beats_equal_split(undisturbed: tuple[Scenario, dict[str, Any]]) -> None:
    """Three days on the example campaigns: no cap passed, value between equal split and hindsight."""
    _, found = undisturbed
    assert found["overspend_micros"] == 0
    assert found["baselines"]["equal_split"] < found["value"] < found["hindsight_value"]
    assert found["hindsight_ratio"] == pytest.approx(found["value"] / found["hindsight_value"])
    assert sum(found["mode_seconds"].values()) == 3600 * found["ticks"]


@pytest.mark.slow
def test_the_same_seed_writes_the_same_journal(
    undisturbed: tuple[Scenario, dict[str, Any]], examples: list[Campaign], scenarios: Make
) -> None:
    """Two runs of one seed ask for the same values in the same hours."""
    again = scenarios("again", 3)
    simulate(again, examples, silent)
    assert writes(again) == writes(undisturbed[0])


class ConstantAttention:
    """An attention service whose answers never change."""

    def __init__(self) -> None:
        self._engine = AttentionEngine()

    async def ping(self) -> int:
        return os.getpid()

    async def compute(self, use_case: str, request: Request) -> Answer:
        answer = self._engine.compute(use_case, [request])[0]
        assert isinstance(answer, Answer)
        flat = np.full_like(answer.output, 1.0 / answer.output.shape[-1])
        extras = {**answer.extras}
        if "coherence" in extras:
            extras["coherence"] = np.ones_like(extras["coherence"])
        return Answer(output=flat, weights=None, extras=extras, version=1, source="learnt", batch_size=1)

    async def set_head(self, use_case: str, arrays: Any, version: int) -> None:
        return None


@pytest.mark.slow
def test_attention_changes_decisions(
    undisturbed: tuple[Scenario, dict[str, Any]], examples: list[Campaign], scenarios: Make
) -> None:
    """With constant answers in place of the attention service's, the journal is another one."""
    scenario = scenarios("constant", 3)
    options: dict[str, Any] = {
        "name": "attention",
        "namespace": scenario.namespace,
        "lifetime": "detached",
        "num_cpus": 0,
    }
    impostor = ray.remote(ConstantAttention).options(**options).remote()
    ray.get(impostor.ping.remote(), timeout=60)
    simulate(scenario, examples, silent)
    assert writes(scenario) != writes(undisturbed[0])


class SickAttention(ConstantAttention):
    """One that cannot say anything of health."""

    async def compute(self, use_case: str, request: Request) -> Answer:
        if use_case == "health_monitoring":
            raise Failed("no health today")
        return await super().compute(use_case, request)


def test_missing_health_freezes_and_the_clock_goes_on(examples: list[Campaign], scenarios: Make) -> None:
    """Where attention fails on health the swarm writes nothing but pauses; status says that coherence is unknown."""
    scenario = scenarios("sick", 2)
    options: dict[str, Any] = {"name": "attention", "namespace": scenario.namespace, "lifetime": "detached"}
    sick = ray.remote(SickAttention).options(**options, num_cpus=0).remote()
    ray.get(sick.ping.remote(), timeout=60)
    coordinator = launch(scenario)
    ask(coordinator, "submit", examples)
    status = follow(coordinator, 36)
    assert (status["mode"], status["coherence"], status["restarts"]) == ("FREEZE", None, {})
    assert status["stale_attention"] == ["health_monitoring"]
    journal = Journal(scenario.folder / "journal.sqlite")
    frozen = next(tick for tick, mode, coherence in journal.modes() if mode == "FREEZE" and coherence is None)
    after = [row for row in journal.intents() if row[0] >= frozen and row[13] == "applied"]
    assert all(row[3] == Field.STATUS and row[6] == 0 for row in after)


@pytest.mark.slow
def test_calls_do_not_depend_on_campaigns(examples: list[Campaign], scenarios: Make) -> None:
    """An hour takes as many Ray calls with a thousand campaigns as with one."""
    made = []
    for name, count in (("one", 1), ("thousand", 1000)):
        coordinator = launch(scenarios(name, 1))
        ask(coordinator, "submit", multiplied(examples, count))
        before = sum(ask(coordinator, "calls_made").values())
        follow(coordinator, 4)
        made.append(sum(ask(coordinator, "calls_made").values()) - before)
    assert made[0] == made[1]


def test_nothing_is_loaded_at_start_and_agents_carry_no_torch(examples: list[Campaign], scenarios: Make) -> None:
    """Mechanisms load on first use, and an agent's process never maps torch."""
    scenario = scenarios("lazy", 1)
    coordinator = launch(scenario)
    assert set(ask(child(scenario, "attention"), "status").values()) == {"unloaded"}
    ask(coordinator, "submit", examples)
    follow(coordinator, 2)
    loaded = ask(child(scenario, "attention"), "status")
    assert loaded["creative_scoring"].startswith("ready")
    assert loaded["health_monitoring"] == "unloaded"
    for platform in ("google_ads", "meta", "tiktok", "linkedin"):
        pid = ask(child(scenario, f"agent/{platform}"), "ping")
        assert "libtorch" not in Path(f"/proc/{pid}/maps").read_text()


def test_the_attention_service_names_what_is_wrong(examples: list[Campaign], scenarios: Make) -> None:
    """Unknown use cases, shapes and NaN come back through Ray as clear errors."""
    scenario = scenarios("errors", 1)
    launch(scenario)
    service = child(scenario, "attention")
    key = np.zeros((2, 3, 256))
    request = Request(query=key[:, :1], key=key, value=key)
    with pytest.raises(Failed, match=r"unknown use case 'creative_scorin'.*did you mean 'creative_scoring'"):
        ask(service, "compute", "creative_scorin", request)
    with pytest.raises(Failed, match=r"creative_scoring.*\(2, 2, 256\)"):
        ask(service, "compute", "creative_scoring", replace(request, key=key[:, :2]))
    with pytest.raises(Failed, match="NaN or infinite"):
        ask(service, "compute", "creative_scoring", replace(request, query=np.full((2, 1, 256), np.nan)))
    refs = [service.compute.remote("creative_scoring", request) for _ in range(8)]
    assert max(answer.batch_size for answer in ray.get(refs, timeout=60)) > 1


def test_freeze_and_the_kill_switch_stop_all_but_pauses(examples: list[Campaign], scenarios: Make) -> None:
    """After a hold in FREEZE, and after the kill switch, the journal shows no applied write but pauses."""
    scenario = scenarios("held", 2)
    coordinator = launch(scenario)
    ask(coordinator, "submit", examples)
    follow(coordinator, 20)
    ask(coordinator, "hold", "FREEZE")
    follow(coordinator, 26)
    ask(coordinator, "release")
    throw_kill_switch(scenario.folder)
    status = follow(coordinator, 34)
    journal = Journal(scenario.folder / "journal.sqlite").intents()
    after = [row for row in journal if row[0] >= 20 and row[13] == "applied"]
    assert all(row[3] == Field.STATUS and row[6] == 0 for row in after)
    assert status["proposals"]["refused by kill_switch"] > 0


def test_people_can_submit_twice_pause_and_stop(examples: list[Campaign], scenarios: Make) -> None:
    """Submitting again is harmless, a name that is taken is refused, pausing and stopping reach the platform."""
    scenario = scenarios("people", 2)
    coordinator = launch(scenario)
    assert set(ask(coordinator, "submit", examples[:2]).values()) == {"submitted"}
    follow(coordinator, 5)
    changed = examples[0].model_copy(update={"objective": "OUTCOME_LEADS"})
    assert ask(coordinator, "submit", [changed, examples[1], examples[2]]) == {
        examples[0].name: "name taken", examples[1].name: "known", examples[2].name: "submitted",
    }  # fmt: skip
    follow(coordinator, 9)
    assert ask(coordinator, "pause", [examples[1].name]) == [examples[1].name]
    with pytest.raises(Failed, match="no campaign is called 'nobody'"):
        ask(coordinator, "pause", ["nobody"])
    follow(coordinator, 11)
    assert ask(coordinator, "resume", []) == []
    ask(coordinator, "start", 40, 0.0)
    ask(coordinator, "progress", 12)
    assert ask(coordinator, "stop", pause=True)["applied"] > 0
    last = {row[1:3]: row[6] for row in Journal(scenario.folder / "journal.sqlite").intents() if row[3] == Field.STATUS}
    assert set(last.values()) == {0}
    stopped = ask(coordinator, "status")
    assert not stopped["running"]
    assert stopped["tick"] < 40
