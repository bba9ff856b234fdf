"""The lease: mode and configuration as they travel, checked where effects happen.

Ray promises no order between callers, so the epoch decides what is current, not arrival.
"""

from __future__ import annotations

from dataclasses import dataclass

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

    def holds(self, tick: int) -> bool:
        """Whether the lease is good in market hour ``tick``."""
        return tick < self.expires_tick
