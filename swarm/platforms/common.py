"""Numbers that are the same in every market: what things look like, as against what they do (``world.effects``)."""

from __future__ import annotations

import zlib
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from swarm.platforms.streams import COMMON_SEED, stream


@lru_cache(maxsize=256)
def common(kind: str, name: str, size: int) -> NDArray[np.float64]:
    """[size] standard normal numbers of ``name``."""
    return stream(COMMON_SEED, kind, zlib.crc32(name.encode())).standard_normal(size)
