"""Five rules of thumb: all of a conversion's value goes to the touches before it, by their place or age alone.

None looks at people who did not convert, so none can tell what a channel causes; they are what reports show. Each takes
``Paths`` and gives {channel: value}, which adds up to the value of all conversions that had a touch.
"""

from __future__ import annotations

import numpy as np

from policies.attribution.paths import Paths
from policies.frames import Floats

WEEK_S = 7 * 24 * 3600.0


def first_touch(paths: Paths) -> dict[str, float]:
    """All to the first touch."""
    paths = paths.seen()
    return _shared(paths, (paths.place()[0] == 0) * 1.0)


def last_touch(paths: Paths) -> dict[str, float]:
    """All to the last touch.

    >>> from policies.attribution.paths import Path
    >>> last_touch(Paths.of([Path(touches=[("video", 0.0), ("search", 50.0)], conversions=1, value=30.0)]))
    {'search': 30.0, 'video': 0.0}
    """
    paths = paths.seen()
    return _shared(paths, (paths.place()[1] == 0) * 1.0)


def linear(paths: Paths) -> dict[str, float]:
    """The same to every touch."""
    paths = paths.seen()
    return _shared(paths, np.ones(len(paths.path)))


def time_decay(paths: Paths, *, half_life_s: float = WEEK_S) -> dict[str, float]:
    """A touch ``half_life_s`` earlier than another gets half as much."""
    if not half_life_s > 0:
        raise ValueError(f"half_life_s {half_life_s:g} is not positive, expected for instance {WEEK_S:g}")
    paths = paths.seen()
    newest = np.full(len(paths.people), np.inf)
    np.minimum.at(newest, paths.path, paths.age_s)  # from the newest touch on, or an old path's weights would vanish
    return _shared(paths, np.exp2(-(paths.age_s - newest[paths.path]) / half_life_s))


def position_based(paths: Paths, *, ends: float = 0.4) -> dict[str, float]:
    """``ends`` to the first and to the last touch each, the rest equally between; halves where there are but two."""
    if not 0.0 <= ends <= 0.5:
        raise ValueError(f"ends {ends:g} is not between 0 and 0.5, expected for instance 0.4")
    paths = paths.seen()
    before, after = paths.place()
    between = np.maximum(before + after - 1, 1)  # touches that are neither first nor last
    inner = (1.0 - 2.0 * ends) / between
    weight = np.where((before == 0) | (after == 0), np.where(before + after == 1, 0.5, ends), inner)
    return _shared(paths, np.where(before + after == 0, 1.0, weight))


def _shared(paths: Paths, weight: Floats) -> dict[str, float]:
    """Each path's value, shared in proportion to its touches' ``weight`` [T]."""
    total = np.bincount(paths.path, weight, len(paths.people))
    due = weight * (paths.value / np.where(total > 0, total, 1.0))[paths.path]
    return paths.named(np.asarray(np.bincount(paths.channel, due, len(paths.channels)), np.float64))
