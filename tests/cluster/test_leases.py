"""Calls that come late: from a coordinator that hung, from one that is no more, to an actor that was stopped."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import ray

from policies.frames import Plan
from swarm.actors.launch import ask, launch
from swarm.actors.scenario import Scenario
from swarm.effects.lease import Lease, Mode
from swarm.effects.proposals import Field
from swarm.spec.campaign import Campaign
from swarm.store.journal import Journal
from tests.effects.doors import bid, proposals, status

pytestmark = pytest.mark.cluster
Make = Callable[[str, int], Scenario]
HOUR = 10
BATCH = proposals([bid(500_000), bid(600_000, campaign=1)])
PAUSE = proposals([status(0)])


@pytest.fixture
def swarm(scenarios: Make, examples: list[Campaign]) -> Scenario:
    """A swarm that stands still in the morning of its first day."""
    scenario = scenarios("leases", 2)
    coordinator = launch(scenario)
    ask(coordinator, "submit", examples)
    ask(coordinator, "start", HOUR, 0.0)
    now = {"running": True, "tick": -1}
    while now["running"]:
        now = ask(coordinator, "progress", now["tick"])
    return scenario


def actor(scenario: Scenario, name: str) -> Any:
    """One of the swarm's."""
    return ray.get_actor(name, namespace=scenario.namespace)


def current(scenario: Scenario) -> Lease:
    """A lease as the coordinator would give it now."""
    epoch = Journal(scenario.folder / "journal.sqlite").last_epoch()
    return Lease(epoch, Mode.STABLE, True, 1, HOUR + 3)


def test_a_coordinator_that_is_no_more_is_refused_at_the_door(swarm: Scenario) -> None:
    """After the next life's first hour, a batch of the old life's epoch is refused, but for pauses."""
    old = current(swarm)
    os.kill(ask(actor(swarm, "coordinator"), "ping"), signal.SIGKILL)
    coordinator = launch(swarm)
    ask(coordinator, "start", HOUR + 1, 0.0)
    now = {"tick": -1}
    while now["tick"] <= HOUR:
        now = ask(coordinator, "progress", now["tick"])
    assert ask(actor(swarm, "dispatcher"), "write", BATCH, old, HOUR + 1) == {
        "applied": 0, "unverified": 0, "unchanged": 0, "lease": 2,
    }  # fmt: skip


def test_a_batch_that_waited_at_a_stopped_dispatcher_is_refused(swarm: Scenario) -> None:
    """Stopped, not killed: when it wakes up after the lease has lapsed, it lets nothing pass but pauses."""
    dispatcher = actor(swarm, "dispatcher")
    pid = ask(dispatcher, "ping")
    os.kill(pid, signal.SIGSTOP)
    expires_s = time.time() + 0.5
    late = dispatcher.write.remote(BATCH, replace(current(swarm), expires_s=expires_s), HOUR)
    ready, _ = ray.wait([late], timeout=max(expires_s - time.time(), 0) + 0.1)
    assert ready == []
    os.kill(pid, signal.SIGCONT)
    assert ray.get(late, timeout=30)["lease"] == len(BATCH)
    lapsed = replace(current(swarm), expires_s=expires_s)
    assert ask(dispatcher, "write", PAUSE, lapsed, HOUR + 1)["applied"] == 1


def test_an_agent_whose_lease_has_lapsed_proposes_nothing_but_pauses(swarm: Scenario, examples: list[Campaign]) -> None:
    """The same plan asked for with a lease that holds, and with one that held until a moment ago."""
    agent, dispatcher = actor(swarm, "agent/meta"), actor(swarm, "dispatcher")
    rows, columns = len(examples), slice(1, 2)
    cells = np.full((rows, 1, max(len(campaign.creatives) for campaign in examples)), 0.05)
    ask(agent, "observe", HOUR, cells, np.ones(rows), np.ones(rows), True)
    standing = ask(dispatcher, "standing", HOUR)
    plan = _plan(rows, cells.shape[2])
    given = replace(current(swarm), expires_s=time.time() + 60)
    now = standing.now.columns(columns)
    assert len(ask(agent, "propose", HOUR, plan, now, given)) > 0
    late = ask(agent, "propose", HOUR, plan, now, replace(given, expires_s=time.time()))
    assert set(late.field.tolist()) <= {int(Field.STATUS)}
    assert set(late.new.tolist()) <= {0}


def _plan(rows: int, creatives: int) -> Plan:
    return Plan(
        price=np.full(rows, 0.1),
        click_value=np.full((rows, 1), 1.0),
        budget=np.full((rows, 1), 50.0),
        rebudget=np.ones(rows, dtype=np.bool_),
        rotation=np.full((rows, 1, creatives), 1.0 / creatives),
        deliver=np.ones(rows, dtype=np.bool_),
    )
