"""Optimal transport: which of the best creatives a new one resembles, as distributions of what they show.

Letters: N points of the new creative, C top performers, M points of each, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from mechanisms.sliced_wasserstein import SlicedWassersteinAttention
from policies.entities import Creative


@dataclass(frozen=True, slots=True, eq=False)
class DistributionMatch:
    """What a new creative resembles."""

    best_match: Creative
    wasserstein_distance: float
    """To the best match, in units of the embeddings."""
    transport_plan: NDArray[np.float64]
    """[N, M] which share of the new creative's points goes to which point of the best match; sums to 1."""
    distances: NDArray[np.float64]
    """[C] to every top performer, in their order."""


class CreativeDistributionMatcher:
    """Compares creatives as clouds of points: their frames, or their elements and text.

    >>> from policies.entities import Creative, Genome
    >>> old = [Creative.of("a", "Half price until Sunday", Genome.of("urgency", "savings", "loss")),
    ...        Creative.of("b", "Loved by 3,000 guests", Genome.of("proof", "quality", "social"))]
    >>> new = Creative.of("c", "Half price, last days", Genome.of("urgency", "savings", "gain"))
    >>> CreativeDistributionMatcher().match_performance_distribution(new, old).best_match.id
    'a'
    """

    def __init__(self, *, projections: int = 256, seed: int = 0) -> None:
        """``projections``: more make the distance more exact, its error falls as their root."""
        self._projections, self._seed = projections, seed

    def match_performance_distribution(
        self, new_creative: Creative, top_performers: Sequence[Creative]
    ) -> DistributionMatch:
        """The top performer whose points are cheapest to make of the new creative's.

        Raises:
            ValueError: without top performers, or if an embedding's width differs from the new creative's.
        """
        if not top_performers:
            raise ValueError("no top performers to compare with")
        clouds = [creative.cloud for creative in top_performers]
        width = new_creative.cloud.shape[1]
        for creative in top_performers:
            if creative.cloud.shape[1] != width:
                raise ValueError(
                    f"{creative.id}: points {creative.cloud.shape} where {new_creative.id} has {width} wide"
                )
        key, mask = _padded(clouds)
        attention = SlicedWassersteinAttention.Config(
            width=width, projections=self._projections, seed=self._seed
        ).build()
        query = torch.from_numpy(new_creative.cloud.astype(np.float64))[None]
        with torch.inference_mode():
            answer = attention.double()(query, key, torch.eye(len(clouds))[None].double(), mask, need_weights=True)
        best = int(answer.extras["best"])
        distances = answer.extras["distance"][0].numpy()
        plan = answer.extras["plan"][0, :, : len(clouds[best])].numpy()
        return DistributionMatch(top_performers[best], float(distances[best]), plan, distances)


def _padded(clouds: Sequence[NDArray[np.floating]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Points [1, C, M, D] and which there are [1, C, M]."""
    most = max(len(cloud) for cloud in clouds)
    points = np.zeros((1, len(clouds), most, clouds[0].shape[1]))
    there = np.zeros((1, len(clouds), most), dtype=np.bool_)
    for c, cloud in enumerate(clouds):
        points[0, c, : len(cloud)], there[0, c, : len(cloud)] = cloud, True
    return torch.from_numpy(points), torch.from_numpy(there)
