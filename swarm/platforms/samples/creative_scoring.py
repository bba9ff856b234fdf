"""Creatives and their conversions: hook, promise and frame as campaigns name them, and what their clicks became.

The truth is the market's own (``world.genome_effect``); a creative's text tells nothing of it, as in the market.

Letters: B creatives, all of 12 campaigns with 4 each.
"""

from __future__ import annotations

import numpy as np

from policies.embedding import embed_many
from policies.models.task import Sample
from swarm.platforms.samples.words import FRAMES, HOOKS, PROMISES, sentence
from swarm.platforms.world import OWN_SPREAD, genome_effect, stream

CAMPAIGNS, CREATIVES = 12, 4


def draw(seed: int) -> Sample:
    """One market's creatives.

    Returns:
        Inputs ``query`` [B, 1, 256], the text, ``key`` and ``value`` [B, 3, 256], the genome. Target [B]: ``clicks``,
        ``conversions`` among them, and ``rate``, conversions a click of the campaign's mean creative.
    """
    rng, count = stream(seed, "creative samples", 0), CAMPAIGNS * CREATIVES
    genomes = [(str(rng.choice(HOOKS)), str(rng.choice(PROMISES)), str(rng.choice(FRAMES))) for _ in range(count)]
    effect = np.array([genome_effect(seed, genome)[1] for genome in genomes])
    rate = np.repeat(0.05 * np.exp(0.4 * rng.standard_normal(CAMPAIGNS)), CREATIVES)
    clicks = np.rint(np.exp(rng.uniform(np.log(200), np.log(5000), count)))
    own = OWN_SPREAD * rng.standard_normal(count)
    conversions = rng.binomial(clicks.astype(int), np.minimum(rate * np.exp(effect + own), 0.9))
    elements = np.stack([embed_many(words) for words in zip(*genomes, strict=True)], axis=1)
    text = embed_many([sentence(rng) for _ in range(count)])[:, None]
    target = {"clicks": clicks, "conversions": conversions, "rate": rate}
    return Sample(
        {"query": text, "key": elements, "value": elements},
        {name: array.astype(np.float32) for name, array in target.items()},
    )
