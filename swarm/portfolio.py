"""Campaigns as arrays: the form in which policies, the door and the market know them.

Letters: R campaigns, C channels, K creatives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import numpy as np
from numpy.typing import NDArray

from policies.embedding import embed_text
from policies.frames import Bools, Floats, Ints, Portfolio
from swarm.agent import Steps
from swarm.effects.limits import NO_CAP, Limits
from swarm.platforms.calendar import Calendar
from swarm.platforms.channels import TERMS
from swarm.platforms.protocol import Channel
from swarm.platforms.world import Listing
from swarm.spec.campaign import Campaign
from swarm.spec.money import MICROS
from swarm.spec.sections import Creative

CLICK_WORTH = 0.03
"""Conversions that a click stands for where totals mix traffic campaigns with others."""


def portfolio(campaigns: Sequence[Campaign], channels: Sequence[Channel]) -> Portfolio:
    """What policies know of the campaigns before anything is spent."""
    low, high = np.array([c.bid_bounds_micros for c in campaigns]).reshape(-1, 2).T / MICROS
    return Portfolio(
        allowed=allowed(campaigns, channels),
        creatives=_creatives(campaigns),
        bid_low=low,
        bid_high=high,
        target_cost=np.array([target_cost(c) or np.inf for c in campaigns]),
        unit_value=np.array([_unit_value(c) for c in campaigns]),
        exposure_cap=_caps(campaigns, "daily_exposure") / MICROS,
        nominal_cap=_caps(campaigns, "daily_nominal") / MICROS,
        over_delivery=np.array([c.over_delivery[0] / c.over_delivery[1] for c in channels]),
        first_price=np.array([c.auction == "first_price" for c in channels]),
        lag_h=np.array([TERMS[c.platform].conversion_lag_h for c in channels]).T,
    )


def limits(campaigns: Sequence[Campaign], channels: Sequence[Channel]) -> Limits:
    """What the door holds the campaigns to, as if no day were left after today; ``limits_at`` knows the hour."""
    bids = np.array([c.bid_bounds_micros for c in campaigns], dtype=np.int64).reshape(-1, 2)
    rails = [c.guardrails for c in campaigns]
    return Limits(
        daily_exposure=_caps(campaigns, "daily_exposure"),
        daily_nominal=_caps(campaigns, "daily_nominal"),
        monthly=_caps(campaigns, "monthly"),
        lifetime=_caps(campaigns, "lifetime"),
        bid_min=bids[:, 0],
        bid_max=bids[:, 1],
        budget_min=np.zeros(len(campaigns), dtype=np.int64),
        budget_max=_caps(campaigns, "daily_exposure"),
        max_step=np.array([float(r.max_change_per_step) for r in rails]),
        max_day_change=np.array([float(r.max_change_per_day) for r in rails]),
        max_bid_step=np.array([float(r.max_bid_change_per_step) for r in rails]),
        month_left=np.zeros(len(campaigns), dtype=np.int64),
        life_left=np.zeros(len(campaigns), dtype=np.int64),
        allowed=allowed(campaigns, channels),
        auto=np.array([c.autonomy.mode == "auto" for c in campaigns]),
    )


def limits_at(fixed: Limits, campaigns: Sequence[Campaign], calendar: Calendar, tick: int) -> Limits:
    """``fixed`` with the days that are left in market hour ``tick``."""
    month = calendar.at(tick).month_days_left.astype(np.int64) - 1
    life = np.array(
        [_days_left(c, day) for c, day in zip(campaigns, calendar.dates(tick), strict=True)], dtype=np.int64
    )
    near = np.where(life < 0, month, np.minimum(month, life))
    return replace(fixed, month_left=near, life_left=np.where(life < 0, month, life))


def steps(campaigns: Sequence[Campaign]) -> Steps:
    """How far a specialist may go in one step, by the campaigns' guardrails."""
    names = ("max_change_per_step", "max_bid_change_per_step", "min_change")
    return Steps(*(np.array([float(getattr(c.guardrails, name)) for c in campaigns]) for name in names))


