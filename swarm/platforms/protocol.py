"""What every platform is to the swarm, the embedded market and real connectors alike.

Letters: R campaigns, C channels, K creatives, n writes, m changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from policies.frames import Report
from swarm.effects.proposals import Field
from swarm.errors import SwarmError


@dataclass(frozen=True, slots=True)
class Channel:
    """One place where a campaign's money can be spent."""

    name: str
    platform: str
    """As a campaign file names it."""
    auction: str
    """second_price or first_price."""
    over_delivery: tuple[int, int]
    """Numerator and denominator of what a day may cost over the highest budget in force on it."""
    report_lag_h: int
    """Whole hours by which the platform's reports are late."""
    significant_edit: float = 0.2
    """Part by which a budget or bid may be moved at once without a new learning phase."""


@dataclass(frozen=True, slots=True)
class Effects:
    """A batch of admitted writes: absolute values, one row a write."""

    intent: NDArray[np.int64]
    campaign: NDArray[np.int32]
    channel: NDArray[np.int32]
    field: NDArray[np.int8]
    creative: NDArray[np.int16]
    value: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.intent)

    def take(self, index: NDArray[np.bool_] | NDArray[np.intp]) -> Effects:
        """The rows that ``index`` selects."""
        return Effects(**{f.name: getattr(self, f.name)[index] for f in fields(self)})

    @classmethod
    def concat(cls, parts: Sequence[Effects]) -> Effects:
        """All rows of ``parts``, in order; at least one part."""
        return cls(**{f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(cls)})


@dataclass(frozen=True, slots=True)
class Spending:
    """What the platforms report of money spent, in micros; late by their lags."""

    today: NDArray[np.int64]
    """[R, C] on each campaign's local day."""
    month: NDArray[np.int64]
    """[R] in the local month, today included."""
    lifetime: NDArray[np.int64]
    """[R]"""
    as_of: NDArray[np.int64]
    """[R, C] the market hour up to which spend is reported, -1 for none."""


@dataclass(frozen=True, slots=True)
class Rate:
    """How many writes a platform takes from an account."""

    per_s: float
    """Added to the bucket each second."""
    burst: int
    """That the bucket holds."""
    per_day: int
    """From one reset of the daily quota to the next."""
    reset_h: int = 0
    """Hour of the UTC day in which the daily quota begins anew."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a platform does with an account's money, and what it can be asked."""

    over_delivery: tuple[int, int]
    """Numerator and denominator of what a day may cost over the highest budget in force on it."""
    ceiling: Literal["week", "month"] | None
    """Over which the sum of the daily budgets is the platform's own ceiling; None where it publishes none."""
    significant_edit: float
    """Part by which a budget or bid may be moved at once without a new learning phase."""
    dry_run: tuple[Field, ...] = ()
    """Writes that the platform validates without making them; of the others our own check is the only one."""
    unit: int = 1
    """Micros of the account's currency: every amount is a multiple."""
    least_budget: int = 0
    """Micros a day; 0 closes a channel on every platform."""
    settles_h: int = 0
    """Whole market hours after which a write whose reply was lost no longer comes into force, and after which what is
    read is no older than the write; 0 where calls are made one after the other and answered from one memory."""
    rate: Rate | None = None
    """None: as many as one likes."""


@dataclass(frozen=True, slots=True)
class State:
    """What is in force on a platform, C its own channels."""

    budget: NDArray[np.int64]
    """[R, C] micros a day."""
    bid: NDArray[np.int64]
    """[R, C] micros a click."""
    weight: NDArray[np.int64]
    """[R, C, K] parts per million."""
    status: NDArray[np.int64]
    """[R, C] 1 delivers."""
    learning: NDArray[np.bool_]
    """[R, C] whether the platform is in its learning phase."""


