"""How long a call takes: medians of repeats, ratios measured in one loop, and growth with length."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Call = Callable[[], Any]
_NS_PER_MS = 1e6


@dataclass(frozen=True, kw_only=True, slots=True)
class Effort:
    """How often each call is timed."""

    repeats: int = 5
    calls: int = 2000
    """Calls of one query in a repeat."""
    long_calls: int = 40
    """Calls of everything longer than one query, and pairs of a ratio."""
    lengths: tuple[int, ...] = (64, 128, 256, 512, 1024, 2048, 4096, 8192, 16_384)
    repeat_s: float = 10.0
    """Most seconds of a repeat: what takes longer than 5 ms is called less often."""
    short_s: float = 1.0
    """Most seconds at a length, and of a repeat beside another library."""


def times(call: Call, calls: int, *, most_s: float = float("inf")) -> NDArray[np.float64]:
    """Milliseconds of each of ``calls`` calls; fewer, but at least three, once ``most_s`` have passed."""
    found: list[int] = []
    end = time.perf_counter() + most_s
    while len(found) < calls and (len(found) < 3 or time.perf_counter() < end):
        start = time.perf_counter_ns()
        call()
        found.append(time.perf_counter_ns() - start)
    return np.array(found) / _NS_PER_MS


def quantiles(call: Call, calls: int, repeats: int, *, most_s: float = float("inf")) -> tuple[float, float]:
    """Median and 99th percentile in ms, each the median over ``repeats`` repeats, after a tenth of a repeat unseen."""
    times(call, max(calls // 10, 1), most_s=most_s / 10)
    each = [np.percentile(times(call, calls, most_s=most_s), (50, 99)) for _ in range(repeats)]
    p50, p99 = np.median(each, axis=0)
    return float(p50), float(p99)


def ratio(call: Call, reference: Call, pairs: int) -> float:
    """How many times longer ``call`` takes: the median over pairs timed in turn, so that a noisy moment meets both."""
    for warm in (call, reference):
        warm()
    both = np.array([[times(each, 1)[0] for each in (call, reference)] for _ in range(pairs)])
    return float(np.median(both[:, 0] / both[:, 1]))


def exponent(sizes: Sequence[int], values: Sequence[float]) -> float:
    """The power with which ``values`` grow with ``sizes``, by least squares on logarithms.

    >>> round(exponent([1024, 2048, 4096], [3.0, 12.0, 48.0]), 6)
    2.0
    """
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])