def listings(campaigns: Sequence[Campaign], channels: Sequence[Channel], seed: int) -> list[Listing]:
    """What the embedded market knows of the campaigns."""
    return [
        Listing(
            name=c.name,
            goal=c.goal,
            objective=c.objective,
            zone=c.time_zone,
            daily_budget=c.daily_budget_micros / MICROS,
            bid_bounds=(c.bid_bounds_micros[0] / MICROS, c.bid_bounds_micros[1] / MICROS),
            target_cost=target_cost(c),
            value_per_conversion=c.value_per_conversion_micros / MICROS,
            audiences=tuple(a.kind for a in c.audiences),
            genomes=tuple((k.genome.hook, k.genome.promise, k.genome.frame) for k in c.creatives),
            allowed=tuple(channel.platform in c.platforms for channel in channels),
            seed=seed,
        )
        for c in campaigns
    ]


def allowed(campaigns: Sequence[Campaign], channels: Sequence[Channel]) -> Bools:
    """[R, C] channels on platforms that each campaign allows."""
    rows = [[channel.platform in c.platforms for channel in channels] for c in campaigns]
    return np.array(rows, dtype=np.bool_).reshape(len(campaigns), len(channels))


def money(campaigns: Sequence[Campaign], dates: Sequence[date]) -> Ints:
    """[R] micros that each campaign may spend on its local date; 0 while it rests."""
    pairs = zip(campaigns, dates, strict=True)
    return np.array([c.daily_budget_micros if c.active_on(day) else 0 for c, day in pairs], dtype=np.int64)


def worth(campaigns: Sequence[Campaign]) -> Floats:
    """[R] conversions that a goal unit stands for, so that totals can be added over campaigns."""
    unit = np.array([_unit_value(c) for c in campaigns])
    return np.where(unit > 0, 1.0 / np.where(unit > 0, unit, 1.0), CLICK_WORTH)


def target_cost(campaign: Campaign) -> float | None:
    """Highest average cost of a goal unit: the target CPA, or 1 / ROAS for a unit of value."""
    if campaign.target_roas:
        return 1.0 / campaign.target_roas
    return None if campaign.target_cpa_micros is None else campaign.target_cpa_micros / MICROS


def creative_elements(campaigns: Sequence[Campaign], slots: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Embeddings of each creative's text [R * K, 1, 256], and of its hook, promise and frame [R * K, 3, 256]; zero
    where there is no creative."""
    table = np.zeros((len(campaigns) * slots, 4, 256), dtype=np.float32)
    for r, campaign in enumerate(campaigns):
        for k, one in enumerate(campaign.creatives):
            table[r * slots + k] = _elements(one)
    return table[:, 3:], table[:, :3]


def campaign_embeddings(campaigns: Sequence[Campaign]) -> NDArray[np.float32]:
    """[R, 1, 256] embeddings of objective, goal, audiences and texts."""
    texts = [
        " ".join(
            [c.objective, c.goal, *(f"{a.kind} {a.description}" for a in c.audiences), *c.metadata.labels.values()]
        )
        for c in campaigns
    ]
    return np.array([embed_text(text) for text in texts], dtype=np.float32).reshape(-1, 1, 256)


def _elements(one: Creative) -> NDArray[np.float32]:
    genome = one.genome
    parts = [embed_text(value) for value in (genome.hook, genome.promise, genome.frame)]
    own = (
        np.array([float(x) for x in one.embedding])
        if one.embedding
        else embed_text(f"{one.headline} {one.primary_text}")
    )
    return np.stack([*parts, own]).astype(np.float32)


def _unit_value(campaign: Campaign) -> float:
    if campaign.goal == "clicks":
        return 0.0
    return campaign.value_per_conversion_micros / MICROS if campaign.goal == "value" else 1.0


def _creatives(campaigns: Sequence[Campaign]) -> Bools:
    slots = max((len(c.creatives) for c in campaigns), default=1)
    return np.array([[k < len(c.creatives) for k in range(slots)] for c in campaigns], dtype=np.bool_).reshape(
        -1, slots
    )


def _caps(campaigns: Sequence[Campaign], name: str) -> Ints:
    return np.array([c.caps_micros.get(name, NO_CAP) for c in campaigns], dtype=np.int64)


def _days_left(campaign: Campaign, day: date) -> int:
    """Days after ``day`` to the campaign's end; -1 where it has none."""
    return -1 if campaign.end is None else max((campaign.end - day).days, 0)
