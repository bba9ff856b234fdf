"""The embedded market: the outside world of four platforms, advanced hour by hour.

It knows the truth and tells only what a platform's reports would show. Policies never read it.

Letters: R campaigns, C channels, K creatives.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from policies.frames import Report, pad
from swarm.platforms.auction import Auction, Hour
from swarm.platforms.calendar import Calendar, Moment
from swarm.platforms.channels import TERMS
from swarm.platforms.dynamics import Past
from swarm.platforms.protocol import Changes, Effects, Spending
from swarm.platforms.settings import Known, Settings
from swarm.platforms.streams import hourly
from swarm.platforms.world import World
from swarm.spec.delivery import CEILING
from swarm.spec.money import MICROS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_BUSY_DAY_SPREAD = 0.3


@dataclass
class Day:
    """Delivery of the running local day and of the ceiling's period, per campaign and channel."""

    spent: Ints
    """[R, C] micros today."""
    highest: Ints
    """[R, C] highest budget in force at any time today, micros."""
    busy: Floats
    """[R, C] how much of the budget today's demand would take, from 1 to the over-delivery factor."""
    period_spent: Ints
    """[R, C] micros in earlier days of the week or month."""
    period_budget: Ints
    """[R, C] sum of earlier days' highest budgets."""

    @classmethod
    def empty(cls, rows: int, channels: int) -> Day:
        """Before the first hour."""
        spent, highest, period_spent, period_budget = np.zeros((4, rows, channels), dtype=np.int64)
        return cls(spent, highest, np.ones((rows, channels)), period_spent, period_budget)


@dataclass
class Score:
    """What truly happened, in expectation; for figures alone."""

    value: Floats
    """[R, D] expected goal units of each local day."""
    spend: Ints
    """[R, D] micros."""
    by_channel: Ints
    """[R, C] micros of all days."""
    claimed: Floats
    """[R, D] expected goal units as the platforms count them: who is reached on two channels counts on both."""


