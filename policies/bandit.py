"""A bandit over creatives that share elements: what one hook has shown counts for the others that have it.

The log of a creative's rate is ``level + scale (mean + root w) + own u``, with standard normal w (shared) and u (its
own). ``scale`` and ``own`` are not known: each pair is a hypothesis, weighed by how well it foretold the clicks
(Bayesian model averaging), so elements that tell nothing cost next to nothing. Within a hypothesis clicks are
Poisson, and the posterior is Gaussian by Laplace's method (Rasmussen and Williams 2006, algorithm 3.1). A creative is
shown as often as it is likely to be the best one: Thompson sampling without drawing lots (Chapelle and Li 2011), and
with less spread, for campaigns end, and their creatives wear, before all that could be learnt has been.

Letters: R campaigns, K creatives, F features, M hypotheses, S draws.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from policies.frames import Bools, Floats

SCALES = (0.0, 0.15, 0.4)
"""Standard deviations of what elements do to the log of a rate."""
SCORED = (0.0, 0.5, 1.0)
"""Scales of what attention says, which has a unit of its own: 1 believes it."""
OWNS = (0.05, 0.15, 0.4)
"""Standard deviations of what is a creative's own."""
LEVEL = 2.0
"""Standard deviation of the log of a campaign's level around its pooled rate: any level will do."""
DRAWS = 128
EXPLORATION = 0.6
"""Of the spread of what is known: 1 would be Thompson sampling, which is for horizons without an end."""
_JITTER = 1e-9
_ROUNDS = 4
_STEP = 2.0


@dataclass(frozen=True, slots=True)
class Prior:
    """What is expected of creatives before their results."""

    mean: Floats
    """[R, K] log of the rate over the campaign's."""
    root: Floats
    """[R, K, F] ``root root^T`` is the covariance of what creatives share, at a scale of 1."""
    scales: tuple[float, ...]
    """Of the shared part, ``mean`` and ``root``; 0 is the hypothesis that nothing is shared."""

    @classmethod
    def alike(cls, creatives: int, campaigns: int = 1) -> Prior:
        """Nothing is known that would tell creatives apart."""
        return cls(np.zeros((campaigns, creatives)), np.zeros((campaigns, creatives, 0)), (0.0,))

    @classmethod
    def of_covariance(cls, mean: ArrayLike, covariance: ArrayLike) -> Prior:
        """Of one campaign: ``mean`` [K] and ``covariance`` [K, K] of what creatives share, from wherever."""
        return cls(_rows(mean, 2), _rows(_root(np.asarray(covariance, np.float64)), 3), SCORED)

    @classmethod
    def of_elements(cls, elements: ArrayLike) -> Prior:
        """Creatives that share elements do alike, how much is to be learnt.

        ``elements`` [K, F] or [R, K, F]: which elements each has, or any features of it.
        """
        root = _rows(elements, 3)
        size = np.sqrt((root**2).sum(axis=2).mean(axis=1))
        return cls(np.zeros(root.shape[:2]), root / np.maximum(size, 1e-12)[:, None, None], SCALES)

    @classmethod
    def of_scores(cls, overall: ArrayLike, features: ArrayLike, root: ArrayLike) -> Prior:
        """What attention makes of them: the ``creative_scoring`` model's answer, and the head that gave it.

        ``overall`` [K] or [R, K]: its last score; ``features`` [K, 64] or [R, K, 64]: of its extras; ``root`` [65, 65]:
        of its head.
        """
        x = _rows(features, 3)
        wide = np.concatenate([x, np.ones((*x.shape[:2], 1))], axis=2)
        return cls(_rows(overall, 2), wide @ np.asarray(root, np.float64), SCORED)


@dataclass(frozen=True, slots=True)
class Belief:
    """What is known of the log rates."""

    mean: Floats
    """[R, M, K]"""
    covariance: Floats
    """[R, M, K, K]"""
    weight: Floats
    """[R, M] chance of each hypothesis; sums to 1."""

    def moved(self, mean: Floats, deviation: Floats) -> Belief:
        """Where each log rate has moved by ``mean`` [R, K], give or take ``deviation`` [R, K]."""
        more = deviation[:, None, :, None] ** 2 * np.eye(deviation.shape[1])
        return Belief(self.mean + mean[:, None], self.covariance + more, self.weight)

    @property
    def expected(self) -> Floats:
        """[R, K] mean log rate over all hypotheses."""
        return np.asarray((self.weight[..., None] * self.mean).sum(axis=1))

    @property
    def deviation(self) -> Floats:
        """[R, K] standard deviation of the log rate, over all hypotheses."""
        second = np.diagonal(self.covariance, axis1=2, axis2=3) + (self.mean - self.expected[:, None]) ** 2
        return np.asarray(np.sqrt((self.weight[..., None] * second).sum(axis=1)))


