"""What attention expects of a scenario's creatives before their results: the shipped scorer, asked once.

Letters: R campaigns, K creatives.
"""

from __future__ import annotations

import numpy as np
import torch

from policies.embedding import embed_many
from policies.estimation import CreativePrior
from policies.learning import creative_prior
from policies.models.creative import WIDTH, CreativeScorer
from policies.models.weights import load
from swarm.platforms.scenarios import Setup


def creatives(setup: Setup) -> CreativePrior:
    """The prior of each creative by its hook, promise and frame; listings have no text, and no head is refitted."""
    exists = setup.world.creatives
    genomes = [genome for listing in setup.world.listings for genome in listing.genomes]
    parts = np.stack([embed_many(words) for words in zip(*genomes, strict=True)], axis=1)
    model = CreativeScorer()
    load(model, "creative_scoring")
    with torch.inference_mode():
        elements = torch.from_numpy(parts)
        answer = model(torch.zeros(len(parts), 1, WIDTH), elements, elements)
    overall, doubt = np.zeros(exists.shape), np.zeros(exists.shape)
    assert answer.extras is not None
    overall[exists], doubt[exists] = answer.output[:, 0, -1].numpy(), answer.extras["doubt"].reshape(-1).numpy()
    return creative_prior(overall, doubt, exists).standing()
