"""What an agent learns from its platform's hourly reports.

Conversions come late, so they are held against *matured* clicks: each click counts by the share of its
conversions that should have been reported by now. The ratio is then unbiased at any age.
("Modeling Delayed Feedback in Display Advertising", 2014, with the two-stage lag that platforms document.)

Letters: R campaigns, C channels, K creatives.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from policies.clock import Hours, Traffic
from policies.frames import Bools, Evidence, Floats, Portfolio, Report, pad

SPEND_ELASTICITY = 2.0
"""Relative growth of spend with the bid that the spend scale assumes; pacing corrects what is left."""
_SPEND_MEMORY = 0.85
_PRIOR_ELASTICITY = 1.5
_PRIOR_PRECISION = 0.1
USUAL_SHARE, _PRIOR_CLICKS = 0.7, 4.0
"""What a click costs of its bid before any was seen, and the clicks that this is worth. Where impressions are paid for,
a channel may cost money for days without a click: it is dear, and not free."""
_RESIDUAL_MEMORY = 0.98
_RECENT = 0.8


def kept_an_hour(memory_days: Floats) -> Floats:
    """[R] share of the old that an hour keeps where evidence is to last ``memory_days`` [R] in the mean."""
    return np.asarray(np.exp(-1.0 / (24.0 * memory_days)))


_FLAT = ("day", "spent_today", "due", "cost")
"""Of a memory, what begins with the campaigns; all else has an axis before them."""
_UNKNOWN = {"day": -1.0, "usual": np.nan, "spread": 0.05}
"""What a memory holds of campaigns that have just joined, where that is not 0."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Discounted sums; all that an agent keeps."""

    tick: int
    day: Floats
    spent_today: Floats
    waiting: Floats
    """[2, R, C, K] clicks whose conversions are still to be reported, by lag."""
    due: Floats
    """[R, C, K] clicks that matured in the newest hour."""
    sums: Floats
    """[4, R, C, K] conversions, matured clicks, clicks, impressions."""
    totals: Floats
    """[3, R, C, K] clicks, matured clicks and conversions since the start."""
    cost: Floats
    """[R, C] spent since the start."""
    spend: Floats
    """[2, R, C] spend at a bid of 1, traffic."""
    click_cost: Floats
    """[3, R, C] cost, clicks at their bids, clicks."""
    landscape: Floats
    """[5, R, C] weight, x, y, xx, xy of log impressions per traffic (y) on log bid (x)."""
    pattern: Floats
    """[5, R, C] weight, x, y, xx, xy of an hour's spend at a bid of 1 (y) on the usual swing of traffic (x)."""
    recent: Floats
    """[2, R, C] conversions of the last hours, reported and expected."""
    usual: Floats
    """[3, R, C] running log levels of volume at a bid of 1, price and click rate."""
    spread: Floats
    """[3, R, C] their running variances."""

    @classmethod
    def empty(cls, portfolio: Portfolio) -> Memory:
        """Nothing seen yet."""
        rows, channels, creatives = portfolio.shape
        plane = (rows, channels)
        return cls(
            tick=-1,
            day=np.full(rows, -1.0),
            spent_today=np.zeros(plane),
            waiting=np.zeros((2, *plane, creatives)),
            due=np.zeros((*plane, creatives)),
            sums=np.zeros((4, *plane, creatives)),
            totals=np.zeros((3, *plane, creatives)),
            cost=np.zeros(plane),
            spend=np.zeros((2, *plane)),
            click_cost=np.zeros((3, *plane)),
            landscape=np.zeros((5, *plane)),
            pattern=np.zeros((5, *plane)),
            recent=np.zeros((2, *plane)),
            usual=np.full((3, *plane), np.nan),
            spread=np.full((3, *plane), 0.05),
        )

    def grown(self, shape: tuple[int, int, int]) -> Memory:
        """The same memory with empty rows and creatives up to ``shape`` (R, C, K)."""
        if self.waiting.shape[1:] == shape:
            return self
        grown: dict[str, Any] = {}
        for f in fields(self):
            old = getattr(self, f.name)
            if f.name == "tick":
                grown[f.name] = old
                continue
            lead = () if f.name in _FLAT else old.shape[:1]
            grown[f.name] = pad(old, (*lead, *shape)[: old.ndim], fill=_UNKNOWN.get(f.name, 0.0))
        return Memory(**grown)


