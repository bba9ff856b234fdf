"""Rollback: earlier values again, where what a write left is still in force; elsewhere a conflict and no move.

Letters: n moves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from swarm.effects.plans import EXPIRES_H, Plan, Setting
from swarm.effects.proposals import Proposals

REASON = "rollback"


@dataclass(frozen=True, slots=True)
class Write:
    """A write that reached a platform, or may have."""

    setting: Setting
    old: int
    left: int | None
    """The value that was read back after it; None while its outcome is unknown."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """A setting that is left as it is."""

    setting: Setting
    left: int | None
    """What the write left."""
    now: int
    """What is in force."""
    back: int
    """What it would have been set to."""


def rollback(writes: Iterable[Write], now: Mapping[Setting, int], tick: int) -> tuple[Plan, list[Conflict]]:
    """A plan, made in hour ``tick``, of the values before the first of ``writes`` to each setting, and the conflicts.

    ``writes`` are in order of time; ``now``: what is in force of every setting ever written, as far as is known.
    A setting that has its earlier value already is neither; one whose last outcome is unknown may have any.
    """
    first: dict[Setting, int] = {}
    last: dict[Setting, int | None] = {}
    for write in writes:
        first.setdefault(write.setting, write.old)
        last[write.setting] = write.left
    apart = [setting for setting in first if last[setting] is None or now[setting] != first[setting]]
    conflicts = [Conflict(s, last[s], now[s], first[s]) for s in apart if last[s] != now[s]]
    moves = [(*setting, now[setting], first[setting]) for setting in apart if last[setting] == now[setting]]
    return _plan(np.array(moves, dtype=np.int64).reshape(-1, 6), tick), conflicts


def _plan(table: np.ndarray[tuple[int, int], np.dtype[np.int64]], tick: int) -> Plan:
    """From [n, 6]: campaign, channel, field, creative, value in force, value to restore."""
    campaign, channel, field, creative, old, new = table.T
    asked = Proposals(
        campaign.astype(np.int32), channel.astype(np.int32), field.astype(np.int8), creative.astype(np.int16), new,
        np.full(len(new), REASON), np.zeros(len(new)), np.zeros(len(new)),
    )  # fmt: skip
    return Plan(asked, old, np.full(len(new), ""), "apply", tick, tick + EXPIRES_H)
