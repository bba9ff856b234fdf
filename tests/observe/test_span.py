"""Dates, times and hours back, as market hours."""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo

import pytest

from swarm.observe.span import LocalClock, boundary
from tests.observe.runs import START

CLOCK = LocalClock(START, newest=99, zone=ZoneInfo("Europe/Berlin"))


@pytest.mark.parametrize(
    ("text", "since", "until"),
    [
        pytest.param("2026-03-03", 24, 48, id="date"),
        pytest.param("2026-03-03T05:00", 29, 29, id="time"),
        pytest.param("2026-03-03 05:30", 30, 30, id="within-an-hour"),
        pytest.param("2026-03-03T05:00+00:00", 30, 30, id="offset"),
        pytest.param("12h", 88, 88, id="hours"),
        pytest.param("3d", 28, 28, id="days"),
    ],
)
def test_a_boundary(text: str, since: int, until: int) -> None:
    """A span begins with a date's first hour and ends after its last; all else is one instant for both."""
    assert (since, until) == (boundary(text, CLOCK, closing=False), boundary(text, CLOCK, closing=True))


def test_a_day_of_23_hours() -> None:
    """A local date has the hours that its clock has."""
    assert 23 == boundary("2026-03-29", CLOCK, closing=True) - boundary("2026-03-29", CLOCK, closing=False)


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("3 days", "3d"),
        ("12 hours ago", "12h"),
        ("-2D", "2d"),
        ("2026-3-5", "2026-03-05"),
        ("2026/03/05", "2026-03-05"),
        ("2026-02-30", "2026-02-28"),
        ("2026-13-01", "2026-12-01"),
        ("2026-3-5 7:00", "2026-03-05T07:00"),
    ],
)
def test_what_is_almost_right_gets_the_nearest_form(text: str, near: str) -> None:
    """The form that is proposed is valid itself."""
    with pytest.raises(ValueError, match=re.escape(f"did you mean {near!r}?")):
        boundary(text, CLOCK, closing=False)
    boundary(near, CLOCK, closing=False)


@pytest.mark.parametrize("text", ["yesterday", "", "0000-01-01", "99999999d"])
def test_what_is_nothing_like_it_gets_the_forms(text: str) -> None:
    """Examples are of the run's own newest day."""
    with pytest.raises(
        ValueError, match="is not a date such as 2026-03-06, a time such as 2026-03-06T03:00, or 3d"
    ) as e:
        boundary(text, CLOCK, closing=False)
    assert "did you mean" not in str(e.value)
