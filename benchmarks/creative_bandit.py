"""What shared elements are worth to a bandit over creatives, by the share of the variance that they explain.

A market is drawn for each seed: what hooks, promises and frames do is half its own and half common to all markets
(``world.effects``), the rest of a creative's rate is its own. The bandit meets one new campaign of it. Past campaigns
of the same market have taught the ``creative_scoring`` model's head, by the swarm's own ``creative_head``.

Letters: R seeds, P past campaigns, K creatives, T rounds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Protocol

import numpy as np
import torch

from policies.bandit import SCORED, CreativeBandit, Prior
from policies.embedding import embed_many
from policies.frames import Bools, Evidence, Floats, Ints, Portfolio
from policies.learning import Head, creative_head
from policies.models import weights
from policies.models.creative import CreativeScorer
from swarm.platforms.samples.words import FRAMES, HOOKS, PROMISES, sentence
from swarm.platforms.world import effects

DAYS, ROUNDS_A_DAY = 14, 4
MOST = 24
"""Creatives of a campaign: 4 to so many, log-uniform."""
WORDS = (("hook", HOOKS), ("promise", PROMISES), ("frame", FRAMES))
_DRAWS = 256


@dataclass(frozen=True, slots=True)
class Campaigns:
    """New campaigns, one of each seed's market."""

    rate: Floats
    """[R, K] clicks per impression; 0 where there is no creative."""
    elements: Floats
    """[R, K, 30] which words each creative has."""
    daily: Floats
    """[R] impressions a day."""
    scored: Prior
    """What attention makes of the creatives."""

    @property
    def exists(self) -> Bools:
        """[R, K]"""
        return self.rate > 0


class Learner(Protocol):
    """What the run asks of a policy."""

    def shares(self) -> Floats:
        """[R, K]"""

    def update(self, *, shown: Floats, clicks: Floats) -> None:
        """[R, K] each."""


Policy = Callable[[Campaigns, np.random.Generator], Learner]


class BetaThompson:
    """The textbook: each creative's rate is Beta(1, 1) before its results, whatever it is made of."""

    def __init__(self, exists: Bools, rng: np.random.Generator) -> None:
        self._exists, self._rng = exists, rng
        self._won, self._lost = np.ones((2, *exists.shape))

    def shares(self) -> Floats:
        """[R, K] of many draws."""
        shape = (_DRAWS, *self._exists.shape)
        drawn = np.where(self._exists, self._rng.beta(np.broadcast_to(self._won, shape), self._lost), -1.0)
        wins: Floats = (drawn.argmax(axis=2)[..., None] == np.arange(shape[2])).mean(axis=0)
        return wins

    def update(self, *, shown: Floats, clicks: Floats) -> None:
        """Count."""
        self._won += clicks
        self._lost += np.maximum(shown - clicks, 0.0)


def beta_thompson(campaigns: Campaigns, rng: np.random.Generator) -> Learner:
    """Thompson sampling without features."""
    return BetaThompson(campaigns.exists, rng)


def of(prior: Callable[[Campaigns], Prior], exploration: float) -> Policy:
    """Our bandit with one prior."""

    def policy(campaigns: Campaigns, rng: np.random.Generator) -> Learner:
        return CreativeBandit(prior(campaigns), exists=campaigns.exists, exploration=exploration, rng=rng)

    return policy


def alike(campaigns: Campaigns) -> Prior:
    """No features."""
    return Prior.alike(MOST, len(campaigns.daily))


def elements(campaigns: Campaigns) -> Prior:
    """Which words each creative has."""
    return Prior.of_elements(campaigns.elements)


def scored(campaigns: Campaigns) -> Prior:
    """What attention has learnt of the words from past campaigns."""
    return campaigns.scored


def draw(seeds: Ints, share: float) -> Campaigns:
    """One campaign for each seed, in whose market elements explain ``share`` of the variance of log rates."""
    model = CreativeScorer()
    weights.load(model, "creative_scoring")
    each = [_market(int(seed), share, model) for seed in seeds]
    rate, elements, overall, root, daily = (np.stack(column) for column in zip(*each, strict=True))
    return Campaigns(rate, elements, daily, Prior(overall, root, SCORED))


