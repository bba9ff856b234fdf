"""What a chart that stands above its limit says: of what, where, by how much and since when.

Letters: C channels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from policies.health import Charts, limit
from policies.tracking import Tracking
from swarm.spec.config import Health


@dataclass(frozen=True, slots=True)
class Alarm:
    """One chart's; ready for JSON by ``asdict``."""

    chart: str
    """conversions, of the whole portfolio; or volume, what one channel sells at the same bid."""
    channel: str
    """Empty for the whole portfolio."""
    ratio: float
    """Of what was reported to what was to be expected."""
    hours: int
    """How many ``ratio`` is of."""
    level: float
    """Where the chart stands: minus the log of a chance."""
    limit: float
    """The highest of its limits that it is above."""
    parts: Mapping[str, float] = field(default_factory=dict)
    """``ratio`` of each channel where the chart is of all of them; channels of which nothing was expected left out."""

    def __str__(self) -> str:
        """In plain words.

        >>> print(Alarm("volume", "meta", 2.1, 1, 8.04, 6.17))
        meta: prices and volume 210 % of the hours before at the same bid (chart 8.0, limit 6.2)
        """
        where, stands = self.channel or "all channels", f"(chart {self.level:.1f}, limit {self.limit:.1f})"
        if self.chart == "volume":
            return f"{where}: prices and volume {_percent(self.ratio)} of the hours before at the same bid {stands}"
        promised = f"conversions {_percent(self.ratio)} of what clicks promised over the last {self.hours} h"
        each = ", ".join(f"{name} {_percent(part)}" for name, part in self.parts.items())
        return f"{where}: {promised} {stands}; {each}"


def alarms(charts: Charts, channels: Sequence[str], health: Health) -> list[Alarm]:
    """Those of the charts of one portfolio that alone would end STABLE; ``channels`` [C] names."""
    careful = limit(health.stable)
    levels = -np.log(np.maximum(charts.levels.chance[0], np.finfo(np.float64).tiny))
    moved = zip(channels, np.exp(charts.levels.jump[0]).tolist(), levels.tolist(), strict=True)
    jumps = [Alarm("volume", name, ratio, 1, level, careful) for name, ratio, level in moved if level > careful]
    return [*_conversions(charts.tracking, channels, (limit(health.freeze), careful)), *jumps]


def _conversions(tracking: Tracking, channels: Sequence[str], limits: tuple[float, float]) -> list[Alarm]:
    """``limits``: of FREEZE, which only the fall to next to nothing may bring about, and of CAUTIOUS."""
    freeze, careful = limits
    none, part = tracking.sums[0].tolist()
    if max(none, part) <= careful:
        return []
    passed = freeze if none >= part and none > freeze else careful
    got, due = tracking.since[0].T
    parts = {name: float(got[c] / due[c]) for c, name in enumerate(channels) if due[c] > 0.0}
    ratio = float(got.sum() / due.sum()) if parts else 0.0
    return [Alarm("conversions", "", ratio, int(tracking.hours[0]), max(none, part), passed, parts)]


def _percent(part: float) -> str:
    return f"{100 * part:.0f} %"
