"""The statistics of timing, on calls whose duration is known."""

from __future__ import annotations

import time

import pytest

from benchmarks.timing import exponent, quantiles, ratio, times


def _busy(ms: float) -> None:
    """Work for a while: a busy loop, because a sleep may oversleep."""
    end = time.perf_counter() + ms / 1000
    while time.perf_counter() < end:
        pass


def test_times_are_milliseconds_of_each_call() -> None:
    """As many as were asked for, none shorter than the call."""
    found = times(lambda: _busy(2.0), 5)
    assert len(found) == 5
    assert found.min() >= 2.0


def test_time_runs_out_but_never_before_three_calls() -> None:
    """A slow call is timed three times, however little time there is."""
    assert len(times(lambda: _busy(1.0), 1000, most_s=0.0)) == 3


def test_the_median_ignores_one_slow_call_in_twenty_and_the_99th_percentile_does_not() -> None:
    """Both are of the calls, then the median over repeats."""
    count = iter(range(10_000))
    p50, p99 = quantiles(lambda: _busy(20.0 if next(count) % 20 == 0 else 0.5), 40, 3)
    assert 0.5 <= p50 < 10.0
    assert p99 >= 10.0


def test_a_ratio_says_how_much_longer_the_first_takes() -> None:
    """Four times the work, about four times as long."""
    assert ratio(lambda: _busy(4.0), lambda: _busy(1.0), 9) == pytest.approx(4.0, rel=0.5)


def test_an_exponent_is_the_slope_on_logarithms() -> None:
    """A power law gives its power, whatever its factor."""
    sizes = [1024, 2048, 8192]
    assert exponent(sizes, [0.1 * size**1.5 for size in sizes]) == pytest.approx(1.5)
