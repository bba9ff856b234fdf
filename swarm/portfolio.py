"""Campaigns as arrays: the form in which policies, the door and the market know them.

Letters: R campaigns, C channels, K creatives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from policies.embedding import embed_text
from policies.frames import Bools, Floats, Ints, Portfolio
from policies.naming import check_known
from swarm.agent import Steps
from swarm.effects.horizon import budgets_ahead, month_end
from swarm.effects.limits import NO_CAP, Autonomy, Limits, Shared
from swarm.platforms.calendar import Calendar
from swarm.platforms.channels import TERMS
from swarm.platforms.protocol import Channel
from swarm.platforms.world import Listing
from swarm.spec.campaign import Campaign
from swarm.spec.config import SharedCaps, SwarmConfig
from swarm.spec.money import MICROS, minor_digits, to_micros
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
        significant_edit=np.array([c.significant_edit for c in channels]),
        lag_h=np.array([TERMS[c.platform].conversion_lag_h for c in channels]).T,
    )


def limits(campaigns: Sequence[Campaign], channels: Sequence[Channel], config: SwarmConfig | None = None) -> Limits:
    """What the door holds the campaigns to, as if no day were left after today; ``limits_at`` knows the hour.

    Raises:
        ValueError: a campaign names shared caps that ``config`` does not have, or that have no rate for its currency.
    """
    config = config or SwarmConfig()
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
        month_ahead=np.zeros((2, len(campaigns), len(channels)), dtype=np.int64),
        life_ahead=np.zeros((2, len(campaigns), len(channels)), dtype=np.int64),
        allowed=allowed(campaigns, channels),
        autonomy=np.array([Autonomy[c.autonomy.mode.upper()] for c in campaigns], dtype=np.int64),
        running=np.ones(len(campaigns), dtype=np.bool_),
        cooldown_h=np.array([r.cooldown_hours for r in rails], dtype=np.int64),
        protect_learning=np.array([r.protect_learning for r in rails], dtype=np.bool_),
        max_age_h=np.array([r.max_data_age_hours for r in rails], dtype=np.int64),
        ask_above=np.array([_share(r.approval_above.increase) for r in rails]),
        ask_above_amount=np.array([_or_no_cap(c.approval_amount_micros) for c in campaigns], dtype=np.int64),
        max_actions=np.array([_or_no_cap(r.max_actions_per_run) for r in rails], dtype=np.int64),
        shared=_shared(campaigns, config.portfolios),
        max_paused=config.guard.max_paused,
        max_fall=config.guard.max_fall,
    )


def _shared(campaigns: Sequence[Campaign], caps: Mapping[str, SharedCaps]) -> Shared:
    """Caps that several campaigns share."""
    names = list(caps)
    for campaign in campaigns:
        _check_shared(campaign, caps)
    joined = [(c, c.caps.portfolio) for c in campaigns]
    return Shared(
        of=np.array([-1 if name is None else names.index(name) for _, name in joined], dtype=np.int64),
        rate=np.array([1.0 if name is None else caps[name].rate(c.currency) for c, name in joined]),
        daily_exposure=np.array([to_micros(c.daily_exposure, c.currency) for c in caps.values()], dtype=np.int64),
        monthly=np.array([to_micros(c.monthly, c.currency) if c.monthly else NO_CAP for c in caps.values()]),
    )


def _check_shared(campaign: Campaign, caps: Mapping[str, SharedCaps]) -> None:
    name = campaign.caps.portfolio
    if name is None:
        return
    check_known("portfolio", name, caps)
    try:
        caps[name].rate(campaign.currency)
    except KeyError as error:
        text = f"{campaign.name} spends {campaign.currency}, and portfolio {name} has no rate for it"
        raise ValueError(f"{text}: add portfolios.{name}.rates.{campaign.currency}") from error


def _or_no_cap(limit: int | None) -> int:
    return NO_CAP if limit is None else limit


def _share(asked: Decimal | None) -> float:
    return np.inf if asked is None else float(asked)


def limits_at(
    fixed: Limits, campaigns: Sequence[Campaign], channels: Sequence[Channel], calendar: Calendar, tick: int
) -> Limits:
    """``fixed`` with the days that are left in market hour ``tick``."""
    days = list(zip(campaigns, calendar.dates(tick), strict=True))
    month = [(day, month_end(day)) for _, day in days]
    life = [(day, c.end or end) for (c, day), (_, end) in zip(days, month, strict=True)]
    near = [(day, min(end, last)) for (day, end), (_, last) in zip(month, life, strict=True)]
    return replace(
        fixed,
        month_ahead=budgets_ahead(channels, near),
        life_ahead=budgets_ahead(channels, life),
        running=np.array([c.active_on(day) for c, day in days], dtype=np.bool_),
    )


def steps(campaigns: Sequence[Campaign]) -> Steps:
    """How far a specialist may go in one step, by the campaigns' guardrails."""
    names = ("max_change_per_step", "max_bid_change_per_step", "min_change")
    budget, bid, least = (np.array([float(getattr(c.guardrails, name)) for c in campaigns]) for name in names)
    return Steps(budget, bid, least, np.array([MICROS // 10 ** minor_digits(c.currency) for c in campaigns]))


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
