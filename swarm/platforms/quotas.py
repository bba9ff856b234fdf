"""How many writes an account may still be sent: a token bucket and a daily quota, by a clock that is passed in.

Letters: A accounts, C channels, n writes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from swarm.platforms.protocol import OverQuota, Rate

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
RESERVED = 10
"""One in so many writes is kept for pauses."""
UNLIMITED = 2**31
_DAY_S = 86_400.0


class Bucket:
    """One account's quota. Its clock is Unix time in seconds, and never moves back."""

    def __init__(self, rate: Rate | None) -> None:
        """A full bucket."""
        self._rate = rate
        self._tokens = float(rate.burst) if rate else 0.0
        self._at_s, self._day, self._used, self._shut_until_s = 0.0, -1, 0, 0.0

    def room(self, now_s: float) -> int:
        """Writes that may be sent at ``now_s``, pauses among them."""
        if now_s < self._shut_until_s:
            return 0
        if self._rate is None:
            return UNLIMITED
        self._refill(now_s, self._rate)
        return int(min(self._tokens, self._rate.per_day - self._used))

    def kept(self) -> int:
        """Of that room, what is for pauses alone."""
        return 0 if self._rate is None else -(-min(self._rate.burst, self._rate.per_day) // RESERVED)

    def take(self, count: int, now_s: float) -> None:
        """``count`` writes are sent at ``now_s``."""
        if self._rate is not None:
            self._refill(now_s, self._rate)
        self._tokens -= count
        self._used += count

    def refused(self, error: OverQuota, now_s: float) -> None:
        """The platform says that there is no room: ours was counted wrongly, or others use it too."""
        self._shut_until_s = max(self._shut_until_s, now_s + error.retry_after_s)

    def _refill(self, now_s: float, rate: Rate) -> None:
        if now_s > self._at_s:
            self._tokens = min(self._tokens + rate.per_s * (now_s - self._at_s), float(rate.burst))
            self._at_s = now_s
        day = int((now_s - 3600.0 * rate.reset_h) // _DAY_S)
        self._used, self._day = (self._used, self._day) if day == self._day else (0, day)


@dataclass(frozen=True, slots=True)
class Room:
    """What the accounts may be sent in an hour."""

    account: NDArray[np.intp]
    """[C] each channel's account."""
    left: Ints
    """[A] writes."""
    kept: Ints
    """[A] of these, for pauses alone."""

    @classmethod
    def none_needed(cls, channels: int) -> Room:
        """Every channel as much as it likes."""
        return cls(np.arange(channels), np.full(channels, UNLIMITED), np.zeros(channels, dtype=np.int64))

    def fits(self, channel: NDArray[np.int32], pausing: Bools, alive: Bools) -> Bools:
        """[n] writes for which there is room: pauses first, then the others in the order of the batch.

        ``alive`` [n]: writes that count; a refusal takes no room.
        """
        account, passed = self.account[channel], np.ones(len(channel), dtype=np.bool_)
        for each in np.unique(account[alive]):
            of = alive & (account == each)
            pauses, others = np.flatnonzero(of & pausing), np.flatnonzero(of & ~pausing)
            left = int(self.left[each])
            passed[pauses[left:]] = False
            passed[others[max(left - max(int(self.kept[each]), len(pauses)), 0) :]] = False
        return passed
