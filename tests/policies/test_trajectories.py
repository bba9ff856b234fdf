"""Late outcomes find the decision that caused them, and none is lost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.trajectories import KEPT, Book

LAG_H = np.array([[1.0, 4.0], [20.0, 36.0]])
SHAPE = (3, 2, 2)
HYPERS = 2


def _closed(book: Book, tick: int, clicks: np.ndarray, conversions: np.ndarray, *, steady: bool = True) -> Book:
    """``book`` with a window of ``clicks`` and, reported in it, ``conversions``."""
    return book.close(
        tick,
        steady=steady,
        assigned=np.zeros((SHAPE[0], HYPERS), dtype=np.int64),
        money=np.full(SHAPE[0], 100.0),
        totals=book.totals + np.stack([clicks, conversions]),
        cost=book.cost + 50.0,
        lag_h=LAG_H,
    )


@given(st.integers(0, 2**32 - 1), st.integers(1, 2 * KEPT))
@settings(max_examples=30)
def test_every_reported_conversion_is_credited_once(seed: int, windows: int) -> None:
    """Over open and settled windows, whatever came when; even where nothing was due."""
    rng, book, settled, tick = np.random.default_rng(seed), Book.empty(SHAPE, HYPERS), 0.0, 0
    for _ in range(windows):
        tick += int(rng.integers(1, 60))
        clicks = rng.poisson(3.0, SHAPE) * (rng.random(SHAPE) < 0.5)
        book = _closed(book, tick, clicks.astype(float), rng.poisson(1.0, SHAPE).astype(float))
        old, book = book.settled()
        settled += sum(row[-1] for row in old.rows())
    assert len(book.tick) <= KEPT
    assert settled + book.credited.sum() == pytest.approx(book.totals[1].sum())


def test_a_late_conversion_goes_to_the_day_of_its_click() -> None:
    """By simulation of both lags: each day's credit is what its own clicks truly brought."""
    rng, days, rate = np.random.default_rng(0), 8, 0.2
    volume = rng.uniform(2_000, 20_000, days)
    truth, reported = np.zeros(days), np.zeros((days, *SHAPE))
    for day in range(days):
        happened = rng.poisson(volume[day] * rate, SHAPE)
        for place in np.ndindex(SHAPE):
            count = happened[place]
            lag = LAG_H[rng.integers(0, 2, count), place[1]]
            hour = 24 * day + rng.uniform(0, 24, count) + rng.exponential(lag)
            seen = np.bincount((hour // 24).astype(int), minlength=days)[:days]
            reported[(slice(None), *place)] += seen
            truth[day] += seen.sum()
    book = Book.empty(SHAPE, HYPERS)
    for day in range(days):
        book = _closed(book, 24 * (day + 1), np.full(SHAPE, volume[day]), reported[day])
    np.testing.assert_allclose(book.credited.sum(axis=1)[:-1], truth[:-1], rtol=0.07)


def test_a_windows_worth_is_that_of_its_clicks_over_its_money() -> None:
    """Money past the day's earns nothing; windows that were not steady, nor a day long, do not count."""
    clicks = np.ones(SHAPE)
    book = _closed(Book.empty(SHAPE, HYPERS), 24, clicks, 0 * clicks)
    value = np.full(SHAPE, 2.0)
    np.testing.assert_allclose(book.outcome(value), np.log(8.0 / 100.0))
    longer = _closed(book, 60, clicks, 0 * clicks)
    unsteady = _closed(longer, 84, clicks, 0 * clicks, steady=False)
    assert np.isnan(unsteady.outcome(value)).all(axis=1).tolist() == [False, True, True]
    over = book.close(
        48, steady=True, assigned=np.zeros((3, HYPERS), dtype=np.int64), money=np.full(3, 25.0),
        totals=book.totals + np.stack([clicks, 0 * clicks]), cost=book.cost + 50.0, lag_h=LAG_H,
    )  # fmt: skip
    np.testing.assert_allclose(over.outcome(value)[1], np.log(8.0 / 50.0))


def test_a_book_comes_back_from_its_arrays_and_grows() -> None:
    """Campaigns that join have done nothing yet."""
    book = _closed(Book.empty(SHAPE, HYPERS), 24, np.ones(SHAPE), np.ones(SHAPE))
    again = Book.from_arrays(book.as_arrays())
    assert all(np.array_equal(a, b) for a, b in zip(again.as_arrays().values(), book.as_arrays().values(), strict=True))
    grown = book.grown((5, 2, 3))
    assert grown.clicks.shape == (1, 5, 2, 3)
    assert np.isnan(grown.outcome(np.ones((5, 2, 3)))[0]).tolist() == [False, False, False, True, True]
    assert grown.ended(24)
    assert not grown.ended(25)
