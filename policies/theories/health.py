"""Topology gate: how healthy a portfolio looks, which campaigns make it so, and what may be done.

Letters: R campaigns, K metrics, S signals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from mechanisms.health_signals import SIGNALS
from mechanisms.topology_gated import TopologyGatedAttention
from policies.entities import CampaignState
from policies.health import RECOMMENDATIONS, Gate, Mode, Thresholds, Usual

_LIMIT = 6.0
"""Standard deviations beyond which a metric says no more."""
_KNOWN = 4
"""Windows of a campaign before its metrics are compared with what is usual."""
_LEARNT = 12
"""Windows with such campaigns before the portfolio is judged; until then it is taken to be healthy."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class HealthReport:
    """One window of a portfolio."""

    scores: Mapping[str, float]
    """By campaign, 0 to 1: 1 has no part in what is wrong, and the one with the greatest part has the coherence."""
    coherence: float
    """Of the portfolio: 1 is calm; healthy windows fall below 0.8 once in 480, below 0.3 once in 7,200."""
    mode: Mode
    step_share: float
    """How much of a planned step may be taken: 1, half while CAUTIOUS, and 0 (decreases alone) below that."""
    recommendations: tuple[str, ...]


class CampaignHealthMonitor:
    """Compares each campaign with its own past, and the portfolio with its last window; call it once a window.

    >>> rng = np.random.default_rng(0)
    >>> monitor = CampaignHealthMonitor()
    >>> def window(shift=0.0):
    ...     return [CampaignState(id=f"c{i}", metrics=rng.normal(size=4) + (shift if i < 5 else 0)) for i in range(20)]
    >>> [monitor.monitor_health(window()).mode.value for _ in range(30)][-1]
    'STABLE'
    >>> broken = monitor.monitor_health(window(shift=8.0))
    >>> broken.mode.value, min(broken.scores, key=broken.scores.get) in {"c0", "c1", "c2", "c3", "c4"}
    ('FREEZE', True)
    """

    def __init__(
        self,
        *,
        stable_threshold: float = 0.8,
        cautious_threshold: float = 0.5,
        freeze_threshold: float = 0.3,
        hysteresis: float = 0.05,
        dwell_windows: int = 3,
    ) -> None:
        """Coherence at which modes change; a better mode asks for ``hysteresis`` more, and for a dwell.

        Raises:
            ValueError: unless 0 <= freeze <= cautious <= stable <= 1.
        """
        if not 0 <= freeze_threshold <= cautious_threshold <= stable_threshold <= 1:
            raise ValueError(
                f"thresholds {freeze_threshold}, {cautious_threshold}, {stable_threshold}: "
                "expected 0 <= freeze <= cautious <= stable <= 1"
            )
        self._limits = Thresholds(stable_threshold, freeze_threshold, hysteresis, dwell_windows)
        self._cautious = cautious_threshold
        self._attention = TopologyGatedAttention.Config().build()
        self._gate, self._usual, self._window = Gate(), Usual.start(), 0
        self._past: dict[str, _Past] = {}

    def monitor_health(self, campaigns: Sequence[CampaignState]) -> HealthReport:
        """Judge one window.

        A metric that is NaN or infinite is missing health, and missing health freezes.

        Raises:
            ValueError: without campaigns, or if their numbers of metrics differ.
        """
        if not campaigns:
            raise ValueError("no campaigns to judge")
        metrics = _table(campaigns)
        coherence, part = self._judge(campaigns, metrics) if np.isfinite(metrics).all() else (0.0, _missing(metrics))
        self._gate = self._gate.step(coherence, self._window, self._limits)
        self._window += 1
        mode = self._gate.mode
        shares = {Mode.STABLE: 1.0, Mode.CAUTIOUS: 0.5 if coherence >= self._cautious else 0.0, Mode.FREEZE: 0.0}
        scores = 1.0 - (1.0 - coherence) * np.maximum(part, 0.0) / max(float(part.max()), 1e-12)
        return HealthReport(
            scores={each.id: float(score) for each, score in zip(campaigns, scores, strict=True)},
            coherence=coherence,
            mode=mode,
            step_share=shares[mode],
            recommendations=RECOMMENDATIONS[mode],
        )

    def _judge(
        self, campaigns: Sequence[CampaignState], metrics: NDArray[np.float64]
    ) -> tuple[float, NDArray[np.float64]]:
        """Coherence and each campaign's part in what is wrong [R]."""
        past = [self._past.setdefault(each.id, _Past.start(metrics.shape[1])) for each in campaigns]
        known = np.array([each.windows > _KNOWN for each in past])
        before = np.stack([each.last for each in past])
        now = np.stack([each.residual(row) for each, row in zip(past, metrics, strict=True)])
        current, reference = (torch.from_numpy(each)[None] for each in (now, before))
        found = self._attention.measure(current, reference, current, torch.from_numpy(known)[None])
        signals = np.array([float(found[name][0]) for name in SIGNALS])
        coherence = self._coherence(signals) if known.any() and self._usual.hours >= _LEARNT else 1.0
        if coherence >= self._limits.stable:  # what is usual is learnt on healthy windows alone
            self._usual = self._usual.update(signals) if known.any() else self._usual
            for each, row, residual in zip(past, metrics, now, strict=True):
                each.learn(row, residual)
        return coherence, np.mean([found[f"{name}_share"][0].numpy() for name in SIGNALS], axis=0)

    def _coherence(self, signals: NDArray[np.float64]) -> float:
        head = self._usual.head()
        return float(self._attention.coherence(torch.from_numpy((signals - head["mean"]) / head["spread"])))


@dataclass
class _Past:
    """Running mean and spread of one campaign's metrics, each [K], and its last residual."""

    mean: NDArray[np.float64]
    square: NDArray[np.float64]
    last: NDArray[np.float64]
    windows: int = 0

    @classmethod
    def start(cls, metrics: int) -> _Past:
        return cls(np.zeros(metrics), np.zeros(metrics), np.zeros(metrics))

    def residual(self, row: NDArray[np.float64]) -> NDArray[np.float64]:
        """How many standard deviations from usual; 0 while nothing is known."""
        if self.windows < _KNOWN:
            return np.zeros_like(row)
        # Few windows know a spread badly; the factor keeps early residuals from looking like news.
        spread = np.sqrt(np.maximum(self.square, 1e-12) * (1.0 + 4.0 / self.windows))
        return np.asarray(np.clip((row - self.mean) / spread, -_LIMIT, _LIMIT))

    def learn(self, row: NDArray[np.float64], residual: NDArray[np.float64]) -> None:
        self.windows += 1
        rate = max(1.0 / self.windows, 1.0 / 240)
        gap = row - self.mean
        self.mean = self.mean + rate * gap
        self.square = self.square + rate * (gap * (row - self.mean) - self.square)
        self.last = residual


def _table(campaigns: Sequence[CampaignState]) -> NDArray[np.float64]:
    """[R, K]"""
    count = len(campaigns[0].metrics)
    for each in campaigns:
        if each.metrics.shape != (count,):
            raise ValueError(f"{each.id}: metrics have shape {each.metrics.shape}, expected ({count},)")
    return np.stack([each.metrics for each in campaigns]).astype(np.float64)


def _missing(metrics: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((~np.isfinite(metrics)).any(axis=1), dtype=np.float64)
