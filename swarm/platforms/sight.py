"""What all accounts report together at the beginning of an hour; of one that cannot be read, what it said last.

Letters: R campaigns, C channels.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from policies.frames import pad
from swarm.errors import SwarmError
from swarm.platforms.protocol import Account, Changes, Spending

Kind = TypeVar("Kind", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Sight:
    """All accounts at one moment."""

    spending: Spending
    learning: NDArray[np.bool_]
    """[R, C] where a platform says that it learns."""
    changes: Changes
    """By others, since those that were known."""
    blind: tuple[str, ...]
    """Accounts that could not be read: what is told of these is as old as ``spending.as_of`` says."""


@dataclass(frozen=True, slots=True)
class _Glance:
    """One account."""

    spending: Spending
    learning: NDArray[np.bool_]
    changes: Changes


class Watch:
    """Remembers what each account said last."""

    def __init__(self) -> None:
        """Nothing seen."""
        self._last: dict[str, _Glance] = {}

    async def look(
        self, accounts: Mapping[str, Account], rows: int, known: Mapping[str, int], tick: int, deadline_s: float
    ) -> Sight:
        """Ask all ``accounts``, in the order of their channels, at once; ``known``: each one's last known change."""
        names = tuple(accounts)
        asked = (_glance(accounts[name], known.get(name, 0), tick, deadline_s) for name in names)
        glances = await asyncio.gather(*asked)
        seen = {name: glance for name, glance in zip(names, glances, strict=True) if glance is not None}
        self._last |= seen
        last = [self._last.get(name) or _nothing(rows, accounts[name].channels) for name in names]
        parts, learning = [each.spending for each in last], [each.learning for each in last]
        spending = Spending(
            _beside([part.today for part in parts], rows),
            sum((pad(part.month, (rows,)) for part in parts), np.zeros(rows, dtype=np.int64)),
            sum((pad(part.lifetime, (rows,)) for part in parts), np.zeros(rows, dtype=np.int64)),
            _beside([part.as_of for part in parts], rows, fill=-1),
        )
        changes = Changes.concat([glance.changes for glance in seen.values()])
        blind = tuple(name for name in names if name not in seen)
        return Sight(spending, _beside(learning, rows), changes, blind)


async def _glance(account: Account, known: int, tick: int, deadline_s: float) -> _Glance | None:
    """None where the account cannot be read."""
    platform = account.platform
    try:
        async with asyncio.timeout(deadline_s):
            spending, state = await platform.spending(tick), await platform.read_state(tick)
            return _Glance(spending, state.learning, await platform.changes_since(known, tick))
    except (SwarmError, TimeoutError):
        return None


def _nothing(rows: int, channels: slice) -> _Glance:
    plane = (rows, channels.stop - channels.start)
    nothing = np.zeros(rows, dtype=np.int64)
    spending = Spending(np.zeros(plane, dtype=np.int64), nothing, nothing, np.full(plane, -1))
    return _Glance(spending, np.zeros(plane, dtype=np.bool_), Changes.none())


def _beside(parts: list[NDArray[Kind]], rows: int, *, fill: int = 0) -> NDArray[Kind]:
    """[R, C] columns of accounts side by side; campaigns that joined since have ``fill``."""
    return np.concatenate([pad(part, (rows, part.shape[1]), fill=fill) for part in parts], axis=1)
