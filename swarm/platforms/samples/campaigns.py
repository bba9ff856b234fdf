"""Campaigns of the samples: listings of the embedded market, and the words by which people describe them."""

from __future__ import annotations

import numpy as np

from swarm.platforms.channels import FOUR
from swarm.platforms.samples.words import FRAMES, HOOKS, PROMISES, sentence
from swarm.platforms.world import Listing

_OBJECTIVES = {"OUTCOME_SALES": "value", "OUTCOME_LEADS": "conversions"}
_KINDS = ("interest", "lookalike", "remarketing", "demographic")


def listings(seed: int, count: int, rng: np.random.Generator) -> list[Listing]:
    """``count`` campaigns that count conversions, with one or two audiences and three creatives each."""
    return [_listing(seed, i, rng) for i in range(count)]


def _listing(seed: int, i: int, rng: np.random.Generator) -> Listing:
    objective = str(rng.choice(list(_OBJECTIVES)))
    genomes = tuple((str(rng.choice(HOOKS)), str(rng.choice(PROMISES)), str(rng.choice(FRAMES))) for _ in range(3))
    return Listing(
        name=f"sample-{i}",
        goal=_OBJECTIVES[objective],
        objective=objective,
        zone="UTC",
        daily_budget=float(np.exp(rng.uniform(np.log(100), np.log(2000)))),
        bid_bounds=(0.05, 20.0),
        target_cost=None,
        value_per_conversion=50.0,
        audiences=tuple(str(kind) for kind in rng.choice(_KINDS, int(rng.integers(1, 3)), replace=False)),
        genomes=genomes,
        allowed=(True,) * len(FOUR),
        seed=seed,
    )


def described(listing: Listing, rng: np.random.Generator) -> str:
    """What the swarm embeds of a campaign: objective, goal, and audiences with some words of a person's own."""
    audiences = (f"{kind} {sentence(rng, 4)}" for kind in listing.audiences)
    return " ".join([listing.objective, listing.goal, *audiences, sentence(rng, 1)])
