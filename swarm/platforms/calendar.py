"""Local time of every campaign at a market hour: days, weeks and months of 23 to 25 hours included.

Letters: R campaigns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Moment:
    """One market hour, as the accounts' own clocks show it."""

    tick: int
    day: NDArray[np.int32]
    """[R] local days since the calendar's first date; negative before it."""
    hour: NDArray[np.int32]
    """[R] hour of the local week, 0 is Monday midnight."""
    hours_left: NDArray[np.int32]
    """[R] hours to the next local midnight, this one included."""
    new_day: NDArray[np.bool_]
    """[R] true in the first hour of a local day."""
    new_month: NDArray[np.bool_]
    """[R] true in the first hour of a local month."""
    week_days_left: NDArray[np.int32]
    """[R] days to Saturday's end, today included."""
    month_days_left: NDArray[np.int32]
    """[R] days to the month's end, today included."""


@dataclass(frozen=True, slots=True)
class Began:
    """Market hours in which local periods began; negative before hour 0."""

    day: NDArray[np.int64]
    """[R] the running day."""
    eve: NDArray[np.int64]
    """[R] the day before."""


class Calendar:
    """Market hours since the earliest local midnight of ``first`` among ``zones``."""

    def __init__(self, first: date, zones: Sequence[str], *, anchor: str | None = None) -> None:
        """``anchor``: the zone whose first midnight is hour 0; by default the earliest of ``zones``."""
        self.first = first
        self._names = sorted(set(zones)) or ["UTC"]
        self._zones = [ZoneInfo(name) for name in self._names]
        self._zone_of = np.array([self._names.index(z) for z in zones], dtype=np.intp)
        earliest = self._zones if anchor is None else [ZoneInfo(anchor)]
        self.start = min(_midnight(first, zone) for zone in earliest)

    def ticks(self, days: int) -> int:
        """Hours until every zone has passed the midnight after ``days`` local days."""
        ends = [_midnight(self.first + timedelta(days=days), zone) for zone in self._zones]
        return -((self.start - max(ends)) // HOUR)

    def utc(self, tick: int) -> datetime:
        """The instant at which market hour ``tick`` begins."""
        return self.start + tick * HOUR

    def at(self, tick: int) -> Moment:
        """Every campaign's local clock at market hour ``tick``."""
        rows = np.array([self._zone(tick, zone) for zone in self._zones], dtype=np.int32)
        day, hour, left, new_day, new_month, week, month = rows[self._zone_of].T
        return Moment(tick, day, hour, left, new_day == 1, new_month == 1, week, month)

    def day_began(self, tick: int) -> NDArray[np.int64]:
        """[R] the market hour in which the local day of hour ``tick`` began, on days of 23 to 25 hours too."""
        day = self.at(tick).day
        earlier = [self.at(tick - back).day == day for back in range(1, 26)]
        return np.asarray(tick - np.sum(earlier, axis=0), dtype=np.int64)

    def began(self, tick: int) -> Began:
        """When the local days of hour ``tick`` began."""
        local = [(self.utc(tick).astimezone(zone).date(), zone) for zone in self._zones]
        eve = [self._hour(today - timedelta(days=1), zone) for today, zone in local]
        return Began(self.day_began(tick), np.array(eve, dtype=np.int64)[self._zone_of])

    def _hour(self, day: date, zone: ZoneInfo) -> int:
        """The market hour in which ``day`` begins there."""
        return (_midnight(day, zone) - self.start) // HOUR

    def dates(self, tick: int) -> list[date]:
        """The local date of every campaign."""
        by_zone = [self.utc(tick).astimezone(zone).date() for zone in self._zones]
        return [by_zone[z] for z in self._zone_of]

    def _zone(self, tick: int, zone: ZoneInfo) -> tuple[int, ...]:
        now = self.utc(tick)
        local = now.astimezone(zone)
        today = local.date()
        new_day = (now - HOUR).astimezone(zone).date() != today
        hours_left = -(-(_midnight(today + timedelta(days=1), zone) - now) // HOUR)
        next_month = (today.replace(day=1) + timedelta(days=32)).replace(day=1)
        return (
            (today - self.first).days,
            today.weekday() * 24 + local.hour,
            hours_left,
            int(new_day),
            int(new_day and today.day == 1),
            7 - (today.weekday() + 1) % 7,
            (next_month - today).days,
        )


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def of_day(daily: NDArray[np.int64], day: NDArray[np.int32]) -> NDArray[np.int64]:
    """[R] what ``daily`` [R, D] has for each campaign's local ``day`` [R]; 0 outside its days."""
    rows, days = daily.shape
    inside = (day >= 0) & (day < days)
    return np.where(inside, daily[np.arange(rows), np.clip(day, 0, days - 1)], 0)
