"""The truth about a seeded market: what each campaign could win, and the conditions of each hour.

Everything here is drawn from the seed and the campaign's name alone, so that a campaign meets the same
world whoever bids in it, whenever it joins and whatever else runs beside it.

Letters: R campaigns, C channels, K creatives, B value buckets.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from swarm.platforms.calendar import Moment
from swarm.platforms.channels import TERMS
from swarm.platforms.climate import rush, weather
from swarm.platforms.dynamics import Dynamics
from swarm.platforms.fatigue import MILD, Wear
from swarm.platforms.protocol import Channel
from swarm.platforms.shocks import Hazards, shocks
from swarm.platforms.streams import effects as effects
from swarm.platforms.streams import stream as stream

BUCKETS = 6
_QUANTILES = ndtri((np.arange(BUCKETS) + 0.5) / BUCKETS)
_VALUE_SPREAD = 0.8
_RIVAL_ALIGNMENT = 0.7
BUCKET_VALUE = np.exp(_VALUE_SPREAD * _QUANTILES) / np.mean(np.exp(_VALUE_SPREAD * _QUANTILES))
"""[B] click rate of an auction over the mean one; buckets are equally frequent."""
BUCKET_PRICE = BUCKET_VALUE**_RIVAL_ALIGNMENT
"""[B] competing price over the mean one: rivals see most of what makes a click likely."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What the outside world needs to know of a campaign."""

    name: str
    goal: str
    """clicks, conversions or value."""
    objective: str
    zone: str
    daily_budget: float
    """Currency units; the scale of the demand that is drawn for it."""
    bid_bounds: tuple[float, float]
    target_cost: float | None
    """Target cost of one goal unit, currency units; None without a target."""
    value_per_conversion: float
    """Currency units."""
    audiences: tuple[str, ...]
    """Kinds of audience."""
    genomes: tuple[tuple[str, str, str], ...]
    """Hook, promise and frame of each creative."""
    allowed: tuple[bool, ...]
    """For each channel."""
    seed: int


@dataclass(frozen=True, slots=True)
class Conditions:
    """One hour's circumstances: the same for every policy."""

    auctions: NDArray[np.float64]
    """[R, C]"""
    price: NDArray[np.float64]
    """[R, C] competing prices over their usual level, before rivals answer the campaign."""
    rate: NDArray[np.float64]
    """[R, C] goal rates over their usual level."""
    wear: NDArray[np.float64]
    """[R, K] log of creatives' click rates over the fresh ones."""
    tracking: NDArray[np.bool_]
    """[R] false while conversions are not recorded."""


