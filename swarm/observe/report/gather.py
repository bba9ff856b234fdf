"""What a page shows of a run, gathered from its journal alone: everything here works while the run goes on.

Letters: R campaigns, C channels, K creatives, D local days, T hours.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np

from policies.frames import Floats, Ints
from swarm import portfolio
from swarm.observe.explain import Event, channels_of, clock_of, explain
from swarm.observe.report.creatives import CreativeReport, Learnt, creatives_of
from swarm.observe.report.decisions import most_important
from swarm.observe.span import LocalClock
from swarm.results import overspend_micros
from swarm.spec.campaign import Campaign
from swarm.spec.config import Health, SwarmConfig
from swarm.spec.money import MICROS
from swarm.spec.rates import in_usd
from swarm.store.journal import Journal

SHOWN = 20
"""Campaigns that a page shows one by one; those with the most money."""
_CHANGES = 40


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
        return _goal_units(self.spec, self.reported) if self.truth is None else self.truth.value


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
    culprits: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Version:
    """A version of the hyperparameters."""

    number: int
    tick: int
    values: Mapping[str, float]
    evidence: Mapping[str, Any]


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
    """Of all campaigns, in conversions: see ``portfolio.worth``."""
    versions: tuple[Version, ...]
    writes: Mapping[str, int]
    """By what came of them."""

    @property
    def over(self) -> bool:
        """Whether the clock has run to its end."""
        return self.hours >= self.until > 0


@dataclass(frozen=True, slots=True)
class _Facts:
    """What the run was started with."""

    seed: int | None
    health: Health
    first: date
    days: int
    daily: Ints | None


def gather(journal: Journal, *, shown: int = SHOWN) -> RunReport:
    """What there is to show, with at most ``shown`` campaigns one by one.

    Raises:
        ValueError: the run has no campaign, or no market hour is over yet.
    """
    specs = [Campaign.model_validate_json(spec) for _, _, spec in journal.campaigns()]
    if not specs:
        raise ValueError(f"{journal.path}: no campaign has been submitted to this run")
    clocks = {spec.time_zone: clock_of(journal, spec) for spec in specs}
    facts = _facts(journal, list(clocks.values()))
    channels = channels_of(journal)
    day_of = _day_of(clocks, facts)
    days = 1 + max(int(each.max()) for each in day_of.values())
    reported = _reported(journal, [day_of[spec.time_zone] for spec in specs], (len(specs), days, len(channels)))
    dates = tuple(facts.first + timedelta(days=day) for day in range(days))
    plan = _plan(specs, facts, dates)
    truths = _truths(journal, specs)
    clock = next(iter(clocks.values()))
    top = sorted(range(len(specs)), key=lambda row: -_usd(specs[row], reported[row], plan[row]))[:shown]
    learnt = Learnt.of(journal, [channel.platform for channel in channels])
    counts, modes = journal.counts_by_campaign(), journal.modes()
    return RunReport(
        name=journal.path.resolve().parent.name, seed=facts.seed, start=clock.start, days=dates,
        hours=clock.newest + 1, until=json.loads(journal.recall("clock") or '{"until": 0}')["until"],
        held=learnt.held, health=facts.health, modes=tuple(modes),
        changes=tuple(_changes(journal, clock)), channels=tuple(channel.name for channel in channels),
        currencies=tuple(_currencies(specs, reported, plan, truths, dates)),
        campaigns=tuple(
            CampaignReport(
                specs[row], reported[row], plan[row], None if truths is None else truths[row],
                creatives_of(specs[row], row, learnt), *counts.get(row, (0, 0)),
                most_important(explain(journal, row, specs[row], clocks[specs[row].time_zone], 0, clock.newest + 2)),
            )
            for row in top
        ),
        others=len(specs) - len(top), truth=None if truths is None else _total(specs, truths),
        versions=tuple(Version(*version) for version in journal.hypers()), writes=journal.counts(),
    )  # fmt: skip


def _facts(journal: Journal, clocks: Sequence[LocalClock]) -> _Facts:
    """Journals from before these were kept began at the first midnight, and say nothing of seed and settings."""
    kept = json.loads(journal.recall("scenario") or "null")
    if kept is None:
        return _Facts(None, Health(), max(clock.local(0).date() for clock in clocks), 10**5, None)
    config = SwarmConfig.model_validate(kept["config"])
    daily = None if kept["daily"] is None else np.array(kept["daily"], dtype=np.int64)
    return _Facts(config.run.seed, config.health, date.fromisoformat(kept["first"]), kept["days"], daily)


def _day_of(clocks: Mapping[str, LocalClock], facts: _Facts) -> dict[str, Ints]:
    """[T] each hour's day, by time zone; what comes before the first day or after the last counts with it."""

    def table(clock: LocalClock) -> Ints:
        days = [(clock.local(tick).date() - facts.first).days for tick in range(clock.newest + 1)]
        return np.clip(np.array(days, dtype=np.int64), 0, facts.days - 1)

    return {zone: table(clock) for zone, clock in clocks.items()}


