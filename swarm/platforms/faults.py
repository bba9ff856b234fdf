"""A platform with seeded faults, as real ones have them; for tests and drills, around any account.

Promises about writes are judged by ``applied``, an ordered log of what took effect, and not by what was asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from policies.frames import Report
from policies.naming import check_known
from swarm.errors import Failed, TimedOut
from swarm.platforms.protocol import (
    Capabilities,
    Changes,
    Effects,
    OverQuota,
    Platform,
    Refused,
    Reply,
    Spending,
    State,
)

HOUR_S, DAY_H = 3600.0, 24
LONGEST_H = 3
"""Hours for which a token is expired at most."""


class Editable(Platform, Protocol):
    """An account in which others can set something too."""

    async def edit(self, effects: Effects, who: str, tick: int) -> None:
        """Somebody else sets absolute values."""


@dataclass(frozen=True, slots=True)
class Applied:
    """One write that took effect."""

    tick: int
    intent: int
    campaign: int
    channel: int
    field: int
    creative: int
    value: int


class Faulty:
    """``platform`` with faults: each call for writes meets one of ``kinds`` with probability ``chance``.

    Whatever comes late comes within ``settles_h`` market hours, and readings are no older.
    """

    def __init__(
        self, platform: Editable, rng: np.random.Generator, kinds: Sequence[str], *, chance: float = 1.0
    ) -> None:
        """Nothing asked yet.

        Raises:
            ValueError: a kind is not one of ``fault_kinds``.
        """
        self._platform, self._rng, self._chance = platform, rng, chance
        self.fail(*kinds)
        self.applied: list[Applied] = []
        self.received: list[tuple[int, int]] = []
        """Market hour and intent of each write that was asked for, in order."""
        self.in_vain = 0
        """Calls for writes while the daily quota was used up."""
        self._late: list[tuple[int, Effects]] = []
        self._old: list[tuple[int, Effects, NDArray[np.int64]]] = []
        self._extra: Reply | None = None
        self._expired_until = self._quota_until = 0

    def heal(self) -> None:
        """No new faults; what was late still comes, and what has expired stays so for its time."""
        self.fail()

    def fail(self, *kinds: str) -> None:
        """From now on these."""
        for kind in kinds:
            check_known("fault", kind, fault_kinds)
        self._kinds = kinds

    @property
    def capabilities(self) -> Capabilities:
        """Those of the platform within."""
        return self._platform.capabilities

    async def read_state(self, tick: int) -> State:
        """As the platform within, if there is access."""
        await self._enter(tick)
        return await self._platform.read_state(tick)

    async def read_metrics(self, tick: int) -> Report | None:
        """As the platform within, if there is access."""
        await self._enter(tick)
        return await self._platform.read_metrics(tick)

    async def spending(self, tick: int) -> Spending:
        """As the platform within, if there is access."""
        await self._enter(tick)
        return await self._platform.spending(tick)

    async def validate(self, effects: Effects, tick: int) -> NDArray[np.str_]:
        """As the platform within, if there is access."""
        await self._enter(tick)
        return await self._platform.validate(effects, tick)

    async def changes_since(self, number: int, tick: int) -> Changes:
        """As the platform within, if there is access."""
        await self._enter(tick)
        return await self._platform.changes_since(number, tick)

    async def pause_all(self, tick: int) -> int:
        """As the platform within, if there is access."""
        await self._enter(tick)
        return await self._platform.pause_all(tick)

    async def apply(self, effects: Effects, tick: int) -> Reply:
        """Set absolute values, or not, as the fault that is drawn has it."""
        await self._enter(tick)
        self.received += [(tick, intent) for intent in effects.intent.tolist()]
        if tick < self._quota_until:
            self.in_vain += 1
            raise OverQuota(HOUR_S * (self._quota_until - tick), daily=True)
        kind = self._draw()
        reply = await (_FAULTS[kind](self, effects, tick) if kind else self._set(effects, tick))
        if self._extra is not None and kind != "replied_twice":
            reply, self._extra = self._extra, None
        return reply

    async def read_back(self, effects: Effects, tick: int) -> NDArray[np.int64]:
        """What is in force, or what was a moment ago."""
        await self._enter(tick)
        found = await self._platform.read_back(effects, tick)
        self._old = [each for each in self._old if tick < each[0]]
        for _, written, before in self._old:
            rows, theirs = np.nonzero(_places(effects)[:, None] == _places(written)[None, :])
            found[rows] = before[theirs]
        if self._draw() == "slow":
            await _never()
        return found

    async def edit(self, effects: Effects, who: str, tick: int) -> None:
        """Somebody else sets absolute values."""
        await self._platform.edit(effects, who, tick)

    def _draw(self) -> str:
        if not self._kinds or self._rng.random() >= self._chance:
            return ""
        return self._kinds[self._rng.integers(len(self._kinds))]

    async def arrive(self, tick: int) -> None:
        """What was late and is due by hour ``tick`` comes in."""
        due, self._late = [each for each in self._late if each[0] <= tick], [e for e in self._late if e[0] > tick]
        for _, effects in due:
            await self._set(effects, tick)

    async def _enter(self, tick: int) -> None:
        """Nobody does without a token."""
        await self.arrive(tick)
        if tick < self._expired_until:
            raise Refused("the token has expired")

    async def _set(self, effects: Effects, tick: int) -> Reply:
        reply = await self._platform.apply(effects, tick)
        done = effects.take(reply.refused == "")
        columns = (done.intent, done.campaign, done.channel, done.field, done.creative, done.value)
        self.applied += [Applied(tick, *row) for row in zip(*(c.tolist() for c in columns), strict=True)]
        return reply

    def _some_hours(self) -> int:
        """From 1 to those after which everything is settled; 0 where everything is at once."""
        most = self.capabilities.settles_h
        return int(self._rng.integers(1, most + 1)) if most else 0

    async def _reply_lost(self, effects: Effects, tick: int) -> Reply:
        await self._set(effects, tick)
        raise TimedOut("the connection broke before the reply")

    async def _applied_late(self, effects: Effects, tick: int) -> Reply:
        self._late.append((tick + self._some_hours(), effects))
        raise TimedOut("no reply yet")

    async def _replied_twice(self, effects: Effects, tick: int) -> Reply:
        self._extra = await self._set(effects, tick)
        return self._extra

    async def _partial(self, effects: Effects, tick: int) -> Reply:
        """Some are made; the reply says which, or only that not all were."""
        chosen = self._rng.random(len(effects)) < 0.5
        await self._set(effects.take(chosen), tick)
        if self._rng.random() < 0.5:
            raise Failed("partly done")
        return Reply(effects.intent, np.where(chosen, "", "internal error"))

    async def _stale_read(self, effects: Effects, tick: int) -> Reply:
        before = await self._platform.read_back(effects, tick)
        self._old.append((tick + self.capabilities.settles_h, effects, before))
        return await self._set(effects, tick)

    async def _slow(self, effects: Effects, tick: int) -> Reply:
        await self._set(effects, tick)
        return await _never()

    async def _quota(self, _effects: Effects, _tick: int) -> Reply:
        raise OverQuota(HOUR_S)

    async def _daily_quota(self, _effects: Effects, tick: int) -> Reply:
        self._quota_until = (tick // DAY_H + 1) * DAY_H
        raise OverQuota(HOUR_S * (self._quota_until - tick), daily=True)

    async def _no_effect(self, effects: Effects, _tick: int) -> Reply:
        return Reply(effects.intent, np.full(len(effects), ""))

    async def _turned_back(self, effects: Effects, tick: int) -> Reply:
        before = await self._platform.read_back(effects, tick)
        reply = await self._set(effects, tick)
        nobody = np.full(len(effects), -1, dtype=np.int64)
        back = Effects(nobody, effects.campaign, effects.channel, effects.field, effects.creative, before)
        await self._platform.edit(back, "the platform", tick)
        return reply

    async def _expired_token(self, _effects: Effects, tick: int) -> Reply:
        self._expired_until = tick + int(self._rng.integers(1, LONGEST_H + 1))
        raise Refused("the token has expired")


def _places(effects: Effects) -> NDArray[np.int64]:
    """[n] one number for each setting."""
    place = effects.campaign.astype(np.int64) << 16 | effects.channel
    return (place << 4 | effects.field) << 16 | (effects.creative + 1)


async def _never() -> Reply:
    """An answer for which nobody waits long enough."""
    await asyncio.Event().wait()
    raise AssertionError("nobody sets the event")


_FAULTS: dict[str, Callable[[Faulty, Effects, int], Awaitable[Reply]]] = {
    "reply_lost": Faulty._reply_lost,
    "applied_late": Faulty._applied_late,
    "replied_twice": Faulty._replied_twice,
    "partial": Faulty._partial,
    "stale_read": Faulty._stale_read,
    "slow": Faulty._slow,
    "quota": Faulty._quota,
    "daily_quota": Faulty._daily_quota,
    "no_effect": Faulty._no_effect,
    "turned_back": Faulty._turned_back,
    "expired_token": Faulty._expired_token,
}
fault_kinds = tuple(_FAULTS)
"""Every kind of fault: applied and the reply lost, applied late, replied to twice, partly applied, read stale, slower
than any deadline, short-term and daily quota, taken without effect, turned back by the platform, the token expired."""
