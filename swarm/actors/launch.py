"""Starting, finding and ending a swarm."""

from __future__ import annotations

import json
import logging
import os
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import ray
from ray._private.authentication.authentication_token_setup import maybe_enable_token_auth_if_token_available

from policies.clock import Traffic
from swarm.actors.bounded import MOST_PENDING
from swarm.actors.calls import translated
from swarm.actors.checkpoint import Checkpoint
from swarm.actors.coordinator import CoordinatorActor
from swarm.actors.scenario import Scenario
from swarm.brain import Brain
from swarm.errors import Failed, Gone, Overloaded, Unavailable
from swarm.platforms.channels import TERMS
from swarm.platforms.traffic import HOUR_OF_WEEK
from swarm.store.journal import Journal
from swarm.store.place import is_kept, settle

CHILDREN = (*(f"agent/{platform}" for platform in TERMS), "attention", "feedback", "dispatcher", "market")
COORDINATOR: dict[str, Any] = {
    "name": "coordinator",
    "num_cpus": 0,
    "lifetime": "detached",
    "max_restarts": -1,
    "max_task_retries": 0,
    "max_pending_calls": MOST_PENDING,
    "get_if_exists": True,
}
_READY_S = 90.0
_AGAIN_S = 0.2


_started_here: list[bool] = []


def connect(address: str | None, *, start: bool) -> str:
    """Join the Ray cluster at ``address``, by default the one that runs on this machine.

    Where none runs, ``start`` begins one that listens on loopback alone and lives as long as this process.
    Returns the dashboard's URL, or an empty text without one.

    Raises:
        Gone: no cluster answers, and none may be started.
    """
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    warnings.filterwarnings("ignore", category=FutureWarning, module="ray")
    logging.getLogger(maybe_enable_token_auth_if_token_available.__module__).setLevel(logging.ERROR)
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address != "local":
        # A cluster that was started by hand asks for the token in the home directory; a driver that joins it sends
        # the token only in token mode, which Ray turns on by itself for clusters that it starts, not for these.
        maybe_enable_token_auth_if_token_available(warn_if_disabled=False)
    try:
        context = ray.init(address=address or "auto", **options)
    except ConnectionError as error:
        if address not in (None, "local") or not start:
            raise Gone(
                f"no Ray cluster answers at {address or 'this machine'}: `ray start --head` starts one"
            ) from error
        context = ray.init(address="local", include_dashboard=True, dashboard_host="127.0.0.1", **options)
        _started_here.append(True)
    return f"http://{context.dashboard_url}" if context.dashboard_url else ""


def owns_cluster() -> bool:
    """Whether the Ray cluster lives in this process."""
    return bool(_started_here)


def launch(scenario: Scenario) -> Any:
    """The swarm's coordinator, made if it is not there, ready with all of its children.

    Raises:
        SwarmError: it does not answer, or its journal is of a version that this program cannot go on from.
    """
    _prepare(scenario)
    coordinator = CoordinatorActor.options(namespace=scenario.namespace, **COORDINATOR).remote(scenario)
    deadline = time.monotonic() + _READY_S
    while True:
        try:
            ask(coordinator, "ping", deadline_s=max(deadline - time.monotonic(), 1.0))
        except Unavailable:  # between two lives
            if time.monotonic() > deadline:
                raise
            time.sleep(_AGAIN_S)
        else:
            return coordinator


def _prepare(scenario: Scenario) -> None:
    """See that the journal can be gone on from, and let it know what the run was started with, for those who read it.

    One that is up stays as it is.
    """
    with suppress(Gone):
        find(scenario.config.name)
        return
    place: Path | str = scenario.folder
    try:
        place = settle(scenario.folder, scenario.config.store.url)
        if is_kept(place):
            _check(place, scenario)
    except ValueError as error:
        raise Failed(f"{place}: {error}") from error
    journal = Journal(place)
    journal.remember("scenario", json.dumps(scenario.facts()))
    journal.close()


def _check(place: Path | str, scenario: Scenario) -> None:
    """A coordinator that could not go on from the journal would die far from the person's eyes.

    Read only: a journal that is refused stays as the version that wrote it needs it.
    """
    journal = Journal(place, read_only=True)
    Checkpoint(journal).load(Brain(scenario.config, scenario.channels, Traffic(HOUR_OF_WEEK)), scenario)
    journal.close()


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
    """The answer of a call from outside the swarm; where it was refused, asked once more when there may be room.

    Raises:
        SwarmError: as ``calls.Caller``.
    """
    until = time.monotonic() + deadline_s
    try:
        return _once(actor, method, args, named, until)
    except Overloaded as refusal:
        if time.monotonic() + refusal.retry_after_s >= until:
            raise
        time.sleep(refusal.retry_after_s)
    return _once(actor, method, args, named, until)


def _once(actor: Any, method: str, args: tuple[Any, ...], named: dict[str, Any], until: float) -> Any:
    try:
        return ray.get(getattr(actor, method).remote(*args, **named), timeout=max(until - time.monotonic(), 0.0))
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
