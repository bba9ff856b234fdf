"""Metrics, through Ray's own pipe, so that they stand at the dashboard's metrics end point as ``ray_<name>``.

Ray forgets a gauge that is not set again for two report intervals, so every gauge is set again at each
heartbeat. Tags are few and bounded; a campaign is never one.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from ray.util import metrics as ray_metrics


@dataclass(frozen=True, slots=True)
class Metric:
    """One series that the swarm exports."""

    name: str
    kind: Literal["gauge", "counter", "histogram"]
    description: str
    tags: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()
    """Upper bounds of a histogram's buckets."""


_MS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 5000.0)
CATALOGUE = (
    Metric("swarm_spend_share", "gauge", "Reported spend of the local day over the day's money, mean of campaigns"),
    Metric("swarm_exposure_share", "gauge", "Worst case of the day over the exposure cap, highest of campaigns"),
    Metric(
        "swarm_spend_total",
        "gauge",
        "Reported spend since the start, by platform and currency",
        ("platform", "currency"),
    ),
    Metric("swarm_cap_total", "gauge", "Sum of the campaigns' daily exposure caps, by currency", ("currency",)),
    Metric("swarm_value", "gauge", "Conversions reported since the start, by platform", ("platform",)),
    Metric("swarm_mode", "gauge", "0 STABLE, 1 CAUTIOUS, 2 FREEZE"),
    Metric("swarm_coherence", "gauge", "Health of the portfolio, 0 to 1"),
    Metric(
        "swarm_proposals_total",
        "counter",
        "Proposals by result: applied, unverified, unchanged, or the guard that refused",
        ("result",),
    ),
    Metric("swarm_heartbeat_age_s", "gauge", "Seconds since an actor last answered", ("actor",)),
    Metric("swarm_restarts_total", "counter", "Times that an actor was made again", ("actor",)),
    Metric("swarm_tick_ms", "histogram", "Wall time of a market hour", (), _MS),
    Metric("swarm_campaigns", "gauge", "Campaigns in the portfolio"),
    Metric("swarm_hyper_version", "gauge", "Version of the hyperparameters in use"),
    Metric(
        "swarm_attention_batch_size",
        "histogram",
        "Requests that ran together, by use case",
        ("mechanism",),
        (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0),
    ),
    Metric("swarm_attention_latency_ms", "histogram", "From request to answer, by use case", ("mechanism",), _MS),
    Metric("swarm_torch_threads", "gauge", "Threads that torch may use"),
)
"""Every series; nothing else is exported."""
_BY_NAME = {metric.name: metric for metric in CATALOGUE}


class Metrics:
    """The series of one actor. Make it in the actor's own constructor: metrics do not survive pickling."""

    def __init__(self, swarm: str) -> None:
        """Nothing is exported until something is set."""
        self._swarm = swarm
        self._made: dict[str, ray_metrics.Metric] = {}
        self._gauges: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}

    def set(self, name: str, value: float, **tags: str) -> None:
        """Set a gauge."""
        self._gauges[name, tuple(tags.items())] = float(value)
        self._metric(name, "gauge").set(float(value), {"swarm": self._swarm, **tags})

    def add(self, name: str, count: float, **tags: str) -> None:
        """Raise a counter; a count of 0 leaves it as it is."""
        if count > 0:
            self._metric(name, "counter").inc(count, {"swarm": self._swarm, **tags})

    def observe(self, name: str, value: float, **tags: str) -> None:
        """Add to a histogram."""
        self._metric(name, "histogram").observe(value, {"swarm": self._swarm, **tags})

    def republish(self) -> None:
        """Set every gauge again."""
        for (name, tags), value in self._gauges.items():
            self._metric(name, "gauge").set(value, {"swarm": self._swarm, **dict(tags)})

    def _metric(self, name: str, kind: str) -> ray_metrics.Metric:
        if name not in _BY_NAME or _BY_NAME[name].kind != kind:
            near = get_close_matches(name, [m.name for m in CATALOGUE if m.kind == kind], n=1)
            raise ValueError(f"no {kind} is called {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
        if name not in self._made:
            self._made[name] = _make(_BY_NAME[name])
        return self._made[name]


def _make(metric: Metric) -> ray_metrics.Metric:
    tags = ("swarm", *metric.tags)
    if metric.kind == "histogram":
        return ray_metrics.Histogram(metric.name, metric.description, boundaries=list(metric.bounds), tag_keys=tags)
    kind = ray_metrics.Gauge if metric.kind == "gauge" else ray_metrics.Counter
    return kind(metric.name, metric.description, tag_keys=tags)
