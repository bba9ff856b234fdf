"""Doors, limits and proposals for tests: everything is allowed until a test says otherwise.

Letters: R campaigns, C channels, K creatives.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swarm.effects.door import Admission, Door
from swarm.effects.horizon import PARTS
from swarm.effects.lease import Lease, Mode
from swarm.effects.limits import NO_CAP, Autonomy, Limits, Shared
from swarm.effects.proposals import Field, Proposals
from swarm.platforms.calendar import Began, Moment
from swarm.platforms.channels import FOUR
from swarm.platforms.protocol import Effects
from swarm.store.journal import Journal

UNIT = 1_000_000
CREATIVES = 3
Row = tuple[int, int, Field, int, int]
"""Campaign, channel, field, creative, new value."""


FACTORS = [Fraction(*channel.over_delivery) for channel in FOUR]


def ahead(days: Any, rows: int = 1) -> NDArray[np.int64]:
    """[2, R, C] what ``days`` after today could cost on platforms that publish no longer ceiling."""
    parts = [[int(PARTS * factor * int(each)) for factor in FACTORS] for each in np.broadcast_to(days, rows)]
    return np.array([parts, parts], dtype=np.int64)


def limits(rows: int = 1, *, month_left: Any = 0, life_left: Any = 0, **given: Any) -> Limits:
    """Limits that refuse nothing but ``given``; a number stands for every campaign, days for those after today."""
    wide: dict[str, Any] = {
        **dict.fromkeys(("daily_exposure", "daily_nominal", "monthly", "lifetime"), NO_CAP),
        **{"bid_min": 0, "bid_max": NO_CAP, "budget_min": 0, "budget_max": NO_CAP},
        **{"max_step": 1e6, "max_day_change": 1e6, "max_bid_step": 1e6},
        **{"allowed": True, "autonomy": Autonomy.AUTO, "running": True, "cooldown_h": 0, "protect_learning": True},
        **{"max_age_h": NO_CAP, "ask_above": np.inf, "ask_above_amount": NO_CAP, "max_actions": NO_CAP},
        **given,
    }
    whole: dict[str, Any] = {"shared": Shared.none(rows)}
    whole |= {name: wide.pop(name) for name in ("shared", "max_paused", "max_fall") if name in wide}
    planes: dict[str, Any] = {
        name: np.broadcast_to(value, (rows, len(FOUR)) if name == "allowed" else (rows,))
        for name, value in wide.items()
    }
    return Limits(month_ahead=ahead(month_left, rows), life_ahead=ahead(life_left, rows), **planes, **whole)


def lease(mode: Mode = Mode.STABLE, *, may_raise: bool = True, epoch: int = 1, expires: int = 10**9) -> Lease:
    """Leave to act, good for ever."""
    return Lease(epoch, mode, may_raise, 1, expires)


ALWAYS = lease()


def proposals(rows: Sequence[Row]) -> Proposals:
    """A batch of ``rows``."""
    table = np.array(rows, dtype=np.int64).reshape(-1, 5).T
    campaign, channel, field, creative, new = table
    count = len(rows)
    return Proposals(
        campaign.astype(np.int32), channel.astype(np.int32), field.astype(np.int8), creative.astype(np.int16), new,
        np.full(count, "test"), np.zeros(count), np.zeros(count),
    )  # fmt: skip


def budget(new: int, *, campaign: int = 0, channel: int = 0) -> Row:
    """A write of a daily budget."""
    return campaign, channel, Field.BUDGET, -1, new


def bid(new: int, *, campaign: int = 0, channel: int = 0) -> Row:
    """A write of a bid."""
    return campaign, channel, Field.BID, -1, new


def weight(new: int, creative: int) -> Row:
    """A write of a creative's share."""
    return 0, 0, Field.WEIGHT, creative, new


def status(new: int, *, campaign: int = 0, channel: int = 0) -> Row:
    """A pause or a launch."""
    return campaign, channel, Field.STATUS, -1, new


def door(folder: Path, rows: int = 1) -> Door:
    """A door on the four channels whose journal lies in ``folder``."""
    return Door(folder, Journal(folder / "journal.sqlite"), FOUR, rows, CREATIVES)


def ask(door: Door, *rows: Row, limits: Limits, lease: Lease = ALWAYS, tick: int = 0) -> Admission:
    """The first half of a write."""
    return door.open(proposals(rows), limits, lease, tick)


def write(door: Door, *rows: Row, limits: Limits | None = None, lease: Lease = ALWAYS, tick: int = 0) -> dict[str, int]:
    """Both halves of a write on a platform that does as it is told; returns refusals by guard."""
    admission = ask(door, *rows, limits=limits or _all(door), lease=lease, tick=tick)
    assert door.close(admission, admission.effects.value) == 0
    return dict(admission.refused)


def values(effects: Effects) -> list[int]:
    """What would be written, in order."""
    return [int(value) for value in effects.value]


def began(day: Any) -> Began:
    """Local days that began in hours ``day`` [R], a day of 24 hours after the one before."""
    day = np.asarray(day, dtype=np.int64)
    return Began(day, day - 24)


def midnight(tick: int, rows: int = 1) -> Moment:
    """The first hour of everybody's day."""
    return moment(tick, np.ones(rows, dtype=np.bool_))


def moment(tick: int, new_day: Any) -> Moment:
    """An hour in which the days of ``new_day`` [R] begin; the door looks at nothing else."""
    nothing = np.zeros(len(new_day), dtype=np.int32)
    return Moment(tick, nothing, nothing, nothing, new_day, np.zeros_like(new_day), nothing, nothing)


def _all(door: Door) -> Limits:
    return limits(len(door.ledger.budget))
