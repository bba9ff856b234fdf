"""The truth about carousels and videos: who goes on looking, and whom it moves.

A viewer leaves at each frame with a hazard that is highest at the start and lower the more the frame interests; what
has just been seen interests less (survival curves of video ads fall steeply in the first seconds, then slowly). What
was seen until then adds up, with diminishing returns. People see how long a creative is, and shy away from what is
much longer or shorter than usual. All of it together makes order matter: the same frames with the best one last are
seen by fewer. A carousel's card stands for as long as a look takes, a video's frame until the next is cut to.

Letters: N frames, C concepts, D width of an embedding.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from swarm.platforms.common import common
from swarm.platforms.world import effects, stream

CONCEPTS = 48
WIDTH = 256
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Viewers:
    """How the people of one market look at frames."""

    appeal: Floats
    """[C] how a concept interests, standard."""
    product: Floats
    """[D] unit vector of what is sold; frames that show it interest more."""
    relevance: float
    start_hazard: float
    """Of leaving, a second, at the first frame if it is of mean interest."""
    late_hazard: float
    """The same after a long while."""
    settle_s: float
    """Seconds in which the hazard falls by two thirds of the way."""
    sway: float
    """How far interest moves the log hazard."""
    memory: float
    """Frames for which something seen is remembered."""
    best_s: float
    """Length that people shy away from least."""
    level: float
    """Engaged views of an impression for a creative that has everything."""


def draw_viewers(seed: int) -> Viewers:
    """One market's viewers. Half of what appeals, and of which length is best, is the same in all markets."""
    rng = stream(seed, "viewers", 0)
    product = concepts()[rng.integers(CONCEPTS, size=3)].sum(axis=0)
    return Viewers(
        appeal=effects(seed, "frame appeal", "concepts", CONCEPTS),
        product=product / np.linalg.norm(product),
        relevance=float(rng.uniform(0.5, 2.5)),
        start_hazard=float(rng.uniform(0.08, 0.25)),
        late_hazard=float(rng.uniform(0.005, 0.03)),
        settle_s=float(rng.uniform(2.0, 8.0)),
        sway=float(rng.uniform(0.5, 1.0)),
        memory=float(rng.uniform(2.0, 12.0)),
        best_s=float(40.0 * np.exp(0.6 * effects(seed, "frames", "best length", 1)[0])),
        level=float(np.exp(rng.uniform(np.log(0.05), np.log(0.5)))),
    )


@cache
def concepts() -> Floats:
    """[C, D] unit vectors of what a frame can show, the same in every market."""
    vectors = common("concept", "vectors", CONCEPTS * WIDTH).reshape(CONCEPTS, WIDTH)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


@dataclass(frozen=True, slots=True)
class Sequence:
    """A carousel or a video."""

    concept: NDArray[np.int64]
    """[N] what each frame shows."""
    frames: Floats
    """[N, D] unit embeddings."""
    seconds: Floats
    """[N] for which each frame stands."""


def draw_sequence(count: int, rng: np.random.Generator) -> Sequence:
    """``count`` frames. Scenes last from one frame, as in a carousel, to a dozen; its frames are nearly equal."""
    stay = rng.uniform(0.0, 0.9)
    cuts = rng.random(count) >= stay
    scene = np.cumsum(cuts) - cuts[0]
    concept = rng.integers(CONCEPTS, size=int(scene[-1]) + 1)
    setting = rng.standard_normal((len(concept), WIDTH)) / 16
    frames = concepts()[concept[scene]] + 0.6 * setting[scene] + 0.2 * rng.standard_normal((count, WIDTH)) / 16
    unit = frames / np.linalg.norm(frames, axis=1, keepdims=True)
    return Sequence(concept[scene], unit, rng.uniform(0.5, 3.0) * np.exp(0.3 * rng.standard_normal(count)))


def engaged_rate(viewers: Viewers, shown: Sequence) -> float:
    """Engaged views of an impression, between 0 and the viewers' ``level``."""
    begins = np.cumsum(shown.seconds) - shown.seconds
    interest = viewers.appeal[shown.concept] + viewers.relevance * (shown.frames @ viewers.product)
    novelty = _novelty(viewers, shown.frames)
    fall = np.exp(-begins / viewers.settle_s)
    hazard = viewers.late_hazard + (viewers.start_hazard - viewers.late_hazard) * fall
    left = np.exp(-np.cumsum(shown.seconds * hazard * np.exp(-viewers.sway * interest * novelty)))
    moved = (left * novelty * np.exp(0.5 * interest)).sum()
    shy = np.exp(-0.5 * (np.log(shown.seconds.sum() / viewers.best_s) / 1.5) ** 2)
    return float(viewers.level * moved / (moved + 4.0) * shy)


def _novelty(viewers: Viewers, frames: Floats) -> Floats:
    """[N] from 0 for what has just been seen to 1 for what never was."""
    t = np.arange(len(frames))
    ago = t[:, None] - t[None, :]
    alike = np.maximum(frames @ frames.T, 0.0) * np.exp(-np.maximum(ago - 1, 0) / viewers.memory)
    return np.asarray(1.0 - np.where(ago > 0, alike, 0.0).max(axis=1))
