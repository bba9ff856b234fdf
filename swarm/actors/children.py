"""The coordinator's children: made once, found by name, made again when they die.

Ray would restart them without pause or limit and queue calls meanwhile, so it is told not to: a dead child
answers at once, and the coordinator makes it again, after a pause that doubles, so often and no more.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import ray

from swarm.actors.calls import Caller
from swarm.actors.scenario import Scenario
from swarm.errors import Gone, SwarmError
from swarm.spec.config import Runtime

_FIRST_PAUSE_S = 0.1
_PING_S = 5.0
_START_S = 60.0

Make = Callable[[], Any]
"""Makes the actor and returns its handle."""
Ready = Callable[[Any], Awaitable[None]]
"""Tells a new or found actor what it must know."""


class Children:
    """Named, detached actors and how to make them again."""

    def __init__(self, scenario: Scenario, call: Caller) -> None:
        """No children yet."""
        self._namespace, self._limits, self._call = scenario.namespace, scenario.config.runtime, call
        self._ping = Caller(_PING_S)  # of its own: signs of life belong to no market hour, so they are not counted
        self._make: dict[str, tuple[Make, Ready]] = {}
        self._handles: dict[str, Any] = {}
        self._deaths: dict[str, deque[float]] = {}
        self.restarts: dict[str, int] = {}
        self.answered_s: dict[str, float] = {}

    def __getitem__(self, name: str) -> Any:
        return self._handles[name]

    @property
    def names(self) -> list[str]:
        """All children, in the order in which they depend on each other."""
        return list(self._make)

    def declare(self, name: str, make: Make, ready: Ready) -> None:
        """A child to have; made by ``ensure``."""
        self._make[name] = (make, ready)
        self._deaths[name] = deque()

    async def ensure(self) -> None:
        """Find every child by name or make it; ready when this returns."""
        for name, (make, _) in self._make.items():
            self._handles[name] = self._find(name) or make()
        await asyncio.gather(*(self._call(self._handles[name], "ping", deadline_s=_START_S) for name in self._make))
        for name, (_, ready) in self._make.items():
            await ready(self._handles[name])
            self.answered_s[name] = time.monotonic()

    async def ping(self) -> list[str]:
        """Ask all for a sign of life at once; returns those that gave none."""
        names = list(self._handles)
        alive = await asyncio.gather(*(self._alive(name) for name in names))
        return [name for name, answered in zip(names, alive, strict=True) if not answered]

    async def heal(self) -> list[str]:
        """Make the dead ones again. Returns their names.

        Raises:
            Gone: a child died more often than the configuration allows within its window.
        """
        dead = await self.ping()
        for name in dead:
            await self._again(name)
        return dead

    async def _alive(self, name: str) -> bool:
        try:
            await self._ping(self._handles[name], "ping")
        except SwarmError:
            return False
        self.answered_s[name] = time.monotonic()
        return True

    async def _again(self, name: str) -> None:
        await asyncio.sleep(self._pause(name, self._limits))
        make, ready = self._make[name]
        ray.kill(self._handles[name])
        while self._find(name) is not None:  # the name is free a moment after the death
            await asyncio.sleep(_FIRST_PAUSE_S)
        self._handles[name] = make()
        await self._call(self._handles[name], "ping", deadline_s=_START_S)
        await ready(self._handles[name])
        self.restarts[name] = self.restarts.get(name, 0) + 1
        self.answered_s[name] = time.monotonic()

    def _pause(self, name: str, limits: Runtime) -> float:
        """Seconds to wait before the next life."""
        deaths, now = self._deaths[name], time.monotonic()
        while deaths and now - deaths[0] > limits.restart_window_s:
            deaths.popleft()
        deaths.append(now)
        if len(deaths) > limits.restart_limit:
            raise Gone(f"{name} died {len(deaths)} times in {limits.restart_window_s:g} s")
        return float(_FIRST_PAUSE_S * 2 ** (len(deaths) - 1))

    def _find(self, name: str) -> Any | None:
        try:
            return ray.get_actor(name, namespace=self._namespace)
        except ValueError:
            return None
