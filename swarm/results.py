"""What a finished run was worth: the truth, the hindsight optimum and the rivals on the same market.

Values of different goals are added up as conversions: value goals by the worth of one, clicks of traffic
campaigns by ``portfolio.CLICK_WORTH``.

Letters: R campaigns, D days, C channels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np

from policies.frames import Floats, Ints
from swarm import portfolio
from swarm.actors.scenario import Scenario
from swarm.effects.limits import NO_CAP
from swarm.logged import bidder_of_each, hindsight_of_each
from swarm.platforms.hindsight import Optimum, hindsight
from swarm.rivals import RIVALS
from swarm.spec.campaign import Campaign
from swarm.spec.money import MICROS
from swarm.spec.rates import in_usd

_BLOCK_DAYS, _DRAWS = 7, 10_000


@dataclass(frozen=True, slots=True)
class Truth:
    """Expected results of the swarm and of what it is measured against."""

    value: Floats
    """[R, D] goal units."""
    spend: Ints
    """[R, D] micros."""
    by_channel: Ints
    """[R, C] micros."""
    best: Optimum
    """[R, D] of hindsight."""
    rivals: Mapping[str, Floats]
    """[R, D] by name."""


def truth(scenario: Scenario, campaigns: Sequence[Campaign], score: Mapping[str, Any]) -> Truth:
    """Judge the market's ``score``: the same world again for the rivals and the optimum."""
    calendar, budgets = scenario.calendar(campaigns), scenario.budgets(campaigns)
    known = portfolio.portfolio(campaigns, scenario.channels)
    ticks = calendar.ticks(scenario.days)
    rivals = {name: play(scenario.market(campaigns), known, ticks).credited() for name, play in RIVALS.items()}
    if scenario.logged is not None:
        rivals["logged_budgets"] = hindsight_of_each(scenario, campaigns, scenario.logged)
        rivals["logged_budgets_same_bidder"] = bidder_of_each(scenario, campaigns, scenario.logged)
    best = hindsight(scenario.draw(campaigns), calendar, budgets)
    return Truth(score["value"], score["spend"], score["by_channel"], best, rivals)


def overspend_micros(campaigns: Sequence[Campaign], spend: Ints, months: Sequence[int]) -> int:
    """Sum over caps of what was spent past them; ``spend`` [R, D] micros, ``months`` [D] the month of each day."""
    over = 0
    for row, campaign in enumerate(campaigns):
        caps = campaign.caps_micros
        over += int(np.maximum(spend[row] - caps["daily_exposure"], 0).sum())
        over += max(int(spend[row].sum()) - caps.get("lifetime", NO_CAP), 0)
        by_month = [int(spend[row][np.array(months) == month].sum()) for month in set(months)]
        over += sum(max(spent - caps.get("monthly", NO_CAP), 0) for spent in by_month)
    return over


def summary(scenario: Scenario, campaigns: Sequence[Campaign], found: Truth) -> dict[str, Any]:
    """Totals of a run, ready for JSON."""
    worth = portfolio.worth(campaigns)
    months = [_month(scenario.first + timedelta(days=day)) for day in range(scenario.days)]
    spend = _spend(campaigns, found.spend)
    value, best = _total(found.value, worth), _total(found.best.value, worth)
    against = {} if scenario.logged is None else {"history": _history(scenario, scenario.logged, found)}
    return {
        **against,
        "value": value,
        "spend": sum(in_usd(amount, currency) for currency, amount in spend.items()),
        "spend_currency": "USD",
        "spend_by_currency": spend,
        "hindsight_value": best,
        "hindsight_ratio": value / best if best else 0.0,
        "baselines": {name: _total(rival, worth) for name, rival in found.rivals.items()},
        "overspend_micros": overspend_micros(campaigns, found.spend, months),
        "campaigns": len(campaigns),
        "by_campaign": [_row(scenario, c, r, found) for r, c in enumerate(campaigns)],
    }


