"""Information bottleneck: the few numbers of a creative that foretell its conversions.

Letters: N creatives, W width of an embedding, Z width of an essence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from mechanisms.information_bottleneck import InformationBottleneck, fit
from policies.entities import Creative

_HELD_OUT = 4
"""One creative in so many is kept to measure what is preserved."""
_MOST_MEASURED = 2_000
"""Creatives that are measured on: the bound's cost grows with their square."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class CompressedCreative:
    """A creative's essence."""

    original_id: str
    essence: NDArray[np.float32]
    """[Z]"""
    information_preserved: float
    """Nats that an essence tells of conversions: a lower bound, over creatives that were kept apart in the fit.

    0 where nothing could be shown, as after too few steps or creatives."""
    compression_ratio: float
    """W / Z."""


class CreativeCompressor:
    """Learns from creatives with known outcomes, then compresses any other.

    >>> rng = np.random.default_rng(0)
    >>> embeddings, shown = rng.normal(size=(1_000, 32)), np.full(1_000, 200)
    >>> converted = rng.binomial(shown, 1 / (1 + np.exp(3 - embeddings[:, 0])))
    >>> compressor = CreativeCompressor(dim=32, compressed_dim=8).fit(embeddings, converted, shown, steps=400)
    >>> from policies.entities import Creative, Genome
    >>> genome = Genome(*embeddings[:3])
    >>> one = compressor.extract_essence(Creative(id="a", embedding=embeddings[0], genome=genome))
    >>> one.essence.shape, one.compression_ratio, one.information_preserved > 0.3
    ((8,), 4.0, True)
    """

    def __init__(self, *, beta: float = 0.5, compressed_dim: int = 64, dim: int = 256, seed: int = 0) -> None:
        """``beta``: nats of foresight that a nat of essence must earn; ``dim``: W; ``compressed_dim``: Z."""
        self._bottleneck = InformationBottleneck.Config(
            width=dim, compressed=compressed_dim, beta=beta, seed=seed
        ).build()
        self._seed, self._preserved = seed, float("nan")
        self._mean, self._scale = torch.zeros(dim), torch.ones(())

    def fit(
        self,
        embeddings: NDArray[np.floating],
        conversions: NDArray[np.integer],
        impressions: NDArray[np.integer],
        *,
        steps: int = 2_000,
    ) -> CreativeCompressor:
        """Learn from past creatives.

        Args:
            embeddings: [N, W].
            conversions: [N].
            impressions: [N].
            steps: of training.

        Raises:
            ValueError: if there are fewer than 8 creatives, or the three do not fit each other.
        """
        x, y, n = (torch.from_numpy(np.asarray(each, np.float32)) for each in (embeddings, conversions, impressions))
        if len(x) < 2 * _HELD_OUT or x.dim() != 2 or not x.shape[:1] == y.shape == n.shape:
            raise ValueError(
                f"embeddings {tuple(x.shape)}, conversions {tuple(y.shape)}, impressions {tuple(n.shape)}, "
                f"expected [N, W], [N], [N] with N >= {2 * _HELD_OUT}"
            )
        kept = torch.arange(len(x)) % _HELD_OUT == 0
        self._mean, self._scale = x[~kept].mean(0), x[~kept].std().clamp_min(1e-6)
        x, rng = (x - self._mean) / self._scale, torch.Generator().manual_seed(self._seed)
        fit(self._bottleneck, x[~kept], y[~kept], n[~kept], steps, rng)
        x, y, n = (each[kept][:_MOST_MEASURED] for each in (x, y, n))
        self._preserved = max(float(self._bottleneck.bounds(x, y, n, rng)["outcome_lower"]), 0.0)
        return self

    def extract_essence(self, creative: Creative) -> CompressedCreative:
        """The essence of one creative's embedding.

        Raises:
            ValueError: before ``fit``, or if the embedding has another width.
        """
        return self.extract_essences([creative])[0]

    def extract_essences(self, creatives: Sequence[Creative]) -> list[CompressedCreative]:
        """Those of many at once.

        Raises:
            ValueError: before ``fit``, or if an embedding has another width.
        """
        if np.isnan(self._preserved):
            raise ValueError("nothing learnt yet: call fit() with creatives whose conversions are known")
        config = self._bottleneck.config
        if wrong := [each for each in creatives if each.embedding.shape != (config.width,)]:
            raise ValueError(
                f"{wrong[0].id}: embedding has shape {wrong[0].embedding.shape}, expected ({config.width},)"
            )
        x = torch.from_numpy(np.stack([each.embedding for each in creatives]).astype(np.float32))
        with torch.inference_mode():
            essences = self._bottleneck.compress((x - self._mean) / self._scale).numpy()
        return [
            CompressedCreative(
                original_id=creative.id,
                essence=essence,
                information_preserved=self._preserved,
                compression_ratio=config.width / config.compressed,
            )
            for creative, essence in zip(creatives, essences, strict=True)
        ]
