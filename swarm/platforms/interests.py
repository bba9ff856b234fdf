"""The truth about audiences: a tree of interests whose branches convert differently.

A segment's log rate is its parent's plus a step of its own, so relatives are alike and the more so the later they
part: what platforms assume when they offer "broader" and "narrower" audiences. Half of a step's variance is the last
name's wherever it stands ("beginners" of any sport have something in common), half the whole path's. How large the
steps are differs by level and market: in some the topic decides, in others the finest cut.

Letters: S segments.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from swarm.platforms.world import effects, stream

TOPICS = {
    "sport": ("running", "cycling", "yoga", "football", "climbing", "swimming"),
    "travel": ("city breaks", "beaches", "hiking", "camping", "cruises", "trains"),
    "home": ("kitchen", "bedroom", "lighting", "furniture", "cleaning", "repairs"),
    "food": ("baking", "coffee", "vegan", "wine", "barbecue", "snacks"),
    "finance": ("saving", "mortgages", "pensions", "shares", "insurance", "accounting"),
    "health": ("sleep", "diet", "vitamins", "meditation", "skin care", "back pain"),
    "technology": ("phones", "laptops", "software", "smart home", "cameras", "audio"),
    "fashion": ("shoes", "dresses", "watches", "bags", "outerwear", "jewellery"),
    "cars": ("electric cars", "motorcycles", "tyres", "leasing", "classic cars", "vans"),
    "music": ("guitars", "concerts", "vinyl", "piano", "podcasts", "festivals"),
    "garden": ("vegetables", "lawns", "flowers", "tools", "patios", "trees"),
    "education": ("languages", "mathematics", "degrees", "tutoring", "coding", "careers"),
}
"""Interests and what they divide into."""
NARROWER = (
    ("beginners", "experts", "families", "students", "couples", "professionals"),
    ("bargain hunters", "premium buyers", "gift givers", "subscribers", "renters", "collectors"),
    ("mornings", "weekends", "commuters", "city dwellers", "country dwellers", "travellers"),
)
"""By whom, how and when, in this order: the levels below."""
WIDEST_LEVEL = 80
"""Segments of one level at most; where there would be more, some branches are not divided further."""


@dataclass(frozen=True, slots=True)
class Interests:
    """The segments of one market, parents before their children."""

    path: tuple[tuple[str, ...], ...]
    """Of each segment the names from the topic down to its own."""
    log_rate: NDArray[np.float64]
    """[S] log of conversions per click."""


def draw_interests(seed: int) -> Interests:
    """The tree of one market: 3 to 5 levels, 2 to 6 branches each, steps of 0.15 to 0.7 by level."""
    rng = stream(seed, "interests", 0)
    levels = int(rng.integers(3, 6))
    step = rng.uniform(0.15, 0.7, levels)
    rate: dict[tuple[str, ...], float] = {(): rng.uniform(np.log(0.005), np.log(0.08))}
    open_paths: list[tuple[str, ...]] = [()]
    for level in range(levels):
        children = [path for parent in open_paths for path in _divide(parent, rng)]
        for path in children:
            rate[path] = rate[path[:-1]] + step[level] * _own(seed, path)
        open_paths = [children[i] for i in np.sort(rng.permutation(len(children))[: WIDEST_LEVEL // 4])]
    del rate[()]
    return Interests(tuple(rate), np.minimum(np.array(list(rate.values())), np.log(0.5)))


def _divide(path: tuple[str, ...], rng: np.random.Generator) -> list[tuple[str, ...]]:
    names = tuple(TOPICS) if not path else TOPICS[path[0]] if len(path) == 1 else NARROWER[len(path) - 2]
    count = int(rng.integers(2, 7))
    return [(*path, names[i]) for i in np.sort(rng.permutation(len(names))[:count])]


def _own(seed: int, path: tuple[str, ...]) -> float:
    name, whole = effects(seed, "interest", path[-1], 1), effects(seed, "interest path", " > ".join(path), 1)
    return float(np.sqrt(0.5) * (name + whole)[0])