@dataclass(frozen=True)
class World:
    """Parameters of every campaign on every channel. Rows of one seed stand together."""

    channels: tuple[Channel, ...]
    listings: tuple[Listing, ...]
    auctions_h: NDArray[np.float64]
    """[R, C] auctions in a mean hour; 0 on channels that the campaign does not allow."""
    ctr: NDArray[np.float64]
    """[R, C] clicks per impression of the mean auction and creative."""
    rival_cpc: NDArray[np.float64]
    """[R, C] median competing price of a mean auction, currency units per click."""
    spread: NDArray[np.float64]
    """[R, C] standard deviation of the log competing price."""
    goal_rate: NDArray[np.float64]
    """[R, C] goal units (conversions, value, or 1 for clicks) per click."""
    appeal: NDArray[np.float64]
    """[R, K] click rate of a creative over the mean one; 0 where there is none."""
    quality: NDArray[np.float64]
    """[R, K] goal rate of a creative over the mean one."""
    unit_value: NDArray[np.float64]
    """[R] goal units that one recorded conversion stands for."""
    lag_h: NDArray[np.float64]
    """[2, R, C] mean hours from click to reported conversion, of the fast and of the slow half."""
    hazards: Hazards
    dynamics: Dynamics
    price_level: NDArray[np.float64] | None = None
    """[R, C, D] factor on the competing prices of each local day, where a log tells it."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """R, C, K."""
        return (*self.ctr.shape, self.appeal.shape[1])

    @property
    def creatives(self) -> NDArray[np.bool_]:
        """[R, K] which creatives exist."""
        return self.appeal > 0

    def conditions(self, moment: Moment) -> Conditions:
        """Traffic, prices and tracking of one hour."""
        climate = self.dynamics.climate
        traffic = climate.traffic(moment.hour)[:, None]
        noise, level, walk, shock = (np.concatenate(parts) for parts in zip(*self._by_seed(moment.tick), strict=True))
        swing = climate.weather[:, None, None] * level + climate.noise[:, None, None] * noise
        drift = climate.drift[:, None, None] * walk
        return Conditions(
            auctions=self.auctions_h * traffic * np.exp(swing[..., 0]) * shock[..., 1],
            price=np.exp(swing[..., 1] + drift[..., 0]) * shock[..., 0] * rush(traffic) * self._level(moment),
            rate=np.where(self._by_click, 1.0, np.exp(drift[..., 1]) * shock[..., 2]),
            wear=self.dynamics.fatigue.wear(moment.day),
            tracking=shock[:, 0, 3] > 0,
        )

    def _level(self, moment: Moment) -> NDArray[np.float64] | float:
        """[R, C] the day's factor on prices; beyond the log's days that of its first or last."""
        if self.price_level is None:
            return 1.0
        day = np.clip(moment.day, 0, self.price_level.shape[2] - 1)
        return np.asarray(self.price_level[np.arange(len(day)), :, day])

    def _by_seed(self, tick: int) -> list[tuple[NDArray[np.float64], ...]]:
        """Of each seed's rows: hour, day and walk as ``weather`` has them, and the shock's four factors [r, C, 4]."""
        channels = len(self.channels)
        return [
            (*weather(seed, tick, rows, channels), _table(seed, tick, rows, channels, self.hazards))
            for seed, rows in self.seeds()
        ]

    def seeds(self) -> list[tuple[int, int]]:
        """Each seed and how many rows have it, in order of appearance."""
        return self._seeds

    @cached_property
    def _by_click(self) -> NDArray[np.bool_]:
        """[R, 1] campaigns whose goal is a click, whoever clicks."""
        return np.array([[listing.goal == "clicks"] for listing in self.listings])

    @cached_property
    def _seeds(self) -> list[tuple[int, int]]:
        counts: dict[int, int] = {}
        for listing in self.listings:
            counts[listing.seed] = counts.get(listing.seed, 0) + 1
        return list(counts.items())


def _table(seed: int, tick: int, rows: int, channels: int, hazards: Hazards) -> NDArray[np.float64]:
    """[r, C, 4] price, traffic, rate and tracking of an hour's shock."""
    now = shocks(seed, tick, channels, hazards)
    columns = np.stack([now.price, now.traffic, now.rate, np.full(channels, float(now.tracking))], axis=1)
    return np.broadcast_to(columns, (rows, channels, 4))


def draw_world(
    listings: Sequence[Listing], channels: Sequence[Channel], *, shocks_per_week: float, creatives: int | None = None
) -> World:
    """The world of ``listings``: each campaign's parameters from its seed and name.

    ``creatives`` fixes K, by default the largest number of creatives among the listings.
    """
    slots = creatives or max((len(listing.genomes) for listing in listings), default=1)
    drawn = [_draw(listing, tuple(channels), slots) for listing in listings]
    columns = [np.array(column, dtype=np.float64) for column in zip(*drawn, strict=True)]
    auctions_h, ctr, rival_cpc, spread, goal_rate, appeal, quality = columns
    return World(
        channels=tuple(channels),
        listings=tuple(listings),
        auctions_h=auctions_h,
        ctr=ctr,
        rival_cpc=rival_cpc,
        spread=spread,
        goal_rate=goal_rate,
        appeal=appeal,
        quality=quality,
        unit_value=np.array([_unit_value(listing) for listing in listings]),
        lag_h=np.repeat(usual_lag_h(channels)[:, None], len(listings), axis=1),
        hazards=Hazards(shocks_per_week),
        dynamics=draw_dynamics(listings, len(channels), slots),
    )


