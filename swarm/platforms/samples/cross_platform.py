"""Campaigns that are new on one platform, what other platforms have reported of them, and their first day on it.

Levels, traffic and prices are the market's (``world``), with what traits add (``kinship``).

Letters: B campaigns, P platforms, of which P - 1 report.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from policies.embedding import embed_many
from policies.models.reports import reports
from policies.models.task import Sample
from swarm.platforms.channels import FOUR, TERMS
from swarm.platforms.kinship import kinship
from swarm.platforms.samples.campaigns import described, listings
from swarm.platforms.world import World, draw_world, stream

CAMPAIGNS = 16
_PLATFORMS = [channel.platform for channel in FOUR]
_USUAL = np.array([TERMS[platform].click_rate for platform in _PLATFORMS])


def draw(seed: int) -> Sample:
    """One market's campaigns.

    Returns:
        Inputs ``query`` [B, 1, 256], the campaign and the platform where it is new; ``key`` and ``value``
        [B, P - 1, 384], the others' reports of one to thirty days; ``mask`` [B, P - 1], those where it ran at all.
        Target [B]: ``impressions``, ``clicks`` and ``conversions`` of the first day on the new platform, and its
        ``usual`` click rate.
    """
    rng = stream(seed, "cross samples", 0)
    drawn = listings(seed, CAMPAIGNS, rng)
    rates, words = _rates(draw_world(drawn, FOUR, shocks_per_week=0.0)), [described(one, rng) for one in drawn]
    days = np.exp(rng.uniform(0.0, np.log(30.0), (CAMPAIGNS, len(FOUR))))
    new = rng.integers(len(FOUR), size=CAMPAIGNS)
    days[np.arange(CAMPAIGNS), new] = 1.0
    impressions = np.rint(days * np.exp(rng.normal(np.log(8000), 0.8, days.shape)))
    clicks = rng.binomial(impressions.astype(int), np.minimum(rates[0], 0.5)).astype(np.float64)
    conversions = rng.binomial(clicks.astype(int), np.minimum(rates[1], 0.5)).astype(np.float64)
    texts = [f"{platform} {text}" for text in words for platform in _PLATFORMS]
    text = embed_many(texts).reshape(CAMPAIGNS, len(FOUR), -1)
    spend = clicks * np.exp(rng.normal(0.0, 0.5, clicks.shape))
    table = reports(
        text.reshape(-1, text.shape[-1]),
        np.tile(_USUAL, CAMPAIGNS),
        impressions=impressions.ravel(),
        clicks=clicks.ravel(),
        conversions=conversions.ravel(),
        spend=spend.ravel(),
    ).reshape(CAMPAIGNS, len(FOUR), -1)
    rows, others = np.arange(CAMPAIGNS), np.array([[p for p in range(len(FOUR)) if p != at] for at in new])
    mask = rng.random(others.shape) < 0.8
    mask[:, 0] |= ~mask.any(axis=1)
    told = table[rows[:, None], others] * mask[..., None]
    target = {"impressions": impressions[rows, new], "clicks": clicks[rows, new], "conversions": conversions[rows, new]}
    return Sample(
        {"query": text[rows, new][:, None], "key": told, "value": told, "mask": mask},
        {name: array.astype(np.float32) for name, array in {**target, "usual": _USUAL[new]}.items()},
    )


def _rates(world: World) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """[B, P] clicks an impression and conversions a click, creatives shown equally."""
    kin = np.array([kinship(one.seed, one.name, _PLATFORMS) for one in world.listings])
    click = world.ctr * world.appeal.mean(axis=1, keepdims=True) * np.exp(kin[..., 0])
    convert = world.goal_rate * world.quality.mean(axis=1, keepdims=True) * np.exp(kin[..., 1])
    return click, convert / world.unit_value[:, None]
