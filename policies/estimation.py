"""How much a click is worth: conversion rates pooled over campaigns, channels and creatives.

The rate of a cell is base (campaign) x channel x creative. Each factor is a ratio of what was reported to what
was expected, drawn to its prior by as many pseudo-conversions as the prior is sure: the posterior mean of a
Gamma-Poisson model ("Bayesian Data Analysis", 3rd ed., section 2.6).

Letters: R campaigns, C channels, K creatives.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from policies.frames import Floats, Ints, pad, sums_of

BASE_STRENGTH = 2.0
"""Pseudo-conversions behind a campaign's first guess: almost none, it is only a guess."""
CHANNEL_STRENGTH = 8.0
"""Channels differ by about 35 %: 1 / 0.35 squared."""
OWN_VARIANCE = 0.12**2
"""Of the log of a creative's rate: what sets it apart from others of the same hook, promise, frame and text."""
SHARED_VARIANCE = 0.35**2
"""Of the log of a creative's rate: what it has in common with them, before anything is known of them."""
_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Rates:
    """Conversions per click, in factors."""

    base: Floats
    """[R]"""
    channel: Floats
    """[R, C]"""
    creative: Floats
    """[R, K]"""

    @property
    def cells(self) -> Floats:
        """[R, C, K] conversions per click."""
        return np.asarray(self.base[:, None, None] * self.channel[:, :, None] * self.creative[:, None, :])


@dataclass(frozen=True, slots=True)
class CreativePrior:
    """What is expected of creatives before their own results count."""

    factor: Floats
    """[R, K] on the conversion rate."""
    doubt: Floats
    """[R, K] variance of its log that comes from what creatives share."""
    own: float
    """Variance of its log that is a creative's own: only its own results can tell."""

    @classmethod
    def none(cls, shape: tuple[int, int]) -> CreativePrior:
        """Nothing is known, so all that sets a creative apart is its own."""
        return cls(np.ones(shape), np.zeros(shape), OWN_VARIANCE + SHARED_VARIANCE)

    def grown(self, shape: tuple[int, int]) -> CreativePrior:
        """The same for more campaigns and creatives, of which nothing is expected yet."""
        return CreativePrior(pad(self.factor, shape, fill=1.0), pad(self.doubt, shape, fill=SHARED_VARIANCE), self.own)

    def standing(self) -> CreativePrior:
        """The same where no head learns from results: a creative's own must tell what it shares with others, too."""
        doubt = self.doubt[self.doubt > 0]
        return CreativePrior(
            self.factor, np.zeros_like(self.doubt), self.own + float(doubt.mean() if doubt.size else 0.0)
        )

    def variance(self, results: Floats) -> Floats:
        """[R, K] of the log factor once ``results`` [R, K] conversions or clicks are in, those behind ``doubt`` too.

        With noise n = 1 / results and own variance o: n o / (n + o) + (n / (n + o))^2 doubt (Gaussian posterior).
        """
        own_part = 1.0 / (1.0 + self.own * results)
        return np.asarray(own_part * self.own + own_part**2 * self.doubt)


def estimate(
    conversions: Floats, clicks: Floats, *, guess: Floats, prior: CreativePrior, account: Ints | None = None
) -> Rates:
    """Pooled rates from reported ``conversions`` and matured ``clicks`` [R, C, K].

    ``guess`` [R]: rates before any data. ``prior``: what is expected of the creatives. ``account`` [R]: campaigns
    of one number, from 0 on, learn from each other; None: all do.
    """
    rows, channels, _ = conversions.shape
    account = np.zeros(rows, dtype=np.int64) if account is None else account
    channel, creative = np.ones((rows, channels)), prior.factor
    base, by_channel, by_creative = guess, conversions.sum(2), conversions.sum(1)
    seen, pooled = by_channel.sum(1), _pooled(by_channel, account)
    for _ in range(_ROUNDS):
        shown = np.einsum("rck,rk->rc", clicks, creative)
        base = guess * _ratio(seen, guess * (shown * channel).sum(1), BASE_STRENGTH)
        expected = base[:, None] * shown
        common = _ratio(pooled, _pooled(expected, account), CHANNEL_STRENGTH)
        channel = common * _ratio(by_channel, expected * common, CHANNEL_STRENGTH)
        expected = base[:, None] * np.einsum("rck,rc->rk", clicks, channel)
        creative = prior.factor * _ratio(by_creative, expected * prior.factor, 1.0 / prior.own)
    return Rates(base, channel, creative)


def _pooled(counts: Floats, account: Ints) -> Floats:
    """[R, C] sums over all campaigns of each row's account."""
    return np.asarray(sums_of(counts, account, int(account.max(initial=0)) + 1)[account])


def _ratio(seen: Floats, expected: Floats, strength: float) -> Floats:
    return np.asarray((seen + strength) / (expected + strength))
