"""What the days after today could cost, against a platform that spends day by day as much as it may."""

from __future__ import annotations

import calendar
from datetime import date, timedelta
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.effects.horizon import PARTS, budgets_ahead, days_ahead
from swarm.platforms.channels import FOUR
from swarm.spec.delivery import CEILING, OVER_DELIVERY

days = st.dates(date(2025, 1, 1), date(2028, 12, 31))
platforms = st.sampled_from(sorted(OVER_DELIVERY))
ABOVE = {"week": Fraction(7), "month": Fraction("30.4")}


def greedy(platform: str, today: date, last: date, *, touched: bool) -> Fraction:
    """A daily budget of 1, spent as early as the platform's rules let it; what an edit leaves of a week nobody says."""
    factor, ceiling, total = OVER_DELIVERY[platform], CEILING[platform], Fraction(0)
    left: dict[object, Fraction] = {}
    day = today + timedelta(days=1)
    while day <= last:
        spent = factor
        if ceiling is not None:
            period, running = _period(ceiling, day), _period(ceiling, today)
            if period != running or ceiling == "month":
                edited = period == running and touched
                room = left.setdefault(period, Fraction(_days_after(today)) if edited else ABOVE[ceiling])
                spent = min(factor, room)
                left[period] -= spent
        total += spent
        day += timedelta(days=1)
    return total


def _days_after(today: date) -> int:
    """Of its month."""
    return calendar.monthrange(today.year, today.month)[1] - today.day


def _period(ceiling: str, day: date) -> object:
    """Months by the calendar, weeks from Sunday to Saturday."""
    return (day.year, day.month) if ceiling == "month" else day - timedelta(days=(day.weekday() + 1) % 7)


@given(platforms, days, st.integers(-3, 400), st.booleans())
def test_it_is_what_a_greedy_platform_could_spend(platform: str, today: date, length: int, touched: bool) -> None:
    """Day by day, under the factor of a day and the ceiling of a week or month."""
    last = today + timedelta(days=length)
    found = days_ahead(OVER_DELIVERY[platform], CEILING[platform], today, last, touched=touched)
    assert found == greedy(platform, today, last, touched=touched)


@pytest.mark.parametrize(
    ("platform", "touched", "expected"),
    [("google_ads", True, 30), ("google_ads", False, 30.4), ("meta", True, 31.5), ("linkedin", True, 45)],
)
def test_a_month_of_thirty_one_days(platform: str, touched: bool, expected: float) -> None:
    """From Thursday, 1 October: Meta may spend 1.75 on Friday and on Saturday, and 7 in each of four weeks after."""
    span = (date(2026, 10, 1), date(2026, 10, 31))
    found = days_ahead(OVER_DELIVERY[platform], CEILING[platform], *span, touched=touched)
    assert found == Fraction(str(expected))


@pytest.mark.parametrize(
    ("today", "last", "expected"),
    [
        # The month ends today, and the new one has its own ceiling whether the budget was touched or not.
        (date(2026, 5, 31), date(2026, 6, 30), 30.4),
        # Ten days of this May, and twelve months, of the next May of which an edit today says nothing.
        (date(2026, 5, 21), date(2027, 5, 31), 374.8),
    ],
)
def test_an_edit_tells_of_its_own_month_alone(today: date, last: date, expected: float) -> None:
    """Google Ads, after an edit today."""
    found = days_ahead(OVER_DELIVERY["google_ads"], CEILING["google_ads"], today, last, touched=True)
    assert found == Fraction(str(expected))


def test_budgets_that_were_touched_come_second() -> None:
    """Google Ads may spend what is left of 30.4 days before an edit, and the days that are left after one."""
    ahead = budgets_ahead(FOUR[:1], [(date(2026, 10, 1), date(2026, 10, 31))])
    assert ahead[:, 0, 0].tolist() == [30.4 * PARTS, 30 * PARTS]


def test_parts_are_rounded_up_by_campaign_and_channel() -> None:
    """One campaign ends today, the other in two days that lie in one week and month."""
    today = date(2026, 3, 2)
    ahead = budgets_ahead(FOUR, [(today, today), (today, today + timedelta(days=2))])
    assert ahead.shape == (2, 2, 4)
    assert not ahead[:, 0].any()
    assert ahead[1, 1].tolist() == [4 * PARTS, 3.5 * PARTS, 2.5 * PARTS, 3 * PARTS]
    assert ahead[0, 1].tolist() == [4 * PARTS, 3.5 * PARTS, 2.5 * PARTS, 3 * PARTS]
    assert ahead.dtype == np.int64
