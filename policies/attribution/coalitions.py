"""Credit by Shapley values over channels: what each adds, averaged over all orders in which they could come.

Exact, from the worth of all 2^C coalitions of channels (Shapley 1953; for advertising Dalessandro et al. 2012, Zhao,
Mahboobi and Bagheri 2018). A coalition is a number whose bit c says whether channel c is in it.

Letters: C channels.
"""

from __future__ import annotations

from math import comb

import numpy as np

from policies.attribution.paths import Paths
from policies.frames import Bools, Floats

MOST_CHANNELS = 16
"""Beyond, 2^C coalitions are too many to enumerate."""


def shapley(paths: Paths) -> dict[str, float]:
    """{channel: value} by observed conversion rates; adds up to the value of all conversions with a touch.

    A coalition is worth the rate at which people convert who met nothing outside it. Negative values are possible.

    Raises:
        ValueError: if there are more than ``MOST_CHANNELS`` channels.

    >>> from policies.attribution.paths import Path
    >>> pair = Path(touches=[("video", 0.0), ("search", 50.0)], people=10, conversions=6)
    >>> shapley(Paths.of([pair, Path(touches=[("search", 0.0)], people=10, conversions=2)]))
    {'search': 6.0, 'video': 2.0}
    """
    people, value = _by_set(paths, paths.people), _by_set(paths, paths.value)
    people[0] = value[0] = 0.0  # who met nothing tells of no channel
    people, value = _within(people), _within(value)
    worth = value / np.maximum(people, 1e-300) * people[-1]
    return paths.named(worth @ coalition_weights(len(paths.channels)))


def shapley_of_conversions(paths: Paths) -> dict[str, float]:
    """{channel: value} where a coalition is worth the value of all conversions of people who met nothing outside it.

    This game has a closed form: each conversion's value in equal parts to the channels that its path met (Zhao et al.).
    """
    touched = _met(paths)
    return paths.named((touched * (paths.value / np.maximum(touched.sum(axis=1), 1))[:, None]).sum(axis=0))


def coalitions(channels: int) -> Bools:
    """[2^C, C] who is in each coalition.

    Raises:
        ValueError: if there are more than ``MOST_CHANNELS`` channels.
    """
    if channels > MOST_CHANNELS:
        raise ValueError(f"{channels} channels, expected at most {MOST_CHANNELS}: merge the smallest ones")
    return np.asarray(np.arange(2**channels)[:, None] >> np.arange(channels) & 1 == 1)


def coalition_weights(channels: int) -> Floats:
    """[2^C, C] such that the worth of all coalitions [2^C], times it, is each channel's Shapley value."""
    there = coalitions(channels)
    others = there.sum(axis=1, keepdims=True) - there  # how many there are besides the channel
    share = np.array([1.0 / (channels * comb(channels - 1, size)) for size in range(channels)])
    return np.asarray(np.where(there, 1.0, -1.0) * share[others])


def _met(paths: Paths) -> Bools:
    """[J, C] channels that each path met."""
    seen = paths.seen()
    return seen.per_path(np.ones(len(seen.path))) > 0


def _by_set(paths: Paths, weight: Floats) -> Floats:
    """[2^C] sums of ``weight`` [J] by exactly which channels a path met."""
    size = len(coalitions(len(paths.channels)))
    return np.bincount(_met(paths) @ (1 << np.arange(len(paths.channels))), weight, size).astype(np.float64)


def _within(exact: Floats) -> Floats:
    """[2^C] sums over all subsets of each coalition."""
    total = exact.copy()
    for bit in range(len(exact).bit_length() - 1):
        halves = total.reshape(-1, 2, 2**bit)
        halves[:, 1] += halves[:, 0]
    return total
