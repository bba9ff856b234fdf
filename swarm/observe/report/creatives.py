"""How each creative was expected to do, how often it is shown, and how it did.

Letters: R campaigns, C channels, K creatives.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from policies.frames import Floats
from swarm.spec.campaign import Campaign
from swarm.store.journal import Journal

_ENOUGH = 1.0
"""Conversions that had to be expected of a creative before what it got says anything."""


@dataclass(frozen=True, slots=True)
class CreativeReport:
    """One creative; rates are multiples of what its campaign gets from a click on the same channels."""

    id: str
    headline: str
    expected: float | None
    """What the scorer predicts; None where it knows nothing of this campaign."""
    spread: float
    """Standard deviation of its logarithm."""
    got: float | None
    """What was reported; None where too little could have been."""
    rotation: float
    """Its share of the showings now."""
    clicks: float
    """Recent ones count most, here and in ``conversions``: so evidence is kept."""
    conversions: float


@dataclass(frozen=True, slots=True)
class Learnt:
    """What the newest checkpoint holds of creatives."""

    held: bool
    """A person holds the mode."""
    brain: Mapping[str, NDArray[Any]]
    sums: Floats
    """[4, R, C, K] conversions, matured clicks, clicks, impressions; older ones discounted."""

    @classmethod
    def of(cls, journal: Journal) -> Self:
        """From the journal; nothing of creatives before the first hour is over."""
        kept = {name: arrays for name, (_, arrays) in journal.models().items()}
        brain = kept.pop("state/brain", {})
        parts = [arrays["sums"] for arrays in kept.values() if "sums" in arrays]
        rows, creatives = (min((part.shape[axis] for part in parts), default=0) for axis in (1, 3))
        sums = [part[:, :rows, :, :creatives] for part in parts] or [np.zeros((4, 0, 0, 0))]
        return cls(bool(brain.get("held", False)), brain, np.concatenate(sums, axis=2))


def creatives_of(spec: Campaign, row: int, learnt: Learnt) -> tuple[CreativeReport, ...]:
    """The campaign's creatives in their order; empty before its first hour is over."""
    count = len(spec.creatives)
    if row >= learnt.sums.shape[1] or row >= len(learnt.brain.get("rotation", ())):
        return ()
    conversions, matured, clicks, _ = learnt.sums[:, row, :, :count]
    due = _due(conversions, matured)
    return tuple(
        CreativeReport(
            id=creative.id,
            headline=creative.headline,
            expected=expected,
            spread=spread,
            got=None if spec.goal == "clicks" or due[k] < _ENOUGH else float(conversions[:, k].sum() / due[k]),
            rotation=float(learnt.brain["rotation"][row, :, k].mean()),
            clicks=float(clicks[:, k].sum()),
            conversions=float(conversions[:, k].sum()),
        )
        for k, (creative, (expected, spread)) in enumerate(
            zip(spec.creatives, _expected(spec, row, learnt, due), strict=True)
        )
    )


def _due(conversions: Floats, matured: Floats) -> Floats:
    """[K] conversions, were all creatives alike on each channel; arguments [C, K]."""
    rate = conversions.sum(axis=1) / np.maximum(matured.sum(axis=1), 1e-12)
    return np.asarray((matured * rate[:, None]).sum(axis=0))


def _expected(spec: Campaign, row: int, learnt: Learnt, due: Floats) -> list[tuple[float | None, float]]:
    """The scorer's factors and their spreads, so that their mean over the campaign's own showings is 1.

    A campaign after clicks has none: there, a click is worth the same whatever was shown.
    """
    factor, doubt = (learnt.brain[name][row, : len(spec.creatives)] for name in ("creative", "creative_doubt"))
    if spec.goal == "clicks" or not doubt.any():
        return [(None, 0.0)] * len(factor)
    weight = due / due.sum() if due.sum() else np.full(len(due), 1 / len(due))
    spread = np.sqrt(doubt + float(learnt.brain["creative_own"]))
    return [(float(f), float(s)) for f, s in zip(factor / (factor * weight).sum(), spread, strict=True)]