def _market(seed: int, share: float, model: CreativeScorer) -> tuple[Floats, ...]:
    rng = np.random.default_rng([seed, 5])
    spread = rng.uniform(0.2, 0.5)
    past = int(np.exp(rng.uniform(np.log(6), np.log(48))))
    vocabulary = [np.arange(len(words)) for _, words in WORDS]
    some = [rng.choice(index, rng.integers(2, 7), replace=False) for index in vocabulary]
    count = int(np.exp(rng.uniform(np.log(4), np.log(MOST + 1))))
    picks = _genomes(rng, vocabulary, past * 4), _genomes(rng, some, MOST)
    logs = [spread * (np.sqrt(share) * _effect(seed, pick) + np.sqrt(1 - share) * rng.standard_normal(len(pick)))
            for pick in picks]  # fmt: skip
    level = np.exp(rng.uniform(np.log(0.005), np.log(0.04), past + 1))
    head = _taught(_features(model, picks[0], rng), level[:past, None] * np.exp(logs[0].reshape(past, 4)), rng)
    scored = Prior.of_scores(*_scored(model, head, picks[1], rng), head["root"])
    rate = np.where(np.arange(MOST) < count, level[past] * np.exp(logs[1]), 0.0)
    return rate, _one_hot(picks[1]), scored.mean[0], scored.root[0], np.exp(rng.uniform(np.log(3e3), np.log(1e5)))


def _genomes(rng: np.random.Generator, words: list[Ints], count: int) -> Ints:
    """[n, 3] a hook, a promise and a frame of each creative."""
    return np.stack([rng.choice(each, count) for each in words], axis=1)


def _effect(seed: int, picks: Ints) -> Floats:
    """[n] of variance 1: what a creative's words do to the log of its rate."""
    by_word = [np.array([effects(seed, kind, word, 2)[1] for word in words]) for kind, words in WORDS]
    return np.asarray(sum(effect[picks[:, j]] for j, effect in enumerate(by_word)) / np.sqrt(len(WORDS)))


def _one_hot(picks: Ints) -> Floats:
    return np.concatenate([np.eye(len(words))[picks[:, j]] for j, (_, words) in enumerate(WORDS)], axis=1)


def _inputs(picks: Ints, rng: np.random.Generator) -> dict[str, torch.Tensor]:
    genome = np.stack([embed_many(words)[picks[:, j]] for j, (_, words) in enumerate(WORDS)], axis=1)
    text = embed_many([sentence(rng) for _ in picks])[:, None]
    return {name: torch.from_numpy(x) for name, x in (("query", text), ("key", genome), ("value", genome))}


def _features(model: CreativeScorer, picks: Ints, rng: np.random.Generator) -> Floats:
    return np.asarray(model(**_inputs(picks, rng)).extras["features"], np.float64)


def _scored(model: CreativeScorer, head: Head, picks: Ints, rng: np.random.Generator) -> tuple[Floats, Floats]:
    model.set_head(head, 1)
    answer = model(**_inputs(picks, rng))
    model.head = None
    return np.asarray(answer.output[:, 0, -1], np.float64), np.asarray(answer.extras["features"], np.float64)


def _taught(features: Floats, rate: Floats, rng: np.random.Generator) -> Head:
    """The head after past campaigns, each shown 3,000 to 300,000 times in equal parts; ``rate`` [P, 4]."""
    past, count = rate.shape
    shown = np.repeat(np.exp(rng.uniform(np.log(3e3), np.log(3e5), (past, 1))) / count, count, axis=1)
    clicks = rng.poisson(shown * rate).astype(np.float64)
    base = (clicks.sum(axis=1) + 1.0) / (shown.sum(axis=1) + 100.0)
    cells = np.repeat(base[:, None, None], count, axis=2)
    evidence = {f.name: np.zeros((past, 1)) for f in fields(Evidence)}
    seen = {"conversions": clicks[:, None], "matured_clicks": shown[:, None]}
    portfolio: dict[str, Any] = {f.name: np.ones(past) for f in fields(Portfolio)} | {
        "creatives": np.ones((past, count), np.bool_)
    }
    opening = weights.head("creative_scoring", ("weights", "bias", "root"))
    return creative_head(
        features.reshape(past, count, -1),
        Evidence(**(evidence | seen)),
        Portfolio(**portfolio),
        cells,
        opening,
    )


def regret(policy: Policy, campaigns: Campaigns, seed: int) -> Floats:
    """[R] clicks lost to always showing the best creative, as a share of its clicks.

    Clicks of a round are Poisson; the regret is of expected clicks, so that luck does not count.
    """
    rng, learner = np.random.default_rng([seed, 7]), policy(campaigns, np.random.default_rng([seed, 8]))
    highest, lost = campaigns.rate.max(axis=1, keepdims=True), np.zeros(len(campaigns.daily))
    for _ in range(DAYS * ROUNDS_A_DAY):
        shares = learner.shares()
        shown = shares * campaigns.daily[:, None] / ROUNDS_A_DAY
        learner.update(shown=shown, clicks=rng.poisson(shown * campaigns.rate).astype(np.float64))
        lost += (shares * (1.0 - campaigns.rate / highest)).sum(axis=1)
    return np.asarray(lost / (DAYS * ROUNDS_A_DAY))
