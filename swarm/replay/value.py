"""What other settings would have been worth in logged hours, by the evidence's own estimate of responses.

Decisions of the swarm are deterministic given what it saw, so a log holds no chances to weigh rewards by, and the
estimators of ``policies.evaluation`` do not apply. What is estimated instead is a model's answer, hour by hour: what a
channel was seen to do at its bid, carried to another bid by the exponents that the evidence had measured by then. A
won impression goes with bid^e, and what a click costs with the bid, so

    clicks' = clicks (b' / b)^e,    spend' = spend (b' / b)^(e + 1).

Where the channel was paused in the log, the evidence says what a bid of 1 would have spent there. A click is worth
what the evidence of the last hour expects of it, by the creatives' shares. More money buys more: it is charged at the
log's own marginal return, so the difference is one at equal money.

The interval is that of the posterior of conversion rates (Gamma, as in ``policies.estimation``) and of the exponents
(normal, by the spread of the log's bids and of volume; to first order). It does not hold what the settings would have
changed later, for each hour starts as it was logged, nor that exponents themselves change far from where they were
measured: where too many bids are, there is no interval.

Letters: R campaigns, C channels, K creatives, S draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass

import numpy as np

from policies import planning
from policies.clock import Traffic
from policies.estimation import BASE_STRENGTH, CHANNEL_STRENGTH, CreativePrior
from policies.evidence import SPEND_ELASTICITY, Memory
from policies.frames import Evidence, Floats, Ints, Portfolio, Report
from swarm.effects.ledger import Ledger
from swarm.platforms.calendar import Calendar
from swarm.platforms.settings import Settings
from swarm.platforms.traffic import HOUR_OF_WEEK
from swarm.spec.money import MICROS

DRAWS = 1000
FAR, MOST_FAR = 2.0, 0.05
"""Factor between bids from which on an exponent is leaned on further than it was measured, and the share of channel
hours with such bids from which on an interval would claim too much."""
_LEVEL = (2.5, 97.5)
_PRIOR_PRECISION = 0.1
"""Of an exponent, in units of squared log bids, as ``policies.evidence`` has it."""


@dataclass(frozen=True, slots=True)
class Gain:
    """Other settings against those of the log, all campaigns together, in conversions."""

    logged: float
    """Value of the log's own settings, by the same estimate."""
    difference: float
    """At equal money."""
    low: float | None
    high: float | None
    """95 % credible interval; None where the settings are too far from the log's for one."""
    spend: float
    """Spend over the log's, before it was made equal."""
    far: float
    """Share of the channel hours whose bids are further apart than ``FAR``."""


@dataclass(frozen=True, slots=True)
class _Hour:
    """What was in force in an hour, what would have been, and what was known of responses."""

    logged: Ledger
    other: Ledger | Settings
    evidence: Evidence
    traffic: Floats
    """[R]"""


