"""What auctions told, noted as it comes and turned into rows for the market's window when these are learnt from.

Letters: N rows of a round, n rows kept.
"""

from __future__ import annotations

import numpy as np

from policies.frames import Floats, Ints
from policies.prices import ABOVE, BELOW, EXACT

A_ROUND = 512
"""Rows of a round that are kept, at most half of them won and half lost; more would displace those of other rounds."""
FREE = 0.01
"""Least price over bid that is told apart from a lower one."""


class Feedback:
    """Rounds that are not learnt from yet."""

    def __init__(self) -> None:
        self._noted: list[Floats] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, columns: tuple[Floats, ...]) -> None:
        """Note bids, values, shares won, prices, lowest winning bids (NaN: not told) and impressions, [N] each."""
        size = len(columns[0])
        if size <= A_ROUND:
            self._noted.append(np.array((*columns, np.ones(size))))
        else:
            won = columns[2] > 0.0
            self._noted += [_drawn(columns, np.flatnonzero(part)) for part in (won, ~won)]
        self._count += min(size, A_ROUND)

    def rows(self, *, first_price: bool) -> Floats:
        """[5, n] log of value, log of price or bid, what it tells, weight, impressions; nothing is left noted.

        An impression of which a share was won is that share won and the rest lost: more of it would have cost more.
        What is worth nothing, or was not bid for, tells nothing.
        """
        bid, value, share, price, lowest, count, weight = np.concatenate(self._noted, axis=1)
        self._noted, self._count = [], 0
        won, partly = share > 0.0, (share > 0.0) & (share < 1.0)
        known = lowest if first_price else np.where(won, price, lowest)
        untold = np.isnan(known)
        told = np.where(untold, np.where(won, BELOW, ABOVE), EXACT)
        bound = np.where(untold, bid, np.maximum(known, FREE * bid))
        weight = np.where(partly, share, 1.0) * weight
        rows = np.array([value, bound, told, weight, weight * count])
        if partly.any():
            rest = weight[partly] * (1.0 / share[partly] - 1.0)
            lost = np.array([value[partly], bid[partly], np.full(len(rest), ABOVE), rest, rest * count[partly]])
            rows = np.concatenate([rows, lost], axis=1)
        rows = rows[:, (rows[:2] > 0.0).all(axis=0)]
        rows[:2] = np.log(rows[:2])
        return rows


def _drawn(columns: tuple[Floats, ...], rows: Ints) -> Floats:
    """[7, n] an even draw of ``rows``, with the number of rows that each stands for."""
    kept = rows if len(rows) <= A_ROUND // 2 else rows[np.linspace(0, len(rows) - 1, A_ROUND // 2).astype(np.int64)]
    weight = np.full(len(kept), len(rows) / max(len(kept), 1))
    return np.array([*(column[kept] for column in columns), weight])
