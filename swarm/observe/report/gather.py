"""What a page shows, gathered from a run's journal alone: everything here works while the run goes on.

Letters: R campaigns, C channels, D local days, T hours.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np

from policies.frames import Floats, Ints
from swarm import portfolio
from swarm.observe.explain import causes, channels_of, charts_of, clock_of, demanded_by, explain, holds
from swarm.observe.report.creatives import Learnt, creatives_of
from swarm.observe.report.decisions import most_important
from swarm.observe.report.shown import (
    CampaignReport,
    CurrencyReport,
    RunReport,
    Transition,
    Trial,
    Truth,
    Version,
    goal_units,
)
from swarm.observe.span import LocalClock
from swarm.results import overspend_micros
from swarm.spec.campaign import Campaign
from swarm.spec.config import Health
from swarm.spec.money import MICROS
from swarm.spec.rates import in_usd
from swarm.store.journal import Journal

SHOWN = 20
"""Campaigns that a page shows one by one; those with the most money."""
_CHANGES = 40


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
        raise ValueError(f"{journal.place}: no campaign has been submitted to this run")
    clocks = {zone: clock_of(journal, spec) for zone, spec in {spec.time_zone: spec for spec in specs}.items()}
    facts, clock = _facts(journal, list(clocks.values())), clocks[specs[0].time_zone]
    channels, learnt = channels_of(journal), Learnt.of(journal)
    reported = _reported(journal, specs, _day_of(clocks, facts), len(channels))
    dates = tuple(facts.first + timedelta(days=day) for day in range(reported.shape[1]))
    plan, truths = _plan(specs, facts, dates), _truths(journal, specs)
    counts = journal.counts_by_campaign()
    top = sorted(range(len(specs)), key=lambda row: -_usd(specs[row], reported[row], plan[row]))[:shown]
    campaigns = tuple(
        CampaignReport(
            spec=specs[row],
            reported=reported[row],
            plan=plan[row],
            truth=None if truths is None else truths[row],
            creatives=creatives_of(specs[row], row, learnt),
            asked=counts.get(row, (0, 0))[0],
            refused=counts.get(row, (0, 0))[1],
            decisions=most_important(
                explain(journal, row, specs[row], clocks[specs[row].time_zone], 0, clock.newest + 2)
            ),
        )
        for row in top
    )
    return RunReport(
        name=journal.name,
        seed=facts.seed,
        start=clock.start,
        days=dates,
        hours=clock.newest + 1,
        until=json.loads(journal.recall("clock") or '{"until": 0}')["until"],
        held=learnt.held,
        health=facts.health,
        modes=tuple(journal.modes()),
        changes=tuple(_changes(journal, clock)),
        channels=tuple(channel.name for channel in channels),
        currencies=tuple(_currencies(specs, reported, plan, truths, dates)),
        campaigns=campaigns,
        others=len(specs) - len(top),
        truth=None if truths is None else _total(truths, _worth(specs)),
        unit="clicks" if _all_clicks(specs) else "conversions",
        versions=tuple(Version(*version) for version in journal.hypers()),
        trials=tuple(_trial(row) for row in journal.tried()),
        writes=journal.counts(),
    )


def _trial(row: Mapping[str, Any]) -> Trial:
    why = row["evidence"]
    effect = None if why is None or why["effect"] is None else (why["effect"], why["sd"])
    return Trial(**{key: value for key, value in row.items() if key != "evidence"}, effect=effect)


def _facts(journal: Journal, clocks: Sequence[LocalClock]) -> _Facts:
    """Journals from before these were kept began at the first midnight, and say nothing of seed and settings."""
    kept = json.loads(journal.recall("scenario") or "null")
    if kept is None:
        return _Facts(None, Health(), max(clock.local(0).date() for clock in clocks), 10**5, None)
    run, health = kept["config"]["run"], Health.model_validate(kept["config"]["health"])
    daily = None if kept["daily"] is None else np.array(kept["daily"], dtype=np.int64)
    return _Facts(run["seed"], health, date.fromisoformat(kept["first"]), kept["days"], daily)


def _day_of(clocks: Mapping[str, LocalClock], facts: _Facts) -> dict[str, Ints]:
    """[T] each hour's day, by time zone; what comes before the first day or after the last counts with it."""

    def table(clock: LocalClock) -> Ints:
        days = [(clock.local(tick).date() - facts.first).days for tick in range(clock.newest + 1)]
        return np.clip(np.array(days, dtype=np.int64), 0, facts.days - 1)

    return {zone: table(clock) for zone, clock in clocks.items()}


def _reported(journal: Journal, specs: Sequence[Campaign], day_of: Mapping[str, Ints], channels: int) -> Floats:
    """[R, D, C, 3] of all campaigns and of the days that have begun anywhere."""
    days = np.stack([day_of[spec.time_zone] for spec in specs])
    sums = np.zeros((len(specs), days.max() + 1, channels, 3))
    for first, end in _stretches(np.stack(list(day_of.values()))):
        rows = np.array(journal.totals(first, end)).reshape(-1, 5)
        campaign, channel = rows[:, :2].astype(np.int64).T
        sums[campaign, days[campaign, first], channel] += rows[:, 2:]
    return sums


def _stretches(days: Ints) -> list[tuple[int, int]]:
    """Hours, from and to before, in which it is the same day in every zone; ``days`` [zones, T]."""
    edges = [0, *(1 + np.flatnonzero((days[:, 1:] != days[:, :-1]).any(axis=0))).tolist(), days.shape[1]]
    return list(pairwise(edges))


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


def _all_clicks(specs: Sequence[Campaign]) -> bool:
    return all(spec.goal == "clicks" for spec in specs)


def _worth(specs: Sequence[Campaign]) -> Floats:
    """[R, 1] what a goal unit counts in sums over campaigns."""
    return np.ones((len(specs), 1)) if _all_clicks(specs) else portfolio.worth(specs)[:, None]


def _total(truths: Sequence[Truth], worth: Floats) -> Truth:
    """All campaigns together; ``worth`` [R, 1]."""
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
            units = goal_units(specs[row], reported[row]) if truths is None else truths[row].value
            bought[specs[row].goal] = bought.get(specs[row].goal, 0.0) + float(units.sum())
        over = overspend_micros([specs[row] for row in rows], micros, months)
        spend, money = reported[rows, :, :, 0].sum(axis=0), plan[rows].sum(axis=0)
        found.append(CurrencyReport(name, len(rows), spend, money, over, bought))
    return found


def _usd(spec: Campaign, reported: Floats, plan: Floats) -> float:
    """Roughly how much money a campaign is about: spent, or to be spent."""
    return in_usd(max(float(reported[:, :, 0].sum()), float(plan.sum())), spec.currency)


def _changes(journal: Journal, clock: LocalClock) -> list[Transition]:
    """The newest ones; what a person held, or a quarantine demanded, was no campaign's doing."""
    held, found = holds(journal, 0, clock.newest + 1), []
    for tick, old, new in journal.mode_changes(0, clock.newest + 1)[-_CHANGES:]:
        if hour := journal.hour(tick):
            other = demanded_by(tick, new, hour[2], held)
            why = [other] if other else causes(charts_of(hour[2]), hour[2].get("culprits", ()))
            found.append(Transition(tick, datetime.fromisoformat(hour[0]), old, new, hour[1], tuple(why)))
    return found
