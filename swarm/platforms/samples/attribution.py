"""Journeys over eight channels, and who converted.

Letters: B journeys (96), L touches (20, fewer are padded), C channels (8).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from policies.entities import TOUCH_CHANNELS
from policies.models.task import Sample
from swarm.platforms.journeys import Journeys, chance, draw_buyers, draw_journeys, without
from swarm.platforms.world import stream

JOURNEYS, EARLIER = 96, 1000


def draw(seed: int) -> Sample:
    """Journeys in the market of ``seed``, and what its reports said of earlier ones.

    Inputs: ``query`` [B, 1, 2], earlier journeys of the account and their conversions; ``key`` [B, L, C], the unit
    vector of each touch's channel; ``value`` [B, L, 2], earlier journeys in which that channel was, and their
    conversions; ``mask`` [B, L]; ``query_time`` [B, 1] and ``key_time`` [B, L], seconds since 1970, of the window's end
    and of the touches. Target: ``converted`` [B]; ``lift`` [B, C], by how much the true chance of converting falls
    where a channel is switched off.
    """
    rng = stream(seed, "journey sample", 0)
    buyers = draw_buyers(seed)
    journeys = draw_journeys(buyers, EARLIER + JOURNEYS, rng)
    likely = chance(buyers, journeys)
    converted = rng.random(len(likely)) < likely
    lift = np.stack([likely - chance(buyers, without(journeys, c)) for c in range(len(TOUCH_CHANNELS))], axis=1)
    end = 1.75e9 + rng.uniform(0, 3e7, (JOURNEYS, 1))
    channel, mask = journeys.channel[EARLIER:], journeys.mask[EARLIER:]
    inputs = {
        "query": np.tile([[[EARLIER, converted[:EARLIER].sum()]]], (JOURNEYS, 1, 1)).astype(np.float32),
        "key": np.eye(len(TOUCH_CHANNELS), dtype=np.float32)[channel] * mask[..., None],
        "value": _told(journeys, converted)[channel] * mask[..., None],
        "mask": mask,
        "query_time": end,
        "key_time": end - journeys.before_s[EARLIER:],
    }
    target = {"converted": converted[EARLIER:].astype(np.float32), "lift": lift[EARLIER:].astype(np.float32)}
    return Sample(inputs, target)


def _told(journeys: Journeys, converted: NDArray[np.bool_]) -> NDArray[np.float32]:
    """[C, 2] earlier journeys in which each channel was, and their conversions."""
    there = journeys.mask & (journeys.channel == np.arange(len(TOUCH_CHANNELS))[:, None, None])
    met = there.any(axis=2)[:, :EARLIER]
    return np.stack([met.sum(axis=1), (met & converted[:EARLIER]).sum(axis=1)], axis=1).astype(np.float32)
