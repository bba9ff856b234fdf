"""Calls between actors: every one has a deadline, and Ray's errors become five of ours, here alone."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from ray.exceptions import (
    ActorDiedError,
    ActorUnavailableError,
    GetTimeoutError,
    NodeDiedError,
    ObjectLostError,
    OutOfMemoryError,
    OwnerDiedError,
    PendingCallsLimitExceeded,
    RayActorError,
    RayError,
    RayTaskError,
    TaskCancelledError,
    WorkerCrashedError,
)

from swarm.errors import Failed, Gone, Overloaded, SwarmError, TimedOut, Unavailable

_GONE = (ActorDiedError, NodeDiedError, WorkerCrashedError, OutOfMemoryError, ObjectLostError, OwnerDiedError)
_RETRY_S = 0.5


def translated(error: BaseException, what: str) -> SwarmError:
    """Our error for one of Ray's; ``what`` names the call."""
    if isinstance(error, RayTaskError):
        cause = error.cause if isinstance(error.cause, SwarmError) else None
        return cause or Failed(f"{what}: {error.cause!r}")
    if isinstance(error, _GONE):
        return Gone(what)
    if isinstance(error, ActorUnavailableError | RayActorError | TaskCancelledError):
        return Unavailable(what)
    if isinstance(error, PendingCallsLimitExceeded):
        return Overloaded(_RETRY_S)
    if isinstance(error, TimeoutError | GetTimeoutError):
        return TimedOut(what)
    return Failed(f"{what}: {error!r}")


class Caller:
    """Makes calls to other actors and counts them."""

    def __init__(self, deadline_s: float) -> None:
        """``deadline_s`` bounds every call that does not say otherwise."""
        self.made = 0
        self._deadline_s = deadline_s

    async def __call__(self, actor: Any, method: str, *args: Any, deadline_s: float | None = None) -> Any:
        """The answer of ``actor.method(*args)``; where it was refused, asked once more when there may be room.

        Raises:
            Gone: the actor is dead. Unavailable: it may come back. TimedOut: whether it was done is unknown.
            Overloaded: it was refused. Failed: it raised.
        """
        until = time.monotonic() + (deadline_s or self._deadline_s)
        try:
            return await self._once(actor, method, args, until)
        except Overloaded as refusal:
            if time.monotonic() + refusal.retry_after_s >= until:
                raise
            await asyncio.sleep(refusal.retry_after_s)
        return await self._once(actor, method, args, until)

    async def _once(self, actor: Any, method: str, args: tuple[Any, ...], until: float) -> Any:
        self.made += 1
        try:
            return await asyncio.wait_for(getattr(actor, method).remote(*args), until - time.monotonic())
        except (RayError, TimeoutError) as error:
            raise translated(error, f"{actor!r}.{method}") from error