class CreativeBandit:
    """Which creatives to show, how often.

    >>> hooks = np.eye(3)[[0, 0, 1, 2]]                                       # the first two creatives share one
    >>> bandit = CreativeBandit(Prior.of_elements(hooks), rng=np.random.default_rng(0))
    >>> bandit.update(shown=[4000, 0, 4000, 4000], clicks=[160, 0, 40, 40])   # of one campaign, or a row for each
    >>> bandit.shares().round(1)                                              # the second was never shown
    array([[0.9, 0.1, 0. , 0. ]])
    """

    def __init__(
        self, prior: Prior, *, exists: Bools | None = None, exploration: float = EXPLORATION, rng: np.random.Generator
    ) -> None:
        """``exists`` [R, K]: creatives that there are; ``exploration`` of 1 is Thompson sampling, less is greedier."""
        self.prior = prior
        self.exists = np.ones(prior.mean.shape, dtype=np.bool_) if exists is None else exists
        self.shown, self.clicks = np.zeros((2, *prior.mean.shape))
        self._exploration, self._rng = exploration, rng

    def update(self, *, shown: ArrayLike, clicks: ArrayLike) -> None:
        """Take in what came of it: impressions and clicks [K] or [R, K]; both may be discounted or corrected for wear.

        Raises:
            ValueError: on shapes other than the prior's, or numbers that are negative or not finite.
        """
        self.shown = self.shown + counts("shown", shown, self.shown.shape)
        self.clicks = self.clicks + counts("clicks", clicks, self.shown.shape)

    def belief(self) -> Belief:
        """What is known by now."""
        return believe(self.prior, self.exists, self.shown, self.clicks)

    def shares(self) -> Floats:
        """[R, K] shares of the impressions to come."""
        return best(self.belief(), self.exists, exploration=self._exploration, rng=self._rng)


def believe(prior: Prior, exists: Bools, shown: Floats, clicks: Floats) -> Belief:
    """The posterior of the log rates given ``clicks`` of ``shown`` [R, K] impressions."""
    shown, clicks = np.where(exists, shown, 0.0), np.where(exists, clicks, 0.0)
    pooled = np.log((clicks.sum(axis=1) + 1.0) / (shown.sum(axis=1) + 100.0))
    scale, own, chance = _hypotheses(prior.scales)
    centre = pooled[:, None, None] + scale[:, None] * prior.mean[:, None]
    shared = prior.root @ prior.root.transpose(0, 2, 1)
    eye = np.eye(shown.shape[1])
    covariance = LEVEL**2 + (scale**2)[:, None, None] * shared[:, None] + (own**2)[:, None, None] * eye
    mean, posterior, evidence = _laplace(centre, covariance, shown[:, None], clicks[:, None])
    weight = chance * np.exp(evidence - evidence.max(axis=1, keepdims=True))
    return Belief(mean, posterior, weight / weight.sum(axis=1, keepdims=True))


def _hypotheses(scales: tuple[float, ...]) -> tuple[Floats, Floats, Floats]:
    """[M] each: scale of the shared part, of a creative's own, and the chance of both before any results.

    That nothing is shared is as likely as that something is.
    """
    scale, own = (axis.ravel() for axis in np.meshgrid(scales, OWNS, indexing="ij"))
    alike = float((scale == 0).mean())
    chance = np.where(scale == 0, 1.0 / alike, 1.0 / max(1.0 - alike, 1e-12))
    return scale, own, chance / chance.sum()


def _laplace(centre: Floats, covariance: Floats, shown: Floats, clicks: Floats) -> tuple[Floats, Floats, Floats]:
    """Mode [R, M, K], covariance [R, M, K, K] and log evidence [R, M] of log rates with Poisson clicks."""
    eye = np.eye(centre.shape[-1])
    mode = centre + np.log((clicks + 2.0) / (shown * np.exp(centre) + 2.0))
    for _ in range(_ROUNDS):
        due = shown * np.exp(mode)
        root = np.sqrt(due)
        inner = eye + root[..., :, None] * covariance * root[..., None, :]
        b = due * (mode - centre) + clicks - due
        right = root * (covariance @ b[..., None])[..., 0]
        slope = b - root * np.linalg.solve(inner, right[..., None])[..., 0]
        move = centre + (covariance @ slope[..., None])[..., 0] - mode
        mode = mode + np.clip(move, -_STEP, _STEP)
    due = shown * np.exp(mode)
    root = np.sqrt(due)
    factor = np.linalg.cholesky(eye + root[..., :, None] * covariance * root[..., None, :])
    seen = np.linalg.solve(factor, root[..., :, None] * covariance)
    fit = (clicks * mode - due).sum(-1) - 0.5 * (slope * (mode - centre)).sum(-1)
    evidence = fit - np.log(np.diagonal(factor, axis1=-2, axis2=-1)).sum(-1)
    return mode, covariance - seen.swapaxes(-1, -2) @ seen, evidence


def best(belief: Belief, exists: Bools, *, exploration: float, rng: np.random.Generator) -> Floats:
    """[R, K] how likely each creative is to have the highest rate."""
    count = belief.mean.shape[-1]
    drawn = rng.standard_normal((DRAWS, count)) @ _root(belief.covariance).swapaxes(-1, -2)
    level = exploration * drawn + belief.mean[..., None, :]
    level[np.broadcast_to(~exists[:, None, None], level.shape)] = -np.inf
    wins = (level.argmax(axis=-1)[..., None] == np.arange(count)).mean(axis=2)
    return np.asarray((belief.weight[..., None] * wins).sum(axis=1))


def _root(covariance: Floats) -> Floats:
    """A square root [..., K, K]; what is known for certain may come out a little below zero."""
    return np.asarray(np.linalg.cholesky(covariance + _JITTER * np.eye(covariance.shape[-1])))


def _rows(values: ArrayLike, dimensions: int) -> Floats:
    array = np.asarray(values, np.float64)
    return array if array.ndim == dimensions else array[None]


def counts(name: str, values: ArrayLike, shape: tuple[int, ...]) -> Floats:
    """``values`` as [R, K] of ``shape``, or [K] where there is one campaign.

    Raises:
        ValueError: on another shape, or numbers that are negative or not finite.
    """
    array = _rows(values, 2)
    if array.shape != shape:
        raise ValueError(f"{name} has shape {np.shape(values)}, expected {shape}, or {shape[1:]} for one campaign")
    if not (np.isfinite(array) & (array >= 0)).all():
        raise ValueError(f"{name} holds {array.min()}, expected numbers that are finite and not negative")
    return array
