"""The truth about a seeded market: what each campaign could win, and the conditions of each hour.

Everything here is drawn from the seed and the campaign's name alone, so that a campaign meets the same
world whoever bids in it, whenever it joins and whatever else runs beside it.

Letters: R campaigns, C channels, K creatives, B value buckets.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from swarm.platforms.calendar import Moment
from swarm.platforms.channels import TERMS
from swarm.platforms.protocol import Channel
from swarm.platforms.traffic import HOUR_OF_WEEK

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
    """[R, C] competing prices over their usual level."""
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
    shocks_per_week: float
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
        traffic = HOUR_OF_WEEK[moment.hour][:, None]
        noise, level, price, tracking = (
            np.concatenate(parts) for parts in zip(*self._by_seed(moment.tick), strict=True)
        )
        return Conditions(
            auctions=self.auctions_h * traffic * np.exp(0.15 * level + 0.08 * noise),
            price=price * rush(traffic) * self._level(moment),
            tracking=tracking,
        )

    def _level(self, moment: Moment) -> NDArray[np.float64] | float:
        """[R, C] the day's factor on prices; beyond the log's days that of its first or last."""
        if self.price_level is None:
            return 1.0
        day = np.clip(moment.day, 0, self.price_level.shape[2] - 1)
        return np.asarray(self.price_level[np.arange(len(day)), :, day])

    def _by_seed(self, tick: int) -> list[tuple[NDArray[np.float64], ...]]:
        return [_weather(seed, tick, rows, len(self.channels), self.shocks_per_week) for seed, rows in self.seeds()]

    def seeds(self) -> list[tuple[int, int]]:
        """Each seed and how many rows have it, in order of appearance."""
        return self._seeds

    @cached_property
    def _seeds(self) -> list[tuple[int, int]]:
        counts: dict[int, int] = {}
        for listing in self.listings:
            counts[listing.seed] = counts.get(listing.seed, 0) + 1
        return list(counts.items())


def rush(traffic: NDArray[np.float64]) -> NDArray[np.float64]:
    """Competing prices over their usual at ``traffic`` over the mean hour's: busy hours are dearer."""
    return np.asarray(1.0 + 0.1 * np.clip(traffic - 1.0, -1.0, 1.0))


def _weather(seed: int, tick: int, rows: int, channels: int, rate: float) -> tuple[NDArray[np.float64], ...]:
    day, hour = divmod(tick, 24)
    today, tomorrow = _daily(seed, day, rows, channels), _daily(seed, day + 1, rows, channels)
    drift = today + (tomorrow - today) * (hour / 24)
    noise = stream(seed, "hour", tick).standard_normal((rows, channels, 2))
    shock = shocks(seed, tick, channels, rate)
    price = np.exp(0.12 * drift[..., 1] + 0.06 * noise[..., 1]) * shock.price
    return noise[..., 0], drift[..., 0], price, np.full(rows, shock.tracking)


@lru_cache(maxsize=128)
def _daily(seed: int, day: int, rows: int, channels: int) -> NDArray[np.float64]:
    """[R, C, 2] standard levels of traffic and price; half of each is the platform's, for all campaigns."""
    own = stream(seed, "day", day).standard_normal((rows, channels, 2))
    common = stream(seed, "platform-day", day).standard_normal((1, channels, 2))
    return np.asarray(np.sqrt(0.5) * (own + common))


@dataclass(frozen=True, slots=True)
class Shock:
    """What is out of the ordinary in one hour."""

    price: NDArray[np.float64]
    """[C] factor on competing prices."""
    tracking: bool


def shocks(seed: int, tick: int, channels: int, rate_per_week: float) -> Shock:
    """Price spikes (12 to 36 h, 1.6x to 2.6x, one channel) and tracking outages (6 to 18 h, all channels)."""
    week = tick // 168
    price, tracking = np.ones(channels), True
    for begun in range(max(week - 1, 0), week + 1):
        spike, outage = _weekly_shocks(seed, begun, channels, rate_per_week)
        if spike is not None and spike[0] <= tick < spike[1]:
            price[spike[2]] = spike[3]
        if outage is not None and outage[0] <= tick < outage[1]:
            tracking = False
    return Shock(price, tracking)


@lru_cache(maxsize=1024)
def _weekly_shocks(
    seed: int, week: int, channels: int, rate: float
) -> tuple[tuple[int, int, int, float] | None, tuple[int, int] | None]:
    rng = stream(seed, "shock", week)
    strikes = rng.random(2) < rate
    begins = week * 168 + rng.integers(48, 144, size=2)
    hours = (int(rng.integers(12, 37)), int(rng.integers(6, 19)))
    where, factor = int(rng.integers(channels)), float(rng.uniform(1.6, 2.6))
    spike = (int(begins[0]), int(begins[0]) + hours[0], where, factor) if strikes[0] else None
    outage = (int(begins[1]), int(begins[1]) + hours[1]) if strikes[1] else None
    return spike, outage


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
        shocks_per_week=shocks_per_week,
    )


def _unit_value(listing: Listing) -> float:
    return listing.value_per_conversion if listing.goal == "value" else 1.0


def _draw(listing: Listing, channels: tuple[Channel, ...], slots: int) -> tuple[NDArray[np.float64], ...]:
    rng = stream(listing.seed, "campaign", zlib.crc32(listing.name.encode()))
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
COMMON_SEED = 4
"""Whence comes what all markets share; no market has this seed for its own part."""


def genome_effect(seed: int, genome: tuple[str, str, str]) -> NDArray[np.float64]:
    """[2] what hook, promise and frame add to the log of a creative's click and goal rate."""
    parts = (effects(seed, kind, value, 2) for kind, value in zip(GENOME, genome, strict=True))
    return np.asarray(0.2 * sum(parts, np.zeros(2)))


@lru_cache(maxsize=4096)
def effects(seed: int, kind: str, value: str, size: int) -> NDArray[np.float64]:
    """[size] standard normal effects of one value of a kind: half of the variance is common to all markets.

    What works carries over from one market to another, but only partly: who pools the experiments of many advertisers
    finds a mean effect of such a feature and a spread around it. Halves are the plainest reading of that.
    """
    key = zlib.crc32(value.encode())
    parts = (stream(each, kind, key).standard_normal(size) for each in (COMMON_SEED, seed))
    return np.asarray(np.sqrt(0.5) * sum(parts, np.zeros(size)))


def stream(seed: int, purpose: str, key: int) -> np.random.Generator:
    """The random stream of one purpose at one key (an hour, a day, a name) of a seed."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, zlib.crc32(purpose.encode()), key])))
