"""Logs of creative rotations in the embedded market, whose truth is known.

A round is an impression. Its context is campaign, channel and part of the day; the action is the creative that a
rotation draws for it; it may bring a click, and a click a conversion. Rates are the market's own: those of a day's
auctions at the usual bid. The log is of the swarm's rotation, renewed after every part of the day from what it has seen
so far, or held as the past left it; the judged policy is the rotation that another past would have led to, one for each
channel.

Letters: R campaigns, C channels, T parts of a day, X contexts (R C T), K creatives, S steps of time, n rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from policies.bandit_log import Log
from policies.creative import rotation
from policies.estimation import OWN_VARIANCE, SHARED_VARIANCE
from policies.frames import Bools, Floats
from swarm.platforms.auction import Auction
from swarm.platforms.calendar import Calendar
from swarm.platforms.channels import FOUR
from swarm.platforms.samples.campaigns import listings
from swarm.platforms.samples.words import FRAMES, HOOKS, PROMISES
from swarm.platforms.world import Listing, World, draw_world, stream

CAMPAIGNS, CREATIVES, PARTS, DAYS = 4, 6, 6, 3
_IMPRESSIONS = (200_000, 400_000)
_PAST = (2_000, 20_000)
"""Impressions of each campaign on each channel that a judged or held rotation rests on."""
_EXPLORATION = 0.7


@dataclass(frozen=True, slots=True)
class Truth:
    """The bandit problem."""

    frequency: Floats
    """[R, C, T] of contexts."""
    click: Floats
    """[R, C, T, K] clicks per impression."""
    convert: Floats
    """[R, C, T, K] conversions per click."""
    exists: Bools
    """[R, K]"""

    def value(self, target: Floats, *, conversions: bool) -> float:
        """Expected clicks, or conversions, of an impression under ``target`` [R, C, K]."""
        rate = self.click * (self.convert if conversions else 1.0)
        return float((self.frequency[..., None] * target[:, :, None] * rate).sum())


@dataclass(frozen=True, slots=True)
class Record:
    """A truth, what was logged in it, and the policy to judge, [n, K]."""

    truth: Truth
    clicks: Log
    conversions: Log
    target: Floats
    value: dict[str, float]
    """The target's true mean reward, clicks and conversions."""


def draw(seed: int, index: int, *, times: int = 1, held: bool = False) -> Record:
    """The ``index``-th log of a market, of 200,000 to 400,000 impressions ``times`` over.

    ``held``: the logged rotation is not renewed.
    """
    rng = stream(seed, "rotation log", index)
    truth = _truth(seed, rng)
    target = _after_a_past(truth, rng)
    first = _after_a_past(truth, rng) if held else None
    chances, shown, clicked, converted = _play(truth, times * int(rng.integers(*_IMPRESSIONS)), rng, first)
    wide = np.broadcast_to(target, chances.shape)
    values = {name: truth.value(target, conversions=name == "conversions") for name in ("clicks", "conversions")}
    return Record(
        truth,
        _log(chances, shown, clicked),
        _log(chances, shown, converted),
        np.repeat(wide.reshape(-1, CREATIVES), 2 * CREATIVES, axis=0)[_rows(chances)],
        values,
    )


def _truth(seed: int, rng: np.random.Generator) -> Truth:
    drawn = [_with_creatives(one, rng) for one in listings(seed, CAMPAIGNS, rng)]
    world = draw_world(drawn, FOUR, shocks_per_week=0.0, creatives=CREATIVES)
    shown, clicked = _day(world)
    per_click = world.goal_rate[..., None] * (world.quality / world.unit_value[:, None])[:, None]
    frequency = (shown * world.creatives[:, None, None]).sum(axis=3)
    return Truth(
        frequency / frequency.sum(),
        clicked / shown,
        np.repeat(np.minimum(per_click, 1.0)[:, :, None], PARTS, axis=2),
        world.creatives,
    )


def _with_creatives(listing: Listing, rng: np.random.Generator) -> Listing:
    count = int(rng.integers(3, CREATIVES + 1))
    genomes = [(str(rng.choice(HOOKS)), str(rng.choice(PROMISES)), str(rng.choice(FRAMES))) for _ in range(count)]
    return replace(listing, genomes=tuple(genomes))


