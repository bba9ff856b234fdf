"""Segments that have been tried, and what others of the same tree would bring.

Letters: B trials (8), Q segments asked about (8), K segments tried (32).
"""

from __future__ import annotations

import numpy as np

from policies.embedding import embed_many
from policies.models.task import Sample
from swarm.platforms.interests import Interests, draw_interests
from swarm.platforms.world import stream

TRIALS, ASKED, TRIED = 8, 8, 32


def draw(seed: int) -> Sample:
    """Trials in the market of ``seed``: each tries 4 to 32 segments with 10 to 5,000 clicks and asks about 8 others.

    Inputs: ``query`` [B, Q, 256] and ``key`` [B, K, 256], embeddings of the segments' paths; ``value`` [B, K, 2],
    clicks and conversions of the segments tried; ``mask`` [B, K]. Target: ``clicks`` and ``conversions`` [B, Q].
    """
    rng = stream(seed, "audience sample", 0)
    tree = draw_interests(seed)
    words = embed_many([" > ".join(path) for path in tree.path])
    trials = [_trial(tree, rng) for _ in range(TRIALS)]
    tried, asked, value, mask, clicks, conversions = (np.stack(column) for column in zip(*trials, strict=True))
    inputs = {"query": words[asked], "key": words[tried] * mask[..., None], "value": value, "mask": mask}
    return Sample(inputs, {"clicks": clicks, "conversions": conversions})


def _trial(tree: Interests, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    count = int(rng.integers(4, min(TRIED, len(tree.path) - ASKED) + 1))
    order = rng.permutation(len(tree.path))[: count + ASKED]
    rate = np.exp(tree.log_rate[order])
    clicks = np.rint(np.exp(rng.uniform(np.log(10), np.log(5000), len(order))))
    conversions = rng.binomial(clicks.astype(np.int64), rate)
    told = np.stack([clicks, conversions], axis=1).astype(np.float32)
    room = TRIED - count
    return (
        np.pad(order[:count], (0, room)),
        order[count:],
        np.pad(told[:count], ((0, room), (0, 0))),
        np.arange(TRIED) < count,
        *told[count:].T,
    )
