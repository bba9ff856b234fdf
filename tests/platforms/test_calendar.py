"""Local days, weeks and months of market hours."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.platforms.calendar import Calendar

ZONES = ["America/New_York", "Europe/Berlin", "Asia/Tokyo", "UTC", "Asia/Kolkata", "America/Santiago"]


@pytest.mark.parametrize(
    ("zone", "first", "hours"),
    [
        ("America/New_York", date(2026, 3, 8), 23),
        ("America/New_York", date(2026, 11, 1), 25),
        ("Europe/Berlin", date(2026, 3, 29), 23),
        ("Europe/Berlin", date(2026, 10, 25), 25),
        ("Europe/Berlin", date(2026, 7, 1), 24),
    ],
)
def test_days_on_which_clocks_change(zone: str, first: date, hours: int) -> None:
    """Such a day has 23 or 25 hours, counted down to 1."""
    calendar = Calendar(first, [zone])
    assert calendar.ticks(1) == hours
    left = [int(calendar.at(tick).hours_left[0]) for tick in range(hours)]
    assert left == list(range(hours, 0, -1))
    assert [int(calendar.at(tick).day[0]) for tick in (-1, 0, hours - 1, hours)] == [-1, 0, 0, 1]


@given(st.dates(date(2025, 1, 1), date(2027, 12, 1)), st.lists(st.sampled_from(ZONES), min_size=1, max_size=4))
def test_each_local_day_begins_once(first: date, zones: list[str]) -> None:
    """In every zone, within the hours that ``ticks`` says, and with hours that count down to its end."""
    calendar, days = Calendar(first, zones), 4
    moments = [calendar.at(tick) for tick in range(calendar.ticks(days))]
    day, left = np.stack([m.day for m in moments]), np.stack([m.hours_left for m in moments])
    new = np.stack([m.new_day for m in moments])
    for row in range(len(zones)):
        inside = (day[:, row] >= 0) & (day[:, row] < days)
        assert day[new[:, row] & inside, row].tolist() == list(range(days))
        ends = np.flatnonzero(inside & np.append(new[1:, row], True))
        assert left[ends, row].tolist() == [1] * days
        hours = np.bincount(day[inside, row])
        assert set(hours) <= {23, 24, 25}
        assert left[new[:, row] & inside, row].tolist() == hours.tolist()
        falls = np.diff(left[inside, row])
        assert (falls[~new[inside, row][1:]] == -1).all()


@given(st.dates(date(2025, 1, 1), date(2027, 12, 1)), st.sampled_from(ZONES))
def test_weeks_and_months(first: date, zone: str) -> None:
    """Weeks run from Sunday to Saturday, months to their own last day."""
    calendar = Calendar(first, [zone])
    for tick in range(0, calendar.ticks(40), 7):
        moment, today = calendar.at(tick), calendar.dates(tick)[0]
        assert moment.tick == tick
        assert today == first + timedelta(days=int(moment.day[0]))
        saturday = today + timedelta(days=int(moment.week_days_left[0]) - 1)
        assert saturday.weekday() == 5
        assert 1 <= moment.week_days_left[0] <= 7
        assert (today + timedelta(days=int(moment.month_days_left[0]))).day == 1
        assert 1 <= moment.month_days_left[0] <= 31
        assert moment.hour[0] // 24 == today.weekday()
        assert moment.new_month[0] == (moment.new_day[0] and today.day == 1)


def test_zones_share_one_clock() -> None:
    """Hour 0 is the earliest midnight; campaigns keep the order of their zones."""
    calendar = Calendar(date(2026, 6, 1), ["UTC", "Asia/Tokyo", "UTC"])
    assert calendar.utc(0).isoformat() == "2026-05-31T15:00:00+00:00"
    assert calendar.at(0).day.tolist() == [-1, 0, -1]
    assert calendar.at(9).day.tolist() == [0, 0, 0]
    assert calendar.ticks(2) == 48 + 9


def test_half_hour_zones_get_all_their_hours() -> None:
    """The last hour of a zone that is half an hour off still counts."""
    calendar = Calendar(date(2026, 6, 1), ["UTC", "Asia/Kolkata"])
    moments = [calendar.at(tick) for tick in range(calendar.ticks(1))]
    assert [sum(int(m.day[row] == 0) for m in moments) for row in (0, 1)] == [24, 24]


def test_a_calendar_without_campaigns_runs_on_utc() -> None:
    """An empty portfolio has hours, too."""
    calendar = Calendar(date(2026, 6, 1), [])
    assert calendar.ticks(3) == 72
    assert calendar.at(5).day.shape == (0,)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "UTC"])
@pytest.mark.parametrize("first", [date(2026, 3, 28), date(2026, 10, 24), date(2026, 3, 7), date(2026, 10, 31)])
def test_a_day_began_in_its_first_hour(zone: str, first: date) -> None:
    """Also where a clock is put forward or back in it."""
    calendar = Calendar(first, [zone, "UTC"], anchor=zone)
    began = 0
    for tick in range(calendar.ticks(3)):
        began = tick if calendar.at(tick).new_day[0] else began
        assert calendar.day_began(tick)[0] == began
