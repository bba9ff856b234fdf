"""Platforms that do as they are told and as they publish, and the days of the accounts on them.

Letters: R campaigns, C channels.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swarm import portfolio
from swarm.effects.limits import Limits
from swarm.platforms.calendar import Calendar, Moment
from swarm.platforms.channels import FOUR
from swarm.platforms.protocol import Effects, Spending
from swarm.spec.campaign import Campaign
from swarm.spec.example import EXAMPLE
from swarm.spec.money import format_micros, minor_digits
from swarm.spec.yaml import parse_yaml
from tests.effects.checker import BUDGET, PERSON, Call, Change, Charge, Day, Entry, Owner
from tests.effects.published import Bill

ZONES = ("America/New_York", "Europe/Berlin", "Asia/Kuwait", "Asia/Seoul")
ROWS, CHANNELS = len(ZONES), len(FOUR)
CASES = (
    (date(2026, 3, 6), ("USD", "JPY", "KWD", "KRW")),
    (date(2026, 3, 28), ("KRW", "EUR", "JPY", "BHD")),
    (date(2026, 10, 24), ("GBP", "TND", "CLP", "JPY")),
    (date(2026, 10, 30), ("JPY", "KWD", "INR", "VND")),
)
"""First day and currencies: clocks go forward in New York and in Berlin, back in Berlin and in New York; all but the
first see a month end."""
CAPS: tuple[dict[str, int], ...] = (
    {"daily_nominal": 150, "daily_exposure": 260},
    {"daily_exposure": 260, "monthly": 1200},
    {"daily_exposure": 260, "lifetime": 700},
    {"daily_nominal": 200, "daily_exposure": 300, "monthly": 1500, "lifetime": 1600},
)
"""In the smallest amounts of the currency; where the longer caps bind, the daily ones hardly do."""
STEPS = (("0.5", "1", "0.5", 3), ("10", "10", "10", 0), ("10", "10", "10", 0), ("2", "4", "1", 2))
"""Of a budget in a write and in a day, of a bid in a write, and the cooldown in hours."""
LIFE_DAYS = 12
LAG_H = tuple(channel.report_lag_h for channel in FOUR)


@dataclass(frozen=True, eq=False)
class Accounts:
    """Four campaigns with their owners' limits and clocks."""

    start: date
    campaigns: tuple[Campaign, ...]
    units: tuple[int, ...]
    owners: tuple[Owner, ...]
    calendar: Calendar
    fixed: Limits

    @classmethod
    @lru_cache
    def of(cls, case: int) -> Accounts:
        """Those of ``CASES``."""
        start, currencies = CASES[case]
        units = tuple(10 ** (6 - minor_digits(currency)) for currency in currencies)
        campaigns = tuple(_campaign(row, start, currency) for row, currency in enumerate(currencies))
        owners = tuple(_owner(row, start, unit) for row, unit in enumerate(units))
        fixed = replace(portfolio.limits(campaigns, FOUR), max_paused=1.0, max_fall=1.0)
        return cls(start, campaigns, units, owners, Calendar(start, ZONES), fixed)

    def limits(self, tick: int) -> Limits:
        """What the door holds hour ``tick`` to."""
        return portfolio.limits_at(self.fixed, self.campaigns, FOUR, self.calendar, tick)


limits = lru_cache(maxsize=None)(Accounts.limits)
moment = lru_cache(maxsize=None)(Calendar.at)
dates = lru_cache(maxsize=None)(Calendar.dates)
began = lru_cache(maxsize=None)(Calendar.began)


def _campaign(row: int, start: date, currency: str) -> Campaign:
    def money(amount: int) -> str:
        return format_micros(amount * 10 ** (6 - minor_digits(currency)), currency)

    step, day, bid, cooldown = STEPS[row]
    end = {"end": str(start + timedelta(days=LIFE_DAYS - 1))} if row == 2 else {}
    tree: Any = dict(parse_yaml(EXAMPLE, "example").tree)  # type: ignore[arg-type]
    tree |= {
        "metadata": {"name": f"c{row}", "owner": "tests"},
        "currency": currency,
        "time_zone": ZONES[row],
        "schedule": {"start": str(start), **end},
        "budget": {"period": "DAILY", "amount": money(20), "min_amount": money(1), "max_amount": money(120)},
        "caps": {name: money(cap) for name, cap in CAPS[row].items()},
        "bidding": {"strategy": "MAXIMIZE_CONVERSIONS", "bid_min": money(1), "bid_max": money(160)},
        "conversion_goals": [{"id": "purchase", "event": "PURCHASE"}],
        "guardrails": {
            "max_change_per_step": step, "max_change_per_day": day, "max_bid_change_per_step": bid,
            "cooldown_hours": str(cooldown),
        },
        "autonomy": {"mode": "auto"},
    }  # fmt: skip
    return Campaign.model_validate(tree)


