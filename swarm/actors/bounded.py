"""No actor queues without bound: one that is full refuses at once, and says when to come back."""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import Callable
from typing import Any, TypeVar

from swarm.errors import Overloaded

MOST = 64
"""Calls that may be inside an actor at once; an hour makes no more than a handful to each."""
MOST_PENDING = 1000
"""Calls that one handle may have open: Ray's own bound, for what never reached the actor."""
_LEAST_S = 0.05
Class = TypeVar("Class", bound=type)


class Admission:
    """Counts who is inside."""

    def __init__(self, most: int) -> None:
        """Nobody."""
        self._most, self._inside, self._took_s = most, 0, _LEAST_S

    async def admit(self, call: Callable[[], Any]) -> Any:
        """The answer of ``call``.

        Raises:
            Overloaded: too many are inside; the newest one's time says when there may be room.
        """
        if self._inside >= self._most:
            raise Overloaded(max(self._took_s, _LEAST_S))
        self._inside += 1
        began = time.perf_counter()
        try:
            return await call()
        finally:
            self._inside -= 1
            self._took_s = time.perf_counter() - began


def bounded(*but: str) -> Callable[[Class], Class]:
    """Let at most ``MOST`` calls into an actor, methods ``but`` left out, which have a bound of their own.

    ``ping`` always gets in, or an actor that is busy would look dead.
    """

    def bind(cls: Class) -> Class:
        for name, method in list(vars(cls).items()):
            if inspect.iscoroutinefunction(method) and not name.startswith("_") and name not in ("ping", *but):
                setattr(cls, name, _admitted(method))
        return cls

    return bind


def _admitted(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    async def admitted(self: Any, *args: Any, **named: Any) -> Any:
        door: Admission = self.__dict__.setdefault("_admission", Admission(MOST))
        return await door.admit(lambda: method(self, *args, **named))

    return admitted