def observe(
    memory: Memory,
    report: Report,
    hour: Hours,
    traffic: Traffic,
    rate: Floats,
    portfolio: Portfolio,
    *,
    keep: Floats,
    trust: bool,
) -> Memory:
    """``memory`` with one hour added; hours already known change nothing.

    ``hour`` [R]: hour of the week of the report. ``rate`` [R, C, K]: conversions per click that the
    last plan expected. ``keep`` [R]: share of the old that an hour keeps.
    ``trust``: false while conversions are not believed; they and the clicks that they answer are left out.
    """
    if report.tick <= memory.tick:
        return memory
    matures = 1.0 - np.exp(-1.0 / portfolio.lag_h)[:, None, :, None]
    usual = traffic.at(hour)
    waiting = memory.waiting + 0.5 * report.clicks
    matured = (waiting * matures).sum(axis=0)
    answered = np.stack([report.conversions, matured]) if trust else np.zeros((2, *matured.shape))
    fresh = np.concatenate([answered, report.clicks[None], report.impressions[None]])
    return replace(
        memory,
        tick=report.tick,
        day=report.day.astype(np.float64),
        spent_today=report.spent_today,
        waiting=waiting * (1.0 - matures),
        due=matured,
        sums=keep[:, None, None] * memory.sums + fresh,
        totals=memory.totals + np.stack([report.clicks, matured, report.conversions]),
        cost=memory.cost + report.cost.sum(axis=2),
        spend=_spend(memory.spend, report, usual),
        click_cost=keep[:, None] * memory.click_cost + _click_cost(report),
        landscape=keep[:, None] * memory.landscape + _landscape(report, usual),
        pattern=keep[:, None] * memory.pattern + _pattern(report, traffic.swing(hour)),
        recent=_RECENT * memory.recent + np.stack([report.conversions.sum(axis=2), (matured * rate).sum(axis=2)]),
        **_levels(memory, report, usual),
    )


def _spend(spend: Floats, report: Report, traffic: Floats) -> Floats:
    """The old fades with traffic, so that a quiet night does not wipe out the day before it.

    Hours that the budget cut short are left out: they tell of the budget, not of the bid.
    """
    live = _live(report)
    weight = np.where(live, traffic[:, None], 0.0)
    scaled = _spend_at_one(report)
    return np.asarray(spend * _SPEND_MEMORY**weight + np.stack([scaled, weight]))


def _live(report: Report) -> Bools:
    return (report.bid > 0) & ~report.limited


def _spend_at_one(report: Report) -> Floats:
    """[R, C] what the hour would have cost at a bid of 1; 0 where the budget cut it short."""
    live = _live(report)
    return np.where(live, report.cost.sum(axis=2) / np.where(live, report.bid, 1.0) ** SPEND_ELASTICITY, 0.0)


def _pattern(report: Report, swing: Floats) -> Floats:
    x, y = np.repeat(swing[:, None], report.bid.shape[1], axis=1), _spend_at_one(report)
    return np.where(_live(report), np.stack([np.ones_like(y), x, y, x * x, x * y]), 0.0)


def _click_cost(report: Report) -> Floats:
    clicks = report.clicks.sum(axis=2)
    return np.stack([report.cost.sum(axis=2), clicks * report.bid, clicks])


def _landscape(report: Report, traffic: Floats) -> Floats:
    shown = report.impressions.sum(axis=2)
    live = (report.bid > 0) & (shown > 0) & ~report.limited
    x = np.log(np.where(live, report.bid, 1.0))
    y = np.log(np.where(live, shown, 1.0) / traffic[:, None])
    return np.where(live, np.stack([np.ones_like(x), x, y, x * x, x * y]), 0.0)


def _observed(report: Report, traffic: Floats) -> Floats:
    """[3, R, C] log volume at a bid of 1, log price of an impression over its bid, log click rate; NaN unseen."""
    shown, clicks, cost = (a.sum(axis=2) for a in (report.impressions, report.clicks, report.cost))
    with np.errstate(divide="ignore", invalid="ignore"):
        volume = np.log(shown / traffic[:, None]) - _PRIOR_ELASTICITY * np.log(report.bid)
        price = np.log(cost / shown)
        rate = np.log((clicks + 0.5) / shown)
    return np.where(
        np.isfinite(volume) & np.isfinite(price) & (shown > 20) & ~report.limited,
        np.stack([volume, price, rate]),
        np.nan,
    )