class Market:
    """A seeded world, its calendar and all that moves in it."""

    def __init__(self, world: World, calendar: Calendar, *, days: int, budgets: Ints, paired: bool = False) -> None:
        """``budgets`` [R, days]: micros that each campaign may spend on each local day; 0 when it rests.

        ``paired``: every channel has its own luck, so that it meets the same whatever happens on the others; slower.
        """
        self.world, self.calendar, self.budgets, self._paired = world, calendar, budgets, paired
        rows, channels, creatives = world.shape
        self._auction = Auction(world)
        self.settings = Settings.empty(rows, channels, creatives)
        plane = (rows, channels)
        self._day = Day.empty(rows, channels)
        self._pending = np.zeros((2, *plane, creatives))
        self._past = Past.empty(world.dynamics, world.auctions_h)
        self._known = Known(*np.zeros((2, *plane), dtype=np.int64))
        self._edit = np.array([TERMS[c.platform].significant_edit for c in world.channels])
        self._matures = 1.0 - np.exp(-1.0 / world.lag_h)[..., None]
        self._over = np.array([c.over_delivery[0] / c.over_delivery[1] for c in world.channels])
        self._reports: dict[int, Report] = {}
        self._month = np.zeros(plane, dtype=np.int64)
        self.changes = Changes.none()
        """What others than the swarm have set."""
        value, claimed = np.zeros((2, rows, days))
        self.score = Score(value, np.zeros((rows, days), dtype=np.int64), np.zeros(plane, np.int64), claimed)
        self.tick = 0

    def advance(self) -> None:
        """Deliver one market hour under the settings in force."""
        moment = self.calendar.at(self.tick)
        self._open_day(moment)
        report = self._deliver(moment)
        self._reports[self.tick] = report
        self._reports.pop(self.tick - 8, None)
        self.tick += 1

    def report(self, channel: int) -> Report | None:
        """The newest hour that the channel reports by now; None while there is none."""
        hour = self.tick - 1 - self.world.channels[channel].report_lag_h
        return self._reports.get(hour)

    def spending(self, columns: slice = slice(None)) -> Spending:
        """Money spent on ``columns``: today's as each channel reports it by now, month's and lifetime's as charged."""
        today, as_of = np.zeros((2, *self.settings.budget.shape), dtype=np.int64)
        moment = self.calendar.at(self.tick)
        month = np.where(moment.new_month[:, None], 0, self._month)
        for channel in range(len(self.world.channels)):
            report = self.report(channel)
            as_of[:, channel] = -1 if report is None else report.tick
            if report is not None:
                spent = np.rint(report.spent_today[:, channel] * MICROS).astype(np.int64)
                today[:, channel] = np.where(report.day == moment.day, spent, 0)
        month, lifetime = (each[:, columns].sum(axis=1) for each in (month, self.score.by_channel))
        return Spending(today[:, columns], month, lifetime, as_of[:, columns])

    def learning(self) -> NDArray[np.bool_]:
        """[R, C] where a learning phase is under way."""
        rate = self.world.dynamics.learning.rate(self._past.conversions, self._past.hours)
        return (rate < 1.0) & (self.settings.budget > 0)

    def edit(self, effects: Effects, who: str) -> None:
        """Somebody else sets absolute values; the platforms' own logs tell ``who``."""
        known = int(self.changes.number.max(initial=0))
        self.changes = Changes.concat([self.changes, self.settings.change(effects, who, self.tick, known)])

    def take_over(self, earlier: Market) -> None:
        """Go on where ``earlier``, a market of the first of these campaigns, stands."""
        self.tick, self.changes = earlier.tick, earlier.changes
        self._pending = pad(earlier._pending, self._pending.shape)
        self._month = pad(earlier._month, self._month.shape)
        self._reports = {tick: self._grown(report) for tick, report in earlier._reports.items()}
        for name in ("settings", "score", "_day", "_past", "_known"):
            mine, theirs = getattr(self, name), getattr(earlier, name)
            for f in fields(mine):
                old = getattr(theirs, f.name)
                getattr(mine, f.name)[tuple(slice(size) for size in old.shape)] = old

    def in_world(self, world: World) -> Market:
        """The same market, all that has happened kept, with other parameters from now on."""
        moved = Market(world, self.calendar, days=self.score.value.shape[1], budgets=self.budgets)
        moved.take_over(self)
        return moved

    def _grown(self, report: Report) -> Report:
        """An earlier hour's report, in which campaigns that joined since have done nothing."""
        rows, channels, creatives = self.world.shape
        wide = {
            f.name: pad(getattr(report, f.name), (rows, channels, creatives)[: getattr(report, f.name).ndim])
            for f in fields(report)
            if f.name not in ("tick", "day")
        }
        return Report(tick=report.tick, day=self.calendar.at(report.tick).day, **wide)

    def _open_day(self, moment: Moment) -> None:
        day, new = self._day, moment.new_day[:, None]
        ends = np.stack([_period_opens(channel.platform, moment) for channel in self.world.channels], axis=1)
        day.period_spent = np.where(new, np.where(ends, 0, day.period_spent + day.spent), day.period_spent)
        day.period_budget = np.where(new, np.where(ends, 0, day.period_budget + day.highest), day.period_budget)
        day.spent = np.where(new, 0, day.spent)
        day.highest = np.where(new, self.settings.budget, np.maximum(day.highest, self.settings.budget))
        if moment.new_day.any():
            shape = day.busy.shape[1:]
            normal = self._draw("busy", lambda rng, rows: rng.standard_normal((rows.stop - rows.start, *shape)))
            demand = np.exp(_BUSY_DAY_SPREAD * normal)
            day.busy = np.where(new, np.clip(demand, 1.0, self._over), day.busy)

    def _room(self, moment: Moment) -> Ints:
        """[R, C] micros that may still be spent: today's delivery limit, within the period's ceiling."""
        day = self._day
        limit = np.floor(day.highest * day.busy).astype(np.int64) - day.spent
        left = np.stack([_days_left(channel.platform, moment) for channel in self.world.channels], axis=1)
        ceiling = day.period_budget + day.highest * left - day.period_spent - day.spent
        return np.maximum(np.where(left > 0, np.minimum(limit, ceiling), limit), 0)

    def _deliver(self, moment: Moment) -> Report:
        now, past, rivals = self.world.conditions(moment), self._past, self.world.dynamics.competition
        active = (self.settings.status == 1) & (self.settings.budget > 0) & self._running(moment)[:, None]
        bids = np.where(active, self.settings.bid, 0) / MICROS
        past.restart(self._known.edited(self.settings, self._edit))
        price = now.price * np.exp(rivals.price(past.won, past.met))
        hour = self._auction.run(bids[..., None], now.auctions, price, now.wear)
        share = self.settings.weight / np.maximum(self.settings.weight.sum(axis=2, keepdims=True), 1)
        cost = hour.cost[..., 0] * share
        total = cost.sum(axis=2)
        wanted = np.floor(total * MICROS).astype(np.int64)
        spent = np.minimum(wanted, self._room(moment))
        part = np.where(total > 0, spent / np.maximum(total * MICROS, 1e-9), 0.0)[..., None] * share
        seen = Hour(*(each[..., 0] * part for each in (hour.impressions, hour.clicks, hour.cost)))
        self._day.spent += spent
        self._month = np.where(moment.new_month[:, None], 0, self._month) + spent
        learning = self.world.dynamics.learning.rate(past.conversions, past.hours)
        conversions, clicks, brought = self._happen(moment, seen.clicks, now.rate * learning, spent)
        past.close(rivals.speed, seen.impressions.sum(axis=2), now.auctions, brought, bids > 0)
        return Report(
            tick=moment.tick,
            day=moment.day,
            bid=bids,
            impressions=np.rint(seen.impressions),
            clicks=clicks,
            cost=seen.cost,
            conversions=conversions * now.tracking[:, None, None],
            spent_today=self._day.spent / MICROS,
            limited=spent < wanted,
        )

    def _happen(self, moment: Moment, clicks: Floats, factor: Floats, spent: Ints) -> tuple[Floats, Floats, Floats]:
        """[R, C, K] conversions due and clicks, drawn, and [R, C] conversions to be expected of the hour's clicks.

        ``factor`` [R, C] on the usual rates. The score keeps the expected goal units, in which people count once.
        """
        rate = (self.world.goal_rate * factor)[..., None] * self.world.quality[:, None, :]
        claimed = (clicks * rate).sum(axis=2)
        brought = claimed / self.world.unit_value[:, None]
        self._past.reach(brought)
        counted = claimed * self.world.dynamics.overlap.counted(self._past.reached)
        self._record(moment, counted.sum(axis=1), claimed.sum(axis=1), spent)
        seen = self._poisson("clicks", clicks)
        self._pending += 0.5 * seen * rate / self.world.unit_value[:, None, None]
        due = self._pending * self._matures
        self._pending -= due
        return self._poisson("conversions", due.sum(axis=0)), seen, brought

    def _record(self, moment: Moment, value: Floats, claimed: Floats, spent: Ints) -> None:
        live = np.flatnonzero(self._running(moment))
        day = moment.day[live]
        self.score.by_channel += spent
        np.add.at(self.score.value, (live, day), value[live])
        np.add.at(self.score.claimed, (live, day), claimed[live])
        np.add.at(self.score.spend, (live, day), spent.sum(axis=1)[live])

    def credited(self) -> Floats:
        """[R, D] value of each day; a day that spent more than its budget keeps the budget's share of it.

        Money above the day's budget so earns nothing, and over-delivery cannot pass for skill.
        """
        share = self.budgets / np.maximum(self.score.spend, 1)
        return self.score.value * np.minimum(share, 1.0)

    def _running(self, moment: Moment) -> NDArray[np.bool_]:
        """[R] whether the campaign's local day has a budget."""
        days = self.budgets.shape[1]
        inside = (moment.day >= 0) & (moment.day < days)
        return np.asarray(inside & (self.budgets[np.arange(len(inside)), np.clip(moment.day, 0, days - 1)] > 0))

    def _poisson(self, purpose: str, mean: Floats) -> Floats:
        if self._paired:
            each = [self._drawn(f"{purpose} {c}", mean[:, c]) for c in range(mean.shape[1])]
            return np.stack(each, axis=1)
        return self._drawn(purpose, mean)

    def _drawn(self, purpose: str, mean: Floats) -> Floats:
        return self._draw(purpose, lambda rng, rows: rng.poisson(mean[rows]))

    def _draw(self, purpose: str, draw: Callable[[np.random.Generator, slice], NDArray[np.generic]]) -> Floats:
        """Rows of each seed from that seed's own stream, so that worlds side by side do not disturb each other."""
        parts, start = [], 0
        for seed, count in self.world.seeds():
            parts.append(draw(hourly(seed, purpose, self.tick), slice(start, start + count)))
            start += count
        return np.concatenate(parts).astype(np.float64)


def _period_opens(platform: str, moment: Moment) -> NDArray[np.bool_]:
    period = CEILING[platform]
    if period is None:
        return np.ones_like(moment.new_day)
    return moment.new_month if period == "month" else moment.week_days_left == 7


def _days_left(platform: str, moment: Moment) -> NDArray[np.int32]:
    """[R] days left in the ceiling's period, today included; 0 where there is no ceiling."""
    period = CEILING[platform]
    if period is None:
        return np.zeros_like(moment.month_days_left)
    return moment.month_days_left if period == "month" else moment.week_days_left