def _day(world: World) -> tuple[Floats, Floats]:
    """[R, C, T, K] impressions and clicks of a day's auctions at the median competing price, by creative."""
    calendar, auction = Calendar(date(2026, 6, 1), ["UTC"] * CAMPAIGNS), Auction(world)
    weather = [world.conditions(calendar.at(tick)) for tick in range(24)]
    hours = [auction.run(world.rival_cpc[..., None], each.auctions, each.price) for each in weather]
    sums = (np.stack([getattr(hour, name)[..., 0] for hour in hours]) for name in ("impressions", "clicks"))
    shown, clicked = (np.moveaxis(each.reshape(PARTS, -1, *each.shape[1:]).sum(axis=1), 0, 2) for each in sums)
    return shown, clicked


def _after_a_past(truth: Truth, rng: np.random.Generator) -> Floats:
    """[R, C, K] what the swarm's rotation would be after a past of each channel, creatives shown equally."""
    exists = np.repeat(truth.exists, len(FOUR), axis=0)
    past = rng.integers(*_PAST, endpoint=True) / exists.sum(axis=1, keepdims=True)
    shown = np.where(exists, np.rint(past), 0.0)
    click, convert = (each.mean(axis=2).reshape(shown.shape) for each in (truth.click, truth.convert))
    clicked = rng.binomial(shown.astype(np.int64), click)
    converted = rng.binomial(clicked, convert)
    shares = _rotation(shown, clicked.astype(np.float64), converted.astype(np.float64), exists)
    return shares.reshape(CAMPAIGNS, len(FOUR), CREATIVES)


def _rotation(shown: Floats, clicked: Floats, converted: Floats, exists: Bools) -> Floats:
    """[rows, K] the swarm's rotation: as likely to be the best in conversions per impression."""
    spread = OWN_VARIANCE + SHARED_VARIANCE
    score, variance = np.ones_like(shown), np.zeros_like(shown)
    for seen, base in ((clicked, shown), (converted, clicked)):
        usual = seen.sum(axis=1, keepdims=True) / np.maximum(base.sum(axis=1, keepdims=True), 1.0)
        score *= (seen + 1.0 / spread) / (base * usual + 1.0 / spread)
        variance += spread / (1.0 + spread * seen)
    return rotation(score, variance, exists, exploration=np.full(len(shown), _EXPLORATION))


def _play(
    truth: Truth, impressions: int, rng: np.random.Generator, held: Floats | None
) -> tuple[Floats, Floats, Floats, Floats]:
    """The log: chances, impressions, clicks and conversions, each [D, T, R, C, K], in the order of time."""
    frequency = np.broadcast_to(np.moveaxis(truth.frequency, 2, 0) / DAYS, (DAYS, PARTS, CAMPAIGNS, len(FOUR)))
    rounds = rng.multinomial(impressions, frequency.ravel()).reshape(frequency.shape)
    seen = np.zeros((3, CAMPAIGNS, CREATIVES))
    chances, happened = np.zeros((*rounds.shape, CREATIVES)), np.zeros((3, *rounds.shape, CREATIVES))
    for day in range(DAYS):
        for part in range(PARTS):
            chances[day, part] = _rotation(seen[0], seen[1], seen[2], truth.exists)[:, None] if held is None else held
            shown = rng.multinomial(rounds[day, part], chances[day, part])
            clicked = rng.binomial(shown, truth.click[:, :, part])
            happened[:, day, part] = shown, clicked, rng.binomial(clicked, truth.convert[:, :, part])
            seen += happened[:, day, part].sum(axis=2)
    return chances, *happened


def _rows(chances: Floats) -> Bools:
    """Which of the log's rows, two for each step, context and creative, are of creatives that exist."""
    return np.repeat(chances.ravel() > 0, 2)


def _log(chances: Floats, shown: Floats, reward: Floats) -> Log:
    """Impressions without the reward and with it, of each step, context and creative."""
    rows, place = _rows(chances), np.indices(shown.shape).reshape(5, -1)
    return Log(
        action=np.repeat(place[4], 2)[rows],
        reward=np.tile([0.0, 1.0], shown.size)[rows],
        propensity=np.repeat(chances.reshape(-1, CREATIVES), 2 * CREATIVES, axis=0)[rows],
        context=np.repeat(_features(*place[1:4]), 2, axis=0)[rows],
        counts=np.stack([shown - reward, reward], axis=-1).ravel()[rows],
    )


def _features(part: Floats, campaign: Floats, channel: Floats) -> Floats:
    """[rows, F] one of each kind, and of campaign and channel together."""
    kinds = ((part, PARTS), (campaign, CAMPAIGNS), (channel, len(FOUR)))
    together = (campaign * len(FOUR) + channel, CAMPAIGNS * len(FOUR))
    return np.concatenate([np.eye(count)[each] for each, count in (*kinds, together)], axis=1)