def _history(scenario: Scenario, logged: Ints, found: Truth) -> dict[str, Any]:
    """Clicks against what the log's own budgets would have bought."""
    ours, theirs, bidder = found.value, found.rivals["logged_budgets"], found.rivals["logged_budgets_same_bidder"]
    return {
        "days": scenario.days,
        "first": scenario.first.isoformat(),
        "channels": [channel.name for channel in scenario.channels],
        "clicks": float(ours.sum()),
        "logged_clicks": float(theirs.sum()),
        "logged_budget": {
            channel.name: int(own.sum()) / MICROS for channel, own in zip(scenario.channels, logged, strict=True)
        },
        "gain": gain(ours, theirs),
        "gain_over_same_bidder": gain(ours, bidder),
        "by_day": {
            "clicks": ours[0].tolist(),
            "logged_clicks": theirs[0].tolist(),
            "same_bidder_clicks": bidder[0].tolist(),
        },
    }


def gain(ours: Floats, theirs: Floats) -> list[float]:
    """Mean, low and high end of what ``ours`` gains on ``theirs`` [S, D], clicks of runs and their days; as a share.

    The 95 % interval is of a moving-block bootstrap: blocks of a week, since neighbouring days are alike, from
    runs drawn anew. (Künsch, "The Jackknife and the Bootstrap for General Stationary Observations", 1989.)
    """
    runs, days = ours.shape
    rng, block = np.random.default_rng(0), min(_BLOCK_DAYS, (days + 1) // 2)
    starts = rng.integers(days - block + 1, size=(_DRAWS, -(-days // block)))
    day = (starts[..., None] + np.arange(block)).reshape(_DRAWS, -1)[:, None, :days]
    run = rng.integers(runs, size=(_DRAWS, runs, 1))
    drawn = ours[run, day].sum(axis=(1, 2)) / np.maximum(theirs[run, day].sum(axis=(1, 2)), 1e-12) - 1.0
    return [float(ours.sum() / theirs.sum() - 1.0), *np.quantile(drawn, [0.025, 0.975]).tolist()]


def _row(scenario: Scenario, campaign: Campaign, row: int, found: Truth) -> dict[str, Any]:
    budget = scenario.budgets([campaign]) if scenario.daily is None else scenario.daily
    best = float(found.best.value[row].sum())
    return {
        "name": campaign.name,
        "goal": campaign.goal,
        "currency": campaign.currency,
        "value": float(found.value[row].sum()),
        "spend": int(found.spend[row].sum()) / MICROS,
        "budget": int(budget.sum()) / MICROS,
        "absorbable": float(found.best.spend[row].sum()),
        "cost_over_target": _cost_over_target(campaign, found, row),
        "hindsight_value": best,
        "hindsight_ratio": float(found.value[row].sum()) / best if best else 0.0,
        "baselines": {name: float(rival[row].sum()) for name, rival in found.rivals.items()},
        "by_channel": {
            channel.name: int(found.by_channel[row, i]) / MICROS for i, channel in enumerate(scenario.channels)
        },
        "by_day": {
            "value": found.value[row].tolist(),
            "hindsight_value": found.best.value[row].tolist(),
            "baselines": {name: rival[row].tolist() for name, rival in found.rivals.items()},
        },
    }


def _cost_over_target(campaign: Campaign, found: Truth, row: int) -> float | None:
    """What a goal unit cost over what it should cost; None without a target."""
    target, value = portfolio.target_cost(campaign), float(found.value[row].sum())
    return None if target is None or not value else int(found.spend[row].sum()) / MICROS / value / target


def _total(value: Floats, worth: Floats) -> float:
    return float((value.sum(axis=1) * worth).sum())


def _spend(campaigns: Sequence[Campaign], spend: Ints) -> dict[str, float]:
    """Currency units spent, by currency."""
    totals: dict[str, float] = {}
    for row, campaign in enumerate(campaigns):
        totals[campaign.currency] = totals.get(campaign.currency, 0.0) + int(spend[row].sum()) / MICROS
    return totals


def _month(day: date) -> int:
    return day.year * 12 + day.month
