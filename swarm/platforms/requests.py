"""The truth about a stream of bid requests: what a click's odds are and what the auction costs, as both drift.

A request's odds add up over its fields (site, device, hour, format, region), half of each the same in all markets, and
over the segment of the user, which recurs in the stream and is not known beforehand: identifiers are pseudonyms that
begin anew. The level of the odds and that of prices wander and now and then jump, as news, rivals and shifts of
traffic make them do, and do so partly together. Rivals see most of what makes a click likely, so such clicks are dear.

Letters: T requests, D width of the features.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from swarm.platforms.common import common
from swarm.platforms.world import effects

WIDTH = 256
FIELDS = {"site": 40, "device": 4, "hour": 24, "format": 6, "region": 20}
"""How many values each field of a request has."""
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Requests:
    """One stream, in its order."""

    features: Floats
    """[T, D] what the request says of itself, a unit vector."""
    log_odds: Floats
    """[T] of a click, if the auction is won."""
    log_price: Floats
    """[T] log of the price to win, over the stream's usual."""


def draw_requests(seed: int, count: int, rng: np.random.Generator) -> Requests:
    """A stream of ``count`` requests in the market of ``seed``.

    Click rates are around 3 to 25 %, those of warm traffic: in a stream of some hundreds of requests rarer ones
    would tell nothing.
    """
    values = {name: _popular(size, count, rng) for name, size in FIELDS.items()}
    fields = sum((_vectors(name)[value] for name, value in values.items()), np.zeros((count, WIDTH)))
    odds = sum((_odds(seed, name)[value] for name, value in values.items()), np.zeros(count))
    segments = int(rng.integers(6, 31))
    segment = _popular(segments, count, rng)
    mark = rng.standard_normal((segments, WIDTH)) / 16
    odds += rng.normal(0.0, rng.uniform(0.3, 1.5), segments)[segment]
    features = fields + 1.5 * mark[segment]
    level, price_level = _wander(count, rng)
    log_price = price_level + 0.5 * odds + rng.uniform(0.3, 0.7) * rng.standard_normal(count)
    return Requests(
        features=features / np.linalg.norm(features, axis=1, keepdims=True),
        log_odds=rng.uniform(-3.5, -1.2) + odds + level,
        log_price=log_price,
    )


def _popular(size: int, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """[T] values of which the first are common and the last rare (Zipf)."""
    share = 1.0 / np.arange(1, size + 1)
    return rng.choice(size, count, p=share / share.sum())


def _vectors(field: str) -> Floats:
    """[values, D] what a field's values look like in a request's features; about unit vectors."""
    return common("request vectors", field, FIELDS[field] * WIDTH).reshape(-1, WIDTH) / 16


def _odds(seed: int, field: str) -> Floats:
    """[values] what a field's values add to the log-odds of a click."""
    size = 0.3 * np.exp(0.4 * effects(seed, "request spread", field, 1))
    return np.asarray(size * effects(seed, "request odds", field, FIELDS[field]))


def _wander(count: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """[T] levels of log-odds and of log price: random walks with jumps, half of each walk in common."""
    walk = rng.standard_normal((3, count)) * rng.uniform(0.01, 0.06) + _jumps(count, rng)
    shared, odds, price = np.cumsum(walk, axis=1)
    return shared + odds, shared + price


def _jumps(count: int, rng: np.random.Generator) -> Floats:
    """[3, T] on average one jump a stream, of about a third up or down."""
    return np.asarray((rng.random((3, count)) < 0.5 / count) * rng.normal(0.0, 0.5, (3, count)))