class Worth:
    """Adds hours up as they are reported."""

    def __init__(self, portfolio: Portfolio, calendar: Calendar, worth: Floats) -> None:
        """``worth`` [R]: conversions that a goal unit stands for."""
        self._portfolio, self._calendar, self._worth = portfolio, calendar, worth
        self._hours: dict[int, _Hour] = {}
        self._seen: dict[int, int] = {}
        self._clicks, self._other_clicks = np.zeros((2, *portfolio.shape))
        self._steeper_clicks = np.zeros(portfolio.shape)
        self._spend, self._other_spend, self._steeper_spend, self._today = np.zeros((4, *portfolio.shape[:2]))
        self._day = np.full(portfolio.shape[:2], -1)
        self._compared = self._far = 0

    def meet(self, tick: int, logged: Ledger, other: Ledger | Settings, evidence: Evidence, doubt: Floats) -> None:
        """What was in force in hour ``tick``, what would have been, and what was known when it began.

        ``doubt`` [R, C]: standard deviation of the evidence's exponents.
        """
        traffic = Traffic(HOUR_OF_WEEK).at(self._calendar.at(tick).hour)
        self._hours[tick] = _Hour(deepcopy(logged), deepcopy(other), evidence, traffic)
        self._last, self._exponent_doubt = evidence, doubt

    def hear(self, reports: Sequence[Report | None], slices: Sequence[slice]) -> None:
        """What platforms report, each of it once; hours that were not met are left out."""
        for report, columns in zip(reports, slices, strict=True):
            if report is None or report.tick <= self._seen.get(columns.start, -1):
                continue
            self._seen[columns.start] = report.tick
            if (hour := self._hours.get(report.tick)) is not None:
                self._add(report, hour, columns)
        if len(self._seen) == len(slices):
            for tick in [tick for tick in self._hours if tick < min(self._seen.values())]:
                del self._hours[tick]

    def _add(self, report: Report, hour: _Hour, columns: slice) -> None:
        bid, other = report.bid, _live_bid(hour.other)[:, columns]
        live, both = bid > 0, (bid > 0) & (other > 0)
        ratio = np.where(live, other / np.where(live, bid, 1.0), 0.0)
        exponent, known = hour.evidence.elasticity[:, columns], hour.evidence
        alone = np.nan_to_num(known.spend_scale[:, columns]) * hour.traffic[:, None] * other**SPEND_ELASTICITY
        spend = np.where(live, report.cost.sum(axis=2) * ratio ** (exponent + 1.0), alone)
        part = self._within_budget(report, hour, columns, spend)
        clicks = report.clicks * _reweighed(hour, columns) * (ratio**exponent)[..., None]
        new = alone / np.maximum(known.cost_share[:, columns] * other, 1e-12)
        fresh = new[..., None] * _shares(hour.other.weight[:, columns])
        after, part = np.where(live[..., None], clicks, fresh) * part[..., None], spend * part
        log_ratio = np.log(np.where(both, ratio, 1.0))
        self._clicks[:, columns] += report.clicks
        self._spend[:, columns] += report.cost.sum(axis=2)
        self._other_clicks[:, columns] += after
        self._other_spend[:, columns] += part
        self._steeper_clicks[:, columns] += after * log_ratio[..., None]
        self._steeper_spend[:, columns] += part * log_ratio
        self._compared += int(both.sum())
        self._far += int((np.abs(log_ratio) > np.log(FAR)).sum())

    def _within_budget(self, report: Report, hour: _Hour, columns: slice, spend: Floats) -> Floats:
        """[R, C] the part of an hour's ``spend`` that fits a budget; the log's own is in its reports already."""
        budget, logged = hour.other.budget[:, columns], hour.logged.budget[:, columns]
        today = np.where(self._day[:, columns] == report.day[:, None], self._today[:, columns], 0.0)
        most = np.where(budget != logged, budget / MICROS, np.inf)
        part = np.clip((most - today) / np.where(spend > 0, spend, 1.0), 0.0, 1.0)
        self._today[:, columns] = today + spend * part
        self._day[:, columns] = report.day[:, None]
        return part

    def gain(self, rng: np.random.Generator) -> Gain:
        """All that was heard; ``rng`` draws the posterior."""
        item, portfolio = self._last, self._portfolio
        prior = CreativePrior.none(portfolio.creatives.shape)
        value = planning.click_values(portfolio, planning.conversion_rates(portfolio, item, prior))
        value = value * self._worth[:, None, None]
        logged, other, steeper = (
            (clicks * value).sum(axis=2) for clicks in (self._clicks, self._other_clicks, self._steeper_clicks)
        )
        doubt = _doubt(portfolio, item, rng)
        bend = self._exponent_doubt * rng.standard_normal(doubt.shape)
        spent = self._spend.sum(axis=1)
        slope = item.elasticity / (item.elasticity + 1.0)
        marginal = (doubt * logged * slope).sum(axis=2) / np.where(spent > 0, spent, np.inf)
        more = (self._other_spend + bend * self._steeper_spend).sum(axis=2) - spent
        gains = (doubt * (other + bend * steeper - logged)).sum(axis=(1, 2)) - (marginal * more).sum(axis=1)
        low, high = np.percentile(gains, _LEVEL)
        price = marginal.mean(axis=0)  # makes one money of all currencies
        spend = float(price @ self._other_spend.sum(axis=1) / max(price @ spent, 1e-12))
        far = self._far / max(self._compared, 1)
        sure = far <= MOST_FAR
        return Gain(
            logged=float(logged.sum()),
            difference=float(gains.mean()),
            low=float(low) if sure else None,
            high=float(high) if sure else None,
            spend=spend,
            far=far,
        )


def exponent_doubt(memories: Sequence[Memory]) -> Floats:
    """[R, C] standard deviation of the exponents that agents with ``memories`` have measured: of a slope by least
    squares, its residuals those of volume."""
    weight, x, _, xx, _ = np.concatenate([memory.landscape for memory in memories], axis=2)
    residual = np.concatenate([memory.spread[0] for memory in memories], axis=1)
    return np.asarray(np.sqrt(residual / (np.maximum(xx - x * x / np.maximum(weight, 1e-9), 0.0) + _PRIOR_PRECISION)))


def _live_bid(settings: Ledger | Settings) -> Floats:
    """[R, C] currency units; 0 where nothing is delivered."""
    return np.where((settings.status == 1) & (settings.budget > 0), settings.bid, 0) / MICROS


def _shares(weight: Ints) -> Floats:
    return np.asarray(weight / np.maximum(weight.sum(axis=-1, keepdims=True), 1))


def _reweighed(hour: _Hour, columns: slice) -> Floats:
    """[R, C, K] each creative's share over the log's; 0 for one that the log did not show."""
    before, after = (_shares(side.weight[:, columns]) for side in (hour.logged, hour.other))
    return np.where(before > 0, after / np.where(before > 0, before, 1.0), 0.0)


def _doubt(portfolio: Portfolio, item: Evidence, rng: np.random.Generator) -> Floats:
    """[S, R, C] factors on the value of a click, of mean 1; none where the click itself is the goal."""
    results = item.conversions.sum(axis=2)
    shapes = results.sum(axis=1, keepdims=True) + BASE_STRENGTH, results + CHANNEL_STRENGTH
    base, channel = (rng.gamma(shape, 1.0 / shape, (DRAWS, *shape.shape)) for shape in shapes)
    return np.where((portfolio.unit_value > 0)[:, None], base * channel, 1.0)
