"""A market with a shock, played by the swarm's planner: without modes, with them, and told the truth.

Outcomes are drawn by quantiles that belong to the hour and the campaign, so that two runs differ by what they do and
not by luck. Seeds stand side by side as rows; those of one seed are one portfolio.

Letters: R campaigns, C channels, K creatives, P portfolios, T hours.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import pdtrik

from benchmarks.decisions.desk import MEMORY_DAYS, Eyes, drive
from benchmarks.decisions.ours import swarm
from benchmarks.modes_chain import Chain
from policies.evidence import kept_an_hour
from policies.frames import Evidence, Floats, Ints
from policies.health import Mode
from policies.specialist import Wanted, limited
from swarm.platforms.calendar import Moment
from swarm.platforms.market import Market
from swarm.platforms.scenarios import Setup
from swarm.platforms.shocks import Shock, shocks
from swarm.spec.money import MICROS
from swarm.spec.sections import Guardrails

_RAILS = Guardrails()
_BUDGET_STEP, _BID_STEP = float(_RAILS.max_change_per_step), float(_RAILS.max_bid_change_per_step)


class Alike(Market):
    """A market whose luck is a quantile of each hour, campaign, channel and creative."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup.world, setup.calendar, days=setup.budgets.shape[1], budgets=setup.budgets)
        self._account = np.unique(setup.seed, return_inverse=True)[1]
        self._due = np.zeros((2, 2, *setup.world.shape[:2]))
        self.information: list[Floats] = []
        """[P] of each hour: what its conversions, as truly to be expected, tell against no shock."""

    def _drawn(self, purpose: str, mean: Floats) -> Floats:
        luck = self._draw(purpose, lambda rng, rows: rng.random(mean[rows].shape))
        return np.where(mean > 0.0, np.ceil(np.maximum(pdtrik(luck, np.maximum(mean, 1e-300)), 0.0)), 0.0)

    def _happen(self, moment: Moment, clicks: Floats, factor: Floats, spent: Ints) -> tuple[Floats, Floats, Floats]:
        found = super()._happen(moment, clicks, factor, spent)
        shock = [shocks(seed, self.tick, clicks.shape[1], self.world.hazards) for seed, _ in self.world.seeds()]
        usual = np.array([each.rate for each in shock])[self._account]
        self._due += 0.5 * np.stack([found[2], found[2] / usual])[:, None]
        due = self._due * self._matures[..., 0]
        self._due -= due
        tracked = np.array([each.tracking for each in shock])
        seen, expected = (np.bincount(self._account, each.sum(axis=(0, 2))) for each in due)
        seen = seen * tracked
        told = np.where(seen > 0.0, seen * np.log(np.maximum(seen, 1e-300) / np.maximum(expected, 1e-300)), 0.0)
        self.information.append(told - seen + expected)
        return found


@dataclass
class Gated(Eyes):
    """Modes as the swarm has them."""

    def __init__(self, setup: Setup) -> None:
        self._account = np.unique(setup.seed, return_inverse=True)[1]
        self.chain = Chain(setup.portfolio, self._account)
        self.modes: list[list[Mode]] = []

    def see(self, tick: int, evidence: Evidence, rates: Floats) -> Evidence:
        """Without what is disputed."""
        self.chain.step(tick, evidence, rates)
        self.modes.append(self.chain.modes)
        return self.chain.charts.tracking.believed(evidence)

    def allow(self, wanted: Wanted, market: Market) -> Wanted:
        """Half of the default steps in CAUTIOUS, below 0.5 none up; pauses alone in FREEZE."""
        now, modes = market.settings, np.array(self.chain.modes)[self._account][:, None]
        frozen, careful = modes == Mode.FREEZE, modes == Mode.CAUTIOUS
        only_down = careful & (self.chain.coherence < 0.5)[self._account][:, None]
        going = now.status == 1

        def towards(new: Floats, old: Ints, step: float) -> Floats:
            half = limited(new, old / MICROS, max_step=0.5 * step)
            moved = np.where(careful, np.where(only_down, np.minimum(half, old / MICROS), half), new)
            return np.where(frozen, old / MICROS, moved)

        weight = np.where(frozen[..., None], now.weight / MICROS, wanted.weight)
        return Wanted(
            towards(wanted.budget, now.budget, _BUDGET_STEP),
            towards(wanted.bid, now.bid, _BID_STEP),
            weight,
            wanted.deliver & (going | ~(frozen | only_down)),
        )


class Unlearning(Gated):
    """What is disputed is left out, but nothing is held back: what modes would save without their brakes."""

    def allow(self, wanted: Wanted, market: Market) -> Wanted:  # noqa: ARG002
        """All of it."""
        return wanted


class Told(Eyes):
    """Knows of each reported hour what shock was on: a click counts by how likely it was to convert, an hour without
    tracking not at all, and a click to come is worth what bots leave of it."""

    def __init__(self, setup: Setup) -> None:
        self._setup, self._account = setup, np.unique(setup.seed, return_inverse=True)[1]
        self._matures = 1.0 - np.exp(-1.0 / setup.portfolio.lag_h)[:, None, :, None]
        self._keep = float(kept_an_hour(np.array(MEMORY_DAYS)))
        self._totals: Floats = np.zeros((*setup.portfolio.shape, 3))
        self._odd = np.zeros((2, *setup.portfolio.shape))
        self._false = np.zeros((*setup.portfolio.shape, 2))

    def see(self, tick: int, evidence: Evidence, rates: Floats) -> Evidence:  # noqa: ARG002
        """The evidence put right."""
        rate, lost = np.ones(evidence.cost.shape), np.zeros(evidence.cost.shape, dtype=np.bool_)
        for c in np.flatnonzero(evidence.tick >= 0):
            then = self._shocks(int(evidence.tick[c]))
            rate[:, c] = np.array([shock.rate[c] for shock in then])[self._account]
            lost[:, c] = np.array([not shock.tracking for shock in then])[self._account]
        fresh, self._totals = evidence.totals - self._totals, evidence.totals
        self._odd += 0.5 * fresh[..., 0] * (1.0 - rate)[..., None]
        due = self._odd * self._matures
        self._odd -= due
        wrong = np.stack([due.sum(axis=0), np.zeros(due.shape[1:])], axis=-1)
        self._false = self._keep * self._false + np.where(lost[..., None, None], fresh[..., 1:], wrong)
        now = np.array([_people(shock) for shock in self._shocks(tick)])[self._account]
        return replace(
            evidence,
            matured_clicks=np.maximum(evidence.matured_clicks - self._false[..., 0], 0.0),
            conversions=np.maximum(evidence.conversions - self._false[..., 1], 0.0) * now[..., None],
        )

    def _shocks(self, tick: int) -> list[Shock]:
        """Of each portfolio."""
        channels, hazards = self._setup.portfolio.shape[1], self._setup.world.hazards
        return [shocks(seed, tick, channels, hazards) for seed in np.unique(self._setup.seed).tolist()]


def _people(shock: Shock) -> Floats:
    """[C] part of the clicks that are people's; a rate that falls everywhere alike moves no money."""
    return np.where(shock.traffic > 1.0, shock.rate, 1.0)


@dataclass(frozen=True, slots=True)
class Run:
    """What came of it."""

    value: Floats
    """[R] goal units in expectation."""
    information: Floats
    """[T, P]"""


def play(setup: Setup, eyes: Eyes) -> Run:
    """All hours of ``setup`` under the planner, behind ``eyes``."""
    market = Alike(setup)
    drive(setup, market, swarm(setup), eyes)
    return Run(market.credited().sum(axis=1), np.array(market.information))