def _owner(row: int, start: date, unit: int) -> Owner:
    caps = {name: CAPS[row].get(name) for name in ("daily_nominal", "monthly", "lifetime")}
    step, day, bid, cooldown = STEPS[row]
    return Owner(
        unit=unit,
        last=start + timedelta(days=LIFE_DAYS - 1) if row == 2 else None,
        daily_exposure=CAPS[row]["daily_exposure"] * unit,
        step=_share(step), day_change=_share(day), bid_step=_share(bid), cooldown_h=cooldown,
        **{name: None if cap is None else cap * unit for name, cap in caps.items()},
    )  # fmt: skip


def _share(text: str) -> tuple[int, int]:
    return (1, 2) if text == "0.5" else (int(text), 1)


class Platforms:
    """What is in force, what was charged for it, and a log of both."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self.tick = 0
        self.log: list[Entry] = []
        self._force: dict[tuple[int, int, int, int], int] = defaultdict(int)
        self._bills = [[Bill(channel.platform) for channel in FOUR] for _ in ZONES]
        self._days: list[date | None] = [None] * ROWS
        self._charged = np.zeros((ROWS, CHANNELS), dtype=np.int64)
        self._ends: list[NDArray[np.int64]] = []
        """[R, C] charged by the end of each hour."""
        self._before_day = np.zeros((ROWS, CHANNELS), dtype=np.int64)
        self._before_month = np.zeros((ROWS, CHANNELS), dtype=np.int64)
        self._begin()

    def _begin(self) -> None:
        """The local days that begin in this hour."""
        for row, day in enumerate(dates(self._accounts.calendar, self.tick)):
            if day == self._days[row]:
                continue
            self._days[row] = day
            self._before_day[row] = self._charged[row]
            if day.day == 1:
                self._before_month[row] = self._charged[row]
            for bill in self._bills[row]:
                bill.begin(day)
            self.log.append(Day(row, day))

    def hour(self, quarters: int) -> None:
        """An hour ends in which every channel charged so many ``quarters`` of what it may."""
        for row in range(ROWS):
            for channel in range(CHANNELS):
                bill = self._bills[row][channel]
                micros = bill.room() * quarters // 4 if quarters else 0
                if micros:
                    bill.charge(micros)
                    self._charged[row, channel] += micros
                    self.log.append(Charge(row, channel, micros))
        self._ends.append(self._charged.copy())
        self.tick += 1
        self._begin()

    def spending(self) -> Spending:
        """As reported, late by each platform's lag."""
        known = np.zeros((ROWS, CHANNELS), dtype=np.int64)
        as_of = np.empty((ROWS, CHANNELS), dtype=np.int64)
        for channel, lag in enumerate(LAG_H):
            as_of[:, channel] = last = max(self.tick - 1 - lag, -1)
            known[:, channel] = self._ends[last][:, channel] if last >= 0 else 0
        today = np.maximum(known - self._before_day, 0)
        month = np.maximum(known - self._before_month, 0).sum(axis=1)
        return Spending(today=today, month=month, lifetime=known.sum(axis=1), as_of=as_of)

    def set(self, intent: int, campaign: int, channel: int, field: int, creative: int, value: int) -> None:
        """One setting."""
        self._force[campaign, channel, field, creative] = value
        if field == BUDGET:
            day = self._days[campaign]
            assert day is not None
            self._bills[campaign][channel].edit(value, day)
        self.log.append(Change(self.tick, intent, campaign, channel, field, value))

    def apply(self, effects: Effects, deaf: int = -1, most: int | None = None) -> None:
        """The door's call: all but write ``deaf``, or the first ``most`` before the line is cut."""
        columns = (effects.intent, effects.campaign, effects.channel, effects.field, effects.creative, effects.value)
        for i, write in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
            if i != deaf and (most is None or i < most):
                self.set(*write)

    def ended(self, *, stopped: bool) -> None:
        """The door's call is over."""
        self.log.append(Call(stopped))

    def read_back(self, effects: Effects) -> NDArray[np.int64]:
        """[n] what is in force."""
        columns = (effects.campaign, effects.channel, effects.field, effects.creative)
        places = zip(*(column.tolist() for column in columns), strict=True)
        return np.array([self._force[place] for place in places], dtype=np.int64)

    def by_others(self, since: int) -> list[Change]:
        """What others changed from hour ``since`` on, oldest first."""
        return [
            entry for entry in self.log if isinstance(entry, Change) and entry.intent == PERSON and entry.tick >= since
        ]


def first_hours(tick: int, later: int, calendar: Calendar) -> list[Moment]:
    """The hours after ``tick`` up to ``later`` in which somebody's day begins, and the last one."""
    hours = [moment(calendar, t) for t in range(tick + 1, later + 1)]
    return [one for one in hours if one.tick == later or bool(one.new_day.any())]