def usual_lag_h(channels: Sequence[Channel]) -> NDArray[np.float64]:
    """[2, C] what platforms usually take from click to reported conversion, in the mean of the fast and slow half."""
    return np.array([TERMS[channel.platform].conversion_lag_h for channel in channels]).T


def draw_dynamics(listings: Sequence[Listing], channels: int, creatives: int, wear: Wear = MILD) -> Dynamics:
    """How rivals, platforms, people and creatives of ``listings`` change; the climate is the usual.

    Where a click is the goal there is nothing to learn, and nobody to count twice.
    """
    campaigns = [(one.seed, key(one), (one.objective, *one.audiences)) for one in listings]
    drawn = Dynamics.draw(campaigns, channels, creatives, wear)
    counts = np.array([one.goal != "clicks" for one in listings]).reshape(-1, 1)
    drawn.learning.loss[:] *= counts
    drawn.overlap.shared[:] *= counts[:, None]
    return drawn


def key(listing: Listing) -> int:
    """Of the campaign's own random streams."""
    return zlib.crc32(listing.name.encode())


def _unit_value(listing: Listing) -> float:
    return listing.value_per_conversion if listing.goal == "value" else 1.0


def _draw(listing: Listing, channels: tuple[Channel, ...], slots: int) -> tuple[NDArray[np.float64], ...]:
    rng = stream(listing.seed, "campaign", key(listing))
    count = len(channels)
    low, high = np.log(listing.bid_bounds)
    price = np.exp(low + (high - low) * rng.uniform(0.45, 0.62))
    terms = [TERMS[channel.platform] for channel in channels]
    level = np.array([each.price_level for each in terms])
    ctr = np.array([each.click_rate for each in terms]) * np.exp(0.2 * rng.standard_normal(count))
    rival_cpc = price * level * np.exp(0.3 * rng.standard_normal(count))
    depth = rng.uniform(3.0, 9.0) * rng.dirichlet(np.full(count, 3.0))
    clicks_h = depth * listing.daily_budget / price / 24
    goal_rate = _goal_rate(listing, channels, price, rng)
    appeal, quality = _creative_effects(listing, slots, rng)
    return (
        np.where(listing.allowed, clicks_h / ctr, 0.0),
        ctr,
        rival_cpc,
        rng.uniform(0.5, 0.9, count),
        goal_rate,
        appeal,
        quality,
    )


def _goal_rate(
    listing: Listing, channels: tuple[Channel, ...], price: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    base = price / listing.target_cost * np.exp(0.25 + 0.15 * rng.standard_normal()) if listing.target_cost else None
    level = base or _unit_value(listing) * np.exp(np.log(0.05) + 0.4 * rng.standard_normal())
    groups = (listing.objective, *listing.audiences)
    affinity = sum(
        (effects(listing.seed, "affinity", group, len(channels)) for group in groups), np.zeros(len(channels))
    ) / np.sqrt(len(groups))
    own = rng.standard_normal(len(channels))
    if listing.goal == "clicks":
        return np.ones(len(channels))
    return np.asarray(level * np.exp(0.35 * affinity + 0.2 * own))


def _creative_effects(
    listing: Listing, slots: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shared effects of hook, promise and frame, and a part of each creative's own."""
    appeal, quality = np.zeros(slots), np.ones(slots)
    for k, genome in enumerate(listing.genomes):
        click, convert = genome_effect(listing.seed, genome) + OWN_SPREAD * rng.standard_normal(2)
        appeal[k], quality[k] = np.exp(click), np.exp(convert) if listing.goal != "clicks" else 1.0
    return appeal, quality


GENOME = ("hook", "promise", "frame")
OWN_SPREAD = 0.12
"""Of the log of a creative's rates: what sets it apart from others of the same hook, promise and frame."""


def genome_effect(seed: int, genome: tuple[str, str, str]) -> NDArray[np.float64]:
    """[2] what hook, promise and frame add to the log of a creative's click and goal rate."""
    parts = (effects(seed, kind, value, 2) for kind, value in zip(GENOME, genome, strict=True))
    return np.asarray(0.2 * sum(parts, np.zeros(2)))
