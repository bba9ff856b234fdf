"""What is foretold of new creatives by the known ones that they resemble, and what it saves in their first days.

A creative is a cloud of frames, drawn around one to three of a market's themes. Its log rate is half what its frames do
in the mean, a smooth function of each, and half its own. The known creatives have results, the new ones none.

Letters: S seeds, C known creatives, N new ones, M frames, D width.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from policies.bandit import CreativeBandit, Prior
from policies.cold_start import resembling
from policies.entities import Creative, Genome
from policies.frames import Floats, Ints
from policies.theories.compression import CreativeCompressor
from policies.theories.resemblance import frame_distances

KNOWN, NEW, WIDTH, THEMES = 60, 8, 16, 10
DAYS, ROUNDS_A_DAY = 3, 4
SPREAD, SHARE = 0.4, 0.5
_WAVES = 64
_ESSENCE, _STEPS = 4, 300


@dataclass(frozen=True, slots=True)
class Account:
    """One seed's creatives, known ones first."""

    creatives: list[Creative]
    effect: Floats
    """[C + N] log of each rate over the account's, in truth."""
    shown: Floats
    """[C]"""
    clicks: Floats
    """[C]"""
    rate: float
    daily: float
    """Impressions a day of the campaign with the new creatives."""


def draw(seed: int) -> Account:
    """An account of ``seed``."""
    rng = np.random.default_rng([seed, 31])
    themes = rng.standard_normal((THEMES, WIDTH))
    clouds = [_cloud(themes, rng) for _ in range(KNOWN + NEW)]
    turns, phase = rng.standard_normal((WIDTH, _WAVES)) / np.sqrt(WIDTH), rng.uniform(0, 2 * np.pi, _WAVES)
    appeal = np.array([np.cos(cloud @ turns + phase).mean(axis=0) for cloud in clouds]) @ rng.standard_normal(_WAVES)
    shared = (appeal - appeal.mean()) / appeal.std()
    own = rng.standard_normal(len(clouds))
    effect = SPREAD * (np.sqrt(SHARE) * shared + np.sqrt(1 - SHARE) * own)
    rate, daily = np.exp(rng.uniform(np.log(0.005), np.log(0.03))), np.exp(rng.uniform(np.log(3e3), np.log(1e5)))
    shown = np.exp(rng.uniform(np.log(3e3), np.log(3e5), KNOWN))
    clicks = rng.poisson(shown * rate * np.exp(effect[:KNOWN])).astype(np.float64)
    return Account([_creative(cloud) for cloud in clouds], effect, shown, clicks, float(rate), float(daily))


def _cloud(themes: Floats, rng: np.random.Generator) -> Floats:
    some = rng.choice(THEMES, rng.integers(1, 4), replace=False)
    return np.asarray(themes[rng.choice(some, 6)] + 0.4 * rng.standard_normal((6, WIDTH)))


def _creative(cloud: Floats) -> Creative:
    mean = cloud.mean(axis=0)
    return Creative(id="creative", embedding=mean, genome=Genome(mean, mean, mean), frames=cloud)


def by_frames(account: Account) -> Floats:
    """[C + N, C + N] sliced Wasserstein distances between clouds of frames."""
    return frame_distances(account.creatives)


def by_embedding(account: Account) -> Floats:
    """Distances between mean frames: the simple thing."""
    return _apart(np.stack([creative.embedding for creative in account.creatives]))


def by_essence(account: Account) -> Floats:
    """Distances between what an information bottleneck, taught on the known creatives, keeps of each mean frame."""
    known = np.stack([creative.embedding for creative in account.creatives[:KNOWN]])
    compressor = CreativeCompressor(dim=WIDTH, compressed_dim=_ESSENCE)
    compressor.fit(known, account.clicks.astype(np.int64), account.shown.astype(np.int64), steps=_STEPS)
    return _apart(
        np.stack([each.essence for each in compressor.extract_essences(account.creatives)]).astype(np.float64)
    )


DISTANCES = {"frames": by_frames, "embedding": by_embedding, "essence": by_essence}


def _apart(points: Floats) -> Floats:
    return np.asarray(np.linalg.norm(points[:, None] - points, axis=2))


def prior(account: Account, distances: Callable[[Account], Floats]) -> Prior:
    """Of the new creatives."""
    log_rate = np.log((account.clicks + 0.5) / account.shown)
    return resembling(distances(account), log_rate, 1.0 / np.sqrt(account.clicks + 0.5))


def nearest(account: Account) -> Floats:
    """[N] what the one known creative with the nearest frames has shown: the rule of thumb."""
    log_rate = np.log((account.clicks + 0.5) / account.shown)
    return np.asarray(log_rate[by_frames(account)[KNOWN:, :KNOWN].argmin(axis=1)])


def error(account: Account, foretold: Floats) -> float:
    """Root mean square error of the new creatives' log rates over their mean."""
    truth = account.effect[KNOWN:]
    return float(np.sqrt(np.mean((foretold - foretold.mean() - truth + truth.mean()) ** 2)))


def regret(accounts: list[Account], priors: Prior, seed: int) -> Floats:
    """[S] share of the clicks of the first days that is lost to the best of the new creatives, in expectation."""
    bandit = CreativeBandit(priors, rng=np.random.default_rng([seed, 8]))
    rng, lost = np.random.default_rng([seed, 7]), np.zeros(len(accounts))
    rate = np.stack([account.rate * np.exp(account.effect[KNOWN:]) for account in accounts])
    daily = np.array([[account.daily] for account in accounts])
    for _ in range(DAYS * ROUNDS_A_DAY):
        shares = bandit.shares()
        shown = shares * daily / ROUNDS_A_DAY
        bandit.update(shown=shown, clicks=rng.poisson(shown * rate).astype(np.float64))
        lost += (shares * (1.0 - rate / rate.max(axis=1, keepdims=True))).sum(axis=1)
    return np.asarray(lost / (DAYS * ROUNDS_A_DAY))


def stacked(priors: list[Prior]) -> Prior:
    """One row each."""
    return Prior(np.concatenate([p.mean for p in priors]), np.concatenate([p.root for p in priors]), priors[0].scales)


def accounts(seeds: Ints) -> list[Account]:
    """One for each seed."""
    return [draw(int(seed)) for seed in seeds]
