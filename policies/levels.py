"""What each channel sells against its usual: a control chart for sudden jumps.

All campaigns of a portfolio meet the same bots and rivals on a channel, so the mean of their jumps shows in its first
hour what each alone would lose in its noise (Shewhart, "Economic Control of Quality of Manufactured Product", 1931).
How much these means move on ordinary hours differs by portfolio and channel, and is learnt.

Letters: R campaigns, C channels, P portfolios.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtr

from policies.clock import followed, season
from policies.frames import Bools, Evidence, Floats, Ints, pad, sums_of

ORDINARY = 1.0 / 480.0
"""Hours that are less likely, once in 20 days, teach nothing about the ordinary ones."""
_FOLLOW = 0.5
"""Part of a jump by which the usual moves in an hour: days drift, and only what is sudden is looked for."""
_MEMORY = 1.0 / 240.0
_FIRST_SQUARE, _FIRST_HOURS = 0.2**2, 12.0
"""What the opening guess of a mean jump's square is, and how many hours it is worth."""


@dataclass(frozen=True, slots=True)
class Levels:
    """What is usual."""

    tick: Ints
    """[C] the newest hour that was looked at."""
    pattern: Floats
    """[R, C, 5] the evidence's, then."""
    usual: Floats
    """[R, C] log of what an hour of mean traffic sells at a bid of 1; NaN before the first."""
    square: Floats
    """[P, C] of the mean jump, running."""
    hours: Floats
    """[P, C] ordinary ones seen."""
    jump: Floats
    """[P, C] mean jump in the newest hour, of the log; 0 where none was seen."""
    chance: Floats
    """[P, C] that any channel jumps as far in an ordinary hour; 1 where none was seen."""

    @classmethod
    def empty(cls, shape: tuple[int, int, int], portfolios: int = 1) -> Levels:
        """Nothing seen of campaigns and channels of ``shape`` (R, C, K)."""
        plane, charts = shape[:2], (portfolios, shape[1])
        tick = np.full(shape[1], -1, dtype=np.int64)
        usual, square, none = np.full(plane, np.nan), np.full(charts, _FIRST_SQUARE), np.zeros(charts)
        return cls(tick, np.zeros((*plane, 5)), usual, square, none, none, np.ones(charts))

    def grown(self, shape: tuple[int, int, int]) -> Levels:
        """The same with room for more campaigns."""
        pattern = pad(self.pattern, (*shape[:2], 5))
        return replace(self, pattern=pattern, usual=pad(self.usual, shape[:2], fill=np.nan))

    def step(self, evidence: Evidence, account: Ints, *, keep: Floats) -> tuple[Levels, Floats]:
        """One hour on, and the chance [P] that jumps are as far as these in an ordinary hour; 1 where none was seen.

        ``account`` [R]: each campaign's portfolio. ``keep`` [R]: share of the old that the evidence keeps of an hour.
        """
        level = self._level(evidence, keep)
        gap = level - self.usual
        jump = _means(gap, account, len(self.square))
        tail = 2.0 * ndtr(-np.abs(jump) / np.sqrt(self.square))
        seen = np.isfinite(tail)
        chance = np.minimum(np.where(seen, tail, 1.0) * np.maximum(seen.sum(axis=1, keepdims=True), 1), 1.0)
        least = chance.min(axis=1)
        square, hours = self._taught(jump, seen & (least > ORDINARY)[:, None])
        usual = np.where(np.isnan(self.usual), level, self.usual + _FOLLOW * np.nan_to_num(gap))
        return Levels(evidence.tick, evidence.pattern, usual, square, hours, np.nan_to_num(jump), chance), least

    def _level(self, evidence: Evidence, keep: Floats) -> Floats:
        """[R, C] of the newest hour; NaN where it is not new, was cut short, or is more than one."""
        fresh = evidence.pattern - keep[:, None, None] * self.pattern
        weight, swing, sold = fresh[..., 0], fresh[..., 1], fresh[..., 2]
        traffic = followed(season(evidence.pattern)[:, None], swing)
        told = (evidence.tick > self.tick) & (np.abs(weight - 1.0) < 0.5) & (sold > 0.0)
        return np.where(told, np.log(np.where(told, sold, 1.0) / traffic), np.nan)

    def _taught(self, jump: Floats, ordinary: Bools) -> tuple[Floats, Floats]:
        rate = np.where(ordinary, np.maximum(_MEMORY, 1.0 / (self.hours + _FIRST_HOURS)), 0.0)
        square = self.square + rate * (np.where(ordinary, jump, 0.0) ** 2 - self.square)
        return square, self.hours + ordinary


def _means(gap: Floats, account: Ints, portfolios: int) -> Floats:
    """[P, C] over the campaigns that were seen; NaN where none was."""
    known = np.isfinite(gap)
    sums, count = (sums_of(each, account, portfolios) for each in (np.where(known, gap, 0.0), known))
    return np.where(count > 0, sums / np.maximum(count, 1.0), np.nan)
