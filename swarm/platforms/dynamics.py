"""What moves a campaign's market: its climate, and what its own past does to it.

The past is kept in a few sums a campaign and channel, moved on by the same functions in the market and in hindsight.

Letters: R campaigns, C channels, K creatives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from swarm.platforms.climate import Climate
from swarm.platforms.competition import Competition
from swarm.platforms.fatigue import MILD, Fatigue, Wear
from swarm.platforms.overlap import MEMORY_H, Overlap
from swarm.platforms.phases import Learning

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Dynamics:
    """All that makes one hour of a campaign unlike another."""

    climate: Climate
    competition: Competition
    learning: Learning
    overlap: Overlap
    fatigue: Fatigue

    @classmethod
    def none(cls, rows: int, channels: int, creatives: int) -> Dynamics:
        """The usual climate, and a market that forgets at once."""
        return cls(
            Climate.usual(rows),
            Competition.none(rows, channels),
            Learning.none(rows, channels),
            Overlap.none(rows, channels),
            Fatigue.none(rows, creatives),
        )

    @classmethod
    def draw(
        cls, campaigns: Sequence[tuple[int, int, Sequence[str]]], channels: int, creatives: int, wear: Wear = MILD
    ) -> Dynamics:
        """Of ``campaigns``: each one's seed, key, and groups of people; the climate is the usual."""
        if not campaigns:
            return cls.none(0, channels, creatives)
        return cls(
            Climate.usual(len(campaigns)),
            Competition(*_stack([Competition.draw(seed, key, channels) for seed, key, _ in campaigns])),
            Learning(*_stack([Learning.draw(seed, key, channels) for seed, key, _ in campaigns])),
            Overlap(np.stack([Overlap.draw(seed, key, groups, channels) for seed, key, groups in campaigns])),
            Fatigue(*_stack([Fatigue.draw(seed, key, creatives, wear) for seed, key, _ in campaigns])),
        )

    @property
    def feeds_back(self) -> bool:
        """Whether what a campaign does changes what it meets later."""
        return bool(self.competition.rho.any() or self.learning.loss.any() or self.overlap.shared.any())

    def rows(self, rows: slice) -> Dynamics:
        """Some of the campaigns."""
        parts = (getattr(self, part.name) for part in fields(self))
        return Dynamics(*(type(part)(*(getattr(part, f.name)[rows] for f in fields(part))) for part in parts))


def _stack(drawn: Sequence[tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
    first, second = zip(*drawn, strict=True)
    return np.stack(first), np.stack(second)


@dataclass
class Past:
    """What campaigns have done, as far as their market remembers it; [R, C] each."""

    won: Floats
    """Auctions won, the older the less."""
    met: Floats
    """Auctions there were, weighted alike."""
    reached: Floats
    """Conversions, the older the less."""
    conversions: Floats
    """Since the learning phase began."""
    hours: Floats
    """Of delivery since the learning phase began."""

    @classmethod
    def empty(cls, dynamics: Dynamics, auctions_h: Floats) -> Past:
        """Before anything was won of the usual ``auctions_h``."""
        won, reached, conversions, hours = np.zeros((4, *auctions_h.shape))
        return cls(won, auctions_h / dynamics.competition.speed, reached, conversions, hours)

    def restart(self, edited: NDArray[np.bool_]) -> None:
        """Begin the learning phase anew where settings were ``edited`` [R, C]."""
        self.conversions = np.where(edited, 0.0, self.conversions)
        self.hours = np.where(edited, 0.0, self.hours)

    def reach(self, conversions: Floats) -> None:
        """Remember the hour's ``conversions`` [R, C] before those are counted."""
        self.reached = self.reached * (1.0 - 1.0 / MEMORY_H) + conversions

    def close(self, speed: Floats, won: Floats, met: Floats, conversions: Floats, active: NDArray[np.bool_]) -> None:
        """The hour is over: what was ``won`` and ``met``, what it brought, and where there was delivery at all."""
        self.won = self.won * (1.0 - speed) + won
        self.met = self.met * (1.0 - speed) + met
        self.conversions = self.conversions + conversions
        self.hours = self.hours + active
