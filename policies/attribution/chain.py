"""Credit by removal from a Markov chain over the touches (Anderl, Becker, von Wangenheim and Schumann 2016).

People step from touch to touch until they convert or leave. What a channel is worth is how much less often the chain
ends in a conversion if whoever would step onto the channel leaves instead. The chain of order k remembers the last k
touches.

Letters: S states, C channels.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array, eye_array
from scipy.sparse.linalg import spsolve

from policies.attribution.paths import Paths
from policies.frames import Floats, Ints


def markov(paths: Paths, *, order: int = 1) -> dict[str, float]:
    """{channel: value} in proportion to the removal effects; adds up to the value of all conversions with a touch.

    Raises:
        ValueError: if ``order`` is below 1.

    >>> from policies.attribution.paths import Path
    >>> both = Path(touches=[("video", 0.0), ("search", 50.0)], conversions=1)
    >>> markov(Paths.of([both, Path(touches=[("video", 0.0)])]))
    {'search': 0.5, 'video': 0.5}
    """
    effect = removal_effects(paths, order=order)
    seen = paths.seen()
    touched = np.bincount(seen.path, minlength=len(seen.people)) > 0
    return paths.named(effect / max(effect.sum(), 1e-300) * seen.value[touched].sum())


def removal_effects(paths: Paths, *, order: int = 1) -> Floats:
    """[C] the part of the chain's conversions that is lost with each channel."""
    if order < 1:
        raise ValueError(f"order {order} is below 1, expected 1 or more")
    paths = paths.seen()
    state, newest = _states(paths, order)
    leaps, ends = _chain(paths, state, len(newest))
    whole = _reached(leaps, ends)
    kept = (newest[:, None] != np.arange(len(paths.channels))) * 1.0  # [S, C]; the start has no newest touch
    return np.array([1.0 - _reached(leaps * column, ends * column) / max(whole, 1e-300) for column in kept.T])


def _states(paths: Paths, order: int) -> tuple[Ints, Ints]:
    """[T] the state after each touch (0 is the start), and [S] the newest touch of each state (-1: none)."""
    before, _ = paths.place()
    memory = min(order, int(before.max(initial=0)) + 1)
    codes = np.zeros((memory, len(before)), dtype=np.int64)  # the last touches, the newest first; 0: none yet
    for back in range(memory):
        there = np.flatnonzero(before >= back)
        codes[back, there] = paths.channel[there - back] + 1
    known, state = np.unique(codes, axis=1, return_inverse=True)
    return state.ravel() + 1, np.concatenate([[-1], known[0] - 1])


def _chain(paths: Paths, state: Ints, size: int) -> tuple[csr_array, Floats]:
    """[S, S] chances to step from state to state, and [S] to convert from each."""
    before, after = paths.place()
    last, source = after == 0, np.where(before == 0, 0, np.roll(state, 1))
    people, conversions = paths.people[paths.path], paths.conversions[paths.path]
    leaving = np.bincount(source, people, size) + np.bincount(state[last], people[last], size)
    rate = 1.0 / np.where(leaving > 0, leaving, 1.0)
    leaps = csr_array((people * rate[source], (source, state)), shape=(size, size))
    return leaps, np.bincount(state[last], conversions[last], size) * rate


def _reached(leaps: csr_array, ends: Floats) -> float:
    """The chance that the chain, from the start, ends in a conversion."""
    return float(np.atleast_1d(spsolve((eye_array(len(ends)) - leaps).tocsc(), ends))[0])
