"""The embedded market fitted to an account's log: what each logged campaign's money buys.

A channel's response is the market's own auction summed over a day at one bid, so the fitted world answers as the
fit does. Two numbers make it: clicks that are to be had, and the median competing price. Clicks per cost tell a
level and an elasticity and no more, so the spread of competing prices is fixed in the middle of the market's own
range. Logged cost is an outcome too, and chance moves it together with clicks; the elasticity is therefore a little
high, the more so the fewer clicks a day has.

Letters: D days, C channels, G bids, n usable rows of one channel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from swarm.platforms.auction import Auction
from swarm.platforms.channels import FOUR, TERMS
from swarm.platforms.climate import rush
from swarm.platforms.dynamics import Dynamics
from swarm.platforms.log import LEAST_ROWS, AccountLog
from swarm.platforms.protocol import Channel
from swarm.platforms.shocks import Hazards
from swarm.platforms.traffic import HOUR_OF_WEEK
from swarm.platforms.world import Listing, World, usual_lag_h

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
SPREAD = 0.7
"""Standard deviation of the log competing price; the market draws 0.5 to 0.9."""
_DEPTH, _DEARER, _WEAK = 3.0, 1.3, 1.0
"""Prior, as log-normals of standard deviation 1: three times the usual clicks are to be had, and the median competing
price is 1.3 times what a click cost."""
_EXTRA_NOISE = 0.3
"""Standard deviation of a day's log clicks beyond that of counting."""
_HALF_LIFE_DAYS = 14.0
_PRIOR_CLICKS = 20.0
"""Clicks as expected that the price level of a day rests on before any are seen."""
_LEAST_SLOPE = 0.2
"""Elasticity of clicks in cost below which prices can no longer be told from clicks that are not there."""
_BIDS = np.geomspace(1e-3, 1e3, 481)
TRAIN = 0.8
"""Share of the days that the held-out score is fitted on."""


@dataclass(frozen=True, slots=True)
class Response:
    """What one channel's money buys."""

    available: float
    """Clicks to be had on a mean day."""
    price: float
    """Median competing price of a click, currency units."""
    level: Floats
    """[D] log of each day's competing prices over ``price``."""

    def clicks(self, cost: Floats, weekday: Ints, level: Floats | float) -> Floats:
        """[n] expected clicks of days that cost ``cost`` [n]."""
        log_cost, log_clicks = _unit_day()
        money = np.maximum(cost / (self.available * self.price * np.exp(level)), 1e-12)
        shares = [np.interp(x, log_cost[day], log_clicks[day]) for x, day in zip(np.log(money), weekday, strict=True)]
        return np.asarray(self.available * np.exp(np.array(shares)))


@dataclass(frozen=True, slots=True)
class HeldOut:
    """How well clicks of the last days were foretold from their cost, by a fit that never saw them."""

    wape: float
    """Sum of absolute errors of campaign-days over the sum of clicks."""
    naive_wape: float
    """The same of the training days' mean cost per click."""
    total_error: float
    """Of the sum of all clicks, as a share of it."""
    held_out_days: int


@cache
def _unit_day() -> tuple[Floats, Floats]:
    """[7, G] log cost and log clicks of each weekday where one click is to be had on a mean day at a price of 1."""
    unit = fitted_world(("unit",), np.ones(1), np.ones(1), np.zeros((1, 1)), ())
    auction, bids = Auction(unit), _BIDS[None, None, :]
    hours = [auction.run(bids, unit.auctions_h * at, rush(np.full((1, 1), at))) for at in HOUR_OF_WEEK]
    cost, clicks = (np.array([getattr(hour, name)[0, 0, 0] for hour in hours]) for name in ("cost", "clicks"))
    return np.log(cost.reshape(7, 24, -1).sum(axis=1)), np.log(clicks.reshape(7, 24, -1).sum(axis=1))


def fit(log: AccountLog) -> list[Response]:
    """The response of each campaign in ``log``, every one with ``LEAST_ROWS`` usable days."""
    return [_response(log, column) for column in range(len(log.names))]


def _response(log: AccountLog, column: int) -> Response:
    at = np.flatnonzero(log.usable[:, column])
    clicks, cost, weekday = log.clicks[at, column], log.cost[at, column], log.weekday[at]
    steady = _steady(clicks, cost, weekday)
    expected = steady.clicks(cost, weekday, 0.0)
    near = 0.5 ** (np.abs(np.arange(len(log))[:, None] - at) / _HALF_LIFE_DAYS)
    ratio = (near @ clicks + _PRIOR_CLICKS) / (near @ expected + _PRIOR_CLICKS)
    slope = np.log(steady.clicks(1.1 * cost, weekday, 0.0).sum() / expected.sum()) / np.log(1.1)
    return replace(steady, level=-np.log(ratio) / max(slope, _LEAST_SLOPE))


