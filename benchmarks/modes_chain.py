"""Health as the coordinator judges it, of many portfolios side by side: charts, mechanism, coherence, gate.

Letters: R campaigns of all portfolios, P portfolios, C channels, S signals.
"""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.decisions.desk import MEMORY_DAYS
from mechanisms.health_signals import SIGNALS
from mechanisms.topology_gated import TopologyGatedAttention
from policies.evidence import kept_an_hour
from policies.frames import Bools, Evidence, Floats, Ints, Portfolio
from policies.health import FEWEST, Charts, Gate, Mode, Thresholds, Usual, portfolio_state
from swarm.brain import WARM_UP_TICKS

_LIMITS = Thresholds()


class Chain:
    """The portfolios' modes, hour by hour; each learns its own usual in its STABLE hours."""

    def __init__(self, portfolio: Portfolio, account: Ints) -> None:
        """``account`` [R] from 0 on; campaigns of one portfolio stand together."""
        self.account, size = account, np.bincount(account)
        self.rows = np.split(np.arange(len(account)), np.cumsum(size)[:-1])
        self._alike = [np.flatnonzero(_class(size) == each) for each in np.unique(_class(size))]
        self._counted = (portfolio.unit_value > 0)[:, None, None]
        self._keep = kept_an_hour(np.full(len(account), MEMORY_DAYS))
        self._mechanism = TopologyGatedAttention.Config().build()
        self._reference: Floats | None = None
        self._usual = [Usual.start() for _ in size]
        self.charts = Charts.empty(portfolio.shape, len(size))
        self.gates = [Gate() for _ in size]
        self.coherence = np.ones(len(size))

    @property
    def modes(self) -> list[Mode]:
        """[P]"""
        return [gate.mode for gate in self.gates]

    def step(self, tick: int, evidence: Evidence, rates: Floats) -> None:
        """Judge the hour; ``rates`` [R, C, K] as the last plan expected."""
        self.charts, seen = self.charts.step(
            evidence, np.where(self._counted, rates, 0.0), self.account, keep=self._keep
        )
        signals = self._signals(tick, evidence)
        if tick < WARM_UP_TICKS:
            return
        self.coherence = np.minimum(seen, self._of_signals(signals))
        pairs = zip(self.gates, self.coherence.tolist(), strict=True)
        self.gates = [gate.step(each, tick, _LIMITS) for gate, each in pairs]
        for p in np.flatnonzero(np.isfinite(signals).all(axis=1)):
            if self.gates[p].mode == Mode.STABLE:
                self._usual[p] = self._usual[p].update(signals[p])

    def _signals(self, tick: int, evidence: Evidence) -> Floats:
        """[P, S]; NaN where nothing was seen, or is usual yet."""
        state, surprise = portfolio_state(evidence.residual)
        reference = state if self._reference is None else self._reference
        self._reference = 0.7 * reference + 0.3 * state
        seen = np.asarray(np.isfinite(evidence.residual[..., :3]).any(axis=(1, 2)))
        found = np.full((len(self.rows), len(SIGNALS)), np.nan)
        if tick >= WARM_UP_TICKS:
            for group in self._alike:
                found[group] = self._measured([self.rows[p] for p in group], state, reference, surprise, seen)
        enough = np.bincount(self.account, seen) >= FEWEST
        return np.where(enough[:, None], found, np.nan)

    def _measured(self, rows: list[Ints], state: Floats, reference: Floats, surprise: Floats, seen: Bools) -> Floats:
        at = np.stack([np.pad(each, (0, max(map(len, rows)) - len(each)), constant_values=-1) for each in rows])
        mask = torch.from_numpy(seen[at] & (at >= 0))
        now, then, missed = (torch.from_numpy(each[at]) for each in (state, reference, surprise))
        measured = self._mechanism.measure(now, then, missed, mask)
        return np.stack([measured[name].numpy() for name in SIGNALS], axis=1)

    def _of_signals(self, signals: Floats) -> Floats:
        """[P] coherence by the mechanism; 1 where there is no signal."""
        heads = [usual.head() for usual in self._usual]
        mean, spread = (np.array([head[name] for head in heads]) for name in ("mean", "spread"))
        found = self._mechanism.coherence(torch.from_numpy((signals - mean) / spread)).numpy()
        return np.where(np.isfinite(signals).all(axis=1), found, 1.0)


def _class(size: Ints) -> Ints:
    """Portfolios of about one size are measured together."""
    return np.ceil(np.log2(size)).astype(np.int64)
