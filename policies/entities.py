"""What the engine speaks of: creatives and their elements, touchpoints, campaigns, people. Arrays are float, read only.

Letters: D width of an embedding, M frames, K metrics.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from policies.embedding import embed_text

Vector = NDArray[np.floating]
TOUCH_CHANNELS = ("search", "brand_search", "display", "retargeting", "video", "social", "email", "affiliate")
"""Kinds of touchpoint that attribution knows."""


@dataclass(frozen=True, slots=True, eq=False)
class Genome:
    """What a creative is made of, each as an embedding [D]."""

    hook: Vector
    promise: Vector
    frame: Vector

    @classmethod
    def of(cls, hook: str, promise: str, frame: str) -> Genome:
        """From words, such as those of a campaign file: ``Genome.of("urgency", "savings", "loss")``."""
        return cls(embed_text(hook), embed_text(promise), embed_text(frame))

    @property
    def elements(self) -> NDArray[np.floating]:
        """[3, D] hook, promise and frame."""
        return np.stack([self.hook, self.promise, self.frame])


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Creative:
    """An advertisement."""

    id: str
    embedding: Vector
    """[D] of its text."""
    genome: Genome
    frames: NDArray[np.floating] | None = None
    """[M, D] of a carousel's or a video's frames."""

    @classmethod
    def of(cls, id: str, text: str, genome: Genome) -> Creative:
        """From its text."""
        return cls(id=id, embedding=embed_text(text), genome=genome)

    @property
    def cloud(self) -> NDArray[np.floating]:
        """[M, D] the creative as a distribution: its frames, or its elements and its text where it has none."""
        return self.frames if self.frames is not None else np.vstack([self.genome.elements, self.embedding])


@dataclass(frozen=True, slots=True, kw_only=True)
class Touchpoint:
    """One moment of a person's way to a conversion."""

    channel: str
    time_s: float
    """Seconds since any moment, the same for the whole path."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class CampaignState:
    """How a campaign does in one window of time."""

    id: str
    metrics: Vector
    """[K], the same metrics in every window and of every campaign."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class UserFeatures:
    """A person, or an audience, by features of three kinds."""

    demographics: Vector
    """Flat: age, income, place."""
    interests: Vector
    """From an interest tree."""
    behavior: Vector
    """Cycles: hours, days, seasons."""
