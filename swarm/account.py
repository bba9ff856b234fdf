"""A logged account as one campaign: its logged campaigns are channels that share one daily budget.

Letters: D days run, C channels.
"""

from __future__ import annotations

from datetime import date, timedelta
from decimal import ROUND_CEILING, Decimal
from pathlib import Path

import numpy as np

from policies.frames import Floats, Ints
from swarm import portfolio
from swarm.actors.scenario import Scenario
from swarm.platforms.history import channels, fit, world
from swarm.platforms.log import AccountLog
from swarm.spec.campaign import Campaign
from swarm.spec.config import SwarmConfig
from swarm.spec.delivery import OVER_DELIVERY
from swarm.spec.money import MICROS, minor_digits

NAME = "logged-account"
_BID_ROOM = 8.0
"""Bids may go this far below the lowest fitted price and above the highest."""
_EXPOSURE_ROOM = 2.0
"""The cap on a day's worst case over that of the highest logged budgets: budgets are fences with room behind them."""
_CHANGE = "10"
"""Budgets of a log jump; a step of ten times lets those of the run follow."""


def replay(log: AccountLog, config: SwarmConfig, folder: Path, currency: str) -> tuple[Scenario, Campaign]:
    """The last ``config.run.days`` days of ``log``, on their own dates and with their own money.

    Raises:
        ValueError: the log has fewer days, they had no money, or clicks cost less than ``currency`` can say.
    """
    days = config.run.days
    if days > len(log):
        raise ValueError(f"the log has {len(log)} days, not {days}")
    last, responses = slice(len(log) - days, len(log)), fit(log)
    run = log.part(last)
    logged = np.rint(np.nan_to_num(run.budget.T) * MICROS).astype(np.int64)
    if not logged.any():
        raise ValueError(f"the log has no budgets in its last {days} days")
    prices = np.array([each.price for each in responses])
    if prices.min() < 10.0 ** -minor_digits(currency):
        raise ValueError(f"a click at {prices.min():.2g} {currency} is below that currency's smallest unit")
    daily, kinds = logged.sum(axis=0), channels(log.names)
    campaign = _campaign(run.first, daily, prices, currency)
    (listing,) = portfolio.listings([campaign], kinds, config.run.seed)
    market = world(log, responses, last, listing)
    return Scenario(config, folder, kinds, run.first, days, market, daily=daily[None], logged=logged), campaign


def _campaign(first: date, daily: Ints, prices: Floats, currency: str) -> Campaign:
    """One campaign after clicks, with caps that allow whatever the log's own budgets would have."""
    money, platform = daily[daily > 0] / MICROS, "google_ads"
    exposure = _EXPOSURE_ROOM * float(OVER_DELIVERY[platform]) * money.max()

    def amount(value: float) -> str:
        return _amount(value, currency)

    return Campaign.model_validate(
        {
            "apiVersion": "swarm.ads/v1",
            "kind": "Campaign",
            "metadata": {"name": NAME, "owner": "account"},
            "currency": currency,
            "time_zone": "UTC",
            "objective": "OUTCOME_TRAFFIC",
            "schedule": {"start": first, "end": first + timedelta(days=len(daily) - 1)},
            "platforms": [platform],
            "budget": {
                "period": "DAILY",
                "amount": amount(money.mean()),
                "min_amount": amount(money.min()),
                "max_amount": amount(money.max()),
            },
            "caps": {"daily_exposure": amount(exposure)},
            "bidding": {
                "strategy": "MAXIMIZE_CLICKS",
                "bid_min": amount(prices.min() / _BID_ROOM),
                "bid_max": amount(prices.max() * _BID_ROOM),
            },
            "creatives": [
                {
                    "id": "logged",
                    "headline": "As logged",
                    "primary_text": "As logged",
                    "genome": {"hook": "logged", "promise": "logged", "frame": "logged"},
                }
            ],
            "guardrails": {"max_change_per_step": _CHANGE, "max_change_per_day": _CHANGE},
            "autonomy": {"mode": "auto"},
        }
    )


def _amount(value: float, currency: str) -> str:
    """``value`` as text, rounded up to the currency's own decimals, so that it is never 0."""
    return f"{Decimal(value).quantize(Decimal(1).scaleb(-minor_digits(currency)), rounding=ROUND_CEILING):f}"
