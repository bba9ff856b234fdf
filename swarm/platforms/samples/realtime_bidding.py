"""A stream of bid requests, each priced before its own outcome is known.

Letters: B streams (1), T requests (256).
"""

from __future__ import annotations

import numpy as np

from policies.models.task import Sample
from swarm.platforms.requests import draw_requests
from swarm.platforms.world import stream

LENGTH = 256
MEMORY = (4, 16, 16)
"""Shape of what the model keeps of a stream."""


def draw(seed: int) -> Sample:
    """A stream in the market of ``seed``.

    Inputs: ``query`` [B, T, 256], features of the requests to price; ``key`` [B, T, 256], features of the request
    before each; ``value`` [B, T, 2], whether that one was clicked and the log of its price; ``mask`` [B, T], whether it
    was won, for of the others nothing is known; ``state`` and ``seen``, the empty memory of a stream's begin.
    Target: ``clicked`` [B, T], whether each would be clicked if shown.
    """
    rng = stream(seed, "request sample", 0)
    requests = draw_requests(seed, LENGTH + 1, rng)
    clicked = rng.random(LENGTH + 1) < 1.0 / (1.0 + np.exp(-requests.log_odds))
    bid = np.median(requests.log_price) + rng.normal(0.3, 0.5, LENGTH + 1)
    features, won = requests.features.astype(np.float32)[None], bid > requests.log_price
    told = np.stack([clicked, requests.log_price], axis=1).astype(np.float32)
    inputs = {
        "query": features[:, 1:],
        "key": features[:, :-1],
        "value": np.where(won[:, None], told, 0.0).astype(np.float32)[None, :-1],
        "mask": won[None, :-1],
        "state": np.zeros((1, *MEMORY), np.float32),
        "seen": np.zeros((1, 2), np.float32),
    }
    return Sample(inputs, {"clicked": clicked[None, 1:].astype(np.float32)})
