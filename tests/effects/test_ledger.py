"""What could be spent, in exact integers."""

from __future__ import annotations

from fractions import Fraction
from math import ceil

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from swarm.effects.ledger import Ledger, OverDelivery, exposure_today, restore_budgets, unreported
from swarm.effects.proposals import Field
from swarm.platforms.calendar import Began
from swarm.platforms.channels import FOUR
from swarm.platforms.protocol import Effects
from swarm.spec.delivery import OVER_DELIVERY

FACTOR = OverDelivery.of(FOUR)


@given(st.lists(st.integers(0, 2**55), min_size=4, max_size=4))
def test_the_worst_case_is_exact_and_rounded_up(budgets: list[int]) -> None:
    """No float comes near the money: fractions say the same to the micro."""
    expected = [ceil(Fraction(b) * OVER_DELIVERY[c.platform]) for b, c in zip(budgets, FOUR, strict=True)]
    assert expected == FACTOR.worst(np.array(budgets, dtype=np.int64)).tolist()


def _ledger(**planes: list[int]) -> Ledger:
    ledger = Ledger.empty(1, 4, 1)
    for name, row in planes.items():
        setattr(ledger, name, np.array([row], dtype=np.int64))
    return ledger


@pytest.mark.parametrize(
    ("spent", "expected"), [([0, 0, 0, 0], [200, 18, 0, 0]), ([201, 17, 3, 0], [201, 18, 3, 0])], ids=str
)
def test_today_costs_what_is_spent_or_could_be(spent: list[int], expected: list[int]) -> None:
    """Spend beyond the worst case, a platform's fault, counts as it is."""
    ledger = _ledger(highest=[100, 10, 0, 0], budget=[1, 1, 0, 0], today=spent)
    assert [expected] == exposure_today(ledger, FACTOR).tolist()


def test_what_was_asked_for_counts_until_it_is_heard_of() -> None:
    """A raise on its way may come into force, whatever becomes of the answer."""
    ledger = _ledger(budget=[100, 10, 0, 0], highest=[100, 10, 0, 0], reserved=[150, 10, 0, 0])
    assert [[300, 18, 0, 0]] == exposure_today(ledger, FACTOR).tolist()


def test_yesterday_counts_once_more_until_it_is_reported_whole() -> None:
    """The last hour of yesterday was 23: a platform that has reported it owes nothing."""
    ledger = _ledger(eve=[100, 10, 10, 10], as_of=[22, 22, 23, 30])
    assert [[200, 18, 0, 0]] == unreported(ledger, FACTOR, np.array([24])).tolist()


def test_a_new_day_forgets_what_was_lowered_only_where_it_begins() -> None:
    """Highest and midnight budgets become those in force, spend becomes nothing, for the rows that roll."""
    ledger = Ledger.empty(2, 4, 1)
    ledger.highest[:], ledger.midnight[:], ledger.budget[:], ledger.today[:] = 9, 8, 5, 3
    ledger.roll_day(np.array([True, False]))
    assert [[5] * 4, [9] * 4] == ledger.highest.tolist()
    assert [[5] * 4, [8] * 4] == ledger.midnight.tolist()
    assert [[0] * 4, [3] * 4] == ledger.today.tolist()


def test_campaigns_keep_their_rows_when_others_join() -> None:
    """Growing adds empty rows and creatives after those that are there."""
    ledger = Ledger.empty(1, 4, 2)
    ledger.budget[:], ledger.weight[:], ledger.month[:] = 7, 6, 5
    ledger.grow(3, 4)
    assert [[7] * 4, [0] * 4, [0] * 4] == ledger.budget.tolist()
    assert [6, 6, 0, 0] == ledger.weight[0, 3].tolist()
    assert [5, 0, 0] == ledger.month.tolist()
    assert (3, 4, 4) == ledger.weight.shape
    assert ledger.learning.dtype == ledger.touched.dtype == np.bool_


DAYS = (range(0, 72, 24), range(5, 72, 24))
"""The hours in which the days of two campaigns begin."""
WRITES = st.lists(
    st.tuples(st.integers(0, 71), st.integers(0, 1), st.integers(0, 1), st.integers(0, 4), st.booleans()), max_size=12
)
"""Hour, campaign, channel, budget, whether others set it."""


@given(WRITES.map(sorted))
@example([(3, 0, 0, 4, False), (24, 0, 0, 1, False)])
def test_what_is_restored_is_what_was_kept_hour_by_hour(told: list[tuple[int, int, int, int, bool]]) -> None:
    """Over three days of two campaigns whose midnights differ, whoever set the budgets and in whatever order."""
    live, writes = Ledger.empty(2, 4, 1), []
    for hour in range(72):
        live.roll_day(np.array([hour in days for days in DAYS]))
        for tick, campaign, channel, value, foreign in told:
            if tick == hour:
                writes.append((tick, campaign, channel, int(live.budget[campaign, channel]), value, foreign))
                columns = (np.array([each]) for each in (0, campaign, channel, Field.BUDGET, -1, value))
                (live.edited if foreign else live.commit)(Effects(*columns), tick)
    restored = Ledger.empty(2, 4, 1)
    restored.budget[:] = live.budget
    restore_budgets(restored, writes, Began(np.array([48, 53]), np.array([24, 29])))
    for name in ("budget", "reserved", "highest", "midnight", "eve", "raised", "touched"):
        np.testing.assert_array_equal(getattr(live, name), getattr(restored, name), name)
