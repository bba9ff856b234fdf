"""What a page shows of a run, as plain values.

Letters: C channels, D local days.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np

from policies.frames import Floats
from swarm.observe.explain import Event
from swarm.observe.report.creatives import CreativeReport
from swarm.spec.campaign import Campaign
from swarm.spec.config import Health
from swarm.spec.money import MICROS


@dataclass(frozen=True, slots=True)
class Truth:
    """Expected goal units of each day, for a campaign or for many; known where the market is embedded."""

    value: Floats
    """[D] the swarm's."""
    best: Floats
    """[D] of hindsight."""
    rivals: Mapping[str, Floats]
    """[D] by name."""

    @property
    def ratio(self) -> float:
        """Value over hindsight."""
        return self.over(self.value)

    def over(self, value: Floats) -> float:
        """``value`` [D] over hindsight, 0 where there was nothing to be had."""
        return float(value.sum() / self.best.sum()) if self.best.sum() else 0.0


@dataclass(frozen=True, slots=True)
class CampaignReport:
    """One campaign; money in units of its currency."""

    spec: Campaign
    reported: Floats
    """[D, C, 3] spend, clicks, conversions by local day."""
    plan: Floats
    """[D] what may be spent on each day."""
    truth: Truth | None
    creatives: tuple[CreativeReport, ...]
    asked: int
    """Writes that were asked for."""
    refused: int
    decisions: tuple[Event, ...]
    """The most important ones, in order of time."""

    @property
    def cap(self) -> float:
        """Most that a day may cost with over-delivery."""
        return self.spec.caps_micros["daily_exposure"] / MICROS

    @property
    def spend(self) -> Floats:
        """[D] reported."""
        return np.asarray(self.reported[:, :, 0].sum(axis=1))

    @property
    def bought(self) -> Floats:
        """[D] goal units: expected where the truth is known, else reported."""
        return goal_units(self.spec, self.reported) if self.truth is None else self.truth.value


@dataclass(frozen=True, slots=True)
class CurrencyReport:
    """All campaigns that pay in one currency."""

    currency: str
    campaigns: int
    spend: Floats
    """[D, C] reported."""
    plan: Floats
    """[D]"""
    overspend_micros: int
    """Past any cap."""
    bought: Mapping[str, float]
    """Goal units by goal; those of the goal value are in this currency."""


@dataclass(frozen=True, slots=True)
class Transition:
    """The portfolio changed its mode."""

    tick: int
    time: datetime
    old: str
    new: str
    coherence: float | None
    why: tuple[str, ...]
    """A line each."""


@dataclass(frozen=True, slots=True)
class Version:
    """A version of the hyperparameters."""

    number: int
    tick: int
    values: Mapping[str, float]
    evidence: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Trial:
    """A candidate on the canary."""

    number: int
    opened_tick: int
    closed_tick: int | None
    """None while it runs."""
    reason: str
    changes: Mapping[str, float]
    result: str
    effect: tuple[float, float] | None
    """On the log of its campaigns' value, and its standard deviation; None where nothing could be compared."""


@dataclass(frozen=True, slots=True)
class RunReport:
    """All that a page shows."""

    name: str
    seed: int | None
    """None where the journal does not say."""
    start: datetime
    """When hour 0 began; UTC."""
    days: tuple[date, ...]
    """Local days that have begun."""
    hours: int
    """Market hours that are over."""
    until: int
    """Market hours that the clock is to run; 0 where it was stopped."""
    held: bool
    """A person holds the mode."""
    health: Health
    modes: tuple[tuple[int, str, float | None], ...]
    """Tick, mode and coherence of every hour."""
    changes: tuple[Transition, ...]
    channels: tuple[str, ...]
    currencies: tuple[CurrencyReport, ...]
    campaigns: tuple[CampaignReport, ...]
    """Those with the most money, most first."""
    others: int
    """Campaigns that are part of the sums alone."""
    truth: Truth | None
    """Of all campaigns, in ``unit``."""
    unit: str
    """conversions, as ``portfolio.worth`` has them, or clicks where all campaigns are after those."""
    versions: tuple[Version, ...]
    trials: tuple[Trial, ...]
    writes: Mapping[str, int]
    """By what came of them."""

    @property
    def over(self) -> bool:
        """Whether the clock has run to its end."""
        return self.hours >= self.until > 0


def goal_units(spec: Campaign, reported: Floats) -> Floats:
    """[D] what the channels reported, in what the campaign is after."""
    clicks, conversions = reported[:, :, 1].sum(axis=1), reported[:, :, 2].sum(axis=1)
    if spec.goal == "clicks":
        return np.asarray(clicks)
    return np.asarray(conversions * (spec.value_per_conversion_micros / MICROS if spec.goal == "value" else 1.0))
