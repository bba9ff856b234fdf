"""What a channel returns for its money, and how sure that is: Bayesian response curves that forget.

An outcome y is a count with mean ``a * g``, where g is the response of a *shape* to the money of the day and of the
days before, and a the channel's level. A shape has the marginal return (1 + spend / half) ** -decay: concave, nearly a
power law where ``half`` is small, a hyperbola at decay 2, nearly an exponential saturation where decay is large.

Shapes, delays of the outcome and lengths of memory are a grid. The level of each cell is conjugate (Gamma, Poisson),
so all that is known are sums that a day adds to and time discounts (West and Harrison 1997, section 10.8). Cells of one
memory count by their likelihood, memories by how well they foretold the days (Raftery et al. 2010). Outcomes that
scatter more than counts, zero-inflated ones above all, say less: the likelihood is tempered by the dispersion
(Wedderburn 1974). A shift that surprises restarts the memories (CUSUM, Page 1954).

Letters: R campaigns, C channels, M memories, D delays, J shapes, G nodes of spend.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from policies.frames import Bools, Floats
from policies.tabulated import Tabulated

HALF = np.repeat([0.03, 0.3, 2.0], 4)
"""[J] spend, in units of money, at which a marginal return has begun to fall."""
DECAY = np.tile([0.4, 0.8, 2.0, 6.0], 3)
"""[J] how fast it falls from there on; never 1, where the integral is a logarithm."""
MEMORY = np.array([6.0, 18.0, 54.0, 162.0])
"""[M] days that a memory holds in the mean."""
DELAY = np.array([0.0, 2.0, 5.0])
"""[D] mean days from money to its outcome."""
NODES = np.geomspace(1e-5, 1e4, 91)
"""[G] in units of money."""
EXPLORATION = 0.4
"""Deviation of the optimism, itself in posterior deviations of the level."""
_PRIOR = 3.0
"""Outcomes that what a channel shares with its neighbours is worth."""
_FORESIGHT_DAYS = 40.0
_DISPERSION_DAYS, _DISPERSION_PRIOR = 40.0, 4.0
_LEAST_DISPERSION = 0.3
"""Outcomes that are steadier than counts are not taken for certain."""
_SLACK, _ALARM, _LEFT = 0.5, 8.0, 0.3
"""CUSUM of standardised surprises, and what an alarm leaves of the shortest memory. A shift of two deviations is found
in 6 days; a steady channel is restarted once in about 10,000."""


def _shape(spend: Floats) -> Floats:
    """[..., J] responses to ``spend`` [...] in units of money; 1 at 1."""
    return np.asarray(_integral(spend[..., None] / HALF) / _integral(1.0 / HALF))


def _integral(ratio: Floats) -> Floats:
    return np.asarray(np.expm1((1.0 - DECAY) * np.log1p(ratio)) / (1.0 - DECAY))


_SLOPES = ((1.0 + NODES[:, None] / HALF) ** -DECAY / (HALF * _integral(1.0 / HALF))).T * NODES**-0.01
"""[J, G] marginal returns of the shapes at the nodes; the last factor sees to it that none is ever flat."""
_KEEP = 1.0 - 1.0 / MEMORY[:, None, None]
_NEW = (1.0 / (1.0 + DELAY))[:, None]


@dataclass(frozen=True, slots=True)
class Belief:
    """Sums of what was seen; a shape's response is in units of its response to one unit of money."""

    unit: Floats
    """[R] money of the unit: a usual spend of a channel."""
    seen: Floats
    """[R, C, M, 1, 1] outcomes."""
    response: Floats
    """[R, C, M, D, J] what a level of 1 would have had of them."""
    fit: Floats
    """[R, C, M, D, J] outcomes times the log of the response that they came with."""
    running: Floats
    """[R, C, D, J] response that a day without spend would still have."""
    pending: Floats
    """[R, C, D, J] response of days whose outcomes are to come."""
    foresight: Floats
    """[R, C, M] log likelihood of the outcomes, each foretold by the days before."""
    dispersion: Floats
    """[R, C] variance over mean."""
    days: Floats
    """[R, C] that taught it."""
    drift: Floats
    """[2, R, C] CUSUM of surprises upwards and downwards."""

    @classmethod
    def start(cls, unit: Floats, channels: int) -> Belief:
        """Nothing seen; ``unit`` [R]: money that one channel usually spends in a day."""
        plane = (len(unit), channels)
        grid = (*plane, len(MEMORY), len(DELAY), len(HALF))
        now = (*plane, len(DELAY), len(HALF))
        sums = (np.zeros((*grid[:3], 1, 1)), np.zeros(grid), np.zeros(grid), np.zeros(now), np.zeros(now))
        return cls(unit, *sums, np.zeros(grid[:3]), np.ones(plane), np.zeros(plane), np.zeros((2, *plane)))

    def _level(self) -> tuple[Floats, Floats]:
        """Shape [R, C, M, 1, 1] and rate [R, C, M, D, J] of each cell's level, a Gamma distribution."""
        pooled = (self.response.sum(axis=1, keepdims=True) + 1e-9) / (self.seen.sum(axis=1, keepdims=True) + 1e-9)
        trust = 1.0 / self.dispersion[:, :, None, None, None]
        return _PRIOR + self.seen * trust, _PRIOR * pooled + self.response * trust

    def _cells(self) -> Floats:
        """[R, C, M, D, J] how much each cell counts within its memory; they sum to 1 there."""
        shape, rate = self._level()
        trust = 1.0 / self.dispersion[:, :, None, None, None]
        expected = rate - self.response * trust
        return _softmax(self.fit * trust + _PRIOR * np.log(expected) - shape * np.log(rate), (3, 4))

    def _memories(self) -> Floats:
        """[R, C, M] how much each memory counts; they sum to 1."""
        return _softmax(self.foresight / self.dispersion[:, :, None], (2,))

    def observe(self, spend: Floats, outcome: Floats, late: Bools | None = None) -> Belief:
        """What is known after a day.

        Args:
            spend: [R, C] money spent.
            outcome: [R, C] outcomes reported in the day, whichever day's money they came of; NaN where unknown.
            late: [R, C] true where an unknown outcome will be part of the next one that is known; else it is lost.
        """
        running = (1.0 - _NEW) * self.running + _NEW * _shape(spend / self.unit[:, None])[:, :, None]
        response = self.pending + running
        known = np.isfinite(outcome) & (response.max(axis=(2, 3)) > 0)
        pending = np.where((~known & (late if late is not None else False))[..., None, None], response, 0.0)
        count = np.where(known, np.nan_to_num(outcome), 0.0)
        judged = self._judge(count, response, known)
        keep = np.where(known[..., None, None, None], _KEEP, 1.0)
        response = np.where(known[..., None, None], response, 0.0)[:, :, None]
        count = count[:, :, None, None, None]
        return replace(
            judged,
            seen=keep * judged.seen + count,
            response=keep * judged.response + response,
            fit=keep * judged.fit + count * np.log(np.maximum(response, 1e-12)),
            running=running,
            pending=pending,
        )

    def _judge(self, count: Floats, response: Floats, known: Bools) -> Belief:
        """How well the day was foretold: by each memory, by how much more than counts scatter, and whether of late."""
        shape, rate = self._level()
        share = self._memories()
        means = shape / rate * response[:, :, None]
        by_memory = np.maximum((self._cells() * means).sum(axis=(3, 4)), 1e-9)
        mean = (share * by_memory).sum(axis=2)
        unsure = mean**2 / (share * shape[..., 0, 0]).sum(axis=2)
        surprise = (count - mean) / np.sqrt(self.dispersion * mean + unsure)
        scatter = self.dispersion * np.minimum(surprise**2, 9.0)
        forget = np.maximum(1.0 / (self.days + _DISPERSION_PRIOR), 1.0 / _DISPERSION_DAYS)
        dispersion = (1.0 - forget) * self.dispersion + forget * scatter
        like = count[:, :, None] * np.log(by_memory) - by_memory
        foresight = (1.0 - 1.0 / _FORESIGHT_DAYS) * self.foresight + like
        foresight = foresight - foresight.max(axis=2, keepdims=True)
        begun = known & (self.seen[:, :, 0, 0, 0] > 0)
        judged = replace(
            self,
            foresight=np.where(begun[..., None], foresight, self.foresight),
            dispersion=np.where(begun, np.maximum(dispersion, _LEAST_DISPERSION), self.dispersion),
            days=self.days + begun,
            drift=np.where(begun, self._drift(surprise), self.drift),
        )
        return judged._restarted()

    def _drift(self, surprise: Floats) -> Floats:
        step = np.clip(np.stack([surprise, -surprise]), -3.0, 3.0)
        return np.asarray(np.maximum(self.drift + step - _SLACK, 0.0))

    def _restarted(self) -> Belief:
        """After an alarm every memory of a channel is what its shortest one has, and little of that."""
        alarm = self.drift.max(axis=0) > _ALARM
        if not alarm.any():
            return self
        grid = alarm[..., None, None, None]
        return replace(
            self,
            seen=np.where(grid, _LEFT * self.seen[:, :, :1], self.seen),
            response=np.where(grid, _LEFT * self.response[:, :, :1], self.response),
            fit=np.where(grid, _LEFT * self.fit[:, :, :1], self.fit),
            foresight=np.where(alarm[..., None], 0.0, self.foresight),
            drift=np.where(alarm, 0.0, self.drift),
        )

    def curves(self, optimism: Floats) -> Tabulated:
        """What the channels are expected to return, levels ``optimism`` [R, C or 1] of their deviations higher.

        So a channel that is less known than its neighbours gets more than it has shown to deserve, until it is known.
        """
        shape, rate = self._level()
        level = (shape + optimism[..., None, None, None] * np.sqrt(shape)) / rate
        scale = (self._cells() * self._memories()[..., None, None] * level).sum(axis=(2, 3))
        log_unit = np.log(self.unit)[:, None]
        return Tabulated(log_unit + np.log(NODES), np.log(scale @ _SLOPES) - log_unit[..., None])


def optimism(campaigns: int, rng: np.random.Generator) -> Floats:
    """[R, 1] a day's optimism, drawn anew each day and shared by the channels of a campaign (Vaswani et al. 2020)."""
    return np.abs(rng.normal(0.0, EXPLORATION, (campaigns, 1)))


def _softmax(logits: Floats, axes: tuple[int, ...]) -> Floats:
    grown = np.exp(logits - logits.max(axis=axes, keepdims=True))
    return np.asarray(grown / grown.sum(axis=axes, keepdims=True))
