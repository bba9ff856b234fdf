"""What a budget that nobody touches again could cost after today: each platform's day factor and its longer ceiling.

The factor of one day for every day of a month would make half of each cap useless, and people would switch the guard
off. Sources: ``swarm.spec.delivery``.

Letters: R campaigns, C channels.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Sequence
from datetime import date, timedelta
from fractions import Fraction
from functools import lru_cache
from math import ceil
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from swarm.platforms.protocol import Channel
from swarm.spec.delivery import CEILING, Ceiling

PARTS = 20
"""Of a daily budget: the unit in which budgets ahead are counted, exact for the factors and ceilings published."""
_MONTH, _WEEK = Fraction(152, 5), Fraction(7)
_SATURDAY = 5
_Kind: TypeAlias = tuple[tuple[int, int], Ceiling | None]
"""A channel's factor of one day, as numerator and denominator, and its longer ceiling."""


def budgets_ahead(channels: Sequence[Channel], spans: Sequence[tuple[date, date]]) -> NDArray[np.int64]:
    """[2, R, C] most that the days after today could cost, in parts of a daily budget, rounded up.

    ``spans``: each campaign's local today and the last day that counts. First the budgets that were not touched in this
    day, then those that were.
    """
    kinds = tuple((channel.over_delivery, CEILING[channel.platform]) for channel in channels)
    found = np.array([_parts(kinds, *span) for span in spans], dtype=np.int64)
    return found.reshape(len(spans), 2, len(channels)).swapaxes(0, 1)


# Asked for every campaign in every hour, and the same all day: a key of plain pairs, for fractions are slow to compare.
@lru_cache(maxsize=4096)
def _parts(kinds: tuple[_Kind, ...], today: date, last: date) -> tuple[int, ...]:
    """[2 * C]"""
    each = [(Fraction(*factor), ceiling) for factor, ceiling in kinds]
    most = (days_ahead(*kind, today, last, touched=touched) for touched in (False, True) for kind in each)
    return tuple(ceil(PARTS * days) for days in most)


def days_ahead(factor: Fraction, ceiling: Ceiling | None, today: date, last: date, *, touched: bool) -> Fraction:
    """Most that the days after ``today`` up to ``last`` could cost, in daily budgets.

    ``factor``: of one day. ``touched``: whether the budget was edited ``today``; within a week that
    has a ceiling an edit is always assumed, for it is not documented what is left of the ceiling then.
    """
    if ceiling is None:
        return factor * max((last - today).days, 0)
    total, day, first = Fraction(0), today + timedelta(days=1), True
    while day <= last:
        end = min(_end(ceiling, day), last)
        days = (end - day).days + 1
        within = first and day.month == today.month if ceiling == "month" else first and day.weekday() != _SATURDAY + 1
        whole = (_end(ceiling, day) - day).days + 1
        total += _period(factor, ceiling, days, whole, running=within, touched=touched)
        day, first = end + timedelta(days=1), False
    return total


def _period(factor: Fraction, ceiling: Ceiling, days: int, whole: int, *, running: bool, touched: bool) -> Fraction:
    """Most that ``days`` of the ``whole`` left of one week or month could cost; ``running``: today belongs to it.

    An edit today leaves Google one new budget for each day that is left of the month, but each day may still cost its
    factor, and what was not spent by tomorrow may be spent later: an edit of an earlier day says nothing of today.
    """
    if ceiling == "month":
        return min(factor * days, Fraction(whole) if running and touched else _MONTH)
    return factor * days if running else min(factor * days, _WEEK)


def _end(ceiling: Ceiling, day: date) -> date:
    """The last day of the week or month of ``day``; weeks end on Saturdays."""
    if ceiling == "week":
        return day + timedelta(days=(_SATURDAY - day.weekday()) % 7)
    return month_end(day)


def month_end(day: date) -> date:
    """The last day of the month of ``day``."""
    return day.replace(day=monthrange(day.year, day.month)[1])
