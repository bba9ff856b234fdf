"""The market must never be what a tick waits for."""

from __future__ import annotations

import time

import numpy as np

from tests.platforms.worlds import launch, listing, market


def test_ten_thousand_campaigns_advance_an_hour_in_less_than_a_second() -> None:
    """Four channels, four creatives, every rule on; the time is printed (seen with -s)."""
    one = launch(market([listing(i) for i in range(10_000)], shocks=0.5))
    seconds = []
    for _ in range(15):
        begin = time.perf_counter()
        one.advance()
        seconds.append(time.perf_counter() - begin)
    print(f"median {np.median(seconds) * 1e3:.0f} ms, slowest {max(seconds) * 1e3:.0f} ms a tick")  # noqa: T201
    assert np.median(seconds) < 1.0
