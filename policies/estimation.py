"""How much a click is worth: conversion rates pooled over campaigns, channels and creatives.

The rate of a cell is base (campaign) x channel x creative. Each factor is a ratio of what was reported to what
was expected, drawn to its prior by as many pseudo-conversions as the prior is sure: the posterior mean of a
Gamma-Poisson model ("Bayesian Data Analysis", 3rd ed., section 2.6).

Letters: R campaigns, C channels, K creatives.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from policies.frames import Floats

BASE_STRENGTH = 2.0
"""Pseudo-conversions behind a campaign's first guess: almost none, it is only a guess."""
CHANNEL_STRENGTH = 8.0
"""Channels differ by about 35 %: 1 / 0.35 squared."""
CREATIVE_STRENGTH = 20.0
"""Creatives differ by about 22 % beyond what is said of them beforehand."""
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


def estimate(conversions: Floats, clicks: Floats, *, guess: Floats, creative_prior: Floats) -> Rates:
    """Pooled rates from reported ``conversions`` and matured ``clicks`` [R, C, K].

    ``guess`` [R]: rates before any data. ``creative_prior`` [R, K]: factors expected of the creatives.
    """
    rows, channels, _ = conversions.shape
    channel, creative = np.ones((rows, channels)), creative_prior
    base = guess
    for _ in range(_ROUNDS):
        expected = clicks * channel[:, :, None] * creative[:, None, :]
        base = guess * _ratio(conversions.sum((1, 2)), guess * expected.sum((1, 2)), BASE_STRENGTH)
        flat = base[:, None, None] * clicks * creative[:, None, :]
        common = _ratio(conversions.sum((0, 2)), flat.sum((0, 2)), CHANNEL_STRENGTH)
        channel = common * _ratio(conversions.sum(2), flat.sum(2) * common, CHANNEL_STRENGTH)
        flat = base[:, None, None] * clicks * channel[:, :, None]
        creative = creative_prior * _ratio(conversions.sum(1), flat.sum(1) * creative_prior, CREATIVE_STRENGTH)
    return Rates(base, channel, creative)


def _ratio(seen: Floats, expected: Floats, strength: float) -> Floats:
    return np.asarray((seen + strength) / (expected + strength))