@dataclass(frozen=True, slots=True)
class Changes:
    """Settings that others than the swarm have changed, oldest first."""

    number: NDArray[np.int64]
    """[m] place in the platform's own log, counted from 1."""
    tick: NDArray[np.int64]
    """[m] the market hour."""
    who: NDArray[np.str_]
    """[m] as the platform names them."""
    campaign: NDArray[np.int32]
    channel: NDArray[np.int32]
    field: NDArray[np.int8]
    creative: NDArray[np.int16]
    old: NDArray[np.int64]
    new: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.number)

    @classmethod
    def none(cls) -> Changes:
        """Nothing was changed."""
        whole, narrow = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int32)
        kind, slot = np.zeros(0, dtype=np.int8), np.zeros(0, dtype=np.int16)
        return cls(whole, whole, np.zeros(0, dtype=np.str_), narrow, narrow, kind, slot, whole, whole)

    def take(self, index: NDArray[np.bool_]) -> Changes:
        """The rows that ``index`` selects."""
        return Changes(**{f.name: getattr(self, f.name)[index] for f in fields(self)})

    @classmethod
    def concat(cls, parts: Sequence[Changes]) -> Changes:
        """All rows of ``parts``, in order."""
        parts = [cls.none(), *parts]
        return cls(**{f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(cls)})

    @property
    def effects(self) -> Effects:
        """The same as writes of no intent, with the values that are in force since."""
        nobody = np.full(len(self), -1, dtype=np.int64)
        return Effects(nobody, self.campaign, self.channel, self.field, self.creative, self.new)


@dataclass(frozen=True, slots=True)
class Reply:
    """A platform's answer to a batch of writes. A success is no proof: it is read back."""

    intent: NDArray[np.int64]
    """[n] what it answers, for a reply may come twice, or late."""
    refused: NDArray[np.str_]
    """[n] why each write was refused, empty where it was taken."""


class Refused(SwarmError):
    """A platform refused a call as a whole, and nothing was done: the token has expired, or access was withdrawn."""


class OverQuota(Refused):
    """Too many calls; nothing was done."""

    def __init__(self, retry_after_s: float, daily: bool = False) -> None:
        """Keep the seconds after which a call makes sense again, and whether it is the day's quota that is used up."""
        # The arguments are also ``args``, so the error survives pickling between processes.
        super().__init__(retry_after_s, daily)
        self.retry_after_s, self.daily = retry_after_s, daily

    def __str__(self) -> str:
        """Say which quota and when to come back."""
        return f"{'daily' if self.daily else 'short-term'} quota used up, retry after {self.retry_after_s:.0f} s"


class Platform(Protocol):
    """One account on one platform: all calls that are made to it. An account that fails leaves the others alone.

    ``campaign`` and ``channel`` index the portfolio. ``tick`` is the market hour of the call. Every call may raise
    ``Refused`` or ``OverQuota``, after which nothing was done; after any other ``SwarmError`` or ``TimeoutError`` the
    outcome is unknown.
    """

    @property
    def capabilities(self) -> Capabilities:
        """What it does with money and what it can be asked; makes no call."""

    async def read_state(self, tick: int) -> State:
        """Settings in force and where it is learning."""

    async def read_metrics(self, tick: int) -> Report | None:
        """The newest hour that it reports, of its own channels; None while there is none."""

    async def spending(self, tick: int) -> Spending:
        """Money spent on its own channels, as reported."""

    async def validate(self, effects: Effects, tick: int) -> NDArray[np.str_]:
        """[n] why each write would be refused, empty where it would not; nothing is done."""

    async def apply(self, effects: Effects, tick: int) -> Reply:
        """Set absolute values."""

    async def read_back(self, effects: Effects, tick: int) -> NDArray[np.int64]:
        """[n] the values in force where ``effects`` points."""

    async def changes_since(self, number: int, tick: int) -> Changes:
        """What others have changed since change ``number`` of its own log; 0: ever."""

    async def pause_all(self, tick: int) -> int:
        """Pause everything; returns how many channels of campaigns were delivering."""


@dataclass(frozen=True, slots=True)
class Account:
    """One account and the channels that are its own."""

    platform: Platform
    channels: slice

    def owns(self, effects: Effects) -> NDArray[np.bool_]:
        """[n]"""
        return np.asarray((effects.channel >= self.channels.start) & (effects.channel < self.channels.stop))
