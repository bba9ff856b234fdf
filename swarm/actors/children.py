"""The coordinator's children: made once, found by name, made again when they die.

Ray would restart them without pause or limit and queue calls meanwhile, so it is told not to: a dead child
answers at once, and the coordinator makes it again, after a pause that doubles. One that dies too often is put in
quarantine: it is not asked until the window has passed, then it gets one life more, and must do its part in an hour.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Set
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import ray

from swarm.actors.calls import Caller
from swarm.actors.scenario import Scenario
from swarm.errors import SwarmError

_FIRST_PAUSE_S = 0.1
_PING_S = 5.0
_START_S = 60.0
_NAME_FREE_S = 10.0
_LOOK_S = 0.01

Make = Callable[[], Any]
"""Makes the actor and returns its handle."""
Tell = Callable[[Iterable[str]], Awaitable[None]]
"""Tells those named what they must know."""


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Why a child is not asked, and until when."""

    since: float
    """Unix time."""
    until: float
    """Unix time from which a new life is tried."""
    why: str


class Children:
    """Named, detached actors and how to make them again."""

    def __init__(self, scenario: Scenario, tell: Tell) -> None:
        """No children yet; a new life is not asked before ``tell`` has been with it."""
        self._namespace, self._limits, self._tell = scenario.namespace, scenario.config.runtime, tell
        self._call = Caller(_PING_S)  # of its own: signs of life belong to no market hour, so they are not counted
        self._make: dict[str, Make] = {}
        self._handles: dict[str, Any] = {}
        self._deaths: dict[str, deque[float]] = {}
        self._in_making: set[str] = set()
        self._one_at_a_time = asyncio.Lock()
        self.quarantined: dict[str, Quarantine] = {}
        self.on_trial: set[str] = set()
        """Those in quarantine that have been given a new life; an hour that counts sets them free."""
        self.restarts: dict[str, int] = {}
        self.answered_s: dict[str, float] = {}

    def __getitem__(self, name: str) -> Any:
        return self._handles[name]

    @property
    def away(self) -> set[str]:
        """Those that are not to be asked."""
        return (set(self.quarantined) - self.on_trial) | self._in_making

    @property
    def due(self) -> list[str]:
        """Those whose quarantine has lasted its time, and who have not been given a new life yet."""
        waiting = self.quarantined.keys() - self.on_trial - self._in_making
        return sorted(name for name in waiting if time.time() >= self.quarantined[name].until)

    def declare(self, name: str, make: Make) -> None:
        """A child to have; made by ``ensure``."""
        self._make[name] = make
        self._deaths[name] = deque()

    async def ensure(self) -> list[str]:
        """Find every child by name or make it, and tell all. Returns those that had died and were made again."""
        for name, make in self._make.items():
            self._handles[name] = self._find(name) or make()
        dead = await self._dead(self._make, _START_S)
        await self._new_lives(dead)
        with suppress(SwarmError):  # the hour that misses it is taken back
            await self._tell(self._make)
        return dead

    async def ping(self) -> list[str]:
        """Ask all for a sign of life at once; returns those that gave none."""
        return await self._dead(set(self._handles) - self.away, _PING_S)

    async def heal(self, *names: str) -> list[str]:
        """Make the dead again, all of them or those among ``names``. Returns the dead, put in quarantine or not."""
        async with self._one_at_a_time:
            dead = await self._dead(set(names or self._handles) - self.away, _PING_S)
            await self._new_lives([name for name in dead if not self._given_up(name)])
            return dead

    async def try_again(self) -> None:
        """One new life for those whose quarantine has lasted its time."""
        async with self._one_at_a_time:
            due = self.due
            await self._new_lives(due)
            self.on_trial.update(due)

    def set_free(self, away: Set[str]) -> None:
        """An hour counts that left out those ``away``: those that were tried in it are trusted again."""
        for name in self.on_trial - away:
            del self.quarantined[name]
        self.on_trial &= away

    async def _dead(self, names: Iterable[str], deadline_s: float) -> list[str]:
        asked = [name for name in self._make if name in names]
        alive = await asyncio.gather(*(self._alive(name, deadline_s) for name in asked))
        return [name for name, answered in zip(asked, alive, strict=True) if not answered]

    async def _alive(self, name: str, deadline_s: float) -> bool:
        try:
            await self._call(self._handles[name], "ping", deadline_s=deadline_s)
        except SwarmError:
            return False
        self.answered_s[name] = time.monotonic()
        return True

    async def _new_lives(self, names: list[str]) -> None:
        """New lives, all at once; one that does not come up is found dead when it is asked."""
        self._in_making = set(names)
        try:
            await asyncio.gather(*map(self._new_life, names))
            with suppress(SwarmError):  # the hour that misses it is taken back
                await self._tell(names)
        finally:
            self._in_making = set()

    async def _new_life(self, name: str) -> None:
        await asyncio.sleep(_FIRST_PAUSE_S * (2 ** max(len(self._deaths[name]) - 1, 0) - 1))
        ray.kill(self._handles[name])
        deadline = time.monotonic() + _NAME_FREE_S
        while self._find(name) is not None and time.monotonic() < deadline:  # the name is free a moment after the death
            await asyncio.sleep(_LOOK_S)
        self._handles[name] = self._make[name]()
        self.restarts[name] = self.restarts.get(name, 0) + 1
        await self._alive(name, _START_S)

    def _given_up(self, name: str) -> bool:
        """Count a death; whether it is one too many."""
        deaths, now, window_s = self._deaths[name], time.monotonic(), self._limits.restart_window_s
        while deaths and now - deaths[0] > window_s:
            deaths.popleft()
        deaths.append(now)
        if name not in self.quarantined and len(deaths) <= self._limits.restart_limit:
            return False
        found = Quarantine(time.time(), time.time() + window_s, f"died {len(deaths)} times in {window_s:g} s")
        before = self.quarantined.get(name)
        self.quarantined[name] = found if before is None else replace(before, until=found.until)
        self.on_trial.discard(name)
        return True

    def _find(self, name: str) -> Any | None:
        try:
            return ray.get_actor(name, namespace=self._namespace)
        except ValueError:
            return None
