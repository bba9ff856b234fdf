"""Starting, finding and ending a swarm."""

from __future__ import annotations

import logging
import os
import warnings
from typing import Any

import ray

from swarm.actors.calls import translated
from swarm.actors.coordinator import CoordinatorActor
from swarm.actors.scenario import Scenario
from swarm.errors import Gone, SwarmError

CHILDREN = ("agent/google_ads", "agent/meta", "agent/tiktok", "agent/linkedin", "attention", "feedback", "dispatcher", "market")
COORDINATOR: dict[str, Any] = {
    "name": "coordinator", "num_cpus": 0, "lifetime": "detached", "max_restarts": -1, "max_task_retries": 0,
    "get_if_exists": True,
}
_READY_S = 90.0


def connect(address: str | None, *, dashboard: bool = True) -> str:
    """Join the Ray cluster at ``address``, or one that runs here, or start one on this machine's loopback.

    Returns the dashboard's URL, or an empty text without one.
    """
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    warnings.filterwarnings("ignore", category=FutureWarning, module="ray")
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        options |= {"include_dashboard": dashboard, "dashboard_host": "127.0.0.1", "_node_ip_address": "127.0.0.1"}
    context = ray.init(address=address, **options)
    return f"http://{context.dashboard_url}" if context.dashboard_url else ""


def launch(scenario: Scenario) -> Any:
    """The swarm's coordinator, made if it is not there, ready with all of its children."""
    coordinator = CoordinatorActor.options(namespace=scenario.namespace, **COORDINATOR).remote(scenario)
    ask(coordinator, "ping", deadline_s=_READY_S)
    return coordinator


def find(name: str) -> Any:
    """The coordinator of the swarm called ``name``.

    Raises:
        Gone: there is none.
    """
    try:
        return ray.get_actor("coordinator", namespace=f"swarm-{name}")
    except ValueError as error:
        raise Gone(f"no swarm called {name!r} is up here: `swarm up` starts one") from error


def ask(actor: Any, method: str, *args: Any, deadline_s: float = 30.0, **named: Any) -> Any:
    """The answer of a call from outside the swarm.

    Raises:
        SwarmError: as ``calls.Caller``.
    """
    try:
        return ray.get(getattr(actor, method).remote(*args, **named), timeout=deadline_s)
    except (ray.exceptions.RayError, TimeoutError) as error:
        raise translated(error, f"coordinator.{method}") from error


def end(name: str) -> list[str]:
    """Kill the swarm's actors; returns those that there were."""
    ended = []
    for actor in ("coordinator", *CHILDREN):
        try:
            ray.kill(ray.get_actor(actor, namespace=f"swarm-{name}"))
        except ValueError:
            continue
        ended.append(actor)
    return ended


__all__ = ["SwarmError", "ask", "connect", "end", "find", "launch"]
