"""The statistics of timing, on a clock that only calls move."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from benchmarks.timing import exponent, quantiles, ratio, times


class Clock:
    """Takes the place of ``time``."""

    def __init__(self) -> None:
        self.ns = 0

    def perf_counter_ns(self) -> int:
        return self.ns

    def perf_counter(self) -> float:
        return self.ns / 1e9

    def call(self, *ms: float) -> Callable[[], None]:
        """A call that takes as long as the next of ``ms``, over and over."""
        count = iter(range(10**6))

        def take() -> None:
            self.ns += int(1e6 * ms[next(count) % len(ms)])

        return take


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that timing reads."""
    clock = Clock()
    monkeypatch.setattr("benchmarks.timing.time", clock)
    return clock


def test_times_are_milliseconds_of_each_call(clock: Clock) -> None:
    """As many as were asked for, in order."""
    assert times(clock.call(2.0, 3.0), 5).tolist() == [2.0, 3.0, 2.0, 3.0, 2.0]


def test_time_runs_out_but_never_before_three_calls(clock: Clock) -> None:
    """A slow call is timed three times, however little time there is; a quick one until it is over."""
    assert len(times(clock.call(500.0), 1000, most_s=0.1)) == 3
    assert len(times(clock.call(5.0), 1000, most_s=0.1)) == 20


def test_the_median_ignores_one_slow_call_in_twenty_and_the_99th_percentile_does_not(clock: Clock) -> None:
    """Both are of the calls, then the median over repeats."""
    p50, p99 = quantiles(clock.call(*[0.5] * 19, 20.0), 40, 3)
    assert p50 == 0.5
    assert p99 == pytest.approx(20.0)


def test_one_noisy_repeat_changes_neither(clock: Clock) -> None:
    """Of three repeats of ten calls, after one call unseen, the second is slow throughout."""
    assert quantiles(clock.call(*[1.0] * 11, *[9.0] * 10, *[1.0] * 10), 10, 3) == (1.0, 1.0)


def test_a_ratio_is_of_pairs(clock: Clock) -> None:
    """Noise that slows both of a pair leaves their ratio; most pairs decide."""
    assert ratio(clock.call(4.0, 8.0, 4.0, 80.0), clock.call(1.0, 2.0, 1.0, 2.0), 10) == 4.0


def test_an_exponent_is_the_slope_on_logarithms() -> None:
    """A power law gives its power, whatever its factor."""
    sizes = [1024, 2048, 8192]
    assert exponent(sizes, [0.1 * size**1.5 for size in sizes]) == pytest.approx(1.5)
