"""Random streams by purpose, and effects of words: half common to all markets, half a market's own."""

from __future__ import annotations

import zlib
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

COMMON_SEED = 4
"""Whence comes what all markets share; no market has this seed for its own part."""


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
