"""Spans of a run's market hours, as people name them: dates, times, and so long before the newest hour."""

from __future__ import annotations

import calendar
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

HOUR = timedelta(hours=1)
_BACK = re.compile(r"(\d{1,6})([dh])")
_ALMOST_BACK = re.compile(r"-?(\d{1,6})[ _-]?([dh])[a-z]*(?: ago| back)?")
_ALMOST_DATE = re.compile(r"(\d{4})\D(\d{1,2})\D(\d{1,2})(?:\D+(\d{1,2})(?:\D(\d{1,2}))?)?\D*")


@dataclass(frozen=True, slots=True)
class LocalClock:
    """A run's market hours on the clock of one campaign."""

    start: datetime
    """When hour 0 began; UTC."""
    newest: int
    """The newest hour that is over."""
    zone: ZoneInfo

    def local(self, tick: int) -> datetime:
        """When an hour begins."""
        return (self.start + tick * HOUR).astimezone(self.zone)

    def ends_day(self, tick: int) -> bool:
        """Whether an hour is the last of a local day."""
        return self.local(tick).date() != self.local(tick + 1).date()

    def first_hour(self, instant: datetime) -> int:
        """The first hour that begins at ``instant`` or later."""
        return -((self.start - instant.astimezone(UTC)) // HOUR)


def boundary(text: str, clock: LocalClock, *, closing: bool) -> int:
    """The hour that a span begins with or, if ``closing``, ends before; a closing date has its whole day inside.

    ``3d`` and ``12h`` count back from the end of the newest hour; times without an offset are local.

    Raises:
        ValueError: none of these; the message names the valid form that is nearest.
    """
    if back := _BACK.fullmatch(text):
        return clock.newest + 1 - int(back[1]) * (24 if back[2] == "d" else 1)
    with suppress(ValueError, OverflowError):
        return clock.first_hour(_instant(text, clock.zone, closing=closing))
    today = clock.local(clock.newest)
    forms = f"a date such as {today:%Y-%m-%d}, a time such as {today:%Y-%m-%dT%H:%M}, or 3d or 12h back"
    raise ValueError(f"{text!r} is not {forms}" + (f"; did you mean {near!r}?" if (near := _nearest(text)) else ""))


def _instant(text: str, zone: ZoneInfo, *, closing: bool) -> datetime:
    try:
        day = date.fromisoformat(text) + timedelta(days=closing)
    except ValueError:
        time = datetime.fromisoformat(text)
        return time if time.tzinfo else time.replace(tzinfo=zone)
    return datetime(day.year, day.month, day.day, tzinfo=zone)


def _nearest(text: str) -> str:
    if back := _ALMOST_BACK.fullmatch(text.strip().lower()):
        return back[1] + back[2]
    if found := _ALMOST_DATE.fullmatch(text.strip()):
        year, month, day, hour, minute = (int(part or 0) for part in found.groups())
        month = min(max(month, 1), 12)
        with suppress(ValueError):
            last = calendar.monthrange(year, month)[1]
            near = datetime(year, month, min(max(day, 1), last), min(hour, 23), min(minute, 59))
            return f"{near:%Y-%m-%dT%H:%M}" if found[4] else f"{near:%Y-%m-%d}"
    return ""