def _steady(clicks: Floats, cost: Floats, weekday: Ints) -> Response:
    """The response at one price level for all days: least squares with a soft loss, so that odd days count less.

    A day's noise is taken from the clicks that its cost would buy at the mean price, not from its own clicks, which
    would let bad days weigh more than good ones.
    """
    per_click, usual = cost.sum() / clicks.sum(), clicks.mean()
    counted = cost / per_click
    noise = np.sqrt(counted + (_EXTRA_NOISE * counted) ** 2)
    start = np.log([_DEPTH * usual, _DEARER * per_click])

    def residuals(x: Floats) -> Floats:
        available, price = np.exp(x)
        z = (clicks - Response(available, price, np.zeros(0)).clicks(cost, weekday, 0.0)) / noise
        soft = np.sign(z) * np.sqrt(2 * (np.sqrt(1 + z**2) - 1))
        return np.concatenate([soft, (x - start) / _WEAK])

    available, price = np.exp(least_squares(residuals, start).x)
    return Response(float(available), float(price), np.zeros(0))


def held_out(log: AccountLog) -> HeldOut | None:
    """Fit on the first days, foretell the last from what they cost; prices stay as they were on the last day seen.

    Campaigns that have hardly begun by then are left out; None where that leaves nothing to foretell.
    """
    cut = int(TRAIN * len(log))
    enough = log.part(slice(cut)).usable.sum(axis=0) >= LEAST_ROWS
    seen, rest = log.part(slice(cut)).only(enough), log.part(slice(cut, None)).only(enough)
    total = np.nansum(rest.clicks)
    if not total > 0:
        return None
    foretold = predict(fit(seen), rest.cost, rest.weekday)
    per_click = np.nansum(seen.cost, axis=0) / np.nansum(seen.clicks, axis=0)
    return HeldOut(
        wape=float(np.nansum(np.abs(foretold - rest.clicks)) / total),
        naive_wape=float(np.nansum(np.abs(rest.cost / per_click - rest.clicks)) / total),
        total_error=float(np.nansum(foretold) / total - 1.0),
        held_out_days=len(rest),
    )


def predict(responses: Sequence[Response], cost: Floats, weekday: Ints) -> Floats:
    """[D, C] clicks of days after the fit from their ``cost`` [D, C]; NaN where that is."""
    columns = zip(responses, cost.T, strict=True)
    return np.stack([response.clicks(paid, weekday, response.level[-1]) for response, paid in columns], axis=1)


def channels(names: Sequence[str]) -> tuple[Channel, ...]:
    """A channel for each logged campaign, all on Google Ads' terms."""
    return tuple(replace(FOUR[0], name=name) for name in names)


def world(log: AccountLog, responses: Sequence[Response], days: slice, listing: Listing) -> World:
    """The market of ``days`` of the log as one campaign meets it."""
    available, price = np.array([(each.available, each.price) for each in responses]).T
    level = np.stack([each.level[days] for each in responses])
    return fitted_world(log.names, available, price, level, (listing,))


def fitted_world(
    names: Sequence[str], available: Floats, price: Floats, level: Floats, listings: tuple[Listing, ...]
) -> World:
    """One campaign's world: ``available`` clicks a mean day and median ``price`` [C], log ``level`` [C, D].

    Logs tell clicks, not impressions, so the click rate is the platform's usual one. Shocks stay out: those of the
    log are in its prices.
    """
    kinds = channels(names)
    ctr = np.array([[TERMS[kind.platform].click_rate for kind in kinds]])
    return World(
        channels=kinds,
        listings=listings,
        auctions_h=available[None] / 24 / ctr,
        ctr=ctr,
        rival_cpc=price[None],
        spread=np.full_like(ctr, SPREAD),
        goal_rate=np.ones_like(ctr),
        appeal=np.ones((1, 1)),
        quality=np.ones((1, 1)),
        unit_value=np.ones(1),
        lag_h=usual_lag_h(kinds)[:, None],
        hazards=Hazards(0.0),
        dynamics=Dynamics.none(1, len(kinds), 1),
        price_level=np.exp(level)[None],
    )
