"""Actors that are full."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import ray

from swarm.actors.bounded import MOST, bounded
from swarm.actors.calls import Caller, translated
from swarm.actors.launch import ask, launch
from swarm.actors.scenario import Scenario
from swarm.errors import Overloaded
from swarm.spec.campaign import Campaign

pytestmark = pytest.mark.cluster
Make = Callable[[str, int], Scenario]


@bounded("open", "inside")
class Room:
    """Lets callers in and keeps them until it is opened."""

    def __init__(self) -> None:
        self._opened, self._inside = asyncio.Event(), 0

    async def ping(self) -> int:
        return os.getpid()

    async def stay(self) -> str:
        self._inside += 1
        await self._opened.wait()
        return "stayed"

    async def inside(self) -> int:
        return self._inside

    async def open(self) -> None:
        self._opened.set()


@pytest.fixture
def room(cluster: None) -> Iterator[Any]:
    """A room that is full."""
    made = ray.remote(Room).options(num_cpus=0).remote()
    stays = [made.stay.remote() for _ in range(MOST)]
    while ask(made, "inside") < MOST:
        pass
    yield made
    ask(made, "open")
    assert ray.get(stays, timeout=30) == ["stayed"] * MOST
    ray.kill(made)


def test_a_full_actor_refuses_at_once_and_shows_signs_of_life(room: Any) -> None:
    """The refusal says when to come back; nothing waits inside; the actor does not look dead."""
    with pytest.raises(Overloaded) as refusal:
        ask(room, "stay", deadline_s=5.0)
    assert refusal.value.retry_after_s > 0
    assert ask(room, "ping") > 0


def test_a_caller_comes_back_once(room: Any) -> None:
    """Refused, it waits as long as it was told and asks again; what has room by then answers."""

    async def story() -> str:
        call = Caller(30.0)
        stay = asyncio.create_task(call(room, "stay"))
        while call.made < 1:
            await asyncio.sleep(0)
        await call(room, "open")
        answer: str = await stay
        return answer

    assert asyncio.run(story()) == "stayed"


def test_a_full_dispatcher_refuses(scenarios: Make, examples: list[Campaign]) -> None:
    """While the platform hangs, no more wait at the door than may."""
    scenario = scenarios("full", 1)
    ask(launch(scenario), "submit", examples)
    market, dispatcher = (ray.get_actor(name, namespace=scenario.namespace) for name in ("market", "dispatcher"))
    pid = ask(market, "ping")
    os.kill(pid, signal.SIGSTOP)
    asked = [dispatcher.standing.remote(0) for _ in range(MOST + 8)]
    done, waiting = ray.wait(asked, num_returns=8, timeout=30)
    refusals = [_error(ref) for ref in done]
    os.kill(pid, signal.SIGCONT)
    assert all(isinstance(error, Overloaded) for error in refusals)
    assert len(ray.get(waiting, timeout=60)) == MOST


def _error(ref: Any) -> BaseException:
    with pytest.raises(ray.exceptions.RayTaskError) as caught:
        ray.get(ref, timeout=10)
    return translated(caught.value, "standing")