def _reported(journal: Journal, day_of: Sequence[Ints], shape: tuple[int, int, int]) -> Floats:
    """[R, D, C, 3] of all campaigns."""
    sums = np.zeros((*shape, 3))
    rows = journal.hourly(len(day_of[0]))
    day = np.stack(day_of)[rows["campaign"], rows["tick"]]
    np.add.at(sums, (rows["campaign"], day, rows["channel"]), rows["reported"])
    return sums


def _plan(specs: Sequence[Campaign], facts: _Facts, dates: Sequence[date]) -> Floats:
    """[R, D] currency units that may be spent."""
    if facts.daily is not None:
        return np.asarray(facts.daily[:, : len(dates)] / MICROS)
    return np.array([[spec.daily_budget_micros / MICROS * spec.active_on(day) for day in dates] for spec in specs])


def _truths(journal: Journal, specs: Sequence[Campaign]) -> list[Truth] | None:
    kept = json.loads(journal.recall("result") or "null")
    if kept is None:
        return None
    by_name = {row["name"]: row["by_day"] for row in kept["by_campaign"]}
    return [_truth(by_name[spec.name]) for spec in specs]


def _truth(by_day: Mapping[str, Any]) -> Truth:
    rivals = {name: np.array(values) for name, values in by_day["baselines"].items()}
    return Truth(np.array(by_day["value"]), np.array(by_day["hindsight_value"]), rivals)


def _total(specs: Sequence[Campaign], truths: Sequence[Truth]) -> Truth:
    """All campaigns together, in conversions."""
    worth = portfolio.worth(specs)[:, None]
    rivals = {name: (np.stack([t.rivals[name] for t in truths]) * worth).sum(axis=0) for name in truths[0].rivals}
    value = (np.stack([t.value for t in truths]) * worth).sum(axis=0)
    best = (np.stack([t.best for t in truths]) * worth).sum(axis=0)
    return Truth(value, best, rivals)


def _currencies(
    specs: Sequence[Campaign], reported: Floats, plan: Floats, truths: list[Truth] | None, dates: Sequence[date]
) -> list[CurrencyReport]:
    """By currency, the most campaigns first: amounts of two currencies are never added."""
    names = [spec.currency for spec in specs]
    months = [day.year * 12 + day.month for day in dates]
    found = []
    for name in sorted(set(names), key=lambda name: (-names.count(name), name)):
        rows = [row for row, currency in enumerate(names) if currency == name]
        micros = np.rint(reported[rows, :, :, 0].sum(axis=2) * MICROS).astype(np.int64)
        bought: dict[str, float] = {}
        for row in rows:
            units = _goal_units(specs[row], reported[row]) if truths is None else truths[row].value
            bought[specs[row].goal] = bought.get(specs[row].goal, 0.0) + float(units.sum())
        over = overspend_micros([specs[row] for row in rows], micros, months)
        spend, money = reported[rows, :, :, 0].sum(axis=0), plan[rows].sum(axis=0)
        found.append(CurrencyReport(name, len(rows), spend, money, over, bought))
    return found


def _goal_units(spec: Campaign, reported: Floats) -> Floats:
    """[D] what the channels reported, in what the campaign is after."""
    clicks, conversions = reported[:, :, 1].sum(axis=1), reported[:, :, 2].sum(axis=1)
    if spec.goal == "clicks":
        return np.asarray(clicks)
    return np.asarray(conversions * (spec.value_per_conversion_micros / MICROS if spec.goal == "value" else 1.0))


def _usd(spec: Campaign, reported: Floats, plan: Floats) -> float:
    """Roughly how much money a campaign is about: spent, or to be spent."""
    return in_usd(max(float(reported[:, :, 0].sum()), float(plan.sum())), spec.currency)


def _changes(journal: Journal, clock: LocalClock) -> list[Transition]:
    """The newest ones."""
    found = []
    for tick, old, new in journal.mode_changes(0, clock.newest + 1)[-_CHANGES:]:
        if hour := journal.hour(tick):
            culprits = tuple(hour[2].get("culprits", ()))
            found.append(Transition(tick, datetime.fromisoformat(hour[0]), old, new, hour[1], culprits))
    return found
