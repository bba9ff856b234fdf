"""A batch before the guards.

Letters: R campaigns, C channels, n writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from swarm.effects.lease import Lease
from swarm.effects.ledger import Ledger, OverDelivery
from swarm.effects.limits import Limits
from swarm.effects.proposals import Field, Proposals
from swarm.platforms.quotas import Room

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Scalar = TypeVar("Scalar", bound=np.generic)
FRESH = -1
"""In ``Case.expected``: the proposal was made for the values in force."""


@dataclass(frozen=True, slots=True)
class Case:
    """A batch before the guards: the proposals, what is in force, and what people allow."""

    asked: Proposals
    old: Ints
    """[n] values in force."""
    approved: Bools
    """[n] writes that a person has said yes to."""
    expected: Ints
    """[n] the values in force when the plan was made that a person said yes to; else ``FRESH``."""
    ledger: Ledger
    limits: Limits
    factor: OverDelivery
    significant: NDArray[np.float64]
    """[C] part by which a platform lets a setting be moved without learning anew."""
    lease: Lease
    epoch: int
    """The newest epoch that the door has seen."""
    tick: int
    now_s: float
    """Unix time."""
    day_began: Ints
    """[R] first market hour of the local day."""
    room: Room
    """What the accounts may be sent."""
    killed: bool
    open: Ints
    """Campaigns that have a write whose outcome is unknown."""

    @property
    def running(self) -> Bools:
        """[R] campaigns on their schedule that no person has paused."""
        return self.limits.running & ~np.isin(np.arange(len(self.limits.running)), self.lease.resting)

    @property
    def pausing(self) -> Bools:
        """[n] writes that stop delivery."""
        return np.asarray((self.asked.field == Field.STATUS) & (self.asked.new == 0))

    @property
    def raising(self) -> Bools:
        """[n] writes that could make more be spent."""
        money = self.asked.field <= Field.BID
        starting = (self.asked.field == Field.STATUS) & (self.asked.new == 1)
        return np.asarray((money & (self.asked.new > self.old)) | starting)

    @property
    def raising_budget(self) -> Bools:
        """[n] raises of a daily budget."""
        return np.asarray((self.asked.field == Field.BUDGET) & (self.asked.new > self.old))

    def of(self, per_campaign: NDArray[Scalar]) -> NDArray[Scalar]:
        """[n] a limit [R] for each write."""
        return per_campaign[self.asked.campaign]

    def at(self, plane: NDArray[Scalar]) -> NDArray[Scalar]:
        """[n] what a plane [R, C] has for each write."""
        return plane[self.asked.campaign, self.asked.channel]
