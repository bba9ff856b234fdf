"""The lease: mode and configuration as they travel, checked where effects happen.

Ray promises no order between callers, so the epoch decides what is current, not arrival.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policies.health import Mode

__all__ = ["Lease", "Mode"]


@dataclass(frozen=True, slots=True)
class Lease:
    """Leave to act, given by the coordinator at every heartbeat."""

    epoch: int
    """Counts the coordinator's lives and mode changes; an older one is stale."""
    mode: Mode
    may_raise: bool
    """Whether CAUTIOUS still allows half steps up, or decreases alone; STABLE raises anyway, FREEZE never."""
    config_version: int
    expires_tick: int
    """First market hour in which the lease no longer holds."""
    careful: tuple[int, ...] = ()
    """Campaigns that are in CAUTIOUS by themselves."""
    resting: tuple[int, ...] = ()
    """Campaigns that people have paused, or whose schedule is over."""
    expires_s: float = inf
    """Unix time from which the lease no longer holds; never, in simulated time."""

    def modes(self, campaign: NDArray[np.integer[Any]]) -> NDArray[np.str_]:
        """[n] the mode of each ``campaign`` [n]."""
        own = np.where(np.isin(campaign, self.careful), str(Mode.CAUTIOUS), str(self.mode))
        return own if self.mode == Mode.STABLE else np.full(len(campaign), str(self.mode))

    def part(self, campaign: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
        """[n] the part of a step that each ``campaign`` [n] may go."""
        return np.where(self.modes(campaign) == str(Mode.CAUTIOUS), 0.5, 1.0)

    def holds(self, tick: int, now_s: float) -> bool:
        """Whether the lease is good in market hour ``tick`` at Unix time ``now_s``."""
        return tick < self.expires_tick and now_s < self.expires_s

    def at(self, tick: int, now_s: float) -> Lease:
        """The lease as it counts then: one that has lapsed means FREEZE."""
        return self if self.holds(tick, now_s) else replace(self, mode=Mode.FREEZE)
