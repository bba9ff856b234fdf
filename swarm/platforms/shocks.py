"""Shocks: what is out of the ordinary in some hours of a market, drawn by seed and week.

Letters: C channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from swarm.platforms.streams import stream

KINDS = ("price_spike", "tracking_outage", "bot_traffic", "competitor_entry", "conversion_collapse")
_LONGEST_WEEKS = 10


@dataclass(frozen=True, slots=True)
class Hazards:
    """Which shocks may come, and how often."""

    per_week: float
    """Chance that a shock of each kind begins in a week, at most 1."""
    kinds: tuple[str, ...] = ("price_spike", "tracking_outage")
    """Of ``KINDS``."""
    weeks: int | None = None
    """Only in the first so many weeks; None in all."""


@dataclass(frozen=True, slots=True)
class Shock:
    """What is out of the ordinary in one hour."""

    price: NDArray[np.float64]
    """[C] factor on competing prices."""
    traffic: NDArray[np.float64]
    """[C] factor on auctions: bots come on top of people, and cost as much."""
    rate: NDArray[np.float64]
    """[C] factor on goals a click: bots never convert, and people may cease to."""
    tracking: bool


@dataclass(frozen=True, slots=True)
class _Event:
    kind: str
    begin: int
    hours: int
    channel: int
    size: float


def shocks(seed: int, tick: int, channels: int, hazards: Hazards) -> Shock:
    """The shocks of a market hour.

    Price spikes last 12 to 36 h (1.6x to 2.6x, one channel), tracking outages 6 to 18 h (all channels), bot traffic
    24 to 96 h (0.5 to 3 bots for each person, one channel), a competitor's entry three to eight weeks from a midnight
    on (1.3x to 1.8x, one channel), conversion collapses 6 to 72 h (to 0.1x to 0.5x, all channels).
    """
    price, traffic, rate, tracking = np.ones(channels), np.ones(channels), np.ones(channels), True
    week = tick // 168
    for begun in range(max(week - _LONGEST_WEEKS, 0), week + 1):
        for event in _events(seed, begun, channels, hazards):
            if not event.begin <= tick < event.begin + event.hours:
                continue
            if event.kind == "tracking_outage":
                tracking = False
            elif event.kind == "bot_traffic":
                traffic[event.channel] *= 1.0 + event.size
                rate[event.channel] /= 1.0 + event.size
            elif event.kind == "conversion_collapse":
                rate *= event.size
            else:
                price[event.channel] *= event.size
    return Shock(price, traffic, rate, tracking)


@lru_cache(maxsize=4096)
def _events(seed: int, week: int, channels: int, hazards: Hazards) -> tuple[_Event, ...]:
    """The shocks that begin in a week."""
    if hazards.weeks is not None and week >= hazards.weeks:
        return ()
    drawn = (*_spike_and_outage(seed, week, channels, hazards.per_week), *_others(seed, week, channels, hazards))
    return tuple(event for event in drawn if event.kind in hazards.kinds)


def _spike_and_outage(seed: int, week: int, channels: int, rate: float) -> list[_Event]:
    rng = stream(seed, "shock", week)
    strikes = rng.random(2) < rate
    begins = week * 168 + rng.integers(48, 144, size=2)
    hours = (int(rng.integers(12, 37)), int(rng.integers(6, 19)))
    where, factor = int(rng.integers(channels)), float(rng.uniform(1.6, 2.6))
    events = [
        _Event("price_spike", int(begins[0]), hours[0], where, factor),
        _Event("tracking_outage", int(begins[1]), hours[1], -1, 0.0),
    ]
    return [event for event, strike in zip(events, strikes, strict=True) if strike]


_OTHERS = {
    "bot_traffic": ((24, 97), (0.5, 3.0)),
    "competitor_entry": ((504, 1345), (1.3, 1.8)),
    "conversion_collapse": ((6, 73), (0.1, 0.5)),
}
"""Hours (first and beyond the last) and size."""


def _others(seed: int, week: int, channels: int, hazards: Hazards) -> list[_Event]:
    events = []
    for kind, (hours, size) in _OTHERS.items():
        rng = stream(seed, kind, week)
        strikes, begin = rng.random() < hazards.per_week, week * 168 + int(rng.integers(48, 144))
        begin -= begin % 24 if kind == "competitor_entry" else 0
        event = _Event(kind, begin, int(rng.integers(*hours)), int(rng.integers(channels)), float(rng.uniform(*size)))
        if strikes:
            events.append(event)
    return events
