"""What became of each day: decisions and the outcomes that they caused, however late those came in.

A window is the time between two lessons, a day as a rule. Its clicks are known when it closes; conversions come
in for days, and each is shared out among the windows whose clicks could have caused it, by how many were due.

Letters: W windows, R campaigns, C channels, K creatives, H hyperparameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policies.frames import Bools, Floats, Ints, pad

KEPT = 21
"""Windows that stay open; what comes in later still counts for the oldest."""


@dataclass(frozen=True, slots=True)
class Book:
    """Open windows, the newest last, and the totals at the end of it."""

    tick: Ints
    """[W] market hour in which each ended."""
    hours: Ints
    """[W]"""
    steady: Bools
    """[W] STABLE all the time."""
    assigned: Ints
    """[W, R, H] as ``Tuning.assigned``."""
    money: Floats
    """[W, R] what could be spent, currency units."""
    spend: Floats
    """[W, R]"""
    clicks: Floats
    """[W, R, C, K]"""
    credited: Floats
    """[W, R] conversions."""
    totals: Floats
    """[2, R, C, K] clicks and conversions reported since the start."""
    cost: Floats
    """[R] spent since the start."""

    @classmethod
    def empty(cls, shape: tuple[int, int, int], hyperparameters: int) -> Book:
        """No windows; ``shape`` is R, C, K."""
        rows = shape[0]
        none = np.zeros(0, dtype=np.int64)
        return cls(
            none, none, none.astype(np.bool_), np.zeros((0, rows, hyperparameters), dtype=np.int64),
            np.zeros((0, rows)), np.zeros((0, rows)), np.zeros((0, *shape)), np.zeros((0, rows)),
            np.zeros((2, *shape)), np.zeros(rows),
        )  # fmt: skip

    def grown(self, shape: tuple[int, int, int]) -> Book:
        """Room for campaigns that have joined; they have done nothing yet."""
        rows, windows = shape[0], len(self.tick)
        return replace(
            self,
            assigned=pad(self.assigned, (windows, rows, self.assigned.shape[2])),
            money=pad(self.money, (windows, rows)),
            spend=pad(self.spend, (windows, rows)),
            clicks=pad(self.clicks, (windows, *shape)),
            credited=pad(self.credited, (windows, rows)),
            totals=pad(self.totals, (2, *shape)),
            cost=pad(self.cost, (rows,)),
        )

    def close(
        self,
        tick: int,
        *,
        steady: bool,
        assigned: Ints,
        money: Floats,
        totals: Floats,
        cost: Floats,
        lag_h: Floats,
    ) -> Book:
        """A window ends at ``tick``: its own figures, and a share of what was reported for each open one.

        ``lag_h`` [2, C]: mean hours to the report of a conversion, of the fast and of the slow half.
        """
        last = int(self.tick[-1]) if len(self.tick) else 0
        clicks, conversions = totals - self.totals
        with_new = Book(
            np.append(self.tick, tick),
            np.append(self.hours, tick - last),
            np.append(self.steady, steady),
            np.concatenate([self.assigned, assigned[None]]),
            np.concatenate([self.money, money[None]]),
            np.concatenate([self.spend, (cost - self.cost)[None]]),
            np.concatenate([self.clicks, clicks[None]]),
            np.concatenate([self.credited, np.zeros((1, len(money)))]),
            totals,
            cost,
        )
        share = with_new._due(last, tick, lag_h)
        return replace(with_new, credited=with_new.credited + (share * conversions).sum(axis=(2, 3)))

    def _due(self, begin: int, end: int, lag_h: Floats) -> Floats:
        """[W, R, C, K] each window's part in the conversions reported from hour ``begin`` to ``end``."""
        middle = self.tick - 0.5 * self.hours
        ages = [np.maximum(hour - middle, 0.0)[:, None, None] / lag_h for hour in (begin, end)]
        reported = 0.5 * (np.exp(-ages[0]) - np.exp(-ages[1])).sum(axis=1)  # [W, C]
        due = self.clicks * reported[:, None, :, None]
        all_due = due.sum(axis=0)
        oldest = np.zeros_like(due)
        oldest[0] = 1.0  # nothing was due, yet something came
        return np.asarray(np.where(all_due > 0, due / np.where(all_due > 0, all_due, 1.0), oldest))

    def ended(self, tick: int) -> bool:
        """Whether the window that ends at ``tick`` is closed already."""
        return bool(len(self.tick)) and int(self.tick[-1]) >= tick

    def settled(self) -> tuple[Book, Book]:
        """The windows that are too old to stay open, and the rest."""
        extra = max(len(self.tick) - KEPT, 0)
        return self._windows(slice(0, extra)), self._windows(slice(extra, None))

    def rows(self) -> list[tuple[Any, ...]]:
        """A row for each campaign in each window in which it could spend: tick, campaign, hours, steady, candidates,
        money, spend, clicks, conversions credited."""
        clicks = self.clicks.sum(axis=(2, 3))
        return [
            (
                int(self.tick[w]),
                int(r),
                int(self.hours[w]),
                bool(self.steady[w]),
                sorted(set(self.assigned[w, r].tolist()) - {0}),
                *(float(each[w, r]) for each in (self.money, self.spend, clicks, self.credited)),
            )
            for w, r in np.argwhere((self.money > 0) | (self.spend > 0) | (self.credited > 0))
        ]

    def _windows(self, which: slice) -> Book:
        cut = {f.name: getattr(self, f.name)[which] for f in fields(self) if f.name not in ("totals", "cost")}
        return replace(self, **cut)

    def outcome(self, click_value: Floats) -> Floats:
        """[W, R] log of what each window's clicks are worth over its money; NaN where it does not count.

        Worth by all that is known now, so that a window's worth matures with its conversions; money spent
        past the day's earns nothing. ``click_value`` [R, C, K]: goal units.
        """
        worth = (self.clicks * click_value).sum(axis=(2, 3))
        counts = (self.steady & (self.hours == 24))[:, None] & (self.money > 0) & (worth > 0)
        money = np.where(counts, np.maximum(self.money, self.spend), 1.0)
        return np.where(counts, np.log(np.where(counts, worth, 1.0) / money), np.nan)

    def as_arrays(self) -> dict[str, NDArray[Any]]:
        """For the journal."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Book:
        """What ``as_arrays`` gave."""
        return cls(**{f.name: arrays[f.name] for f in fields(cls)})
