"""What the coordinator shows: the status rows and the metrics of an hour."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policies.frames import Evidence, Floats
from policies.health import Mode
from swarm.actors.dispatcher import Standing
from swarm.actors.hour import Done
from swarm.actors.scenario import Scenario
from swarm.brain import Brain
from swarm.observe.metrics import Metrics
from swarm.spec.campaign import Campaign
from swarm.spec.money import MICROS
from swarm.store.journal import Journal

_MODES = list(Mode)


class Reporter:
    """Running totals of what was reported, for people."""

    def __init__(self, metrics: Metrics, scenario: Scenario) -> None:
        """Nothing reported yet."""
        self._metrics, self._slices = metrics, scenario.slices()
        self._campaigns: list[Campaign] = []
        self._spend, self._clicks, self._conversions = (np.zeros((0, len(scenario.channels))) for _ in range(3))
        self._today: Floats = np.zeros(0)

    def admit(self, campaigns: list[Campaign]) -> None:
        """Room for all of ``campaigns``."""
        self._campaigns = campaigns
        shape = (len(campaigns), self._spend.shape[1])
        for name in ("_spend", "_clicks", "_conversions"):
            wide = np.zeros(shape)
            wide[: len(getattr(self, name))] = getattr(self, name)
            setattr(self, name, wide)

    def recall(self, totals: Iterable[tuple[int, int, float, float, float]]) -> None:
        """Go on from what was reported before: campaign, channel, spend, clicks, conversions."""
        for row, column, *sums in totals:
            self._spend[row, column], self._clicks[row, column], self._conversions[row, column] = sums

    def hour(self, brain: Brain, done: Done) -> None:
        """One hour more."""
        for columns, part in done.outcomes:
            if part is not None:
                self._spend[:, columns] += part.spend
                self._clicks[:, columns] += part.clicks
                self._conversions[:, columns] += part.conversions
        self._today = today_share(done.evidence, brain.money)
        self._export(brain, done.standing, done.result)

    def rows(self, brain: Brain) -> list[dict[str, Any]]:
        """One row per campaign for tables."""
        modes = brain.lease(0).modes(np.arange(len(self._campaigns))).tolist()
        today = self._today if len(self._today) == len(self._campaigns) else np.zeros(len(self._campaigns))
        return [
            {
                "name": c.name,
                "currency": c.currency,
                "goal": c.goal,
                "budget": c.daily_budget_micros / MICROS,
                "spend": float(self._spend[r].sum()),
                "clicks": float(self._clicks[r].sum()),
                "conversions": float(self._conversions[r].sum()),
                "today_share": float(today[r]),
                "by_channel": self._spend[r].tolist(),
                "paused": c.name in brain.paused,
                "mode": mode,
            }
            for (r, c), mode in zip(enumerate(self._campaigns), modes, strict=True)
        ]

    def mode_seconds(self, journal: Journal) -> dict[str, int]:
        """Market seconds in each mode."""
        hours = journal.mode_hours()
        return {str(mode): 3600 * hours.get(str(mode), 0) for mode in Mode}

    def tick(self, wall_ms: float) -> None:
        """The wall time of an hour."""
        self._metrics.observe("swarm_tick_ms", wall_ms)

    def restarted(self, actor: str) -> None:
        """A child was made again."""
        self._metrics.add("swarm_restarts_total", 1, actor=actor)

    def beat(self, answered_s: Mapping[str, float]) -> None:
        """Set every gauge again."""
        now = time.monotonic()
        for actor, at in answered_s.items():
            self._metrics.set("swarm_heartbeat_age_s", now - at, actor=actor)
        self._metrics.republish()

    def _export(self, brain: Brain, standing: Standing, result: Mapping[str, int]) -> None:
        gauge = self._metrics.set
        gauge("swarm_mode", _MODES.index(brain.gate.mode))
        gauge("swarm_coherence", brain.attention.coherence)
        gauge("swarm_campaigns", len(self._campaigns))
        gauge("swarm_hyper_version", brain.tuning.hyper.version)
        gauge("swarm_spend_share", float(self._today.mean()) if len(self._today) else 0.0)
        gauge("swarm_exposure_share", standing.exposure_share)
        currencies = np.array([c.currency for c in self._campaigns])
        for currency in np.unique(currencies):
            rows = currencies == currency
            gauge(
                "swarm_cap_total",
                sum(c.caps_micros["daily_exposure"] for c, r in zip(self._campaigns, rows, strict=True) if r) / MICROS,
                currency=str(currency),
            )
            for platform, columns in self._slices.items():
                spent = float(self._spend[rows, columns].sum())
                gauge("swarm_spend_total", spent, platform=platform, currency=str(currency))
        for platform, columns in self._slices.items():
            gauge("swarm_value", float(self._conversions[:, columns].sum()), platform=platform)
        for name, count in result.items():
            self._metrics.add("swarm_proposals_total", count, result=name)


def today_share(evidence: Evidence, money_of: Callable[[NDArray[np.int32]], Floats]) -> Floats:
    """[R] reported spend over the money of the newest local day that any channel has reported; 0 where it rests.

    ``money_of``: what may be spent on local days [R], currency units.
    """
    day = evidence.day.max(axis=1)
    money = money_of(day)
    spent = np.where(evidence.day == day[:, None], evidence.spent_today, 0.0).sum(axis=1)
    return np.where(money > 0, spent / np.where(money > 0, money, 1.0), 0.0)
