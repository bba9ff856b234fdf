"""Carousels and videos, and how many of those who met them were engaged.

Letters: B creatives (3), N frames (200, fewer are padded).
"""

from __future__ import annotations

import numpy as np

from policies.models.task import Sample
from swarm.platforms.frames import WIDTH, Sequence, draw_sequence, draw_viewers, engaged_rate
from swarm.platforms.world import stream

CREATIVES, FRAMES, EARLIER = 3, 200, 6


def draw(seed: int) -> Sample:
    """Creatives of 5 to 200 frames in the market of ``seed``.

    Inputs: ``query`` [B, 1, 256], embedding of what is sold; ``key`` [B, N, 256], embeddings of the frames; ``value``
    [B, N, 1], seconds for which each stands; ``mask`` [B, N]; ``account`` [B, 2], impressions and engaged views of the
    account's earlier creatives. Target: ``impressions`` and ``engaged`` [B].
    """
    rng = stream(seed, "sequence sample", 0)
    viewers = draw_viewers(seed)
    shown = [draw_sequence(_count(rng), rng) for _ in range(EARLIER + CREATIVES)]
    impressions = np.rint(np.exp(rng.uniform(np.log(300), np.log(20_000), len(shown))))
    engaged = rng.binomial(impressions.astype(np.int64), [engaged_rate(viewers, each) for each in shown])
    told = np.stack([impressions, engaged], axis=1).astype(np.float32)
    frames, seconds, mask = (np.stack(column) for column in zip(*map(_padded, shown[EARLIER:]), strict=True))
    inputs = {
        "query": np.tile(viewers.product, (CREATIVES, 1, 1)).astype(np.float32),
        "key": frames,
        "value": seconds,
        "mask": mask,
        "account": np.tile(told[:EARLIER].sum(axis=0), (CREATIVES, 1)),
    }
    return Sample(inputs, {"impressions": told[EARLIER:, 0], "engaged": told[EARLIER:, 1]})


def _count(rng: np.random.Generator) -> int:
    return int(np.exp(rng.uniform(np.log(5), np.log(FRAMES + 1))))


def _padded(shown: Sequence) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """[N, D] frames, [N, 1] seconds and [N] mask, up to ``FRAMES``."""
    count = len(shown.frames)
    frames, seconds = np.zeros((FRAMES, WIDTH), np.float32), np.zeros((FRAMES, 1), np.float32)
    frames[:count], seconds[:count, 0] = shown.frames, shown.seconds
    return frames, seconds, np.arange(FRAMES) < count
