"""Health: what the gate looks at, and how coherence becomes a mode.

Letters: R campaigns, A agents, S signals.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np

from policies.frames import Evidence, Floats, Ints
from policies.levels import Levels
from policies.tracking import Tracking

_LIMIT = 6.0
_ANCHORS = np.array([[5**-1.5 / 7200, 0.0], [1 / 7200, 0.3], [1 / 1440, 0.5], [1 / 480, 0.8], [1.0, 1.0]])
"""Chance of an hour like this one in a healthy portfolio, and its coherence, as ``mechanisms.coherence`` has them."""
FEWEST = 4
"""Campaigns that the mechanism needs: fewer have no structure to speak of, and are watched by the charts alone."""
_CAREFUL = 0.5
"""Least coherence where conversions still come: bids answer prices and volume by themselves, and a freeze would keep
them where the market no longer is."""


class Mode(StrEnum):
    """What the whole swarm may do."""

    STABLE = "STABLE"
    CAUTIOUS = "CAUTIOUS"
    FREEZE = "FREEZE"


RECOMMENDATIONS = {
    Mode.STABLE: ("continue the current optimisation",),
    Mode.CAUTIOUS: ("reduce bid adjustments", "monitor creative fatigue"),
    Mode.FREEZE: ("pause optimisations", "investigate anomalies", "alert the team"),
}
"""What a person should do in each mode (the seed's words)."""


def coherence(chance: Floats) -> Floats:
    """Coherence of hours that a healthy portfolio has with ``chance``, any shape; on the scale of the mechanism."""
    least, most = _ANCHORS[0, 0], _ANCHORS[-1, 0]
    return np.asarray(np.interp(np.log(np.clip(chance, least, most)), np.log(_ANCHORS[:, 0]), _ANCHORS[:, 1]))


def limit(coherence: float) -> float:
    """Minus the log of the chance that an hour of this ``coherence`` has: where a chart must stand to bring it down."""
    return float(-np.interp(coherence, _ANCHORS[:, 1], np.log(_ANCHORS[:, 0])))


@dataclass(frozen=True, slots=True)
class Charts:
    """What is watched channel by channel, where a few campaigns say too little for the mechanism.

    Conversions that cease may freeze the swarm; fewer of them, and jumps of prices and volume, only make it careful.
    """

    tracking: Tracking
    levels: Levels

    @classmethod
    def empty(cls, shape: tuple[int, int, int], portfolios: int = 1) -> Charts:
        """Nothing seen of campaigns, channels and creatives of ``shape``."""
        return cls(Tracking.empty(shape, portfolios), Levels.empty(shape, portfolios))

    @classmethod
    def late(cls, shape: tuple[int, int, int]) -> Charts:
        """Of campaigns that have run for a while, whose past is no news."""
        empty = cls.empty(shape)
        tracking = replace(empty.tracking, totals=np.full_like(empty.tracking.totals, np.nan))
        return cls(tracking, empty.levels)

    def grown(self, shape: tuple[int, int, int]) -> Charts:
        """The same with room for more campaigns and creatives."""
        return Charts(self.tracking.grown(shape), self.levels.grown(shape))

    def step(
        self, evidence: Evidence, rates: Floats, account: Ints, *, keep: Floats, trusted: bool = True
    ) -> tuple[Charts, Floats]:
        """One hour on, and each portfolio's coherence [P]; arguments as ``Tracking.step`` has them."""
        tracking = self.tracking.step(evidence, rates, account, keep=keep, trusted=trusted)
        levels, chance = self.levels.step(evidence, account, keep=keep)
        none, part = np.moveaxis(tracking.sums, 1, 0)
        ceased = np.where(none >= part, coherence(np.exp(-none)), 1.0)
        other = np.minimum(coherence(np.exp(-part)), coherence(chance))
        return Charts(tracking, levels), np.minimum(ceased, np.maximum(other, _CAREFUL))


def portfolio_state(residual: Floats) -> tuple[Floats, Floats]:
    """States [R, 3A] and outcome surprises [R, A] from residuals [R, A, 4]; what is unknown counts as usual."""
    known = np.clip(np.nan_to_num(residual, nan=0.0), -_LIMIT, _LIMIT)
    return known[..., :3].reshape(len(known), -1), known[..., 3]


@dataclass(frozen=True, slots=True)
class Usual:
    """Running mean and spread of the gate's raw signals on healthy hours: what today is compared with."""

    mean: Floats
    """[S]"""
    square: Floats
    """[S] running mean of squares about the mean."""
    hours: int = 0
    memory: float = field(default=1 / 240)

    @classmethod
    def start(cls) -> Usual:
        """Nothing seen: structure, change and surprise of a portfolio of independent standard residuals.

        Simulated on four platforms against a moving average, as the swarm compares. Structure is the same for any
        number of campaigns; change falls from 2.6 with 5 of them to 1.6 with 1000, and starts in the middle. Squares
        are those of 5 campaigns about that start, the widest: too narrow a start would call every portfolio ill.
        """
        return cls(np.array([0.87, 2.1, 0.6]), np.array([0.02, 0.4, 0.2]))

    def update(self, signals: Floats) -> Usual:
        """One more healthy hour; the first ones weigh more, so that the start is soon forgotten."""
        rate = max(self.memory, 1.0 / (self.hours + 4))
        gap = signals - self.mean
        mean = self.mean + rate * gap
        square = self.square + rate * (gap * (signals - mean) - self.square)
        return replace(self, mean=mean, square=square, hours=self.hours + 1)

    def head(self) -> dict[str, Floats]:
        """As a head of the health model."""
        return {"mean": self.mean, "spread": np.sqrt(np.maximum(self.square, 1e-4))}

    def as_arrays(self) -> dict[str, Floats]:
        """All of it, to be kept."""
        return {"mean": self.mean, "square": self.square, "hours": np.array(self.hours)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Floats]) -> Usual:
        """As it was when it was kept."""
        return cls(arrays["mean"], arrays["square"], int(arrays["hours"]))


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The seed's numbers."""

    stable: float = 0.8
    freeze: float = 0.3
    hysteresis: float = 0.05
    dwell_ticks: int = 3


@dataclass(frozen=True, slots=True)
class Gate:
    """The mode and since when; every transition is a pure function of coherence and time."""

    mode: Mode = Mode.STABLE
    since: int = 0
    held: bool = False
    """A person holds the mode; only a person releases it."""

    def step(self, coherence: float, tick: int, limits: Thresholds) -> Gate:
        """The gate after one hour: worse at once, better after the dwell and above the hysteresis.

        NaN is missing health, and missing health is bad.
        """
        if self.held:
            return self
        if not coherence >= limits.freeze:
            return self._enter(Mode.FREEZE, tick)
        if coherence < limits.stable and self.mode == Mode.STABLE:
            return self._enter(Mode.CAUTIOUS, tick)
        if tick - self.since < limits.dwell_ticks:
            return self
        if self.mode == Mode.FREEZE and coherence >= limits.freeze + limits.hysteresis:
            return self._enter(Mode.CAUTIOUS, tick)
        if self.mode == Mode.CAUTIOUS and coherence >= limits.stable + limits.hysteresis:
            return self._enter(Mode.STABLE, tick)
        return self

    def hold(self, mode: Mode, tick: int) -> Gate:
        """A person sets the mode."""
        return Gate(mode, tick, held=True)

    def release(self, tick: int) -> Gate:
        """A person lets go; the gate goes on from the mode that was held, after its dwell."""
        return Gate(self.mode, tick)

    def _enter(self, mode: Mode, tick: int) -> Gate:
        return self if mode == self.mode else Gate(mode, tick)