def _levels(memory: Memory, report: Report, traffic: Floats) -> dict[str, Floats]:
    seen = _observed(report, traffic)
    known, first = np.isfinite(seen), np.isnan(memory.usual)
    usual = np.where(known & first, seen, memory.usual)
    gap = np.where(known & ~first, seen - usual, 0.0)
    spread = np.where(gap != 0.0, _RESIDUAL_MEMORY * memory.spread + (1 - _RESIDUAL_MEMORY) * gap**2, memory.spread)
    return {"usual": usual + 0.1 * gap, "spread": spread}


def evidence(memory: Memory, previous: Memory, report: Report | None, traffic: Floats) -> Evidence:
    """``memory`` as the coordinator reads it; ``previous``, from before the hour, says what was usual."""
    conversions, matured, clicks, impressions = memory.sums
    share, per_click = _cost_of_a_click(memory)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = memory.spend[0] / memory.spend[1]
    return Evidence(
        tick=np.full(memory.spent_today.shape[1], memory.tick, dtype=np.int64),
        day=np.repeat(memory.day[:, None].astype(np.int32), memory.spent_today.shape[1], axis=1),
        conversions=conversions,
        matured_clicks=matured,
        clicks=clicks,
        impressions=impressions,
        spend_scale=scale,
        cost_share=np.clip(share, 0.05, 1.0),
        cost_per_click=per_click,
        elasticity=elasticity(memory.landscape),
        pattern=np.moveaxis(memory.pattern, 0, -1),
        spent_today=memory.spent_today,
        totals=np.moveaxis(memory.totals, 0, -1),
        cost=memory.cost,
        residual=residual(memory, previous, report, traffic),
    )


def _cost_of_a_click(memory: Memory) -> tuple[Floats, Floats]:
    """[R, C] its part of the bid, and its cost in currency units; 0 before anything was spent."""
    cost, at_bid, clicked = memory.click_cost
    weight, log_bid = memory.landscape[:2]
    bid = np.where(weight > 0, np.exp(log_bid / np.maximum(weight, 1e-9)), at_bid / np.maximum(clicked, 1e-9))
    most, due = at_bid + _PRIOR_CLICKS * bid, cost + _PRIOR_CLICKS * USUAL_SHARE * bid
    return np.where(most > 0, due / np.maximum(most, 1e-300), USUAL_SHARE), due / (clicked + _PRIOR_CLICKS)


def elasticity(landscape: Floats) -> Floats:
    """[R, C] slope of log impressions on log bid, drawn to the prior while bids have hardly moved."""
    weight, x, y, xx, xy = landscape
    count = np.maximum(weight, 1e-9)
    slope = (xy - x * y / count + _PRIOR_PRECISION * _PRIOR_ELASTICITY) / (xx - x * x / count + _PRIOR_PRECISION)
    return np.asarray(np.clip(slope, 0.3, 6.0))


def residual(memory: Memory, previous: Memory, report: Report | None, traffic: Floats) -> Floats:
    """[R, 4] how far the hour was from the usual, in standard deviations; NaN where nothing can be said.

    Volume, price and click rate of the hour; conversions of the last five hours or so, by now expected.
    """
    rows = memory.spent_today.shape[0]
    if report is None or memory.tick == previous.tick:
        return np.full((rows, 4), np.nan)
    seen = _observed(report, traffic)
    levels = _mean((seen - previous.usual) / np.sqrt(previous.spread))
    got, due = memory.recent.sum(axis=2)
    surprise = np.where(due > 0.5, (got - due) / np.sqrt(np.maximum(due, 0.5)), np.nan)
    return np.stack([*levels, surprise], axis=1)


def _mean(values: Floats) -> Floats:
    """[3, R] mean over the channels that were seen; NaN where none was."""
    known = np.isfinite(values)
    count = known.sum(axis=2)
    return np.where(count > 0, np.where(known, values, 0.0).sum(axis=2) / np.maximum(count, 1), np.nan)
